package features

import (
	"math"

	"github.com/telltale-iot/telltale/asset"
)

// Averaging is how spectra of one channel become one.
type Averaging int

const (
	// MeanPower is the mean of power, the default.
	MeanPower Averaging = iota
	// ExponentialPower forgets: P ← P + α(S − P).
	ExponentialPower
	// PeakHold keeps the largest of each bin. It is biased upwards on noise, so
	// no baseline may learn from it.
	PeakHold
)

// exponentialShare is α of ExponentialPower where none is given.
const exponentialShare = 1.0 / 8

// SpectrumAverage averages one-sided power spectra (unit² or unit²/Hz, not
// amplitudes) of one length. The zero value is an empty mean of power; whoever
// feeds it owns it.
type SpectrumAverage struct {
	Kind  Averaging
	Alpha float64 // of ExponentialPower, in (0, 1]; default 1/8
	Count int     // spectra taken
	Power []float64
}

// Add takes one more spectrum. It refuses one of another length, and one with a
// value that is negative or not finite, and says why.
func (a *SpectrumAverage) Add(power []float64) asset.Reason {
	if len(power) == 0 {
		return ReasonEmpty
	}
	if a.Count > 0 && len(power) != len(a.Power) {
		return ReasonRate
	}
	for _, v := range power {
		if !(v >= 0) || math.IsInf(v, 0) {
			return ReasonNonFinite
		}
	}
	a.Count++
	if a.Count == 1 {
		a.Power = append(a.Power[:0], power...)
		return ""
	}
	share := 1 / float64(a.Count)
	if a.Kind == ExponentialPower {
		share = exponentialShare
		if a.Alpha > 0 && a.Alpha <= 1 {
			share = a.Alpha
		}
	}
	for i, v := range power {
		if a.Kind == PeakHold {
			a.Power[i] = max(a.Power[i], v)
			continue
		}
		a.Power[i] += share * (v - a.Power[i])
	}
	return ""
}

// IntervalRMS is the RMS of a signal over an interval, a_w0 = √(1/T₀·∫a_w² dt).
// Intervals join to √(ΣT·a²/ΣT) (VDI 3834-1, as in Metra AN22E). The zero
// value is no time.
type IntervalRMS struct {
	Seconds float64
	RMS     float64 // in the unit of the signal; NaN where the interval is unusable
}

// IntervalOf is the interval RMS of a block, as given: no mean is removed.
func IntervalOf[T float32 | float64](x []T, rateHz float64) (IntervalRMS, asset.Reason) {
	e, why := binade(x)
	if why == "" && (!(rateHz > 0) || math.IsInf(float64(len(x))/rateHz, 0)) {
		why = ReasonRate
	}
	if why != "" {
		return IntervalRMS{RMS: math.NaN()}, why
	}
	y, sum := make([]float64, len(x)), 0.0
	scaleInto(y, x, -e)
	for _, v := range y {
		sum += v * v
	}
	return IntervalRMS{float64(len(x)) / rateHz, math.Ldexp(math.Sqrt(sum/float64(len(x))), e)}, ""
}

// Join is the RMS over both intervals; one without a value, or without time,
// adds nothing.
func (i IntervalRMS) Join(o IntervalRMS) IntervalRMS {
	switch {
	case !(o.Seconds > 0) || o.RMS-o.RMS != 0:
		return i
	case !(i.Seconds > 0) || i.RMS-i.RMS != 0:
		return o
	}
	t := i.Seconds/2 + o.Seconds/2
	a := math.Sqrt(i.Seconds/2/t) * i.RMS
	b := math.Sqrt(o.Seconds/2/t) * o.RMS
	return IntervalRMS{2 * t, math.Hypot(a, b)}
}

// Value is the RMS, or why it is missing: quantities from below 10 Hz need ten
// minutes, those from 10 Hz up one minute (VDI 3834-1).
func (i IntervalRMS) Value(loHz float64) (float64, asset.Reason) {
	least := 60.0
	if !(loHz >= 10) {
		least = 600
	}
	switch {
	case !(i.Seconds >= least*(1-1e-9)):
		return math.NaN(), ReasonShort
	case i.RMS-i.RMS != 0:
		return math.NaN(), ReasonUndefined
	}
	return i.RMS, ""
}
