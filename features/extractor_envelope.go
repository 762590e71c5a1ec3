package features

import (
	"math"

	"github.com/telltale-iot/telltale/asset"
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

// envelopes puts the envelope's own features and the defect scores, and returns
// the envelope spectrum as evidence.
func (e *WaveExtractor) envelopes(d *draft, l *layout, p power, t turning) []Spectrum {
	rate := p.StepHz * float64(p.N)
	fixed := e.opt.Envelope != Band{}
	band := Band{trendLo * rate, trendHi * rate}
	if fixed {
		band = e.opt.Envelope
	}
	lo, hi := binsOf(band, p)
	var env envelope
	if hi > lo {
		env = e.enveloper.moments(e.welcher.bins, p.N, lo, hi, e.enveloper.plans.smoothAbove(hi-lo))
	}
	why := ReasonUndefined
	if hi <= lo {
		why, env = ReasonAlias, envelope{math.NaN(), math.NaN()}
	}
	d.put(math.Sqrt(env.Mean), why)
	d.put(env.Kurtosis, why)
	want := e.reach(l, t, p)
	unit := l.unit + "²"
	switch {
	case fixed:
		e.lines, _ = e.enveloper.spectrum(e.lines, e.welcher.bins, p.N, lo, hi, want, hann)
	case e.opt.Kurtogram:
		lo, hi = binsOf(e.kurtogram.choose(e.x[:p.N], rate, e.highest(l, t)), p)
		e.lines, _ = e.enveloper.spectrum(e.lines, e.welcher.bins, p.N, lo, hi, want, hann)
	default:
		unit = "1" // multiples of the floor
		e.mergeBands(p, want)
	}
	e.defects(d, l, p, t)
	if e.opt.SpectrumBins <= 0 {
		return nil
	}
	return []Spectrum{e.evidence(l, "envelope", unit, p.StepHz, e.lines, t)}
}

// binsOf is the band as bins [lo, hi), without DC, clipped to the spectrum.
func binsOf(b Band, p power) (lo, hi int) {
	last := float64(p.N/2 + 1)
	return max(1, int(min(math.Ceil(b.Lo/p.StepHz), last))), int(min(math.Floor(b.Hi/p.StepHz)+1, last))
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
func (e *WaveExtractor) reach(l *layout, t turning, p power) int {
	hz := e.highest(l, t) * (float64(e.opt.Harmonics) + 0.5)
	if hz <= 0 {
		hz = defaultEnvelopeHz
	}
	return int(min(math.Ceil(hz/p.StepHz)+4, float64(p.N/4+1)))
}

// mergeBands fills lines with the merged envelope spectrum of all bands.
func (e *WaveExtractor) mergeBands(p power, want int) {
	half := p.N / 2
	width := int(max(mergedShare*float64(p.N), mergedMargin*float64(want)))
	width = max(8, min(width, half))
	want = min(want, width-1)
	e.merge.reset(want)
	for lo := 0; lo+width <= half+1; lo += max(1, width/2) {
		e.band, _ = e.enveloper.spectrum(e.band, e.welcher.bins, p.N, lo, lo+width, want, hann)
		e.merge.add(e.band)
	}
	e.lines = e.merge.result(e.lines)
}

// minPeriods of a defect that a window must hold for its line to be told apart.
const minPeriods = 5

// defects puts the scores, the found harmonics and the sidebands of the families.
func (e *WaveExtractor) defects(d *draft, l *layout, p power, t turning) {
	var why [defectLines]asset.Reason
	var counts [defectLines]int
	nyquist := p.StepHz * float64(p.N) / 2
	for i, f := range l.families {
		hz := f.order * t.Hz
		score := math.NaN()
		switch {
		case t.Why != "":
			why[i] = t.Why
		case hz > nyquist:
			why[i] = ReasonAlias
		case hz < minPeriods*p.StepHz:
			why[i] = ReasonShort
		default:
			score, counts[i] = e.comb.score(e.lines, p.StepHz, hz, e.opt.Harmonics)
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
		if reason == "" && f.sideband*t.Hz < minPeriods*p.StepHz {
			reason = ReasonShort
		}
		if reason == "" {
			n = e.comb.sidebands(e.lines, p.StepHz, f.order*t.Hz, f.sideband*t.Hz, e.opt.Harmonics)
		}
		d.put(unless(reason, n), reason)
	}
}

func unless(why asset.Reason, n int) float64 {
	if why != "" {
		return math.NaN()
	}
	return float64(n)
}
