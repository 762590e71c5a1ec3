package simtest

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/features"
	"github.com/telltale-iot/telltale/pipeline"
	"github.com/telltale-iot/telltale/workorders"
)

// settled reports whether nothing is left to do: all is read, committed and ordered.
func (w *world) settled() bool { return w.rest() == "" }

// rest says what is left to do.
func (w *world) rest() string {
	if n := w.nodes[len(w.nodes)-1]; !n.idle() {
		return fmt.Sprintf("instance %d is not idle", n.id)
	}
	if len(w.erp.late) > 0 {
		return "the ERP has something under way"
	}
	for _, id := range w.disk.queue {
		if o := w.disk.orders[id].order; o.Status != workorders.Completed && o.Status != workorders.Parked {
			return fmt.Sprintf("order %s is %s: %s", o.Key, o.Status, o.Problem)
		}
	}
	return ""
}

// tally adds up what came to pass in the run, to know that there was something to look at.
func (w *world) tally(all map[string]int) {
	for what, n := range w.seen {
		all[what] += n
	}
	for _, f := range w.disk.frames {
		all["vectors"] += len(f.Vectors)
	}
	for _, r := range w.disk.orders {
		all["orders "+string(r.order.Status)]++
	}
	for _, a := range w.disk.alerts {
		if all["alerts"]++; a.Cleared != nil {
			all["alerts cleared"]++
		}
	}
	for _, name := range []string{"late", "refused/duplicate", "refused/time-backwards", "refused/not-finite", "refused/unknown-asset", "samples-abandoned", "scored"} {
		all[name] += int(w.disk.counts[name])
	}
}

// judge holds what is stored to the oracle, to the undisturbed run and to the ERP.
func (w *world) judge() {
	o := predict(w.plant, w.broker.log)
	for _, look := range []func(*oracle){w.accounts, w.undisturbed, w.values, w.counted, w.ordered} {
		if look(o); w.failed != "" {
			return
		}
	}
}

// accounts holds I1: every message is reflected once, or late, or refused.
func (w *world) accounts(o *oracle) {
	for id, fates := range o.fates {
		accepted := 0
		for _, f := range fates {
			if f == "accepted" {
				accepted++
			}
		}
		if accepted > 1 {
			w.fail("I1: message %d is to be reflected %d times", id, accepted)
		}
	}
	seen := map[string]bool{}
	for _, e := range w.disk.told {
		if e.Kind != "maintenance" && e.Kind != "status" {
			continue
		}
		what := fmt.Sprintf("%s %d %s %s", e.Asset, e.Time.UnixNano(), e.Kind, e.Payload)
		if !o.events[what] {
			w.fail("I1: event %q is stored and was not accepted", what)
		}
		seen[what] = true
	}
	for what := range o.events {
		if !seen[what] {
			w.fail("I1: event %q was accepted and is not stored", what)
		}
	}
}

// values holds the frames to the oracle: each window and each point once, with its value.
func (w *world) values(o *oracle) {
	windows, points := map[windowKey]bool{}, map[pointKey]bool{}
	for _, f := range w.disk.frames {
		for _, v := range f.Vectors {
			if v.Channel != "" {
				k := windowKey{f.Asset, v.Channel, v.Start.UnixNano()}
				want, ok := o.windows[k]
				if !ok || windows[k] {
					w.fail("I1: window of %s/%s at %s is stored twice or should not be", k.asset, k.channel, v.Start)
					return
				}
				windows[k] = true
				rate := w.plant.rate(f.Asset, v.Channel)
				got := windowValue{int(math.Round(v.WindowS * rate)), f.Time.UnixNano(), number(v.Fields, v.Values, "rms"), number(v.Fields, v.Values, "peak")}
				if got.n != want.n || got.end != want.end || !near(got.rms, want.rms) || !near(got.peak, want.peak) {
					w.fail("oracle: window of %s/%s at %s is %+v, want %+v", k.asset, k.channel, v.Start, got, want)
					return
				}
				continue
			}
			for i, field := range v.Fields {
				if math.IsNaN(v.Values[i]) {
					continue
				}
				k := pointKey{f.Asset, field.Channel, f.Time.UnixNano()}
				if want, ok := o.points[k]; !ok || points[k] || want != v.Values[i] {
					w.fail("I1: point of %s/%s at %s is %g: stored twice, or should be %g, or should not be", k.asset, k.metric, f.Time, v.Values[i], want)
					return
				}
				points[k] = true
			}
		}
	}
	for k, v := range o.windows {
		if !windows[k] {
			w.fail("I1: window of %s/%s at %s, of %d samples, is not stored", k.asset, k.channel, time.Unix(0, k.start).UTC(), v.n)
		}
	}
	if len(windows) != len(o.windows) || len(points) != len(o.points) {
		w.fail("I1: %d windows and %d points are stored, want %d and %d", len(windows), len(points), len(o.windows), len(o.points))
	}
}

