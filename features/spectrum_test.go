package features

import (
	"fmt"
	"math"
	"math/cmplx"
	"math/rand/v2"
	"testing"

	"github.com/telltale-iot/telltale/asset"
)

func TestWelchKeepsThePower(t *testing.T) {
	for _, n := range []int{2, 3, 5, 16, 17, 97, 127, 128, 129, 255, 256, 257, 1000} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(1, uint64(n)))
			x := make([]float64, n)
			for i := range x {
				x[i] = rng.NormFloat64()
			}
			w := welcher{plans: newPlans()}
			p, k := w.welch(x, 1000, 4*n, 2*n, removeMean, boxcar) // a segment longer than x shrinks
			if k != 1 || p.N != n {
				t.Fatalf("%d segments of %d", k, p.N)
			}
			m, _ := MomentsOf(x)
			within(t, "RMS", p.bandRMS(0, math.Inf(1)), asset.Number(m.Std), 0, 1e-9)
		})
	}
}

func TestHannBinIsTheWindowedTransform(t *testing.T) {
	for _, n := range []int{4, 5, 16, 17, 31} {
		rng := rand.New(rand.NewPCG(2, uint64(n)))
		x, windowed := make([]float64, n), make([]float64, n)
		for i := range x {
			x[i] = rng.NormFloat64()
			windowed[i] = x[i] * (1 - math.Cos(2*math.Pi*float64(i)/float64(n))) / 2
		}
		p := newPlans()
		plain, want := p.half(nil, x), p.half(nil, windowed)
		for k := range want {
			if got := hannBin(plain, n, k); cmplx.Abs(got-want[k]) > 1e-12 {
				t.Errorf("n=%d bin %d: %v, want %v", n, k, got, want[k])
			}
		}
	}
}

func TestOneGAt160Hz(t *testing.T) {
	x := make([]float64, 8192)
	for i := range x {
		x[i] = asset.StandardGravity * math.Sin(2*math.Pi*160*float64(i)/8192)
	}
	w := welcher{plans: newPlans()}
	p, _ := w.welch(x, 8192, len(x), 0, removeMean, hann)
	within(t, "velocity", p.velocityRMS(10, 1000), 6.8977, 0, 1e-3)
}

func TestSmoothLengths(t *testing.T) {
	for n, want := range map[int]int{0: 0, 1: 1, 7: 6, 48828: 48600, 51200: 51200, 51199: 50625, 4097: 4096} {
		if got := smooth(n); got != want {
			t.Errorf("smooth(%d) = %d, want %d", n, got, want)
		}
	}
	if got := smoothAbove(4097); got != 4320 && got != 4374 {
		t.Logf("smoothAbove(4097) = %d", got)
	}
}

func TestEnvelopeOfABeat(t *testing.T) {
	// Two lines of amplitudes a and b: e² = a² + b² + 2ab·cos(2π·Δf·t).
	const n, a, b = 4096, 2.0, 0.5
	x := make([]float64, n)
	for i := range x {
		x[i] = a*math.Sin(2*math.Pi*1000*float64(i)/n) + b*math.Cos(2*math.Pi*1040*float64(i)/n)
	}
	p := newPlans()
	e := enveloper{plans: p}
	for _, w := range []taper{boxcar, hann} {
		s, env := e.spectrum(nil, p.half(nil, x), n, 900, 1200, 100, w)
		within(t, "mean", env.Mean, a*a+b*b, 0, 1e-9)
		within(t, "line", s[40], 2*a*b, 1e-9, 0)
		within(t, "elsewhere", s[20], 0, 1e-9, 0)
	}
}
