package features

import (
	"math"
	"testing"
)

func TestSpectrumAverages(t *testing.T) {
	spectra := [][]float64{{1, 4}, {3, 0}, {2, 2}}
	for kind, want := range map[Averaging][]float64{
		MeanPower:        {2, 2},
		ExponentialPower: {1 + 2./8 + (2-1.25)/8, 3.5 + (2-3.5)/8},
		PeakHold:         {3, 4},
	} {
		a := SpectrumAverage{Kind: kind}
		for _, s := range spectra {
			if why := a.Add(s); why != "" {
				t.Fatal(why)
			}
		}
		for i := range want {
			if math.Abs(a.Power[i]-want[i]) > 1e-12 {
				t.Errorf("kind %d: %v, want %v", kind, a.Power, want)
			}
		}
		for name, bad := range map[string][]float64{"empty": nil, "short": {1}, "NaN": {math.NaN(), 1}, "Inf": {1, math.Inf(1)}, "negative": {-1, 1}} {
			if why := a.Add(bad); why == "" || a.Count != 3 {
				t.Errorf("%s was taken", name)
			}
		}
	}
	a := SpectrumAverage{Kind: ExponentialPower, Alpha: 0.5}
	a.Add([]float64{0})
	a.Add([]float64{1})
	if a.Power[0] != 0.5 {
		t.Errorf("α = ½ gives %g", a.Power[0])
	}
	huge := SpectrumAverage{}
	huge.Add([]float64{1.7e308})
	huge.Add([]float64{1.7e308})
	if huge.Power[0] != 1.7e308 {
		t.Errorf("huge gives %g", huge.Power[0])
	}
}

func TestAPeakHoldOfNoiseIsBiased(t *testing.T) {
	mean, peak := SpectrumAverage{}, SpectrumAverage{Kind: PeakHold}
	for k := range 100 {
		s := steadyNoise(1, uint64(k))
		s[0] *= s[0]
		mean.Add(s)
		peak.Add(s)
	}
	if !(mean.Power[0] > 0.6 && mean.Power[0] < 1.5 && peak.Power[0] > 3) {
		t.Errorf("mean %g, peak %g", mean.Power[0], peak.Power[0])
	}
}

func TestIntervalsJoin(t *testing.T) {
	x := steadyNoise(10007, 6)
	whole, _ := IntervalOf(x, 100)
	var joined IntervalRMS
	for at, n := 0, 7; at < len(x); at, n = at+n, n*3 {
		n = min(n, len(x)-at)
		part, why := IntervalOf(narrow(x[at:at+n]), 100)
		if why != "" {
			t.Fatal(why)
		}
		joined = joined.Join(part)
	}
	if math.Abs(joined.RMS-whole.RMS) > 1e-6 || math.Abs(joined.Seconds-100.07) > 1e-9 {
		t.Errorf("joined %+v, whole %+v", joined, whole)
	}
	lost, why := IntervalOf([]float64{math.NaN()}, 100)
	if why != ReasonNonFinite || joined.Join(lost) != joined || lost.Join(joined) != joined {
		t.Errorf("a lost interval: %q, %+v", why, joined.Join(lost))
	}
	if _, why := joined.Value(10); why != "" {
		t.Errorf("100 s from 10 Hz: %q", why)
	}
	if v, why := joined.Value(0.1); why != ReasonShort || !math.IsNaN(v) {
		t.Errorf("100 s from 0.1 Hz: %g, %q", v, why)
	}
	if e, _ := IntervalOf([]float64{1e300, -1e300}, 2); e != (IntervalRMS{1, 1e300}) {
		t.Errorf("huge: %+v", e)
	}
	if _, why := IntervalOf([]float64{1}, 0); why != ReasonRate {
		t.Errorf("no rate: %q", why)
	}
}
