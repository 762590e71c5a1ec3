package features

import (
	"math"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/dsp"
)

// Resonance is a natural frequency read from an averaged power spectral density.
type Resonance struct {
	Hz    float64
	Level float64 // of the density at the interpolated peak, in its unit
	Bin   int     // the peak's
}

// ResonanceOf is the largest peak of the density p with bins of stepHz within
// [loHz, hiHz], refined by the parabola through the logarithms a, b, c of three
// bins: δ = ½(a−c)/(a−2b+c) bins (Smith & Serra 1987, ICMC). A largest value at
// the edge of the range is no peak.
func ResonanceOf(p []float64, stepHz, loHz, hiHz float64) (r Resonance, why asset.Reason) {
	none := Resonance{Hz: math.NaN(), Level: math.NaN(), Bin: -1}
	switch {
	case len(p) == 0:
		return none, ReasonEmpty
	case !(stepHz > 0) || math.IsInf(stepHz, 0):
		return none, ReasonRate
	case !(hiHz >= loHz):
		return none, ReasonUndefined
	case loHz > float64(len(p)-1)*stepHz:
		return none, ReasonAlias
	}
	lo := int(math.Ceil(max(loHz/stepHz-1e-9, 0)))
	hi := int(math.Floor(min(hiHz/stepHz+1e-9, float64(len(p)-1))))
	if hi < lo || len(p) < 3 {
		return none, ReasonShort
	}
	k := lo
	for i := lo; i <= hi; i++ {
		if math.IsNaN(p[i]) || math.IsInf(p[i], 0) || p[i] < 0 {
			return none, ReasonNonFinite
		}
		if p[i] > p[k] {
			k = i
		}
	}
	if k == 0 || k == len(p)-1 || !(p[k] >= p[k-1]) || !(p[k] >= p[k+1]) || p[k] == p[k-1] && p[k] == p[k+1] {
		return none, ReasonFlat
	}
	r = Resonance{Hz: float64(k) * stepHz, Level: p[k], Bin: k}
	a, b, c := math.Log(p[k-1]), math.Log(p[k]), math.Log(p[k+1])
	if curve := a - 2*b + c; finite(curve) && curve < 0 {
		d := 0.5 * (a - c) / curve
		r.Hz = (float64(k) + d) * stepHz
		if level := math.Exp(b - 0.25*(a-c)*d); finite(level) {
			r.Level = level
		}
	}
	if !finite(r.Hz) {
		return none, ReasonUndefined
	}
	return r, ""
}

// HalfPowerDamping is ζ = Δf/(2f) with Δf the width of the peak at half its level
// (Clough & Penzien 2003), which holds for ζ below 0.1. biased reports bins
// wider than Δf/4: the window then widens the peak and ζ reads too high.
func HalfPowerDamping(p []float64, stepHz float64, r Resonance) (zeta float64, biased bool, why asset.Reason) {
	if r.Bin < 1 || r.Bin >= len(p)-1 || !(r.Hz > 0) || !(r.Level > 0) || !(stepHz > 0) {
		return math.NaN(), false, ReasonUndefined
	}
	left, ok := halfAt(p, r, -1)
	right, ok2 := halfAt(p, r, 1)
	if !ok || !ok2 {
		return math.NaN(), false, ReasonShort
	}
	width := (right - left) * stepHz
	if zeta = width / 2 / r.Hz; !finite(zeta) {
		return math.NaN(), false, ReasonUndefined
	}
	return zeta, stepHz > width/4, ""
}

// halfAt is the bin, between two of them by linear interpolation, at which the
// density falls to half the peak's level on one side.
func halfAt(p []float64, r Resonance, step int) (bin float64, ok bool) {
	half := r.Level / 2
	for i := r.Bin + step; i >= 0 && i < len(p); i += step {
		if p[i] <= half {
			before := p[i-step]
			if !(before > half) {
				return 0, false // the peak itself spans less than a bin
			}
			return float64(i-step) + float64(step)*(before-half)/(before-p[i]), true
		}
		if math.IsNaN(p[i]) {
			return 0, false
		}
	}
	return 0, false
}

// Decay is what a free decay tells. Decrements is how many cycles were used.
type Decay struct {
	Hz         float64 // damped frequency
	Zeta       float64 // of critical
	Decrements int
}

func noDecay() Decay { return Decay{Hz: math.NaN(), Zeta: math.NaN()} }

