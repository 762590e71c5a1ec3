package features

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/telltale-iot/telltale/asset"
)

// From stamp to stamp a short run gives what the fit of all stamps gives; a long one
// gives the drift of its last minutes.
func TestAClockFromStampToStamp(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for _, ppm := range []float64{0, 80, -450, 3000} {
		var f ClockFit
		var n, s []float64
		for k := range 30 {
			x := float64(k) * 0.01
			d := x*ppm*1e-6 + 1e-8*rng.NormFloat64()
			f.Add(x, d)
			n, s = append(n, x*25600), append(s, x+d)
		}
		got, want := f.Clock(), FitClock(n, s, 25600)
		if math.Abs(got.PPM-want.PPM) > 1e-3 || math.Abs(got.StdErrPPM/want.StdErrPPM-1) > 0.01 || got.Drifts != want.Drifts || got.Reason != want.Reason {
			t.Errorf("%g ppm: %+v, of all stamps %+v", ppm, got, want)
		}
	}
	var f ClockFit
	for k := range 7200 { // an hour well, an hour at 500 ppm
		d := 0.0
		if k > 3600 {
			d = float64(k-3600) * 500e-6
		}
		f.Add(float64(k), d)
	}
	if c := f.Clock(); math.Abs(c.PPM-500) > 50 || !c.Drifts {
		t.Errorf("an hour after the clock changed: %+v", c)
	}
}

// Runs have one rate, whatever their offsets are, and one stamp tells nothing.
func TestAClockOverRuns(t *testing.T) {
	var f ClockFit
	for run := range 20 {
		f.Break()
		for k := range 2 {
			f.Add(float64(k), 7*float64(run)+float64(k)*250e-6)
		}
	}
	if c := f.Clock(); math.Abs(c.PPM-250) > 1e-6 || !c.Drifts || c.Reason != "" {
		t.Errorf("%+v", c)
	}
	var alone ClockFit
	for run := range 20 {
		alone.Break()
		alone.Add(0, float64(run))
	}
	if c := alone.Clock(); !math.IsNaN(c.PPM) || c.Drifts || c.Reason != ReasonShort {
		t.Errorf("single stamps: %+v", c)
	}
	// Three stamps that scatter are sure of nothing.
	var few ClockFit
	for k, d := range []float64{0, 3e-4, 5e-4} {
		few.Add(float64(k), d)
	}
	if c := few.Clock(); c.Drifts || c.Reason != "" {
		t.Errorf("three stamps: %+v", c)
	}
}

// A clock beyond 1000 ppm costs a window what turns, and nothing else.
func TestNothingTurnsByAClockThatIsOff(t *testing.T) {
	plate := groupPlate()
	x := meshing(51200, 25600, 25, 21, 0, 1)
	get := func(ppm float64) Vector {
		w := groupWindow(plate, "gear", 0, x, 1500)
		w.ClockPPM = ppm
		return extracted(t, NewExtractor(behind40(), plate, nil), w)
	}
	well := get(0)
	for _, ppm := range []float64{150, -999} {
		if v := get(ppm); !sameVector(v, well) {
			t.Errorf("%g ppm changed the vector", ppm)
		}
	}
	for _, ppm := range []float64{1001, -2000, math.NaN()} {
		v := get(ppm)
		wantMissing(t, v, ReasonClock, "harmonic_1x", "mesh_rms", "fm4", "defect_gear")
		for _, name := range []string{"rms", "velocity_rms", "centroid", "envelope_rms"} {
			a, _ := value(t, v, name)
			if b, why := value(t, well, name); a != b || why != "" {
				t.Errorf("%g ppm: %s = %g, want %g", ppm, name, a, b)
			}
		}
	}
	still := groupWindow(plate, "gear", 0, x, 0)
	still.ClockPPM = 5000
	wantMissing(t, extracted(t, NewExtractor(behind40(), plate, nil), still), ReasonStandstill, "harmonic_1x")
}

// A slip is what a measured speed lacks of the synchronous one; a nameplate has none.
func TestNoSlipByTheNameplate(t *testing.T) {
	plate := groupPlate()
	x := tones(20000, 1000, 0.01, 1, [3]float64{50, 10, 0}, [3]float64{48, 0.1, 1}, [3]float64{52, 0.1, 2})
	e := NewExtractor(ExtractorOptions{}, plate, nil)
	measured := extracted(t, e, groupWindow(plate, "i", 0, x, 1470))
	wantNear(t, measured, "slip", 0.02, 1e-3)
	wantNear(t, measured, "broken_bar", -40, 0.05)

	plate.SpeedRpm = 1470
	e = NewExtractor(ExtractorOptions{}, plate, nil)
	w := groupWindow(plate, "i", 0, x, math.NaN())
	v := extracted(t, e, w)
	wantMissing(t, v, ReasonNoSpeed, "slip", "broken_bar")
	wantNear(t, v, "line_hz", 50, 1e-3)
	if got := e.turning(e.layout(w), w); got.Why != "" || got.Measured || got.Rpm != 1470 {
		t.Errorf("by the nameplate: %+v", got)
	}
	w.Speeds = []asset.SpeedAt{asSpeed(w.Start, 0, 1470), asSpeed(w.Start, 10, 1470), asSpeed(w.Start, 19, 1470)}
	if got := e.turning(e.layout(w), w); got.Why != "" || !got.Measured {
		t.Errorf("by readings: %+v", got)
	}
	wantNear(t, extracted(t, e, w), "slip", 0.02, 1e-3)
}
