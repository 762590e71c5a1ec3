package features

import (
	"math"
	"slices"
)

// madToSigma is 1/Φ⁻¹(3/4): it makes the median absolute deviation of a normal
// sample estimate its standard deviation (Rousseeuw & Croux 1993, JASA 88:1273).
const madToSigma = 1.482602218505602

// RobustStats describes a sample by order statistics. All are NaN when it is empty.
type RobustStats struct {
	N      int     // values that are not missing
	Median float64 // type 7
	MAD    float64 // median absolute deviation × 1.4826
	IQR    float64 // type 7 quartiles
	Min    float64
	Max    float64
}

// Robust describes the values of x that are not NaN.
func Robust(x []float64) RobustStats {
	v := known(x)
	nan := math.NaN()
	if len(v) == 0 {
		return RobustStats{Median: nan, MAD: nan, IQR: nan, Min: nan, Max: nan}
	}
	slices.Sort(v)
	s := RobustStats{N: len(v), Median: sortedQuantile(v, 0.5), Min: v[0], Max: v[len(v)-1]}
	s.IQR = sortedQuantile(v, 0.75) - sortedQuantile(v, 0.25)
	d := make([]float64, len(v))
	for i, a := range v {
		d[i] = math.Abs(a - s.Median)
	}
	slices.Sort(d)
	s.MAD = madToSigma * sortedQuantile(d, 0.5)
	return s
}

// Z is the robust score of a; NaN when the spread is zero, because a baseline
// then needs a floor that only its owner knows.
func (s RobustStats) Z(a float64) float64 {
	if !(s.MAD > 0) {
		return math.NaN()
	}
	return (a - s.Median) / s.MAD
}

// known returns a copy of x without NaN.
func known(x []float64) []float64 {
	v := make([]float64, 0, len(x))
	for _, a := range x {
		if !math.IsNaN(a) {
			v = append(v, a)
		}
	}
	return v
}

// sortedQuantile is the type 7 quantile of a sorted sample (Hyndman & Fan 1996);
// NaN when it is empty.
func sortedQuantile(v []float64, p float64) float64 {
	if len(v) == 0 {
		return math.NaN()
	}
	h := p * float64(len(v)-1)
	i := int(math.Floor(h))
	if i+1 >= len(v) {
		return v[len(v)-1]
	}
	return v[i] + (h-float64(i))*(v[i+1]-v[i])
}

// meanStd returns mean and population standard deviation of the known values,
// in two passes so that a large mean costs no digits.
func meanStd(x []float64) (mean, std float64, n int) {
	sum := 0.0
	for _, a := range x {
		if !math.IsNaN(a) {
			sum += a
			n++
		}
	}
	if n == 0 {
		return math.NaN(), math.NaN(), 0
	}
	mean = sum / float64(n)
	ss := 0.0
	for _, a := range x {
		if !math.IsNaN(a) {
			ss += (a - mean) * (a - mean)
		}
	}
	return mean, math.Sqrt(ss / float64(n)), n
}

// slowShare is the share of a sample's variance that lies between eight
// consecutive blocks of it: near 1/8 of nothing for noise, near 1 for a trend.
func slowShare(x []float64) float64 {
	v := known(x)
	const blocks = 8
	if len(v) < 4*blocks {
		return 0
	}
	mean, std, _ := meanStd(v)
	if !(std > 0) {
		return 0
	}
	between := 0.0
	for b := range blocks {
		m, _, _ := meanStd(v[b*len(v)/blocks : (b+1)*len(v)/blocks])
		between += (m - mean) * (m - mean) / blocks
	}
	return between / (std * std)
}

// clamp limits x to [-limit, limit]; NaN stays NaN.
func clamp(x, limit float64) float64 { return math.Max(-limit, math.Min(limit, x)) }
