package features

import (
	"math"
	"slices"
	"testing"

	"github.com/telltale-iot/telltale/asset"
)

func TestCrossingsOfATachoWaveform(t *testing.T) {
	r := runUp{20, 0.5}
	want := r.pulses(1, 4)
	x := make([]float64, 4*20000)
	for i := range x {
		since := math.Mod(r.angle(float64(i)/20000), 1)
		if since < 0.1 {
			x[i] = 5
		}
	}
	for i, v := range steadyNoise(len(x), 2) {
		x[i] += 0.2 * v // would cross a single threshold many times
	}
	got, why := Crossings(nil, narrow(x), 20000, TachoOptions{})
	if why != "" || len(got) != len(want)-1 { // the first mark is there from the first sample on
		t.Fatalf("%d pulses (%q), want %d", len(got), why, len(want)-1)
	}
	for i, v := range got {
		within(t, "pulse", v, asset.Number(want[i+1]), 1./20000, 0)
	}
	for name, tc := range map[string]struct {
		x    []float64
		want asset.Reason
	}{
		"empty": {nil, ReasonEmpty}, "one": {[]float64{1}, ReasonFlat}, "constant": {[]float64{2, 2, 2}, ReasonFlat},
		"NaN": {[]float64{0, math.NaN(), 5}, ReasonNonFinite}, "Inf": {[]float64{0, math.Inf(-1)}, ReasonNonFinite},
	} {
		if p, why := Crossings(nil, tc.x, 10, TachoOptions{}); why != tc.want || len(p) != 0 {
			t.Errorf("%s: %q, want %q", name, why, tc.want)
		}
	}
	if p, why := Crossings(nil, []float64{-1.7e308, 1.7e308, -1.7e308, 1.7e308}, 1, TachoOptions{}); why != "" || len(p) != 2 {
		t.Errorf("huge: %v, %q", p, why)
	}
}

func TestLostAndDoubledPulsesDoNotMoveTheAngle(t *testing.T) {
	r := runUp{10, 0.2}
	clean := r.pulses(1, 12)
	lost := slices.Delete(slices.Clone(clean), 30, 32)
	lost = slices.Delete(lost, 60, 61)
	doubled := slices.Clone(clean)
	for _, k := range []int{80, 50, 1} {
		doubled = slices.Insert(doubled, k, doubled[k-1]+0.004)
	}
	both := slices.Insert(slices.Clone(lost), 31, lost[30]+0.01)
	for name, tc := range map[string]struct {
		times            []float64
		doubled, missing int
	}{
		"clean":           {clean, 0, 0},
		"lost":            {lost, 0, 3},
		"doubled":         {doubled, 3, 0},
		"both":            {both, 1, 3},
		"NaN":             {append([]float64{math.NaN()}, clean...), 0, 0},
		"a stamp twice":   {slices.Insert(slices.Clone(clean), 20, clean[20]), 1, 0},
		"clock goes back": {slices.Insert(slices.Clone(clean), 20, clean[3]), 1, 0},
	} {
		turns, why := TurnsOfPulses(tc.times, TachoOptions{})
		if why != "" || turns.Doubled != tc.doubled || turns.Missing != tc.missing {
			t.Errorf("%s: %q, %d doubled, %d missing; want %d, %d", name, why, turns.Doubled, turns.Missing, tc.doubled, tc.missing)
			continue
		}
		for i, v := range turns.Times {
			if math.Abs(r.angle(v)-turns.Revs[i]) > 1e-9 {
				t.Errorf("%s: turn %g at %g s, want %g", name, turns.Revs[i], v, r.angle(v))
				break
			}
		}
	}
	if _, why := TurnsOfPulses(clean[:1], TachoOptions{}); why != ReasonShort {
		t.Errorf("one pulse: %q", why)
	}
	if _, why := TurnsOfPulses(slices.Delete(slices.Clone(clean), 20, 60), TachoOptions{}); why != ReasonGap {
		t.Errorf("forty pulses lost: %q", why)
	}
}

