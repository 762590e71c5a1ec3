package features

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/telltale-iot/telltale/asset"
)

func TestBladeReduce(t *testing.T) {
	c := BladeCorrection{PerK: -2e-4, Centrifuge: 1.81}
	// Forward from 0.68 Hz at rest and 20 °C to 12.1 rpm and −10 °C, and back.
	rotor := 12.1 / 60
	f := math.Hypot(0.68*(1-2e-4*-30), math.Sqrt(1.81)*rotor)
	f0, why := c.Reduce(f, -10, rotor)
	if why != "" {
		t.Fatal(why)
	}
	within(t, "f₀", f0, 0.68, 1e-12, 0)
	for name, tc := range map[string]struct {
		hz, temp, rotor float64
		want            asset.Reason
	}{
		"NaN": {math.NaN(), 20, 0, ReasonNonFinite}, "no speed": {1, 20, math.NaN(), ReasonNonFinite}, "too fast": {1, 20, 1, ReasonUndefined},
		"zero": {0, 20, 0, ReasonUndefined}, "negative": {-1, 20, 0, ReasonUndefined}, "hot": {1, 1e4, 0, ReasonUndefined}, "huge": {1e300, 20, 0, ReasonUndefined},
	} {
		if f, why := c.Reduce(tc.hz, tc.temp, tc.rotor); why != tc.want || !math.IsNaN(f) {
			t.Errorf("%s: %g %q, want %q", name, f, why, tc.want)
		}
	}
}

func TestCompareBlades(t *testing.T) {
	ref := []float64{0.68, 0.69, 0.675}
	with := func(shift ...float64) []float64 {
		out := make([]float64, len(shift))
		for i, s := range shift {
			out[i] = ref[i] * (1 + s)
		}
		return out
	}
	for name, tc := range map[string]struct {
		hz    []float64
		want  BladeState
		blade int
	}{
		"healthy":           {with(0.0005, -0.001, 0), BladesNormal, -1},
		"ice":               {with(-0.02, -0.021, -0.019), BladesIcing, -1},
		"uneven ice":        {with(-0.02, -0.026, -0.018), BladesIcing, -1},
		"crack":             {with(0, -0.0043, 0.0005), BladesCrack, 1},
		"stiffer blade":     {with(0.01, 0, 0), BladesUnclear, -1},
		"two apart":         {with(-0.01, 0, 0.01), BladesUnclear, -1},
		"ice shed from one": {with(-0.02, -0.02, 0), BladesUnclear, -1},
		"all rise":          {with(0.02, 0.02, 0.02), BladesUnclear, -1},
		"crack beneath ice": {with(-0.01, -0.01, -0.04), BladesUnclear, -1},
	} {
		v, why := CompareBlades(tc.hz, ref, BladeOptions{})
		if why != "" || v.State != tc.want || v.Blade != tc.blade {
			t.Errorf("%s: %+v %q, want %s of blade %d", name, v, why, tc.want, tc.blade)
		}
	}
	for name, tc := range map[string]struct {
		hz, ref []float64
		want    asset.Reason
	}{
		"empty": {nil, nil, ReasonFew}, "two": {ref[:2], ref[:2], ReasonFew}, "unequal": {ref, ref[:2], ReasonFew},
		"NaN": {[]float64{1, math.NaN(), 1}, ref, ReasonNonFinite}, "zero": {[]float64{1, 0, 1}, ref, ReasonUndefined}, "huge": {[]float64{1, 1e300, 1}, ref, ReasonUndefined},
	} {
		if v, why := CompareBlades(tc.hz, tc.ref, BladeOptions{}); why != tc.want || v.State != "" {
			t.Errorf("%s: %+v %q, want %q", name, v, why, tc.want)
		}
	}
}

func rotorRecord[T float32 | float64](n int, rate, hz, size float64) []T {
	x := make([]T, n)
	for i := range x {
		p := 2 * math.Pi * hz * float64(i) / rate
		x[i] = T(size * (7 + 0.3*math.Cos(p+1) + 0.2*math.Cos(3*p+2) + 0.01*math.Cos(6*p)))
	}
	return x
}

func TestRotorLines(t *testing.T) {
	for _, size := range []float64{1, 1e300, 1e-300} {
		l, why := RotorLinesOf(rotorRecord[float64](2561, 25.6, 0.117, size), 25.6, 0.117)
		if why != "" {
			t.Fatal(why)
		}
		within(t, "1P", l.P1/size, 0.3, 1e-9, 0)
		within(t, "3P", l.P3/size, 0.2, 1e-9, 0)
		within(t, "6P", l.P6/size, 0.01, 1e-9, 0)
	}
	l, _ := RotorLinesOf(rotorRecord[float32](2561, 25.6, 0.117, 1), 25.6, 0.117)
	near(t, "lines", []float64{l.P1, l.P3, l.P6}, []asset.Number{0.3, 0.2, 0.01})
	x := rotorRecord[float64](2561, 25.6, 0.117, 1)
	for name, tc := range map[string]struct {
		x        []float64
		rate, hz float64
		want     asset.Reason
	}{
		"empty": {nil, 1, 1, ReasonEmpty}, "no rate": {x, 0, 1, ReasonRate}, "no speed": {x, 25.6, math.NaN(), ReasonNoSpeed}, "standstill": {x, 25.6, 0.001, ReasonStandstill},
		"backwards": {x, 25.6, -1, ReasonStandstill}, "alias": {x, 25.6, 2.2, ReasonAlias}, "short": {x[:500], 25.6, 0.117, ReasonShort}, "Inf": {[]float64{math.Inf(1)}, 1, 1, ReasonNonFinite},
	} {
		if l, why := RotorLinesOf(tc.x, tc.rate, tc.hz); why != tc.want || !math.IsNaN(l.P1) {
			t.Errorf("%s: %+v %q, want %q", name, l, why, tc.want)
		}
	}
	if l, why := RotorLinesOf(make([]float64, 2561), 25.6, 0.117); why != "" || l.P1 != 0 {
		t.Errorf("constant: %+v %q, want no lines", l, why)
	}
}

