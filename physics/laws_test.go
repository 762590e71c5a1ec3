package physics_test

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/features"
	"github.com/telltale-iot/telltale/physics"
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// at is a snapshot h hours after the start with values by channel (feature "value").
func at(h float64, values map[string]float64) features.Snapshot {
	s := features.Snapshot{
		Asset: "a", Time: start.Add(time.Duration(h * float64(time.Hour))), SpeedRpm: asset.Missing(), LoadN: asset.Missing(),
	}
	for _, name := range []string{"x", "y", "temp", "power", "ambient", "crack"} {
		if v, ok := values[name]; ok {
			s.Vectors = append(s.Vectors, features.Vector{Fields: []features.Field{{Channel: name, Name: "value"}}, Values: []float64{v}})
		}
	}
	return s
}

func running(h, rpm, load float64) features.Snapshot {
	s := at(h, nil)
	s.SpeedRpm, s.LoadN = asset.Number(rpm), asset.Number(load)
	return s
}

// every law, for what must hold for all of them.
func every() map[string]physics.Law {
	return map[string]physics.Law{
		"bearing":  physics.NewBearingLife(physics.BearingOptions{CN: 14000, PitchMM: 39, TempKey: "temp"}),
		"growth":   physics.NewGrowth(physics.GrowthOptions{Keys: []string{"x", "y/value"}, BaselineN: 5}),
		"prior":    physics.NewGrowth(physics.GrowthOptions{Keys: []string{"x"}, BaselineN: 5, AgeFactor: 1, Diffusion: 0.05}),
		"linear":   physics.NewGrowth(physics.GrowthOptions{Keys: []string{"x"}, Linear: true, FailAt: 9, Healthy: 1, Life: physics.Weibull{Scale: 900, Shape: 2}}),
		"thermal":  physics.NewThermal(physics.ThermalOptions{TempKey: "temp", PowerKey: "power", AmbientKey: "ambient", Squared: true, MinN: 20}),
		"network":  physics.NewThermal(physics.ThermalOptions{TempKey: "temp", PowerKey: "power", AmbientKey: "ambient", Network: &physics.Network{C1: 4e5, C2: 2.5e6, R12: 6e-4, R2a: 4e-4}}),
		"crack":    physics.NewCrack(physics.CrackOptions{StressMPa: 80, CyclesPerRev: 1, CrackKey: "crack", Particles: 60}),
		"fatigue":  physics.NewFatigue(physics.FatigueOptions{Key: "x", UltimateMPa: 500, KneeN: 1e6}),
		"ranges":   physics.NewFatigue(physics.FatigueOptions{Key: "x", Ranges: true, CyclesPerRev: 1, StrengthMPa: 600, M: 5, MaxGapH: 100}),
		"ageing":   physics.NewAgeing(physics.AgeingOptions{TempKey: "temp", LifeH: 200, RefC: 40}),
		"oil":      physics.NewAgeing(physics.AgeingOptions{Model: physics.Lubricant, TempKey: "temp", WaterKey: "x"}),
		"archard":  physics.NewArchard(physics.ArchardOptions{AreaM2: 1e-4, DepthM: 1e-3, DiameterM: 0.1, DepthKey: "x"}),
		"exponent": physics.NewExponential(physics.ExponentialOptions{Key: "x", BaselineN: 5}),
		"signal":   physics.NewCrack(physics.CrackOptions{SignalKey: "x", CrackKey: "crack", Particles: 60, Paris: physics.Paris{C: 1e-11, M: 3, KTh: 2, R: 0.3}}),
		"balance":  physics.NewHeatBalance(physics.HeatBalanceOptions{TempKey: "temp", HousingKey: "y", PowerKey: "power", AmbientKey: "ambient", MinN: 20, Network: physics.Network{C1: 4e5, C2: 2.5e6, R12: 6e-4, R2a: 4e-4}}),
		"measured": physics.NewCrack(physics.CrackOptions{StressKey: "x", CyclesPerH: 60, Particles: 60, Paris: physics.Paris{Geometry: physics.EdgeCrack, WidthM: 0.05, KTh: 3}}),
	}
}

