package features

import (
	"math"

	"github.com/telltale-iot/telltale/dsp"
)

// envelope is the squared envelope of one band, at a rate just high enough for it.
type envelope struct {
	Mean     float64 // of the squared envelope: twice the band's power
	Kurtosis float64 // ⟨e⁴⟩/⟨e²⟩² − 2: 0 for Gaussian noise, −1 for one line
}

// enveloper turns the transform of a block into squared-envelope spectra. It
// reuses its memory.
type enveloper[T dsp.Float] struct {
	transforms *transforms[T]
	room       [2][]T
	re, im     []T // of room
}

// spectrum writes the amplitude spectrum of the squared envelope of the band of
// bins [lo, hi) into dst, want bins of it, by step rate/n, and returns its moments.
// (re, im) is the one-sided transform of a mean-free block of n samples.
//
// The analytic signal of the band is its positive bins doubled. Its transform
// back is taken at P ≥ hi−lo+want points instead of n: the squared envelope has
// no line beyond the band's width, so nothing folds into the bins that are kept.
// With the boxcar, dst[k] = 2/n·|FFT(e²−⟨e²⟩)|; with Hann the same is smoothed by
// the window and corrected by 2, so that a line on a bin keeps its height.
func (e *enveloper[T]) spectrum(dst, re, im []T, n, lo, hi, want int, w taper) ([]T, envelope) {
	lo, hi = max(lo, 1), min(hi, len(re))
	width := hi - lo
	dst = resize(dst, max(want, 0))
	if width <= 0 || want <= 0 {
		clear(dst)
		return dst, envelope{}
	}
	p := dsp.SmoothAbove(max(width+want+1, 2*want+2, 4))
	p += p % 2
	out := e.moments(re, im, n, lo, hi, p)
	e.re, e.im = e.re[:p/2+1], e.im[:p/2+1]
	e.transforms.ofReal(p).Split(e.re, e.im)
	k := 2 / float64(n)
	reach := min(want, width)
	dsp.Amplitudes(dst[:reach], e.re, e.im, w == hann, 2/float64(p)*k*k)
	clear(dst[reach:])
	return dst, out
}

// moments leaves the squared envelope of the bins [lo, hi) at p ≥ hi−lo points, an
// even number, packed for its transform, and returns its mean and kurtosis.
func (e *enveloper[T]) moments(re, im []T, n, lo, hi, p int) envelope {
	if len(e.room[0]) < p {
		e.room[0], e.room[1] = dsp.Apart[T](p)
	}
	e.re, e.im = e.room[0][:p], e.room[1][:p]
	copy(e.re, re[lo:hi])
	copy(e.im, im[lo:hi])
	clear(e.re[hi-lo:])
	clear(e.im[hi-lo:])
	if n%2 == 0 && hi-1 == n/2 {
		e.re[hi-1-lo] /= 2 // the bin at half the rate is its own mirror image
	}
	e.transforms.ofComplex(p).Inverse(e.re, e.im)
	even, odd := e.transforms.ofReal(p).Packed()
	mean, fourth := dsp.SquaredEnvelope(even, odd, e.re, e.im)
	k := 2 / float64(n)
	return envelope{Mean: mean * k * k, Kurtosis: ratio(fourth, mean*mean) - 2}
}

// comb measures how far the lines of a family stand out of an envelope spectrum.
type comb[T dsp.Float] struct {
	slip    float64 // share of k·f within which a line is looked for
	sort    []T
	heights []float64
}

// snr is the highest bin within max(slip·f, 2 bins) of f over the median of the
// bins within ±side Hz that are outside; NaN beyond the spectrum or over zero. Bins
// next to a multiple of shaft Hz are left out of the search where they can be told
// apart: whatever stands there, nobody can tell whose it is (shaft 0: none).
func (c *comb[T]) snr(spectrum []T, stepHz, f, side, shaft float64) float64 {
	at := f / stepHz
	half := max(c.slip*at, 2)
	lo, hi := int(math.Ceil(at-half)), int(math.Floor(at+half))
	last := len(spectrum) - 1
	if at <= 0 || hi > last || lo > last {
		return math.NaN()
	}
	lo = max(lo, 1)
	reach := side / stepHz
	from, to := max(1, int(math.Ceil(at-reach))), min(last, int(math.Floor(at+reach)))
	c.sort = c.sort[:0]
	if from < lo {
		c.sort = append(c.sort, spectrum[from:lo]...)
	}
	if to > hi {
		c.sort = append(c.sort, spectrum[hi+1:to+1]...)
	}
	if len(c.sort) < 3 { // a window of few periods: take what lies next to it
		c.sort = append(c.sort[:0], spectrum[max(1, lo-4):lo]...)
		c.sort = append(c.sort, spectrum[min(hi+1, last+1):min(hi+5, last+1)]...)
	}
	if len(c.sort) == 0 || hi < lo {
		return math.NaN()
	}
	return ratio(float64(highest(spectrum, lo, hi, shaft/stepHz)), medianOf(c.sort))
}