func (p *plant) rate(id asset.ID, channel string) float64 {
	for _, c := range p.plates[id].Channels {
		if c.Name == channel {
			return c.RateHz
		}
	}
	return math.NaN()
}

// counted holds the counters of a source that goes back by position: nothing is counted twice.
func (w *world) counted(o *oracle) {
	for _, name := range []string{"blocks-abandoned", "readings-abandoned"} {
		if n := w.disk.counts[name]; n > 0 {
			w.fail("I1: %s is counted %d times, and all came again", name, n)
		}
	}
	if !w.plant.bounded {
		return
	}
	for name, want := range o.counts {
		if name == "samples-abandoned" && w.plant.jumpAt > 0 {
			continue // what an asset that is silent had begun is counted when the rest goes on
		}
		if got := w.disk.counts[name]; got != want {
			w.fail("I1: %s is counted %d times, want %d", name, got, want)
		}
	}
	for name, got := range w.disk.counts {
		if (name == "late" || strings.HasPrefix(name, "refused/")) && o.counts[name] != got {
			w.fail("I1: %s is counted %d times, want %d", name, got, o.counts[name])
		}
	}
}

// ordered holds I2: an episode is one order in the ERP, or one that a person sees parked.
func (w *world) ordered(*oracle) {
	wanted := map[string]bool{}
	for _, id := range w.disk.opened {
		o, ok := w.plant.order(w.disk.alerts[id])
		if !ok {
			continue
		}
		wanted[o.Key] = true
		r := w.disk.orders[o.ID]
		if r == nil {
			w.fail("I2: alert %s has no order", id)
			return
		}
		n := len(w.erp.orders[o.Key])
		if done := r.order.Status == workorders.Completed; done && n != 1 || n > 1 || refusedFor(o.Key) && done {
			w.fail("I2: order %s is %s, and the ERP has %d", o.Key, r.order.Status, n)
			return
		}
	}
	if len(wanted) != len(w.disk.orders) {
		w.fail("I2: %d orders for %d alerts that ask for one", len(w.disk.orders), len(wanted))
	}
	for key := range w.erp.orders {
		if !wanted[key] {
			w.fail("I2: the ERP has an order of key %s, which no alert asked for", key)
		}
	}
}

