package features

import "gonum.org/v1/gonum/dsp/fourier"

// plans holds the transforms of the lengths seen so far. It belongs to one
// extractor and is not safe for concurrent use.
type plans struct {
	real   map[int]*fourier.FFT
	full   map[int]*fourier.CmplxFFT
	quick  [2]int // the last length and its smooth one
	padded [2]int // the same for smoothAbove
}

func newPlans() *plans {
	return &plans{real: map[int]*fourier.FFT{}, full: map[int]*fourier.CmplxFFT{}}
}

// maxPlans bounds what a source of ever new lengths can make an extractor keep.
const maxPlans = 32

func (p *plans) rfft(n int) *fourier.FFT {
	t := p.real[n]
	if t == nil {
		if len(p.real) >= maxPlans {
			clear(p.real)
		}
		t = fourier.NewFFT(n)
		p.real[n] = t
	}
	return t
}

func (p *plans) cfft(n int) *fourier.CmplxFFT {
	t := p.full[n]
	if t == nil {
		if len(p.full) >= maxPlans {
			clear(p.full)
		}
		t = fourier.NewCmplxFFT(n)
		p.full[n] = t
	}
	return t
}

// half transforms x into its n/2+1 one-sided bins, unscaled.
func (p *plans) half(dst []complex128, x []float64) []complex128 {
	if len(x) == 0 {
		return dst[:0]
	}
	return p.rfft(len(x)).Coefficients(resize(dst, len(x)/2+1), x)
}

// smooth is the largest length ≤ n whose only prime factors are 2, 3 and 5: the
// lengths for which the transform is quick.
func smooth(n int) int {
	for ; n > 1; n-- {
		m := n
		for _, f := range [...]int{2, 3, 5} {
			for m%f == 0 {
				m /= f
			}
		}
		if m == 1 {
			return n
		}
	}
	return n
}

func (p *plans) smooth(n int) int {
	if p.quick[0] != n {
		p.quick = [2]int{n, smooth(n)}
	}
	return p.quick[1]
}

func (p *plans) smoothAbove(n int) int {
	if p.padded[0] != n {
		p.padded = [2]int{n, smoothAbove(n)}
	}
	return p.padded[1]
}

// smoothAbove is the smallest such length ≥ n.
func smoothAbove(n int) int {
	for smooth(n) != n {
		n++
	}
	return n
}

func resize[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}
