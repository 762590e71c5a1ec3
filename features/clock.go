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
	c.PPM, c.StdErrPPM = 1e6*slope, 1e6*ratio(scatter, math.Sqrt(sxx))
	if v := c.PPM + c.StdErrPPM; v-v != 0 {
		return Clock{PPM: math.NaN(), StdErrPPM: math.NaN(), Reason: ReasonUndefined}
	}
	size, sure := math.Abs(c.PPM), math.Abs(c.PPM) > 2*c.StdErrPPM
	c.Drifts, c.Reason = sure && size > clockFlagPPM, ""
	if sure && size > clockLimitPPM {
		c.Reason = ReasonClock
	}
	return c
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
