package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/dataset"
	"github.com/telltale-iot/telltale/pipeline"
)

// history is blocks of assets whose verdicts were drawn so that the log odds of a
// failure are what was said times the given weights.
func history(assets int, weights map[asset.Group]float64) []*calibrationBlock {
	rng := rand.New(rand.NewPCG(5, 6))
	var out []*calibrationBlock
	for len(out) < 2*assets {
		r := calibrationRow{groups: map[asset.Group]float64{}}
		odds := 0.0
		for _, g := range asset.Groups() {
			if w, ok := weights[g]; ok {
				v := 1.5 * rng.NormFloat64()
				r.groups[g], r.total, odds = v, r.total+v, odds+w*v
			}
		}
		b := &calibrationBlock{asset: asset.ID(fmt.Sprintf("a%03d", len(out)/2)), failing: rng.Float64() < logistic(odds)}
		b.add(r)
		out = append(out, b)
	}
	return out
}

func TestCalibrationFindsWhatHistoryBearsOut(t *testing.T) {
	vibration, thermal := asset.GroupVibration, asset.GroupThermal
	for name, tc := range map[string]struct {
		weights map[asset.Group]float64
		want    string
	}{
		"what was said is true":     {map[asset.Group]float64{vibration: 1, thermal: 1}, byHand},
		"everybody exaggerates":     {map[asset.Group]float64{vibration: 0.3, thermal: 0.3}, "platt"},
		"one group is worth little": {map[asset.Group]float64{vibration: 2, thermal: 0.1}, "weights"},
	} {
		t.Run(name, func(t *testing.T) {
			c := chooseCalibration(history(250, tc.weights))
			if c.Method != tc.want {
				t.Fatalf("method %s, want %s: %+v", c.Method, tc.want, c.Quality)
			}
			switch tc.want {
			case "platt":
				if slope := (c.Curve.At(1) - c.Curve.At(-1)) / 2; math.Abs(slope-0.3) > 0.12 {
					t.Errorf("slope %v, want about 0.3", slope)
				}
			case "weights":
				if math.Abs(c.Weights[vibration]-2) > 0.4 || c.Weights[thermal] > 0.4 {
					t.Errorf("weights %v, want about 2 and 0.1", c.Weights)
				}
			}
			if before, after := c.Quality[byHand].LogLoss, c.Quality[c.Method].LogLoss; after > before {
				t.Errorf("log loss %v by hand, %v after", before, after)
			}
		})
	}
}

func TestCalibrationKeepsTheClassesPrior(t *testing.T) {
	c := chooseCalibration(history(250, map[asset.Group]float64{asset.GroupVibration: 0.3, asset.GroupThermal: 0.3}))
	o := pipeline.FusionOptions{Prior: 0.01, Weights: map[asset.Group]float64{}}
	c.into(&o)
	// Half of the history is failing, and still nobody's word leaves the prior.
	if got := float64(o.Posterior(0)); math.Abs(math.Log(got/0.01)) > 0.3 {
		t.Errorf("risk where nothing was said = %v, want about the prior 0.01", got)
	}
	if lo, hi := o.Posterior(1), o.Posterior(3); !(lo < hi) {
		t.Errorf("the calibrated risk falls: %v, %v", lo, hi)
	}
}

func TestTooLittleHistoryStaysByHand(t *testing.T) {
	c := chooseCalibration(history(8, map[asset.Group]float64{asset.GroupVibration: 0.3, asset.GroupThermal: 3}))
	if c.Method != byHand || c.Why == "" || len(c.Curve.X) > 0 || len(c.Weights) > 0 {
		t.Errorf("from 8 assets: %+v", c)
	}
}

func TestRefittedWithoutAnAssetIsOtherwise(t *testing.T) {
	blocks := history(300, map[asset.Group]float64{asset.GroupVibration: 0.3, asset.GroupThermal: 0.3})
	all := chooseCalibration(blocks)
	rest := refitCalibration(all, blocks[2:])
	if rest.Method != all.Method || rest.Assets != all.Assets-1 || rest.Curve.At(1) == all.Curve.At(1) {
		t.Errorf("with all %+v, without one %+v", all, rest)
	}
}

func TestTruthOfAVerdictIsWhatHistorySays(t *testing.T) {
	at := func(h int) time.Time { return time.Date(2026, 1, 1, h, 0, 0, 0, time.UTC) }
	k := calibrationKeeper{labels: []dataset.Label{
		{Asset: "x", Component: "bearing", Kind: "failure", End: at(100)},
		{Asset: "y", Kind: "fault", Start: at(50), End: at(60)},
	}}
	for _, tc := range []struct {
		id    asset.ID
		hour  int
		event int
		known bool
	}{
		{"x", 80, -1, true}, {"x", 95, 0, true}, {"y", 20, -1, true}, {"y", 50, 1, true}, {"y", 61, -1, false}, {"y", 70, -1, true}, {"z", 50, -1, false},
	} {
		event, known := k.truth(asset.Risk{Asset: tc.id, Component: "bearing", Time: at(tc.hour), HorizonH: 10})
		if event != tc.event || known != tc.known {
			t.Errorf("%s at %d h: event %d, %v; want %d, %v", tc.id, tc.hour, event, known, tc.event, tc.known)
		}
	}
}
