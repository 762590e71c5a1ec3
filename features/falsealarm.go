package features

import (
	"fmt"
	"math"
)

// daysPerYear is the mean Julian year's.
const daysPerYear = 365.25

// FalseAlarms is the statement that a limit carries: what it costs on an asset
// that is healthy. NaN is missing: the method then says why.
type FalseAlarms struct {
	Method string
	P      float64 // of a false verdict per evaluation
	PerDay float64 // evaluations
	// PerYear is how many false alarms to expect per asset-year, where verdicts that
	// follow each other count once if the method can tell.
	PerYear float64
}

// stated makes the statement of a verdict of probability p that begins with
// probability begins per evaluation. Anything that is no probability is missing.
func stated(method string, p, begins, perDay float64) FalseAlarms {
	f := FalseAlarms{Method: method, P: p, PerDay: perDay, PerYear: begins * perDay * daysPerYear}
	if !(p >= 0 && p <= 1) {
		f.P = math.NaN()
	}
	if !(perDay >= 0) || math.IsInf(perDay, 0) {
		f.PerDay = math.NaN()
	}
	if !finite(f.P, f.PerDay, f.PerYear) {
		f.PerYear = math.NaN()
	}
	return f
}

// LimitFalseAlarms states a plain limit that a healthy score exceeds with
// probability p, evaluations being independent.
func LimitFalseAlarms(p, perDay float64) FalseAlarms {
	return stated("limit on independent scores", p, p, perDay)
}

// MOfNFalseAlarms states an alarm of at least m of the last n evaluations, each
// above its limit with probability p on its own. P is the binomial tail MOfN. An
// alarm begins when an exceedance makes m of what was m−1 and the one that leaves
// was none: p·(1−p)·C(n−1, m−1)·p^(m−1)·(1−p)^(n−m) per evaluation. Windows that
// overlap are not independent, and cost more.
func MOfNFalseAlarms(m, n int, p, perDay float64) FalseAlarms {
	method := fmt.Sprintf("%d of %d independent scores", m, n)
	if m < 1 || n < m || !(p >= 0 && p <= 1) {
		return stated(method, math.NaN(), math.NaN(), perDay)
	}
	return stated(method, MOfN(m, n, p), beginsMOfN(m, n, p), perDay)
}

func beginsMOfN(m, n int, p float64) float64 {
	if n == 1 {
		return p * (1 - p)
	}
	lg, _ := math.Lgamma(float64(n))
	a, _ := math.Lgamma(float64(m))
	b, _ := math.Lgamma(float64(n - m + 1))
	return math.Exp(lg-a-b) * math.Pow(p, float64(m)) * math.Pow(1-p, float64(n-m+1))
}

// CUSUMFalseAlarms states a CUSUM with allowance k and limit h that begins anew
// after each alarm, on independent N(0, 1) scores: 1/ARL per evaluation, twice that
// on both sides, since 1/ARL adds up (Brook & Evans 1972, Biometrika 59:539).
func CUSUMFalseAlarms(k, h float64, twoSided bool, perDay float64) FalseAlarms {
	sides, p := "one-sided", math.NaN()
	// Beyond these limits the chain's arithmetic has no digits left to tell.
	if k >= 0 && k <= 10 && h > 0 && h <= 50 {
		if arl := CusumARL(k, h, 0, 100); arl >= 1 && !math.IsInf(arl, 0) {
			p = 1 / arl
		}
	}
	if twoSided {
		sides, p = "two-sided", min(2*p, 1)
	}
	return stated(fmt.Sprintf("%s CUSUM on independent normal scores, k = %g, h = %g: 1/ARL", sides, k, h), p, p, perDay)
}

// FalseAlarms states the limit of the stream: q per score, clusters counted once.
// It holds as far as the tail of the learning span is the healthy machine's.
func (s *SPOT) FalseAlarms(perDay float64) FalseAlarms {
	method := fmt.Sprintf("peaks over the %g quantile, %d of %d scores, declustered by %d", s.Options.Level, s.Clusters, s.N, s.Options.Run)
	p := s.Options.Q
	if s.N == 0 || !finite(s.Limit) {
		p = math.NaN()
	}
	return stated(method, p, p, perDay)
}

// FalseAlarms is the budget as a statement for so many evaluations a day; NaN
// where the method says that nobody can tell.
func (b Budget) FalseAlarms(perDay float64) FalseAlarms {
	return stated(b.Method, b.P, b.P, perDay)
}

// FleetQ is the probability per evaluation that gives a whole fleet so many false
// alarms a day: 1/day over 200 assets of 40 channels and 144 evaluations is
// 8.7e-7. NaN for a fleet of nothing.
func FleetQ(alarmsPerDay float64, assets, channels int, perDay float64) float64 {
	if !(alarmsPerDay >= 0) || assets < 1 || channels < 1 || !(perDay > 0) {
		return math.NaN()
	}
	return min(ratio(alarmsPerDay, float64(assets)*float64(channels)*perDay), 1)
}

// MOfNScoreQ is the probability per score at which alarms of m of n begin with
// probability q per evaluation: how far each score's limit may be lowered. NaN
// when no p up to m/(n+1), where they begin most often, gives so many.
func MOfNScoreQ(m, n int, q float64) float64 {
	if m < 1 || n < m || !(q > 0) {
		return math.NaN()
	}
	lo, hi := math.Log(5e-324), math.Log(float64(m)/float64(n+1))
	if n == 1 {
		hi = math.Log(0.5)
	}
	if beginsMOfN(m, n, math.Exp(hi)) < q {
		return math.NaN()
	}
	return math.Exp(bisect(func(u float64) float64 { return beginsMOfN(m, n, math.Exp(u)) }, q, lo, hi))
}
