package simtest

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"testing"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/pipeline"
	"github.com/telltale-iot/telltale/store"
	"github.com/telltale-iot/telltale/store/storetest"
	"github.com/telltale-iot/telltale/workorders"
)

// TestMemoryHoldsTheContract holds the simulation's store to what every store has to hold,
// as far as the flow and the forwarder rely on it.
func TestMemoryHoldsTheContract(t *testing.T) {
	disks := map[string]*memory{}
	storetest.RunCore(t, func(_ *testing.T, dir string, plan store.Planner) storetest.Core {
		if disks[dir] == nil {
			disks[dir] = newMemory(plan)
		}
		return disks[dir]
	})
}

// EachFrame and what follows is what only the contract reads.
func (m *memory) EachFrame(_ context.Context, f func(pipeline.Frame) error) error {
	for _, x := range m.frames {
		if err := f(x); err != nil {
			return err
		}
	}
	return nil
}

// EachRisk reads all risks.
func (m *memory) EachRisk(_ context.Context, f func(asset.Risk) error) error {
	for _, x := range m.risks {
		if err := f(x); err != nil {
			return err
		}
	}
	return nil
}

// Counts reads the counters.
func (m *memory) Counts(context.Context) (map[string]int64, error) { return maps.Clone(m.counts), nil }

// Alerts lists alerts, newest first.
func (m *memory) Alerts(_ context.Context, f store.AlertFilter) (out []asset.Alert, _ error) {
	for _, id := range m.opened {
		a := m.alerts[id]
		if (f.Asset == "" || a.Asset == f.Asset) && (f.Component == "" || a.Component == f.Component) && (!f.OpenOnly || a.Cleared == nil) {
			out = append(out, a)
		}
	}
	slices.SortStableFunc(out, func(a, b asset.Alert) int { return b.Opened.Compare(a.Opened) })
	if f.Limit > 0 {
		out = out[:min(f.Limit, len(out))]
	}
	return out, nil
}

// Alert reads one alert.
func (m *memory) Alert(_ context.Context, id string) (asset.Alert, error) {
	a, ok := m.alerts[id]
	if !ok {
		return a, store.ErrNotFound
	}
	return a, nil
}

// Orders lists orders, newest first.
func (m *memory) Orders(_ context.Context, f store.OrderFilter) (out []workorders.Order, _ error) {
	for _, r := range m.orders {
		if o := r.order; (f.Asset == "" || o.Asset == f.Asset) && (f.Alert == "" || o.Alert == f.Alert) && (f.Status == "" || o.Status == f.Status) {
			out = append(out, o)
		}
	}
	slices.SortFunc(out, func(a, b workorders.Order) int { return cmp.Or(b.Created.Compare(a.Created), cmp.Compare(a.ID, b.ID)) })
	return out, nil
}

// Order reads one order.
func (m *memory) Order(_ context.Context, id string) (workorders.Order, error) {
	r, ok := m.orders[id]
	if !ok {
		return workorders.Order{}, store.ErrNotFound
	}
	return r.order, nil
}

// Meta reads a fact.
func (m *memory) Meta(_ context.Context, key string) (string, error) { return m.meta[key], nil }

// SetMeta writes a fact.
func (m *memory) SetMeta(_ context.Context, key, value string) error {
	m.meta[key] = value
	return nil
}

// Close has nothing to do: memory outlives who uses it.
func (m *memory) Close() error { return nil }
