package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/features"
	"github.com/telltale-iot/telltale/pipeline"
	"github.com/telltale-iot/telltale/store"
	"github.com/telltale-iot/telltale/store/row"
)

// loadSchemas reads the lists of fields that the file holds.
func (s *Store) loadSchemas(ctx context.Context) (map[int64][]features.Field, map[int64]string, error) {
	fields, channels := map[int64][]features.Field{}, map[int64]string{}
	err := s.query(ctx, func(rows *sql.Rows) error {
		var id int64
		var channel, text string
		if err := rows.Scan(&id, &channel, &text); err != nil {
			return err
		}
		var err error
		fields[id], err = row.Fields([]byte(text))
		channels[id] = channel
		return err
	}, "SELECT id, channel, fields FROM schema")
	return fields, channels, err
}

// EachFrame calls f for every frame, ordered by time and asset, with its vectors
// ordered by channel and window length; spectra are left out (see Spectra). The
// vectors' Fields are shared: they must not be changed. It stops at the first
// error, which it returns.
func (s *Store) EachFrame(ctx context.Context, f func(pipeline.Frame) error) error {
	return s.framesBetween(ctx, math.MinInt64, math.MaxInt64, f)
}

// FramesWithin is EachFrame for the frames within [from, to].
func (s *Store) FramesWithin(ctx context.Context, from, to time.Time, f func(pipeline.Frame) error) error {
	return s.framesBetween(ctx, from.UnixNano(), to.UnixNano(), f)
}

func (s *Store) framesBetween(ctx context.Context, from, to int64, f func(pipeline.Frame) error) error {
	fields, _, err := s.loadSchemas(ctx)
	if err != nil {
		return fmt.Errorf("schemas: %w", err)
	}
	var frame pipeline.Frame
	err = s.query(ctx, func(rows *sql.Rows) error {
		id, t, v, err := scanVector(rows, fields)
		if err != nil {
			return err
		}
		if len(frame.Vectors) > 0 && (frame.Asset != id || !frame.Time.Equal(t)) {
			if err := f(frame); err != nil {
				return err
			}
			frame.Vectors = nil
		}
		frame.Asset, frame.Time = id, t
		frame.Vectors = append(frame.Vectors, v)
		return nil
	}, "SELECT time, asset, channel, window_s, schema, start, quality, vals, reasons FROM frame WHERE time BETWEEN ?1 AND ?2 ORDER BY time, asset, channel, window_s, schema", from, to)
	if err != nil || len(frame.Vectors) == 0 {
		return err
	}
	return f(frame)
}

func scanVector(from scanner, fields map[int64][]features.Field) (asset.ID, time.Time, features.Vector, error) {
	var (
		v         features.Vector
		id        string
		t, schema int64
		start     sql.NullInt64
		quality   sql.NullFloat64
		vals      sql.RawBytes
		reasons   sql.NullString
	)
	if err := from.Scan(&t, &id, &v.Channel, &v.WindowS, &schema, &start, &quality, &vals, &reasons); err != nil {
		return "", time.Time{}, v, err
	}
	var err error
	if v.Values, err = floats(vals); err != nil {
		return "", time.Time{}, v, err
	}
	v.Fields = fields[schema]
	if len(v.Fields) != len(v.Values) {
		return "", time.Time{}, v, fmt.Errorf("%w: %d values for the %d fields of schema %d", row.ErrDamaged, len(v.Values), len(v.Fields), schema)
	}
	v.Quality, v.Start, v.Reasons = float64(number(quality)), instant(start), splitReasons(reasons)
	return asset.ID(id), time.Unix(0, t).UTC(), v, nil
}

