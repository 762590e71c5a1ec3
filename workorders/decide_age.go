package workorders

import "math"

// AgeLaw is a component's life distribution, S(t) = exp(−(t/ScaleH)^Shape).
type AgeLaw struct {
	ScaleH float64 // hours; 0: not known
	Shape  float64
}

// replacementAge is the age T at which a planned replacement is cheapest in the long
// run, and its cost per hour: the least of
// (C_PM·S(T) + C_CM·(1−S(T))) / ∫₀ᵀ S(t) dt (Barlow & Hunter 1960, Operations
// Research 8:90), where h(T)·∫₀ᵀ S − F(T) = C_PM/(C_CM − C_PM). False when there is
// none: a part that does not age (Shape ≤ 1), or a failure no dearer than planned work.
func (a AgeLaw) replacementAge(planned, failure float64) (h, rate float64, ok bool) {
	if !(a.ScaleH > 0) || !(a.Shape > 1) || !(planned > 0) || !(failure > planned) {
		return 0, 0, false
	}
	const oldest = 500 // cumulative hazard to which an optimum is looked for: nothing gets that old
	ratio := planned / (failure - planned)
	side := func(x float64) float64 {
		return a.Shape*math.Pow(x, a.Shape-1)*a.meanLife(x) + math.Expm1(-math.Pow(x, a.Shape))
	}
	lo, hi := 0.0, math.Pow(oldest, 1/a.Shape)
	if side(hi) < ratio {
		return 0, 0, false
	}
	for range 100 { // the side rises with x, as the hazard does
		if mid := (lo + hi) / 2; side(mid) < ratio {
			lo = mid
		} else {
			hi = mid
		}
	}
	x := (lo + hi) / 2
	return x * a.ScaleH, (failure - planned) * a.Shape * math.Pow(x, a.Shape-1) / a.ScaleH, true
}

// meanLife is ∫₀ˣ exp(−uᵏ) du = γ(1/k, xᵏ)/k, by the series of the lower incomplete
// gamma function, γ(a, z) = zᵃ e⁻ᶻ Σ zⁿ/(a(a+1)…(a+n)) (DLMF 8.7.1).
func (a AgeLaw) meanLife(x float64) float64 {
	z, s := math.Pow(x, a.Shape), 1/a.Shape
	term := 1 / s
	sum := term
	for n := 1.0; term > 1e-17*sum; n++ {
		term *= z / (s + n)
		sum += term
	}
	return x * math.Exp(-z) * sum * s
}
