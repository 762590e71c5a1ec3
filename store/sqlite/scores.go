package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/store"
	"github.com/telltale-iot/telltale/store/row"
)

func (s *Store) keepScores(ctx context.Context, scores []asset.Score) error {
	type version struct{ digest, name string }
	known := map[version]int64{}
	for i := range scores {
		r := &scores[i]
		v := version{r.Digest, r.Model}
		id, ok := known[v]
		if !ok {
			// The update changes nothing: it makes RETURNING answer for a row that is there.
			err := s.row(ctx, "INSERT INTO model (digest, name) VALUES (?, ?) ON CONFLICT (digest, name) DO UPDATE SET name = excluded.name RETURNING id",
				[]any{v.digest, v.name}, &id)
			if err != nil {
				return fmt.Errorf("model %s: %w", v.name, err)
			}
			known[v] = id
		}
		if err := s.exec(ctx, `INSERT OR REPLACE INTO score (time, asset, component, model, inputs, stage, serves, regime, score, p, abnormal, reason)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, r.Time.UnixNano(), string(r.Asset), r.Component, id, r.Inputs, r.Stage, r.Serves, r.Regime,
			finite(float64(r.Score)), finite(float64(r.P)), r.Abnormal, string(r.Reason)); err != nil {
			return fmt.Errorf("score of asset %s, %s by %s: %w", r.Asset, r.Component, v.name, err)
		}
	}
	return nil
}

// EachScore calls f for every score that the filter selects, ordered by time,
// asset, component and digest. It stops at the first error, which it returns.
func (s *Store) EachScore(ctx context.Context, filter store.ScoreFilter, f func(asset.Score) error) error {
	from, to := row.Bounds(filter.From, filter.To)
	names, err := json.Marshal(filter.Models)
	if err != nil {
		return fmt.Errorf("scores: %w", err)
	}
	digests, err := json.Marshal(filter.Digests)
	if err != nil {
		return fmt.Errorf("scores: %w", err)
	}
	return s.query(ctx, func(rows *sql.Rows) error {
		r, err := scanScore(rows)
		if err != nil {
			return err
		}
		return f(r)
	}, `SELECT s.time, s.asset, s.component, m.name, m.digest, s.inputs, s.stage, s.serves, s.regime, s.score, s.p, s.abnormal, s.reason
		FROM score s CROSS JOIN model m ON m.id = s.model WHERE s.time BETWEEN ?1 AND ?2 AND (?3 = '' OR s.asset = ?3) AND (?4 = '' OR s.component = ?4)
		AND (?5 = 'null' OR m.name IN (SELECT value FROM json_each(?5))) AND (?6 = 'null' OR m.digest IN (SELECT value FROM json_each(?6)))
		ORDER BY s.time, s.asset, s.component, m.digest, m.name`,
		from, to, string(filter.Asset), filter.Component, string(names), string(digests))
}

func scanScore(from scanner) (asset.Score, error) {
	var (
		r          asset.Score
		t          int64
		id, reason string
		score, p   sql.NullFloat64
	)
	err := from.Scan(&t, &id, &r.Component, &r.Model, &r.Digest, &r.Inputs, &r.Stage, &r.Serves, &r.Regime, &score, &p, &r.Abnormal, &reason)
	r.Time, r.Asset, r.Reason, r.Score, r.P = time.Unix(0, t).UTC(), asset.ID(id), asset.Reason(reason), number(score), number(p)
	return r, err
}

// ScoreCounts adds up the answers in [from, to] by version and stage, in the
// order of digest, name and stage. A zero from or to does not bound.
func (s *Store) ScoreCounts(ctx context.Context, from, to time.Time) ([]store.ScoreCount, error) {
	low, high := row.Bounds(from, to)
	var counts []store.ScoreCount
	err := s.query(ctx, func(rows *sql.Rows) error {
		var c store.ScoreCount
		var reason string
		if err := rows.Scan(&c.Digest, &c.Model, &c.Stage, &reason, &c.N, &c.Abnormal); err != nil {
			return err
		}
		counts = row.AddCount(counts, c, asset.Reason(reason))
		return nil
	}, `SELECT m.digest, m.name, s.stage, s.reason, count(*), sum(s.abnormal) FROM score s CROSS JOIN model m ON m.id = s.model
		WHERE s.time BETWEEN ? AND ? GROUP BY m.digest, m.name, s.stage, s.reason ORDER BY m.digest, m.name, s.stage, s.reason`, low, high)
	if err != nil {
		return nil, fmt.Errorf("counts of scores: %w", err)
	}
	return counts, nil
}

// NewestScore is the instant of the newest answer of a model file; zero when there is none.
func (s *Store) NewestScore(ctx context.Context, digest string) (time.Time, error) {
	var newest sql.NullInt64
	err := s.readers.QueryRowContext(ctx, `SELECT s.time FROM score s CROSS JOIN model m ON m.id = s.model WHERE m.digest = ?
		ORDER BY s.time DESC LIMIT 1`, digest).Scan(&newest)
	if errors.Is(err, sql.ErrNoRows) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("newest score of %s: %w", digest, err)
	}
	return instant(newest), nil
}
