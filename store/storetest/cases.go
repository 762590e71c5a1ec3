package storetest

import (
	"errors"
	"math"
	"reflect"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/features"
	"github.com/telltale-iot/telltale/pipeline"
	"github.com/telltale-iot/telltale/store"
	"github.com/telltale-iot/telltale/workorders"
)

func readBack(t *testing.T, s Store) {
	t.Helper()
	epoch := claim(t, s)
	fx := Batch(epoch, 1)
	spectrum := features.Spectrum{
		Channel: "gearbox", Kind: "envelope", Unit: "m/s²", StepHz: 0.5, Bins: []float32{1, 2, 3},
		Marks: []features.Mark{{Name: "BPFO 1×", Hz: 1}},
	}
	fx.Frames[0].Spectra = []features.Spectrum{spectrum}
	keep(t, s, fx)

	frames := Frames(t, s)
	if len(frames) != 1 || len(frames[0].Vectors) != 1 {
		t.Fatalf("frames: %+v", frames)
	}
	got, want := frames[0].Vectors[0], fx.Frames[0].Vectors[0]
	if got.Values[0] != want.Values[0] || !math.IsNaN(got.Values[1]) {
		t.Errorf("values %v, want %v", got.Values, want.Values)
	}
	got.Values, want.Values = nil, nil
	if !reflect.DeepEqual(got, want) {
		t.Errorf("vector %+v, want %+v", got, want)
	}
	risks, err := s.LatestRisks(t.Context())
	if err != nil || len(risks) != 1 {
		t.Fatalf("latest risks: %v, %v", risks, err)
	}
	wantRisk := fx.Risks[0]
	if risks[0].MLScore.Known() || risks[0].RuleScore.Known() || risks[0].RUL.P90.Known() || risks[0].LLR.ML.Known() || risks[0].Evidence[0].Limit.Known() {
		t.Errorf("a missing number came back as known: %+v", risks[0])
	}
	for _, r := range []*asset.Risk{&risks[0], &wantRisk} { // NaN equals nothing
		r.MLScore, r.RuleScore, r.RUL.P90, r.LLR.ML, r.Evidence[0].Limit = 0, 0, 0, 0, 0
	}
	if !reflect.DeepEqual(risks[0], wantRisk) {
		t.Errorf("risk %+v, want %+v", risks[0], wantRisk)
	}
	spectra, taken, err := s.Spectra(t.Context(), "T01", "gearbox", Epoch.Add(time.Hour))
	if err != nil || len(spectra) != 1 || !taken.Equal(fx.Frames[0].Time) || !reflect.DeepEqual(spectra[0], spectrum) {
		t.Errorf("spectra %+v at %v, %v; want %+v", spectra, taken, err, spectrum)
	}
	other := spectrum
	other.Kind = "acceleration"
	keep(t, s, pipeline.Effects{Epoch: epoch, Next: 2, Frames: []pipeline.Frame{
		{Asset: "T01", Time: Epoch.Add(time.Minute), Spectra: []features.Spectrum{other}},
		{Asset: "T01", Time: Epoch.Add(time.Hour), Spectra: []features.Spectrum{spectrum}},
	}})
	if both, at, err := s.Spectra(t.Context(), "T01", "gearbox", Epoch.Add(time.Minute)); err != nil || len(both) != 2 || both[0].Kind != "acceleration" ||
		!at.Equal(Epoch.Add(time.Minute)) {
		t.Errorf("spectra of two kinds: %v at %v, %v", both, at, err)
	}
	if before, _, err := s.Spectra(t.Context(), "T01", "gearbox", Epoch); err != nil || len(before) != 0 {
		t.Errorf("spectra before the first: %v, %v", before, err)
	}
	if all, err := s.TwinEvents(t.Context(), "", 10); err != nil || len(all) != 1 {
		t.Errorf("events of all assets: %v, %v", all, err)
	}
	events, err := s.TwinEvents(t.Context(), "T01", 10)
	if err != nil || !reflect.DeepEqual(events, fx.Events) {
		t.Errorf("events %v, %v; want %v", events, err, fx.Events)
	}
}

func replay(t *testing.T, s Core) {
	t.Helper()
	epoch := claim(t, s)
	for _, k := range []int64{1, 2, 2, 1, 3} {
		keep(t, s, Batch(epoch, k))
	}
	counts, err := s.Counts(t.Context())
	if err != nil || counts["in"] != 3 {
		t.Errorf("counts %v, %v; want 3 in", counts, err)
	}
	if got := len(Frames(t, s)); got != 3 {
		t.Errorf("%d frames, want 3", got)
	}
}

