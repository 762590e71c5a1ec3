package features

import (
	"math"
	"slices"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/dsp"
)

// WaveExtractor turns the windows of one asset into vectors. It works in the
// memory of its workspace, so the goroutine that owns that owns it; what it returns
// is the caller's, but for Vector.Fields and Vector.Reasons, which vectors of a
// channel share and nobody may write to.
type WaveExtractor struct {
	opt     ExtractorOptions
	plate   asset.Nameplate
	layouts map[layoutKey]*layout
	space   *Workspace
	witness *WaveExtractor    // of evidence; nil: there was none
	pulses  pulses            // of the newest tacho window
	saved   map[string][]byte // state of groups as last saved or loaded
}

// NewExtractor makes the extractor of an asset, in a workspace that it may share
// with others of the same goroutine; nil gives it one of its own. Options that
// Validate refuses are the caller's mistake; what is out of range counts as not given.
func NewExtractor(opt ExtractorOptions, plate asset.Nameplate, space *Workspace) *WaveExtractor {
	if space == nil {
		space = NewWorkspace()
	}
	return &WaveExtractor{opt: opt.filled(), plate: plate, layouts: map[layoutKey]*layout{}, space: space, saved: map[string][]byte{}}
}

// minSamples below which a window has no spectrum.
const minSamples = 16

// lowSpeedRpm divides the velocity bands of ISO 20816: 10–1000 Hz, and from
// 2 Hz for machines that turn slower.
const lowSpeedRpm = 600

// maxRateHz bounds what a sample rate can be taken for.
const maxRateHz = 1e9

// clippedQuality is good enough to show and not to learn from.
const clippedQuality = 60

// Extract computes the features of a window: of its samples when it has a
// channel, else of its points. Whatever cannot be computed is missing with its
// reason; the error is always nil. Spectra are made when they are asked for, of
// windows that have one.
func (e *WaveExtractor) Extract(w asset.Window, spectra bool) (Vector, []Spectrum, error) {
	switch {
	case w.Channel == "":
		return e.telemetry(w), nil, nil
	case w.Given != nil:
		v, s := e.given(w, spectra)
		return v, s, nil
	}
	if l := e.layout(w); l.kind == tachoKind {
		return e.tacho(l, w), nil, nil
	}
	b := block[float32]{values: w.Samples, counts: w.Counts, scale: 1}
	if w.Counts != nil {
		b.scale = w.Scale
	}
	v, s := extract(e, e.space.single, b, w, spectra)
	return v, s, nil
}

// Exact computes in float64 what Extract computes in float32, by the same source,
// of x in place of the window's samples: for checking, and for samples that float32
// does not hold.
func (e *WaveExtractor) Exact(w asset.Window, x []float64) (Vector, []Spectrum, error) {
	if l := e.layout(w); l.kind == tachoKind {
		w.Counts, w.Samples = nil, make([]float32, len(x)) // pulses are where they are
		for i, v := range x {
			w.Samples[i] = float32(v)
		}
		return e.tacho(l, w), nil, nil
	}
	if e.space.double == nil {
		e.space.double = newAnalysis[float64]()
	}
	v, s := extract(e, e.space.double, block[float64]{values: x, scale: 1}, w, true)
	return v, s, nil
}

// extract is the way of a window of samples through all passes.
func extract[T dsp.Float](e *WaveExtractor, a *analysis[T], b block[T], w asset.Window, spectra bool) (Vector, []Spectrum) {
	l := e.layout(w)
	d := e.draft(l, w, b.len())
	if why := a.sanity(b, w.RateHz); why != "" {
		d.rest(why)
		return d.done(), nil
	}
	if a.clipped(b) {
		d.v.Quality = min(d.v.Quality, clippedQuality)
	}
	size, count := sections(b.len())
	a.centre(b, size)
	a.statistics(d, b)
	if b.len() < minSamples {
		d.rest(ReasonShort)
		return d.done(), nil
	}
	t := e.turning(l, w)
	a.transform()
	env := a.envelope(e, l, &t, b, w.RateHz)
	if count > 1 {
		env = a.average(e, l, &t, b, w.RateHz, count, env)
	}
	p := a.power(w.RateHz)
	var in *input
	if t.Varies || len(l.groups) > 0 {
		in = inputOf(e, a, b, w, p, t)
	}
	a.spectral(d, l, p, t)
	harmonics(d, p, t, in)
	a.scores(e, d, l, p, t, env)
	for _, g := range l.groups {
		g.put(d, in)
	}
	if !spectra || e.opt.SpectrumBins <= 0 {
		return d.done(), nil
	}
	return d.done(), []Spectrum{a.amplitudes(e, l, p, t), a.envelopeLines(e, l, p.StepHz, t)}
}

// statistics puts what the samples say without a spectrum.
func (a *analysis[T]) statistics(d *draft, b block[T]) {
	m, why := a.moments(b.len()), ReasonUndefined
	if spiked(b, m) {
		why = ReasonSpikes
		m.Peak, m.Crest, m.Kurtosis, m.Skewness, m.Shape, m.Impulse, m.Clearance = nan, nan, nan, nan, nan, nan, nan
	}
	for _, v := range [...]float64{m.RMS, m.Peak, m.Crest, m.Kurtosis, m.Skewness, m.Shape, m.Impulse, m.Clearance} {
		d.put(v, why)
	}
}

