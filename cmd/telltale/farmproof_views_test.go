package main

import (
	"math"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/class"
)

// TestDaysOfAViewFollowTheTruth: a day is failing from the day on which its unit's fault
// can be seen, healthy while no fault is near, and nothing in between; a view that is
// silent leaves the prior.
func TestDaysOfAViewFollowTheTruth(t *testing.T) {
	w := newWorks(class.Set{"wind-turbine": {Kind: "wind-turbine", HorizonH: 2160}}, []asset.Nameplate{{ID: "a", Kind: "wind-turbine"}})
	days := newViewDays(w)
	fusion := w.fusion(w.classes.Of("wind-turbine"), w.plates["a"])
	turbine := proved()[0] // found from day 150 on, fails on day 200, judged from day 60 on
	for d := range 240 {
		for h := range 24 {
			r := asset.Risk{Time: turbine.Begin.AddDate(0, 0, d-60).Add(time.Duration(h) * time.Hour), Asset: "a", Component: "gearbox", Risk: 0.1, LLR: asset.NoLLR()}
			if r.LLR.Rule = -0.5; d >= 150 {
				r.LLR.Rule = asset.Number(4 * (h % 2))
			}
			days.hear(r)
			r.Component, r.Risk, r.LLR.Rule = "gearbox-bearing", 0.2, -0.5
			days.hear(r)
			r.Component, r.Risk = "generator", asset.Missing()
			days.hear(r)
		}
	}
	failing, healthy := 0, 0
	got := days.of(turbine)
	for _, d := range got {
		if d.Failing {
			failing++
		} else {
			healthy++
		}
	}
	// Healthy: from day 60 to the onset on day 100, and from day 210 on, a week after the repair.
	if failing != 50 || healthy != 39+30 {
		t.Fatalf("%d failing days, %d healthy; want 50 and 69", failing, healthy)
	}
	worst, prior := got[39], float64(fusion.Posterior(0))
	mean := float64(fusion.Posterior(0)+fusion.Posterior(4)) / 2
	if math.Abs(worst.Risk[0]-0.2) > 1e-6 || math.Abs(worst.Risk[3]-mean) > 1e-6 || math.Abs(worst.Risk[2]-prior) > 1e-6 || math.Abs(worst.Risk[6]-prior) > 1e-6 {
		t.Errorf("a failing day %v; want fused 0.2, rule %g, physics and all but rule %g", worst.Risk, mean, prior)
	}
	if other := days.of(proofTurbine{Asset: "b"}); len(other) != 0 {
		t.Errorf("%d days of another turbine", len(other))
	}
}

// TestSilencingTheViewThatSeesCosts: rules tell gear faults, physics heat; fusing tells
// both, though what is usual differs between the units.
func TestSilencingTheViewThatSeesCosts(t *testing.T) {
	var all []proofTurbine
	for i := range 12 {
		mode, unit, rule, physics, usual := asset.GearTooth, "gearbox", 0.5, 0.02, 0.02
		if i%2 == 1 {
			mode, unit, rule, physics, usual = asset.Overheating, "generator", 0.02, 0.5, 0.4
		}
		turbine := proofTurbine{Fault: &proofFault{Mode: mode}}
		for range 10 {
			turbine.Days = append(turbine.Days,
				viewDay{Unit: unit, Risk: [heardAs]float64{usual, 0.02, 0.02, 0.02, usual, 0.02, 0.02}},
				viewDay{Unit: unit, Failing: true, Risk: [heardAs]float64{0.5, 0.02, physics, rule, 0.5, rule, physics}})
		}
		all = append(all, turbine)
	}
	by := map[string]proofFigure{}
	for _, f := range viewFigures(all) {
		by[f.Name] = f
	}
	for name, want := range map[string]float64{
		"all faults: AUC fused": 1, "all faults: AUC ml": 0.5, "all faults: AUC rule": 0.75, "all faults: fused less physics, the best view": 0.25,
		"all faults: silencing ml costs": 0, "all faults: silencing physics costs": 0.25, "rules alone can see: silencing rule costs": 0.5,
		"rules alone can see: fused less rule, the best view": 0, "faults that heat: AUC physics": 1,
	} {
		if f, ok := by[name]; !ok || math.Abs(float64(f.X)-want) > 1e-9 {
			t.Errorf("%s: %+v, want %g", name, f, want)
		}
	}
	if f := by["rules alone can see: silencing rule costs"]; !f.OK || f.K != 60 || f.N != 180 {
		t.Errorf("%+v: want it met, by 60 failing of 180 days", f)
	}
	if f := by["all faults: silencing ml costs"]; f.OK {
		t.Errorf("a view that says nothing costs nothing: %+v", f)
	}
	if f := by["bearing defects: AUC fused"]; f.X.Known() || f.K != 0 {
		t.Errorf("no case: %+v", f)
	}
}