func carried(t *testing.T, s Core) {
	t.Helper()
	epoch := claim(t, s)
	part := func(p string) pipeline.StateKey { return pipeline.StateKey{Asset: "T01", Part: p} }
	keep(t, s, pipeline.Effects{Epoch: epoch, Next: 1, State: map[pipeline.StateKey][]byte{part("a"): {1}, part("b"): {2}}})
	keep(t, s, pipeline.Effects{Epoch: epoch, Next: 2, State: map[pipeline.StateKey][]byte{part("a"): {3}, part("b"): nil, {Asset: "T02", Part: "a"}: {4}}})
	parts, err := s.Parts(t.Context(), "T01")
	if want := map[string][]byte{"a": {3}}; err != nil || !reflect.DeepEqual(parts, want) {
		t.Errorf("parts %v, %v; want %v", parts, err, want)
	}
}

func alerts(t *testing.T, s Core) {
	t.Helper()
	epoch := claim(t, s)
	a, b := Alert("a", 3), Alert("b", 4)
	b.Asset, b.Opened = "T02", Epoch.Add(time.Hour)
	keep(t, s, pipeline.Effects{Epoch: epoch, Next: 1, Alerts: []asset.Alert{a, b}})
	cleared := Epoch.Add(time.Hour)
	a.Cleared = &cleared
	a.Changes = []asset.Change{{Time: cleared, What: "cleared", Mode: a.Mode, Severity: 2, Risk: 0.1, RUL: asset.NoRUL()}}
	keep(t, s, pipeline.Effects{Epoch: epoch, Next: 2, Alerts: []asset.Alert{a}})
	for name, tc := range map[string]struct {
		filter store.AlertFilter
		want   []string
	}{
		"all, newest first": {store.AlertFilter{}, []string{"b", "a"}},
		"open":              {store.AlertFilter{OpenOnly: true}, []string{"b"}},
		"of an asset":       {store.AlertFilter{Asset: "T01"}, []string{"a"}},
		"of a component":    {store.AlertFilter{Component: "blade"}, nil},
		"limited":           {store.AlertFilter{Limit: 1}, []string{"b"}},
	} {
		list, err := s.Alerts(t.Context(), tc.filter)
		var got []string
		for _, a := range list {
			got = append(got, a.ID)
		}
		if err != nil || !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%s: %v, %v; want %v", name, got, err, tc.want)
		}
	}
	got, err := s.Alert(t.Context(), "a")
	if err != nil || got.Cleared == nil || len(got.Changes) != 1 || got.Severity != 3 {
		t.Errorf("alert %+v, %v", got, err)
	}
	if _, err := s.Alert(t.Context(), "none"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("an alert that is not there: %v", err)
	}
}

