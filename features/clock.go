package features

import (
	"math"
	"slices"

	"github.com/telltale-iot/telltale/asset"
)

// ReasonClock is why order work is missing: the sample clock cannot be trusted.
const ReasonClock asset.Reason = "clock"

// Drift of a sample clock, in parts per million, from which it is flagged and
// from which no order can be computed.
const (
	clockFlagPPM  = 100
	clockLimitPPM = 1000
)

// Clock says how a source's sample clock runs against its time stamps.
type Clock struct {
	PPM       float64      // seconds too many per million: positive when it samples too slowly; NaN unknown
	StdErrPPM float64      // standard error of PPM, from the stamps' scatter
	Drifts    bool         // beyond 100 ppm, and beyond twice its standard error
	Reason    asset.Reason // why there is no order work: beyond 1000 ppm, or unknown
}

// FitClock fits t = a + b·n by least squares to the stamps t (s) of the samples
// n of a record and gives b·fs − 1 in ppm. It needs three stamps.
func FitClock(n, t []float64, rateHz float64) Clock {
	c := Clock{PPM: math.NaN(), StdErrPPM: math.NaN(), Reason: ReasonShort}
	m := min(len(n), len(t))
	if !(rateHz > 0) || math.IsInf(rateHz, 0) {
		c.Reason = ReasonRate
		return c
	}
	if m < 3 {
		return c
	}
	x, y := slices.Clone(n[:m]), slices.Clone(t[:m])
	for i := range x {
		x[i] /= rateHz
		if x[i]-x[i] != 0 || y[i]-y[i] != 0 {
			c.Reason = ReasonNonFinite
			return c
		}
	}
	mx, my := overallMean(x), overallMean(y)
	sxx, sxd := 0.0, 0.0 // d = y − x keeps the digits that b − 1 needs
	for i := range x {
		x[i] -= mx
		y[i] = y[i] - my - x[i]
		sxx += x[i] * x[i]
		sxd += x[i] * y[i]
	}
	slope, scatter := ratio(sxd, sxx), 0.0
	for i := range x {
		r := y[i] - slope*x[i]
		scatter += r * r
	}
	scatter = math.Sqrt(scatter / float64(m-2))
	return judged(1e6*slope, 1e6*ratio(scatter, math.Sqrt(sxx)), 2)
}

// judged is a drift with its standard error, of which it has to be so many to be sure.
func judged(ppm, stdErr, sure float64) Clock {
	if v := ppm + stdErr; v-v != 0 {
		return Clock{PPM: math.NaN(), StdErrPPM: math.NaN(), Reason: ReasonUndefined}
	}
	c := Clock{PPM: ppm, StdErrPPM: stdErr}
	if size := math.Abs(ppm); size > sure*stdErr {
		c.Drifts = OffClock(ppm)
		if size > clockLimitPPM {
			c.Reason = ReasonClock
		}
	}
	return c
}

// OffClock reports whether a sample clock is so far off that it is flagged.
func OffClock(ppm float64) bool { return math.Abs(ppm) > clockFlagPPM }

// ClockFit is FitClock from stamp to stamp, over the runs of blocks that follow each
// other without a loss: each run has its own offset, all have one rate. What lies
// back counts for less, half after ten minutes of samples. The zero value has seen
// nothing; its fields are there to be carried.
type ClockFit struct {
	Steps float64 `json:"steps"` // from stamp to stamp within runs
	Count float64 `json:"count"` // stamps of the run under way
	MeanX float64 `json:"x"`     // of the run: s by the nominal rate from its first sample
	MeanD float64 `json:"d"`     // of the run: s by the stamps beyond these
	LastX float64 `json:"last"`
	SXX   float64 `json:"xx"` // Σ about the means of the runs
	SXD   float64 `json:"xd"`
	SDD   float64 `json:"dd"`
}

// clockMemoryS is how much time of samples halves the weight of a stamp.
const clockMemoryS = 600

// Break ends a run: the stamps to come have another offset.
func (f *ClockFit) Break() { f.Count, f.MeanX, f.MeanD, f.LastX = 0, 0, 0, 0 }

// Add takes the stamp of a block in: x s after the run's first by the nominal rate,
// and d s more than that by its stamp.
func (f *ClockFit) Add(x, d float64) {
	if f.Count > 0 {
		w := clockMemoryS / (clockMemoryS + max(x-f.LastX, 0))
		f.Steps, f.Count, f.SXX, f.SXD, f.SDD = w*f.Steps+1, w*f.Count, w*f.SXX, w*f.SXD, w*f.SDD
	}
	f.Count++
	dx, dd := x-f.MeanX, d-f.MeanD
	f.MeanX += dx / f.Count
	f.MeanD += dd / f.Count
	f.SXX += dx * (x - f.MeanX)
	f.SXD += dx * (d - f.MeanD)
	f.SDD += dd * (d - f.MeanD)
	f.LastX = x
	if all := f.MeanX + f.MeanD + f.SXX + f.SXD + f.SDD; all-all != 0 { // no clock has such stamps
		*f = ClockFit{}
	}
}

// Clock judges as FitClock does, but at few stamps it takes more standard errors to
// be sure, since their scatter is not known well.
func (f *ClockFit) Clock() Clock {
	free := f.Steps - 1
	if !(free >= 0.9) || !(f.SXX > 0) {
		return Clock{PPM: math.NaN(), StdErrPPM: math.NaN(), Reason: ReasonShort}
	}
	slope := f.SXD / f.SXX
	scatter := math.Sqrt(max(f.SDD-slope*f.SXD, 0) / free)
	return judged(1e6*slope, 1e6*ratio(scatter, math.Sqrt(f.SXX)), 2+10/free)
}

// overallMean is the mean, taken so that a large sum cannot overflow.
func overallMean(x []float64) float64 {
	m := 0.0
	for i, v := range x {
		m += v/float64(i+1) - m/float64(i+1)
	}
	return m
}

// ownRate is the median time that a sample takes between blocks, over its
// nominal time 1/rate: 1 for a clock that runs well. Beyond 2 % the blocks are
// mostly lost, and the nominal rate is the better guess.
func ownRate[T float32 | float64](blocks []Block[T], rateHz float64) float64 {
	share := make([]float64, 0, len(blocks))
	for i := 1; i < len(blocks); i++ {
		step := blocks[i].Start.Sub(blocks[i-1].Start).Seconds()
		share = append(share, step*rateHz/float64(len(blocks[i-1].Samples)))
	}
	slices.Sort(share)
	m := 1.0
	if n := len(share); n > 0 {
		m = share[(n-1)/2]
	}
	if !(math.Abs(m-1) <= 0.02) {
		return 1
	}
	return m
}
