package physics_test

import (
	"math"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/features"
	"github.com/telltale-iot/telltale/physics"
)

func quantitiesAt(hour float64, a, b float64) features.Snapshot {
	return features.Snapshot{
		Time: time.Unix(0, 0).Add(time.Duration(hour * float64(time.Hour))), SpeedRpm: asset.Missing(), LoadN: asset.Missing(),
		Vectors: []features.Vector{{Fields: []features.Field{{Channel: "a", Name: "value"}, {Channel: "b", Name: "value"}}, Values: []float64{a, b}, Quality: 100}},
	}
}

func TestRegressionReadsItsPolynomial(t *testing.T) {
	// Inputs a, b, age; the basis is 1, a, b, age, a², ab, a·age, b², b·age, age².
	fit := physics.RegressionFit{
		Mean: []float64{1, 0, 0}, Sd: []float64{2, 0, 10}, Weights: []float64{50, 10, 99, -1, 0, 99, 0, 99, 99, 0},
		Spread: []physics.SpreadPoint{{At: 40, P10: -8, P90: 6, Sd: 5}, {At: 80, P10: -10, P90: 20, Sd: 10}},
	}
	law := physics.NewRegression(physics.RegressionOptions{Keys: []string{"a/value", "b/value"}, MemoriesH: []float64{1e9}, CapH: 125, HorizonH: 30, Fit: fit})
	s, _ := law.Step(physics.State{}, quantitiesAt(0, 2, 7))
	_, got := law.Step(s, quantitiesAt(10, 6, 7)) // mean of a is 4, so z is 1.5; age z is 1; b never varied
	if want := 50 + 15.0 - 1; math.Abs(float64(got.RUL.P50)-want) > 1e-6 {
		t.Errorf("remaining %v, want %v", got.RUL.P50, want)
	}
	if want := 64 - (8 + 2*24.0/40); math.Abs(float64(got.RUL.P10)-want) > 1e-6 {
		t.Errorf("early end %v, want %v", got.RUL.P10, want)
	}
	if sd := 5 + 5*24.0/40; math.Abs(float64(got.FailP)-0.5*math.Erfc((64-30)/sd/math.Sqrt2)) > 1e-9 {
		t.Errorf("probability %v within 30 h", got.FailP)
	}
	if got.Abnormal {
		t.Error("abnormal with 64 h to go")
	}
}

func TestRegressionKeepsStillWhereItKnowsNothing(t *testing.T) {
	missing := math.NaN()
	for name, tc := range map[string]struct {
		fit  physics.RegressionFit
		in   features.Snapshot
		want asset.Reason
	}{
		"nothing learned":      {physics.RegressionFit{}, quantitiesAt(0, 1, 1), physics.ReasonLearning},
		"one never measured":   {physics.RegressionFit{Weights: []float64{1}}, quantitiesAt(0, 1, missing), physics.ReasonMissing},
		"none measured":        {physics.RegressionFit{Weights: []float64{1}}, quantitiesAt(0, missing, missing), physics.ReasonIdle},
		"fit of other inputs":  {physics.RegressionFit{Weights: []float64{1}}, quantitiesAt(0, 1, 1), physics.ReasonRange},
		"beyond what is sound": {physics.RegressionFit{Weights: []float64{1}}, quantitiesAt(0, math.Inf(1), 1), physics.ReasonMissing},
	} {
		t.Run(name, func(t *testing.T) {
			s, got := physics.NewRegression(physics.RegressionOptions{Keys: []string{"a/value", "b/value"}, Fit: tc.fit}).Step(physics.State{}, tc.in)
			if got.Reason != tc.want || got.RUL.P50.Known() || !s.Finite() {
				t.Errorf("reason %q, remaining %v; want %q and none", got.Reason, got.RUL.P50, tc.want)
			}
		})
	}
}

func FuzzRegression(f *testing.F) {
	f.Add(1.0, 2.0, 3.0)
	f.Add(-1e300, 1e300, 1e-300)
	f.Fuzz(func(t *testing.T, a, b, hours float64) {
		if math.Abs(hours) > 1e5 {
			t.Skip()
		}
		fit := physics.RegressionFit{Mean: []float64{0, 0, 0}, Sd: []float64{1, 1, 1}, Weights: make([]float64, 10)}
		law := physics.NewRegression(physics.RegressionOptions{Keys: []string{"a/value", "b/value"}, MemoriesH: []float64{5}, Fit: fit})
		s, _ := law.Step(physics.State{}, quantitiesAt(0, a, b))
		s, got := law.Step(s, quantitiesAt(hours, b, a))
		if !s.Finite() || got.RUL.P50.Known() && (got.RUL.P50 < 0 || got.RUL.P50 > 125) {
			t.Errorf("state %v, remaining %v", s, got.RUL.P50)
		}
	})
}
