package features

import (
	"math"

	"github.com/telltale-iot/telltale/asset"
)

// Why a channel cannot be trusted, as counted.
const (
	ReasonSpikes      asset.Reason = "spikes"      // single samples far outside the rest
	ReasonSkiSlope    asset.Reason = "ski-slope"   // a cable or thermal transient rules the low end
	ReasonBiasShort   asset.Reason = "bias-short"  // sensor supply below 3 V
	ReasonBiasOpen    asset.Reason = "bias-open"   // sensor supply above 20 V
	ReasonUnitSwap    asset.Reason = "unit-swap"   // g where m/s² is due, or the reverse
	ReasonCalibration asset.Reason = "calibration" // sensitivity or gain is not usable
)

// standardGravity is m/s² per g (CGPM 1901).
const standardGravity = 9.80665

// Limits of the checks below.
const (
	spikeLimit       = 30  // median absolute deviations
	spikeAlone       = 12  // samples to both sides …
	spikeLoneShare   = 0.2 // … of which none is this share of it: a resonance rings on
	skiSlopeHz       = 5
	skiSlopeShare    = 0.8
	biasShortV       = 3
	biasOpenV        = 20
	unitSwapRelative = 0.1
)

// Spikes appends to dst the indices of single samples farther from the median
// than 30 median absolute deviations (not scaled to σ) while none of the 12 on
// either side is a fifth as far: a fault of the converter or the cable. A strike on a
// bearing rings on and is none. ReasonFlat when more than half of the samples are
// equal.
func Spikes[T float32 | float64](dst []int, x []T) ([]int, asset.Reason) {
	e, why := binade(x)
	if why != "" {
		return dst, why
	}
	d := make([]float64, len(x))
	scaleInto(d, x, -e)
	med := medianOf(d)
	scaleInto(d, x, -e)
	for i := range d {
		d[i] = math.Abs(d[i] - med)
	}
	mad := medianOf(d)
	if !(mad > 0) {
		return dst, ReasonFlat
	}
	scaleInto(d, x, -e)
	for i := range d {
		d[i] = math.Abs(d[i] - med)
	}
	for i, v := range d {
		if v > spikeLimit*mad && alone(d, i) {
			dst = append(dst, i)
		}
	}
	return dst, ""
}

// alone reports that nothing near d[i] is comparable to it.
func alone(d []float64, i int) bool {
	for j := max(0, i-spikeAlone); j <= min(len(d)-1, i+spikeAlone); j++ {
		if j != i && d[j] > spikeLoneShare*d[i] {
			return false
		}
	}
	return true
}

// SkiSlope is the share (0–1) of the velocity energy Σ S/(2πf)² of an
// acceleration x that lies at or below 5 Hz; bad from 0.8 on. A shaft slower than
// 300 rpm has its own lines there, so it says nothing of such a machine.
func SkiSlope[T float32 | float64](x []T, rateHz float64) (share float64, why asset.Reason) {
	e, why := binade(x)
	switch {
	case why != "":
		return math.NaN(), why
	case !(rateHz > 0) || math.IsInf(rateHz, 0):
		return math.NaN(), ReasonRate
	case float64(len(x)) < 3*rateHz/skiSlopeHz || rateHz <= 2*skiSlopeHz:
		return math.NaN(), ReasonShort
	}
	y := make([]float64, len(x))
	scaleInto(y, x, -e)
	y = y[:quickBelow(len(y))]
	amplitude := new(hannLines).of(nil, y)
	for k, a := range amplitude {
		amplitude[k] = a * a
	}
	return SkiSlopeOf(amplitude, rateHz/float64(len(y)))
}

