package features

import (
	"math"

	"github.com/telltale-iot/telltale/dsp"
)

// analysis is the work on one window: one look at its levels, one pass that
// centres it, one transform that spectrum and envelope share. It reuses its memory:
// what it holds is of the last window. float32 is what the flow runs; float64 is the
// same source, for whoever checks it.
type analysis[T dsp.Float] struct {
	transforms[T]
	levels  dsp.Levels
	sums    dsp.Sums // of (x−mean)·2⁻ᵉ
	e       int
	scale   float64
	unit    float64 // value of one: scale·2ᵉ
	n       int     // samples transformed
	re, im  []T     // plain transform of the centred samples
	density []T
	env     enveloper[T]
	lines   []T // envelope spectrum of the defect scores
	sort    []T
	comb    comb[T]
	shown   []T // spectrum as evidence
	merge   merge[T]
	inverse []T // 1/k² for the velocity
	angle   []T // a band's envelope over angle, and where in time its points lie
	places  []float64
	// Of a window in sections: sums over those that are done.
	longDensity, longLines []T
}

func newAnalysis[T dsp.Float]() *analysis[T] {
	a := &analysis[T]{transforms: newTransforms[T]()}
	a.env.transforms = &a.transforms
	return a
}

// block is a window's samples in one of their forms.
type block[T dsp.Float] struct {
	values []T
	counts []int16 // instead of values
	scale  float64 // value of one count, of 1 in values
}

func (b block[T]) len() int { return max(len(b.values), len(b.counts)) }

// look takes in the levels of b.
func (a *analysis[T]) look(b block[T]) {
	if b.counts != nil {
		a.levels = dsp.LevelsOfCounts(b.counts)
		return
	}
	a.levels = dsp.LevelsOf(b.values)
}

// centre subtracts the mean and leaves the first n samples for transform. Numbers
// are scaled by a power of two, so that squares and fourth powers of anything that
// T holds neither overflow nor vanish.
func (a *analysis[T]) centre(b block[T], n int) {
	l := a.levels
	a.n, a.e, a.scale = n, reachOf(l), b.scale
	a.unit = math.Ldexp(b.scale, a.e)
	even, odd := a.ofReal(n).Packed()
	if b.counts != nil {
		a.sums = dsp.CentreCounts(even, odd, b.counts, l.Mean, a.e)
		return
	}
	a.sums = dsp.Centre(even, odd, b.values, l.Mean, a.e)
}

// transform takes the centred samples to their bins and density.
func (a *analysis[T]) transform() {
	h := a.n/2 + 1
	a.re, a.im, a.density = resize(a.re, h), resize(a.im, h), resize(a.density, h)
	a.ofReal(a.n).Split(a.re, a.im)
	dsp.Density(a.density, a.re, a.im, a.n)
}

// power is the density of the last transform at the given rate.
func (a *analysis[T]) power(rateHz float64) power[T] {
	return power[T]{Density: a.density, Amp: a.unit / math.Sqrt(rateHz*float64(a.n)*3/8), StepHz: rateHz / float64(a.n), N: a.n, ENBW: hann.enbw()}
}

// moments are the statistics of the centred samples.
func (a *analysis[T]) moments(n int) Moments {
	m := Moments{N: n}
	m.central(a.sums, a.scale, a.e)
	m.aboutZero(a.sums, a.scale, a.e)
	return m
}

// exponent is the power of two next below v, so that squares and fourth powers of
// x/2ᵉ neither overflow nor vanish. Scaling by it loses no digit.
func exponent(v float64) int {
	if v == 0 {
		return 0
	}
	_, e := math.Frexp(v)
	return e - 1
}

// reachOf is the exponent of the largest departure from the mean.
func reachOf(l dsp.Levels) int {
	return exponent(max(l.Max/2-l.Mean/2, l.Mean/2-l.Min/2)) + 1
}

// smoothBelow is a length up to n that a transform is quick for: one that the vector
// passes take when that leaves out at most 5 % of n, else the longest.
func smoothBelow(n int) int {
	for m := n &^ 127; m >= 128 && 100*m >= 95*n; m -= 128 {
		if dsp.Smooth(m) {
			return m
		}
	}
	step := 1
	if n >= 4 {
		step = 2
	}
	for m := n / step * step; m > 1; m -= step {
		if dsp.Smooth(m) {
			return m
		}
	}
	return n
}
