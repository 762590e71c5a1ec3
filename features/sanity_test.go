package features

import (
	"math"
	"slices"
	"testing"

	"github.com/telltale-iot/telltale/asset"
)

func TestSpikesAreSingleSamples(t *testing.T) {
	x := steadyNoise(4000, 3)
	x[100], x[2000], x[3999] = 400, -400, 300
	x[1000], x[1001] = 400, 400 // two in a row: a strike, not a spike
	for i := range 40 {         // a bearing that rings
		x[3000+i] += 60 * math.Exp(-float64(i)/10) * math.Sin(float64(i))
	}
	got, why := Spikes(nil, narrow(x))
	if want := []int{100, 2000, 3999}; why != "" || !slices.Equal(got, want) {
		t.Errorf("spikes at %v (%q), want %v", got, why, want)
	}
	for name, tc := range map[string]struct {
		x    []float64
		want asset.Reason
		n    int
	}{
		"empty": {nil, ReasonEmpty, 0}, "one": {[]float64{1}, ReasonFlat, 0}, "constant": {[]float64{2, 2, 2}, ReasonFlat, 0},
		"NaN": {[]float64{1, math.NaN()}, ReasonNonFinite, 0}, "mostly equal": {[]float64{0, 0, 0, 0, 9, 0}, ReasonFlat, 0},
		"huge":     {[]float64{1e300, 2e300, 1.5e300, -1e300, 1.7e308, 1e300, 0}, "", 1},
		"denormal": {[]float64{5e-324, 1e-323, 0, -5e-324, 4e-321, 0, 5e-324}, "", 1},
	} {
		if got, why := Spikes(nil, tc.x); why != tc.want || len(got) != tc.n {
			t.Errorf("%s: %v, %q; want %d, %q", name, got, why, tc.n, tc.want)
		}
	}
}

func TestSelectedMedianIsTheSortedOne(t *testing.T) {
	for n := 1; n < 300; n++ {
		x := steadyNoise(n, uint64(n))
		for i := range x { // with many ties
			x[i] = math.Round(2 * x[i])
		}
		sorted := slices.Clone(x)
		slices.Sort(sorted)
		if got, want := medianOf(x), sorted[n/2]/2+sorted[(n-1)/2]/2; got != want {
			t.Fatalf("median of %d = %g, want %g", n, got, want)
		}
	}
}

func TestSkiSlope(t *testing.T) {
	const rate = 2560
	line := func(hz, a float64) []float64 {
		x := make([]float64, 8*rate)
		for i := range x {
			x[i] = a * math.Sin(2*math.Pi*hz*float64(i)/rate)
		}
		return x
	}
	machine, both := line(50, 1), line(50, 1)
	for i, v := range line(2, 0.05) { // velocity 0.05/2 against 1/50: energy 1.5625 to 1
		both[i] += v
	}
	within(t, "share", mustShare(t, both), 0.05*0.05/4/(0.05*0.05/4+1./2500), 1e-3, 0)
	if share, why := SkiSlope(narrow(machine), rate); why != "" || share > 0.01 {
		t.Errorf("a machine: %g, %q", share, why)
	}
	for i := range machine { // a cable that is touched
		machine[i] += 20 * math.Exp(-float64(i)/rate)
	}
	if share, why := SkiSlope(narrow(machine), rate); why != ReasonSkiSlope {
		t.Errorf("a transient: %g, %q", share, why)
	}
	for name, tc := range map[string]struct {
		x    []float64
		rate float64
		want asset.Reason
	}{
		"empty": {nil, 100, ReasonEmpty}, "one": {[]float64{1}, 100, ReasonShort}, "constant": {make([]float64, 1000), 100, ReasonFlat},
		"no rate": {[]float64{1}, 0, ReasonRate}, "slow": {line(1, 1), 9, ReasonShort}, "Inf": {[]float64{math.Inf(1)}, 1, ReasonNonFinite},
	} {
		if v, why := SkiSlope(tc.x, tc.rate); why != tc.want || !math.IsNaN(v) {
			t.Errorf("%s: %g, %q; want %q", name, v, why, tc.want)
		}
	}
}

func mustShare(t *testing.T, x []float64) float64 {
	t.Helper()
	share, _ := SkiSlope(x, 2560)
	return share
}

func TestBias(t *testing.T) {
	for volts, want := range map[float64]asset.Reason{0: ReasonBiasShort, 2.99: ReasonBiasShort, 3: "", 11: "", 20: "", 20.1: ReasonBiasOpen, math.Inf(1): ReasonNonFinite, -1: ReasonBiasShort} {
		if got := Bias(volts); got != want {
			t.Errorf("%g V: %q, want %q", volts, got, want)
		}
	}
}

