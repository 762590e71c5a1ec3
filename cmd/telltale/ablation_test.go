package main

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/class"
	"github.com/telltale-iot/telltale/dataset"
)

// TestTheFusedViewIsWhatTheRunSaid: the alarm that is run again over the stored risks
// raises the alerts of the run, and a view without the others raises its own.
func TestTheFusedViewIsWhatTheRunSaid(t *testing.T) {
	dir := t.TempDir()
	farm, out := filepath.Join(dir, "farm"), filepath.Join(dir, "out")
	for _, args := range [][]string{
		{"simulate", "--out", farm, "--turbines", "2", "--for", "240h", "--wave-every", "12h", "--learning", "48h", "--seed", "2"},
		{"backtest", farm, "--out", out, "-q"},
	} {
		if e := telltale(t, args...); e.code != 0 {
			t.Fatalf("telltale %v: %s", args, e.stderr)
		}
	}
	body, err := os.ReadFile(filepath.Join(out, "summary.json"))
	if err != nil {
		t.Fatal(err)
	}
	var s summary
	if err := json.Unmarshal(body, &s); err != nil {
		t.Fatal(err)
	}
	if s.Ablation == nil || len(s.Ablation.Views) < 3 || s.Ablation.Gain == nil {
		t.Fatalf("ablation %+v", s.Ablation)
	}
	fused := s.Ablation.Views[0]
	if s.Alerts == 0 || fused.Alerts+s.Truth.SensorAlerts != s.Alerts || fused.Detected != s.Truth.Detected || fused.FalseAlerts != s.Truth.FalseAlerts {
		t.Errorf("fused view %+v; the run had %d alerts, truth %+v", fused, s.Alerts, s.Truth)
	}
}

func TestEachViewIsJudgedAlone(t *testing.T) {
	w := newWorks(class.Set{"generic": {Kind: "generic", HorizonH: 10}}, nil)
	var labels []dataset.Label
	at := func(h int) time.Time { return time.Date(2026, 1, 1, h, 0, 0, 0, time.UTC) }
	for _, id := range []asset.ID{"a", "b", "c", "d", "e"} {
		w.plates[id] = asset.Nameplate{ID: id}
		w.ids = append(w.ids, id)
		labels = append(labels, dataset.Label{Asset: id, Kind: "fault", Mode: asset.Wear, Start: at(100), End: at(200)})
	}
	j := newViewJudge(w, labels)
	for h := range 200 {
		for i, id := range w.ids {
			// Physics sees the fault, rules see it half of the time, and neither is sure.
			r := asset.Risk{Time: at(h), Asset: id, HorizonH: 10, LLR: asset.NoLLR(), RUL: asset.NoRUL(), Mode: asset.Wear}
			r.LLR.Physics, r.LLR.Rule = asset.Number(-0.5), asset.Number(0.1*float64((h+i)%3))
			if h >= 100 {
				r.LLR.Physics, r.LLR.Rule = 4, asset.Number(3*(h%2))
			}
			r.Risk = w.fusion(w.classes.Of(""), w.plates[id]).Posterior(r.LLR.Physics + r.LLR.Rule)
			j.hear(r)
		}
	}
	var a ablation
	j.report(summaryInput{w: w}, map[asset.ID][2]time.Time{}, &a)
	if len(a.Views) != 3 || a.Views[0].View != "fused" || a.Views[1].View != "physics" || a.Views[2].View != "rule" {
		t.Fatalf("views %+v", a.Views)
	}
	if v := a.Views[1]; v.AUC != 1 || v.Detected != 5 || v.FalseAlerts != 0 || v.Alerts != 5 {
		t.Errorf("physics alone: %+v", v)
	}
	if v := a.Views[2]; !(v.AUC < 0.9) || v.Detected != 0 {
		t.Errorf("rules alone: %+v; every second instant above the limit is too few", v)
	}
	if g := a.Gain; g == nil || g.Best != "physics" || math.Abs(float64(g.AUC)) > 1e-12 || !g.AUCLow.Known() || g.Detected != 0 {
		t.Errorf("gain %+v", g)
	}
	if r := a.Reliability; r.Method != "expert" || r.Events != 5 || r.Rows != 1000 || r.Failing != 500 || !r.Brier.Known() {
		t.Errorf("reliability %+v", r)
	}
}
