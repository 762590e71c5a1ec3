package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/features"
	"github.com/telltale-iot/telltale/pipeline"
	"github.com/telltale-iot/telltale/store"
	"github.com/telltale-iot/telltale/store/row"
)

// Keep makes a micro-batch durable: all of it or nothing. A batch of an older
// epoch is refused with store.ErrFenced; one that is stored already is
// confirmed and changes nothing.
func (s *Store) Keep(ctx context.Context, fx pipeline.Effects) error {
	err := s.transact(ctx, func(ctx context.Context) error {
		var epoch, next int64
		err := s.row(ctx, "SELECT epoch, next FROM shard WHERE shard = ?", []any{fx.Shard}, &epoch, &next)
		if errors.Is(err, sql.ErrNoRows) || (err == nil && epoch != fx.Epoch) {
			return fmt.Errorf("epoch %d, now %d: %w", fx.Epoch, epoch, store.ErrFenced)
		}
		if err != nil || fx.Next <= next {
			return err
		}
		if err := s.keepAll(ctx, fx); err != nil {
			return err
		}
		return s.exec(ctx, "UPDATE shard SET next = ?, low = ?, through = coalesce(?, through) WHERE shard = ?",
			fx.Next, fx.Low, nanos(fx.Through), fx.Shard)
	})
	if err != nil {
		return fmt.Errorf("keep shard %d up to %d: %w", fx.Shard, fx.Next, err)
	}
	return nil
}