// sanity says why nothing can be computed of a window.
func (a *analysis[T]) sanity(b block[T], rateHz float64) asset.Reason {
	if b.len() == 0 {
		return ReasonEmpty
	}
	a.look(b)
	switch {
	case !a.levels.Finite:
		return ReasonNonFinite
	case flat(a.levels, b.len()):
		return ReasonFlat
	case !(rateHz > 0 && rateHz <= maxRateHz):
		return ReasonRate
	}
	return ""
}

func (a *analysis[T]) clipped(b block[T]) bool {
	if b.counts != nil {
		return clipping(b.counts, a.levels)
	}
	return clipping(b.values, a.levels)
}

// spikyImpulse is the impulse factor below which no sample lies 30 median
// deviations out: looking for them would cost more than all other statistics.
const spikyImpulse = 12

// spiked reports single samples that no machine makes.
func spiked[T dsp.Float](b block[T], m Moments) bool {
	if !(m.Impulse > spikyImpulse) {
		return false
	}
	var at []int
	if b.counts != nil {
		x := make([]float64, len(b.counts))
		for i, c := range b.counts {
			x[i] = float64(c)
		}
		at, _ = Spikes(nil, x)
	} else {
		at, _ = Spikes(nil, b.values)
	}
	return len(at) > 0
}

// slopeOverDB is how far the low end has to stand over the decade above it for a
// ski slope: integrated, even white noise has most of its energy below 5 Hz.
const slopeOverDB = 20

// skiSlope reports whether a cable or thermal transient rules the velocity.
func (a *analysis[T]) skiSlope(p power[T], t turning) bool {
	if t.Why == "" && t.Hz <= skiSlopeHz {
		return false // the machine's own lines lie there
	}
	from, to := p.bins(p.StepHz, skiSlopeHz)
	above, end := p.bins(10, 100)
	if to <= from || end-above < 3 {
		return false
	}
	low := dsp.Sum(p.Density[from:to]) / float64(to-from)
	a.sort = append(a.sort[:0], p.Density[above:end]...)
	if low < math.Pow(10, slopeOverDB/10)*medianOf(a.sort) {
		return false
	}
	below, all := 0.0, 0.0
	for k := 1; k < len(p.Density); k++ {
		v := float64(p.Density[k]) / (float64(k) * float64(k))
		if all += v; p.StepHz*float64(k) <= skiSlopeHz {
			below += v
		}
	}
	return below > skiSlopeShare*all
}

// spectral puts velocity, bands and shape.
func (a *analysis[T]) spectral(d *draft, l *layout, p power[T], t turning) {
	nyquist := p.StepHz * float64(p.N) / 2
	if l.velocity != noVelocity {
		lo := 10.0
		if t.Rpm < lowSpeedRpm {
			lo = 2
		}
		switch {
		case l.velocity == ofAcceleration && a.skiSlope(p, t):
			d.put(nan, ReasonSkiSlope)
			d.v.Quality = min(d.v.Quality, clippedQuality)
		case l.velocity == ofAcceleration:
			d.put(p.velocityRMS(lo, 1000, &a.inverse), ReasonShort)
		default:
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
	for _, v := range [...]float64{s.CentroidHz, s.SpreadHz, s.Rolloff95, s.Entropy, s.Flatness} {
		d.put(v, ReasonUndefined)
	}
}

// amplitudes is the amplitude spectrum as evidence, in the channel's unit.
func (a *analysis[T]) amplitudes(e *WaveExtractor, l *layout, p power[T], t turning) Spectrum {
	a.shown = resize(a.shown, len(p.Density))
	for k, v := range p.Density {
		a.shown[k] = T(p.lineAmplitude(v))
	}
	kind := l.kind
	if kind == "" {
		kind = "acceleration"
	}
	return evidence(e, l, kind, l.unit, p.StepHz, a.shown, t)
}

// evidence keeps the highest of every few bins, so that no line is lost.
func evidence[T dsp.Float](e *WaveExtractor, l *layout, kind, unit string, stepHz float64, s []T, t turning) Spectrum {
	pool := max(1, (len(s)+e.opt.SpectrumBins-1)/e.opt.SpectrumBins)
	out := Spectrum{Channel: l.channel, Kind: kind, Unit: unit, StepHz: stepHz * float64(pool), Bins: make([]float32, 0, (len(s)+pool-1)/pool)}
	for at := 0; at < len(s); at += pool {
		top := float64(slices.Max(s[at:min(at+pool, len(s))]))
		out.Bins = append(out.Bins, float32(min(top, math.MaxFloat32)))
	}
	if t.Why == "" {
		out.Marks = l.marks(t.Hz, t.Rpm/60, out.StepHz*float64(len(out.Bins)))
	}
	return out
}
