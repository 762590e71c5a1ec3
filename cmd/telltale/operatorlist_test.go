package main

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/class"
	"github.com/telltale-iot/telltale/pipeline"
	"github.com/telltale-iot/telltale/store"
	"github.com/telltale-iot/telltale/store/sqlite"
	"github.com/telltale-iot/telltale/workorders"
)

func oneCause(n int) []asset.Alert {
	var out []asset.Alert
	for i := range n {
		at := time.Date(2026, 3, 1, 0, i, 0, 0, time.UTC)
		out = append(out, asset.Alert{
			ID: fmt.Sprint("alert-", i), Asset: asset.ID(fmt.Sprint("T", i)), Component: "gearbox", Mode: asset.Overheating, Severity: 2,
			Opened: at, Changed: at, Risk: 0.7, HorizonH: 720, RUL: asset.NoRUL(), Evidence: []asset.Evidence{{Name: "ambient/residual"}},
		})
	}
	return out
}

func TestOneCauseOrdersOneWork(t *testing.T) {
	alerts := oneCause(5)
	list := listAlerts(alerts)
	held := 0
	for _, a := range alerts {
		if a.Group == "" || a.Group != alerts[0].Group {
			t.Errorf("alert %s is in group %q", a.ID, a.Group)
		}
		if _, ok := list.covers(workorders.Order{Alert: a.ID}); ok {
			held++
		}
	}
	if held != 4 || alerts[0].Suppressed != "" || alerts[4].Suppressed != pipeline.SuppressedCommon {
		t.Errorf("%d of 5 orders are held back: %+v", held, alerts)
	}
	// The order in which the store lists them changes nothing.
	again := oneCause(5)
	slices.Reverse(again)
	listAlerts(again)
	slices.Reverse(again)
	for i := range again {
		if again[i].Group != alerts[i].Group || again[i].Suppressed != alerts[i].Suppressed {
			t.Errorf("alert %d: %q %q, in the other order %q %q", i, alerts[i].Group, alerts[i].Suppressed, again[i].Group, again[i].Suppressed)
		}
	}
}

func TestTheServiceParksOrdersOfOneCause(t *testing.T) {
	ctx := t.Context()
	w := newWorks(class.Set{}, nil)
	db, err := sqlite.Open(ctx, filepath.Join(t.TempDir(), "s.db"), sqlite.Options{Plan: w.order})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // a test's
	at, err := db.Claim(ctx, 0)
	if err != nil {
		t.Fatal(err)
	}
	s := newService(w, db, slog.New(slog.DiscardHandler))
	for i, a := range oneCause(4) {
		if err := db.Keep(ctx, pipeline.Effects{Epoch: at.Epoch, Next: int64(i + 1), Alerts: []asset.Alert{a}}); err != nil {
			t.Fatal(err)
		}
		s.annunciate(ctx, []asset.Alert{a})
	}
	hold := func(want int) {
		t.Helper()
		orders, err := db.Orders(ctx, store.OrderFilter{})
		if err != nil || len(orders) != 4 {
			t.Fatalf("orders %+v, %v", orders, err)
		}
		parked := 0
		for _, o := range orders {
			if o.Status == workorders.Parked {
				parked++
			}
			if o.Alert == "alert-0" && o.Status != workorders.Open {
				t.Errorf("the first-out's order is %s: %s", o.Status, o.Problem)
			}
		}
		if parked != want {
			t.Errorf("%d orders are parked, want %d", parked, want)
		}
	}
	hold(3)
	// After a restart the list is what it was.
	again := newService(w, db, slog.New(slog.DiscardHandler))
	if err := again.relist(ctx); err != nil {
		t.Fatal(err)
	}
	a, err := reader{again}.Alert(ctx, "alert-3")
	if err != nil || a.Suppressed != pipeline.SuppressedCommon || a.Group == "" {
		t.Errorf("after a restart: %+v, %v", a, err)
	}
	hold(3)
}