// A shaft's lines are told apart from a defect's when they lie this many bins from
// each other, and each then takes this many bins to both sides.
const (
	shaftApart = 8
	shaftBins  = 1.25
)

// highest of the bins lo … hi, without those of the shaft unless no other is left.
func highest[T dsp.Float](spectrum []T, lo, hi int, shaft float64) T {
	all, own := T(0), T(-1)
	for k := lo; k <= hi; k++ {
		v := spectrum[k]
		all = max(all, v)
		if ofShaft(k, shaft) {
			continue
		}
		own = max(own, v)
	}
	if own < 0 {
		return all
	}
	return own
}

// found is how far a line must stand out to be counted, 6 dB.
const found = 2

// score is the mean over the harmonics first … last of max(0, 20·log10 SNR) in dB, of
// those that the spectrum reaches, and how many stand out; NaN when none does.
func (c *comb[T]) score(spectrum []T, stepHz, f, shaft float64, first, last int) (db float64, count int) {
	n := 0
	for k := first; k <= last; k++ {
		r := c.snr(spectrum, stepHz, float64(k)*f, 0.3*f, shaft)
		if math.IsNaN(r) {
			continue
		}
		n++
		if r > 1 {
			db += 20 * math.Log10(r)
		}
		if r >= found {
			count++
		}
	}
	if n == 0 {
		return math.NaN(), 0
	}
	return db / float64(n), count
}

// high is the highest bin within the slip of a place, two bins at least; NaN beyond
// the spectrum.
func (c *comb[T]) high(spectrum []T, at float64) float64 {
	half := max(c.slip*at, 2)
	lo, hi := max(1, int(math.Ceil(at-half))), int(math.Floor(at+half))
	if hi >= len(spectrum) || hi < lo {
		return nan
	}
	return float64(highest(spectrum, lo, hi, 0))
}

// merge combines the squared-envelope spectra of many bands into one: each is
// divided by its own geometric mean, which a few lines hardly move, so that a quiet band that shows a comb counts as
// much as a loud one that does not, and the mean power over the bands is taken.
// Noise averages out; a comb stays wherever it shows. No single band has to be
// chosen (compare the enhanced envelope spectrum, Abboud & al. 2017, MSSP 94).
type merge[T dsp.Float] struct {
	sum []T
	n   int
}

// floorOfMean is the median of Rayleigh's distribution over its geometric mean,
// √(2·ln 2)/√(2·e^−γ): the merged spectrum stays in multiples of the median.
const floorOfMean = 1.1111

func (m *merge[T]) reset(bins int) {
	m.sum = resize(m.sum, bins)
	clear(m.sum)
	m.n = 0
}

func (m *merge[T]) add(s []T) {
	if len(s) < 2 {
		return
	}
	// Zeros beyond the band's own width count as next to nothing.
	logs := dsp.LogsOf(s, 1, 1e-30*dsp.ShapeOf(s, 1).Top, 0)
	floor := floorOfMean * math.Exp(logs.Plain/float64(len(s)-1))
	k := 1 / (floor * floor)
	if !(floor > 0) || math.IsInf(float64(T(k)), 0) {
		return
	}
	dsp.AddPower(m.sum, s, k)
	m.n++
}

// result is the root mean square over the bands, as multiples of the floor.
func (m *merge[T]) result(dst []T) []T {
	dst = resize(dst, len(m.sum))
	for i, v := range m.sum {
		if m.n == 0 {
			dst[i] = 0
			continue
		}
		dst[i] = T(math.Sqrt(float64(v) / float64(m.n)))
	}
	return dst
}
