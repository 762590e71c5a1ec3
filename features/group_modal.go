package features

import (
	"fmt"
	"math"

	"github.com/telltale-iot/telltale/asset"
)

// ModalOptions configure blades, towers and nacelles. The zero value means the
// documented defaults.
type ModalOptions struct {
	Band     Band // in which the natural frequency lies; default 0.1–10 Hz, or what the window resolves of it
	Segments int  // fewest that a window's density is averaged over, half overlapping, 1–64; default 4. More are taken as long as they resolve the band and the peak
}

// Defaults and bounds of ModalOptions.
const (
	modalLoHz     = 0.1
	modalHiHz     = 10
	modalSegments = 4
	maxSegments   = 64
	leastBins     = 3 // below the band: they hold what is left of the mean
	leastInBand   = 8 // bins
	fineBins      = 3 // from a peak to where it has halved
)

// Lines of the rotor reach so far to either side.
const (
	rotorBins    = 2
	rotorShare   = 0.01
	highestRotor = 12 // 12P
)

// What VDI 3834-1 judges below 10 Hz.
const (
	lowBandHz   = 0.1
	highBandHz  = 10
	intervalS   = 600  // of one value
	sectionsS   = 3600 // within which sections make an interval
	maxSections = 64
)

// Why a natural frequency or its damping is missing.
const (
	ReasonBiased    asset.Reason = "biased"    // the bins are too wide for the peak: it would read too high
	ReasonAmbiguous asset.Reason = "ambiguous" // it cannot be told from a line of the rotor
)

func (o ModalOptions) validate() error {
	if o.Band != (Band{}) && !(o.Band.valid() && o.Band.Lo > 0) {
		return fmt.Errorf("features: modal band = %g–%g Hz: want 0 < lo < hi", o.Band.Lo, o.Band.Hi)
	}
	if o.Segments < 0 || o.Segments > maxSegments {
		return fmt.Errorf("features: modal segments = %d: want 1–%d", o.Segments, maxSegments)
	}
	return nil
}

// modalGroup follows a structure: its natural frequency with damping, the lines of
// the rotor, and what VDI 3834-1 judges below 10 Hz.
type modalGroup struct {
	opt    ModalOptions
	source velocitySource
	toMMS  float64
	carry  modalState
}

// modalState is the newest sections of up to ten minutes of what VDI 3834-1 judges.
type modalState struct {
	Sections []modalSection `json:"sections"`
}

type modalSection struct {
	Start        int64       `json:"start"` // ns
	Acceleration IntervalRMS `json:"acceleration"`
	Velocity     IntervalRMS `json:"velocity"`
}

func newModalGroup(o ModalOptions) *modalGroup {
	if o.validate() != nil {
		o = ModalOptions{}
	}
	if o.Segments == 0 {
		o.Segments = modalSegments
	}
	return &modalGroup{opt: o}
}

func (g *modalGroup) state() any { return &g.carry }

func (g *modalGroup) fields(l *layout) []Field {
	g.source, g.toMMS = l.velocity, l.toMMS
	out := fieldsOf(l, "resonance_hz", "Hz", "damping", "1", "decay_hz", "Hz", "decay_damping", "1", "rotor_1p", l.unit, "rotor_3p", l.unit, "rotor_6p", l.unit)
	if g.source == ofAcceleration {
		out = append(out, fieldsOf(l, "acceleration_rms_low", l.unit)...)
	}
	if g.source != noVelocity {
		out = append(out, fieldsOf(l, "velocity_rms_low", "mm/s")...)
	}
	return out
}

func (g *modalGroup) put(d *draft, in *input) {
	g.freeDecay(d, in, g.resonance(d, in))
	g.rotor(d, in)
	if g.source != noVelocity {
		g.low(d, in, segmented(in, g.opt.Segments, lowBandHz))
	}
}

