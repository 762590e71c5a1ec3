package features

import (
	"math"

	"github.com/telltale-iot/telltale/dsp"
)

// combLines bounds the harmonics that a comb is made of.
const combLines = 8

// mostSigma is what one line may add: a comb is several lines, not one.
const mostSigma = 8

// stands is how far a comb of lines stands out of the noise around each of them, in
// standard deviations of it: the mean over the harmonics first … last times the root
// of their number, at the one slip within ±slip that fits best, less one at the ends
// of that range, since small slips are likelier. On noise half of all combs stand at
// less than 2, 99 % at less than 4. Bins of the shaft count nothing. Where the strikes
// come and go at side Hz, a line counts with its two sidebands when they add to it.
func (c *comb[T]) stands(spectrum []T, stepHz, f, shaftHz, side, slip float64, first, last int) float64 {
	var med, sigma [combLines]float64
	n := 0
	for k := first; k <= last; k++ {
		m, s, ok := c.around(spectrum, float64(k)*f/stepHz, 0.3*f/stepHz, slip)
		if !ok {
			break
		}
		med[n], sigma[n] = m, s
		n++
	}
	if n < 2 {
		return nan
	}
	shaft := shaftHz / stepHz
	top := float64(first+n-1) * f / stepHz
	steps := int(math.Ceil(slip * top))
	best := math.Inf(-1)
	for j := -steps; j <= steps; j++ {
		sum := 0.0
		for i := range n {
			at := float64(first+i) * f / stepHz * (1 + float64(j)/top)
			z := height(spectrum, at, med[i], sigma[i], shaft)
			if side > 0 {
				around := z + height(spectrum, at-side/stepHz, med[i], sigma[i], shaft) + height(spectrum, at+side/stepHz, med[i], sigma[i], shaft)
				z = max(z, around/math.Sqrt(3))
			}
			sum += min(z, mostSigma)
		}
		best = max(best, sum/math.Sqrt(float64(n))-math.Abs(float64(j))/float64(max(steps, 1)))
	}
	return best
}

// height of the bin at a place over its noise; 0 where it cannot be told.
func height[T dsp.Float](spectrum []T, at, med, sigma, shaft float64) float64 {
	k := int(math.Round(at))
	if k < 1 || k >= len(spectrum) || ofShaft(k, shaft) {
		return 0
	}
	return min((float64(spectrum[k])-med)/sigma, mostSigma)
}

// around is the median of the bins beside a line and their deviation, from the lower
// half alone: lines stand in the upper one.
func (c *comb[T]) around(spectrum []T, at, reach, slip float64) (med, sigma float64, ok bool) {
	last := float64(len(spectrum) - 1)
	half := max(slip*at, 2)
	if at+half > last {
		return 0, 0, false
	}
	reach = max(reach, half+8)
	from, to := max(1, int(at-reach)), int(min(last, at+reach))
	c.sort = append(c.sort[:0], spectrum[from:to+1]...)
	middle := len(c.sort) / 2
	med = float64(nth(c.sort, middle))
	sigma = madToSigma * (med - float64(nth(c.sort[:middle], middle/2)))
	return med, sigma, sigma > 0
}

// ofShaft reports whether bin k cannot be told from a multiple of the shaft's.
func ofShaft(k int, shaft float64) bool {
	if shaft < shaftApart {
		return false
	}
	r := float64(k) / shaft
	return math.Abs(r-math.Round(r))*shaft <= shaftBins
}
