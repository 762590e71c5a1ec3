package features

import (
	"fmt"
	"math"
	"time"

	"github.com/telltale-iot/telltale/dsp"
)

// AcousticOptions configure acoustic emission. The zero value means the documented
// defaults.
type AcousticOptions struct {
	ThresholdDB float64 // dB_AE at the sensor; default 40, at least 6 dB over the noise
	PreampDB    float64 // gain between the sensor and the samples; default 0
	Composite   bool    // timings usual for fibre composites in place of those for metal
	PDTUs       float64 // peak definition time in µs; default the whole hit, composites 35
	HDTUs       float64 // hit definition time in µs; default 800, composites 150
	HLTUs       float64 // lockout in µs; default 1000, composites 300
	Keep        int     // amplitudes of the newest hits that the b-value is taken of, 50–1000; default 200
}

const (
	defaultAmplitudes = 200
	maxAmplitudes     = 1000
)

func (o AcousticOptions) validate() error {
	switch {
	case !(math.Abs(o.ThresholdDB) <= 200):
		return fmt.Errorf("features: acoustic threshold = %g dB: want −200 to 200", o.ThresholdDB)
	case !(math.Abs(o.PreampDB) <= 200):
		return fmt.Errorf("features: acoustic preamp = %g dB: want −200 to 200", o.PreampDB)
	case o.Keep != 0 && (o.Keep < 50 || o.Keep > maxAmplitudes):
		return fmt.Errorf("features: acoustic keep = %d: want 50–%d", o.Keep, maxAmplitudes)
	}
	for _, t := range [...]float64{o.PDTUs, o.HDTUs, o.HLTUs} {
		if !(t >= 0 && t <= 1e9) {
			return fmt.Errorf("features: acoustic time = %g µs: want 0–1e9", t)
		}
	}
	return nil
}

// hits are the front-end's options at a rate.
func (o AcousticOptions) hits(rateHz float64) HitOptions {
	h := HitOptions{}
	if o.Composite {
		h = h.CompositeTiming()
	}
	h.RateHz, h.ThresholdDB = rateHz, o.ThresholdDB
	for _, t := range [...]struct {
		to *float64
		us float64
	}{{&h.PDTs, o.PDTUs}, {&h.HDTs, o.HDTUs}, {&h.HLTs, o.HLTUs}} {
		if t.us > 0 {
			*t.to = t.us * 1e-6
		}
	}
	return h
}

// acousticGroup counts hits. A hit that is under way at the end of a window goes on
// in the next when that follows without a gap.
type acousticGroup struct {
	opt   AcousticOptions
	toUV  float64 // µV at the sensor of one unit of the samples; NaN for a unit that is no voltage
	carry acousticState
}

// acousticState is what it carries.
type acousticState struct {
	Next       time.Time   `json:"next"` // when the sample after the last one is due
	Detector   HitDetector `json:"detector"`
	Amplitudes []float32   `json:"amplitudes"` // dB_AE of the newest hits, oldest first
}

func newAcousticGroup(unit string, o AcousticOptions) *acousticGroup {
	if o.validate() != nil {
		o = AcousticOptions{}
	}
	if o.Keep == 0 {
		o.Keep = defaultAmplitudes
	}
	g := &acousticGroup{opt: o, toUV: nan}
	switch unit {
	case "V":
		g.toUV = AEScale(o.PreampDB)
	case "µV":
		g.toUV = AEScale(o.PreampDB) / 1e6
	}
	return g
}

func (g *acousticGroup) fields(l *layout) []Field {
	return fieldsOf(l, "hits", "1", "hits_per_min", "1/min", "counts_per_min", "1/min", "energy_per_min", "µV²·s/min",
		"amplitude_max", "dB", "duration_us", "µs", "rise_us", "µs", "average_frequency", "Hz", "ra", "µs/V",
		"b_value", "1", "b_value_error", "1")
}

// fieldsOf pairs names and units.
func fieldsOf(l *layout, pairs ...string) []Field {
	out := make([]Field, 0, len(pairs)/2)
	for i := 0; i+1 < len(pairs); i += 2 {
		out = append(out, Field{Channel: l.channel, Name: pairs[i], Unit: pairs[i+1]})
	}
	return out
}

