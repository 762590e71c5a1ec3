package physics

import "math"

// normalCDF is Φ(z).
func normalCDF(z float64) float64 { return 0.5 * math.Erfc(-z/math.Sqrt2) }

// normalQuantile is Φ⁻¹(p).
func normalQuantile(p float64) float64 { return math.Sqrt2 * math.Erfinv(2*p-1) }

// logNormalCDF is ln Φ(z), also where Φ underflows (Abramowitz & Stegun 26.2.12).
func logNormalCDF(z float64) float64 {
	if z > -30 {
		return math.Log(normalCDF(z))
	}
	w := 1 / (z * z)
	return -z*z/2 - math.Log(-z) - 0.5*math.Log(2*math.Pi) + math.Log1p(-w*(1-3*w*(1-5*w*(1-7*w))))
}

// Weibull is a life distribution, S(t) = exp(−(t/Scale)^Shape).
type Weibull struct {
	Scale float64 `json:"scale" yaml:"scale"` // in the unit of t
	Shape float64 `json:"shape" yaml:"shape"`
}

// failWithin is the probability that what has reached age t fails within d.
func (w Weibull) failWithin(t, d float64) float64 {
	return -math.Expm1(math.Pow(t/w.Scale, w.Shape) - math.Pow((t+d)/w.Scale, w.Shape))
}

// remaining is the p-quantile of the life that is left at age t.
func (w Weibull) remaining(t, p float64) float64 {
	h := math.Pow(t/w.Scale, w.Shape)
	return math.Max(0, w.Scale*math.Pow(h-math.Log1p(-p), 1/w.Shape)-t)
}

// wienerCDF is the probability that a Wiener process with the drift and the
// diffusion σ per root of time has covered the distance by time t: the inverse
// Gaussian law Φ((μt−D)/(σ√t)) + exp(2μD/σ²)·Φ(−(μt+D)/(σ√t)) (Chhikara & Folks
// 1989). With σ = 0 it is a step at D/μ.
func wienerCDF(distance, drift, sigma, t float64) float64 {
	switch {
	case distance <= 0:
		return 1
	case t <= 0:
		return 0
	case sigma <= 0:
		if drift*t >= distance {
			return 1
		}
		return 0
	}
	s := sigma * math.Sqrt(t)
	late := math.Exp(2*drift*distance/(sigma*sigma) + logNormalCDF(-(drift*t+distance)/s))
	return math.Min(1, normalCDF((drift*t-distance)/s)+late)
}

// quantileOf inverts a distribution function on positive times by bisection in
// ln t to 1e-10; +Inf when it stays below p up to hi.
func quantileOf(cdf func(float64) float64, p, lo, hi float64) float64 {
	if cdf(hi) < p {
		return math.Inf(1)
	}
	if cdf(lo) >= p {
		return lo
	}
	a, b := math.Log(lo), math.Log(hi)
	for b-a > 1e-10 {
		mid := a + (b-a)/2
		if mid <= a || mid >= b {
			break
		}
		if cdf(math.Exp(mid)) >= p {
			b = mid
		} else {
			a = mid
		}
	}
	return math.Exp(a + (b-a)/2)
}