// SkiSlopeOf is SkiSlope of a one-sided power spectrum of acceleration with bins
// of stepHz, in any scale.
func SkiSlopeOf(power []float64, stepHz float64) (share float64, why asset.Reason) {
	if !(stepHz > 0) || stepHz > skiSlopeHz/2. || stepHz*float64(len(power)-1) <= skiSlopeHz {
		return math.NaN(), ReasonShort
	}
	low, all := 0.0, 0.0
	for k := 1; k < len(power); k++ {
		v := power[k] / (float64(k) * float64(k))
		all += v
		if stepHz*float64(k) <= skiSlopeHz {
			low += v
		}
	}
	if !(all > 0) || math.IsInf(all, 0) {
		return math.NaN(), ReasonFlat
	}
	if share = low / all; share > skiSlopeShare {
		return share, ReasonSkiSlope
	}
	return share, ""
}

// Bias says whether the bias voltage of an IEPE sensor, 8–14 V when well, shows
// a short (below 3 V) or an open circuit (above 20 V).
func Bias(volts float64) asset.Reason {
	switch {
	case math.IsNaN(volts) || math.IsInf(volts, 0):
		return ReasonNonFinite
	case volts < biasShortV:
		return ReasonBiasShort
	case volts > biasOpenV:
		return ReasonBiasOpen
	}
	return ""
}

// IEPEScale is the acceleration that one volt of an IEPE sensor means:
// 1000/S·9.80665 m/s² for S mV/g. NaN unless S is a positive number.
func IEPEScale(mVPerG float64) float64 {
	return positive(1000 / mVPerG * standardGravity)
}

// AEScale is the acoustic emission at the sensor that one volt behind its
// preamplifier means: 10⁶/10^(G/20) µV for a gain of G dB.
func AEScale(preampDB float64) float64 { return positive(1e6 / math.Pow(10, preampDB/20)) }

// CountScale is the voltage that one count of a converter means: fullScaleV, the
// largest positive input, over 2^(bits−1). Times AEScale or IEPEScale it scales counts.
func CountScale(fullScaleV float64, bits int) float64 {
	if bits < 1 || bits > 64 {
		return math.NaN()
	}
	return positive(math.Ldexp(fullScaleV, 1-bits))
}

// positive is v, or NaN unless it is a positive number.
func positive(v float64) float64 {
	if !(v > 0) || math.IsInf(v, 0) {
		return math.NaN()
	}
	return v
}

// Scaled writes k·x, in the unit of k per unit of x: IEPEScale turns volts into
// m/s², AEScale into µV. It writes into dst when dst is long enough; a sample
// that is not finite, or would not be, becomes NaN and gives the reason.
func Scaled[T float32 | float64](dst []float64, x []T, k float64) ([]float64, asset.Reason) {
	if k-k != 0 || k == 0 {
		return allMissing(dst, len(x)), ReasonCalibration
	}
	why := asset.Reason("")
	dst = resize(dst, len(x))
	for i, v := range x {
		dst[i] = float64(v) * k
		if dst[i]-dst[i] != 0 {
			dst[i], why = math.NaN(), ReasonNonFinite
		}
	}
	return dst, why
}

// UnitSwap compares the RMS of bands or channels now with those of before. Where
// each is 9.80665 times smaller, within 10 %, m/s² have become g, and factor is
// what now has to be multiplied by; where each is as much larger, the reverse.
// A fault moves one band, a unit moves all: hand in several. factor is 1
// otherwise, and NaN when there is nothing to compare.
func UnitSwap(now, before []float64) (factor float64, why asset.Reason) {
	n := min(len(now), len(before))
	smaller, larger := n > 0, n > 0
	for i := range n {
		r := math.Abs(math.Log(now[i] / before[i]))
		if !(now[i] > 0 && before[i] > 0) || math.IsInf(r, 0) {
			return math.NaN(), ReasonUndefined
		}
		near := math.Abs(r-math.Log(standardGravity)) <= math.Log1p(unitSwapRelative)
		smaller, larger = smaller && near && now[i] < before[i], larger && near && now[i] > before[i]
	}
	switch {
	case n == 0:
		return math.NaN(), ReasonEmpty
	case smaller:
		return standardGravity, ReasonUnitSwap
	case larger:
		return 1 / standardGravity, ReasonUnitSwap
	}
	return 1, ""
}