// wild is a run with everything that can go wrong with a number in it.
func wild(seed uint64, n int) []features.Snapshot {
	r := rand.New(rand.NewPCG(seed, 5))
	odd := []float64{math.NaN(), math.Inf(1), math.Inf(-1), 0, -1, 1e300, -1e300, 5e-324, 1e6}
	h := 0.0
	out := make([]features.Snapshot, n)
	for i := range out {
		v := map[string]float64{}
		for _, name := range []string{"x", "y", "temp", "power", "ambient", "crack"} {
			switch r.IntN(8) {
			case 0:
				v[name] = odd[r.IntN(len(odd))]
			case 1:
			default:
				v[name] = 40 + 10*r.NormFloat64()
			}
		}
		out[i] = at(h, v)
		out[i].SpeedRpm, out[i].LoadN = asset.Number(1500), 3000
		if r.IntN(10) == 0 {
			out[i].SpeedRpm, out[i].LoadN = asset.Number(odd[r.IntN(len(odd))]), asset.Number(odd[r.IntN(len(odd))])
		}
		out[i].Learning = i < n/3
		h += []float64{0, 0.1, 0.1, 0.1, 3, 50, -0.05}[r.IntN(7)]
	}
	return out
}

func TestEveryLawIsPureAndItsStateSurvivesJSON(t *testing.T) {
	for name, law := range every() {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(4) {
				var s physics.State
				for i, in := range wild(seed, 200) {
					before := fmt.Sprint(s)
					next, a := law.Step(s, in)
					again, b := law.Step(s, in)
					if fmt.Sprint(s) != before || fmt.Sprintf("%+v %+v", next, a) != fmt.Sprintf("%+v %+v", again, b) {
						t.Fatalf("seed %d, step %d: not pure", seed, i)
					}
					check(t, a, fmt.Sprintf("seed %d, step %d", seed, i))
					if !next.Finite() {
						t.Fatalf("seed %d, step %d: state %v", seed, i, next.X)
					}
					text, err := json.Marshal(next)
					if err != nil {
						t.Fatal(err)
					}
					s = physics.State{}
					if err := json.Unmarshal(text, &s); err != nil {
						t.Fatal(err)
					}
					if !s.At.Equal(next.At) || s.Law != next.Law || !reflect.DeepEqual(s.X, next.X) {
						t.Fatalf("seed %d, step %d: %v became %v", seed, i, next, s)
					}
				}
			}
		})
	}
}

// check holds what every assessment must fulfil.
func check(t *testing.T, a asset.Assessment, where string) {
	t.Helper()
	for _, n := range []asset.Number{a.Score, a.Limit, a.P, a.FailP, a.RUL.P10, a.RUL.P50, a.RUL.P90, a.RUL.Soon} {
		if math.IsInf(float64(n), 0) {
			t.Fatalf("%s: infinite number in %+v", where, a)
		}
	}
	if p := a.FailP; p.Known() && (p < 0 || p > 1) {
		t.Fatalf("%s: probability %v", where, p)
	}
	if a.Trust < 0 || a.Trust > 1 || math.IsNaN(a.Trust) || (a.Trust == 0) != (a.Reason != "") {
		t.Fatalf("%s: trust %v with reason %q", where, a.Trust, a.Reason)
	}
	r := a.RUL
	if r.P50.Known() && (!r.P10.Known() || r.P10 > r.P50) || r.P90.Known() && (!r.P50.Known() || r.P50 > r.P90) {
		t.Fatalf("%s: RUL %+v", where, r)
	}
	if r.P50.Known() && (!(r.Soon >= 0) || r.Soon > 1 || r.P50 < asset.SoonH && r.Soon < 0.48 || r.P10 > asset.SoonH && r.Soon > 0.12) {
		t.Fatalf("%s: fails within 48 h with %v, but RUL %+v", where, r.Soon, r)
	}
}