// Trend returns one series for each key ("channel/feature") in [from, to]. When
// a channel has more than limit rows there (0 means no limit), every k-th is
// taken, counted back from the newest.
func (s *Store) Trend(ctx context.Context, id asset.ID, keys []string, from, to time.Time, limit int) ([]store.Series, error) {
	fields, channels, err := s.loadSchemas(ctx)
	if err != nil {
		return nil, fmt.Errorf("schemas: %w", err)
	}
	wanted, series := row.Want(keys, fields, channels)
	for channel, ids := range wanted.Schemas {
		if err := s.trend(ctx, id, channel, ids, wanted, series, from, to, limit); err != nil {
			return nil, fmt.Errorf("trend of asset %s, channel %s: %w", id, channel, err)
		}
	}
	row.Sort(series)
	return series, nil
}

// trend adds the points of one vector channel to the series.
func (s *Store) trend(ctx context.Context, id asset.ID, channel string, ids []int64, wanted row.Wanted, series []store.Series,
	from, to time.Time, limit int,
) error {
	where := "asset = ? AND channel = ? AND time BETWEEN ? AND ? AND schema IN (?" + strings.Repeat(", ?", len(ids)-1) + ")"
	args := []any{string(id), channel, from.UnixNano(), to.UnixNano()}
	for _, schema := range ids {
		args = append(args, schema)
	}
	every := 1
	if limit > 0 {
		var n int
		if err := s.readers.QueryRowContext(ctx, "SELECT count(*) FROM frame WHERE "+where, args...).Scan(&n); err != nil {
			return err
		}
		every = row.Stride(n, limit, 1)
	}
	return s.query(ctx, func(rows *sql.Rows) error {
		var t, schema int64
		var vals sql.RawBytes
		if err := rows.Scan(&t, &schema, &vals); err != nil {
			return err
		}
		values, err := floats(vals)
		if err != nil {
			return err
		}
		return wanted.Add(series, schema, time.Unix(0, t).UTC(), values)
	}, `WITH pick AS (SELECT time, asset, channel, window_s, schema, row_number() OVER (ORDER BY time DESC) - 1 AS k FROM frame WHERE `+where+`)
		SELECT f.time, f.schema, f.vals FROM pick p JOIN frame f ON f.time = p.time AND f.asset = p.asset AND f.channel = p.channel
		AND f.window_s = p.window_s AND f.schema = p.schema WHERE p.k % ? = 0 ORDER BY f.time`, append(args, every)...)
}

// Spectra returns the newest spectrum of each kind of a channel at or before an
// instant, and when the newest of them was taken.
func (s *Store) Spectra(ctx context.Context, id asset.ID, channel string, at time.Time) ([]features.Spectrum, time.Time, error) {
	var list []features.Spectrum
	var taken time.Time
	err := s.query(ctx, func(rows *sql.Rows) error {
		sp := features.Spectrum{Channel: channel}
		var t int64
		var step sql.NullFloat64
		var bins sql.RawBytes
		var marks sql.NullString
		err := rows.Scan(&t, &sp.Kind, &sp.Unit, &step, &bins, &marks)
		if err != nil {
			return err
		}
		if sp.Bins, err = float32s(bins); err != nil {
			return err
		}
		sp.StepHz = float64(number(step))
		if when := time.Unix(0, t).UTC(); when.After(taken) {
			taken = when
		}
		list = append(list, sp)
		return decode(marks, &list[len(list)-1].Marks)
	}, `WITH RECURSIVE k (kind) AS (SELECT min(kind) FROM spectrum WHERE asset = ?1 AND channel = ?2
		UNION ALL SELECT (SELECT min(kind) FROM spectrum WHERE asset = ?1 AND channel = ?2 AND kind > k.kind) FROM k WHERE k.kind IS NOT NULL)
		SELECT s.time, s.kind, s.unit, s.step_hz, s.bins, s.marks FROM k JOIN spectrum s ON s.asset = ?1 AND s.channel = ?2 AND s.kind = k.kind
		AND s.time = (SELECT max(time) FROM spectrum WHERE asset = ?1 AND channel = ?2 AND kind = k.kind AND time <= ?3) ORDER BY s.kind`,
		string(id), channel, at.UnixNano())
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("spectra of asset %s, channel %s: %w", id, channel, err)
	}
	return list, taken, nil
}