// segmented is the density averaged over so many segments, or fewer when these would not resolve
// loHz.
func segmented(in *input, segments int, loHz float64) power[float64] {
	samples := max(float64(len(in.x))/float64(segments), leastBins*in.rateHz/loHz)
	size := smoothBelow(int(math.Ceil(min(samples*1.05, float64(len(in.x))))))
	p, _ := in.room.welch.welch(in.x, in.rateHz, size, size/2, removeMean, hann)
	return p
}

// peak is a natural frequency with its damping; each may be missing.
type peak struct {
	hz, zeta     float64
	noHz, noZeta asset.Reason
	fine         bool // the bins are so narrow that they hardly widen it
}

// resonance puts the natural frequency and its damping, from the shortest segments
// that are fine enough for the peak, and returns them: the more of them, the
// steadier its shape.
func (g *modalGroup) resonance(d *draft, in *input) peak {
	lo := g.opt.Band.Lo
	if lo == 0 {
		lo = modalLoHz
	}
	var best peak
	for n := maxSegments; ; n /= 2 {
		n = max(n, g.opt.Segments)
		best = g.peakOf(in, segmented(in, n, lo))
		if n == g.opt.Segments || best.fine && best.noZeta == "" {
			break
		}
	}
	d.put(best.hz, best.noHz)
	d.put(best.zeta, best.noZeta)
	return best
}

// peakOf reads one density.
func (g *modalGroup) peakOf(in *input, p power[float64]) peak {
	none := func(why asset.Reason) peak { return peak{nan, nan, why, why, false} }
	lo, hi := g.opt.Band.Lo, g.opt.Band.Hi
	nyquist := in.rateHz / 2
	least := leastBins * p.StepHz * (1 - 1e-9)
	if g.opt.Band == (Band{}) {
		lo, hi = max(modalLoHz, least), min(modalHiHz, nyquist)
	}
	switch hi = min(hi, nyquist); {
	case lo >= nyquist:
		return none(ReasonAlias)
	case lo < least || hi-lo < leastInBand*p.StepHz:
		return none(ReasonShort)
	}
	peaks := append(in.room.peaks[:0], p.Density...)
	in.room.peaks = peaks
	lines := withoutRotor(peaks, in, p.StepHz)
	r, why := ResonanceOf(peaks, p.StepHz, lo, hi)
	if why == "" && lines.touch(r.Bin) {
		why = ReasonAmbiguous
	}
	if why != "" {
		return none(why)
	}
	zeta, biased, why := HalfPowerDamping(peaks, p.StepHz, r)
	half := 0
	if why == "" {
		half = int(math.Ceil(min(zeta*r.Hz/p.StepHz, float64(len(p.Density)))))
	}
	switch {
	case biased || why == ReasonShort: // its flank lies within a bin
		zeta, why = nan, ReasonBiased
	case why == "" && (lines.touch(r.Bin-half) || lines.touch(r.Bin+half)):
		zeta, why = nan, ReasonAmbiguous
	}
	return peak{r.Hz, zeta, "", why, half >= fineBins}
}

// stretches are ranges of bins, both ends included.
type stretches [][2]int

// touch reports whether a bin lies in one of them or beside it.
func (s stretches) touch(bin int) bool {
	for _, r := range s {
		if bin >= r[0]-1 && bin <= r[1]+1 {
			return true
		}
	}
	return false
}

// withoutRotor draws lines over 1P … 12P of a rotor that turns, from the density on
// one side to that on the other, and says where.
func withoutRotor(density []float64, in *input, stepHz float64) stretches {
	if math.IsNaN(in.rotor) {
		return nil
	}
	share := rotorShare
	if in.turning.Varies {
		share += in.turning.Turns.Speed().Spread / 2
	}
	var out stretches
	for k := 1; k <= highestRotor; k++ {
		if k > 3 && k%3 != 0 {
			continue
		}
		f := float64(k) * in.rotor
		reach := max(rotorBins*stepHz, share*f)
		lo, hi := int(math.Floor((f-reach)/stepHz)), int(math.Ceil((f+reach)/stepHz))
		if lo < 2 || hi >= len(density)-1 {
			continue
		}
		a, b := density[lo-1], density[hi+1]
		for i := lo; i <= hi; i++ {
			density[i] = a + (b-a)*float64(i-lo+1)/float64(hi-lo+2)
		}
		out = append(out, [2]int{lo, hi})
	}
	return out
}

