package features

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
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
			w := newWelcher[float64]()
			p, k := w.welch(x, 1000, 4*n, 2*n, removeMean, boxcar) // a segment longer than x shrinks
			if k != 1 || p.N != n {
				t.Fatalf("%d segments of %d", k, p.N)
			}
			m, _ := MomentsOf(x)
			within(t, "RMS", p.bandRMS(0, math.Inf(1)), asset.Number(m.Std), 0, 1e-9)
		})
	}
}

func TestOneGAt160Hz(t *testing.T) {
	x := make([]float64, 8192)
	for i := range x {
		x[i] = asset.StandardGravity * math.Sin(2*math.Pi*160*float64(i)/8192)
	}
	w := newWelcher[float64]()
	p, _ := w.welch(x, 8192, len(x), 0, removeMean, hann)
	within(t, "velocity", p.velocityRMS(10, 1000, new([]float64)), 6.8977, 0, 1e-3)
}

func TestSmoothLengths(t *testing.T) {
	for n, want := range map[int]int{0: 0, 1: 1, 3: 3, 7: 6, 48828: 48000, 51200: 51200, 51199: 49152, 4097: 4096, 1001: 1000, 900: 900, 383: 360} {
		if got := smoothBelow(n); got != want {
			t.Errorf("smoothBelow(%d) = %d, want %d", n, got, want)
		}
	}
}

func TestMedianOf(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for _, n := range []int{1, 2, 3, 24, 25, 26, 100, 1001} {
		for range 20 {
			x := make([]float64, n)
			for i := range x {
				x[i] = float64(rng.IntN(n)) // with ties
			}
			sorted := slices.Sorted(slices.Values(x))
			if got, want := medianOf(x), sortedMedian(sorted); got != want {
				t.Fatalf("%d values: %g, want %g", n, got, want)
			}
		}
	}
	if !math.IsNaN(medianOf([]float32(nil))) {
		t.Error("a median of nothing")
	}
}

func TestEnvelopeOfABeat(t *testing.T) {
	// Two lines of amplitudes a and b: e² = a² + b² + 2ab·cos(2π·Δf·t).
	const n, a, b = 4096, 2.0, 0.5
	x := make([]float64, n)
	for i := range x {
		x[i] = a*math.Sin(2*math.Pi*1000*float64(i)/n) + b*math.Cos(2*math.Pi*1040*float64(i)/n)
	}
	whole := transformed(x, n)
	k := whole.unit * whole.unit
	for _, w := range []taper{boxcar, hann} {
		s, env := whole.env.spectrum(nil, whole.re, whole.im, n, 900, 1200, 100, w)
		within(t, "mean", env.Mean*k, a*a+b*b, 0, 1e-9)
		within(t, "line", s[40]*k, 2*a*b, 1e-9, 0)
		within(t, "elsewhere", s[20]*k, 0, 1e-9, 0)
	}
}
