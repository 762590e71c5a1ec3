package pipeline

import (
	"time"

	"github.com/telltale-iot/telltale/asset"
)

// modeMemory is the share of the accumulated mode weights that the next verdict
// keeps: a diagnosis follows the last few windows, not one.
const modeMemory = 0.8

// diagnose accumulates the candidate modes; an instant that cannot decide
// repeats the last diagnosis.
func (f *fusion) diagnose(r *asset.Risk, now time.Time, sensor bool) {
	fresh := map[asset.Mode]float64{}
	heard := false
	for i := range f.opinions {
		o := &f.opinions[i]
		if !o.Time.Equal(now) || o.Trust <= 0 || isSensor(o.Assessment) {
			continue
		}
		if o.Modes != nil {
			heard = true
			say := o.conviction()
			for m, w := range o.Modes {
				fresh[m] += say * w
			}
		}
	}
	if heard {
		if f.modes == nil {
			f.modes = map[asset.Mode]float64{}
		}
		for m := range f.modes {
			f.modes[m] *= modeMemory
		}
		for m, w := range fresh {
			f.modes[m] += (1 - modeMemory) * w
		}
		f.mode = leading(f.modes)
	}
	r.Mode = f.mode
	if sensor && r.Mode == asset.Healthy {
		r.Mode = asset.SensorFault
	}
	r.Modes = make(map[asset.Mode]float64, len(f.modes))
	for m, w := range f.modes {
		if m != asset.Healthy && w > 1e-6 {
			r.Modes[m] = w
		}
	}
}

// generic modes say that something wears, not what: they lead only where nothing
// more specific has a quarter of their weight.
func generic(m asset.Mode) bool { return m == asset.Wear || m == asset.Unknown }

// leastMode is the weight under which a mode is not worth naming.
const leastMode = 0.02

// leading is the heaviest mode; the vocabulary's order decides a tie.
func leading(modes map[asset.Mode]float64) asset.Mode {
	best, at := leastMode, asset.Healthy
	for m, w := range modes {
		if generic(m) {
			w /= 4
		}
		if w > best || (w == best && m < at) {
			best, at = w, m
		}
	}
	return at
}