// undisturbed holds I3: what is stored are the bytes of a run without a fault.
func (w *world) undisturbed(*oracle) {
	calm, err := w.plant.reference(w.broker.log)
	if err != nil {
		w.fail("reference: %v", err)
		return
	}
	for id := range w.plant.plates {
		w.same(string(id)+": frames", framesOf(w.disk, id), framesOf(calm, id))
		w.same(string(id)+": risks", risksOf(w.disk, id), risksOf(calm, id))
		w.same(string(id)+": events", eventsOf(w.disk, id), eventsOf(calm, id))
		if w.plant.bounded {
			w.same(string(id)+": carried state", partsOf(w.disk, id), partsOf(calm, id))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(w.disk.parts[""])) { // a shard without readings need not have one
		if got, want := w.disk.parts[""][name], calm.parts[""][name]; w.plant.bounded && !bytes.Equal(got, want) {
			w.fail("I3: state of %s is %s, undisturbed %s", name, got, want)
		}
	}
	w.same("alerts", alertsOf(w.disk), alertsOf(calm))
}

// reference is the run that nothing disturbs: each shard takes the log in one batch.
func (p *plant) reference(log []message) (*memory, error) {
	m := newMemory(p.order)
	ctx := context.Background()
	for i := range int32(p.shards) {
		at, err := m.Claim(ctx, i)
		if err != nil {
			return nil, err
		}
		s, err := pipeline.NewShard(i, at.Epoch, at.Next, p.lines(false), adder{}, nil)
		if err != nil {
			return nil, err
		}
		var batch []pipeline.Arrival
		for k, x := range log {
			if pipeline.ShardOf(x.reading.Asset, p.shards) == int(i) {
				batch = append(batch, pipeline.Arrival{Reading: x.reading, From: int64(k), Next: int64(k + 1)})
			}
		}
		fx, err := s.Step(ctx, batch)
		if err == nil {
			err = m.Keep(ctx, fx)
		}
		if err == nil && p.bounded {
			if fx, err = s.Finish(ctx, int64(len(log)+1)); err == nil {
				err = m.Keep(ctx, fx)
			}
		}
		if err != nil {
			return nil, err
		}
	}
	return m, nil
}

// same compares rows.
func (w *world) same(what string, got, want [][]byte) {
	for i := range min(len(got), len(want)) {
		if !bytes.Equal(got[i], want[i]) {
			w.fail("I3: %s: row %d of %d is\n%q, undisturbed it is\n%q", what, i, len(want), got[i], want[i])
			return
		}
	}
	if len(got) != len(want) {
		w.fail("I3: %s: %d rows, undisturbed %d", what, len(got), len(want))
	}
}

func framesOf(m *memory, id asset.ID) (rows [][]byte) {
	for _, f := range m.frames {
		if f.Asset != id {
			continue
		}
		row := binary.LittleEndian.AppendUint64(nil, uint64(f.Time.UnixNano()))
		for _, v := range f.Vectors {
			row = append(row, v.Channel...)
			row = binary.LittleEndian.AppendUint64(row, uint64(v.Start.UnixNano()))
			for _, x := range append([]float64{v.Quality, v.WindowS}, v.Values...) {
				row = binary.LittleEndian.AppendUint64(row, math.Float64bits(x))
			}
			for i := range v.Fields {
				row = append(row, v.Fields[i].Name...)
			}
			for _, r := range v.Reasons {
				row = append(append(row, r...), 0)
			}
		}
		rows = append(rows, row)
	}
	return rows
}

func risksOf(m *memory, id asset.ID) (rows [][]byte) {
	for i := range m.risks {
		if m.risks[i].Asset == id {
			rows = append(rows, riskRow(&m.risks[i]))
		}
	}
	return rows
}

// riskRow is everything in a risk.
func riskRow(r *asset.Risk) []byte {
	row := fmt.Appendf(nil, "%d %s %s %t ", r.Time.UnixNano(), r.Component, r.Mode, r.Anomaly)
	put := func(all ...asset.Number) {
		for _, x := range all {
			row = binary.LittleEndian.AppendUint64(row, math.Float64bits(float64(x)))
		}
	}
	put(r.Risk, asset.Number(r.HorizonH), r.MLScore, r.MLP, r.PhysicsScore, r.RuleScore, r.RUL.P10, r.RUL.P50, r.RUL.P90, r.RUL.Soon)
	put(r.Certainty.Low, r.Certainty.High, r.Certainty.Confidence, r.Certainty.Conflict, r.LLR.ML, r.LLR.Physics, r.LLR.Rule)
	for _, m := range slices.Sorted(maps.Keys(r.Modes)) {
		row = append(row, m...)
		put(asset.Number(r.Modes[m]))
	}
	for _, e := range r.Evidence {
		row = append(append(append(row, e.Source...), e.Name...), e.Text...)
		put(e.Value, e.Limit, e.Weight)
	}
	for _, c := range r.Sources {
		row = append(append(append(row, c.Source...), c.Group...), c.Reason...)
		put(c.Value, c.Limit, c.LLR, asset.Number(c.AgeH), asset.Number(c.Trust), c.Weight, c.Share)
	}
	return row
}

func eventsOf(m *memory, id asset.ID) (rows [][]byte) {
	for _, e := range m.told {
		if e.Asset == id {
			rows = append(rows, fmt.Appendf(nil, "%d %s %s", e.Time.UnixNano(), e.Kind, e.Payload))
		}
	}
	slices.SortFunc(rows, bytes.Compare) // what a batch's readings tell comes before its alerts
	return rows
}

func partsOf(m *memory, id asset.ID) (rows [][]byte) {
	for _, part := range slices.Sorted(maps.Keys(m.parts[id])) {
		rows = append(rows, append([]byte(part+" "), m.parts[id][part]...))
	}
	return rows
}

func alertsOf(m *memory) (rows [][]byte) {
	for _, id := range slices.Sorted(maps.Keys(m.alerts)) {
		rows = append(rows, asJSON(m.alerts[id]))
	}
	return rows
}

func asJSON(v any) []byte {
	body, err := json.Marshal(v)
	if err != nil {
		return []byte(err.Error())
	}
	return body
}

func number(fields []features.Field, values []float64, name string) float64 {
	for i, f := range fields {
		if f.Name == name {
			return values[i]
		}
	}
	return math.NaN()
}

func near(got, want float64) bool { return math.Abs(got-want) <= 1e-4*math.Abs(want) }