func TestBearingLifeAddsUpByMiner(t *testing.T) {
	law := physics.NewBearingLife(physics.BearingOptions{CN: 50e3, PitchMM: 60, Nu: 30})
	var one, both physics.State
	for h := 0.0; h <= 1000; h++ {
		one, _ = law.Step(one, running(h, 1500, 5000))
		load := 5000.0
		if int(h)%2 == 0 {
			load = 10000
		}
		both, _ = law.Step(both, running(h, 1500, load))
	}
	var doubled physics.State
	for h := 0.0; h <= 1000; h++ {
		doubled, _ = law.Step(doubled, running(h, 1500, 10000))
	}
	if got, want := both.X[0], (one.X[0]+doubled.X[0])/2; math.Abs(got/want-1) > 1e-2 {
		t.Errorf("half of the time at each load: %v, want %v", got, want)
	}
	gap, a := law.Step(one, running(1100, 1500, 5000))
	if gap.X[0] != one.X[0] || a.Trust <= 0 {
		t.Errorf("a silence of 100 h added %v", gap.X[0]-one.X[0])
	}
	if _, a := law.Step(one, at(1001, nil)); a.Trust != 0 || a.Reason != physics.ReasonMissing {
		t.Errorf("without load: trust %v, reason %q", a.Trust, a.Reason)
	}
	if still, _ := law.Step(one, running(1001, 0, 5000)); still.X[0] != one.X[0] {
		t.Error("a bearing wore at standstill")
	}
}

func TestGrowthFindsTheEnd(t *testing.T) {
	for name, o := range map[string]physics.GrowthOptions{
		"trend":     {Keys: []string{"x"}, BaselineN: 100},
		"diffusion": {Keys: []string{"x"}, BaselineN: 100, Diffusion: 0.01},
		"age":       {Keys: []string{"x"}, BaselineN: 100, AgeFactor: 1},
		"fleet":     {Keys: []string{"x"}, BaselineN: 100, Life: physics.Weibull{Scale: 1000, Shape: 2}},
		"worst":     {Keys: []string{"y", "x"}, BaselineN: 100},
	} {
		t.Run(name, func(t *testing.T) {
			law, r := physics.NewGrowth(o), rand.New(rand.NewPCG(1, 2))
			var s physics.State
			var a asset.Assessment
			const end = 1000.0 // e-fold growth from 400 h reaches ten times at 1000 h
			for h := 0.0; h <= 850; h++ {
				x := math.Exp(math.Max(0, h-400)/600*math.Ln10 + 0.05*r.NormFloat64())
				s, a = law.Step(s, at(h, map[string]float64{"x": x, "y": math.Exp(0.05 * r.NormFloat64())}))
				if h == 350 && a.Abnormal {
					t.Error("abnormal while healthy")
				}
			}
			if left := end - 850; float64(a.RUL.P10) > left || float64(a.RUL.P90) < left || math.Abs(float64(a.RUL.P50)/left-1) > 0.5 {
				t.Errorf("RUL %+v, want %v inside", a.RUL, left)
			}
			if !a.Abnormal || a.Modes[asset.Wear] == 0 || !(a.FailP > 0.9) {
				t.Errorf("at three quarters of the way: %+v", a)
			}
		})
	}
}

