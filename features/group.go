package features

import (
	"encoding/json"
	"fmt"
	"maps"
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
	room    *groupRoom
}

// groupsOf are the groups of a channel.
func (e *WaveExtractor) groupsOf(k layoutKey) []group {
	part, _ := e.plate.Part(k.component)
	switch {
	case k.kind == "acoustic-emission":
		return []group{newAcousticGroup(k.unit, e.opt.Acoustic)}
	case k.kind == "current":
		return []group{newCurrentGroup(e.opt.Current)}
	case k.kind == "strain" || structural(part): // as Structural says
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

// Structural reports whether a channel is followed by natural frequencies, which take
// minutes to tell.
func Structural(plate asset.Nameplate, ch asset.Channel) bool {
	part, _ := plate.Part(ch.Component)
	return ch.Kind == "strain" || structural(part)
}

// geared reports whether the lines of the asset's gears are looked for on a part: on
// a gearbox, and on any part that is no bearing and has none when the asset has gears.
func (e *WaveExtractor) geared(part asset.Component) bool {
	k := e.plate.Kinematics
	if k == nil || len(k.Gears)+len(k.Planetary) == 0 {
		return false
	}
	if strings.Contains(part.Type, "bearing") {
		return false
	}
	return part.Bearing == nil || strings.Contains(part.Type, "gear")
}

// inputOf prepares what groups read of a window.
func inputOf[T dsp.Float](e *WaveExtractor, a *analysis[T], b block[T], w asset.Window, p power[T], t turning) *input {
	in := &e.space.input
	in.room = &e.space.groups
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

// Names among what is carried.
const (
	pulsesPart = "pulses"     // the angle of the newest tacho window
	unsaved    = "forgotten " // before the name of what a forgotten layout carried, until the next Save
)

// part names what group i of a layout carries. Two layouts never share a name: one
// channel has several when nobody declared it, or its rate.
func (k layoutKey) part(i int) string {
	return fmt.Sprintf("%q %q %q %q %s/%d", k.channel, k.component, k.kind, k.unit, number(k.rateHz), i)
}

// Save returns what the groups carry, by layout; only what changed.
func (e *WaveExtractor) Save() map[string][]byte {
	out := map[string][]byte{}
	if len(e.pulses.Turns.Times) > 0 {
		if body, err := json.Marshal(e.pulses); err == nil && string(body) != string(e.saved[pulsesPart]) {
			out[pulsesPart] = body
		}
	}
	for name, body := range e.saved {
		if name, ok := strings.CutPrefix(name, unsaved); ok {
			out[name] = body
		}
	}
	maps.DeleteFunc(e.saved, func(name string, _ []byte) bool { return strings.HasPrefix(name, unsaved) })
	e.changed(out, "")
	maps.Copy(e.saved, out)
	return out
}

// changed adds to out what groups carry that is not as it was last saved, its names
// behind a prefix.
func (e *WaveExtractor) changed(out map[string][]byte, prefix string) {
	for key, l := range e.layouts {
		for i, g := range l.groups {
			s, ok := g.(stateful)
			if !ok {
				continue
			}
			body, err := json.Marshal(s.state())
			if err != nil {
				continue // states hold finite numbers only
			}
			if name := key.part(i); string(e.saved[name]) != string(body) {
				out[prefix+name] = body
			}
		}
	}
}

// forget drops all layouts. What their groups carry and was not saved yet is written
// down, for the next Save and for the same layout should it come again.
func (e *WaveExtractor) forget() {
	e.changed(e.saved, unsaved)
	clear(e.layouts)
}

// Load puts back what Save returned. What groups cannot read begins afresh.
func (e *WaveExtractor) Load(parts map[string][]byte) error {
	maps.Copy(e.saved, parts)
	for key, l := range e.layouts {
		e.restore(key, l)
	}
	if body, ok := parts[pulsesPart]; ok {
		if err := json.Unmarshal(body, &e.pulses); err != nil {
			e.pulses = pulses{}
			return fmt.Errorf("features: carried pulses: %w", err)
		}
		if t := e.pulses.Turns; len(t.Times) != len(t.Revs) || !t.rise() {
			e.pulses = pulses{} // of another build
		}
	}
	return nil
}

// restore gives a layout's groups what they carried. A group that cannot read it,
// because another build wrote it, begins afresh: half a state is worse than none.
func (e *WaveExtractor) restore(key layoutKey, l *layout) {
	for i, g := range l.groups {
		name := key.part(i)
		body, ok := e.saved[unsaved+name]
		if !ok {
			body = e.saved[name]
		}
		delete(e.saved, unsaved+name)
		s, ok := g.(stateful)
		if !ok || len(body) == 0 || json.Unmarshal(body, s.state()) == nil {
			continue
		}
		fresh := e.groupsOf(key)[i]
		fresh.fields(l) // it reads what it needs to know of the channel
		l.groups[i] = fresh
	}
}
