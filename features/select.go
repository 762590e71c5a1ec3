package features

import (
	"math"

	"github.com/telltale-iot/telltale/dsp"
)

// medianOf is the median of x, which it reorders; NaN of none. Few values are
// sorted by insertion, many are split until the middle ones stand (Hoare 1961).
func medianOf[T dsp.Float](x []T) float64 {
	n := len(x)
	if n == 0 {
		return math.NaN()
	}
	if a, b, ok := dsp.RankedPair(x, (n-1)/2, n/2); ok {
		return float64(a)/2 + float64(b)/2
	}
	upper := nth(x, n/2)
	if n%2 == 1 {
		return float64(upper)
	}
	lower := x[0]
	for _, v := range x[1 : n/2] {
		lower = max(lower, v)
	}
	return float64(lower)/2 + float64(upper)/2
}

// nth puts the k-th smallest in its place, smaller ones before it, and returns it.
func nth[T dsp.Float](x []T, k int) T {
	lo, hi := 0, len(x)-1
	for hi-lo > 24 {
		mid := lo + (hi-lo)/2
		a, b, c := x[lo], x[mid], x[hi]
		pivot := max(min(a, b), min(max(a, b), c))
		i, j := lo, hi
		for i <= j {
			for x[i] < pivot {
				i++
			}
			for x[j] > pivot {
				j--
			}
			if i <= j {
				x[i], x[j] = x[j], x[i]
				i, j = i+1, j-1
			}
		}
		switch {
		case k <= j:
			hi = j
		case k >= i:
			lo = i
		default:
			return x[k]
		}
	}
	for i := lo + 1; i <= hi; i++ {
		v := x[i]
		j := i
		for ; j > lo && x[j-1] > v; j-- {
			x[j] = x[j-1]
		}
		x[j] = v
	}
	return x[k]
}