func TestGrowthWithoutGrowth(t *testing.T) {
	paths := []physics.PathPoint{{0.5, -0.1, 0, 0.1}, {0.9, 0.4, 0.5, 0.6}, {1, 0.8, 1, 1.2}}
	for name, tc := range map[string]struct {
		o      physics.GrowthOptions
		p50    float64 // NaN: missing
		within float64
	}{
		"nothing known":  {physics.GrowthOptions{}, math.NaN(), 0},
		"age":            {physics.GrowthOptions{AgeFactor: 1}, 200, 1e-9},
		"a third of it":  {physics.GrowthOptions{AgeFactor: 0.3}, 60, 1e-9},
		"started before": {physics.GrowthOptions{AgeFactor: 1, StartAgeH: 100}, 300, 1e-9},
		"fleet":          {physics.GrowthOptions{Life: physics.Weibull{Scale: 1000, Shape: 1}}, 1000 * math.Ln2, 1e-6},
		"age first":      {physics.GrowthOptions{AgeFactor: 1, Life: physics.Weibull{Scale: 1000, Shape: 1}}, 200, 1e-9},
		"paths":          {physics.GrowthOptions{Paths: paths}, 400, 250}, // still flat, so hardly past half of its life
	} {
		t.Run(name, func(t *testing.T) {
			tc.o.Keys = []string{"x"}
			law := physics.NewGrowth(tc.o)
			var s physics.State
			var a asset.Assessment
			for h := 0.0; h <= 200; h++ {
				s, a = law.Step(s, at(h, map[string]float64{"x": 1 + 0.01*math.Sin(h)}))
			}
			if got := float64(a.RUL.P50); math.IsNaN(tc.p50) != math.IsNaN(got) || math.Abs(got-tc.p50) > tc.within {
				t.Errorf("P50 = %v, want %v ± %v", got, tc.p50, tc.within)
			}
			if a.Abnormal || a.Trust <= 0 {
				t.Errorf("a healthy part: %+v", a)
			}
		})
	}
}

func TestThermalSeesFrictionThatGrowsSlowly(t *testing.T) {
	network := &physics.Network{C1: 4e5, C2: 2.5e6, R12: 6e-4, R2a: 4e-4}
	base := physics.ThermalOptions{TempKey: "temp", PowerKey: "power", AmbientKey: "ambient"}
	given := base
	given.Network, given.LossW = network, 10000
	for name, o := range map[string]physics.ThermalOptions{"given": given, "identified": base} {
		t.Run(name, func(t *testing.T) {
			law, r := physics.NewThermal(o), rand.New(rand.NewPCG(3, 4))
			var s physics.State
			t1, t2 := 20.0, 15.0
			early, late := 0, 0
			var last asset.Assessment
			for i := range 6000 { // 10 minutes each
				h := float64(i) / 6
				power := math.Max(0, 1000+700*math.Sin(h/7)+200*r.NormFloat64())
				ambient := 10 + 5*math.Sin(h*2*math.Pi/24)
				extra := math.Max(0, float64(i-4000)) * 5 // W
				t1, t2 = network.Step(t1, t2, 10000+30*power+extra, ambient, 600)
				in := at(h, map[string]float64{"temp": t1 + 0.3*r.NormFloat64(), "power": power, "ambient": ambient})
				in.Learning = i < 2000
				var a asset.Assessment
				s, a = law.Step(s, in)
				if a.Abnormal && i < 4000 {
					early++
				}
				if a.Abnormal && i >= 5000 {
					late++
				}
				last = a
			}
			if early > 0 || late < 900 || last.Modes[asset.Overheating] == 0 {
				t.Errorf("%d early and %d late alarms; last %+v", early, late, last)
			}
			if name == "given" { // 10 kW more at the end, seen a day late
				if got := float64(last.Evidence[1].Value); math.Abs(got-9300) > 700 {
					t.Errorf("excess loss %v W, want about 9300", got)
				}
			}
		})
	}
}

