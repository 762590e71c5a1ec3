package features

import (
	"math"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/dsp"
)

// The band of envelope_rms and envelope_kurtosis where none is given, as shares
// of the sample rate: above shaft and mesh lines, below the anti-alias filter's
// slope, and the same in every window, so that the two can be followed in time.
const (
	trendLo = 0.1
	trendHi = 0.4
)

// The bands that are merged are a sixty-fourth of the rate wide, or wide enough
// for the highest line looked for, and overlap by half.
const (
	mergedShare  = 1.0 / 64
	mergedMargin = 1.5
)

// defaultEnvelopeHz is how far the envelope spectrum reaches without a bearing.
const defaultEnvelopeHz = 1000

// envelope takes the last transform to the lines of its envelope, and returns the
// moments of the trend band. At a speed that varies t becomes the mean that the lines
// lie at.
func (a *analysis[T]) envelope(e *WaveExtractor, l *layout, t *turning, b block[T], rate float64) envelope {
	stepHz := rate / float64(a.n)
	want := e.reach(l, *t, stepHz, a.n)
	fixed := e.opt.Envelope != Band{}
	lo, hi := binsOf(e.band(rate), stepHz, a.n)
	env := envelope{nan, nan}
	switch {
	case hi <= lo:
	case fixed && !t.Varies:
		a.lines, env = a.env.spectrum(a.lines, a.re, a.im, a.n, lo, hi, want, hann)
	default:
		n := dsp.SmoothAbove(max(hi-lo, 2))
		env = a.env.moments(a.re, a.im, a.n, lo, hi, n+n%2)
	}
	switch {
	case t.Varies:
		if !fixed {
			lo, hi = 1, a.n/2+1
		}
		t.Hz = a.tracked(stepHz, *t, lo, hi, want)
		t.Rpm = 60 * t.Hz / t.Ratio
	case fixed && hi <= lo:
		a.lines = resize(a.lines, 0)
	case fixed:
	case e.opt.Kurtogram:
		lo, hi = binsOf(a.impulsive(b, rate, e.highest(l, *t)), stepHz, a.n)
		a.lines, _ = a.env.spectrum(a.lines, a.re, a.im, a.n, lo, hi, want, hann)
	default:
		a.mergeBands(a.n, want)
	}
	return env
}

// band is the one given, else the trend band.
func (e *WaveExtractor) band(rate float64) Band {
	if e.opt.Envelope != (Band{}) {
		return e.opt.Envelope
	}
	return Band{trendLo * rate, trendHi * rate}
}

// scores puts the envelope's own features and the defect scores.
func (a *analysis[T]) scores(e *WaveExtractor, d *draft, l *layout, p power[T], t turning, env envelope) {
	rate := p.StepHz * float64(p.N)
	why := ReasonUndefined
	if lo, hi := binsOf(e.band(rate), p.StepHz, p.N); hi <= lo {
		why = ReasonAlias
	}
	d.put(math.Sqrt(env.Mean)*a.unit, why)
	d.put(env.Kurtosis, why)
	a.comb.slip = e.opt.Slip
	a.comb.defects(e, d, l, a.lines, p.StepHz, rate/2, t)
	a.comb.gears(d, l, a.lines, p.StepHz, rate/2, t)
}

// impulsive is the band of the kurtogram.
func (a *analysis[T]) impulsive(b block[T], rate, strikeHz float64) Band {
	x := make([]float64, a.n)
	for i := range x {
		if b.counts != nil {
			x[i] = float64(b.counts[i]) - a.levels.Mean
		} else {
			x[i] = float64(b.values[i]) - a.levels.Mean
		}
	}
	var k kurtogram
	return k.choose(x, rate, strikeHz)
}

// envelopeLines is the envelope spectrum as evidence.
func (a *analysis[T]) envelopeLines(e *WaveExtractor, l *layout, stepHz float64, t turning) Spectrum {
	unit, scale := l.unit+"²", a.unit*a.unit
	if t.Varies || e.opt.Envelope == (Band{}) && !e.opt.Kurtogram {
		unit, scale = "1", 1 // multiples of the floor
	}
	a.shown = resize(a.shown, len(a.lines))
	for k, v := range a.lines {
		a.shown[k] = T(float64(v) * scale)
	}
	return evidence(e, l, "envelope", unit, stepHz, a.shown, t)
}

// binsOf is the band as bins [lo, hi) of n samples, without DC, clipped to the spectrum.
func binsOf(b Band, stepHz float64, n int) (lo, hi int) {
	last := float64(n/2 + 1)
	return max(1, int(min(math.Ceil(b.Lo/stepHz), last))), int(min(math.Floor(b.Hi/stepHz)+1, last))
}

// highest is the highest strike rate of the channel's bearing; 0 when not known.
func (e *WaveExtractor) highest(l *layout, t turning) float64 {
	top := 0.0
	if t.Why == "" {
		for _, f := range l.families {
			top = max(top, f.order*t.Hz)
		}
	}
	return top
}

