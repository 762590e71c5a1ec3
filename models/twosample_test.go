package models_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/telltale-iot/telltale/models"
)

func near(got, want, rel float64) bool { return math.Abs(got-want) <= rel*math.Abs(want) }

// TestReferenceDriftTwoSample calls TwoSample, and Reference.Compare with the
// whole sample as its quantiles.
func TestReferenceDriftTwoSample(t *testing.T) {
	var f struct {
		Tolerance struct {
			Rel float64
			P   float64 `json:"p_rel"`
		}
		Cases []struct {
			ID      string
			Inputs  struct{ Reference, Current []float64 }
			Outputs struct {
				PSI float64
				KS  float64 `json:"ks_stat"`
				P   float64 `json:"ks_p_asymp"`
				W1  float64 `json:"wasserstein"`
			}
		}
	}
	reference(t, "drift_two_sample", &f)
	for _, c := range f.Cases {
		t.Run(c.ID, func(t *testing.T) {
			d, want := models.TwoSample(c.Inputs.Reference, c.Inputs.Current), c.Outputs
			if !near(d.PSI, want.PSI, f.Tolerance.Rel) || !near(d.KS, want.KS, f.Tolerance.Rel) || !near(d.W1, want.W1, f.Tolerance.Rel) {
				t.Errorf("TwoSample = %+v, want %+v", d, want)
			}
			if !near(d.P, want.P, f.Tolerance.P) {
				t.Errorf("p = %g, want %g", d.P, want.P)
			}
			r := models.Reference{N: len(c.Inputs.Reference), Quantiles: slices.Sorted(slices.Values(c.Inputs.Reference))}
			// Linear between its values, the reference is off by half a step.
			got := r.Compare(c.Inputs.Current, float64(len(c.Inputs.Current)))
			if math.Abs(got.PSI-want.PSI) > 0.02 || math.Abs(got.KS-want.KS) > 0.011 || math.Abs(got.W1-want.W1) > 0.01 {
				t.Errorf("Compare = %+v, want about %+v", got, want)
			}
		})
	}
}

// The probabilities are those of scipy.stats.kstwo.sf (scipy 1.17): a sample of n
// beside an endless reference.
func TestKolmogorovAsScipy(t *testing.T) {
	for _, c := range []struct {
		n       int
		d, want float64
	}{
		{1, 0.6, 0.8},
		{3, 0.9, 0.002},
		{5, 0.3, 0.664},
		{10, 0.5, 0.00777741},
		{86, 0.07, 0.7666876792},
		{86, 0.2, 0.001719026768},
		{140, 0.05, 0.8576480298},
		{140, 0.12, 0.03252638259},
		{141, 0.05, 0.854845693},
		{141, 0.08, 0.3108417088},
		{141, 0.12, 0.03160060528},
		{200, 0.04, 0.8932878117},
		{50, 0.172, 0.09188724129},
		{50, 0.174, 0.08557425413},
		{201, 0.05, 0.6773352213},
		{201, 0.08, 0.1445336181},
		{201, 0.086, 0.09640579849},
		{201, 0.087, 0.08985659087},
		{500, 0.05, 0.1586626022},
		{1000, 0.02, 0.8108971657},
		{1000, 0.045, 0.03378304015},
		{1000, 0.06, 0.001428597888},
		{5000, 0.02, 0.03613941395},
		{20000, 0.005, 0.6974088406},
		{20000, 0.012, 0.006251252284},
	} {
		// Uniform on [0, 1], and values whose share below d is nothing.
		r := models.Reference{N: math.MaxInt, Quantiles: []float64{0, 1}}
		x := make([]float64, 2000)
		for i := range x {
			x[i] = c.d + (1-c.d)*float64(i)/float64(len(x)-1)
		}
		got := r.Compare(x, float64(c.n))
		if math.Abs(got.KS-c.d) > 1e-12 || !near(got.P, c.want, 3e-4) {
			t.Errorf("n = %d, KS = %g: p = %.10g, want %.10g at %g", c.n, got.KS, got.P, c.want, c.d)
		}
	}
}

func TestCompareClosedForms(t *testing.T) {
	uniform := models.Reference{N: 1000, Quantiles: []float64{0, 0.25, 0.5, 0.75, 1}}
	x := make([]float64, 1000)
	for i := range x {
		x[i] = (float64(i) + 0.5) / 1000
	}
	if d := uniform.Compare(x, 1000); d.PSI > 1e-12 || math.Abs(d.KS-0.0005) > 1e-9 || math.Abs(d.W1-0.00025) > 1e-9 || d.P < 0.999 {
		t.Errorf("the reference's own midpoints: %+v", d)
	}
	for i := range x {
		x[i] += 0.2
	}
	// Shifted by 0.2, two of ten bins are empty and the last holds three times its share.
	want := 2*(0.1-1e-4)*math.Log(0.1/1e-4) + 0.2*math.Log(3)
	if d := uniform.Compare(x, 1000); !near(d.PSI, want, 1e-9) || math.Abs(d.KS-0.2005) > 1e-9 || !near(d.W1, 0.2, 1e-9) {
		t.Errorf("shifted by 0.2: %+v, want PSI %g", d, want)
	}
	// Half the mass at 0: a current value that has the same is no drift.
	spike := models.Reference{N: 1000, Quantiles: []float64{0, 0, 0, 1, 2}}
	for i := range x {
		x[i] = max(0, 4*(float64(i)+0.5)/1000-2)
	}
	if d := spike.Compare(x, 1000); d.KS > 0.002 || d.W1 > 0.002 || d.PSI > 1e-6 {
		t.Errorf("a spike at 0: %+v", d)
	}
	if d := spike.Compare(nil, 0); !math.IsNaN(d.PSI) || !math.IsNaN(d.P) {
		t.Errorf("nothing to compare: %+v", d)
	}
}

// ar1 appends a first-order process of unit variance.
func ar1(r *rand.Rand, n int, phi float64) []float64 {
	x, v := make([]float64, n), r.NormFloat64()
	for i := range x {
		x[i] = v
		v = phi*v + math.Sqrt(1-phi*phi)*r.NormFloat64()
	}
	return x
}

// The effective number of a first-order process is n·(1−φ)/(1+φ) (Wilks 2011,
// Statistical Methods in the Atmospheric Sciences, 5.12).
func TestEffectiveN(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, phi := range []float64{0, 0.5, 0.9, 0.95} {
		want := 20_000 * (1 - phi) / (1 + phi)
		if got := models.EffectiveN(ar1(r, 20_000, phi)); !near(got, want, 0.2) {
			t.Errorf("φ = %g: %g, want about %g", phi, got, want)
		}
	}
	// Of a series that is short for its τ, half must not claim to be worth more than it is.
	short := make([]float64, 401)
	for i := range short {
		short[i] = models.EffectiveN(ar1(r, 300, 0.95))
	}
	slices.Sort(short)
	if want := 300 * 0.05 / 1.95; short[200] > 1.1*want || short[200] < 0.5*want {
		t.Errorf("300 values of φ = 0.95: half are worth more than %.3g, want %.3g", short[200], want)
	}
	if got := models.EffectiveN(make([]float64, 100)); got != 1 {
		t.Errorf("a constant is worth %g, want 1", got)
	}
}
