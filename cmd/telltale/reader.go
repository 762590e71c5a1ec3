package main

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/telltale-iot/telltale/api"
	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/features"
	"github.com/telltale-iot/telltale/store"
	"github.com/telltale-iot/telltale/twin"
	"github.com/telltale-iot/telltale/workorders"
)

// reader answers the API from the store and the board.
type reader struct{ *service }

var (
	_ api.Twins   = reader{}
	_ api.Risks   = reader{}
	_ api.History = reader{}
	_ api.Alerts  = reader{}
	_ api.Orders  = reader{}
	_ api.Journal = reader{}
)

// Nameplates lists every asset by ID.
func (r reader) Nameplates() []asset.Nameplate {
	out := make([]asset.Nameplate, 0, len(r.w.ids))
	for _, id := range slices.Sorted(slices.Values(r.w.ids)) {
		out = append(out, r.w.plates[id])
	}
	return out
}

// View is the newest published copy of a twin.
func (r reader) View(id asset.ID) (api.View, bool) {
	v, ok := r.board.Get(id)
	if !ok {
		return api.View{}, false
	}
	out := api.View{Time: v.Time, State: string(v.State), Learning: v.Learning, SpeedRpm: v.SpeedRpm, LoadN: v.LoadN}
	for _, l := range v.Values {
		out.Features = append(out.Features, api.Quantity{Name: l.Key, Value: l.Value, Limit: asset.Missing(), Unit: l.Unit, Text: string(l.Reason), Time: l.Time})
	}
	for _, part := range v.Components {
		out.Physics = append(out.Physics, laws(part)...)
	}
	return out, true
}

// laws names what the laws of a component know.
func laws(part twin.Part) []api.Quantity {
	var out []api.Quantity
	for _, l := range part.Laws {
		for _, e := range l.Evidence {
			out = append(out, api.Quantity{Component: part.Component, Source: l.Law, Name: e.Name, Value: e.Value, Limit: e.Limit, Text: e.Text, Time: l.Time})
		}
		for _, q := range l.Quantities {
			out = append(out, api.Quantity{Component: part.Component, Source: l.Law, Name: q.Name, Value: q.Value, Limit: asset.Missing(), Unit: q.Unit, Time: l.Time})
		}
	}
	return out
}

// LatestRisks is the newest verdict of every component.
func (r reader) LatestRisks(ctx context.Context) ([]asset.Risk, error) { return r.db.LatestRisks(ctx) }

// Risks lists verdicts.
func (r reader) Risks(ctx context.Context, id asset.ID, component string, from, to time.Time, limit int) ([]asset.Risk, error) {
	return r.db.Risks(ctx, id, component, from, to, limit)
}

// Trend gives the course of features.
func (r reader) Trend(ctx context.Context, id asset.ID, keys []string, from, to time.Time, limit int) ([]api.Series, error) {
	got, err := r.db.Trend(ctx, id, keys, from, to, limit)
	if err != nil {
		return nil, err
	}
	out := make([]api.Series, len(got))
	for i, s := range got {
		out[i] = api.Series{Key: s.Key, Unit: s.Unit, Limit: asset.Missing()}
		for _, p := range s.Points {
			out[i].Times = append(out[i].Times, p.Time)
			out[i].Values = append(out[i].Values, p.Value)
		}
	}
	return out, nil
}

// Spectra are the newest of a channel.
func (r reader) Spectra(ctx context.Context, id asset.ID, channel string, at time.Time) ([]features.Spectrum, time.Time, error) {
	return r.db.Spectra(ctx, id, channel, at)
}

// Alerts lists episodes.
func (r reader) Alerts(ctx context.Context, f api.AlertFilter) ([]asset.Alert, error) {
	list, err := r.db.Alerts(ctx, store.AlertFilter(f))
	for i := range list {
		list[i] = r.list.marked(list[i])
	}
	return list, err
}

// Alert finds one episode.
func (r reader) Alert(ctx context.Context, id string) (asset.Alert, error) {
	a, err := r.db.Alert(ctx, id)
	return r.list.marked(a), absent(err)
}

// Orders lists work orders.
func (r reader) Orders(ctx context.Context, f api.OrderFilter) ([]workorders.Order, error) {
	return r.db.Orders(ctx, store.OrderFilter(f))
}

// Order finds one work order.
func (r reader) Order(ctx context.Context, id string) (workorders.Order, error) {
	o, err := r.db.Order(ctx, id)
	return o, absent(err)
}

// Counts is what went in, came out and was refused.
func (r reader) Counts(ctx context.Context) (map[string]int64, error) { return r.db.Counts(ctx) }

// Events lists an asset's history.
func (r reader) Events(ctx context.Context, id asset.ID, limit int) ([]api.Event, error) {
	got, err := r.db.TwinEvents(ctx, id, limit)
	if err != nil {
		return nil, err
	}
	out := make([]api.Event, len(got))
	for i, e := range got {
		out[i] = api.Event{Asset: e.Asset, Time: e.Time, Kind: e.Kind, Text: e.Payload}
	}
	return out, nil
}

func absent(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return api.ErrNotFound
	}
	return err
}