func (s *Store) keepAll(ctx context.Context, fx pipeline.Effects) error {
	if err := s.keepScores(ctx, fx.Scores); err != nil {
		return err
	}
	for i := range fx.Frames {
		if err := s.keepFrame(ctx, &fx.Frames[i]); err != nil {
			return fmt.Errorf("frame of asset %s: %w", fx.Frames[i].Asset, err)
		}
	}
	if err := s.keepRisks(ctx, fx.Risks); err != nil {
		return err
	}
	for _, a := range fx.Alerts {
		if err := s.keepAlert(ctx, a); err != nil {
			return fmt.Errorf("alert %s: %w", a.ID, err)
		}
	}
	for _, e := range fx.Events {
		if err := s.exec(ctx, "INSERT INTO twin_event (asset, time, kind, payload) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
			string(e.Asset), e.Time.UnixNano(), e.Kind, e.Payload); err != nil {
			return fmt.Errorf("event of asset %s: %w", e.Asset, err)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(fx.Counts)) {
		if err := s.exec(ctx, "INSERT INTO counter (name, n) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET n = n + excluded.n",
			name, fx.Counts[name]); err != nil {
			return fmt.Errorf("counter %s: %w", name, err)
		}
	}
	return s.keepState(ctx, fx.State)
}

func (s *Store) keepState(ctx context.Context, state map[pipeline.StateKey][]byte) error {
	keys := slices.SortedFunc(maps.Keys(state), func(a, b pipeline.StateKey) int {
		return cmp.Or(cmp.Compare(a.Asset, b.Asset), cmp.Compare(a.Part, b.Part))
	})
	for _, k := range keys {
		var err error
		if len(state[k]) == 0 {
			err = s.exec(ctx, "DELETE FROM carried WHERE asset = ? AND part = ?", string(k.Asset), k.Part)
		} else {
			err = s.exec(ctx, "INSERT INTO carried (asset, part, value) VALUES (?, ?, ?) ON CONFLICT (asset, part) DO UPDATE SET value = excluded.value",
				string(k.Asset), k.Part, state[k])
		}
		if err != nil {
			return fmt.Errorf("carried state %s of asset %s: %w", k.Part, k.Asset, err)
		}
	}
	return nil
}

func (s *Store) keepFrame(ctx context.Context, f *pipeline.Frame) error {
	for i := range f.Vectors {
		v := &f.Vectors[i]
		if len(v.Values) != len(v.Fields) {
			return fmt.Errorf("channel %s: %d values for %d fields", v.Channel, len(v.Values), len(v.Fields))
		}
		id, err := s.schema(ctx, v)
		if err != nil {
			return err
		}
		s.buf = appendFloats(s.buf[:0], v.Values)
		if err := s.exec(ctx, `INSERT OR REPLACE INTO frame (time, asset, channel, window_s, schema, start, quality, vals, reasons)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`, f.Time.UnixNano(), string(f.Asset), v.Channel, v.WindowS, id,
			nanos(v.Start), finite(v.Quality), s.buf, joinReasons(v.Reasons)); err != nil {
			return err
		}
	}
	for _, sp := range f.Spectra {
		marks, err := text(row.List(row.Marks(sp.Marks)))
		if err != nil {
			return err
		}
		s.buf = appendFloat32s(s.buf[:0], sp.Bins)
		if err := s.exec(ctx, "INSERT OR REPLACE INTO spectrum (asset, channel, kind, time, unit, step_hz, bins, marks) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
			string(f.Asset), sp.Channel, sp.Kind, f.Time.UnixNano(), sp.Unit, finite(sp.StepHz), s.buf, marks); err != nil {
			return err
		}
	}
	return nil
}

// schema returns the id under which the fields of v are kept, keeping them first when they are new.
func (s *Store) schema(ctx context.Context, v *features.Vector) (int64, error) {
	if id, ok := s.schemas.Find(v.Channel, v.Fields); ok {
		return id, nil
	}
	fields, err := row.FieldsJSON(v.Fields)
	if err != nil {
		return 0, err
	}
	id := row.SchemaID(v.Channel, v.Fields)
	if err := s.exec(ctx, "INSERT INTO schema (id, channel, version, fields) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
		id, v.Channel, features.Version, string(fields)); err != nil {
		return 0, err
	}
	s.schemas.Add(v.Channel, id, v.Fields)
	return id, nil
}

func (s *Store) keepRisks(ctx context.Context, risks []asset.Risk) error {
	type part struct {
		asset     asset.ID
		component string
	}
	newest := map[part]*asset.Risk{}
	var order []part
	for i := range risks {
		r := &risks[i]
		if err := s.keepRisk(ctx, r); err != nil {
			return fmt.Errorf("risk of asset %s, %s: %w", r.Asset, r.Component, err)
		}
		p := part{r.Asset, r.Component}
		if last, ok := newest[p]; !ok {
			order = append(order, p)
			newest[p] = r
		} else if r.Time.After(last.Time) {
			newest[p] = r
		}
	}
	for _, p := range order {
		sources, err := text(row.List(newest[p].Sources))
		if err != nil {
			return fmt.Errorf("sources of asset %s, %s: %w", p.asset, p.component, err)
		}
		if err := s.exec(ctx, `INSERT INTO risk_latest (asset, component, time, sources) VALUES (?, ?, ?, ?)
			ON CONFLICT (asset, component) DO UPDATE SET time = excluded.time, sources = excluded.sources WHERE excluded.time >= time`,
			string(p.asset), p.component, newest[p].Time.UnixNano(), sources); err != nil {
			return fmt.Errorf("latest risk of asset %s, %s: %w", p.asset, p.component, err)
		}
	}
	return nil
}

func (s *Store) keepRisk(ctx context.Context, r *asset.Risk) error {
	modes, err := text(row.Modes(r.Modes))
	if err != nil {
		return err
	}
	evidence, err := text(row.List(r.Evidence))
	if err != nil {
		return err
	}
	num := func(n asset.Number) any { return finite(float64(n)) }
	c := r.Certainty
	return s.exec(ctx, `INSERT OR REPLACE INTO risk (time, asset, component, risk, horizon_h, anomaly, ml_score, ml_p, physics_score, rule_score,
		rul_p10_h, rul_p50_h, rul_p90_h, p_fail_48h, mode, modes, evidence, risk_low, risk_high, confidence, conflict, ml_llr, physics_llr, rule_llr)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		r.Time.UnixNano(), string(r.Asset), r.Component, num(r.Risk), finite(r.HorizonH), r.Anomaly, num(r.MLScore), num(r.MLP),
		num(r.PhysicsScore), num(r.RuleScore), num(r.RUL.P10), num(r.RUL.P50), num(r.RUL.P90), num(r.RUL.Soon), string(r.Mode), modes, evidence,
		num(c.Low), num(c.High), num(c.Confidence), num(c.Conflict), num(r.LLR.ML), num(r.LLR.Physics), num(r.LLR.Rule))
}

func (s *Store) keepAlert(ctx context.Context, a asset.Alert) error {
	body, err := row.Alert(a)
	if err != nil {
		return err
	}
	var cleared any
	if a.Cleared != nil {
		cleared = a.Cleared.UnixNano()
	}
	mode, severity := a.Current()
	if err := s.exec(ctx, `INSERT INTO alert (id, asset, component, mode, severity, opened, changed, cleared, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET mode = excluded.mode, severity = excluded.severity, changed = excluded.changed,
		cleared = excluded.cleared, body = excluded.body`, a.ID, string(a.Asset), a.Component, string(mode), severity,
		a.Opened.UnixNano(), nanos(a.Changed), cleared, string(body)); err != nil {
		return err
	}
	if s.plan == nil {
		return nil
	}
	o, ok := s.plan(a)
	if !ok {
		return nil
	}
	return s.addOrder(ctx, o)
}