// A speed that halves from one turn to the next loses no pulse.
func TestAJumpOfSpeedIsNotALostPulse(t *testing.T) {
	var p []float64
	for i := range 40 {
		p = append(p, float64(i)*0.1)
	}
	for i := range 40 {
		p = append(p, 3.9+0.2*float64(i+1))
	}
	turns, why := TurnsOfPulses(p, TachoOptions{})
	if why != "" || turns.Missing+turns.Doubled != 0 {
		t.Errorf("%q, %d missing, %d doubled", why, turns.Missing, turns.Doubled)
	}
	if s := turns.Speed(); s.State != SpeedTransient {
		t.Errorf("a jump is %s", s.State)
	}
}

func TestSteadiness(t *testing.T) {
	wave := func(amount, hz float64) (at, rpm []float64) {
		for s := 0.0; s <= 60; s += 0.25 {
			at, rpm = append(at, s), append(rpm, 1500*(1+amount/2*math.Sin(2*math.Pi*hz*s)))
		}
		return at, rpm
	}
	for name, tc := range map[string]struct {
		amount, hz float64
		want       Steadiness
	}{
		"steady":   {0.004, 0.01, SpeedSteady},
		"slow":     {0.05, 0.02, SpeedVarying},
		"fast":     {0.05, 0.2, SpeedTransient},
		"wide":     {0.2, 0.001, SpeedVarying}, // a slow ramp of 3.7 % within the record
		"wide all": {0.2, 0.02, SpeedTransient},
	} {
		at, rpm := wave(tc.amount, tc.hz)
		if s := JudgeSpeed(at, rpm); s.State != tc.want {
			t.Errorf("%s is %s: spread %g, rate %g", name, s.State, s.Spread, s.Rate)
		}
	}
	for name, rpm := range map[string][]float64{"rpm 0": {0, 0}, "rpm < 0": {-1500, -1500}, "slow": {0.5, 0.6}} {
		if s := JudgeSpeed([]float64{0, 1}, rpm); s.State != SpeedUnknown || s.Reason != ReasonStandstill {
			t.Errorf("%s: %s, %q", name, s.State, s.Reason)
		}
		if _, why := TurnsOfSpeed([]float64{0, 1}, rpm); why != ReasonStandstill {
			t.Errorf("%s: %q", name, why)
		}
	}
	if s := JudgeSpeed(nil, nil); s.Reason != ReasonNoSpeed || s.State.String() != "unknown" {
		t.Errorf("nothing: %+v", s)
	}
	if s := JudgeSpeed([]float64{0, 1, 2}, []float64{1500, math.NaN(), 1500}); s.State != SpeedSteady {
		t.Errorf("a missing sample: %+v", s)
	}
}

// Marks that are not evenly spaced look like a speed that wobbles each turn.
func TestUnevenMarksAreNoChangeOfSpeed(t *testing.T) {
	var p []float64
	for k := range 100 {
		p = append(p, float64(k/2)+[]float64{0, 0.46}[k%2])
	}
	turns, _ := TurnsOfPulses(p, TachoOptions{PulsesPerRev: 2})
	if s := turns.Speed(); s.State != SpeedSteady || math.Abs(s.Mean-60) > 0.3 {
		t.Errorf("%s at %g rpm, spread %g", s.State, s.Mean, s.Spread)
	}
}

func FuzzTacho(f *testing.F) {
	f.Add([]byte{0, 5, 0, 5, 0, 5, 0, 5, 0, 0, 0, 5}, 10.0, 1.0)
	f.Fuzz(func(t *testing.T, b []byte, rate, perRev float64) {
		x := samplesOf(b)
		p, why := Crossings(nil, x, rate, TachoOptions{PulsesPerRev: perRev})
		if allFinite(x) {
			mustBeFinite(t, "crossings", why, p...)
		}
		for _, times := range [][]float64{p, x} {
			turns, why := TurnsOfPulses(times, TachoOptions{PulsesPerRev: perRev})
			mustBeFinite(t, "turns", why, append(slices.Clone(turns.Revs), turns.Times...)...)
			s := turns.Speed()
			mustBeFinite(t, "speed", s.Reason, s.Mean, s.Spread, s.Rate)
		}
		s := JudgeSpeed(x, samplesOf(append([]byte{1, 2, 3}, b...)))
		mustBeFinite(t, "speed", s.Reason, append([]float64{s.Mean, s.Spread, s.Rate}, s.Rpm...)...)
		turns, why := TurnsOfSpeed(x, samplesOf(append([]byte{1, 2, 3}, b...)))
		mustBeFinite(t, "turns", why, turns.Revs...)
	})
}
