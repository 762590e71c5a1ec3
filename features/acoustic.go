package features

import (
	"math"

	"github.com/telltale-iot/telltale/asset"
)

// Reasons of the statistics that need a sample of some size.
const (
	ReasonFew   asset.Reason = "too-few" // fewer values than the estimate needs
	ReasonTail  asset.Reason = "tail"    // a tail too heavy or too short to extrapolate
	ReasonRange asset.Reason = "range"   // outside the physical or the learned range
)

// HitOptions are the front-end timings of acoustic emission. The defaults are
// those usual for metal; CompositeTiming gives those for blades.
type HitOptions struct {
	RateHz      float64 // required; burst shapes need 1 MHz
	ThresholdDB float64 // dB_AE; default 40, at least 6 dB over the noise
	PDTs        float64 // peak definition time in s: the peak stands once none larger came for so long; default the whole hit
	HDTs        float64 // hit definition time in s; default 800e-6
	HLTs        float64 // lockout after the definition time in s; default 1000e-6, negative for none
}

// CompositeTiming sets the timings usual for fibre composites.
func (o HitOptions) CompositeTiming() HitOptions {
	o.PDTs, o.HDTs, o.HLTs = 35e-6, 150e-6, 300e-6
	return o
}

// Hit is one burst. Indices count samples since the detector began.
type Hit struct {
	Start, End, Peak int64   // first and last crossing, largest |v|
	AmplitudeDB      float64 // dB_AE = 20·log₁₀(|v|/1 µV) at the sensor
	DurationS        float64 // first to last crossing
	RiseS            float64 // first crossing to peak
	Counts           int     // positive crossings, with the one that began the hit
	EnergyUV2S       float64 // Σv²/f_s in µV²·s; NaN beyond float64
	FrequencyHz      float64 // Counts/DurationS; NaN for a hit of one sample
	RASPerV          float64 // rise time over amplitude in s/V
}

// HitDetector finds hits in a waveform that comes in blocks: a hit that spans two
// of them is one. Terms are those of ASTM E1316. It belongs to one channel; its
// fields are its whole state.
type HitDetector struct {
	Options   HitOptions
	Index     int64 // of the next sample
	Open      bool
	Hit       Hit     // the open one
	PeakUV    float64 // of the open hit
	Tail      float64 // Σv² since its last crossing
	Above     bool    // the last sample was at or above +threshold
	Lockout   int64   // no hit begins before this sample
	NonFinite int64   // samples left out
}

// NewHitDetector fills in the defaults. why is ReasonRate without a usable rate
// and ReasonUndefined for a threshold or a time that is no number.
func NewHitDetector(o HitOptions) (d HitDetector, why asset.Reason) {
	if !(o.RateHz > 0) || math.IsInf(o.RateHz, 0) {
		return HitDetector{}, ReasonRate
	}
	if o.ThresholdDB == 0 {
		o.ThresholdDB = 40
	}
	if o.HDTs == 0 {
		o.HDTs = 800e-6
	}
	if o.HLTs == 0 {
		o.HLTs = 1000e-6
	}
	longest := max(o.PDTs, o.HDTs, math.Abs(o.HLTs)) * o.RateHz
	if !finite(o.ThresholdDB, longest) || math.Abs(o.ThresholdDB) > 1000 || longest > 1e15 || o.HDTs < 0 || o.PDTs < 0 {
		return HitDetector{}, ReasonUndefined
	}
	o.HLTs = max(o.HLTs, 0)
	return HitDetector{Options: o}, ""
}

// Hits appends the hits that end within the block x, in µV at the sensor.
func Hits[T float32 | float64](dst []Hit, d *HitDetector, x []T) []Hit {
	o := d.Options
	level := math.Pow(10, o.ThresholdDB/20)
	hdt, hlt, pdt := hitSamples(o.HDTs, o.RateHz), hitSamples(o.HLTs, o.RateHz), hitSamples(o.PDTs, o.RateHz)
	for _, s := range x {
		i := d.Index
		d.Index++
		if d.Open && i-d.Hit.End > hdt {
			dst = d.close(dst)
			d.Lockout = i + hlt
		}
		v := float64(s)
		if math.IsNaN(v) || math.IsInf(v, 0) {
			d.NonFinite++
			d.Above = false
			continue
		}
		a := math.Abs(v)
		rising := v >= level && !d.Above
		d.Above = v >= level
		switch {
		case d.Open:
			d.Tail = min(d.Tail+v*v, math.MaxFloat64) // stays a number, as stored state has to
			if a < level {
				continue
			}
			d.Hit.EnergyUV2S, d.Tail, d.Hit.End = min(d.Hit.EnergyUV2S+d.Tail, math.MaxFloat64), 0, i
			if rising {
				d.Hit.Counts++
			}
			if a > d.PeakUV && (pdt == 0 || i-d.Hit.Peak <= pdt) {
				d.PeakUV, d.Hit.Peak = a, i
			}
		case a >= level && i >= d.Lockout:
			d.Open, d.PeakUV, d.Tail = true, a, 0
			d.Hit = Hit{Start: i, End: i, Peak: i, EnergyUV2S: min(v*v, math.MaxFloat64)}
			if v >= level {
				d.Hit.Counts = 1
			}
		}
	}
	return dst
}

