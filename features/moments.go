package features

import (
	"math"

	"github.com/telltale-iot/telltale/asset"
)

// Why a feature is missing, as counted.
const (
	ReasonEmpty      asset.Reason = "empty"       // no samples
	ReasonNonFinite  asset.Reason = "non-finite"  // NaN or Inf among the samples
	ReasonFlat       asset.Reason = "flat"        // the signal does not move
	ReasonUndefined  asset.Reason = "undefined"   // a denominator is zero, or the value is beyond float64
	ReasonNoSpeed    asset.Reason = "no-speed"    // the shaft speed is not known
	ReasonStandstill asset.Reason = "standstill"  // the shaft turns slower than 1 rpm
	ReasonAlias      asset.Reason = "alias"       // the frequency lies beyond half the sample rate
	ReasonShort      asset.Reason = "short"       // the window cannot resolve the frequency
	ReasonRate       asset.Reason = "rate"        // no usable sample rate
	ReasonAbsent     asset.Reason = "absent"      // the instant has no such metric
	ReasonQuality    asset.Reason = "low-quality" // quality code below 50
)

// Moments are statistics of a block as given; no mean is removed. NaN means
// undefined: a ratio over zero, or skewness and kurtosis of a constant.
type Moments struct {
	N         int
	Mean      float64
	RMS       float64
	Std       float64 // population
	Peak      float64 // largest |x|
	P2P       float64
	MeanAbs   float64
	Crest     float64 // Peak/RMS: sine √2
	Shape     float64 // RMS/MeanAbs: sine 1.1107
	Impulse   float64 // Peak/MeanAbs: sine π/2
	Clearance float64 // Peak/(mean √|x|)²
	Skewness  float64 // m₃/m₂^1.5, biased
	Kurtosis  float64 // m₄/m₂², biased: Gauss 3, sine 1.5
}

// MomentsOf computes the statistics of x in float64, in two passes, so that a
// small signal on a large offset keeps its digits. Reason is why nothing could
// be computed: empty or non-finite; all fields are NaN then.
func MomentsOf[T float32 | float64](x []T) (Moments, asset.Reason) {
	m := Moments{N: len(x)}
	if len(x) == 0 {
		return m.missing(), ReasonEmpty
	}
	lo, hi, peak := float64(x[0]), float64(x[0]), 0.0
	for _, v := range x {
		f := float64(v)
		if math.IsNaN(f) || math.IsInf(f, 0) {
			return m.missing(), ReasonNonFinite
		}
		lo, hi, peak = min(lo, f), max(hi, f), max(peak, math.Abs(f))
	}
	m.Peak, m.P2P = peak, hi-lo
	m.scaled(sums(x, exponent(peak)))
	if lo == hi { // exactly constant: rounding must not invent a spread
		m.Std, m.Skewness, m.Kurtosis = 0, math.NaN(), math.NaN()
	}
	if math.IsInf(m.P2P, 0) {
		m.P2P = math.NaN()
	}
	return m, ""
}

// exponent is a power of two near v, so that squares and fourth powers of x/2ᵉ
// neither overflow nor vanish. Scaling by it loses no digit.
func exponent(v float64) int {
	if v == 0 {
		return 0
	}
	_, e := math.Frexp(v)
	return e
}

// powerSums are means over the block of x scaled by 2⁻ᵉ.
type powerSums struct {
	e                   int
	mean, sq, abs, root float64 // of x
	m2, m3, m4          float64 // about the mean
	peak                float64
	spread              int // m2, m3, m4 are of (x−mean)·2⁻spread
}

func sums[T float32 | float64](x []T, e int) powerSums {
	s := powerSums{e: e}
	n := float64(len(x))
	scale := scaleOf(e)
	for _, v := range x {
		f := scale(float64(v))
		a := math.Abs(f)
		s.mean += f
		s.sq += f * f
		s.abs += a
		s.root += math.Sqrt(a)
		s.peak = max(s.peak, a)
	}
	s.mean, s.sq, s.abs, s.root = s.mean/n, s.sq/n, s.abs/n, s.root/n
	far, drift := 0.0, 0.0
	for _, v := range x {
		d := scale(float64(v)) - s.mean
		far = max(far, math.Abs(d))
		drift += d
	}
	s.mean += drift / n // the first mean's own rounding
	s.spread = exponent(far)
	inner := scaleOf(s.spread)
	for _, v := range x {
		d := inner(scale(float64(v)) - s.mean)
		d2 := d * d
		s.m2 += d2
		s.m3 += d2 * d
		s.m4 += d2 * d2
	}
	s.m2, s.m3, s.m4 = s.m2/n, s.m3/n, s.m4/n
	return s
}

// scaleOf divides by 2ᵉ: by one product where the factor is a normal number.
func scaleOf(e int) func(float64) float64 {
	if e > -1000 && e < 1000 {
		k := math.Ldexp(1, -e)
		return func(v float64) float64 { return v * k }
	}
	return func(v float64) float64 { return math.Ldexp(v, -e) }
}

func (m *Moments) scaled(s powerSums) {
	rms := math.Sqrt(s.sq)
	m.Mean, m.RMS, m.MeanAbs = math.Ldexp(s.mean, s.e), math.Ldexp(rms, s.e), math.Ldexp(s.abs, s.e)
	m.Std = math.Ldexp(math.Sqrt(s.m2), s.e+s.spread)
	m.Crest, m.Shape, m.Impulse = ratio(s.peak, rms), ratio(rms, s.abs), ratio(s.peak, s.abs)
	m.Clearance = ratio(s.peak, s.root*s.root)
	m.Skewness, m.Kurtosis = ratio(s.m3, s.m2*math.Sqrt(s.m2)), ratio(s.m4, s.m2*s.m2)
}

func (m Moments) missing() Moments {
	nan := math.NaN()
	return Moments{m.N, nan, nan, nan, nan, nan, nan, nan, nan, nan, nan, nan, nan}
}

// ratio is a/b, or NaN over zero and beyond float64.
func ratio(a, b float64) float64 {
	if b == 0 {
		return math.NaN()
	}
	if r := a / b; !math.IsInf(r, 0) {
		return r
	}
	return math.NaN()
}

// Sanity says why a block must not be trusted: empty, non-finite, or flat (a
// spread below 1e-9 of its size, or more than 99 % of the samples identical to
// their predecessor). clipped reports that the extremes sit on a rail: at least
// five samples of each of several runs of three equal extremes.
func Sanity(x []float32) (why asset.Reason, clipped bool) {
	if len(x) == 0 {
		return ReasonEmpty, false
	}
	lo, hi, same := x[0], x[0], 0
	for i, v := range x {
		if f := float64(v); math.IsNaN(f) || math.IsInf(f, 0) {
			return ReasonNonFinite, false
		}
		lo, hi = min(lo, v), max(hi, v)
		if i > 0 && v == x[i-1] {
			same++
		}
	}
	size := max(math.Abs(float64(lo)), math.Abs(float64(hi)))
	if float64(hi)-float64(lo) <= 1e-9*size || float64(same) > 0.99*float64(len(x)) {
		return ReasonFlat, false
	}
	return "", railed(x, lo) || railed(x, hi)
}

// railed reports whether an extreme is reached at least five times within runs
// of three or more, as a saturated converter does and a signal's crest does not.
func railed(x []float32, at float32) bool {
	total, run := 0, 0
	for i := 0; i <= len(x); i++ {
		if i < len(x) && x[i] == at {
			run++
			continue
		}
		if run >= 3 {
			total += run
		}
		run = 0
	}
	return total >= 5
}
