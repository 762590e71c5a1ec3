package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/pipeline"
	"github.com/telltale-iot/telltale/store"
	"github.com/telltale-iot/telltale/store/row"
)

// querier is a pool, or one connection of it.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// each calls f for each row of an answer.
func each(ctx context.Context, q querier, f func(pgx.Rows) error, sql string, args ...any) error {
	rows, err := q.Query(ctx, sql, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := f(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// nanos stores an instant; the zero time is NULL.
func nanos(t time.Time) *int64 {
	if t.IsZero() {
		return nil
	}
	n := t.UnixNano()
	return &n
}

func instant(n *int64) time.Time {
	if n == nil {
		return time.Time{}
	}
	return time.Unix(0, *n).UTC()
}

// number stores v; what is not finite is NULL.
func number(v float64) *float64 {
	if !row.Finite(v) {
		return nil
	}
	return &v
}

func known(v *float64) asset.Number {
	if v == nil {
		return asset.Missing()
	}
	return asset.Number(*v)
}

// scanRisk reads riskColumns, and then the columns of into.
func scanRisk(from pgx.Rows, into ...any) (asset.Risk, error) {
	var (
		r               asset.Risk
		t               int64
		id, mode        string
		risk, horizon   *float64
		score, rul      [4]*float64
		sure            [7]*float64
		modes, evidence []byte
	)
	if err := from.Scan(append([]any{
		&id, &r.Component, &t, &risk, &horizon, &r.Anomaly, &score[0], &score[1], &score[2], &score[3],
		&rul[0], &rul[1], &rul[2], &rul[3], &mode, &modes, &evidence,
		&sure[0], &sure[1], &sure[2], &sure[3], &sure[4], &sure[5], &sure[6],
	}, into...)...); err != nil {
		return r, err
	}
	r.Time, r.Asset, r.Mode = time.Unix(0, t).UTC(), asset.ID(id), asset.Mode(mode)
	r.Risk = known(risk)
	if horizon != nil {
		r.HorizonH = *horizon
	}
	r.MLScore, r.MLP, r.PhysicsScore, r.RuleScore = known(score[0]), known(score[1]), known(score[2]), known(score[3])
	r.RUL = asset.RUL{P10: known(rul[0]), P50: known(rul[1]), P90: known(rul[2]), Soon: known(rul[3])}
	r.Certainty = asset.Certainty{Low: known(sure[0]), High: known(sure[1]), Confidence: known(sure[2]), Conflict: known(sure[3])}
	r.LLR = asset.ViewLLR{ML: known(sure[4]), Physics: known(sure[5]), Rule: known(sure[6])}
	return r, errors.Join(row.Decode(modes, &r.Modes), row.Decode(evidence, &r.Evidence))
}

var riskList = strings.Join(riskColumns, ", ")

// LatestRisks lists the newest risk of every component, by asset and component; it
// alone comes with its sources.
func (s *Store) LatestRisks(ctx context.Context) ([]asset.Risk, error) {
	var risks []asset.Risk
	err := each(ctx, s.reads, func(r pgx.Rows) error {
		var sources []byte
		risk, err := scanRisk(r, &sources)
		if err == nil {
			err = row.Decode(sources, &risk.Sources)
		}
		risks = append(risks, risk)
		return err
	}, "SELECT "+riskList+", sources FROM risk_latest ORDER BY asset, component")
	if err != nil {
		return nil, fmt.Errorf("latest risks: %w", err)
	}
	return risks, nil
}

// Risks returns the risks of a component (of all of them when it is empty) in
// [from, to], oldest first. When there are more than limit (0 means no limit),
// it keeps every k-th, counted back from the newest.
func (s *Store) Risks(ctx context.Context, id asset.ID, component string, from, to time.Time, limit int) ([]asset.Risk, error) {
	where := " asset = $1 AND time BETWEEN $2 AND $3"
	args := []any{clean(string(id)), from.UnixNano(), to.UnixNano()}
	if component != "" {
		where, args = where+" AND component = $4", append(args, clean(component))
	}
	every := 1
	if limit > 0 {
		var parts, n int
		if err := s.reads.QueryRow(ctx, "SELECT count(*), count(DISTINCT component) FROM risk WHERE"+where, args...).Scan(&n, &parts); err != nil {
			return nil, fmt.Errorf("risks of asset %s: %w", id, err)
		}
		every = row.Stride(n, limit, parts)
	}
	var risks []asset.Risk
	err := each(ctx, s.reads, func(r pgx.Rows) error {
		risk, err := scanRisk(r)
		risks = append(risks, risk)
		return err
	}, fmt.Sprintf("SELECT %s FROM (SELECT *, row_number() OVER (PARTITION BY component ORDER BY time DESC) - 1 AS k FROM risk WHERE%s) r WHERE k %% %d = 0 ORDER BY time, component",
		riskList, where, every), args...)
	if err != nil {
		return nil, fmt.Errorf("risks: %w", err)
	}
	return risks, nil
}

// EachRisk calls f for every risk, ordered by time, asset, component. It stops
// at the first error, which it returns.
func (s *Store) EachRisk(ctx context.Context, f func(asset.Risk) error) error {
	return each(ctx, s.reads, func(r pgx.Rows) error {
		risk, err := scanRisk(r)
		if err != nil {
			return err
		}
		return f(risk)
	}, "SELECT "+riskList+" FROM risk ORDER BY time, asset, component")
}

// RisksWithin is EachRisk for the risks within [from, to].
func (s *Store) RisksWithin(ctx context.Context, from, to time.Time, f func(asset.Risk) error) error {
	return each(ctx, s.reads, func(r pgx.Rows) error {
		risk, err := scanRisk(r)
		if err != nil {
			return err
		}
		return f(risk)
	}, "SELECT "+riskList+" FROM risk WHERE time BETWEEN $1 AND $2 ORDER BY time, asset, component", from.UnixNano(), to.UnixNano())
}

// Alerts lists alerts, newest first.
func (s *Store) Alerts(ctx context.Context, f store.AlertFilter) ([]asset.Alert, error) {
	var alerts []asset.Alert
	err := each(ctx, s.reads, func(r pgx.Rows) error {
		a, err := scanAlert(r)
		alerts = append(alerts, a)
		return err
	}, `SELECT body FROM alert WHERE ($1::text = '' OR asset = $1) AND ($2::text = '' OR component = $2) AND (NOT $3::boolean OR cleared IS NULL)
		ORDER BY opened DESC, asset, component LIMIT $4`, clean(string(f.Asset)), clean(f.Component), f.OpenOnly, limit(f.Limit))
	if err != nil {
		return nil, fmt.Errorf("alerts: %w", err)
	}
	return alerts, nil
}

// Alert returns the alert with that id; store.ErrNotFound when there is none.
func (s *Store) Alert(ctx context.Context, id string) (asset.Alert, error) {
	a, err := scanAlert(s.reads.QueryRow(ctx, "SELECT body FROM alert WHERE id = $1", clean(id)))
	if errors.Is(err, pgx.ErrNoRows) {
		err = store.ErrNotFound
	}
	if err != nil {
		return asset.Alert{}, fmt.Errorf("alert %s: %w", id, err)
	}
	return a, nil
}

func scanAlert(from pgx.Row) (asset.Alert, error) {
	var a asset.Alert
	var body []byte
	if err := from.Scan(&body); err != nil {
		return a, err
	}
	return a, row.Decode(body, &a)
}

// limit is n for SQL, where NULL means none.
func limit(n int) *int {
	if n <= 0 {
		return nil
	}
	return &n
}

// TwinEvents returns the newest events of an asset (of all assets when it is
// empty), oldest first; at most limit, where 0 means no limit.
func (s *Store) TwinEvents(ctx context.Context, id asset.ID, n int) ([]pipeline.TwinEvent, error) {
	var events []pipeline.TwinEvent
	where, args := "", []any{limit(n)}
	if id != "" {
		where, args = "WHERE asset = $2", append(args, clean(string(id)))
	}
	err := each(ctx, s.reads, func(r pgx.Rows) error {
		var e pipeline.TwinEvent
		var t int64
		err := r.Scan(&e.Asset, &t, &e.Kind, &e.Payload)
		e.Time = time.Unix(0, t).UTC()
		events = append(events, e)
		return err
	}, "SELECT asset, time, kind, payload FROM twin_event "+where+" ORDER BY time DESC, asset DESC, kind DESC, payload DESC LIMIT $1", args...)
	slices.Reverse(events)
	if err != nil {
		return nil, fmt.Errorf("events of asset %s: %w", id, err)
	}
	return events, nil
}

// Counts returns the counters, by name.
func (s *Store) Counts(ctx context.Context) (map[string]int64, error) {
	counts := map[string]int64{}
	err := each(ctx, s.reads, func(r pgx.Rows) error {
		var name string
		var n int64
		err := r.Scan(&name, &n)
		counts[name] = n
		return err
	}, "SELECT name, sum(n)::bigint FROM counter GROUP BY name")
	if err != nil {
		return nil, fmt.Errorf("counters: %w", err)
	}
	return counts, nil
}
