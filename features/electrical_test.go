package features

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/telltale-iot/telltale/asset"
)

func TestPowerCurve(t *testing.T) {
	// A cubic machine in thin air: the corrected wind puts both on one curve.
	power := func(v, density float64) float64 { return density / airDensity * v * v * v }
	var c PowerCurve
	rng := rand.New(rand.NewPCG(1, 1))
	for range 20000 {
		v, density := 4+8*rng.Float64(), 1.05+0.2*rng.Float64()
		if why := c.Learn(v, density, power(v, density)+2*rng.NormFloat64()); why != "" {
			t.Fatal(why)
		}
	}
	for _, v := range []float64{5, 7.3, 9.99, 11.4} {
		r, why := c.Residual(v, 1.1, power(v, 1.1)-30)
		if why != "" {
			t.Fatal(why)
		}
		// Straight between bins: the chord of v³ lies at most 3v·h²/4 above it.
		within(t, "expected", r.Expected, asset.Number(power(v, 1.1)), 1+0.75*v*0.25, 0)
		within(t, "residual", r.Residual, -30, 1+0.75*v*0.25, 0)
		if !(r.Z < -5) {
			t.Errorf("%g m/s: z = %g, want well below 0", v, r.Z)
		}
	}
	within(t, "corrected wind", CorrectedWind(10, airDensity/8), 5, 1e-12, 0)
	for name, tc := range map[string]struct {
		v, density, p float64
		want          asset.Reason
	}{
		"beyond": {30, 1.2, 1, ReasonRange}, "below": {1, 1.2, 1, ReasonRange}, "NaN": {math.NaN(), 1.2, 1, ReasonNonFinite}, "no air": {8, 0, 1, ReasonNonFinite},
		"Inf": {8, 1.2, math.Inf(1), ReasonNonFinite},
	} {
		if r, why := c.Residual(tc.v, tc.density, tc.p); why != tc.want || !math.IsNaN(r.Residual) {
			t.Errorf("%s: %+v %q, want %q", name, r, why, tc.want)
		}
	}
	var empty PowerCurve
	if _, why := empty.Residual(8, 1.2, 1); why != ReasonRange {
		t.Errorf("nothing learned: %q", why)
	}
	for range 29 {
		empty.Learn(8, airDensity, 100)
	}
	if _, why := empty.Residual(8, airDensity, 1); why != ReasonRange {
		t.Errorf("29 samples: %q", why)
	}
	empty.Learn(8, airDensity, 100)
	if r, why := empty.Residual(8, airDensity, 90); why != "" || math.Abs(r.Residual+10) > 1e-9 || !math.IsNaN(r.Z) {
		t.Errorf("one constant bin: %+v %q, want a residual of −10 and no score", r, why)
	}
	for name, why := range map[string]asset.Reason{"1e300": empty.Learn(1e300, 1.2, 1), "negative": empty.Learn(-3, 1.2, 1), "power": empty.Learn(3, 1.2, 1e300)} {
		if why != ReasonRange {
			t.Errorf("learn %s: %q", name, why)
		}
	}
	if len(empty.Bins) != curveBins {
		t.Errorf("%d bins", len(empty.Bins))
	}
}

func current[T float32 | float64](n int, rate, hz, slip, lower, upper, size float64) []T {
	x := make([]T, n)
	for i := range x {
		p := 2 * math.Pi * hz * float64(i) / rate
		x[i] = T(size * (2 + math.Cos(p) + math.Pow(10, -lower/20)*math.Cos(p*(1-2*slip)+1) + math.Pow(10, -upper/20)*math.Cos(p*(1+2*slip)+2)))
	}
	return x
}

