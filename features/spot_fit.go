package features

import (
	"math"
	"slices"

	"github.com/telltale-iot/telltale/asset"
)

// Limits of a tail that may be extrapolated.
const (
	leastPeaks  = 20  // none with fewer
	likelyPeaks = 30  // maximum likelihood from here, moments below
	maxShape    = 0.5 // of |ξ|
)

// FitExcesses fits a generalised Pareto law to excesses over a limit: by maximum
// likelihood from 30 of them (Grimshaw 1993, Technometrics 35:185), by
// probability-weighted moments from 20 (Hosking & Wallis 1987, Technometrics
// 29:339). why is ReasonFew below 20 and ReasonTail for a shape |ξ| > 0.5.
func FitExcesses(e []float64) (xi, sigma float64, why asset.Reason) {
	if len(e) < leastPeaks {
		return math.NaN(), math.NaN(), ReasonFew
	}
	top := slices.Max(e)
	if !(top > 0) || math.IsInf(top, 0) || !(slices.Min(e) >= 0) { // Min is NaN where one is
		return math.NaN(), math.NaN(), ReasonUndefined
	}
	scale := math.Ldexp(1, min(exponent(top), 1000))
	v := make([]float64, len(e))
	for i, x := range e {
		v[i] = x / scale
	}
	if len(e) < likelyPeaks {
		xi, sigma = momentTail(v)
	} else {
		xi, sigma = likelyTail(v)
	}
	sigma *= scale
	switch {
	case !finite(xi, sigma) || !(sigma > 0):
		return math.NaN(), math.NaN(), ReasonUndefined
	case math.Abs(xi) > maxShape:
		return math.NaN(), math.NaN(), ReasonTail
	}
	return xi, sigma, ""
}

// momentTail estimates from a₀ = mean and a₁ = mean of (1−p)x with the plotting
// positions p = (i−0.35)/n: ξ = 2 − a₀/(a₀−2a₁), σ = 2a₀a₁/(a₀−2a₁). It sorts v.
func momentTail(v []float64) (xi, sigma float64) {
	slices.Sort(v)
	n := float64(len(v))
	a0, a1 := 0.0, 0.0
	for i, x := range v {
		a0 += x / n
		a1 += (1 - (float64(i)+0.65)/n) * x / n
	}
	return 2 - a0/(a0-2*a1), 2 * a0 * a1 / (a0 - 2*a1)
}

// profile is the likelihood per excess along θ = ξ/σ, where ξ(θ) = mean ln(1+θe)
// is the best shape: −ln(ξ/θ) − ξ − 1.
func profile(v []float64, theta float64) (loglik, xi, sigma float64) {
	sum, mean, square := 0.0, 0.0, 0.0
	// Where θe is not small, one logarithm of a product does for eight of a factor
	// between 1e-13 and 1e26.
	product, exact := 1.0, math.Abs(theta) < 1e-3
	for i, x := range v {
		if exact {
			sum += math.Log1p(theta * x)
		} else if product *= 1 + theta*x; i%8 == 7 {
			sum, product = sum+math.Log(product), 1
		}
		mean += x
		square += x * x
	}
	n := float64(len(v))
	xi = (sum + math.Log(product)) / n
	if sigma = xi / theta; math.Abs(theta)*mean/n < 1e-7 { // ξ → 0
		sigma = mean/n - theta*square/n/2
	}
	return -math.Log(sigma) - xi - 1, xi, sigma
}

// likelyTail maximises the profile where |ξ| ≤ 0.75, beyond which the answer is
// refused anyway and the likelihood has no maximum. It searches u = ln(1+θ·max e).
func likelyTail(v []float64) (xi, sigma float64) {
	top := slices.Max(v)
	theta := func(u float64) float64 { return math.Expm1(u) / top }
	shape := func(u float64) float64 { _, s, _ := profile(v, theta(u)); return s }
	lo, hi := bisect(shape, -0.75, -30, 0), bisect(shape, 0.75, 0, 60)
	at := func(u float64) float64 { l, _, _ := profile(v, theta(u)); return l }
	const cells = 32
	best, most := 0, math.Inf(-1)
	for i := range cells + 1 {
		if l := at(lo + (hi-lo)*float64(i)/cells); l > most {
			best, most = i, l
		}
	}
	step := (hi - lo) / cells
	u := golden(at, lo+step*float64(max(best-1, 0)), lo+step*float64(min(best+1, cells)))
	_, xi, sigma = profile(v, theta(u))
	return xi, sigma
}

// bisect is where the rising f reaches want within [lo, hi], or the nearer end.
func bisect(f func(float64) float64, want, lo, hi float64) float64 {
	for range 40 {
		if mid := lo + (hi-lo)/2; f(mid) < want {
			lo = mid
		} else {
			hi = mid
		}
	}
	return lo + (hi-lo)/2
}

// golden is where f is largest within [a, b] (Kiefer 1953).
func golden(f func(float64) float64, a, b float64) float64 {
	const r = 0.6180339887498949
	c, d := b-r*(b-a), a+r*(b-a)
	fc, fd := f(c), f(d)
	for range 40 {
		if fc > fd {
			b, d, fd = d, c, fc
			c = b - r*(b-a)
			fc = f(c)
		} else {
			a, c, fc = c, d, fd
			d = a + r*(b-a)
			fd = f(d)
		}
	}
	return (a + b) / 2
}