// rotor puts the amplitudes of 1P, 3P and 6P; by angle when the speed moves.
func (g *modalGroup) rotor(d *draft, in *input) {
	l, why := RotorLines{nan, nan, nan}, in.turning.Why
	switch {
	case why != "":
	case in.turning.Varies:
		var t OrderTrack
		if t, why = trackOrders(&in.room.track, in.x, in.rateHz, in.turning.Turns, OrderOptions{MaxOrder: 8}); why == "" {
			l, why = RotorLinesOf(t.Samples, float64(t.PerRev), 1)
		}
	default:
		l, why = RotorLinesOf(in.x, in.rateHz, in.rotor)
	}
	for _, v := range [...]float64{l.P1, l.P3, l.P6} {
		d.put(v, why)
	}
}

// low puts the RMS over 0.1–10 Hz, of the newest sections that make ten minutes
// within the hour.
func (g *modalGroup) low(d *draft, in *input, p power[float64]) {
	s := modalSection{Start: d.v.Start.UnixNano(), Acceleration: IntervalRMS{RMS: nan}, Velocity: IntervalRMS{RMS: nan}}
	why := asset.Reason("")
	switch {
	case highBandHz > in.rateHz/2:
		why = ReasonAlias
	case leastBins*p.StepHz*(1-1e-9) > lowBandHz:
		why = ReasonShort
	default:
		top := math.Nextafter(highBandHz, highBandHz+1)
		if g.source == ofAcceleration {
			s.Acceleration = IntervalRMS{in.seconds, p.bandRMS(lowBandHz, top)}
			s.Velocity = IntervalRMS{in.seconds, p.velocityRMS(lowBandHz, highBandHz, &in.room.inverse)}
		} else {
			s.Velocity = IntervalRMS{in.seconds, g.toMMS * p.bandRMS(lowBandHz, top)}
		}
	}
	var a, v IntervalRMS
	if why == "" {
		a, v = g.interval(s)
	}
	put := func(i IntervalRMS) {
		value, missing := i.Value(lowBandHz)
		if why != "" {
			value, missing = nan, why
		}
		d.put(value, missing)
	}
	if g.source == ofAcceleration {
		put(a)
	}
	put(v)
}

// interval joins a section with those before it.
func (g *modalGroup) interval(s modalSection) (a, v IntervalRMS) {
	if !finite(s.Velocity.RMS) || g.source == ofAcceleration && !finite(s.Acceleration.RMS) {
		return a, v
	}
	if math.IsNaN(s.Acceleration.RMS) {
		s.Acceleration = IntervalRMS{} // what is carried holds numbers only
	}
	c := &g.carry
	c.Sections = append(c.Sections, s)
	seconds, from, next := 0.0, len(c.Sections), int64(math.MaxInt64)
	for from > 0 && seconds < intervalS*(1-1e-9) && len(c.Sections)-from < maxSections {
		o := c.Sections[from-1]
		if age := s.Start - o.Start; age < 0 || age > sectionsS*1e9 {
			break
		}
		from--
		if float64(next-o.Start) < o.Velocity.Seconds*1e9*(1-1e-6) {
			continue // it overlaps the one after it
		}
		next = o.Start
		a, v = a.Join(o.Acceleration), v.Join(o.Velocity)
		seconds += o.Velocity.Seconds
	}
	c.Sections = append(c.Sections[:0], c.Sections[from:]...)
	return a, v
}
