package features

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/telltale-iot/telltale/asset"
)

func decaying[T float32 | float64](n int, rateHz, hz, zeta, size float64) []T {
	x := make([]T, n)
	omega := 2 * math.Pi * hz // damped
	sigma := zeta / math.Sqrt(1-zeta*zeta) * omega
	for i := range x {
		t := float64(i) / rateHz
		x[i] = T(size * math.Exp(-sigma*t) * math.Cos(omega*t))
	}
	return x
}

func TestReferenceModalDamping(t *testing.T) {
	type in struct {
		X     []float64
		FS    float64
		Slice [2]int `json:"fit_slice"`
	}
	type out struct {
		Hz        asset.Number `json:"f_damped_hilbert"`
		Zeta      asset.Number `json:"zeta_hilbert"`
		HzTruth   asset.Number `json:"f_truth"`
		ZetaTruth asset.Number `json:"zeta_truth"`
	}
	r := readSignalReference[in, out](t, "modal_damping")
	var f DecayFitter
	for _, c := range r.Cases {
		d, why := HilbertDecay(&f, c.Inputs.X, c.Inputs.FS, c.Inputs.Slice[0], c.Inputs.Slice[1])
		if why != "" {
			t.Fatalf("%s: %s", c.ID, why)
		}
		r.agree(t, c.ID+" frequency", d.Hz, c.Outputs.Hz)
		r.agree(t, c.ID+" damping", d.Zeta, c.Outputs.Zeta)
		d, _ = HilbertDecay(&f, narrow(c.Inputs.X), c.Inputs.FS, c.Inputs.Slice[0], c.Inputs.Slice[1])
		near(t, c.ID+" frequency", []float64{d.Hz}, []asset.Number{c.Outputs.Hz})
		near(t, c.ID+" damping", []float64{d.Zeta}, []asset.Number{c.Outputs.Zeta})
		// The decrement is another estimate of the same truth, within the file's bounds for it.
		d, why = LogDecrement(c.Inputs.X, c.Inputs.FS)
		if why != "" {
			t.Fatalf("%s: decrement: %s", c.ID, why)
		}
		within(t, c.ID+" decrement frequency", d.Hz, c.Outputs.HzTruth, 0, 0.005)
		within(t, c.ID+" decrement damping", d.Zeta, c.Outputs.ZetaTruth, 0, 0.1)
	}
}

func TestDecayClosedForm(t *testing.T) {
	var f DecayFitter
	for _, zeta := range []float64{0.002, 0.01, 0.05} {
		x := decaying[float64](4000, 50, 0.7, zeta, 3)
		d, why := HilbertDecay(&f, x, 50, 200, 1200)
		if why != "" {
			t.Fatal(why)
		}
		within(t, "Hilbert frequency", d.Hz, 0.7, 0, 2e-3)
		within(t, "Hilbert damping", d.Zeta, asset.Number(zeta), 0, 0.03)
		d, why = LogDecrement(x, 50)
		if why != "" || d.Decrements < 2 {
			t.Fatal(d, why)
		}
		within(t, "decrement frequency", d.Hz, 0.7, 0, 1e-3)
		within(t, "decrement damping", d.Zeta, asset.Number(zeta), 0, 5e-3)
		rng := rand.New(rand.NewPCG(1, 1))
		noisy := decaying[float64](4000, 50, 0.7, zeta, 3)
		for i := range noisy {
			noisy[i] += 0.01 * rng.NormFloat64()
		}
		n, why := LogDecrement(noisy, 50)
		if why != "" {
			t.Fatal(why)
		}
		within(t, "decrement damping in noise", n.Zeta, asset.Number(zeta), 0, 0.05)
		big, _ := LogDecrement(decaying[float64](4000, 50, 0.7, zeta, 3e299), 50)
		within(t, "decrement damping of huge samples", big.Zeta, asset.Number(d.Zeta), 0, 1e-9)
	}
}

// density is the power density of a single-degree-of-freedom response to white force.
func density(stepHz, hz, zeta float64, n int) []float64 {
	p := make([]float64, n)
	for i := range p {
		r := float64(i) * stepHz / hz
		p[i] = 1 / ((1-r*r)*(1-r*r) + 4*zeta*zeta*r*r)
	}
	return p
}

func TestResonance(t *testing.T) {
	const zeta = 0.02
	for _, hz := range []float64{0.3203, 0.68, 1.0107} {
		p := density(0.002, hz, zeta, 1000)
		r, why := ResonanceOf(p, 0.002, 0.8*hz, 1.2*hz)
		if why != "" {
			t.Fatal(why)
		}
		within(t, "peak", r.Hz, asset.Number(hz*math.Sqrt(1-2*zeta*zeta)), 1e-4, 0)
		z, biased, why := HalfPowerDamping(p, 0.002, r)
		if why != "" || biased {
			t.Errorf("half power: biased %v, %q", biased, why)
		}
		within(t, "half power", z, zeta, 0, 0.03)
		coarse := density(0.02, hz, zeta, 100)
		r, _ = ResonanceOf(coarse, 0.02, 0.8*hz, 1.2*hz)
		if _, biased, why = HalfPowerDamping(coarse, 0.02, r); why == "" && !biased {
			t.Errorf("%g Hz: bins of 0.02 Hz for a width of %g Hz are not called biased", hz, 2*zeta*hz)
		}
	}
}

