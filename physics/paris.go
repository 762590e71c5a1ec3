package physics

import "math"

// Geometry says how the stress intensity of a crack depends on its length.
type Geometry string

// The geometries.
const (
	ConstantY   Geometry = "const"     // Y is a number
	EdgeCrack   Geometry = "edge_poly" // edge crack in a plate of width W, a/W ≤ 0.6 (Tada, Paris & Irwin 2000)
	CentreCrack Geometry = "centre"    // half length a in a plate of width W: Y = √sec(πa/W) (Feddersen 1966)
)

// Paris is fatigue crack growth da/dN = C·ΔK^m with ΔK = Y·Δσ·√(πa) (Paris &
// Erdogan 1963), corrected for the stress ratio by Walker (1970):
// ΔK/(1−R)^(1−γ). Lengths are in m, stress in MPa, K in MPa·√m.
type Paris struct {
	C, M     float64
	Geometry Geometry // default ConstantY
	Y        float64  // for ConstantY; default 1.12, the shallow edge crack
	WidthM   float64
	R        float64 // stress ratio; compression does not count
	Gamma    float64 // default 0.5
	KTh      float64 // no growth below this ΔK; 0: none
	Bend     float64 // β of a curve that is not straight: ln da/dN has β·ln²(ΔK/KRef) more
	KRef     float64 // for Bend
	KLow     float64 // for Bend: below this ΔK the curve goes on straight
	KHigh    float64 // for Bend: and above this
}

// intensity is ΔK at crack length a for the stress range.
func (p Paris) intensity(a, stress float64) float64 {
	y := def(p.Y, 1.12)
	switch p.Geometry {
	case EdgeCrack:
		r := a / p.WidthM
		y = 1.12 + r*(-0.231+r*(10.55+r*(-21.72+r*30.39)))
	case CentreCrack:
		y = math.Sqrt(1 / math.Cos(math.Pi*math.Min(a/p.WidthM, 0.499)))
	}
	return y * math.Max(0, stress) * math.Sqrt(math.Pi*a)
}

// driving is the ratio-corrected ΔK; 0 below the threshold.
func (p Paris) driving(a, stress float64) float64 {
	k := p.intensity(a, stress)
	if k < p.KTh {
		return 0
	}
	if p.R > 0 {
		k /= math.Pow(1-p.R, 1-def(p.Gamma, 0.5))
	}
	return k
}

// Rate is da/dN in m per cycle.
func (p Paris) Rate(a, stress float64) float64 {
	k := p.driving(a, stress)
	if p.Bend == 0 || k <= 0 {
		return p.C * math.Pow(k, p.M)
	}
	return p.C * math.Exp(p.M*math.Log(k)+p.bent(math.Log(k)))
}

// bent is what the curve has beside the straight line at ln ΔK; beyond KLow and KHigh
// it goes on along its tangent.
func (p Paris) bent(lnK float64) float64 {
	if p.Bend == 0 {
		return 0
	}
	ref := math.Log(p.KRef)
	x, at := lnK-ref, lnK-ref
	if p.KLow > 0 {
		at = math.Max(at, math.Log(p.KLow)-ref)
	}
	if p.KHigh > 0 {
		at = math.Min(at, math.Log(p.KHigh)-ref)
	}
	return p.Bend * at * (2*x - at)
}

// Cycles is the number of cycles from crack length a to b under a constant
// stress range; +Inf when the crack does not grow. With a constant Y it is the
// closed form (b^(1−m/2) − a^(1−m/2))/(C·(Y·Δσ·√π)^m·(1−m/2)), ln(b/a)/(…) at
// m = 2; otherwise Gauss–Legendre quadrature in ln a.
func (p Paris) Cycles(a, b, stress float64) float64 {
	if b <= a {
		return 0
	}
	if p.Rate(a, stress) <= 0 {
		return math.Inf(1)
	}
	if (p.Geometry == "" || p.Geometry == ConstantY) && p.Bend == 0 {
		e := 1 - p.M/2
		unit := p.Rate(1, stress) // of a crack of 1 m: C·(…)^m
		if math.Abs(e) < 1e-9 {
			return math.Log(b/a) / unit
		}
		return math.Pow(a, e) * math.Expm1(e*math.Log(b/a)) / (unit * e)
	}
	panels := min(max(int(math.Log(b/a)/0.12)+1, 1), 32)
	h := math.Log(b/a) / float64(panels)
	var sum float64
	for i := range panels {
		mid := math.Log(a) + (float64(i)+0.5)*h
		for j, node := range gaussNodes {
			for _, s := range [2]float64{-1, 1} {
				at := math.Exp(mid + s*node*h/2)
				sum += gaussWeights[j] * h / 2 * at / p.Rate(at, stress)
			}
		}
	}
	return sum
}

