package features

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/optimize"
)

// ConformalP is the split conformal p-value (1 + #{cᵢ ≥ s}) / (n + 1) of a score
// against sorted calibration scores (Vovk et al. 2005). It is 1 for none.
func ConformalP(sorted []float64, s float64) float64 {
	i, _ := slices.BinarySearch(sorted, s)
	return float64(1+len(sorted)-i) / float64(len(sorted)+1)
}

// ConformalLimit is the ⌈(n+1)(1−α)⌉-th smallest calibration score; NaN when the
// sample is too small to claim α.
func ConformalLimit(sorted []float64, alpha float64) float64 {
	n := len(sorted)
	k := int(math.Ceil(float64(n+1)*(1-alpha) - 1e-9))
	if k > n || k < 1 {
		return math.NaN()
	}
	return sorted[k-1]
}

// GPD is a generalised Pareto tail above T: P(X > T+e) = Share·(1+ξe/σ)^(−1/ξ)
// (Pickands 1975; Siffer et al. 2017, KDD, for the use on streams).
type GPD struct {
	T     float64 `json:"t"`
	Xi    float64 `json:"xi"`
	Sigma float64 `json:"sigma"`
	Share float64 `json:"share"` // of samples above T
}

// Quantile is the level exceeded with probability q per sample.
func (g GPD) Quantile(q float64) float64 {
	r := q / g.Share
	if math.Abs(g.Xi) < 1e-9 {
		return g.T - g.Sigma*math.Log(r)
	}
	return g.T + g.Sigma/g.Xi*(math.Pow(r, -g.Xi)-1)
}

// gpdLogLik is the log likelihood of excesses e; -Inf outside the support.
func gpdLogLik(e []float64, xi, sigma float64) float64 {
	if !(sigma > 0) {
		return math.Inf(-1)
	}
	sum := 0.0
	for _, x := range e {
		if math.Abs(xi) < 1e-9 {
			sum += x / sigma
			continue
		}
		a := 1 + xi*x/sigma
		if a <= 0 {
			return math.Inf(-1)
		}
		sum += (1 + 1/xi) * math.Log(a)
	}
	return -float64(len(e))*math.Log(sigma) - sum
}

// FitGPD fits the tail strictly above the type 7 quantile at level by maximum
// likelihood. ok is false with fewer than 20 peaks or a shape |ξ| > 0.5, which
// no extrapolation should be built on.
func FitGPD(x []float64, level float64) (g GPD, ok bool) {
	v := known(x)
	slices.Sort(v)
	if len(v) == 0 {
		return GPD{}, false
	}
	g.T = sortedQuantile(v, level)
	var e []float64
	for _, a := range v {
		if a > g.T {
			e = append(e, a-g.T)
		}
	}
	if len(e) < 20 {
		return g, false
	}
	g.Share = float64(len(e)) / float64(len(v))
	mean, std, _ := meanStd(e)
	if !(mean > 0) || !(std > 0) {
		return g, false
	}
	// Start at the moment estimate (Hosking & Wallis 1987).
	r := mean * mean / (std * std)
	start := []float64{clamp(0.5*(1-r), 0.45), math.Log(mean)}
	problem := optimize.Problem{Func: func(p []float64) float64 {
		if l := gpdLogLik(e, p[0], math.Exp(p[1])); !math.IsInf(l, -1) {
			return -l
		}
		return 1e300
	}}
	res, err := optimize.Minimize(problem, start, &optimize.Settings{MajorIterations: 2000, Converger: &optimize.FunctionConverge{Absolute: 1e-12, Relative: 1e-12, Iterations: 200}}, &optimize.NelderMead{})
	if err != nil || res == nil {
		return g, false
	}
	g.Xi, g.Sigma = res.X[0], math.Exp(res.X[1])
	return g, math.Abs(g.Xi) <= 0.5
}

// Calibration turns a detector's score into a probability on a healthy machine:
// split conformal inside the learning scores, an extrapolated tail beyond them.
type Calibration struct {
	N      int       `json:"n"`
	Sorted []float64 `json:"sorted"` // calibration scores, or 512 evenly spaced quantiles of them
	Tail   GPD       `json:"tail"`
}

// calibrate learns from the scores of the learning span. The tail is a fitted
// Pareto when there is enough of it, never lighter than exponential, and
// exponential above the 90 % quantile otherwise.
func calibrate(scores []float64) Calibration {
	v := known(scores)
	slices.Sort(v)
	c := Calibration{N: len(v), Sorted: v}
	if len(v) == 0 {
		return c
	}
	g, ok := GPD{}, false
	if len(v) >= 2000 {
		g, ok = FitGPD(v, 0.98)
	}
	if !ok {
		g = GPD{T: sortedQuantile(v, 0.9)}
		n := 0
		for _, a := range v {
			if a > g.T {
				g.Sigma += a - g.T
				n++
			}
		}
		if n > 0 {
			g.Sigma /= float64(n)
		}
		g.Share = math.Max(float64(n), 1) / float64(len(v))
	}
	g.Xi = math.Max(g.Xi, 0)
	g.Sigma = math.Max(g.Sigma, 1e-3*math.Max(1, math.Abs(g.T)))
	c.Tail = g
	if len(v) > 512 {
		q := make([]float64, 512)
		for i := range q {
			q[i] = sortedQuantile(v, float64(i)/511)
		}
		c.Sorted = q
	}
	return c
}

// Limit is the score exceeded with probability p by a healthy machine; NaN when
// nothing was learned.
func (c Calibration) Limit(p float64) float64 {
	if c.N == 0 {
		return math.NaN()
	}
	if p >= c.Tail.Share {
		return ConformalLimit(c.Sorted, p)
	}
	return c.Tail.Quantile(p)
}

// P is the probability of a score of at least s. Further out than a tenth of
// 1/n, which no sample of n supports, it falls only with the third power of the
// excess. NaN when nothing was learned.
func (c Calibration) P(s float64) float64 {
	if c.N == 0 || math.IsNaN(s) {
		return math.NaN()
	}
	if s <= c.Tail.T {
		return math.Max(ConformalP(c.Sorted, s), c.Tail.Share)
	}
	g, e := c.Tail, s-c.Tail.T
	far := 1 / (10 * float64(c.N+1))
	if eFar := g.Quantile(far) - g.T; e > eFar && eFar > 0 {
		return far * (eFar / e) * (eFar / e) * (eFar / e)
	}
	if g.Xi < 1e-9 {
		return g.Share * math.Exp(-e/g.Sigma)
	}
	return g.Share * math.Pow(1+g.Xi*e/g.Sigma, -1/g.Xi)
}
