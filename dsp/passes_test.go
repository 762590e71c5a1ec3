package dsp

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

var sizes = []int{0, 1, 2, 3, 7, 8, 9, 31, 512, 1023, 1024, 1025, 1537, 4096, 5000}

// close compares within float32's digits of the scale.
func within(t *testing.T, what string, got, want, scale float64) {
	t.Helper()
	if !(math.Abs(got-want) <= 2e-6*math.Abs(scale)+1e-300) {
		t.Errorf("%s = %.9g, want %.9g (scale %.3g)", what, got, want, scale)
	}
}

func countsOf(n int, offset float64) ([]int16, []float32) {
	r := rand.New(rand.NewPCG(uint64(n), 7))
	c, x := make([]int16, n), make([]float32, n)
	for i := range c {
		c[i] = int16(math.Round(offset + 900*r.NormFloat64()))
		if i > 0 && r.IntN(5) == 0 {
			c[i] = c[i-1]
		}
		x[i] = float32(c[i])
	}
	return c, x
}

func TestLevels(t *testing.T) {
	for _, n := range sizes {
		c, x := countsOf(n, 3000)
		var want Levels
		sum := 0.0
		for i, v := range c {
			f := float64(v)
			if i == 0 {
				want.Min, want.Max = f, f
			} else if v == c[i-1] {
				want.Same++
			}
			want.Min, want.Max, sum = min(want.Min, f), max(want.Max, f), sum+f
		}
		if n > 0 {
			want.Mean = sum / float64(n)
		}
		if n > 0 {
			na, nb := 0, 0
			for _, v := range c {
				if v == c[0] {
					na++
				}
				if v == c[n/2] {
					nb++
				}
			}
			if a, b := At(c, c[0], c[n/2]); a != na || b != nb {
				t.Errorf("At of %d = %d, %d, want %d, %d", n, a, b, na, nb)
			}
		}
		for name, got := range map[string]Levels{"counts": LevelsOfCounts(c), "values": LevelsOf(x)} {
			if got.Min != want.Min || got.Max != want.Max || got.Same != want.Same || !got.Finite {
				t.Errorf("%d %s: %+v, want %+v", n, name, got, want)
			}
			within(t, "mean", got.Mean, want.Mean, want.Mean)
		}
	}
}

func TestLevelsFindWhatIsNotFinite(t *testing.T) {
	for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		for _, at := range []int{0, 1, 700, 1999} {
			x := noise(2000, 1)
			x[at] = float32(bad)
			if LevelsOf(x).Finite {
				t.Errorf("%g at %d passes", bad, at)
			}
		}
	}
	x := make([]float32, 2000)
	for i := range x {
		x[i] = math.MaxFloat32
	}
	if l := LevelsOf(x); !l.Finite || l.Mean != math.MaxFloat32 {
		t.Errorf("large values: %+v", l)
	}
}

func TestCentre(t *testing.T) {
	for _, n := range sizes {
		for _, fft := range []int{n &^ 1, (n / 3) &^ 1, 0} {
			c, x := countsOf(n, -2000)
			mean, e := LevelsOfCounts(c).Mean, 12
			even, odd, even2, odd2 := make([]float32, fft/2), make([]float32, fft/2), make([]float32, fft/2), make([]float32, fft/2)
			got := []Sums{CentreCounts(even, odd, c, mean, e), Centre(even2, odd2, x, mean, e)}
			var want Sums
			for i, v := range c {
				putSum[float32](&want, nil, nil, i, math.Ldexp(float64(v)-mean, -e))
			}
			for _, s := range got {
				within(t, "Σv", s.First, want.First, want.Abs)
				within(t, "Σ|v|", s.Abs, want.Abs, want.Abs)
				within(t, "Σ√", s.Root, want.Root, want.Root)
				within(t, "Σv²", s.Second, want.Second, want.Second)
				within(t, "Σv³", s.Third, want.Third, want.Peak*want.Second)
				within(t, "Σv⁴", s.Fourth, want.Fourth, want.Fourth)
				within(t, "peak", s.Peak, want.Peak, want.Peak)
			}
			for i := range even {
				a, b := math.Ldexp(float64(c[2*i])-mean, -e), math.Ldexp(float64(c[2*i+1])-mean, -e)
				for _, v := range [][2]float64{{float64(even[i]), a}, {float64(odd[i]), b}, {float64(even2[i]), a}, {float64(odd2[i]), b}} {
					within(t, fmt.Sprint(n, "/", fft, " sample ", i), v[0], v[1], want.Peak)
				}
			}
		}
	}
}

func TestDensityIsTheHannWindowedPower(t *testing.T) {
	for _, n := range []int{2, 3, 4, 5, 16, 17, 31, 128, 1024, 1500} {
		x, w := noise(n, 5), make([]float32, n)
		mean := Sum(x) / float64(n)
		for i := range x {
			w[i] = float32((float64(x[i]) - mean) * (1 - math.Cos(2*math.Pi*float64(i)/float64(n))) / 2)
		}
		re, im, wr, wi, p := make([]float32, n/2+1), make([]float32, n/2+1), make([]float32, n/2+1), make([]float32, n/2+1), make([]float32, n/2+1)
		r := NewReal[float32](n)
		r.Transform(re, im, x)
		r.Transform(wr, wi, w)
		Density(p, re, im, n)
		top := 0.0
		for k := range p {
			top = max(top, float64(p[k]))
		}
		for k := range p {
			want := float64(square(wr[k], wi[k]))
			if k > 0 && (n%2 == 1 || k < n/2) {
				want *= 2
			}
			if math.Abs(float64(p[k])-want) > 1e-5*top {
				t.Errorf("n=%d bin %d: %g, want %g", n, k, p[k], want)
			}
		}
	}
}