// Eight-point Gauss–Legendre rule, the positive half (Abramowitz & Stegun 25.4.30).
var (
	gaussNodes   = [4]float64{0.1834346424956498, 0.5255324099163290, 0.7966664774136267, 0.9602898564975363}
	gaussWeights = [4]float64{0.3626837833783620, 0.3137066458778873, 0.2223810344533745, 0.1012285362903763}
)

// Grow lets a crack of length a grow for the cycles, but not beyond end, and
// returns the length and the cycles that it took: Dormand–Prince steps of ln a
// in N, with the crossing of end found by bisection of the last step.
func (p Paris) Grow(a, end, stress, cycles float64) (length, used float64) {
	if a >= end || cycles <= 0 {
		return math.Min(a, math.Max(a, end)), 0
	}
	f := func(y float64) float64 { e := math.Exp(y); return p.Rate(e, stress) / e }
	y, goal := math.Log(a), math.Log(end)
	speed := f(y)
	if speed <= 0 {
		return a, cycles
	}
	h := math.Min(cycles, 0.1/speed)
	for range 100000 {
		h = math.Min(h, cycles-used)
		next, wrong := dormandPrince(f, y, h)
		if !(wrong <= 1e-10) && h > 1e-9*cycles {
			h *= math.Max(0.2, 0.9*math.Pow(1e-10/math.Max(wrong, 1e-300), 0.2))
			if math.IsNaN(h) {
				h = 1e-3 * cycles
			}
			continue
		}
		if !(next < goal) {
			lo, hi := 0.0, h
			for range 60 {
				mid := (lo + hi) / 2
				if at, _ := dormandPrince(f, y, mid); at < goal {
					lo = mid
				} else {
					hi = mid
				}
			}
			return end, used + hi
		}
		y, used = next, used+h
		if used >= cycles {
			break
		}
		h *= math.Min(5, math.Max(0.2, 0.9*math.Pow(1e-10/math.Max(wrong, 1e-300), 0.2)))
	}
	return math.Exp(y), used
}

// advance is Grow for many short steps: where a crack grows by less than a thousandth
// the midpoint rule is as good, with an error of 1e-9.
func (p Paris) advance(a, end, stress, cycles float64) float64 {
	step := p.Rate(a, stress) * cycles
	if !(step < 1e-3*a) {
		a, _ = p.Grow(a, math.Max(a, end), stress, cycles)
		return a
	}
	if a >= end {
		return a
	}
	return math.Min(end, a+cycles*p.Rate(a+step/2, stress))
}

// under is the cycle as the crack feels it: only what is in tension, at its own stress
// ratio. The range is 0 for a cycle all in compression.
func (p Paris) under(y Cycle) (q Paris, stress float64) {
	low, high := math.Max(0, y.Mean-y.Range/2), y.Mean+y.Range/2
	if high <= 0 {
		return p, 0
	}
	p.R = math.Min(low/high, 0.99)
	return p, high - low
}

// dormandPrince takes one step of the autonomous y' = f(y) and estimates its
// error (Dormand & Prince 1980, RK5(4)7M).
func dormandPrince(f func(float64) float64, y, h float64) (next, wrong float64) {
	k1 := f(y)
	k2 := f(y + h*k1/5)
	k3 := f(y + h*(3*k1+9*k2)/40)
	k4 := f(y + h*(44*k1/45-56*k2/15+32*k3/9))
	k5 := f(y + h*(19372*k1/6561-25360*k2/2187+64448*k3/6561-212*k4/729))
	k6 := f(y + h*(9017*k1/3168-355*k2/33+46732*k3/5247+49*k4/176-5103*k5/18656))
	next = y + h*(35*k1/384+500*k3/1113+125*k4/192-2187*k5/6784+11*k6/84)
	k7 := f(next)
	e := h * (71*k1/57600 - 71*k3/16695 + 71*k4/1920 - 17253*k5/339200 + 22*k6/525 - k7/40)
	return next, math.Abs(e)
}
