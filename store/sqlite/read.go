package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/pipeline"
	"github.com/telltale-iot/telltale/store"
	"github.com/telltale-iot/telltale/store/row"
)

const riskColumns = `r.time, r.asset, r.component, r.risk, r.horizon_h, r.anomaly, r.ml_score, r.ml_p, r.physics_score, r.rule_score,
	r.rul_p10_h, r.rul_p50_h, r.rul_p90_h, r.p_fail_48h, r.mode, r.modes, r.evidence,
	r.risk_low, r.risk_high, r.confidence, r.conflict, r.ml_llr, r.physics_llr, r.rule_llr`

// scanRisk reads riskColumns, and then the columns of into.
func scanRisk(from scanner, into ...any) (asset.Risk, error) {
	var (
		r               asset.Risk
		t               int64
		id, mode        string
		risk, horizon   sql.NullFloat64
		score           [4]sql.NullFloat64
		rul             [4]sql.NullFloat64
		sure            [7]sql.NullFloat64
		modes, evidence sql.NullString
	)
	if err := from.Scan(append([]any{
		&t, &id, &r.Component, &risk, &horizon, &r.Anomaly, &score[0], &score[1], &score[2], &score[3],
		&rul[0], &rul[1], &rul[2], &rul[3], &mode, &modes, &evidence,
		&sure[0], &sure[1], &sure[2], &sure[3], &sure[4], &sure[5], &sure[6],
	}, into...)...); err != nil {
		return r, err
	}
	r.Time, r.Asset, r.Mode = time.Unix(0, t).UTC(), asset.ID(id), asset.Mode(mode)
	r.Risk, r.HorizonH = number(risk), horizon.Float64
	r.MLScore, r.MLP, r.PhysicsScore, r.RuleScore = number(score[0]), number(score[1]), number(score[2]), number(score[3])
	r.RUL = asset.RUL{P10: number(rul[0]), P50: number(rul[1]), P90: number(rul[2]), Soon: number(rul[3])}
	r.Certainty = asset.Certainty{Low: number(sure[0]), High: number(sure[1]), Confidence: number(sure[2]), Conflict: number(sure[3])}
	r.LLR = asset.ViewLLR{ML: number(sure[4]), Physics: number(sure[5]), Rule: number(sure[6])}
	return r, errors.Join(decode(modes, &r.Modes), decode(evidence, &r.Evidence))
}

// LatestRisks lists the newest risk of every component, by asset and component; it
// alone comes with its sources.
func (s *Store) LatestRisks(ctx context.Context) ([]asset.Risk, error) {
	var risks []asset.Risk
	err := s.query(ctx, func(rows *sql.Rows) error {
		var sources sql.NullString
		r, err := scanRisk(rows, &sources)
		if err == nil {
			err = decode(sources, &r.Sources)
		}
		risks = append(risks, r)
		return err
	}, "SELECT "+riskColumns+`, l.sources FROM risk_latest l JOIN risk r ON r.time = l.time AND r.asset = l.asset AND r.component = l.component
		ORDER BY l.asset, l.component`)
	if err != nil {
		return nil, fmt.Errorf("latest risks: %w", err)
	}
	return risks, nil
}

// Risks returns the risks of a component (of all of them when it is empty) in
// [from, to], oldest first. When there are more than limit (0 means no limit),
// it keeps every k-th, counted back from the newest.
func (s *Store) Risks(ctx context.Context, id asset.ID, component string, from, to time.Time, limit int) ([]asset.Risk, error) {
	where := " r.asset = ? AND (? = '' OR r.component = ?) AND r.time BETWEEN ? AND ?"
	args := []any{string(id), component, component, from.UnixNano(), to.UnixNano()}
	if component != "" {
		where, args = " r.asset = ? AND r.component = ? AND r.time BETWEEN ? AND ?", []any{string(id), component, from.UnixNano(), to.UnixNano()}
	}
	every := 1
	if limit > 0 {
		var parts, n int
		if err := s.readers.QueryRowContext(ctx, "SELECT count(*), count(DISTINCT component) FROM risk r WHERE"+where, args...).Scan(&n, &parts); err != nil {
			return nil, fmt.Errorf("risks of asset %s: %w", id, err)
		}
		every = row.Stride(n, limit, parts)
	}
	return s.risks(ctx, `WITH pick AS (SELECT time, asset, component, row_number() OVER (PARTITION BY component ORDER BY time DESC) - 1 AS k
		FROM risk r WHERE`+where+") SELECT "+riskColumns+` FROM pick p JOIN risk r ON r.time = p.time AND r.asset = p.asset AND r.component = p.component
		WHERE p.k % ? = 0 ORDER BY r.time, r.component`, append(args, every)...)
}

