package features

import (
	"math"
	"slices"

	"github.com/telltale-iot/telltale/dsp"
)

// power is a one-sided power spectral density: Density·Amp² in unit²/Hz.
type power[T dsp.Float] struct {
	Density []T     // by bin; interior bins doubled
	Amp     float64 // the scale is kept by its root, which no unit takes out of range
	StepHz  float64
	N       int     // samples of a segment
	ENBW    float64 // equivalent noise bandwidth of the window, bins
}

// taper is the window that a density is taken with.
type taper int

const (
	hann taper = iota // periodic: ½(1 − cos 2πn/N)
	boxcar
)

func (w taper) enbw() float64 {
	if w == hann {
		return 1.5
	}
	return 1
}

// detrend is what is removed from each segment.
type detrend int

const (
	removeMean detrend = iota
	removeNothing
	removeLine
)

// welcher averages densities over segments, in memory of one segment. What it
// returned is valid until the next call.
type welcher[T dsp.Float] struct {
	transforms *transforms[T]
	segment    []T
	re, im     []T
	density    []T
	sum        []T
}

// welch is the averaged density of x in segments of n samples that overlap by
// overlap samples, and their number; a tail that fills no segment is dropped
// (Welch 1967). A segment longer than x shrinks to x.
func (p *welcher[T]) welch(x []T, rateHz float64, n, overlap int, d detrend, w taper) (power[T], int) {
	if n > len(x) {
		n = len(x)
		overlap = n / 2
	}
	if n < 2 || !(rateHz > 0) {
		return power[T]{}, 0
	}
	overlap = max(0, min(overlap, n-1))
	h := n/2 + 1
	p.segment, p.sum, p.density = resize(p.segment, n), resize(p.sum, h), resize(p.density, h)
	p.re, p.im = resize(p.re, h), resize(p.im, h)
	clear(p.sum)
	plan := p.transforms.ofReal(n)
	k := 0
	for at := 0; at+n <= len(x); at += n - overlap {
		copy(p.segment, x[at:at+n])
		if d == removeLine {
			removeLeastSquares(p.segment)
		}
		mean := 0.0
		if d != removeNothing {
			mean = dsp.LevelsOf(p.segment).Mean
		}
		subtract(p.segment, mean)
		plan.Transform(p.re, p.im, p.segment)
		p.add(n, d, w)
		k++
	}
	scale := 1 / (rateHz * float64(n) * float64(k)) // Σw² of the boxcar
	if w == hann {
		scale /= 3.0 / 8
	}
	return power[T]{Density: p.sum, Amp: math.Sqrt(scale), StepHz: rateHz / float64(n), N: n, ENBW: w.enbw()}, k
}

// add adds the density of one segment.
func (p *welcher[T]) add(n int, d detrend, w taper) {
	mean := p.re[0]
	if w == hann {
		dsp.Density(p.density, p.re, p.im, n)
		if d == removeNothing { // Density took the mean out of bins 0 and 1
			re1, im1, re2, im2 := p.re[1], p.im[1], T(0), T(0)
			if len(p.re) > 2 {
				re2, im2 = p.re[2], p.im[2]
			} else if n == 3 {
				re2, im2 = re1, -im1
			}
			p.density[0] = sq(mean/2-re1/2, 0)
			if n > 2 {
				p.density[1] = 2 * sq(re1/2-(mean+re2)/4, im1/2-im2/4)
			} else {
				p.density[1] = sq(re1/2-mean/2, 0)
			}
		}
	} else {
		for k := range p.density {
			p.density[k] = sq(p.re[k], p.im[k])
			if k > 0 && (n%2 == 1 || k < n/2) {
				p.density[k] *= 2
			}
		}
	}
	for k, v := range p.density {
		p.sum[k] += v
	}
}

func sq[T dsp.Float](re, im T) T { return re*re + im*im }

func subtract[T dsp.Float](x []T, mean float64) {
	for i, v := range x {
		x[i] = T(float64(v) - mean)
	}
}

// centre subtracts the mean, twice: the second time what rounding left.
func centre[T dsp.Float](x []T) {
	for range 2 {
		subtract(x, dsp.LevelsOf(x).Mean)
	}
}

func removeLeastSquares[T dsp.Float](x []T) {
	centre(x)
	n := float64(len(x))
	mid, sxy := (n-1)/2, 0.0
	for i, v := range x {
		sxy += (float64(i) - mid) * float64(v)
	}
	slope := sxy / (n * (n*n - 1) / 12)
	if math.IsNaN(slope) || math.IsInf(slope, 0) {
		return
	}
	for i, v := range x {
		x[i] = T(float64(v) - slope*(float64(i)-mid))
	}
}

// lineAmplitude turns the density of a bin into the peak amplitude of a line
// there: √(2·S), S = density·ENBW·df.
func (p power[T]) lineAmplitude(density T) float64 {
	return math.Sqrt(2*float64(density)*p.ENBW*p.StepHz) * p.Amp
}

