package features

import (
	"math"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

// tachoKind is the kind of channel whose pulses give the angle.
const tachoKind = "tacho"

var nan = math.NaN()

// turning is how the channel's shaft turned while the window was taken.
type turning struct {
	Rpm float64      // of the asset, mean
	Hz  float64      // of the component's shaft, mean
	Why asset.Reason // for which rotating features are missing; empty when they are not
	// Turns is the angle of the asset's reference shaft over the window's time; empty
	// when only a mean is known.
	Turns Turns
	// Varies: the speed moved so much that lines in Hz smear, and Turns says how.
	Varies bool
	Ratio  float64 // of the component's shaft to the reference shaft
	// Measured: pulses or readings gave the speed. Otherwise it is the nameplate's,
	// which is good enough to look for lines near it, and says nothing of a slip.
	Measured bool
}

// steadySpread is the share by which the speed may move before lines in Hz smear.
const steadySpread = 0.005

// turning reads the angle from the last tacho window that covers this one, from
// speed readings inside it, or takes one speed for all of it.
func (e *WaveExtractor) turning(l *layout, w asset.Window) turning {
	t := turning{Rpm: nan, Ratio: e.plate.ShaftRatio(l.component)}
	if turns, ok := e.angle(w); ok {
		t.Turns, t.Measured = turns, true
		s := turns.Speed()
		t.Rpm, t.Varies = s.Mean, s.Spread > steadySpread
		if s.Mean < 1 || s.Reason == ReasonStandstill {
			return turning{Rpm: s.Mean, Why: ReasonStandstill}
		}
	} else {
		t.Rpm, t.Measured = float64(w.SpeedRpm), w.SpeedRpm.Known()
		if !t.Measured && e.plate.SpeedRpm > 0 {
			t.Rpm = e.plate.SpeedRpm
		}
	}
	switch {
	case math.IsNaN(t.Rpm) || math.IsInf(t.Rpm, 0):
		return turning{Rpm: nan, Why: ReasonNoSpeed}
	case t.Rpm < 1:
		return turning{Rpm: t.Rpm, Why: ReasonStandstill}
	case !(math.Abs(w.ClockPPM) <= clockLimitPPM): // its seconds are no seconds
		return turning{Rpm: t.Rpm, Why: ReasonClock}
	}
	t.Hz = t.Rpm * t.Ratio / 60
	return t
}

// leastSpeeds inside a window tell how its speed moved.
const leastSpeeds = 3

// angle is that of the reference shaft from the start of the window to its end.
func (e *WaveExtractor) angle(w asset.Window) (Turns, bool) {
	length := w.Seconds()
	if p := &e.pulses; len(p.Turns.Times) > 1 {
		shift := p.Start.Sub(w.Start).Seconds()
		first, last := p.Turns.Times[0]+shift, p.Turns.Times[len(p.Turns.Times)-1]+shift
		if step := (last - first) / float64(len(p.Turns.Times)-1); first <= 2*step && last >= length-2*step {
			t := Turns{Revs: make([]float64, len(p.Turns.Revs)), Times: make([]float64, len(p.Turns.Times))}
			for i := range t.Times {
				t.Times[i], t.Revs[i] = p.Turns.Times[i]+shift, p.Turns.Revs[i]
			}
			return covering(t, length)
		}
	}
	times, rpm := make([]float64, 0, len(w.Speeds)), make([]float64, 0, len(w.Speeds))
	inside := 0
	for _, s := range w.Speeds {
		if at := s.Time.Sub(w.Start).Seconds(); !math.IsNaN(s.Rpm) {
			times, rpm = append(times, at), append(rpm, s.Rpm)
			if at >= 0 && at <= length {
				inside++
			}
		}
	}
	if inside < leastSpeeds {
		return Turns{}, false
	}
	times, rpm = span(times, rpm, length)
	t, why := TurnsOfSpeed(times, rpm)
	return t, why == ""
}

// span extends speed readings to both ends of a window by the slope next to them.
func span(times, rpm []float64, length float64) ([]float64, []float64) {
	n := len(times)
	if times[0] > 0 {
		at := rpm[0] - times[0]*(rpm[1]-rpm[0])/(times[1]-times[0])
		times, rpm = append([]float64{0}, times...), append([]float64{max(at, rpm[0]/2)}, rpm...)
		n++
	}
	if end := times[n-1]; end < length {
		at := rpm[n-1] + (length-end)*(rpm[n-1]-rpm[n-2])/(end-times[n-2])
		times, rpm = append(times, length), append(rpm, max(at, rpm[n-1]/2))
	}
	return times, rpm
}

// covering extends the angle to both ends of a window with the speed next to them.
func covering(t Turns, length float64) (Turns, bool) {
	n := len(t.Times)
	if n < 3 {
		return Turns{}, false
	}
	if t.Times[0] > 0 {
		rate := (t.Revs[1] - t.Revs[0]) / (t.Times[1] - t.Times[0])
		t.Revs, t.Times = append([]float64{t.Revs[0] - rate*t.Times[0]}, t.Revs...), append([]float64{0}, t.Times...)
		n++
	}
	if end := t.Times[n-1]; end < length {
		rate := (t.Revs[n-1] - t.Revs[n-2]) / (end - t.Times[n-2])
		t.Revs, t.Times = append(t.Revs, t.Revs[n-1]+rate*(length-end)), append(t.Times, length)
	}
	return t, true
}

// pulses is the angle that a tacho window gave, from its start on.
type pulses struct {
	Start time.Time
	Turns Turns
}

// tachoFields of a tacho channel.
func tachoFields(channel string) []Field {
	return []Field{{channel, "speed", "rpm"}, {channel, "speed_spread", "1"}, {channel, "pulses_missing", "1"}, {channel, "pulses_doubled", "1"}}
}

// tacho reads the pulses of a tacho window and keeps them for the windows of the
// same time.
func (e *WaveExtractor) tacho(l *layout, w asset.Window) Vector {
	d := e.draft(l, w, w.Len())
	x := e.space.wide[:0]
	for _, c := range w.Counts {
		x = append(x, float64(c)*w.Scale)
	}
	for _, v := range w.Samples {
		x = append(x, float64(v))
	}
	e.space.wide = x
	times, why := Crossings(nil, x, w.RateHz, TachoOptions{})
	e.pulses = pulses{Start: w.Start}
	if why == "" {
		e.pulses.Turns, why = TurnsOfPulses(times, TachoOptions{PulsesPerRev: e.pulsesPerRev(l, w, times)})
	}
	s := e.pulses.Turns.Speed()
	if why == "" && s.Reason != "" && s.Reason != ReasonTransient {
		why = s.Reason
	}
	if why != "" {
		d.rest(why)
		return d.done()
	}
	d.put(s.Mean, ReasonNoSpeed)
	d.put(s.Spread, ReasonNoSpeed)
	d.put(float64(e.pulses.Turns.Missing), ReasonUndefined)
	d.put(float64(e.pulses.Turns.Doubled), ReasonUndefined)
	return d.done()
}

// pulsesPerRev of the asset's reference shaft: as given, else the whole number that
// brings the pulses nearest to the speed that is known, else one.
func (e *WaveExtractor) pulsesPerRev(l *layout, w asset.Window, times []float64) float64 {
	ratio := e.plate.ShaftRatio(l.component)
	if e.opt.PulsesPerRev > 0 {
		return e.opt.PulsesPerRev * ratio
	}
	rpm := float64(w.SpeedRpm)
	if math.IsNaN(rpm) {
		rpm = e.plate.SpeedRpm
	}
	if n := len(times); n > 2 && rpm >= 1 {
		rate := float64(n-1) / (times[n-1] - times[0])
		return max(1, math.Round(rate/(rpm*ratio/60))) * ratio
	}
	return ratio
}
