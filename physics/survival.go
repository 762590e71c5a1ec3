package physics

import (
	"cmp"
	"math"
	"slices"
)

// Lifetime is how long a part lived, or was watched: one that had not failed when
// the watch ended is censored, and tells only that it lives longer.
type Lifetime struct {
	H      float64 // hours, greater than zero
	Failed bool
}

// SurvivalPoint is a row of a life table, at a time of failure.
type SurvivalPoint struct {
	H        float64 `json:"h"`
	AtRisk   int     `json:"at_risk"` // still watched just before
	Failed   int     `json:"failed"`
	Survival float64 `json:"survival"` // Ŝ(t) = Π (1 − d/n) (Kaplan & Meier 1958, JASA 53:457)
	Hazard   float64 `json:"hazard"`   // Ĥ(t) = Σ d/n (Nelson 1969; Aalen 1978)
}

// LifeTable follows lives without assuming a law; a part that is censored at the
// time of a failure was at risk in it. Of no failure the table is empty.
func LifeTable(lives []Lifetime) []SurvivalPoint {
	sorted := watched(lives)
	slices.SortFunc(sorted, func(a, b Lifetime) int { return cmp.Compare(a.H, b.H) })
	var out []SurvivalPoint
	at := SurvivalPoint{Survival: 1}
	for i := 0; i < len(sorted); {
		at.H, at.AtRisk, at.Failed = sorted[i].H, len(sorted)-i, 0
		for ; i < len(sorted) && sorted[i].H == at.H; i++ {
			if sorted[i].Failed {
				at.Failed++
			}
		}
		if at.Failed == 0 {
			continue
		}
		at.Hazard += hazardStep(at.AtRisk, at.Failed)
		at.Survival *= 1 - float64(at.Failed)/float64(at.AtRisk)
		out = append(out, at)
	}
	return out
}

// hazardStep is what d failures among n at risk add to the hazard: Σ 1/(n−i), as
// if they had come one shortly after the other (Fleming & Harrington 1984).
func hazardStep(n, d int) float64 {
	var sum float64
	for i := range d {
		sum += 1 / float64(n-i)
	}
	return sum
}

// SurvivalAt is the survival and the cumulative hazard at t; 1 and 0 before the
// first failure.
func SurvivalAt(table []SurvivalPoint, t float64) (survival, hazard float64) {
	survival = 1
	for _, p := range table {
		if p.H > t {
			break
		}
		survival, hazard = p.Survival, p.Hazard
	}
	return survival, hazard
}

// watched drops what is no lifetime.
func watched(lives []Lifetime) []Lifetime {
	return slices.DeleteFunc(slices.Clone(lives), func(l Lifetime) bool { return !(l.H > 0) || math.IsInf(l.H, 1) })
}

// fewestFailures is how many ends a law is fitted to: of one, the shape is unknown.
const fewestFailures = 2

// FitWeibull is the maximum likelihood fit with the shape within bounds: the shape
// k solves Σ tᵏ ln t / Σ tᵏ − 1/k = mean of ln t over failures, the scale is
// (Σ tᵏ / r)^(1/k) with r failures (Lawless 2003, sec. 5.2). False when fewer than
// two lives ended in a failure: nothing is known of how they differ.
func FitWeibull(lives []Lifetime, leastShape, mostShape float64) (Weibull, bool) {
	lives = watched(lives)
	var logs, r, most float64
	for _, l := range lives {
		most = math.Max(most, l.H)
		if l.Failed {
			logs += math.Log(l.H)
			r++
		}
	}
	if r < fewestFailures {
		return Weibull{}, false
	}
	sums := func(k float64) (sum, weighted float64) {
		for _, l := range lives {
			p := math.Pow(l.H/most, k) // in units of the longest: no power overflows
			sum += p
			weighted += p * math.Log(l.H)
		}
		return sum, weighted
	}
	lo, hi := leastShape, mostShape
	for range 100 { // the left side rises with k
		k := (lo + hi) / 2
		if sum, weighted := sums(k); weighted/sum-1/k < logs/r {
			lo = k
		} else {
			hi = k
		}
	}
	k := (lo + hi) / 2
	sum, _ := sums(k)
	return Weibull{Scale: most * math.Pow(sum/r, 1/k), Shape: k}, true
}

// Survives is S(t).
func (w Weibull) Survives(t float64) float64 {
	return math.Exp(-math.Pow(math.Max(t, 0)/w.Scale, w.Shape))
}

// LogLikelihood is Σ ln f(t) over failures plus Σ ln S(t) over censored lives.
func (w Weibull) LogLikelihood(lives []Lifetime) float64 {
	var sum float64
	for _, l := range watched(lives) {
		z := math.Log(l.H / w.Scale)
		sum -= math.Exp(w.Shape * z)
		if l.Failed {
			sum += math.Log(w.Shape/w.Scale) + (w.Shape-1)*z
		}
	}
	return sum
}
