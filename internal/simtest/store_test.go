package simtest

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/pipeline"
	"github.com/telltale-iot/telltale/store"
	"github.com/telltale-iot/telltale/workorders"
)

// errDisk is what the store says when it does not take a batch, and when nobody knows
// whether it did.
var errDisk = errors.New("store: the disk does not answer")

// outcome is what a write to the store comes to.
type outcome int

const (
	written   outcome = iota
	refused           // an error, nothing is written
	uncertain         // an error, and all of it is written
)

// memory is a store in memory, which outlives the instances that use it.
type memory struct {
	plan   store.Planner
	fate   func() outcome                            // of the write under way; nil: all are written
	look   func(was checkpoint, fx pipeline.Effects) // hears of each commit before it is written; may be nil
	lax    bool                                      // planted: an old epoch may write
	again  bool                                      // planted: a batch that is stored is stored again
	meta   map[string]string
	shards map[int32]*checkpoint
	parts  map[asset.ID]map[string][]byte
	frames []pipeline.Frame
	risks  []asset.Risk
	alerts map[string]asset.Alert
	opened []string // alerts in the order they came
	events map[pipeline.TwinEvent]bool
	told   []pipeline.TwinEvent // events in the order they came
	counts map[string]int64
	orders map[string]*row
	queue  []string // orders in the order they came
}

// checkpoint is a shard's place, and how far each epoch has committed.
type checkpoint struct {
	store.Checkpoint
	reached map[int64]int64
}

// row is an order in the outbox.
type row struct {
	order  workorders.Order
	lease  int64
	leased time.Time
}

func newMemory(plan store.Planner) *memory {
	return &memory{
		plan: plan, meta: map[string]string{}, shards: map[int32]*checkpoint{}, parts: map[asset.ID]map[string][]byte{},
		alerts: map[string]asset.Alert{}, events: map[pipeline.TwinEvent]bool{}, counts: map[string]int64{}, orders: map[string]*row{},
	}
}

// write is one transaction, with the fault that is due.
func (m *memory) write(ctx context.Context, f func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	fate := written
	if m.fate != nil {
		fate = m.fate()
	}
	if fate == refused {
		return errDisk
	}
	if err := f(); err != nil {
		return err
	}
	if fate == uncertain {
		return errDisk
	}
	return nil
}

// Claim raises the shard's epoch.
func (m *memory) Claim(ctx context.Context, shard int32) (at store.Checkpoint, err error) {
	err = m.write(ctx, func() error {
		c, ok := m.shards[shard]
		if !ok {
			c = &checkpoint{reached: map[int64]int64{}}
			m.shards[shard] = c
		}
		c.Epoch++
		at = c.Checkpoint
		return nil
	})
	return at, err
}

// Keep takes a batch, once, of the newest epoch.
func (m *memory) Keep(ctx context.Context, fx pipeline.Effects) error {
	return m.write(ctx, func() error {
		c, ok := m.shards[fx.Shard]
		if !ok || c.Epoch != fx.Epoch && !m.lax {
			return fmt.Errorf("shard %d, epoch %d: %w", fx.Shard, fx.Epoch, store.ErrFenced)
		}
		for _, f := range fx.Frames {
			for _, v := range f.Vectors {
				if len(v.Values) != len(v.Fields) {
					return fmt.Errorf("channel %s: %d values for %d fields", v.Channel, len(v.Values), len(v.Fields))
				}
			}
		}
		c.reached[fx.Epoch] = max(c.reached[fx.Epoch], fx.Next)
		if fx.Next <= c.Next && !m.again {
			return nil
		}
		if m.look != nil {
			m.look(*c, fx)
		}
		m.keepAll(fx)
		c.Next, c.Low = fx.Next, fx.Low
		if !fx.Through.IsZero() {
			c.Through = fx.Through
		}
		return nil
	})
}

func (m *memory) keepAll(fx pipeline.Effects) {
	m.frames = append(m.frames, fx.Frames...)
	m.risks = append(m.risks, fx.Risks...)
	for _, a := range fx.Alerts {
		if _, ok := m.alerts[a.ID]; !ok {
			m.opened = append(m.opened, a.ID)
		}
		m.alerts[a.ID] = a
		if o, ok := m.plan(a); ok && m.orders[o.ID] == nil {
			m.orders[o.ID] = &row{order: o}
			m.queue = append(m.queue, o.ID)
		}
	}
	for _, e := range fx.Events {
		if !m.events[e] {
			m.events[e] = true
			m.told = append(m.told, e)
		}
	}
	for name, n := range fx.Counts {
		m.counts[name] += n
	}
	for k, body := range fx.State {
		if m.parts[k.Asset] == nil {
			m.parts[k.Asset] = map[string][]byte{}
		}
		if len(body) == 0 {
			delete(m.parts[k.Asset], k.Part)
		} else {
			m.parts[k.Asset][k.Part] = bytes.Clone(body)
		}
	}
}

// Parts is the carried state of an asset.
func (m *memory) Parts(_ context.Context, id asset.ID) (map[string][]byte, error) {
	out := map[string][]byte{}
	for part, body := range m.parts[id] {
		out[part] = bytes.Clone(body)
	}
	return out, nil
}

// Due leases orders.
func (m *memory) Due(ctx context.Context, now time.Time, lease time.Duration, n int) (due []workorders.Order, err error) {
	err = m.write(ctx, func() error {
		var ready []*row
		for _, id := range m.queue {
			r := m.orders[id]
			if s := r.order.Status; (s == workorders.Open || s == workorders.Sent) && !r.order.NotBefore.After(now) && !r.leased.After(now) {
				ready = append(ready, r)
			}
		}
		slices.SortStableFunc(ready, func(a, b *row) int {
			return cmp.Or(a.order.NotBefore.Compare(b.order.NotBefore), cmp.Compare(a.order.Priority, b.order.Priority))
		})
		for _, r := range ready[:min(n, len(ready))] {
			r.lease++
			r.leased = now.Add(lease)
			o := r.order
			o.Lease = r.lease
			due = append(due, o)
		}
		return nil
	})
	return due, err
}

// Take leases one open order that nobody has.
func (m *memory) Take(ctx context.Context, id string, now time.Time, lease time.Duration) (o workorders.Order, err error) {
	err = m.write(ctx, func() error {
		r, ok := m.orders[id]
		if !ok || r.order.Status != workorders.Open || r.leased.After(now) {
			return workorders.ErrLeaseLost
		}
		r.lease++
		r.leased = now.Add(lease)
		o = r.order
		o.Lease = r.lease
		return nil
	})
	return o, err
}

// Update writes an order back under its lease.
func (m *memory) Update(ctx context.Context, o workorders.Order) error {
	return m.write(ctx, func() error {
		r, ok := m.orders[o.ID]
		switch {
		case !ok:
			return store.ErrNotFound
		case o.Lease == 0:
			r.lease++
		case o.Lease != r.lease:
			return workorders.ErrLeaseLost
		}
		o.Lease = 0
		r.order, r.leased = o, time.Time{}
		return nil
	})
}