func orders(t *testing.T, s Core) {
	t.Helper()
	epoch := claim(t, s)
	keep(t, s, pipeline.Effects{Epoch: epoch, Next: 1, Alerts: []asset.Alert{Alert("a", 2), Alert("watch", 4)}})
	o, err := s.Order(t.Context(), "order-a")
	if err != nil || o.Key != workorders.KeyOf("a") || o.Status != workorders.Open {
		t.Fatalf("order %+v, %v", o, err)
	}
	o.Status, o.ERPNumber = workorders.Sent, "1000"
	if err := s.Update(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	keep(t, s, pipeline.Effects{Epoch: epoch, Next: 2, Alerts: []asset.Alert{Alert("a", 1)}})
	list, err := s.Orders(t.Context(), store.OrderFilter{})
	if err != nil || len(list) != 1 || list[0].Status != workorders.Sent || list[0].ERPNumber != "1000" {
		t.Errorf("orders after the alert changed: %+v, %v; want the one as sent", list, err)
	}
	if list, err := s.Orders(t.Context(), store.OrderFilter{Status: workorders.Open}); err != nil || len(list) != 0 {
		t.Errorf("open orders: %+v, %v", list, err)
	}
	if err := s.Update(t.Context(), workorders.Order{ID: "none"}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("update of an order that is not there: %v", err)
	}
}

func leases(t *testing.T, s Core) {
	t.Helper()
	epoch := claim(t, s)
	keep(t, s, pipeline.Effects{Epoch: epoch, Next: 1, Alerts: []asset.Alert{Alert("a", 2)}})
	now := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	due := func(at time.Time) []workorders.Order {
		t.Helper()
		list, err := s.Due(t.Context(), at, time.Minute, 10)
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	first := due(now)
	if len(first) != 1 || len(due(now.Add(59*time.Second))) != 0 {
		t.Fatalf("an order was leased twice, or never: %v", first)
	}
	second := due(now.Add(time.Minute))
	if len(second) != 1 {
		t.Fatal("an order whose lease ended was not leased again")
	}
	if err := s.Update(t.Context(), first[0]); !errors.Is(err, workorders.ErrLeaseLost) {
		t.Errorf("update under a lost lease: %v", err)
	}
	second[0].NotBefore = now.Add(time.Hour)
	if err := s.Update(t.Context(), second[0]); err != nil {
		t.Fatal(err)
	}
	if len(due(now.Add(59*time.Minute))) != 0 {
		t.Error("an order was leased before its time")
	}
	third := due(now.Add(time.Hour))
	if len(third) != 1 {
		t.Fatal("an order was not leased at its time")
	}
	parked, err := s.Order(t.Context(), third[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	parked.Status = workorders.Parked
	if err := s.Update(t.Context(), parked); err != nil {
		t.Fatalf("an operator's update: %v", err)
	}
	if err := s.Update(t.Context(), third[0]); !errors.Is(err, workorders.ErrLeaseLost) {
		t.Errorf("update after an operator's: %v", err)
	}
	if len(due(now.Add(24*time.Hour))) != 0 {
		t.Error("a parked order was leased")
	}
	if _, err := s.Take(t.Context(), parked.ID, now.Add(24*time.Hour), time.Minute); !errors.Is(err, workorders.ErrLeaseLost) {
		t.Errorf("a parked order was taken: %v", err)
	}
}

func taken(t *testing.T, s Core) {
	t.Helper()
	epoch := claim(t, s)
	keep(t, s, pipeline.Effects{Epoch: epoch, Next: 1, Alerts: []asset.Alert{Alert("a", 2)}})
	now := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	o, err := s.Take(t.Context(), "order-a", now, time.Minute)
	if err != nil || o.Lease == 0 {
		t.Fatalf("taken: %+v, %v", o, err)
	}
	if list, err := s.Due(t.Context(), now, time.Minute, 10); err != nil || len(list) != 0 {
		t.Errorf("due while it is taken: %v, %v", list, err)
	}
	if _, err := s.Take(t.Context(), "order-a", now.Add(59*time.Second), time.Minute); !errors.Is(err, workorders.ErrLeaseLost) {
		t.Errorf("taken twice: %v", err)
	}
	list, err := s.Due(t.Context(), now.Add(time.Minute), time.Minute, 10)
	if err != nil || len(list) != 1 {
		t.Fatalf("due when its time is over: %v, %v", list, err)
	}
	o.Status = workorders.Parked
	if err := s.Update(t.Context(), o); !errors.Is(err, workorders.ErrLeaseLost) {
		t.Errorf("parked while another one sends it: %v", err)
	}
}

func thinned(t *testing.T, s Store) {
	t.Helper()
	epoch := claim(t, s)
	for k := int64(1); k <= 25; k++ {
		keep(t, s, Batch(epoch, k))
	}
	at := func(k int64) time.Time { return Epoch.Add(time.Duration(k) * time.Minute) }
	risks, err := s.Risks(t.Context(), "T01", "gearbox", at(0), at(99), 10)
	if err != nil || len(risks) != 9 || !risks[8].Time.Equal(at(25)) || !risks[0].Time.Equal(at(1)) {
		t.Errorf("%d risks, %v; want every third of 25 back from the newest", len(risks), err)
	}
	if risks, err = s.Risks(t.Context(), "T01", "", at(2), at(3), 0); err != nil || len(risks) != 2 {
		t.Errorf("%d risks in a span of two, %v", len(risks), err)
	}
	series, err := s.Trend(t.Context(), "T01", []string{"gearbox/rms", "gearbox/none", "gearbox/defect_bpfo"}, at(0), at(99), 5)
	if err != nil || len(series) != 3 {
		t.Fatalf("series %v, %v", series, err)
	}
	rms := series[0].Points
	if len(rms) != 5 || rms[4].Value != 25 || rms[0].Value != 5 || series[0].Unit != "m/s²" {
		t.Errorf("trend %+v; want 5, 10, … 25", series[0])
	}
	if len(series[1].Points) != 0 || len(series[2].Points) != 5 || series[2].Points[0].Value.Known() {
		t.Errorf("trends of a feature that is not there and of a missing one: %+v", series[1:])
	}
}

func sorted(t *testing.T, s Store) {
	t.Helper()
	epoch := claim(t, s)
	early, late := Epoch, Epoch.Add(time.Hour)
	fx := pipeline.Effects{Epoch: epoch, Next: 1}
	for _, at := range []time.Time{late, early} {
		for _, id := range []asset.ID{"T2", "T10"} {
			fx.Frames = append(fx.Frames, pipeline.Frame{Asset: id, Time: at, Vectors: []features.Vector{Vector(at, "b", 1), Vector(at, "a", 1)}})
			fx.Risks = append(fx.Risks, Risk(at, id, "b", 0.1), Risk(at, id, "a", 0.1))
		}
	}
	keep(t, s, fx)
	var frames, risks []string
	for _, f := range Frames(t, s) {
		for _, v := range f.Vectors {
			frames = append(frames, f.Time.Format("15")+" "+string(f.Asset)+" "+v.Channel)
		}
	}
	if err := s.EachRisk(t.Context(), func(r asset.Risk) error {
		risks = append(risks, r.Time.Format("15")+" "+string(r.Asset)+" "+r.Component)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	want := []string{"00 T10 a", "00 T10 b", "00 T2 a", "00 T2 b", "01 T10 a", "01 T10 b", "01 T2 a", "01 T2 b"}
	if !reflect.DeepEqual(frames, want) || !reflect.DeepEqual(risks, want) {
		t.Errorf("frames %v\nrisks %v\nwant %v", frames, risks, want)
	}
	spans, ok := s.(store.Spans)
	if !ok {
		t.Fatalf("%T gives no spans", s)
	}
	frames, risks = nil, nil
	from := fx.Frames[len(fx.Frames)-1].Time
	err := errors.Join(spans.FramesWithin(t.Context(), from, from, func(f pipeline.Frame) error {
		frames = append(frames, f.Time.Format("15")+" "+string(f.Asset))
		return nil
	}), spans.RisksWithin(t.Context(), from, from, func(r asset.Risk) error {
		risks = append(risks, r.Time.Format("15")+" "+string(r.Asset)+" "+r.Component)
		return nil
	}))
	if day := from.Format("15"); err != nil || !reflect.DeepEqual(frames, []string{day + " T10", day + " T2"}) || len(risks) != 4 || risks[0] != day+" T10 a" {
		t.Errorf("within the instant %s: frames %v, risks %v, %v", day, frames, risks, err)
	}
	stop := errors.New("stop")
	if err := s.EachRisk(t.Context(), func(asset.Risk) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("EachRisk that was stopped: %v", err)
	}
}

func pruned(t *testing.T, s Store) {
	t.Helper()
	epoch := claim(t, s)
	for k := int64(1); k <= 150; k++ {
		fx := Batch(epoch, k)
		fx.Frames[0].Spectra = []features.Spectrum{{Channel: "gearbox", Kind: "envelope", Bins: []float32{1}}}
		if k == 1 {
			fx.Risks = append(fx.Risks, Risk(fx.Through, "T01", "silent", 0.9))
			fx.Alerts = []asset.Alert{Alert("a", 1)}
		}
		keep(t, s, fx)
	}
	n, err := s.Prune(t.Context(), Epoch.Add(101*time.Minute))
	if err != nil || n != 300 {
		t.Errorf("%d rows forgotten, %v; want 100 of frames, spectra and risks", n, err)
	}
	if got := len(Frames(t, s)); got != 50 {
		t.Errorf("%d frames left, want 50", got)
	}
	if latest, err := s.LatestRisks(t.Context()); err != nil || len(latest) != 2 {
		t.Errorf("latest risks %v, %v; want those of both components", latest, err)
	}
	if _, err := s.Order(t.Context(), "order-a"); err != nil {
		t.Errorf("an order was forgotten: %v", err)
	}
	if n, err := s.Prune(t.Context(), Epoch); err != nil || n != 0 {
		t.Errorf("%d rows forgotten again, %v", n, err)
	}
}

func reopened(t *testing.T, open func(t *testing.T, dir string, plan store.Planner) Core) {
	t.Helper()
	dir := t.TempDir()
	s := open(t, dir, Plan)
	if c, err := s.Claim(t.Context(), 0); err != nil || c != (store.Checkpoint{Epoch: 1}) {
		t.Fatalf("first claim: %+v, %v", c, err)
	}
	keep(t, s, Batch(1, 1))
	keep(t, s, Batch(1, 2))
	if err := s.SetMeta(t.Context(), "dataset", "x"); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, Plan)
	want := store.Checkpoint{Epoch: 2, Next: 2, Low: 1, Through: Epoch.Add(2 * time.Minute)}
	if c, err := s.Claim(t.Context(), 0); err != nil || c != want {
		t.Errorf("claim after reopening: %+v, %v; want %+v", c, err, want)
	}
	if v, err := s.Meta(t.Context(), "dataset"); err != nil || v != "x" {
		t.Errorf("meta %q, %v", v, err)
	}
	if v, err := s.Meta(t.Context(), "none"); err != nil || v != "" {
		t.Errorf("meta that is not there: %q, %v", v, err)
	}
	keep(t, s, Batch(2, 3))
	if got := len(Frames(t, s)); got != 3 {
		t.Errorf("%d frames, want 3", got)
	}
}