func (g *acousticGroup) state() any { return &g.carry }

func (g *acousticGroup) put(d *draft, in *input) {
	if math.IsNaN(g.toUV) {
		d.rest(ReasonCalibration)
		return
	}
	fresh, why := NewHitDetector(g.opt.hits(in.rateHz))
	if why != "" {
		d.rest(why)
		return
	}
	seen := g.follow(fresh, d.v.Start, len(in.x))
	found := g.detect(in)
	a := HitActivity{}.Step(found, in.seconds)
	hits, counts, energy := a.PerMinute()
	for _, v := range [...]float64{float64(len(found)), hits, counts, energy} {
		d.put(v, ReasonUndefined)
	}
	shapes(d, found)
	settled := hitSamples(fresh.Options.HDTs, in.rateHz) + 1 // from a hit's end until it is known
	for _, h := range found {
		if h.End+settled >= seen {
			g.carry.Amplitudes = append(g.carry.Amplitudes, float32(h.AmplitudeDB))
		}
	}
	if extra := len(g.carry.Amplitudes) - g.opt.Keep; extra > 0 {
		g.carry.Amplitudes = append(g.carry.Amplitudes[:0], g.carry.Amplitudes[extra:]...)
	}
	b, why := BValueOf(g.carry.Amplitudes, CompleteMagnitude(fresh.Options.ThresholdDB))
	d.put(b.B, why)
	d.put(b.StdErr, why)
}

// follow lets the detector go on, or puts a fresh one in its place when the window of
// n samples does not begin where the last one ended or its options changed. Hits
// known before the sample it returns were seen in a window that overlaps.
func (g *acousticGroup) follow(fresh HitDetector, start time.Time, n int) (seen int64) {
	c := &g.carry
	rate := fresh.Options.RateHz
	early := c.Next.Sub(start).Seconds() * rate // samples that came before; 0 for the next window
	same := c.Detector.Options == fresh.Options && c.Detector.Index >= 0 && c.Detector.Index < 1<<60
	if c.Detector.Options.ThresholdDB != fresh.Options.ThresholdDB {
		c.Amplitudes = c.Amplitudes[:0]
	}
	switch {
	case same && math.Abs(early) <= 0.5+1e-9*rate: // a stamp holds whole ns
		// It goes on; what was known by then has been handed out.
	case same && early > 0 && early <= float64(n)+0.5: // it overlaps, or is the same once more
		c.Detector, seen = fresh, int64(math.Round(early))
	default:
		c.Detector = fresh
	}
	c.Next = start.Add(time.Duration(float64(n) / rate * 1e9)).UTC()
	return seen
}

// detect finds the hits that end in the window; they are valid until the next one. A
// bias is no emission, so the mean is taken out.
func (g *acousticGroup) detect(in *input) []Hit {
	hits, x := in.room.hits[:0], in.x
	in.room.piece = resize(in.room.piece, 4096)
	mean := dsp.LevelsOf(x).Mean
	for at := 0; at < len(x); at += len(in.room.piece) {
		piece := in.room.piece[:min(len(in.room.piece), len(x)-at)]
		for i := range piece {
			piece[i] = (x[at+i] - mean) * g.toUV
		}
		hits = Hits(hits, &g.carry.Detector, piece)
	}
	in.room.hits = hits
	return hits
}

// shapes puts the largest amplitude and the means over the window's hits.
func shapes(d *draft, hits []Hit) {
	top := math.Inf(-1)
	var duration, rise, frequency, ra mean
	for _, h := range hits {
		top = max(top, h.AmplitudeDB)
		duration.add(h.DurationS * 1e6)
		rise.add(h.RiseS * 1e6)
		frequency.add(h.FrequencyHz)
		ra.add(h.RASPerV * 1e6)
	}
	d.put(top, ReasonFew)
	for _, m := range [...]mean{duration, rise, frequency, ra} {
		d.put(m.value(), ReasonFew)
	}
}

// mean of the values that are not missing.
type mean struct {
	sum float64
	n   int
}

func (m *mean) add(v float64) {
	if !math.IsNaN(v) {
		m.sum, m.n = m.sum+v, m.n+1
	}
}

func (m mean) value() float64 { return ratio(m.sum, float64(m.n)) }
