package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/store"
	"github.com/telltale-iot/telltale/store/row"
)

// EachScore calls f for every score that the filter selects, ordered by time,
// asset, component and digest. It stops at the first error, which it returns.
func (s *Store) EachScore(ctx context.Context, filter store.ScoreFilter, f func(asset.Score) error) error {
	from, to := row.Bounds(filter.From, filter.To)
	return each(ctx, s.reads, func(r pgx.Rows) error {
		score, err := scanScore(r)
		if err != nil {
			return err
		}
		return f(score)
	}, `SELECT s.time, s.asset, s.component, m.name, m.digest, s.inputs, s.stage, s.serves, s.regime, s.score, s.p, s.abnormal, s.reason
		FROM score s JOIN model m ON m.id = s.model WHERE s.time BETWEEN $1 AND $2 AND ($3::text = '' OR s.asset = $3) AND ($4::text = '' OR s.component = $4)
		AND ($5::text[] IS NULL OR m.name = ANY($5)) AND ($6::text[] IS NULL OR m.digest = ANY($6))
		ORDER BY s.time, s.asset, s.component, m.digest, m.name`,
		from, to, clean(string(filter.Asset)), clean(filter.Component), filter.Models, filter.Digests)
}

func scanScore(from pgx.Rows) (asset.Score, error) {
	var (
		r          asset.Score
		t          int64
		id, reason string
		score, p   *float64
	)
	err := from.Scan(&t, &id, &r.Component, &r.Model, &r.Digest, &r.Inputs, &r.Stage, &r.Serves, &r.Regime, &score, &p, &r.Abnormal, &reason)
	r.Time, r.Asset, r.Reason, r.Score, r.P = time.Unix(0, t).UTC(), asset.ID(id), asset.Reason(reason), known(score), known(p)
	return r, err
}

// ScoreCounts adds up the answers in [from, to] by version and stage, in the
// order of digest, name and stage. A zero from or to does not bound.
func (s *Store) ScoreCounts(ctx context.Context, from, to time.Time) ([]store.ScoreCount, error) {
	low, high := row.Bounds(from, to)
	var counts []store.ScoreCount
	err := each(ctx, s.reads, func(r pgx.Rows) error {
		var c store.ScoreCount
		var reason string
		if err := r.Scan(&c.Digest, &c.Model, &c.Stage, &reason, &c.N, &c.Abnormal); err != nil {
			return err
		}
		counts = row.AddCount(counts, c, asset.Reason(reason))
		return nil
	}, `SELECT m.digest, m.name, s.stage, s.reason, count(*), count(*) FILTER (WHERE s.abnormal) FROM score s JOIN model m ON m.id = s.model
		WHERE s.time BETWEEN $1 AND $2 GROUP BY m.digest, m.name, s.stage, s.reason ORDER BY m.digest, m.name, s.stage, s.reason`, low, high)
	if err != nil {
		return nil, fmt.Errorf("counts of scores: %w", err)
	}
	return counts, nil
}

// NewestScore is the instant of the newest answer of a model file; zero when there is none.
func (s *Store) NewestScore(ctx context.Context, digest string) (time.Time, error) {
	var newest *int64
	err := s.reads.QueryRow(ctx, `SELECT max(t.time) FROM model m CROSS JOIN LATERAL
		(SELECT time FROM score WHERE model = m.id ORDER BY time DESC LIMIT 1) t WHERE m.digest = $1`, clean(digest)).Scan(&newest)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return time.Time{}, fmt.Errorf("newest score of %s: %w", digest, err)
	}
	return instant(newest), nil
}
