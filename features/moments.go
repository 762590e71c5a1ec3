package features

import (
	"math"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/dsp"
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

// MomentsOf computes the statistics of x, in two passes, so that a small signal on
// a large offset keeps its digits. Reason is why nothing could be computed: empty or
// non-finite; all fields are NaN then. An extractor calls the same two passes on
// samples without their mean.
func MomentsOf[T dsp.Float](x []T) (Moments, asset.Reason) {
	m := Moments{N: len(x)}
	if len(x) == 0 {
		return m.missing(), ReasonEmpty
	}
	l := dsp.LevelsOf(x)
	if !l.Finite {
		return m.missing(), ReasonNonFinite
	}
	e, spread := exponent(max(l.Max, -l.Min)), reachOf(l)
	var none []T
	m.aboutZero(dsp.Centre(none, none, x, 0, e), 1, e)
	m.central(dsp.Centre(none, none, x, l.Mean, spread), 1, spread)
	m.Mean, m.P2P = l.Mean, l.Max-l.Min
	if l.Min == l.Max { // exactly constant: rounding must not invent a spread
		m.Std, m.Skewness, m.Kurtosis = 0, math.NaN(), math.NaN()
	}
	if math.IsInf(m.P2P, 0) {
		m.P2P = math.NaN()
	}
	return m, ""
}

// aboutZero are the statistics of x as summed; one of the sums is scale·2ᵉ of x.
func (m *Moments) aboutZero(s dsp.Sums, scale float64, e int) {
	k := 1 / float64(m.N)
	rms, abs, root := math.Sqrt(s.Second*k), s.Abs*k, s.Root*k
	m.RMS, m.MeanAbs, m.Peak = math.Ldexp(rms*scale, e), math.Ldexp(abs*scale, e), math.Ldexp(s.Peak*scale, e)
	m.Crest, m.Shape, m.Impulse = ratio(s.Peak, rms), ratio(rms, abs), ratio(s.Peak, abs)
	m.Clearance = ratio(s.Peak, root*root)
}

// central are the statistics about the mean; what its own rounding left of it is
// taken out here.
func (m *Moments) central(s dsp.Sums, scale float64, e int) {
	k := 1 / float64(m.N)
	d, m2, m3, m4 := s.First*k, s.Second*k, s.Third*k, s.Fourth*k
	m4 += d * (-4*m3 + d*(6*m2-3*d*d))
	m3 += d * (-3*m2 + 2*d*d)
	m2 = max(m2-d*d, 0)
	m.Std = math.Ldexp(math.Sqrt(m2)*scale, e)
	m.Skewness, m.Kurtosis = ratio(m3, m2*math.Sqrt(m2)), ratio(m4, m2*m2)
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

// flat reports why levels of n samples mean a dead channel: a spread below 1e-9 of
// its size, or more than 99 % of the samples identical to their predecessor.
func flat(l dsp.Levels, n int) bool {
	return l.Max-l.Min <= 1e-9*max(math.Abs(l.Min), math.Abs(l.Max)) || float64(l.Same) > 0.99*float64(n)
}

// Sanity says why a block must not be trusted: empty, non-finite, or flat. clipped
// reports that the extremes sit on a rail: at least five samples of each of several
// runs of three equal extremes.
func Sanity[T dsp.Float](x []T) (why asset.Reason, clipped bool) {
	if len(x) == 0 {
		return ReasonEmpty, false
	}
	l := dsp.LevelsOf(x)
	switch {
	case !l.Finite:
		return ReasonNonFinite, false
	case flat(l, len(x)):
		return ReasonFlat, false
	}
	return "", clipping(x, l)
}

// clipping reports whether an extreme is a rail. Runs of three that come to five
// repeat their predecessor three times at least.
func clipping[T dsp.Float | int16](x []T, l dsp.Levels) bool {
	if l.Same < 3 {
		return false
	}
	lo, hi := T(l.Min), T(l.Max)
	low, high := dsp.At(x, lo, hi)
	return low >= 5 && railed(x, lo) || high >= 5 && railed(x, hi)
}

// railed reports whether an extreme is reached at least five times within runs
// of three or more, as a saturated converter does and a signal's crest does not.
func railed[T comparable](x []T, at T) bool {
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

// scaleOf divides by 2ᵉ: by one product where the factor is a normal number.
func scaleOf(e int) func(float64) float64 {
	if e > -1000 && e < 1000 {
		k := math.Ldexp(1, -e)
		return func(v float64) float64 { return v * k }
	}
	return func(v float64) float64 { return math.Ldexp(v, -e) }
}