// LogDecrement is δ = ln(xᵢ/xᵢ₊₁), as the least-squares slope over the positive
// peaks of a decay about zero, and ζ = δ/√(4π²+δ²) (Clough & Penzien 2003).
// Peaks below a twentieth of the first are left out, and swings below a fiftieth of
// the largest sample do not count, as noise; it takes three.
func LogDecrement[T float32 | float64](x []T, rateHz float64) (d Decay, why asset.Reason) {
	if why = badSamples(x, rateHz); why != "" {
		return noDecay(), why
	}
	at, height, top := 0.0, 0.0, 0.0
	var first, last float64
	var n, i, ly, iy, ii float64 // sums of the line through ln height over the cycle
	visit := func() bool {
		if n == 0 {
			first, top = at, height
		}
		if height < top/20 {
			return false
		}
		l := math.Log(height / top)
		last = at
		ly, iy, i, ii = ly+l, iy+n*l, i+n, ii+n*n
		n++
		return true
	}
	swing := 0.0
	for _, v := range x {
		swing = max(swing, math.Abs(float64(v))/50)
	}
	// The first half-cycle may begin after its peak: it counts only from a rise.
	inside := float64(x[0]) <= -swing
	for k := 1; k < len(x); k++ {
		v := float64(x[k])
		if v <= -swing {
			if inside && height > 0 && !visit() {
				break
			}
			inside, height = true, 0
			continue
		}
		if v > max(height, swing) && k+1 < len(x) && float64(x[k+1]) <= v {
			at, height = parabolaTop(float64(x[k-1]), v, float64(x[k+1]), float64(k))
		}
	}
	den := n*ii - i*i
	if n < 3 || !(den > 0) {
		return noDecay(), ReasonShort
	}
	delta := -(n*iy - i*ly) / den
	d = Decay{Decrements: int(n) - 1}
	d.Zeta = delta / math.Hypot(2*math.Pi, delta)
	d.Hz = ratio((n-1)*rateHz, last-first)
	if !finite(d.Hz, d.Zeta) {
		return noDecay(), ReasonUndefined
	}
	return d, ""
}

// parabolaTop is the top of the parabola through three samples.
func parabolaTop(a, b, c, at float64) (k, height float64) {
	curve := (a - b) + (c - b)
	if !(curve < 0) || math.IsInf(curve, 0) {
		return at, b
	}
	s := 0.5 * (a - c) / curve
	if h := b - 0.25*(a-c)*s; finite(h) && h > 0 {
		return at + s, h
	}
	return at, b
}

func badSamples[T float32 | float64](x []T, rateHz float64) asset.Reason {
	if len(x) == 0 {
		return ReasonEmpty
	}
	if !(rateHz > 0) || math.IsInf(rateHz, 0) {
		return ReasonRate
	}
	for _, v := range x {
		if f := float64(v); math.IsNaN(f) || math.IsInf(f, 0) {
			return ReasonNonFinite
		}
	}
	return ""
}

// DecayFitter keeps the transform and the buffer of the last length. It belongs
// to one goroutine.
type DecayFitter struct {
	plan   *dsp.Complex[float64]
	re, im []float64
}

// HilbertDecay fits lines to the logarithm of the envelope and to the unwrapped
// phase of the analytic signal of the whole x, over samples [lo, hi) alone, which
// leaves out the transform's ends: slopes −σ and ω_d give f = ω_d/2π and
// ζ = σ/√(σ²+ω_d²) (Feldman 1994, MSSP 8:119). x holds one mode about zero.
func HilbertDecay[T float32 | float64](f *DecayFitter, x []T, rateHz float64, lo, hi int) (d Decay, why asset.Reason) {
	if why = badSamples(x, rateHz); why != "" {
		return noDecay(), why
	}
	if lo, hi = max(lo, 0), min(hi, len(x)); hi-lo < 8 {
		return noDecay(), ReasonShort
	}
	peak := 0.0
	for _, v := range x {
		peak = max(peak, math.Abs(float64(v)))
	}
	if peak == 0 {
		return noDecay(), ReasonFlat
	}
	re, im := analyticOf(f, x, exponent(peak))
	var line, turn lineSums
	phase, before := 0.0, math.Atan2(im[lo], re[lo])
	for i := lo; i < hi; i++ {
		now := math.Atan2(im[i], re[i])
		phase += math.Remainder(now-before, 2*math.Pi)
		before = now
		a := math.Hypot(re[i], im[i])
		if !(a > 0) {
			return noDecay(), ReasonFlat
		}
		t := float64(i-lo) - 0.5*float64(hi-lo-1)
		line.add(t, math.Log(a))
		turn.add(t, phase)
	}
	sigma, omega := -line.slope()*rateHz, turn.slope()*rateHz
	d = Decay{Hz: omega / (2 * math.Pi), Zeta: ratio(sigma, math.Hypot(sigma, omega))}
	if !finite(d.Hz, d.Zeta) {
		return noDecay(), ReasonUndefined
	}
	d.Decrements = int(math.Abs(phase) / (2 * math.Pi))
	return d, ""
}

// lineSums are a line's sums over a t that is symmetric about zero.
type lineSums struct{ tt, ty float64 }

func (s *lineSums) add(t, y float64) { s.tt, s.ty = s.tt+t*t, s.ty+t*y }
func (s *lineSums) slope() float64   { return s.ty / s.tt }

// analyticOf is x + j·H(x) of x scaled by 2⁻ᵉ: negative frequencies zero, positive
// doubled (Marple 1999, IEEE TSP 47:2600).
func analyticOf[T float32 | float64](f *DecayFitter, x []T, e int) (re, im []float64) {
	n := len(x)
	if f.plan == nil || f.plan.Len() != n {
		f.plan = dsp.NewComplex[float64](n)
		f.re, f.im = dsp.Apart[float64](n)
	}
	scale := scaleOf(e)
	for i, v := range x {
		f.re[i], f.im[i] = scale(float64(v)), 0
	}
	f.plan.Forward(f.re, f.im)
	for i := range f.re {
		k := 0.0
		switch {
		case i == 0 || 2*i == n:
			k = 1 / float64(n)
		case 2*i < n:
			k = 2 / float64(n)
		}
		f.re[i], f.im[i] = k*f.re[i], k*f.im[i]
	}
	f.plan.Inverse(f.re, f.im)
	return f.re, f.im
}
