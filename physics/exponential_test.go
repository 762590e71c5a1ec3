package physics_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/physics"
)

func TestExponentialFindsTheEnd(t *testing.T) {
	inside := 0
	for seed := range uint64(20) {
		law, r := physics.NewExponential(physics.ExponentialOptions{Key: "x"}), rand.New(rand.NewPCG(seed, 2))
		var s physics.State
		var a asset.Assessment
		const end = 1000.0 // noise of one size; from 400 h on it grows to ten times
		for h := 0.0; h <= 850; h++ {
			x := math.Exp(math.Max(0, h-400)/600*math.Ln10) + 0.1*r.NormFloat64()
			s, a = law.Step(s, at(h, map[string]float64{"x": x}))
			if h <= 400 && a.Abnormal {
				t.Fatalf("seed %d: abnormal at %v h", seed, h)
			}
		}
		if left := end - 850; float64(a.RUL.P10) <= left && left <= float64(a.RUL.P90) && math.Abs(float64(a.RUL.P50)/left-1) < 0.4 {
			inside++
		}
		if !a.Abnormal || a.Modes[asset.Wear] == 0 {
			t.Errorf("seed %d: at three quarters of the way: %+v", seed, a)
		}
	}
	if inside < 18 {
		t.Errorf("%d of 20 intervals hold the end", inside)
	}
}

func TestExponentialSkipsAnOutlier(t *testing.T) {
	law := physics.NewExponential(physics.ExponentialOptions{Key: "x", BaselineN: 20})
	var s physics.State
	for h := 0.0; h < 100; h++ {
		s, _ = law.Step(s, at(h, map[string]float64{"x": 1 + 0.02*math.Sin(h)}))
	}
	after, a := law.Step(s, at(100, map[string]float64{"x": 50}))
	if a.Abnormal || after.X[13] != 1 {
		t.Errorf("one outlier: %+v, state %v", a, after.X)
	}
	for h := 101.0; h < 110; h++ {
		after, a = law.Step(after, at(h, map[string]float64{"x": 50}))
	}
	if !a.Abnormal {
		t.Error("a step that stays is not seen")
	}
}
