package dsp

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/dsp/fourier"
)

func noise(n int, seed uint64) []float32 {
	r := rand.New(rand.NewPCG(seed, 1))
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return x
}

func TestComplexAgreesWithFloat64(t *testing.T) {
	for _, n := range []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 31, 64, 100, 101, 120, 127, 128, 192, 240, 243, 320, 512, 625, 640, 1000, 1024, 1920, 2048, 4096, 6400, 8192, 12800, 1021, 153600} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			re, im := noise(n, 1), noise(n, 2)
			z := make([]complex128, n)
			for i := range z {
				z[i] = complex(float64(re[i]), float64(im[i]))
			}
			want := fourier.NewCmplxFFT(n).Coefficients(nil, z)
			c := NewComplex[float32](n)
			c.Forward(re, im)
			near(t, re, im, want)
			c.Inverse(re, im)
			for i := range z {
				want[i] = z[i] * complex(float64(n), 0)
			}
			near(t, re, im, want)
		})
	}
}

func near(t *testing.T, re, im []float32, want []complex128) {
	t.Helper()
	top, worst := 0.0, 0.0
	for i, w := range want {
		top = max(top, math.Hypot(real(w), imag(w)))
		worst = max(worst, math.Hypot(real(w)-float64(re[i]), imag(w)-float64(im[i])))
	}
	if !(worst <= 1e-6*top+1e-30) {
		t.Errorf("off by %.3g of %.3g", worst, top)
	}
}

func TestRealAgreesWithFloat64(t *testing.T) {
	for _, n := range []int{1, 2, 3, 4, 6, 7, 8, 10, 16, 17, 30, 34, 62, 64, 128, 130, 202, 256, 257, 320, 1000, 1024, 1280, 2048, 3000, 4096, 8192, 16384, 25600, 4094, 262144} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			x := noise(n, 3)
			wide := make([]float64, n)
			for i, v := range x {
				wide[i] = float64(v)
			}
			want := fourier.NewFFT(n).Coefficients(nil, wide)
			re, im := make([]float32, n/2+1), make([]float32, n/2+1)
			NewReal[float32](n).Transform(re, im, x)
			near(t, re, im, want)
		})
	}
}

func BenchmarkReal(b *testing.B) {
	for _, n := range []int{1024, 2048, 4096, 8192, 16384, 25600, 262144, 307200} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			r := NewReal[float32](n)
			x, re, im := noise(n, 1), make([]float32, n/2+1), make([]float32, n/2+1)
			b.ReportAllocs()
			for b.Loop() {
				r.Transform(re, im, x)
			}
			b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds()/1e6, "Ms/s")
		})
	}
}