func TestBrokenBars(t *testing.T) {
	var c CurrentAnalyser
	for _, hz := range []float64{49.93, 50, 50.217} {
		for _, size := range []float64{100, 1e300, 1e-300} {
			r, why := BrokenBars(&c, current[float64](20000, 1000, hz, 0.02, 38, 46, size), 1000, 50, 0.02, 2)
			if why != "" {
				t.Fatal(why)
			}
			within(t, "line", r.LineHz, asset.Number(hz), 2e-3, 0)
			within(t, "amplitude", r.LineA, asset.Number(size), 0, 5e-3)
			within(t, "lower", r.Bands[0].LowerDB, 38, 0.1, 0)
			within(t, "upper", r.Bands[0].UpperDB, 46, 0.1, 0)
			if b := r.Bands[1]; b.K != 2 || b.LowerDB < 85 || b.UpperDB < 85 {
				t.Errorf("second order %+v, want nothing there", b)
			}
		}
	}
	r, _ := BrokenBars(&c, current[float64](20000, 1000, 50, 0.02, 38, 46, 100), 1000, 50, 0.02, 1)
	f, _ := BrokenBars(&c, current[float32](20000, 1000, 50, 0.02, 38, 46, 100), 1000, 50, 0.02, 1)
	near(t, "sidebands", []float64{f.Bands[0].LowerDB, f.Bands[0].UpperDB}, []asset.Number{asset.Number(r.Bands[0].LowerDB), asset.Number(r.Bands[0].UpperDB)})
	x := current[float64](2000, 1000, 50, 0.02, 38, 46, 1)
	for name, tc := range map[string]struct {
		x              []float64
		rate, hz, slip float64
		want           asset.Reason
	}{
		"empty": {nil, 1, 1, 0.1, ReasonEmpty}, "no rate": {x, 0, 50, 0.02, ReasonRate}, "alias": {x, 100, 50, 0.02, ReasonAlias},
		"short": {x, 1000, 50, 0.02, ReasonShort}, "no slip": {x, 1000, 50, 0, ReasonUndefined}, "zero": {make([]float64, 5000), 1000, 50, 0.1, ReasonFlat},
		"NaN": {[]float64{math.NaN()}, 1, 1, 0.1, ReasonNonFinite}, "one sample": {x[:1], 1000, 50, 0.02, ReasonShort},
	} {
		if r, why := BrokenBars(&c, tc.x, tc.rate, tc.hz, tc.slip, 1); why != tc.want || !math.IsNaN(r.LineHz) {
			t.Errorf("%s: %+v %q, want %q", name, r, why, tc.want)
		}
	}
}

func TestUnbalance(t *testing.T) {
	for name, tc := range map[string]struct {
		i    []float64
		want float64
		why  asset.Reason
	}{
		"equal": {[]float64{5, 5, 5}, 0, ""}, "one low": {[]float64{9, 10, 11}, 0.1, ""}, "dead phase": {[]float64{0, 3, 3}, 1, ""},
		"none": {nil, math.NaN(), ReasonFew}, "one": {[]float64{5}, math.NaN(), ReasonFew}, "no current": {[]float64{0, 0, 0}, math.NaN(), ReasonUndefined},
		"NaN": {[]float64{1, math.NaN()}, math.NaN(), ReasonNonFinite}, "negative": {[]float64{1, -1}, math.NaN(), ReasonRange}, "huge": {[]float64{1e308, 1.1e308, 0.9e308}, 0.1, ""},
	} {
		u, why := CurrentUnbalance(tc.i...)
		if why != tc.why {
			t.Errorf("%s: %q, want %q", name, why, tc.why)
		}
		within(t, name, u, asset.Number(tc.want), 1e-12, 0)
	}
}

func FuzzElectrical(f *testing.F) {
	f.Add(uint64(1), 1.0, 1000.0, 50.0, 0.05, 1.2)
	f.Add(uint64(2), 1e308, 1e-300, 1e-301, 0.9, 1e300)
	f.Fuzz(func(t *testing.T, seed uint64, size, rate, hz, slip, density float64) {
		rng := rand.New(rand.NewPCG(seed, 1))
		x := make([]float64, 1+rng.IntN(400))
		var curve PowerCurve
		curve.MinSamples = 1
		for i := range x {
			x[i] = size * (math.Cos(2*math.Pi*hz/rate*float64(i)) + 0.01*rng.NormFloat64())
			curve.Learn(20*rng.Float64(), density, x[i])
		}
		var c CurrentAnalyser
		r, why := BrokenBars(&c, x, rate, hz, slip, 3)
		if why == "" && !finite(r.LineHz, r.LineA) {
			t.Errorf("%+v", r)
		}
		for _, b := range r.Bands {
			if math.IsInf(b.LowerDB, 0) || math.IsInf(b.UpperDB, 0) {
				t.Errorf("%+v", b)
			}
		}
		if p, why := curve.Residual(hz, density, size); why == "" && (!finite(p.Expected, p.Residual) || math.IsInf(p.Z, 0)) {
			t.Errorf("%+v", p)
		}
		if u, why := CurrentUnbalance(math.Abs(size), rate, hz); why == "" && !finite(u) {
			t.Errorf("unbalance %g", u)
		}
	})
}