// reach is how many bins of the envelope spectrum the scores look at.
func (e *WaveExtractor) reach(l *layout, t turning, stepHz float64, n int) int {
	hz := e.highest(l, t) * (float64(e.opt.Harmonics) + 0.5)
	if t.Why == "" {
		for _, g := range l.gears {
			hz = max(hz, g.Order*t.Rpm/60*(gearHarmonics+0.5))
		}
	}
	if hz <= 0 {
		hz = defaultEnvelopeHz
	}
	return int(min(math.Ceil(hz/stepHz)+4, float64(n/4+1)))
}

// mergeBands fills lines with the merged envelope spectrum of all bands.
func (a *analysis[T]) mergeBands(n, want int) {
	half := n / 2
	width := int(max(mergedShare*float64(n), mergedMargin*float64(want)))
	width = max(8, min(width, half))
	want = min(want, width-1)
	a.merge.reset(want)
	for lo := 0; lo+width <= half+1; lo += max(1, width/2) {
		a.shown, _ = a.env.spectrum(a.shown, a.re, a.im, n, lo, lo+width, want, hann)
		a.merge.add(a.shown)
	}
	a.lines = a.merge.result(a.lines)
}

// minPeriods of a defect that a window must hold for its line to be told apart.
const minPeriods = 5

// defects puts the scores, the found harmonics and the sidebands of the families.
func (c *comb[T]) defects(e *WaveExtractor, d *draft, l *layout, lines []T, stepHz, nyquist float64, t turning) {
	var why [defectLines]asset.Reason
	var counts [defectLines]int
	var sets [defectLines]lineSet
	for i, f := range l.families {
		hz := f.order * t.Hz
		score := math.NaN()
		switch {
		case t.Why != "":
			why[i] = t.Why
		case hz > nyquist:
			why[i] = ReasonAlias
		case hz < minPeriods*stepHz:
			why[i] = ReasonShort
		default:
			score, counts[i] = c.score(lines, stepHz, hz, t.Hz, 1, e.opt.Harmonics)
			sets[i] = c.linesOf(lines, stepHz, hz, e.opt.Slip, 1, e.opt.Harmonics)
			if math.IsNaN(score) {
				why[i] = ReasonUndefined
			}
		}
		d.put(score, why[i])
	}
	for i := range l.families {
		d.put(unless(why[i], counts[i]), why[i])
	}
	for i, f := range l.families {
		if f.sideband <= 0 {
			continue
		}
		n, reason := 0, why[i]
		if reason == "" && f.sideband*t.Hz < minPeriods*stepHz {
			reason = ReasonShort
		}
		if reason == "" {
			n = sets[i].sidebands(found, func(at float64) float64 { return c.high(lines, at) }, f.sideband*t.Hz/stepHz)
		}
		d.put(unless(reason, n), reason)
	}
	for i, f := range l.families {
		if why[i] != "" {
			d.put(nan, why[i])
			continue
		}
		side := 0.0
		if f.mode == asset.RollingElement { // out of the load zone an element is silent; a race never quite
			side = f.sideband * t.Hz
		}
		d.put(c.stands(lines, stepHz, sets[i], t.Hz, side, e.opt.Slip), ReasonUndefined)
	}
}

func unless(why asset.Reason, n int) float64 {
	if why != "" {
		return math.NaN()
	}
	return float64(n)
}

// A tooth strikes once a turn, exactly: its comb goes on where the modulation of a
// healthy mesh by its shaft, a line or two, has ended.
const (
	gearFirst     = 3
	gearHarmonics = 8
	gearSlip      = 0.003 // teeth do not slip: what the speed is off by
)

// gears puts the score of the gear line that stands out most, and its harmonics.
func (c *comb[T]) gears(d *draft, l *layout, lines []T, stepHz, nyquist float64, t turning) {
	if len(l.gears) == 0 {
		return
	}
	best, found, sigma, why := nan, 0, nan, t.Why
	for _, g := range l.gears {
		hz := g.Order * t.Rpm / 60
		switch {
		case t.Why != "":
			continue
		case hz > nyquist:
			why = ReasonAlias
			continue
		case hz < minPeriods*stepHz:
			why = ReasonShort
			continue
		}
		if score, n := c.score(lines, stepHz, hz, 0, gearFirst, gearHarmonics); !math.IsNaN(score) && !(score <= best) {
			best, found = score, n
		}
		if z := c.stands(lines, stepHz, c.linesOf(lines, stepHz, hz, gearSlip, gearFirst, gearHarmonics), 0, 0, gearSlip); !(z <= sigma) {
			sigma = z
		}
	}
	if why == "" {
		why = ReasonUndefined
	}
	d.put(best, why)
	if math.IsNaN(best) {
		d.put(nan, why)
		d.put(nan, why)
		return
	}
	d.put(float64(found), why)
	d.put(sigma, why)
}
