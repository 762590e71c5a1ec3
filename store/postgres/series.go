package postgres

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/features"
	"github.com/telltale-iot/telltale/pipeline"
	"github.com/telltale-iot/telltale/store"
	"github.com/telltale-iot/telltale/store/row"
)

// loadSchemas reads the lists of fields that the database holds.
func (s *Store) loadSchemas(ctx context.Context) (map[int64][]features.Field, map[int64]string, error) {
	fields, channels := map[int64][]features.Field{}, map[int64]string{}
	err := each(ctx, s.reads, func(r pgx.Rows) error {
		var id int64
		var channel string
		var text []byte
		err := r.Scan(&id, &channel, &text)
		if err == nil {
			channels[id] = channel
			fields[id], err = row.Fields(text)
		}
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
	err = each(ctx, s.reads, func(r pgx.Rows) error {
		id, t, v, err := scanVector(r, fields)
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
	}, "SELECT time, asset, channel, window_s, schema, start, quality, vals, reasons FROM frame WHERE time BETWEEN $1 AND $2 ORDER BY time, asset, channel, window_s, schema", from, to)
	if err != nil || len(frame.Vectors) == 0 {
		return err
	}
	return f(frame)
}

func scanVector(from pgx.Rows, fields map[int64][]features.Field) (asset.ID, time.Time, features.Vector, error) {
	var (
		v         features.Vector
		id        string
		t, schema int64
		start     *int64
		quality   *float64
		reasons   []string
	)
	if err := from.Scan(&t, &id, &v.Channel, &v.WindowS, &schema, &start, &quality, &v.Values, &reasons); err != nil {
		return "", time.Time{}, v, err
	}
	v.Fields = fields[schema]
	if len(v.Fields) != len(v.Values) {
		return "", time.Time{}, v, fmt.Errorf("%w: %d values for the %d fields of schema %d", row.ErrDamaged, len(v.Values), len(v.Fields), schema)
	}
	for _, r := range reasons {
		v.Reasons = append(v.Reasons, asset.Reason(r))
	}
	v.Quality, v.Start = float64(known(quality)), instant(start)
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
	for channel, schemas := range wanted.Schemas {
		args := []any{clean(string(id)), channel, from.UnixNano(), to.UnixNano(), schemas}
		if err := s.trend(ctx, wanted, series, limit, args); err != nil {
			return nil, fmt.Errorf("trend of asset %s, channel %s: %w", id, channel, err)
		}
	}
	row.Sort(series)
	return series, nil
}

// trend adds the points of one vector channel to the series.
func (s *Store) trend(ctx context.Context, wanted row.Wanted, series []store.Series, limit int, args []any) error {
	const where = "asset = $1 AND channel = $2 AND time BETWEEN $3 AND $4 AND schema = ANY($5)"
	every := 1
	if limit > 0 {
		var n int
		if err := s.reads.QueryRow(ctx, "SELECT count(*) FROM frame WHERE "+where, args...).Scan(&n); err != nil {
			return err
		}
		every = row.Stride(n, limit, 1)
	}
	return each(ctx, s.reads, func(r pgx.Rows) error {
		var t, schema int64
		var values []float64
		if err := r.Scan(&t, &schema, &values); err != nil {
			return err
		}
		return wanted.Add(series, schema, time.Unix(0, t).UTC(), values)
	}, fmt.Sprintf(`SELECT time, schema, vals FROM (SELECT time, schema, vals, row_number() OVER (ORDER BY time DESC, window_s DESC, schema DESC) - 1 AS k
		FROM frame WHERE %s) f WHERE k %% %d = 0 ORDER BY time`, where, every), args...)
}

// Spectra returns the newest spectrum of each kind of a channel at or before an
// instant, and when the newest of them was taken.
func (s *Store) Spectra(ctx context.Context, id asset.ID, channel string, at time.Time) ([]features.Spectrum, time.Time, error) {
	var list []features.Spectrum
	var taken time.Time
	err := each(ctx, s.reads, func(r pgx.Rows) error {
		sp := features.Spectrum{Channel: channel}
		var t int64
		var step *float64
		var marks []byte
		if err := r.Scan(&t, &sp.Kind, &sp.Unit, &step, &sp.Bins, &marks); err != nil {
			return err
		}
		sp.StepHz = float64(known(step))
		if when := time.Unix(0, t).UTC(); when.After(taken) {
			taken = when
		}
		list = append(list, sp)
		return row.Decode(marks, &list[len(list)-1].Marks)
	}, `WITH RECURSIVE k (kind) AS (SELECT min(kind) FROM spectrum WHERE asset = $1 AND channel = $2
		UNION ALL SELECT (SELECT min(kind) FROM spectrum WHERE asset = $1 AND channel = $2 AND kind > k.kind) FROM k WHERE k.kind IS NOT NULL)
		SELECT s.time, s.kind, s.unit, s.step_hz, s.bins, s.marks FROM k CROSS JOIN LATERAL
		(SELECT * FROM spectrum WHERE asset = $1 AND channel = $2 AND kind = k.kind AND time <= $3 ORDER BY time DESC LIMIT 1) s ORDER BY s.kind`,
		clean(string(id)), clean(channel), at.UnixNano())
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("spectra of asset %s, channel %s: %w", id, channel, err)
	}
	return list, taken, nil
}