func TestThermalAllowsMoreWhereTheMachineWasNeverSeen(t *testing.T) {
	law, r := physics.NewThermal(physics.ThermalOptions{TempKey: "temp", PowerKey: "power", AmbientKey: "ambient"}), rand.New(rand.NewPCG(5, 6))
	var s physics.State
	var known, unknown asset.Assessment
	for i := range 2000 { // 10 minutes each
		h := float64(i) / 6
		swing := math.Sin(h / 7)
		power, ambient := 1000+500*swing, 10-5*swing+r.NormFloat64() // windy when it is cold
		if i >= 1600 {
			power, ambient = 1500, 15 // each was seen, both together never
		}
		in := at(h, map[string]float64{"temp": 20 + 0.02*power + ambient + r.NormFloat64(), "power": power, "ambient": ambient})
		in.Learning = i < 1000
		s, unknown = law.Step(s, in)
		if i == 1599 {
			known = unknown
		}
	}
	if a, b := known.Evidence[0].Limit, unknown.Evidence[0].Limit; !(b > 1.5*a) {
		t.Errorf("limit %v K where it was never seen, %v K where it was", b, a)
	}
}

func TestCrackLearnsItsMaterial(t *testing.T) {
	truth := physics.Paris{C: 1.4e-11, M: 3, Geometry: physics.EdgeCrack, WidthM: 0.05}
	believed := truth
	believed.C = 6.89e-12
	law := physics.NewCrack(physics.CrackOptions{Paris: believed, StressMPa: 80, CyclesPerH: 600, StartM: 0.001, EndM: 0.025, CrackKey: "crack"})
	life := truth.Cycles(0.001, 0.025, 80) / 600
	var s physics.State
	var a asset.Assessment
	for h := 0.0; h < 0.7*life; h += 10 {
		length, _ := truth.Grow(0.001, 0.025, 80, 600*h)
		s, a = law.Step(s, at(h, map[string]float64{"crack": length * 1e6}))
	}
	left := 0.3 * life
	if float64(a.RUL.P10) > left || float64(a.RUL.P90) < left || math.Abs(float64(a.RUL.P50)/left-1) > 0.1 {
		t.Errorf("RUL %+v h, want %.0f inside", a.RUL, left)
	}
	if !math.IsInf(physics.Paris{C: 1e-11, M: 3, KTh: 5}.Cycles(1e-4, 1e-3, 10), 1) {
		t.Error("a crack under the threshold grows")
	}
}

func FuzzGrowth(f *testing.F) {
	f.Add(1.0, 2.0, 0.5, 10.0)
	law := physics.NewGrowth(physics.GrowthOptions{Keys: []string{"x"}, BaselineN: 2, AgeFactor: 0.5})
	f.Fuzz(func(t *testing.T, a, b, dt, ratio float64) {
		if !(math.Abs(dt) < 1e5) || !(math.Abs(a) < 1e300) || !(math.Abs(b) < 1e300) {
			return
		}
		var s physics.State
		for i := range 30 {
			x := a
			if i > 10 {
				x = b * math.Pow(math.Abs(ratio), float64(i-10))
			}
			var said asset.Assessment
			s, said = law.Step(s, at(float64(i)*dt, map[string]float64{"x": x}))
			check(t, said, "fuzz")
			if !s.Finite() {
				t.Fatalf("state %v", s.X)
			}
		}
	})
}

func BenchmarkLaws(b *testing.B) {
	run := wild(1, 200)
	for name, law := range every() {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			var s physics.State
			i := 0
			for b.Loop() {
				s, _ = law.Step(s, run[i%len(run)])
				i++
			}
		})
	}
}

func ExampleGrowth() {
	law := physics.NewGrowth(physics.GrowthOptions{Keys: []string{"x"}, FailRatio: 8, BaselineN: 20})
	var s physics.State
	var a asset.Assessment
	for h := range 200 {
		s, a = law.Step(s, at(float64(h), map[string]float64{"x": math.Exp2(math.Max(0, float64(h-50)) / 60)}))
	}
	fmt.Printf("way to failure %.2f, half of such parts fail within %.0f h\n", float64(a.Score), float64(a.RUL.P50))
	// Output:
	// way to failure 0.83, half of such parts fail within 36 h
}
