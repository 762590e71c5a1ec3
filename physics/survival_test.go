package physics_test

import (
	"math"
	"testing"

	"github.com/telltale-iot/telltale/physics"
)

// ofLaw is n lives at the quantiles of a Weibull law, watched for most hours.
func ofLaw(n int, scale, shape, most float64) []physics.Lifetime {
	out := make([]physics.Lifetime, n)
	for i := range out {
		h := scale * math.Pow(-math.Log1p(-(float64(i)+0.5)/float64(n)), 1/shape)
		out[i] = physics.Lifetime{H: math.Min(h, most), Failed: h <= most}
	}
	return out
}

func TestFitWeibullGivesTheLawBack(t *testing.T) {
	for name, most := range map[string]float64{"all failed": math.Inf(1), "watched for 300 h": 300, "watched for 150 h": 150} {
		w, ok := physics.FitWeibull(ofLaw(4000, 300, 2.5, most), 0.05, 200)
		if !ok || math.Abs(w.Scale/300-1) > 0.02 || math.Abs(w.Shape/2.5-1) > 0.02 {
			t.Errorf("%s: %+v, want scale 300, shape 2.5", name, w)
		}
	}
}

func TestFitWeibullWithHardlyAnyFailure(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for name, lives := range map[string][]physics.Lifetime{
		"none":             nil,
		"censored only":    {{H: 5}, {H: 6}, {H: 7}},
		"one failure":      {{H: 5, Failed: true}, {H: 6}},
		"no lifetimes":     {{H: 0, Failed: true}, {H: -1, Failed: true}, {H: nan, Failed: true}, {H: inf, Failed: true}},
		"one that is none": {{H: 5, Failed: true}, {H: nan, Failed: true}},
	} {
		if w, ok := physics.FitWeibull(lives, 0.05, 200); ok || w != (physics.Weibull{}) {
			t.Errorf("%s: %+v, %v; want nothing", name, w, ok)
		}
	}
	alike := []physics.Lifetime{{H: 100, Failed: true}, {H: 100, Failed: true}, {H: 100, Failed: true}}
	if w, ok := physics.FitWeibull(alike, 0.3, 10); !ok || math.Abs(w.Shape-10) > 1e-9 || math.Abs(w.Scale/100-1) > 0.01 {
		t.Errorf("alike: %+v, %v; want the largest shape allowed", w, ok)
	}
	long := []physics.Lifetime{{H: 1e-9, Failed: true}, {H: 1e9, Failed: true}, {H: 1e12}}
	if w, ok := physics.FitWeibull(long, 0.05, 200); !ok || math.IsNaN(w.Scale+w.Shape) || math.IsInf(w.Scale, 0) {
		t.Errorf("of all lengths: %+v, %v", w, ok)
	}
}

func TestLifeTable(t *testing.T) {
	if table := physics.LifeTable([]physics.Lifetime{{H: 3}, {H: 4}}); len(table) != 0 {
		t.Errorf("censored only: %v", table)
	}
	if s, h := physics.SurvivalAt(nil, 10); s != 1 || h != 0 {
		t.Errorf("of no table: %v, %v", s, h)
	}
	// 1 of 5 at 2 h, 1 of 3 at 4 h (one was censored at 3 h), and one censored at 4 h was at risk there.
	table := physics.LifeTable([]physics.Lifetime{{H: 4, Failed: true}, {H: 3}, {H: 2, Failed: true}, {H: 4}, {H: 9}})
	if len(table) != 2 || table[1].AtRisk != 3 {
		t.Fatalf("%+v", table)
	}
	for at, want := range map[float64][2]float64{1.9: {1, 0}, 2: {0.8, 0.2}, 3.9: {0.8, 0.2}, 4: {0.8 * 2 / 3, 0.2 + 1.0/3}, 99: {0.8 * 2 / 3, 0.2 + 1.0/3}} {
		if s, h := physics.SurvivalAt(table, at); math.Abs(s-want[0]) > 1e-12 || math.Abs(h-want[1]) > 1e-12 {
			t.Errorf("at %v h: %v, %v; want %v", at, s, h, want)
		}
	}
	// Without censoring the survival is the share that is left, and follows the law.
	lives := ofLaw(1000, 300, 2.5, math.Inf(1))
	table = physics.LifeTable(lives)
	w := physics.Weibull{Scale: 300, Shape: 2.5}
	for i, p := range table {
		if math.Abs(p.Survival-float64(999-i)/1000) > 1e-9 || math.Abs(p.Survival-w.Survives(p.H)) > 1e-3 {
			t.Fatalf("row %d: %+v; the law survives with %v", i, p, w.Survives(p.H))
		}
	}
}