func TestShapeAndLogs(t *testing.T) {
	for _, n := range sizes {
		p := make([]float32, n)
		r := rand.New(rand.NewPCG(uint64(n), 9))
		for i := range p {
			p[i] = float32(math.Exp(5*r.NormFloat64() - 10))
		}
		if n > 4 {
			p[3] = 0
		}
		first := min(1, n)
		got, want := ShapeOf(p, first), Shape{}
		for k := first; k < n; k++ {
			v := float64(p[k])
			want.Sum, want.First, want.Top = want.Sum+v, want.First+v*float64(k), max(want.Top, v)
		}
		within(t, "Σp", got.Sum, want.Sum, want.Sum)
		within(t, "Σkp", got.First, want.First, want.First)
		within(t, "top", got.Top, want.Top, 0)
		centre, floor := float64(n)/3, 1e-30*want.Top
		l, wl, scale := LogsOf(p, first, floor, centre), Logs{}, 0.0
		for k := first; k < n; k++ {
			v := float64(p[k])
			ln := math.Log(max(v, floor))
			if v > 0 {
				wl.Weighted += v * ln
				scale += v * math.Abs(ln)
			}
			wl.Plain += ln
			wl.Spread += v * (float64(k) - centre) * (float64(k) - centre)
		}
		within(t, "Σp ln p", l.Weighted, wl.Weighted, scale)
		within(t, "Σln p", l.Plain, wl.Plain, 10*float64(n))
		within(t, "spread", l.Spread, wl.Spread, wl.Spread)
		within(t, "sum", Sum(p), want.Sum+sumTo(p, first), want.Sum+sumTo(p, first))
		within(t, "dot", Dot(p, p), naiveDot(p), naiveDot(p))
	}
}

func sumTo(p []float32, n int) float64 {
	s := 0.0
	for _, v := range p[:n] {
		s += float64(v)
	}
	return s
}

func naiveDot(p []float32) float64 {
	s := 0.0
	for _, v := range p {
		s += float64(v) * float64(v)
	}
	return s
}

func TestEnvelopePasses(t *testing.T) {
	for _, n := range []int{2, 16, 18, 600, 1280, 4096} {
		re, im := noise(n, 1), noise(n, 2)
		even, odd := make([]float32, n/2), make([]float32, n/2)
		mean, fourth := SquaredEnvelope(even, odd, re, im)
		wm, wf := 0.0, 0.0
		for i := range re {
			v := float64(re[i])*float64(re[i]) + float64(im[i])*float64(im[i])
			wm, wf = wm+v, wf+v*v
			got := even
			if i%2 == 1 {
				got = odd
			}
			within(t, "square", float64(got[i/2]), v, v)
		}
		within(t, "mean", mean, wm/float64(n), wm/float64(n))
		within(t, "fourth", fourth, wf/float64(n), wf/float64(n))
		for _, hann := range []bool{false, true} {
			dst, a, b := make([]float32, n/2), noise(n, 1), noise(n, 2)
			Amplitudes(dst, a, b, hann, 0.5)
			for k := 1; k < len(dst); k++ {
				r, i := float64(a[k]), float64(b[k])
				if hann {
					r, i = r-float64(a[k-1]+a[k+1])/2, i-float64(b[k-1]+b[k+1])/2
				}
				within(t, "amplitude", float64(dst[k]), 0.5*math.Hypot(r, i), 10)
			}
		}
		sum := make([]float32, n)
		AddPower(sum, re, 2)
		for i := range sum {
			within(t, "power", float64(sum[i]), 2*float64(re[i])*float64(re[i]), 10)
		}
	}
}

func BenchmarkPasses(b *testing.B) {
	const n = 4096
	c, x := countsOf(n, 100)
	even, odd := make([]float32, n/2), make([]float32, n/2)
	re, im, p := noise(n/2+1, 1), noise(n/2+1, 2), make([]float32, n/2+1)
	for name, f := range map[string]func(){
		"levels-counts":    func() { LevelsOfCounts(c) },
		"levels":           func() { LevelsOf(x) },
		"centre-counts":    func() { CentreCounts(even, odd, c, 100, 12) },
		"centre":           func() { Centre(even, odd, x, 100, 12) },
		"density":          func() { Density(p, re, im, n) },
		"shape":            func() { ShapeOf(p, 1) },
		"logs":             func() { LogsOf(p, 1, 1e-30, 500) },
		"squared-envelope": func() { SquaredEnvelope(even, odd, x, x) },
		"amplitudes":       func() { Amplitudes(p[:len(p)-1], re, im, true, 1) },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				f()
			}
		})
	}
}

func TestRankedPair(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	for n := 1; n <= MostRanked; n++ {
		for range 20 {
			x := make([]float32, n)
			for i := range x {
				x[i] = float32(r.IntN(n)) // with ties
			}
			sorted := slices.Sorted(slices.Values(x))
			j, k := r.IntN(n), r.IntN(n)
			a, b, ok := RankedPair(x, j, k)
			if ok != vector || ok && (a != sorted[j] || b != sorted[k]) {
				t.Fatalf("%d values: %g, %g, %v, want %g, %g", n, a, b, ok, sorted[j], sorted[k])
			}
		}
	}
	if _, _, ok := RankedPair(make([]float32, MostRanked+1), 0, 0); ok {
		t.Error("too many values pass")
	}
}
