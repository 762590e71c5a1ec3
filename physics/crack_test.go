package physics

import (
	"fmt"
	"math"
	"reflect"
	"testing"
)

// TestCrackGrowsByTheRangesOfASignal compares a signal with the ranges it is made of.
func TestCrackGrowsByTheRangesOfASignal(t *testing.T) {
	p := Paris{C: 6.89e-12, M: 3, Geometry: EdgeCrack, WidthM: 0.1}
	law := NewCrack(CrackOptions{SignalKey: "x", Paris: p, LnCSd: 1e-9, MSd: 1e-9, StartM: 0.005, StartSd: 1e-9, MaxGapH: 1e6, Particles: 20})
	var s State
	n := 0
	for range 4000 { // a large range from 20 to 220 MPa with a small one from 100 to 160 in it
		for _, v := range []float64{20, 160, 100, 220} {
			s, _ = law.Step(s, instant(float64(n)/3600, v))
			n++
		}
	}
	a, block := 0.005, Paris{C: p.C, M: p.M, Geometry: p.Geometry, WidthM: p.WidthM}
	for range 4000 {
		block.R = 20.0 / 220
		a += block.Rate(a, 200)
		block.R = 100.0 / 160
		a += block.Rate(a, 60)
	}
	if got := s.X[crackLength]; math.Abs((got-0.005)/(a-0.005)-1) > 2e-3 {
		t.Errorf("grown by %v m, want %v", got-0.005, a-0.005)
	}
	// The newest ranges are as many of each, felt at R = 0 as much as at their own.
	large, small := 200/math.Sqrt(1-20.0/220), 60/math.Sqrt(1-100.0/160)
	if got, want := s.X[crackStress], math.Cbrt((large*large*large+small*small*small)/2); math.Abs(got/want-1) > 1e-9 {
		t.Errorf("equivalent range %v, want %v", got, want)
	}
	if got, want := s.X[crackRate], 0.5*3600.0; math.Abs(got/want-1) > 0.01 {
		t.Errorf("%v cycles an hour, want %v", got, want)
	}
	compressed := NewCrack(CrackOptions{SignalKey: "x", Paris: p, Particles: 20})
	s = State{}
	for i := range 1000 {
		s, _ = compressed.Step(s, instant(float64(i)/3600, -200+100*float64(i%2)))
	}
	if got := s.X[crackLength]; math.Abs(got/0.001-1) > 0.05 { // the start, as it was drawn
		t.Errorf("compression grew the crack to %v", got)
	}
}

// TestCrackIntervalsHoldWhatTheyClaim draws cracks from the law's own prior, with a
// scatter along their way, and asks at half of the life.
func TestCrackIntervalsHoldWhatTheyClaim(t *testing.T) {
	inside, sum := 0, 0.0
	const cracks = 60
	for i := range cracks {
		draw := func(k int) float64 { return normalQuantile(uniform(uint64(100+i), uint64(k))) }
		u, v := draw(0), draw(1)
		truth := Paris{C: 6.89e-12 * math.Exp(0.4*u), M: 3 + 0.1*(-0.95*u+math.Sqrt(1-0.95*0.95)*v), Geometry: EdgeCrack, WidthM: 0.1}
		h := CrackHistory{}
		a, n := 0.002, 0.0
		for k := range 28 { // to 29 mm
			h.Cycles, h.LengthM = append(h.Cycles, n), append(h.LengthM, a)
			b := a * math.Exp(pathCell)
			n += truth.Cycles(a, b, 80) * math.Exp(0.08*draw(2+k))
			a = b
		}
		o := CrackOptions{Paris: Paris{C: 6.89e-12, M: 3, Geometry: EdgeCrack, WidthM: 0.1}, StressMPa: 80, CyclesPerH: 1000, CrackKey: "x", CrackUnitM: 1e-3, CrackErr: 1e-4, MaxGapH: 1e6}
		wrong, _, in80 := told(o, h, 0.5)
		if sum += math.Abs(wrong); in80 {
			inside++
		}
	}
	if share := float64(inside) / cracks; share < 0.68 || share > 0.93 || sum/cracks > 0.06 {
		t.Errorf("%.0f %% inside P10–P90, mean error %.1f %%", 100*share, 100*sum/cracks)
	}
}

