package main

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/dataset"
)

var lifeKeys = []string{"s2", "s3", "s4", "s7", "s8", "s9", "s11", "s12", "s13", "s14", "s15", "s17", "s20", "s21"}

// enginesOf writes engines that wear along one curve and fail at its end.
func enginesOf(t *testing.T, n int) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "engines")
	set := dataset.Set{Name: "engines"}
	for i := range n {
		plate := asset.Nameplate{ID: asset.ID(fmt.Sprintf("e%02d", i)), Kind: "turbofan", Components: []asset.Component{{Name: "engine"}}}
		for _, k := range lifeKeys {
			plate.Metrics = append(plate.Metrics, asset.Metric{Name: k, Unit: "1"})
		}
		set.Assets = append(set.Assets, plate)
	}
	w, err := dataset.NewWriter(dir, set)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var labels []dataset.Label
	for i, plate := range set.Assets {
		life := 130 + 7*i
		for h := range life {
			wear := math.Exp(-float64(life-h) / 40)
			var points []asset.Point
			for j, k := range lifeKeys {
				points = append(points, asset.Point{Metric: k, Unit: "1", Quality: 100, Value: 100 + float64(j%5-2)*wear + 0.1*rng.NormFloat64()})
			}
			if err := w.Points(plate.ID, begin.Add(time.Duration(h)*time.Hour), points); err != nil {
				t.Fatal(err)
			}
		}
		labels = append(labels, dataset.Label{Asset: plate.ID, Component: "engine", Mode: asset.Wear, Kind: "failure", End: begin.Add(time.Duration(life) * time.Hour)})
	}
	if err := w.Close(labels, "engines\n"); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestLearnComesBackInABacktest(t *testing.T) {
	dir, repo := enginesOf(t, 12), t.TempDir()
	sets := parsed[[]learnedSet](t, "learn", dir, "--repo", repo, "--leave-one-out", "--json", "--quiet")
	if len(sets) != 13 || sets[0].Lives != 12 || sets[1].Lives != 11 || sets[1].Without != "e00" {
		t.Fatalf("got %+v; want 13 sets, of 12 lives and of 11", sets)
	}
	again := parsed[[]learnedSet](t, "learn", dir, "--repo", t.TempDir(), "--json", "--quiet")
	if again[0].Digest != sets[0].Digest {
		t.Errorf("the same history gave %s, then %s", sets[0].Digest, again[0].Digest)
	}
	out := t.TempDir()
	if code, _, bad := typed(t, "backtest", dir, "--repo", repo, "--out", out, "--quiet"); code != 0 {
		t.Fatalf("backtest: exit %d: %s", code, bad)
	}
	orders, err := (&client{}).outbox(t.Context(), outboxPlace{out: out})
	if err != nil || len(orders) == 0 {
		t.Errorf("%d orders, %v; want engines at their end to ask for work", len(orders), err)
	}
	db, err := (&outboxPlace{out: out}).open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // it was only read
	last := map[asset.ID]asset.Risk{}
	if err := db.EachRisk(t.Context(), func(r asset.Risk) error { last[r.Asset] = r; return nil }); err != nil {
		t.Fatal(err)
	}
	for id, r := range last {
		if !r.RUL.P50.Known() || math.Abs(float64(r.RUL.P50)-1) > 30 || r.RUL.P10 > r.RUL.P50 {
			t.Errorf("%s an hour before its end: remaining life %+v", id, r.RUL)
		}
	}
	if len(last) != 12 {
		t.Errorf("%d engines with a verdict, want 12", len(last))
	}
}

func TestLeftOutAssetHasNoPart(t *testing.T) {
	dir, repo := enginesOf(t, 10), t.TempDir()
	parsed[[]learnedSet](t, "learn", dir, "--repo", repo, "--leave-one-out", "--json", "--quiet")
	shelf, err := openRepository(t.Context(), modelsConfig{Repository: repo}, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, body, err := shelf.Params(t.Context(), paramsName, "turbofan", "e03")
	if err != nil {
		t.Fatal(err)
	}
	var p parameterSet
	if err := json.Unmarshal(body, &p); err != nil {
		t.Fatal(err)
	}
	if p.Without != "e03" || len(p.Assets) != 9 {
		t.Errorf("without %q, of %v; want e03 left out of ten", p.Without, p.Assets)
	}
	for _, id := range p.Assets {
		if id == "e03" {
			t.Error("e03 is among those listened to")
		}
	}
	if n := p.Limits["s2/value"].N; n == 0 {
		t.Error("no limits while healthy")
	}
}

func TestLearnWantsLabels(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "bare")
	w, err := dataset.NewWriter(dir, dataset.Set{Name: "bare", Assets: []asset.Nameplate{{ID: "a", Kind: "generic", Components: []asset.Component{{Name: "x"}}}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(nil, ""); err != nil {
		t.Fatal(err)
	}
	if code, _, bad := typed(t, "learn", dir, "--repo", t.TempDir()); code != 1 {
		t.Errorf("exit %d: %s; want 1", code, bad)
	}
}

func TestSketchKeepsTheCourse(t *testing.T) {
	var s sketch
	for i := range 100000 {
		s.add(float64(i))
	}
	s.add(math.NaN())
	if l := s.limit(); l.N != 100000 || l.Max != 99999 || math.Abs(l.P50/50000-1) > 0.02 || math.Abs(l.P95/95000-1) > 0.02 {
		t.Errorf("%+v", l)
	}
}
