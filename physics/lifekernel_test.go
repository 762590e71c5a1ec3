package physics

import (
	"math"
	"testing"

	"github.com/telltale-iot/telltale/asset"
)

func failures(hours ...float64) []Lifetime {
	var out []Lifetime
	for _, h := range hours {
		out = append(out, Lifetime{h, true})
	}
	return out
}

func TestLifeKernelWantsFailures(t *testing.T) {
	for name, lives := range map[string][]Lifetime{
		"none": nil, "censored only": {{H: 3}, {H: 4}, {H: 5}}, "one": failures(5), "two": append(failures(5, 6), Lifetime{H: 9}),
		"no lifetimes": failures(0, -1, math.NaN(), math.Inf(1)),
	} {
		if k, ok := NewLifeKernel(lives); ok || k.known() {
			t.Errorf("%s: %+v", name, k)
		}
	}
}

// TestLifeKernelIsADensity integrates over ln t, also where lives are censored, all
// alike or many.
func TestLifeKernelIsADensity(t *testing.T) {
	var many []float64
	for i := range 1000 {
		many = append(many, 100*math.Pow(-math.Log1p(-(float64(i)+0.5)/1000), 0.5))
	}
	for name, lives := range map[string][]Lifetime{
		"two causes": failures(2.4, 2.5, 2.6, 7, 8), "censored": append(failures(3, 4, 5), Lifetime{H: 4.5}, Lifetime{H: 50}),
		"alike": failures(5, 5, 5), "nearly": failures(5, 5.0001, 5.0002), "many": failures(many...),
	} {
		k, ok := NewLifeKernel(lives)
		if !ok || len(k.Lives) > mostKernel {
			t.Fatalf("%s: %v, %d lives", name, ok, len(k.Lives))
		}
		var sum float64
		const dx = 1e-3
		for x := -15.0; x < 25; x += dx {
			sum += math.Exp(k.logDensity(math.Exp(x))) * dx / math.Sqrt(2*math.Pi)
		}
		if math.Abs(sum-1) > 1e-3 || k.Width < leastWidth {
			t.Errorf("%s: the density sums to %v, width %v", name, sum, k.Width)
		}
		scaled := k.Scaled(7)
		if a, b := k.logDensity(3), scaled.logDensity(21); math.Abs(a-b) > 1e-12 {
			t.Errorf("%s: lives seven times as long: %v, want %v", name, b, a)
		}
	}
	k, _ := NewLifeKernel(failures(2.4, 2.5, 2.6, 7, 8))
	if !(k.logDensity(2.5) > k.logDensity(4.2)+1 && k.logDensity(7.5) > k.logDensity(4.2)+1) {
		t.Errorf("of early and late deaths one hump was made: width %v", k.Width)
	}
}

// TestKernelReplacesTheFlatPrior compares the forecast with an integral over
// p(r) ∝ age/(age+r)² · f(ln(age + r)).
func TestKernelReplacesTheFlatPrior(t *testing.T) {
	k, _ := NewLifeKernel(failures(100, 105, 110, 300, 320))
	for _, age := range []float64{20, 80, 140, 290, 5000} {
		law := NewGrowth(GrowthOptions{Keys: []string{"x"}, AgeFactor: 1, Kernel: k})
		x := make([]float64, law.size())
		x[growthAge], x[growthStarted], x[growthNoise] = age, 1, 1e-4
		f := law.forecast(x, false)
		var total, below, soon float64
		const steps = 200000
		for i := range steps { // over ln r
			r := age * math.Exp(-10+22*(float64(i)+0.5)/steps)
			p := r * age / ((age + r) * (age + r)) * math.Exp(k.logDensity(age+r))
			total += p
			if r < float64(f.rul.P50) {
				below += p
			}
			if r < asset.SoonH {
				soon += p
			}
		}
		if math.Abs(below/total-0.5) > 0.01 || math.Abs(float64(f.rul.Soon)-soon/total) > 0.01 || !(f.rul.P10 <= f.rul.P50) || !(f.rul.P50 <= f.rul.P90) {
			t.Errorf("age %v: %+v, of which %.3f lies below the median; %v within 48 h", age, f.rul, below/total, soon/total)
		}
		if !math.IsNaN(f.failP) {
			t.Errorf("age %v: the age of a healthy part was taken for a sign of failure: %v", age, f.failP)
		}
	}
}

// A life that was watched for 4.5 h leaves its share to those that were longer.
func TestLifeKernelWeighsByKaplanMeier(t *testing.T) {
	k, _ := NewLifeKernel(append(failures(3, 4, 5), Lifetime{H: 4.5}, Lifetime{H: 50}))
	for i, want := range []float64{0.2 * 0.75, 0.2 * 0.75, 0.3 * 0.75} {
		if math.Abs(k.Weights[i]-want) > 1e-12 {
			t.Errorf("weights %v; the life of %v h wants %v", k.Weights, k.Lives[i], want)
		}
	}
}
