package features

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/dsp"
)

// group is a set of fields that a channel gives beside those that every channel
// gives: what a kind of sensor or a kind of part makes worth computing. Groups work
// in float64 on every window, one after the other.
type group interface {
	// fields lists them, in the order in which put fills them.
	fields(l *layout) []Field
	// put fills them all, from a window that has samples and a spectrum.
	put(d *draft, in *input)
}

// stateful is a group that carries something from window to window.
type stateful interface {
	// state is a pointer to it, as JSON keeps it.
	state() any
}

// input is what a group reads. It is valid during put.
type input struct {
	x       []float64 // the samples, in the channel's unit
	rateHz  float64
	seconds float64
	density []float64 // one-sided Hann density in unit²/Hz
	stepHz  float64
	turning turning
	rotor   float64 // Hz of the asset's reference shaft; NaN when not known or standing
}

// groupsOf are the groups of a channel.
func (e *WaveExtractor) groupsOf(k layoutKey) []group {
	part, _ := e.plate.Part(k.component)
	switch {
	case k.kind == "acoustic-emission":
		return []group{newAcousticGroup(k.unit, e.opt.Acoustic)}
	case k.kind == "current":
		return []group{newCurrentGroup(e.opt.Current)}
	case k.kind == "strain" || structural(part):
		return []group{newModalGroup(e.opt.Modal)}
	case e.geared(part):
		return []group{newGearGroup(e.plate, part)}
	}
	return nil
}

// structural parts are followed by their natural frequencies.
func structural(part asset.Component) bool {
	for _, word := range [...]string{"blade", "tower", "nacelle"} {
		if strings.Contains(strings.ToLower(part.Type), word) {
			return true
		}
	}
	return false
}

// geared reports whether the lines of the asset's gears are looked for on a part: on
// a gearbox, and on any part that is no bearing when the asset has gears.
func (e *WaveExtractor) geared(part asset.Component) bool {
	k := e.plate.Kinematics
	if k == nil || len(k.Gears)+len(k.Planetary) == 0 {
		return false
	}
	return part.Bearing == nil && !strings.Contains(part.Type, "bearing")
}

// inputOf prepares what groups read of a window.
func inputOf[T dsp.Float](e *WaveExtractor, a *analysis[T], b block[T], w asset.Window, p power[T], t turning) *input {
	in := &e.space.input
	in.x = resize(in.x, b.len())
	for i := range in.x {
		if b.counts != nil {
			in.x[i] = float64(b.counts[i]) * b.scale
		} else {
			in.x[i] = float64(b.values[i]) * b.scale
		}
	}
	in.density = resize(in.density, len(p.Density))
	k := p.Amp * p.Amp
	for i, v := range p.Density {
		in.density[i] = float64(v) * k
	}
	in.rateHz, in.seconds, in.stepHz, in.turning = w.RateHz, float64(b.len())/w.RateHz, p.StepHz, t
	in.rotor = t.Rpm / 60
	if t.Why != "" {
		in.rotor = nan
	}
	return in
}

// pulsesPart names the angle of the newest tacho window among what is carried.
const pulsesPart = "pulses"

// Save returns what the groups carry, by channel; only what changed.
func (e *WaveExtractor) Save() map[string][]byte {
	out := map[string][]byte{}
	if len(e.pulses.Turns.Times) > 0 {
		if body, err := json.Marshal(e.pulses); err == nil && string(body) != string(e.saved[pulsesPart]) {
			e.saved[pulsesPart], out[pulsesPart] = body, body
		}
	}
	for _, l := range e.layouts {
		for i, g := range l.groups {
			s, ok := g.(stateful)
			if !ok {
				continue
			}
			body, err := json.Marshal(s.state())
			if err != nil {
				continue // states hold finite numbers only
			}
			if name := fmt.Sprintf("%s/%d", l.channel, i); string(e.saved[name]) != string(body) {
				e.saved[name], out[name] = body, body
			}
		}
	}
	return out
}

// Load puts back what Save returned.
func (e *WaveExtractor) Load(parts map[string][]byte) error {
	for name, body := range parts {
		e.saved[name] = body
	}
	if body, ok := parts[pulsesPart]; ok {
		if err := json.Unmarshal(body, &e.pulses); err != nil {
			return fmt.Errorf("features: carried pulses: %w", err)
		}
	}
	for _, l := range e.layouts {
		if err := e.restore(l); err != nil {
			return err
		}
	}
	return nil
}

// restore gives a channel's groups what was loaded for them.
func (e *WaveExtractor) restore(l *layout) error {
	for i, g := range l.groups {
		name := fmt.Sprintf("%s/%d", l.channel, i)
		if s, ok := g.(stateful); ok && len(e.saved[name]) > 0 {
			if err := json.Unmarshal(e.saved[name], s.state()); err != nil {
				return fmt.Errorf("features of %s: carried state: %w", l.channel, err)
			}
		}
	}
	return nil
}
