package features

import (
	"cmp"
	"math"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/dsp"
)

// airDensity is the reference density of power curves in kg/m³ (IEC 61400-12-1).
const airDensity = 1.225

// CurveBin is what one bin of wind speed has seen.
type CurveBin struct {
	N     int
	Wind  float64 // mean of the corrected speed in m/s
	Power float64 // mean in kW
	// Σ of the squares and the product about the means: they part the scatter from
	// the slope of the curve within the bin.
	WW, WP, PP float64
}

// PowerCurve is a measured power curve by the method of bins: 0.5 m/s wide and
// centred on multiples of 0.5 m/s (IEC 61400-12-1:2017). Learn it from 10-min
// means of healthy, unlimited running. Bins has one owner.
type PowerCurve struct {
	MinSamples int        // of a bin that counts; default 30, the standard asks for 3
	Bins       []CurveBin // by multiple of 0.5 m/s, up to 50 m/s
}

const (
	curveStep = 0.5 // m/s
	curveBins = 101
)

// CorrectedWind is v·(ρ/1.225)^⅓ in m/s, for a machine with active power control
// (IEC 61400-12-1:2017); NaN for a density that is not positive.
func CorrectedWind(v, density float64) float64 {
	if !(density > 0) {
		return math.NaN()
	}
	return ratio(v*math.Cbrt(density/airDensity), 1)
}

// Learn adds a mean of wind in m/s, air density in kg/m³ and power in kW. why tells
// of a value that is left out.
func (c *PowerCurve) Learn(wind, density, power float64) (why asset.Reason) {
	v := CorrectedWind(wind, density)
	switch {
	case !finite(v, power):
		return ReasonNonFinite
	case v < 0 || v >= (curveBins-0.5)*curveStep || math.Abs(power) > 1e12:
		return ReasonRange
	}
	if len(c.Bins) < curveBins {
		c.Bins = append(c.Bins, make([]CurveBin, curveBins-len(c.Bins))...)
	}
	b := &c.Bins[int(math.Floor(v/curveStep+0.5))]
	b.N++
	n := float64(b.N)
	dv, dp := v-b.Wind, power-b.Power
	b.Wind += dv / n
	b.Power += dp / n
	b.WW += dv * (v - b.Wind)
	b.WP += dv * (power - b.Power)
	b.PP += dp * (power - b.Power)
	return ""
}

// scatter is the standard deviation in kW about the line through the bin.
func (b CurveBin) scatter() float64 {
	left := b.PP
	if b.WW > 0 {
		left -= b.WP / b.WW * b.WP
	}
	return math.Sqrt(max(left, 0) / float64(b.N))
}

// PowerResidual is power against the curve.
type PowerResidual struct {
	Expected float64 // kW
	Residual float64 // kW, measured less expected: a loss is negative
	Z        float64 // in standard deviations of the bins' scatter; NaN where that is 0
}

// Residual judges a mean against the line between the two bins about its corrected
// wind. why is ReasonRange where the curve has no such bins.
func (c *PowerCurve) Residual(wind, density, power float64) (r PowerResidual, why asset.Reason) {
	r = PowerResidual{math.NaN(), math.NaN(), math.NaN()}
	v := CorrectedWind(wind, density)
	if !finite(v, power) {
		return r, ReasonNonFinite
	}
	least := cmp.Or(c.MinSamples, 30)
	lo, hi := -1, -1
	for i, b := range c.Bins {
		if b.N < max(least, 1) {
			continue
		}
		if b.Wind <= v {
			lo = i
		} else if hi < 0 {
			hi = i
		}
	}
	// Beyond the outermost bins' means the curve reaches to their edges only, and
	// a hole in it is not bridged.
	at := math.Floor(v/curveStep + 0.5)
	if lo < 0 || lo >= 0 && hi < 0 {
		lo = max(lo, hi)
		if lo < 0 || at != float64(lo) {
			return r, ReasonRange
		}
		hi = lo
	}
	if hi-lo > 1 {
		return r, ReasonRange
	}
	a, b := c.Bins[lo], c.Bins[hi]
	share := 0.0
	if b.Wind > a.Wind {
		share = (v - a.Wind) / (b.Wind - a.Wind)
	}
	r.Expected = a.Power + share*(b.Power-a.Power)
	r.Residual = power - r.Expected
	sigma := (1-share)*a.scatter() + share*b.scatter()
	r.Z = ratio(r.Residual, sigma)
	if !finite(r.Expected, r.Residual) {
		return PowerResidual{math.NaN(), math.NaN(), math.NaN()}, ReasonUndefined
	}
	return r, ""
}

// CurrentUnbalance is max|I−mean|/mean over the phases' RMS values (NEMA MG 1);
// two phases at least, none negative.
func CurrentUnbalance(phases ...float64) (u float64, why asset.Reason) {
	if len(phases) < 2 {
		return math.NaN(), ReasonFew
	}
	mean := 0.0
	for _, i := range phases {
		if !finite(i) {
			return math.NaN(), ReasonNonFinite
		}
		if i < 0 {
			return math.NaN(), ReasonRange
		}
		mean += i / float64(len(phases))
	}
	far := 0.0
	for _, i := range phases {
		far = max(far, math.Abs(i-mean))
	}
	if u = ratio(far, mean); math.IsNaN(u) {
		return u, ReasonUndefined
	}
	return u, ""
}

// Sideband is one order of the broken-bar pattern.
type Sideband struct {
	K       int
	LowerDB float64 // of f_s(1−2ks) under the line; NaN where it cannot be seen
	UpperDB float64 // of f_s(1+2ks) under the line
}

