package features

import (
	"math"
	"slices"

	"github.com/telltale-iot/telltale/asset"
)

// WaveExtractor turns the windows of one asset into vectors. It reuses its
// memory, so one goroutine owns it; what it returns is the caller's, but for
// Vector.Fields, which vectors of a channel share and nobody may write to.
type WaveExtractor struct {
	opt       ExtractorOptions
	plate     asset.Nameplate
	layouts   map[layoutKey]*layout
	welcher   welcher
	enveloper enveloper
	merge     merge
	comb      comb
	kurtogram kurtogram
	x         []float64 // mean-free samples
	scratch   []float64
	lines     []float64 // envelope spectrum of the defect scores
	band      []float64 // envelope spectrum of one band
}

// NewExtractor makes the extractor of an asset. Options that Validate refuses
// are the caller's mistake; what is out of range counts as not given.
func NewExtractor(opt ExtractorOptions, plate asset.Nameplate) *WaveExtractor {
	opt = opt.filled()
	p := newPlans()
	return &WaveExtractor{
		opt: opt, plate: plate, layouts: map[layoutKey]*layout{},
		welcher: welcher{plans: p}, enveloper: enveloper{plans: p}, comb: comb{slip: opt.Slip},
	}
}

// minSamples below which a window has no spectrum.
const minSamples = 16

// lowSpeedRpm divides the velocity bands of ISO 20816: 10–1000 Hz, and from
// 2 Hz for machines that turn slower.
const lowSpeedRpm = 600

// Extract computes the features of a window: of its samples when it has a
// channel, else of its points. Whatever cannot be computed is missing with its
// reason; the error is always nil. Spectra come only from windows that gave one.
func (e *WaveExtractor) Extract(w asset.Window) (Vector, []Spectrum, error) {
	if w.Channel == "" {
		return e.telemetry(w), nil, nil
	}
	l := e.layout(w)
	d := newDraft(l.fields, w)
	why, clipped := Sanity(w.Samples)
	if why == "" && !(w.RateHz > 0 && w.RateHz <= maxRateHz) {
		why = ReasonRate
	}
	if why != "" {
		d.rest(why)
		return d.v, nil, nil
	}
	if clipped {
		d.v.Quality = min(d.v.Quality, clippedQuality)
	}
	e.x = resize(e.x, len(w.Samples))
	for i, v := range w.Samples {
		e.x[i] = float64(v)
	}
	centre(e.x)
	e.statistics(d)
	if len(e.x) < minSamples {
		d.rest(ReasonShort)
		return d.v, nil, nil
	}
	n := e.welcher.plans.smooth(len(e.x))
	density, _ := e.welcher.welch(e.x[:n], w.RateHz, n, 0, removeMean, hann)
	turn := e.turning(l, w)
	e.spectral(d, l, density, turn)
	spectra := e.envelopes(d, l, density, turn)
	if e.opt.SpectrumBins > 0 {
		spectra = append([]Spectrum{e.accelerationSpectrum(l, density, turn)}, spectra...)
	}
	return d.v, spectra, nil
}

// maxRateHz bounds what a sample rate can be taken for.
const maxRateHz = 1e9

// clippedQuality is good enough to show and not to learn from.
const clippedQuality = 60

// statistics puts what the mean-free samples say without a spectrum.
func (e *WaveExtractor) statistics(d *draft) {
	m, _ := MomentsOf(e.x)
	for _, v := range [...]float64{m.RMS, m.Peak, m.Crest, m.Kurtosis, m.Skewness, m.Shape, m.Impulse} {
		d.put(v, ReasonUndefined)
	}
}

// turning is how the channel's shaft turned while the window was taken.
type turning struct {
	Rpm float64      // of the asset
	Hz  float64      // of the component's shaft
	Why asset.Reason // for which rotating features are missing; empty when they are not
}

func (e *WaveExtractor) turning(l *layout, w asset.Window) turning {
	rpm := float64(w.SpeedRpm)
	if math.IsNaN(rpm) && e.plate.SpeedRpm > 0 {
		rpm = e.plate.SpeedRpm
	}
	switch {
	case math.IsNaN(rpm) || math.IsInf(rpm, 0):
		return turning{Rpm: math.NaN(), Why: ReasonNoSpeed}
	case rpm < 1:
		return turning{Rpm: rpm, Why: ReasonStandstill}
	}
	return turning{Rpm: rpm, Hz: rpm * e.plate.ShaftRatio(l.component) / 60}
}

// spectral puts velocity, bands, shape and harmonics of the shaft.
func (e *WaveExtractor) spectral(d *draft, l *layout, p power, t turning) {
	nyquist := p.StepHz * float64(p.N) / 2
	if l.velocity != 0 {
		lo := 10.0
		if t.Rpm < lowSpeedRpm {
			lo = 2
		}
		if l.velocity == ofAcceleration {
			d.put(p.velocityRMS(lo, 1000), ReasonShort)
		} else {
			d.put(l.toMMS*p.bandRMS(lo, math.Nextafter(1000, 1001)), ReasonShort)
		}
	}
	for _, b := range l.bands {
		switch {
		case b.Lo >= nyquist:
			d.put(math.NaN(), ReasonAlias)
		case b.Hi-b.Lo < p.StepHz:
			d.put(math.NaN(), ReasonShort)
		default:
			d.put(p.bandRMS(b.Lo, b.Hi), ReasonUndefined)
		}
	}
	s := p.shape()
	d.put(s.CentroidHz, ReasonUndefined)
	d.put(s.Entropy, ReasonUndefined)
	d.put(s.Flatness, ReasonUndefined)
	for k := 1; k <= 3; k++ {
		f := float64(k) * t.Hz
		switch {
		case t.Why != "":
			d.put(math.NaN(), t.Why)
		case f > nyquist:
			d.put(math.NaN(), ReasonAlias)
		case t.Hz < 3*p.StepHz: // ±2 bins would reach the neighbour
			d.put(math.NaN(), ReasonShort)
		default:
			d.put(p.harmonicRMS(f, 2, 0.01), ReasonUndefined)
		}
	}
}

// accelerationSpectrum is the amplitude spectrum as evidence, in the channel's unit.
func (e *WaveExtractor) accelerationSpectrum(l *layout, p power, t turning) Spectrum {
	e.scratch = resize(e.scratch, len(p.Density))
	for k, v := range p.Density {
		e.scratch[k] = p.lineAmplitude(v)
	}
	kind := l.kind
	if kind == "" {
		kind = "acceleration"
	}
	return e.evidence(l, kind, l.unit, p.StepHz, e.scratch, t)
}

// evidence keeps the highest of every few bins, so that no line is lost.
func (e *WaveExtractor) evidence(l *layout, kind, unit string, stepHz float64, s []float64, t turning) Spectrum {
	pool := max(1, (len(s)+e.opt.SpectrumBins-1)/e.opt.SpectrumBins)
	out := Spectrum{Channel: l.channel, Kind: kind, Unit: unit, StepHz: stepHz * float64(pool), Bins: make([]float32, 0, (len(s)+pool-1)/pool)}
	for at := 0; at < len(s); at += pool {
		top := slices.Max(s[at:min(at+pool, len(s))])
		out.Bins = append(out.Bins, float32(min(top, math.MaxFloat32)))
	}
	if t.Why == "" {
		out.Marks = l.marks(t.Hz, out.StepHz*float64(len(out.Bins)))
	}
	return out
}
