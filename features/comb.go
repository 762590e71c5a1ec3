package features

import (
	"math"

	"github.com/telltale-iot/telltale/dsp"
)

// combLines bounds the harmonics that a comb is made of.
const combLines = 8

// mostSigma is what one line may add: a comb is several lines, not one.
const mostSigma = 8

// lineSet is where the harmonics of a family are looked for in a spectrum, and the
// noise around each.
type lineSet struct {
	first, n   int // harmonics first … first+n−1
	at         [combLines]float64
	med, sigma [combLines]float64
}

// linesOf takes the noise around the harmonics first … last of f Hz, up to the first
// one that the spectrum does not reach.
func (c *comb[T]) linesOf(spectrum []T, stepHz, f, slip float64, first, last int) lineSet {
	l := lineSet{first: first}
	for k := first; k <= last; k++ {
		at := float64(k) * f / stepHz
		med, sigma, ok := c.around(spectrum, at, 0.3*f/stepHz, slip)
		if !ok {
			break
		}
		l.at[l.n], l.med[l.n], l.sigma[l.n] = at, med, sigma
		l.n++
	}
	return l
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
	m, q, small := dsp.RankedPair(c.sort, middle, middle/2)
	if !small {
		m = nth(c.sort, middle)
		q = nth(c.sort[:middle], middle/2)
	}
	sigma = madToSigma * float64(m-q)
	return float64(m), sigma, sigma > 0
}

// stands is how far a comb of lines stands out of the noise around each of them, in
// standard deviations of it: the mean over the harmonics times the root of their
// number, at the one slip within ±slip that fits best, less one at the ends of that
// range, since small slips are likelier. On noise half of all combs stand at less than
// 2, 99 % at less than 5. Bins of the shaft count nothing. Where the strikes come and
// go at side Hz, a line counts with its two sidebands when they add to it.
func (c *comb[T]) stands(spectrum []T, stepHz float64, l lineSet, shaftHz, side, slip float64) float64 {
	if l.n < 2 {
		return nan
	}
	shaft, apart := shaftHz/stepHz, int(math.Round(side/stepHz))
	var from [combLines + 1]int // into heights, by harmonic
	var lowest [combLines]int   // bin of its first
	c.heights = c.heights[:0]
	for i := range l.n {
		lo, hi := int(math.Round(l.at[i]*(1-slip))), int(math.Round(l.at[i]*(1+slip)))
		from[i], lowest[i] = len(c.heights), lo
		for k := lo; k <= hi; k++ {
			z := height(spectrum, k, l.med[i], l.sigma[i], shaft)
			if apart > 0 {
				both := height(spectrum, k-apart, l.med[i], l.sigma[i], shaft) + height(spectrum, k+apart, l.med[i], l.sigma[i], shaft)
				z = min(max(z, (z+both)/math.Sqrt(3)), mostSigma)
			}
			c.heights = append(c.heights, z)
		}
	}
	top := l.at[l.n-1]
	steps := max(1, int(math.Ceil(slip*top)))
	best := math.Inf(-1)
	for j := -steps; j <= steps; j++ {
		sum, share := 0.0, float64(j)/float64(steps)
		for i := range l.n {
			k := int(math.Round(l.at[i] * (1 + slip*share)))
			sum += c.heights[from[i]+k-lowest[i]]
		}
		best = max(best, sum/math.Sqrt(float64(l.n))-math.Abs(share))
	}
	return best
}

// height of a bin over its noise; 0 where it cannot be told.
func height[T dsp.Float](spectrum []T, k int, med, sigma, shaft float64) float64 {
	if k < 1 || k >= len(spectrum) || ofShaft(k, shaft) {
		return 0
	}
	return min((float64(spectrum[k])-med)/sigma, mostSigma)
}

// sidebands counts the lines k·f ± g that stand found times over the noise around k·f.
func (l lineSet) sidebands(found float64, high func(at float64) float64, g float64) int {
	count := 0
	for i := range l.n {
		for _, at := range [...]float64{l.at[i] - g, l.at[i] + g} {
			if at > 0 && high(at) >= found*l.med[i] {
				count++
			}
		}
	}
	return count
}

// ofShaft reports whether bin k cannot be told from a multiple of the shaft's.
func ofShaft(k int, shaft float64) bool {
	if shaft < shaftApart {
		return false
	}
	r := float64(k) / shaft
	return math.Abs(r-float64(int(r+0.5)))*shaft <= shaftBins
}