func (s *Store) risks(ctx context.Context, query string, args ...any) ([]asset.Risk, error) {
	var risks []asset.Risk
	err := s.query(ctx, func(rows *sql.Rows) error {
		r, err := scanRisk(rows)
		risks = append(risks, r)
		return err
	}, query, args...)
	if err != nil {
		return nil, fmt.Errorf("risks: %w", err)
	}
	return risks, nil
}

// EachRisk calls f for every risk, ordered by time, asset, component. It stops
// at the first error, which it returns.
func (s *Store) EachRisk(ctx context.Context, f func(asset.Risk) error) error {
	return s.query(ctx, func(rows *sql.Rows) error {
		r, err := scanRisk(rows)
		if err != nil {
			return err
		}
		return f(r)
	}, "SELECT "+riskColumns+" FROM risk r ORDER BY r.time, r.asset, r.component")
}

// RisksWithin is EachRisk for the risks within [from, to].
func (s *Store) RisksWithin(ctx context.Context, from, to time.Time, f func(asset.Risk) error) error {
	return s.query(ctx, func(rows *sql.Rows) error {
		r, err := scanRisk(rows)
		if err != nil {
			return err
		}
		return f(r)
	}, "SELECT "+riskColumns+" FROM risk r WHERE r.time BETWEEN ?1 AND ?2 ORDER BY r.time, r.asset, r.component", from.UnixNano(), to.UnixNano())
}

// Alerts lists alerts, newest first.
func (s *Store) Alerts(ctx context.Context, f store.AlertFilter) ([]asset.Alert, error) {
	var alerts []asset.Alert
	err := s.query(ctx, func(rows *sql.Rows) error {
		a, err := scanAlert(rows)
		alerts = append(alerts, a)
		return err
	}, `SELECT body FROM alert WHERE (?1 = '' OR asset = ?1) AND (?2 = '' OR component = ?2) AND (NOT ?3 OR cleared IS NULL)
		ORDER BY opened DESC, asset, component LIMIT ?4`, string(f.Asset), f.Component, f.OpenOnly, limit(f.Limit))
	if err != nil {
		return nil, fmt.Errorf("alerts: %w", err)
	}
	return alerts, nil
}

// Alert returns the alert with that id; store.ErrNotFound when there is none.
func (s *Store) Alert(ctx context.Context, id string) (asset.Alert, error) {
	a, err := scanAlert(s.readers.QueryRowContext(ctx, "SELECT body FROM alert WHERE id = ?", id))
	if errors.Is(err, sql.ErrNoRows) {
		err = store.ErrNotFound
	}
	if err != nil {
		return asset.Alert{}, fmt.Errorf("alert %s: %w", id, err)
	}
	return a, nil
}

func scanAlert(from scanner) (asset.Alert, error) {
	var a asset.Alert
	var body string
	if err := from.Scan(&body); err != nil {
		return a, err
	}
	return a, row.Decode([]byte(body), &a)
}

// TwinEvents returns the newest events of an asset (of all assets when it is
// empty), oldest first; at most limit, where 0 means no limit.
func (s *Store) TwinEvents(ctx context.Context, id asset.ID, n int) ([]pipeline.TwinEvent, error) {
	var events []pipeline.TwinEvent
	where, args := "", []any{limit(n)}
	if id != "" {
		where, args = "WHERE asset = ?2", append(args, string(id))
	}
	err := s.query(ctx, func(rows *sql.Rows) error {
		var e pipeline.TwinEvent
		var t int64
		err := rows.Scan(&e.Asset, &t, &e.Kind, &e.Payload)
		e.Time = time.Unix(0, t).UTC()
		events = append(events, e)
		return err
	}, "SELECT asset, time, kind, payload FROM twin_event "+where+" ORDER BY time DESC, asset DESC, kind DESC, payload DESC LIMIT ?1", args...)
	slices.Reverse(events)
	if err != nil {
		return nil, fmt.Errorf("events of asset %s: %w", id, err)
	}
	return events, nil
}

// Counts returns the counters, by name.
func (s *Store) Counts(ctx context.Context) (map[string]int64, error) {
	counts := map[string]int64{}
	err := s.query(ctx, func(rows *sql.Rows) error {
		var name string
		var n int64
		err := rows.Scan(&name, &n)
		counts[name] = n
		return err
	}, "SELECT name, n FROM counter")
	if err != nil {
		return nil, fmt.Errorf("counters: %w", err)
	}
	return counts, nil
}