func TestScalesOfSensors(t *testing.T) {
	within(t, "100 mV/g", IEPEScale(100), 98.0665, 0, 1e-12) // 1 V is 10 g
	within(t, "500 mV/g", IEPEScale(500), 19.6133, 0, 1e-12)
	within(t, "AE at 40 dB", AEScale(40), 1e4, 0, 1e-12) // 1 V is 10 mV at the sensor
	within(t, "count", CountScale(10, 16), 10./32768, 0, 1e-12)
	for name, v := range map[string]float64{"0 mV/g": IEPEScale(0), "-1 mV/g": IEPEScale(-1), "no gain": AEScale(math.NaN()), "bits": CountScale(1, 0), "range": CountScale(-1, 16)} {
		if !math.IsNaN(v) {
			t.Errorf("%s scales by %g", name, v)
		}
	}
	y, why := Scaled(nil, []float32{0.1, -1}, IEPEScale(100))
	within(t, "0.1 V", y[0], 9.80665, 1e-6, 0)
	if why != "" || math.Abs(y[1]+98.0665) > 1e-12 {
		t.Errorf("%v, %q", y, why)
	}
	if y, why := Scaled(nil, []float64{1e308, 1}, 1e3); why != ReasonNonFinite || !math.IsNaN(y[0]) || y[1] != 1e3 {
		t.Errorf("beyond float64: %v, %q", y, why)
	}
	if _, why := Scaled(nil, []float64{1}, math.NaN()); why != ReasonCalibration {
		t.Errorf("no scale: %q", why)
	}
}

func TestUnitSwap(t *testing.T) {
	before := []float64{1.2, 0.3, 4}
	times := func(k ...float64) []float64 {
		out := slices.Clone(before)
		for i := range out {
			out[i] *= k[i%len(k)]
		}
		return out
	}
	for name, tc := range map[string]struct {
		now    []float64
		factor float64
		why    asset.Reason
	}{
		"same":            {times(1), 1, ""},
		"now in g":        {times(1.05/9.80665, 0.95/9.80665), 9.80665, ReasonUnitSwap},
		"now in m/s²":     {times(9.80665), 1 / 9.80665, ReasonUnitSwap},
		"a fault":         {times(9.8, 1.1, 2), 1, ""},
		"ten times":       {times(11), 1, ""},
		"opposite":        {times(9.80665, 1/9.80665), 1, ""},
		"nothing":         {nil, math.NaN(), ReasonEmpty},
		"a silent sensor": {times(0), math.NaN(), ReasonUndefined},
	} {
		f, why := UnitSwap(tc.now, before)
		within(t, name, f, asset.Number(tc.factor), 0, 1e-12)
		if why != tc.why {
			t.Errorf("%s: %q, want %q", name, why, tc.why)
		}
	}
}

func FuzzSanity(f *testing.F) {
	f.Add([]byte{1, 2, 3, 100, 2, 3, 1}, 100.0)
	f.Fuzz(func(t *testing.T, b []byte, rate float64) {
		x := samplesOf(b)
		at, _ := Spikes(nil, x)
		for _, i := range at {
			if i < 0 || i >= len(x) {
				t.Fatal(at)
			}
		}
		share, why := SkiSlope(x, rate)
		mustBeFinite(t, "ski slope", why, share)
		share, why = SkiSlopeOf(x, rate)
		mustBeFinite(t, "ski slope", why, share)
		Bias(rate)
		for _, v := range []float64{IEPEScale(rate), AEScale(rate), CountScale(rate, len(b))} {
			if math.IsInf(v, 0) {
				t.Fatal(v)
			}
		}
		y, why := Scaled(nil, x, rate)
		mustBeFinite(t, "scaled", why, y...)
		k, why := UnitSwap(x, samplesOf(append([]byte{1, 2}, b...)))
		mustBeFinite(t, "swap", why, k)
		e, why := IntervalOf(x, rate)
		mustBeFinite(t, "interval", why, e.RMS, e.Seconds)
		j := e.Join(e.Join(IntervalRMS{1, 1}))
		mustBeFinite(t, "joined", "", j.RMS)
		v, why := j.Value(10)
		mustBeFinite(t, "value", why, v)
		for kind := range 3 {
			a := SpectrumAverage{Kind: Averaging(kind), Alpha: rate}
			for range 3 {
				a.Add(x)
				slices.Reverse(x)
			}
			mustBeFinite(t, "average", "", a.Power...)
		}
	})
}