// Flush appends the hit that is still open, as at the end of a record.
func (d *HitDetector) Flush(dst []Hit) []Hit {
	if !d.Open {
		return dst
	}
	return d.close(dst)
}

func hitSamples(s, rateHz float64) int64 { return int64(math.Round(s * rateHz)) }

func (d *HitDetector) close(dst []Hit) []Hit {
	h, rate := d.Hit, d.Options.RateHz
	h.AmplitudeDB = 20 * math.Log10(d.PeakUV)
	h.DurationS = float64(h.End-h.Start) / rate
	h.RiseS = float64(h.Peak-h.Start) / rate
	if h.EnergyUV2S = ratio(h.EnergyUV2S, rate); d.Hit.EnergyUV2S == math.MaxFloat64 {
		h.EnergyUV2S = math.NaN()
	}
	h.FrequencyHz = ratio(float64(h.Counts), h.DurationS)
	h.RASPerV = ratio(h.RiseS*1e6, d.PeakUV)
	d.Open, d.Hit, d.PeakUV, d.Tail = false, Hit{}, 0, 0
	return append(dst, h)
}

// HitActivity counts the hits of one regime and the time listened to in it.
type HitActivity struct {
	Hits, Counts int
	EnergyUV2S   float64 // of the hits whose energy is known
	Seconds      float64
}

// Step adds the hits of some seconds.
func (a HitActivity) Step(hits []Hit, seconds float64) HitActivity {
	if !(seconds >= 0) || math.IsInf(seconds, 0) {
		return a
	}
	a.Seconds += seconds
	for _, h := range hits {
		a.Hits++
		a.Counts += h.Counts
		if e := a.EnergyUV2S + h.EnergyUV2S; finite(e) {
			a.EnergyUV2S = e
		}
	}
	return a
}

// PerMinute are hits, counts and energy in µV²·s per minute; NaN before any time
// has passed.
func (a HitActivity) PerMinute() (hits, counts, energy float64) {
	m := a.Seconds / 60
	return ratio(float64(a.Hits), m), ratio(float64(a.Counts), m), ratio(a.EnergyUV2S, m)
}

// BValue is the slope of the amplitude distribution: log₁₀ N(≥M) = a − b·M with
// M = dB/20. A falling b tells of a macroscopic crack.
type BValue struct {
	B      float64
	StdErr float64 // B/√N
	N      int     // hits of magnitude at least M_c
}

// CompleteMagnitude is M_c, above which no hit is missed: 3 dB over the threshold.
func CompleteMagnitude(thresholdDB float64) float64 { return (thresholdDB + 3) / 20 }

// BValueOf is b = log₁₀e/(mean M − M_c) over the amplitudes in dB_AE of magnitude
// M ≥ mc (Aki 1965, Bull. Earthq. Res. Inst. 43:237). It takes at least 50 of them.
func BValueOf[T float32 | float64](amplitudeDB []T, mc float64) (b BValue, why asset.Reason) {
	b = BValue{B: math.NaN(), StdErr: math.NaN()}
	if len(amplitudeDB) == 0 {
		return b, ReasonEmpty
	}
	sum := 0.0 // of M − M_c, whose rounding does not depend on the level
	for _, a := range amplitudeDB {
		m := float64(a)/20 - mc
		if math.IsNaN(m) || math.IsInf(m, 0) {
			return BValue{B: math.NaN(), StdErr: math.NaN()}, ReasonNonFinite
		}
		// A stored amplitude is rounded: one at M_c itself must not fall out for it.
		if m >= -1e-6 {
			b.N++
			sum += m
		}
	}
	switch {
	case b.N < 50:
		return b, ReasonFew
	case !(sum > 0):
		return b, ReasonFlat
	}
	b.B = ratio(math.Log10E*float64(b.N), sum)
	b.StdErr = b.B / math.Sqrt(float64(b.N))
	if !finite(b.B, b.StdErr) {
		b.B, b.StdErr = math.NaN(), math.NaN()
		return b, ReasonUndefined
	}
	return b, ""
}