// shape describes a spectrum without its DC bin.
type shape struct {
	CentroidHz float64
	SpreadHz   float64
	Entropy    float64 // 0 (one line) – 1 (white), of ln(bins)
	Flatness   float64 // geometric over arithmetic mean
	Rolloff95  float64 // Hz below which 95 % of the power lies
}

// shape computes the spectral features of domain practice: p = S/ΣS without DC;
// all NaN when there is no power.
func (p power[T]) shape() shape {
	nan := math.NaN()
	none := shape{nan, nan, nan, nan, nan}
	if len(p.Density) < 2 {
		return none
	}
	s := dsp.ShapeOf(p.Density, 1)
	if !(s.Sum > 0) || math.IsInf(s.Sum, 0) {
		return none
	}
	n := float64(len(p.Density) - 1)
	centre := s.First / s.Sum
	l := dsp.LogsOf(p.Density, 1, 1e-30*s.Top, centre)
	return shape{
		CentroidHz: centre * p.StepHz,
		SpreadHz:   math.Sqrt(l.Spread/s.Sum) * p.StepHz,
		Entropy:    ratio(math.Log(s.Sum)-l.Weighted/s.Sum, math.Log(n)),
		Flatness:   ratio(math.Exp(l.Plain/n), s.Sum/n),
		Rolloff95:  p.rolloff(0.95*s.Sum) * p.StepHz,
	}
}

// rolloff is the bin at which the power from bin 1 on reaches the amount.
func (p power[T]) rolloff(amount float64) float64 {
	const stretch = 256
	below := 0.0
	at := 1
	for at+stretch < len(p.Density) {
		s := dsp.Sum(p.Density[at : at+stretch])
		if below+s >= amount {
			break
		}
		below += s
		at += stretch
	}
	for ; at < len(p.Density)-1; at++ {
		if below += float64(p.Density[at]); below >= amount {
			break
		}
	}
	return float64(at)
}

// floor is the median density without DC: the noise between the lines.
func (p power[T]) floor() float64 {
	if len(p.Density) < 2 {
		return math.NaN()
	}
	return medianOf(slices.Clone(p.Density[1:])) * p.Amp * p.Amp
}

// sortedMedian is the median of sorted values; NaN of none.
func sortedMedian(s []float64) float64 {
	n := len(s)
	if n == 0 {
		return math.NaN()
	}
	if n%2 == 1 {
		return s[n/2]
	}
	return s[n/2-1]/2 + s[n/2]/2
}

// bins are those whose centres lie in [lo, hi).
func (p power[T]) bins(lo, hi float64) (from, to int) {
	at := func(f float64) int { // the first bin at f or above
		k := int(min(max(math.Ceil(f/p.StepHz), 0), float64(len(p.Density))))
		for k > 0 && p.StepHz*float64(k-1) >= f {
			k--
		}
		for k < len(p.Density) && p.StepHz*float64(k) < f {
			k++
		}
		return k
	}
	from = at(lo)
	return from, max(from, at(hi))
}

// bandRMS is √(Σ S·df) over the bins whose centres lie in [lo, hi).
func (p power[T]) bandRMS(lo, hi float64) float64 {
	from, to := p.bins(lo, hi)
	return math.Sqrt(dsp.Sum(p.Density[from:to])*p.StepHz) * p.Amp
}

// harmonicRMS is √(Σ S·df) over ±width bins of the bin nearest f; the local
// maximum within ±search·f is taken first when search is positive.
func (p power[T]) harmonicRMS(f float64, width int, search float64) float64 {
	at := min(int(math.RoundToEven(f/p.StepHz)), len(p.Density)-1)
	if reach := int(search * f / p.StepHz); reach > 0 {
		best := at
		for k := max(1, at-reach); k <= min(len(p.Density)-1, at+reach); k++ {
			if p.Density[k] > p.Density[best] {
				best = k
			}
		}
		at = best
	}
	return math.Sqrt(dsp.Sum(p.Density[max(0, at-width):min(len(p.Density), at+width+1)])*p.StepHz) * p.Amp
}

// velocityRMS integrates an acceleration density (m/s²) to velocity by Parseval:
// v² = Σ S/(2πf)²·df over lo ≤ f ≤ hi, in mm/s RMS (the quantity of ISO 20816).
// inverse is scratch for 1/k², kept from call to call.
func (p power[T]) velocityRMS(lo, hi float64, inverse *[]T) float64 {
	from, to := p.bins(max(lo, p.StepHz), math.Nextafter(hi, math.Inf(1)))
	if to <= from {
		return math.NaN()
	}
	for k := len(*inverse); k < to; k++ {
		*inverse = append(*inverse, T(1/(float64(k)*float64(k))))
	}
	w := 2 * math.Pi * p.StepHz
	return 1000 / w * math.Sqrt(dsp.Dot(p.Density[from:to], (*inverse)[from:to])*p.StepHz) * p.Amp
}