func TestModalEdges(t *testing.T) {
	var f DecayFitter
	for name, tc := range map[string]struct {
		x    []float64
		rate float64
		want asset.Reason
	}{
		"empty": {nil, 1, ReasonEmpty}, "one sample": {[]float64{1}, 1, ReasonShort}, "no rate": {[]float64{1}, 0, ReasonRate},
		"NaN": {[]float64{1, math.NaN()}, 1, ReasonNonFinite}, "Inf": {[]float64{math.Inf(-1)}, 1, ReasonNonFinite},
		"zero": {make([]float64, 100), 1, ReasonFlat},
	} {
		if d, why := HilbertDecay(&f, tc.x, tc.rate, 0, 100); why != tc.want || !math.IsNaN(d.Zeta) {
			t.Errorf("%s: %+v %q, want %q", name, d, why, tc.want)
		}
		want := tc.want
		if want == ReasonFlat {
			want = ReasonShort
		}
		if d, why := LogDecrement(tc.x, tc.rate); why != want || !math.IsNaN(d.Zeta) {
			t.Errorf("decrement of %s: %+v %q, want %q", name, d, why, want)
		}
	}
	for name, tc := range map[string]struct {
		p        []float64
		step     float64
		lo, hi   float64
		expected asset.Reason
	}{
		"empty": {nil, 1, 0, 1, ReasonEmpty}, "no step": {[]float64{1}, 0, 0, 1, ReasonRate}, "alias": {[]float64{1, 2, 1}, 1, 7, 9, ReasonAlias},
		"between bins": {[]float64{1, 2, 1}, 1, 0.3, 0.6, ReasonShort}, "constant": {[]float64{1, 1, 1, 1}, 1, 0, 3, ReasonFlat},
		"edge": {[]float64{3, 2, 1, 0}, 1, 0, 3, ReasonFlat}, "NaN": {[]float64{0, math.NaN(), 0}, 1, 0, 3, ReasonNonFinite},
		"range": {[]float64{1, 2, 1}, 1, 2, 1, ReasonUndefined},
	} {
		if r, why := ResonanceOf(tc.p, tc.step, tc.lo, tc.hi); why != tc.expected || !math.IsNaN(r.Hz) {
			t.Errorf("%s: %+v %q, want %q", name, r, why, tc.expected)
		}
	}
	if _, _, why := HalfPowerDamping(nil, 1, Resonance{Hz: 1, Level: 1, Bin: 3}); why != ReasonUndefined {
		t.Errorf("half power of nothing: %q", why)
	}
	if _, _, why := HalfPowerDamping([]float64{4, 4, 5, 4, 4}, 1, Resonance{Hz: 2, Level: 5, Bin: 2}); why != ReasonShort {
		t.Errorf("half power of a hump on a floor: %q", why)
	}
	if r, why := ResonanceOf([]float64{0, 1e300, 0, 5e-324}, 1, 0, 3); why != "" || r.Hz != 1 || r.Level != 1e300 {
		t.Errorf("single line: %+v %q", r, why)
	}
}

func FuzzModal(f *testing.F) {
	f.Add(uint64(1), 1.0, 50.0, 0.01, uint8(0), uint8(100))
	f.Add(uint64(2), 1e300, 1e-3, 0.0, uint8(4), uint8(250))
	f.Add(uint64(3), 5e-324, 1e300, -1.0, uint8(0), uint8(9))
	f.Fuzz(func(t *testing.T, seed uint64, size, rate, zeta float64, lo, hi uint8) {
		rng := rand.New(rand.NewPCG(seed, 1))
		x := make([]float64, 64+rng.IntN(200))
		for i := range x {
			x[i] = size * (math.Exp(-zeta*float64(i))*math.Cos(float64(i)) + 0.1*rng.NormFloat64())
		}
		var fit DecayFitter
		if d, why := HilbertDecay(&fit, x, rate, int(lo), int(hi)); why == "" && !finite(d.Hz, d.Zeta) {
			t.Errorf("Hilbert %+v", d)
		}
		if d, why := LogDecrement(x, rate); why == "" && !finite(d.Hz, d.Zeta) {
			t.Errorf("decrement %+v", d)
		}
		for i := range x {
			x[i] = math.Abs(x[i])
		}
		r, why := ResonanceOf(x, rate, zeta, float64(hi))
		if why != "" {
			return
		}
		if !finite(r.Hz, r.Level) {
			t.Errorf("resonance %+v", r)
		}
		if z, _, why := HalfPowerDamping(x, rate, r); why == "" && !finite(z) {
			t.Errorf("half power %g", z)
		}
	})
}
