package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/telltale-iot/telltale/api"
	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/pipeline"
	"github.com/telltale-iot/telltale/store"
	"github.com/telltale-iot/telltale/workorders"
)

// operatorList is the alarm list of all assets together. It stands behind the shards,
// so that what they write does not depend on who else is there. A backtest runs it at
// its end over all alerts in the order of event time; a service as batches are
// committed. Safe for concurrent use.
type operatorList struct {
	mu        sync.Mutex
	list      *pipeline.Annunciator
	forgotten time.Time
}

// listReport is the list's part of summary.json.
type listReport = pipeline.ListReport

func newOperatorList() *operatorList {
	return &operatorList{list: pipeline.NewAnnunciator(pipeline.ListOptions{})}
}

// step is an alert as it stood after one change.
type step struct {
	alert asset.Alert
	turn  int // opened before cleared
}

// steps are the openings and ends of alerts in the order of event time.
func steps(alerts []asset.Alert) []step {
	var out []step
	for _, a := range alerts {
		begin := a
		begin.Changed, begin.Cleared, begin.Changes = a.Opened, nil, nil
		out = append(out, step{begin, 0})
		if a.Cleared != nil {
			end := a
			end.Changed = *a.Cleared
			out = append(out, step{end, 1})
		}
	}
	slices.SortFunc(out, func(x, y step) int {
		return cmp.Or(x.alert.Changed.Compare(y.alert.Changed), cmp.Compare(x.turn, y.turn), cmp.Compare(x.alert.Asset, y.alert.Asset),
			cmp.Compare(x.alert.Component, y.alert.Component), cmp.Compare(x.alert.ID, y.alert.ID))
	})
	return out
}

// listAlerts runs all alerts of a backtest through the list and marks them with how
// they stood at its end.
func listAlerts(alerts []asset.Alert) *operatorList {
	l := newOperatorList()
	for _, s := range steps(alerts) {
		l.list.Hear(s.alert)
	}
	for i := range alerts {
		alerts[i] = l.marked(alerts[i])
	}
	return l
}

// marked is an alert with its place on the list.
func (l *operatorList) marked(a asset.Alert) asset.Alert {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n, ok := l.list.Notice(a.ID); ok {
		a.Group, a.Suppressed = n.Group, n.Suppressed
	}
	return a
}

// covers says why an order is not for the ERP: another alert stands for the common
// cause, and its order is the one that asks for work.
func (l *operatorList) covers(o workorders.Order) (why string, held bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n, ok := l.list.Notice(o.Alert)
	if !ok || n.Suppressed != pipeline.SuppressedCommon {
		return "", false
	}
	return fmt.Sprintf("one cause with other assets (%s): the order of alert %s stands for it; retry to send this one too", n.Group, n.First), true
}

func (l *operatorList) report(at time.Time) *listReport {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.list.Report(at)
	return &r
}

// hear takes what a batch changed and returns the alerts that stand otherwise now.
func (l *operatorList) hear(alerts []asset.Alert) []pipeline.Notice {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []pipeline.Notice
	for _, a := range alerts {
		out = append(out, l.list.Hear(a)...)
		if a.Changed.Sub(l.forgotten) > time.Hour {
			l.forgotten = a.Changed
			l.list.Forget(a.Changed.Add(-relisted))
		}
	}
	return out
}

// relisted is how far back closed alerts matter to the list.
const relisted = 48 * time.Hour

// relist makes the list anew from what is stored: what is open, and what is recent.
func (s *service) relist(ctx context.Context) error {
	alerts, err := s.db.Alerts(ctx, store.AlertFilter{})
	if err != nil {
		return err
	}
	var newest time.Time
	for _, a := range alerts {
		if a.Opened.After(newest) {
			newest = a.Opened
		}
	}
	alerts = slices.DeleteFunc(alerts, func(a asset.Alert) bool { return a.Cleared != nil && a.Opened.Before(newest.Add(-relisted)) })
	for _, t := range steps(alerts) {
		s.list.hear([]asset.Alert{t.alert})
	}
	return nil
}

// annunciate puts the alerts of a committed batch on the list. An order exists by then,
// one for each episode; where several turn out to have one cause, those that are not
// under way to the ERP yet are parked, and only the first-out's goes.
func (s *service) annunciate(ctx context.Context, alerts []asset.Alert) {
	for _, n := range s.list.hear(alerts) {
		if n.Suppressed == pipeline.SuppressedCommon {
			if err := s.hold(ctx, n.Alert); err != nil {
				s.log.Error("orders of one cause", "alert", n.Alert, "error", err)
			}
		}
		if slices.ContainsFunc(alerts, func(a asset.Alert) bool { return a.ID == n.Alert }) {
			continue // published by the caller
		}
		a, err := s.db.Alert(ctx, n.Alert)
		if err != nil {
			s.log.Error("alert list", "alert", n.Alert, "error", err)
			continue
		}
		s.hub.Publish(api.AlertMessage(s.list.marked(a)))
	}
}

// hold parks the orders of an alert that another one stands for, unless an attempt to
// create them was made already.
func (s *service) hold(ctx context.Context, alert string) error {
	orders, err := s.db.Orders(ctx, store.OrderFilter{Alert: alert})
	if err != nil {
		return err
	}
	for _, o := range orders {
		why, held := s.list.covers(o)
		if !held || o.Status != workorders.Open || o.Attempts > 0 {
			continue
		}
		o, err := s.db.Take(ctx, o.ID, time.Now(), time.Minute)
		if errors.Is(err, workorders.ErrLeaseLost) {
			continue // it is on its way
		}
		if err != nil {
			return err
		}
		if o.Attempts == 0 {
			lease := o.Lease
			if o, err = workorders.Park(o, why); err != nil {
				return err
			}
			o.Lease = lease // what another one writes meanwhile goes first
		}
		if err := s.db.Update(ctx, o); err != nil && !errors.Is(err, workorders.ErrLeaseLost) {
			return err
		}
		s.hub.Publish(api.OrderMessage(o))
	}
	return nil
}
