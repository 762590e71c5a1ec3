package features

import (
	"fmt"
	"math"
)

// CurrentOptions configure stator currents. The zero value means the documented
// defaults.
type CurrentOptions struct {
	LineHz    float64 // of the supply; default the strongest line of 45–65 Hz
	PolePairs int     // of the machine; default the number whose synchronous speed is next to the rotor's
}

// Bounds of the search for the supply's line, and how far it stands out.
const (
	lineLoHz     = 45
	lineHiHz     = 65
	lineShare    = 0.1 // of the samples' RMS, below which a line is none
	maxPolePairs = 60
	mostSlip     = 0.1 // of a machine whose pole pairs are guessed
	lastHarmonic = 40  // IEC 61000-4-7
)

func (o CurrentOptions) validate() error {
	if !(o.LineHz >= 0 && o.LineHz <= 1e4) {
		return fmt.Errorf("features: current line = %g Hz: want above 0, at most 1e4", o.LineHz)
	}
	if o.PolePairs < 0 || o.PolePairs > maxPolePairs {
		return fmt.Errorf("features: current pole pairs = %d: want 1–%d", o.PolePairs, maxPolePairs)
	}
	return nil
}

// currentGroup reads the line and its sidebands from a stator current.
type currentGroup struct {
	opt CurrentOptions
}

func newCurrentGroup(o CurrentOptions) *currentGroup {
	if o.validate() != nil {
		o = CurrentOptions{}
	}
	return &currentGroup{opt: o}
}

func (g *currentGroup) fields(l *layout) []Field {
	return fieldsOf(l, "line_hz", "Hz", "line_rms", l.unit, "thd", "1", "slip", "1", "broken_bar", "dB")
}

func (g *currentGroup) put(d *draft, in *input) {
	lo, hi := lineLoHz*1., lineHiHz*1.
	if g.opt.LineHz > 0 {
		lo, hi = 0.98*g.opt.LineHz, 1.02*g.opt.LineHz
	}
	step := in.rateHz / float64(len(in.x))
	switch {
	case hi > in.rateHz/2:
		d.rest(ReasonAlias)
		return
	case lo < 2*lobeBins*step:
		d.rest(ReasonShort)
		return
	}
	c := in.room.current(len(in.x))
	e := transformCurrent(c, in.x)
	line, level := c.top(int(math.Floor(lo/step)), int(math.Ceil(hi/step)))
	rms := math.Ldexp(math.Pow(10, level/20)/math.Sqrt2, e)
	whole, _ := MomentsOf(in.x)
	if !finite(line, rms) || !(rms >= lineShare*whole.Std) {
		d.rest(ReasonFlat)
		return
	}
	d.put(line*step, ReasonUndefined)
	d.put(rms, ReasonUndefined)
	distortion(d, c, line, level)
	g.bars(d, in, c, line, level, step)
}

// distortion is √(Σ I_h²)/I₁, h = 2 … 40 (IEC 61000-4-7), of the harmonics below half
// the rate.
func distortion(d *draft, c *CurrentAnalyser, line, level float64) {
	sum, n := 0.0, 0
	for h := 2; h <= lastHarmonic && float64(h)*line < float64(len(c.lines)-1-lobeBins); h++ {
		at := int(math.Round(float64(h) * line))
		if _, db := c.top(at-lobeBins/2, at+lobeBins/2); finite(db) {
			sum += math.Pow(10, (db-level)/10)
			n++
		}
	}
	if n == 0 {
		d.put(nan, ReasonAlias)
		return
	}
	d.put(math.Sqrt(sum), ReasonUndefined)
}

// bars puts the slip, and the level of the stronger of f_s(1±2s) over the line: it
// rises towards 0 dB as bars break (−54 dB well, −45 dB and above broken; Thomson
// & Fenger 2001).
func (g *currentGroup) bars(d *draft, in *input, c *CurrentAnalyser, line, level, step float64) {
	if in.turning.Why != "" {
		d.rest(in.turning.Why)
		return
	}
	if !in.turning.Measured { // a slip is what the speed differs from the nameplate's
		d.rest(ReasonNoSpeed)
		return
	}
	supply, rotor := line*step, in.turning.Hz
	pairs, most := float64(g.opt.PolePairs), 1.0
	if g.opt.PolePairs == 0 {
		pairs, most = math.Round(supply/rotor), mostSlip
	}
	slip := 1 - pairs*rotor/supply
	switch {
	case pairs < 1 || pairs > maxPolePairs || !(math.Abs(slip) < most):
		d.rest(ReasonRange)
		return
	case in.turning.Varies:
		d.put(slip, ReasonUndefined)
		d.put(nan, ReasonTransient)
		return
	}
	d.put(slip, ReasonUndefined)
	if 2*math.Abs(slip)*line < 2*lobeBins {
		d.put(nan, ReasonShort)
		return
	}
	s := c.sideband(line, level, math.Abs(slip), 1)
	under := math.Inf(1)
	for _, v := range [...]float64{s.LowerDB, s.UpperDB} {
		if !math.IsNaN(v) {
			under = min(under, v)
		}
	}
	d.put(-under, ReasonAlias)
}
