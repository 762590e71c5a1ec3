package features

import (
	"math"

	"github.com/telltale-iot/telltale/asset"
)

// TachoOptions say how pulses are read. The zero value means the documented
// defaults.
type TachoOptions struct {
	PulsesPerRev float64 // default 1
	Hysteresis   float64 // share of the signal's range between the two thresholds, in (0, 1); default 0.3
	Bounce       float64 // a pulse within this share of the interval before is a bounce; default 0.3
	Missing      float64 // an interval beyond this share of the median lacks pulses; default 1.5
}

func (o TachoOptions) filled() TachoOptions {
	if !(o.PulsesPerRev > 0) || math.IsInf(o.PulsesPerRev, 0) {
		o.PulsesPerRev = 1
	}
	if !(o.Hysteresis > 0 && o.Hysteresis < 1) {
		o.Hysteresis = 0.3
	}
	if !(o.Bounce > 0 && o.Bounce < 1) {
		o.Bounce = 0.3
	}
	if !(o.Missing > 1) || math.IsInf(o.Missing, 0) {
		o.Missing = 1.5
	}
	return o
}

// Crossings appends to dst the times (s from the first sample) of the rising
// edges of a tacho waveform: where it passes the upper threshold after having
// been below the lower one, on a line between two samples. The thresholds lie
// around the middle of its range.
func Crossings[T float32 | float64](dst []float64, x []T, rateHz float64, opt TachoOptions) ([]float64, asset.Reason) {
	opt = opt.filled()
	e, why := binade(x)
	switch {
	case why != "":
		return dst, why
	case !(rateHz > 0) || math.IsInf(float64(len(x))/rateHz, 0):
		return dst, ReasonRate
	}
	y := make([]float64, len(x))
	scaleInto(y, x, -e)
	lo, hi := y[0], y[0]
	for _, v := range y {
		lo, hi = min(lo, v), max(hi, v)
	}
	if !(hi-lo > 1e-9*max(math.Abs(lo), math.Abs(hi))) {
		return dst, ReasonFlat
	}
	mid, half := lo/2+hi/2, opt.Hysteresis*(hi-lo)/2
	armed := y[0] < mid-half
	for i := 1; i < len(y); i++ {
		if y[i] < mid-half {
			armed = true
		}
		if armed && y[i] >= mid+half {
			armed = false
			u := (mid + half - y[i-1]) / (y[i] - y[i-1])
			dst = append(dst, (float64(i-1)+u)/rateHz)
		}
	}
	return dst, ""
}

// Turns ties the angle of a shaft to time. Both rise strictly.
type Turns struct {
	Revs    []float64 // angle in turns from the first entry
	Times   []float64 // s
	Doubled int       // pulses dropped as bounces
	Missing int       // pulses that never came and were counted in
}

// TurnsOfPulses reads pulse times (s): one within 0.3 of the interval before is
// a bounce and dropped, an interval beyond 1.5 of the median of the ten around
// it counts as the pulses that fit into it. A pulse that is not finite or not
// later than the one before is dropped too. Fewer than two pulses are ReasonShort.
func TurnsOfPulses(times []float64, opt TachoOptions) (Turns, asset.Reason) {
	opt = opt.filled()
	var t Turns
	t.Times = debounced(times, opt, &t.Doubled)
	if len(t.Times) < 2 {
		return Turns{Doubled: t.Doubled}, ReasonShort
	}
	gaps := make([]float64, len(t.Times)-1)
	for i := range gaps {
		gaps[i] = t.Times[i+1] - t.Times[i]
	}
	t.Revs = append(t.Revs, 0)
	var around [2 * tachoReach]float64
	k := 0.0
	for i, g := range gaps {
		near := around[:0]
		for j := max(0, i-tachoReach); j <= min(len(gaps)-1, i+tachoReach); j++ {
			if j != i {
				near = append(near, gaps[j])
			}
		}
		steps := 1.0
		if m := medianOf(near); len(near) > 0 && g > opt.Missing*m {
			if steps = math.Round(g / m); steps > tachoMostLost {
				return Turns{Doubled: t.Doubled}, ReasonGap
			}
			t.Missing += int(steps) - 1
		}
		k += steps
		t.Revs = append(t.Revs, k/opt.PulsesPerRev)
	}
	return t, ""
}

// tachoReach intervals on either side give the local median; a run of more than
// tachoMostLost lost pulses leaves the angle unknown.
const (
	tachoReach    = 5
	tachoMostLost = 10
)

// debounced drops pulses that come too soon after the shorter of the last two
// intervals (one may lack a pulse). The first interval has none before it, so the
// second stands in for it.
func debounced(times []float64, opt TachoOptions, doubled *int) []float64 {
	kept := make([]float64, 0, len(times))
	for _, v := range times {
		n := len(kept)
		switch {
		case v-v != 0:
			continue
		case n > 0 && (!(v > kept[n-1]) || math.IsInf(v-kept[0], 0)):
			*doubled++
			continue
		case n > 1 && v-kept[n-1] < opt.Bounce*shortest(kept[max(0, n-3):]):
			*doubled++
			continue
		case n == 2 && kept[1]-kept[0] < opt.Bounce*(v-kept[1]):
			*doubled++
			kept = kept[:1]
		}
		kept = append(kept, v)
	}
	return kept
}

// shortest is the shortest interval between times.
func shortest(times []float64) float64 {
	s := math.Inf(1)
	for i := 1; i < len(times); i++ {
		s = min(s, times[i]-times[i-1])
	}
	return s
}

// TurnsOfSpeed integrates speed samples (rpm at times in s) to angle by
// trapezoids. Times have to rise; a sample that is missing is passed over. A
// speed below 1 rpm is ReasonStandstill: the angle does not rise then.
func TurnsOfSpeed(times, rpm []float64) (Turns, asset.Reason) {
	var t Turns
	angle, last := 0.0, 0.0
	for i := range min(len(times), len(rpm)) {
		if times[i]-times[i] != 0 || rpm[i]-rpm[i] != 0 {
			continue
		}
		if rpm[i] < 1 {
			return Turns{}, ReasonStandstill
		}
		if n := len(t.Times); n > 0 {
			if !(times[i] > t.Times[n-1]) {
				continue
			}
			angle += (rpm[i]/120 + last/120) * (times[i] - t.Times[n-1])
		}
		last = rpm[i]
		t.Times, t.Revs = append(t.Times, times[i]), append(t.Revs, angle)
	}
	if len(t.Times) < 2 {
		return Turns{}, ReasonNoSpeed
	}
	for i := 1; i < len(t.Revs); i++ {
		if !(t.Revs[i] > t.Revs[i-1]) || math.IsInf(t.Revs[i], 0) {
			return Turns{}, ReasonUndefined
		}
	}
	return t, ""
}
