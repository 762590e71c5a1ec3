package features

import (
	"math"

	"github.com/telltale-iot/telltale/dsp"
)

// hannLines is the one-sided amplitude spectrum of frames of one length, each
// without its mean, in float64: the lines that order tracking, the speed ridge
// and the ski slope read. It reuses its memory, so one goroutine owns it.
type hannLines struct {
	plan   *dsp.Real[float64]
	x      []float64
	re, im []float64
}

// of is 2/Σw·|DFT(w·(x − mean))| with w the periodic Hann window, and half of that
// where a bin has no mirror: the peak amplitude of a line at its bin. It writes
// into dst when dst is long enough.
func (h *hannLines) of(dst, x []float64) []float64 {
	n := len(x)
	if n == 0 {
		return dst[:0]
	}
	if h.plan == nil || h.plan.Len() != n {
		h.plan, h.re, h.im = dsp.NewReal[float64](n), make([]float64, n/2+1), make([]float64, n/2+1)
	}
	h.x = append(h.x[:0], x...)
	for range 2 { // the second time what rounding left
		mean := overallMean(h.x)
		for i := range h.x {
			h.x[i] -= mean
		}
	}
	h.plan.Transform(h.re, h.im, h.x)
	dst = resize(dst, n/2+1)
	dsp.Density(dst, h.re, h.im, n)
	for k, v := range dst {
		if 2*k%n != 0 {
			v *= 2 // the density halves a line between the bin and its mirror
		}
		dst[k] = 2 / float64(n) * math.Sqrt(v)
	}
	return dst
}

// quickBelow is the largest length ≤ n for which a transform is quick.
func quickBelow(n int) int {
	for n > 1 && !dsp.Smooth(n) {
		n--
	}
	return n
}

// quickAbove is the smallest such length ≥ n.
func quickAbove(n int) int {
	for n = max(n, 1); !dsp.Smooth(n); {
		n++
	}
	return n
}

// circle holds the cosine and sine of n equal angles of a turn.
type circle struct{ cos, sin []float64 }

func circleOf(n int) circle {
	c := circle{make([]float64, n), make([]float64, n)}
	for i := range n {
		c.sin[i], c.cos[i] = math.Sincos(2 * math.Pi * float64(i) / float64(n))
	}
	return c
}

// line is the amplitude and phase of order k in one turn x: 2/n·Σ x·exp(−2πjki/n).
func (c circle) line(x []float64, k int) complex128 {
	n := len(x)
	var re, im float64
	for i, v := range x {
		at := k * i % n
		re += v * c.cos[at]
		im -= v * c.sin[at]
	}
	return complex(2*re/float64(n), 2*im/float64(n))
}

// subtract takes order k, as line gives it, out of x.
func (c circle) subtract(x []float64, k int, line complex128) {
	n := len(x)
	if 2*k%n == 0 { // no mirror: the line was counted twice
		line /= 2
	}
	for i := range x {
		at := k * i % n
		x[i] -= real(line)*c.cos[at] - imag(line)*c.sin[at]
	}
}
