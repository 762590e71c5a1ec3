package features

import (
	"math"
	"slices"

	"github.com/telltale-iot/telltale/asset"
)

// Excursions is the tail of a statistic that a healthy machine lets return to zero
// again and again: it goes beyond h in Rate(h) excursions per value. Between two
// returns the largest value of a CUSUM has an exponential tail, whatever the values
// are, while they have moments (Lundberg's bound; Asmussen 2003, Applied Probability
// and Queues, ch. XIII), and one excursion is one alarm, however long it lasts.
type Excursions struct {
	N     int     `json:"n"`     // values
	Peaks int     `json:"peaks"` // excursions beyond T
	T     float64 `json:"t"`
	Sigma float64 `json:"sigma"` // mean excess
}

// LearnExcursions takes the statistic over a healthy span in order; what is no
// number is left out. The tail begins at the upper fifth of the excursions, or where
// it has 30 of them. why is ReasonFew below 20 excursions and ReasonFlat where they
// have no tail.
func LearnExcursions(s []float64) (e Excursions, why asset.Reason) {
	var peaks []float64
	top := 0.0
	for _, v := range s {
		if !finite(v) {
			continue
		}
		e.N++
		if v > 0 {
			top = max(top, v)
			continue
		}
		if top > 0 {
			peaks = append(peaks, top)
		}
		top = 0
	}
	if top > 0 {
		peaks = append(peaks, top)
	}
	if len(peaks) < leastPeaks {
		return e, ReasonFew
	}
	slices.Sort(peaks)
	k := min(max(len(peaks)/5, likelyPeaks), len(peaks)-1)
	e.T = peaks[len(peaks)-1-k]
	for _, p := range peaks {
		if p > e.T {
			e.Sigma += p - e.T
			e.Peaks++
		}
	}
	if e.Peaks == 0 || !(e.Sigma > 0) || math.IsInf(e.Sigma, 0) {
		return e, ReasonFlat
	}
	e.Sigma /= float64(e.Peaks)
	return e, ""
}

// Rate is how many excursions per value go beyond h, at least at T.
func (e Excursions) Rate(h float64) float64 {
	return float64(e.Peaks) / float64(e.N) * math.Exp(-math.Max(h-e.T, 0)/e.Sigma)
}

// Limit is the h of Rate(h) = p, at least T.
func (e Excursions) Limit(p float64) float64 {
	return e.T + e.Sigma*math.Max(math.Log(float64(e.Peaks)/float64(e.N)/p), 0)
}

// siegmundLimit is the limit h of a one-sided CUSUM of allowance k that standard
// normal values pass once in 1/p, from the approximation ARL = (e^{2kb} − 2kb −
// 1)/(2k²) with b = h + 1.166 (Siegmund 1985, Sequential Analysis, 2.52); k = 0 is
// ARL = b².
func siegmundLimit(k, p float64) float64 {
	b := 1 / math.Sqrt(p)
	if k > 1e-6 {
		b = bisect(func(b float64) float64 { return (math.Expm1(2*k*b) - 2*k*b) / (2 * k * k) }, 1/p, 0, 350/k)
	}
	return math.Max(b-1.166, 0)
}