// TestCrackSkipsAMeasurementThatCannotBe lets one length be wrong.
func TestCrackSkipsAMeasurementThatCannotBe(t *testing.T) {
	p := Paris{C: 6.89e-12, M: 3}
	law := NewCrack(CrackOptions{Paris: p, StressMPa: 80, CyclesPerH: 1000, CrackKey: "x", CrackUnitM: 1e-3})
	var s State
	lnC := map[bool]float64{}
	for _, wrong := range []bool{false, true} {
		s = State{}
		for i := range 40 {
			a, _ := p.Grow(0.002, 0.05, 80, float64(i)*1e4)
			if wrong && i == 20 {
				a *= 1.5
			}
			s, _ = law.Step(s, instant(float64(i)*10, a*1e3))
		}
		lnC[wrong] = quantity(t, law, s, "ln C") + 2.3*quantity(t, law, s, "m")
	}
	if s.X[crackPassed] == 0 || math.Abs(lnC[true]-lnC[false]) > 0.1 {
		t.Errorf("%v skipped, rate %v and %v", s.X[crackPassed], lnC[true], lnC[false])
	}
}

// TestCrackSeedsItsDraws wants the same bytes of one seed and others of another.
func TestCrackSeedsItsDraws(t *testing.T) {
	p := Paris{C: 1.4e-11, M: 3}
	run := func(seed uint64) []float64 {
		law := NewCrack(CrackOptions{StressMPa: 80, CyclesPerH: 1000, CrackKey: "x", CrackUnitM: 1e-3, Seed: seed})
		var s State
		for i := range 30 {
			a, _ := p.Grow(0.002, 0.05, 80, float64(i)*1e4)
			s, _ = law.Step(s, instant(float64(i)*10, a*1e3))
		}
		if s.X[crackDraws] <= 500 {
			t.Error("never resampled")
		}
		return s.X
	}
	if !reflect.DeepEqual(run(1), run(1)) || reflect.DeepEqual(run(1), run(2)) {
		t.Error("the seed does not say what is drawn")
	}
}

func TestParisAtItsEdges(t *testing.T) {
	for name, tc := range map[string]struct{ got, want float64 }{
		"no stress":              {Paris{C: 1e-11, M: 3}.Cycles(1e-3, 1e-2, 0), math.Inf(1)},
		"compression":            {Paris{C: 1e-11, M: 3}.Cycles(1e-3, 1e-2, -5), math.Inf(1)},
		"already there":          {Paris{C: 1e-11, M: 3}.Cycles(1e-2, 1e-2, 50), 0},
		"m = 2":                  {Paris{C: 1e-11, M: 2, Y: 1}.Cycles(1e-3, 1e-2, 50), math.Log(10) / (1e-11 * 2500 * math.Pi)},
		"m just beside 2":        {Paris{C: 1e-11, M: 2 + 1e-8, Y: 1}.Cycles(1e-3, 1e-2, 50) / Paris{C: 1e-11, M: 2, Y: 1}.Cycles(1e-3, 1e-2, 50), 1},
		"a bend of none":         {Paris{C: 1e-11, M: 3, KRef: 10, Bend: 1e-12}.Cycles(1e-3, 1e-2, 50) / Paris{C: 1e-11, M: 3}.Cycles(1e-3, 1e-2, 50), 1},
		"no bend at KRef":        {Paris{C: 1e-11, M: 3, KRef: 10, Bend: -2}.bent(math.Log(10)), 0},
		"a bend beyond":          {Paris{Bend: -1, KRef: 1, KHigh: math.E}.bent(3), -5}, // the tangent at ln K = 1: −1 − 2·2
		"whole cycle in tension": {func() float64 { _, s := Paris{}.under(Cycle{10, 20, 1}); return s }(), 10},
		"half in tension":        {func() float64 { _, s := Paris{}.under(Cycle{10, 0, 1}); return s }(), 5},
	} {
		if tc.got != tc.want && !(math.Abs(tc.got-tc.want) <= 1e-6*math.Abs(tc.want)) {
			t.Errorf("%s: %v, want %v", name, tc.got, tc.want)
		}
	}
}

func ExampleRainflow() {
	var counter Rainflow
	var cycles []Cycle
	for _, v := range []float64{-2, 1, -3, 5, -1, 3, -4, 4, -2} { // ASTM E1049, figure 6
		cycles = counter.Push(v, cycles)
	}
	fmt.Println(cycles, "closed")
	fmt.Println(counter.Close(nil), "open")
	// Output:
	// [{3 -0.5 0.5} {4 -1 0.5} {4 1 1} {8 1 0.5}] closed
	// [{9 0.5 0.5} {8 0 0.5} {6 1 0.5}] open
}