// RotorBars is the pattern of broken rotor bars in a stator current.
type RotorBars struct {
	LineHz float64
	LineA  float64 // amplitude in the unit of x
	Bands  []Sideband
}

// CurrentAnalyser keeps the transform and the buffers of the last length. It
// belongs to one goroutine.
type CurrentAnalyser struct {
	plan   *dsp.Real[float64]
	window []float64
	block  []float64
	re, im []float64
	lines  []float64 // peak amplitude of a line at its bin, times 2⁻ᵉ
}

// blackmanHarris is the 4-term window of −92 dB side lobes, whose main lobe reaches
// 4 bins to each side (Harris 1978, Proc. IEEE 66:51).
func blackmanHarris(n int) []float64 {
	w := make([]float64, n)
	for i := range w {
		p := 2 * math.Pi * float64(i) / float64(n)
		w[i] = 0.35875 - 0.48829*math.Cos(p) + 0.14128*math.Cos(2*p) - 0.01168*math.Cos(3*p)
	}
	return w
}

const lobeBins = 4

// BrokenBars finds the sidebands f_s(1±2ks), k = 1 … orders, of an induction machine
// of slip s (Thomson & Fenger 2001, IEEE Ind. Appl. Mag. 7(4):26). The line is the
// largest within 2 % of supplyHz; each sideband is the largest within a bin of its
// place. why is ReasonShort where 2s·f_s is under 8 bins, since the line then covers
// the sidebands, ReasonAlias beyond half the rate, and ReasonFlat without a line.
func BrokenBars[T float32 | float64](c *CurrentAnalyser, x []T, rateHz, supplyHz, slip float64, orders int) (r RotorBars, why asset.Reason) {
	r = RotorBars{LineHz: math.NaN(), LineA: math.NaN()}
	if why = badSamples(x, rateHz); why != "" {
		return r, why
	}
	step := rateHz / float64(len(x))
	switch {
	case !(supplyHz > 0) || !(slip > 0 && slip < 1) || orders < 1 || orders > 100 || !(step > 0):
		return r, ReasonUndefined
	case supplyHz*1.02 > rateHz/2:
		return r, ReasonAlias
	case 2*slip*supplyHz < 2*lobeBins*step || supplyHz < 2*lobeBins*step:
		return r, ReasonShort
	}
	e := transformCurrent(c, x)
	line, level := c.top(int(math.Floor(0.98*supplyHz/step)), int(math.Ceil(1.02*supplyHz/step)))
	if !finite(line, level) {
		return r, ReasonFlat
	}
	r.LineHz, r.LineA = line*step, math.Ldexp(math.Pow(10, level/20), e)
	if !finite(r.LineHz, r.LineA) {
		return RotorBars{LineHz: math.NaN(), LineA: math.NaN()}, ReasonUndefined
	}
	for k := 1; k <= orders; k++ {
		r.Bands = append(r.Bands, c.sideband(line, level, slip, k))
	}
	return r, ""
}

// sideband is the pair k of a line at its place in bins and its level in dB.
func (c *CurrentAnalyser) sideband(line, level, slip float64, k int) Sideband {
	d := 2 * float64(k) * slip
	return Sideband{k, c.under(level, line*(1-d)), c.under(level, line*(1+d))}
}

// transformCurrent leaves the windowed amplitude spectrum of x about its mean in
// c.lines.
func transformCurrent[T float32 | float64](c *CurrentAnalyser, x []T) (e int) {
	n := len(x)
	if len(c.window) != n {
		c.plan, c.window, c.block = dsp.NewReal[float64](n), blackmanHarris(n), make([]float64, n)
		c.re, c.im, c.lines = make([]float64, n/2+1), make([]float64, n/2+1), make([]float64, n/2+1)
	}
	peak := 0.0
	for _, v := range x {
		peak = max(peak, math.Abs(float64(v)))
	}
	e = exponent(peak)
	scale, mean := scaleOf(e), 0.0
	for i, v := range x {
		c.block[i] = scale(float64(v))
		mean += c.block[i] / float64(n)
	}
	for i := range c.block {
		c.block[i] = (c.block[i] - mean) * c.window[i]
	}
	c.plan.Transform(c.re, c.im, c.block)
	for i := range c.lines {
		c.lines[i] = 2 / (0.35875 * float64(n)) * math.Hypot(c.re[i], c.im[i])
	}
	return e
}

// top is the place in bins and the level in dB of the largest bin within [lo, hi],
// refined by the parabola through the levels beside it.
func (c *CurrentAnalyser) top(lo, hi int) (at, level float64) {
	k, most := -1, 0.0
	for i := max(lo, 1); i <= min(hi, len(c.lines)-2); i++ {
		if a := c.lines[i]; a > most {
			k, most = i, a
		}
	}
	if k < 0 {
		return math.NaN(), math.NaN()
	}
	db := func(i int) float64 { return 20 * math.Log10(c.lines[i]) }
	before, here, after := db(k-1), db(k), db(k+1)
	curve := before - 2*here + after
	if !(curve < 0) || math.IsInf(curve, 0) || before > here || after > here {
		return float64(k), here
	}
	d := 0.5 * (before - after) / curve
	return float64(k) + d, here - 0.25*(before-after)*d
}

// under is how far the largest within a bin of place lies under the level, in dB.
func (c *CurrentAnalyser) under(level, place float64) float64 {
	if !(place >= lobeBins) || place > float64(len(c.lines)-2) {
		return math.NaN() // the lobe of zero frequency, or an alias
	}
	k := int(math.Round(place))
	if _, side := c.top(k-1, k+1); finite(level - side) {
		return level - side
	}
	return math.NaN()
}
