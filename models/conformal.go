package models

import (
	"math"
	"slices"
	"sort"
)

// P is the split-conformal p-value of a score: (1 + #{sᵢ ≥ s}) / (n + 1) over
// the n calibration scores (Vovk et al. 2005). When only quantiles are kept, the
// count is the largest that they allow. NaN without calibration.
func (k Calibration) P(score float64) float64 {
	q := k.Quantiles
	if len(q) == 0 || math.IsNaN(score) {
		return math.NaN()
	}
	below := sort.SearchFloat64s(q, score) // q[below-1] < score ≤ q[below]
	if len(q) == k.N {
		return float64(1+len(q)-below) / (float64(k.N) + 1)
	}
	// q[i] is the quantile i/(len-1). At least that share of the scores lies at
	// or below the last quantile that is below the score.
	share := 0.0
	switch {
	case below == len(q):
		share = 1
	case below > 0 && len(q) > 1:
		share = float64(below-1) / float64(len(q)-1)
	}
	above := math.Ceil(float64(k.N) * (1 - share))
	return (1 + above) / (float64(k.N) + 1)
}

// In is the calibration of a regime and the limit that goes with it: its own where it
// has one that supports alpha, else that of all regimes together.
func (k Calibration) In(regime string, threshold float64) (Calibration, float64) {
	own, ok := k.Regimes[regime]
	if !ok {
		return k, threshold
	}
	own.Mean, own.Precision = k.Mean, k.Precision
	if threshold <= 0 || k.Alpha <= 0 {
		return own, threshold
	}
	limit := own.Limit(k.Alpha)
	if math.IsInf(limit, 1) {
		return k, threshold
	}
	return own, limit
}

// Limit is the ⌈(n+1)(1−alpha)⌉-th smallest calibration score: healthy scores
// exceed it with probability alpha at most. +Inf when n is too small for alpha:
// nothing may be claimed then.
func (k Calibration) Limit(alpha float64) float64 {
	n := k.N
	// The product is a whole number for the usual n and alpha: rounding error
	// must not lift it to the next.
	rank := int(math.Ceil((float64(n)+1)*(1-alpha) - 1e-9))
	if len(k.Quantiles) == 0 || rank > n {
		return math.Inf(1)
	}
	rank = max(rank, 1)
	if len(k.Quantiles) == n {
		return k.Quantiles[rank-1]
	}
	i := int(math.Ceil(float64(rank) / float64(n) * float64(len(k.Quantiles)-1)))
	return k.Quantiles[min(i, len(k.Quantiles)-1)]
}

// Reject marks the hypotheses that Benjamini and Hochberg's procedure rejects at
// a false discovery rate of level (1995, JRSS B 57:289): for one instant of many
// assets. A NaN is never rejected and does not count.
func Reject(p []float64, level float64) []bool {
	order := make([]int, 0, len(p))
	for i, v := range p {
		if !math.IsNaN(v) {
			order = append(order, i)
		}
	}
	sort.SliceStable(order, func(a, b int) bool { return p[order[a]] < p[order[b]] })
	rejected := make([]bool, len(p))
	for k, i := range slices.Backward(order) {
		if p[i] <= level*float64(k+1)/float64(len(order)) {
			for _, j := range order[:k+1] {
				rejected[j] = true
			}
			break
		}
	}
	return rejected
}
