package features

import (
	"math"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/dsp"
)

// What counts as a free decay: from its largest sample on, a signal that falls from
// one period to the next, to a tenth within the window, over six periods at least.
const (
	decayShare   = 0.1
	decayPeriods = 6
	decayRise    = 1.1 // a period may stand out by this much over the one before
	decaySettles = 2   // periods after the largest sample that are not fitted
)

// The two ways of reading a decay have to agree, or it was none of one mode.
const (
	decayHzAgrees   = 0.03
	decayZetaAgrees = 0.2
)

// freeDecay puts frequency and damping of a structure that was struck or stopped in
// this window and rings out, by the Hilbert fit where the logarithmic decrement
// confirms it. A structure that the wind keeps moving shows none.
func (g *modalGroup) freeDecay(d *draft, in *input, p peak) {
	f, why := decayOf(in, p)
	if why != "" {
		d.put(nan, why)
		d.put(nan, why)
		return
	}
	d.put(f.Hz, ReasonUndefined)
	d.put(f.Zeta, ReasonUndefined)
}

func decayOf(in *input, p peak) (Decay, asset.Reason) {
	if p.noHz != "" {
		return noDecay(), p.noHz
	}
	x := append(in.room.swing[:0], in.x...)
	in.room.swing = x
	subtract(x, dsp.LevelsOf(x).Mean)
	period := in.rateHz / p.hz
	from, to := ringing(x, period)
	if to <= from {
		return noDecay(), ReasonFew
	}
	end := min(len(x), to+int(4*period)) // the transform's own ends lie beyond what is fitted
	f, why := HilbertDecay(&in.room.decay, x[from:end], in.rateHz, int(decaySettles*period), to-from)
	if why != "" {
		return noDecay(), why
	}
	other, why := LogDecrement(x[from:to], in.rateHz)
	switch {
	case why != "":
		return noDecay(), why
	case math.Abs(f.Hz-other.Hz) > decayHzAgrees*f.Hz, math.Abs(f.Zeta-other.Zeta) > decayZetaAgrees*math.Max(f.Zeta, other.Zeta), !(f.Zeta > 0):
		return noDecay(), ReasonAmbiguous
	}
	return f, ""
}

// ringing is the stretch from the largest sample to the period in which a tenth of it
// is left; empty when the signal does not fall that far, or not steadily.
func ringing(x []float64, period float64) (from, to int) {
	top := 0.0
	for i, v := range x {
		if math.Abs(v) > top {
			top, from = math.Abs(v), i
		}
	}
	before := top
	for k := 1; ; k++ {
		lo, hi := from+int(float64(k-1)*period), from+int(float64(k)*period)
		if hi > len(x) {
			return 0, 0
		}
		high := 0.0
		for _, v := range x[lo:hi] {
			high = max(high, math.Abs(v))
		}
		switch {
		case high > decayRise*before:
			return 0, 0
		case high < decayShare*top && k < decayPeriods:
			return 0, 0
		case high < decayShare*top:
			return from, hi
		}
		before = high
	}
}
