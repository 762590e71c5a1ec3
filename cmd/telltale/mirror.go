package main

import (
	"context"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/telltale-iot/telltale/api"
	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/ingest"
	"github.com/telltale-iot/telltale/store"
	"github.com/telltale-iot/telltale/twin"
	"github.com/telltale-iot/telltale/workorders"
)

// presentOnce is one round of the serve role: API, page and orders over what processes
// write to the store.
func presentOnce(ctx context.Context, w *works, conf *config, log *slog.Logger, stdout io.Writer) error {
	s, end, err := openServiceOf(ctx, w, conf, 1, log)
	if err != nil {
		return err
	}
	defer end()
	return s.present(ctx, conf, stdout, (&mirror{service: s}).run)
}

// mirror shows in one process what others commit: it looks at the store every second and
// tells readers what is new.
type mirror struct {
	*service
	alerts map[string]time.Time        // those seen last, by when they changed; nil: none was looked at
	orders map[string]workorders.Order // those seen last
}

const (
	mirrorEvery = time.Second
	mirrorMost  = 500 // alerts and orders that one look compares, the newest
)

func (m *mirror) run(ctx context.Context) error {
	told := ""
	for {
		if err := m.look(ctx); err != nil && ctx.Err() == nil {
			if told != oneLine(err) {
				told = oneLine(err)
				m.log.Error("the store is not read: what is shown is old", "error", told)
			}
		} else {
			told = ""
		}
		if !ingest.Sleep(ctx, mirrorEvery) {
			return nil
		}
	}
}

func (m *mirror) look(ctx context.Context) error {
	if err := m.risks(ctx); err != nil {
		return err
	}
	alerts, err := m.db.Alerts(ctx, store.AlertFilter{Limit: mirrorMost})
	if err != nil {
		return err
	}
	var news []asset.Alert
	seen := map[string]time.Time{}
	for _, a := range alerts {
		if was, ok := m.alerts[a.ID]; m.alerts != nil && (!ok || !was.Equal(a.Changed)) {
			news = append(news, a)
		}
		seen[a.ID] = a.Changed
	}
	m.alerts = seen
	m.annunciate(ctx, news)
	for _, a := range news {
		m.hub.Publish(api.AlertMessage(m.list.marked(a)))
	}
	return m.work(ctx)
}

// work tells of orders that changed.
func (m *mirror) work(ctx context.Context) error {
	orders, err := m.db.Orders(ctx, store.OrderFilter{Limit: mirrorMost})
	if err != nil {
		return err
	}
	seen := map[string]workorders.Order{}
	for _, o := range orders {
		if was, ok := m.orders[o.ID]; !ok || was.Status != o.Status || was.ERPNumber != o.ERPNumber || was.Attempts != o.Attempts {
			m.hub.Publish(api.OrderMessage(o))
		}
		seen[o.ID] = o
	}
	m.orders = seen
	return nil
}

// risks tells of verdicts that are new, and shows the twins that they are of.
func (m *mirror) risks(ctx context.Context) error {
	risks, err := m.db.LatestRisks(ctx)
	if err != nil {
		return err
	}
	var newest time.Time
	moved := map[asset.ID]bool{}
	for _, r := range risks {
		if r.Time.After(newest) {
			newest = r.Time
		}
		if _, known := m.w.plates[r.Asset]; !known {
			continue // another configuration's
		}
		if v, ok := m.board.Get(r.Asset); !ok || v.Time.Before(r.Time) {
			moved[r.Asset] = true
			m.hub.Publish(api.RiskMessage(r))
		}
	}
	for id := range moved {
		v, err := m.view(ctx, id)
		if err != nil {
			return err
		}
		m.board.Publish(v)
	}
	if m.reached(newest) {
		m.hub.Publish(api.StatusMessage(m.now()))
	}
	return nil
}

// view is a twin as its process left it.
func (m *mirror) view(ctx context.Context, id asset.ID) (twin.View, error) {
	plate := m.w.plates[id]
	laws, err := m.w.laws(m.w.classes.Of(plate.Kind), plate)
	if err != nil {
		return twin.View{}, err
	}
	all, err := m.db.Parts(ctx, id)
	if err != nil {
		return twin.View{}, err
	}
	parts := map[string][]byte{}
	for name, body := range all {
		if rest, ok := strings.CutPrefix(name, "twin/"); ok {
			parts[rest] = body
		}
	}
	tw := twin.New(plate, laws)
	if err := tw.Load(parts); err != nil {
		return twin.View{}, err
	}
	return tw.View(), nil
}
