package features

import (
	"math"
	"math/cmplx"
	"slices"
)

// power is a one-sided power spectral density in unit²/Hz.
type power struct {
	Density []float64 // by bin; interior bins doubled
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

// hannBin is bin k of the Hann-windowed transform, from the bins of the plain
// one: ½X[k] − ¼(X[k−1] + X[k+1]). x is one-sided, of n samples.
func hannBin(x []complex128, n, k int) complex128 {
	last := len(x) - 1
	before, after := k-1, k+1
	var b, a complex128
	if before < 0 {
		b = cmplx.Conj(x[min(1, last)])
	} else {
		b = x[before]
	}
	switch {
	case after <= last:
		a = x[after]
	default:
		a = cmplx.Conj(x[n-after])
	}
	return 0.5*x[k] - 0.25*(b+a)
}

// periodogram adds the density of one segment, whose plain transform is x, to sum.
func periodogram(sum []float64, x []complex128, n int, rateHz float64, w taper) {
	scale := 1 / (rateHz * float64(n)) // Σw² of the boxcar
	if w == hann {
		scale = 1 / (rateHz * float64(n) * 3 / 8)
	}
	for k := range x {
		c := x[k]
		if w == hann {
			c = hannBin(x, n, k)
		}
		p := scale * (real(c)*real(c) + imag(c)*imag(c))
		if k > 0 && (n%2 == 1 || k < n/2) {
			p *= 2
		}
		sum[k] += p
	}
}

// detrend is what is removed from each segment.
type detrend int

const (
	removeMean detrend = iota
	removeNothing
	removeLine
)

// welcher averages densities. It reuses its memory: what it returned is valid
// until the next call.
type welcher struct {
	plans   *plans
	segment []float64
	bins    []complex128 // plain transform of the last detrended segment
	density []float64
}

// welch is the averaged density of x in segments of n samples that overlap by
// overlap samples, and their number; a tail that fills no segment is dropped
// (Welch 1967). A segment longer than x shrinks to x.
func (p *welcher) welch(x []float64, rateHz float64, n, overlap int, d detrend, w taper) (power, int) {
	if n > len(x) {
		n = len(x)
		overlap = n / 2
	}
	if n < 2 || !(rateHz > 0) {
		return power{}, 0
	}
	overlap = max(0, min(overlap, n-1))
	p.density, p.segment = resize(p.density, n/2+1), resize(p.segment, n)
	clear(p.density)
	k := 0
	for at := 0; at+n <= len(x); at += n - overlap {
		copy(p.segment, x[at:at+n])
		d.apply(p.segment)
		p.bins = p.plans.half(p.bins, p.segment)
		periodogram(p.density, p.bins, n, rateHz, w)
		k++
	}
	for i := range p.density {
		p.density[i] /= float64(k)
	}
	return power{Density: p.density, StepHz: rateHz / float64(n), N: n, ENBW: w.enbw()}, k
}

func (w taper) enbw() float64 {
	if w == hann {
		return 1.5
	}
	return 1
}

func (d detrend) apply(x []float64) {
	switch d {
	case removeMean:
		centre(x)
	case removeLine:
		removeLeastSquares(x)
	case removeNothing:
	}
}

// centre subtracts the mean, twice: the second time what rounding left.
func centre(x []float64) {
	for range 2 {
		sum := 0.0
		for _, v := range x {
			sum += v
		}
		mean := sum / float64(len(x))
		for i := range x {
			x[i] -= mean
		}
	}
}

func removeLeastSquares(x []float64) {
	centre(x)
	n := float64(len(x))
	mid, sxy := (n-1)/2, 0.0
	for i, v := range x {
		sxy += (float64(i) - mid) * v
	}
	slope := sxy / (n * (n*n - 1) / 12)
	if math.IsNaN(slope) || math.IsInf(slope, 0) {
		return
	}
	for i := range x {
		x[i] -= slope * (float64(i) - mid)
	}
}

// lineAmplitude turns a density into the peak amplitude of a line at its bin:
// √(2·S), S = density·ENBW·df.
func (p power) lineAmplitude(density float64) float64 {
	return math.Sqrt(2 * density * p.ENBW * p.StepHz)
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
func (p power) shape() shape {
	nan := math.NaN()
	none := shape{nan, nan, nan, nan, nan}
	if len(p.Density) < 2 {
		return none
	}
	s := p.Density[1:]
	total, top := 0.0, 0.0
	for _, v := range s {
		total += v
		top = max(top, v)
	}
	if total <= 0 || math.IsInf(total, 0) || math.IsNaN(total) {
		return none
	}
	out := shape{}
	logs, below := 0.0, 0.0
	found := false
	for i, v := range s {
		q, f := v/total, p.StepHz*float64(i+1)
		out.CentroidHz += q * f
		if q > 0 {
			out.Entropy -= q * math.Log(q)
		}
		logs += math.Log(max(v, 1e-30*top))
		below += v
		if !found && below >= 0.95*total {
			out.Rolloff95, found = f, true
		}
	}
	for i, v := range s {
		d := p.StepHz*float64(i+1) - out.CentroidHz
		out.SpreadHz += v / total * d * d
	}
	n := float64(len(s))
	out.SpreadHz = math.Sqrt(out.SpreadHz)
	out.Entropy = ratio(out.Entropy, math.Log(n))
	out.Flatness = ratio(math.Exp(logs/n), total/n)
	return out
}

// floor is the median density without DC: the noise between the lines.
func (p power) floor() float64 {
	if len(p.Density) < 2 {
		return math.NaN()
	}
	s := slices.Clone(p.Density[1:])
	slices.Sort(s)
	return sortedMedian(s)
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

// bandRMS is √(Σ S·df) over the bins whose centres lie in [lo, hi).
func (p power) bandRMS(lo, hi float64) float64 {
	sum := 0.0
	for k, v := range p.Density {
		if f := p.StepHz * float64(k); f >= lo && f < hi {
			sum += v
		}
	}
	return math.Sqrt(sum * p.StepHz)
}

// harmonicRMS is √(Σ S·df) over ±width bins of the bin nearest f; the local
// maximum within ±search·f is taken first when search is positive.
func (p power) harmonicRMS(f float64, width int, search float64) float64 {
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
	sum := 0.0
	for k := max(0, at-width); k <= min(len(p.Density)-1, at+width); k++ {
		sum += p.Density[k]
	}
	return math.Sqrt(sum * p.StepHz)
}

// velocityRMS integrates an acceleration density (m/s²) to velocity by Parseval:
// v² = Σ S/(2πf)²·df over lo ≤ f ≤ hi, in mm/s RMS (the quantity of ISO 20816).
func (p power) velocityRMS(lo, hi float64) float64 {
	sum, inside := 0.0, false
	for k := 1; k < len(p.Density); k++ {
		f := p.StepHz * float64(k)
		if f < lo || f > hi {
			continue
		}
		w := 2 * math.Pi * f
		sum += p.Density[k] / (w * w)
		inside = true
	}
	if !inside {
		return math.NaN()
	}
	return 1000 * math.Sqrt(sum*p.StepHz)
}