func TestImbalance(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 4))
	limits := ImbalanceLimits{Lateral: 0.02, Axial: 0.02}
	record := func(mass, pitch float64) (lateral, axial, thrust []float64) {
		for range 40 {
			f := 100 + 500*rng.Float64()
			thrust = append(thrust, f)
			lateral = append(lateral, mass+0.01+0.002*rng.NormFloat64())
			axial = append(axial, pitch*f/500+0.01+0.002*rng.NormFloat64())
		}
		return lateral, axial, thrust
	}
	for name, tc := range map[string]struct {
		mass, pitch float64
		isMass      bool
		isPitch     bool
	}{"healthy": {0, 0, false, false}, "heavy": {0.03, 0, true, false}, "pitch": {0, 0.03, false, true}, "both": {0.03, 0.03, true, true}} {
		a, b, f := record(tc.mass, tc.pitch)
		v, why := ImbalanceOf(a, b, f, limits)
		if why != "" || v.Mass != tc.isMass || v.Aerodynamic != tc.isPitch {
			t.Errorf("%s: %+v %q", name, v, why)
		}
	}
	a, b, f := record(0, 0)
	flat := make([]float64, len(f))
	for name, why := range map[string][2]asset.Reason{
		"empty":     {second(ImbalanceOf(nil, nil, nil, limits)), ReasonFew},
		"nine":      {second(ImbalanceOf(a[:9], b[:9], f[:9], limits)), ReasonFew},
		"one wind":  {second(ImbalanceOf(a, b, flat, limits)), ReasonFlat},
		"no limits": {second(ImbalanceOf(a, b, f, ImbalanceLimits{})), ReasonAbsent},
		"NaN":       {second(ImbalanceOf(append(a[:39:39], math.NaN()), b, f, limits)), ReasonNonFinite},
	} {
		if why[0] != why[1] {
			t.Errorf("%s: %q, want %q", name, why[0], why[1])
		}
	}
}

func second[A, B any](_ A, b B) B { return b }

func TestTowerCrossings(t *testing.T) {
	bands := TowerCrossings(0.32, 0.1)
	if len(bands) != 3 || bands[0].Order != 6 || bands[2].Order != 1 {
		t.Fatalf("%+v", bands)
	}
	// 3P meets 0.32 Hz at 6.4 rpm, just under the slowest running speed of 6.9.
	for rpm, want := range map[float64]bool{6.4: true, 6.9: true, 7.1: false, 12.1: false, 3.2: true, 19.2: true, 0: false, math.NaN(): false} {
		if got := bands.Contain(rpm); got != want {
			t.Errorf("%g rpm: excluded %v, want %v", rpm, got, want)
		}
	}
	for _, hz := range []float64{0, -1, math.NaN(), math.Inf(1), 1e308} {
		if b := TowerCrossings(hz, 0); b != nil {
			t.Errorf("%g Hz: %+v", hz, b)
		}
	}
}

func FuzzBlade(f *testing.F) {
	f.Add(uint64(1), 0.7, 20.0, 0.2, 1.8, 1.0)
	f.Add(uint64(2), 1e300, -1e300, 5e-324, 1e308, 1e308)
	f.Fuzz(func(t *testing.T, seed uint64, hz, temp, rotor, k, size float64) {
		rng := rand.New(rand.NewPCG(seed, 1))
		if f0, why := (BladeCorrection{PerK: k / 1e4, Centrifuge: k}).Reduce(hz, temp, rotor); why == "" && !finite(f0) {
			t.Errorf("f₀ %g", f0)
		}
		if v, why := CompareBlades([]float64{hz, temp, size}, []float64{rotor, k, hz}, BladeOptions{}); why == "" && (!finite(v.Common) || !finite(v.Shift...) || !finite(v.Delta...)) {
			t.Errorf("%+v", v)
		}
		x := make([]float64, 100+rng.IntN(300))
		y := make([]float64, len(x))
		for i := range x {
			x[i], y[i] = size*rng.NormFloat64(), hz*rng.Float64()
		}
		if l, why := RotorLinesOf(x, hz, rotor); why == "" && !finite(l.P1, l.P3, l.P6) {
			t.Errorf("%+v", l)
		}
		if v, why := ImbalanceOf(x, y, x, ImbalanceLimits{1, 1}); why == "" && !finite(v.Lateral, v.Axial, v.LateralT, v.AxialT) {
			t.Errorf("%+v", v)
		}
		for _, b := range TowerCrossings(hz, k) {
			if !finite(b.LoRPM, b.HiRPM) {
				t.Errorf("%+v", b)
			}
		}
	})
}
