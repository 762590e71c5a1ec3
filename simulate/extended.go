package simulate

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

const blades = 3

// bladeMetrics are sent behind the metrics by an extended turbine.
var bladeMetrics = func() (out []metric) {
	for i := range blades {
		c := bladeName(i)
		m := strings.ReplaceAll(c, "-", "_")
		out = append(out, metric{m + "_flap_frequency", "Hz", c, 0.01}, metric{m + "_edge_frequency", "Hz", c, 0.01})
	}
	return out
}()

// allMetrics are those of an extended turbine.
var allMetrics = slices.Concat(metrics, bladeMetrics)

func bladeName(i int) string { return fmt.Sprintf("blade-%d", i+1) }

// bladeOf is the number of a blade by its component's name.
func bladeOf(component string) int { return int(component[len(component)-1] - '1') }

// extend adds to a nameplate what an extended turbine has.
func extend(n *asset.Nameplate) {
	for i := range blades {
		n.Components = append(n.Components, asset.Component{Name: bladeName(i), Type: "blade"})
	}
	for _, v := range voices[fastVoices:] {
		n.Channels = append(n.Channels, asset.Channel{Name: v.name, Kind: "acceleration", Unit: accelerationUnit, RateHz: slowRateHz, Component: v.component})
	}
	for _, m := range bladeMetrics {
		n.Metrics = append(n.Metrics, asset.Metric{Name: m.name, Unit: m.unit})
	}
}

// bladeFrequencies are the first flapwise and edgewise frequency of each blade. A crack
// takes the share d of the stiffness where e of the mode's strain energy sits, so that
// the compliance 1/ω² grows by e·d/(1 − d) (a spring in series; Dimarogonas 1996, Eng.
// Fract. Mech. 55:831, for the idea).
func (f *Farm) bladeFrequencies(turbine int, o operating, w wear, t time.Time) []float64 {
	rnd := newStream(f.tab, f.opt.Seed, turbine, "blades", t.UnixNano())
	b := &f.builds[turbine]
	warm := 1 + bladePerK*(o.airC-20)
	rotor := o.rpm / 60
	of := func(f0, energy, centrifuge, crack float64) float64 {
		d := crackStiffness * crack
		f0 /= math.Sqrt(1 + energy*d/(1-d))
		f0 *= warm * (1 - iceMass*w.icing)
		hz := math.Sqrt(f0*f0+centrifuge*rotor*rotor) * (1 + bladeNoise*rnd.normal())
		return math.Round(hz/bladeStepHz) * bladeStepHz
	}
	out := make([]float64, 0, 2*blades)
	for i := range blades {
		out = append(out, of(b.flap[i], flapEnergy, flapCentrifuge, w.blades[i]), of(b.edge[i], edgeEnergy, edgeCentrifuge, w.blades[i]))
	}
	return out
}

// slowWave is the record of a turbine's slow channel, in one piece.
func (f *Farm) slowWave(start time.Time, n int, sound bool) (r asset.Reading, have bool) {
	turbine := f.slot
	v := &voices[fastVoices]
	r = asset.Reading{Asset: assetID(turbine), Time: f.blockEnd(start, n)}
	if f.sensorFault(turbine, v.name, Gap, start) != nil {
		return r, false
	}
	if !sound {
		return r, true
	}
	samples := make([]float32, n)
	f.newSynth(turbine, fastVoices, start).fill(samples)
	f.distort(turbine, v.name, slowRateHz, start, samples)
	r.Wave = &asset.Waveform{
		Channel: v.name, Start: start, RateHz: slowRateHz, Unit: accelerationUnit, Samples: samples, Quality: 100, First: true, Last: true,
	}
	return r, true
}

// trueRate is the rate at which a channel is sampled, whatever it declares.
func (f *Farm) trueRate(turbine, channel int, t time.Time) float64 {
	rate := f.opt.RateHz
	if channel >= fastVoices {
		rate = slowRateHz
	}
	if x := f.sensorFault(turbine, voices[channel].name, Clock, t); x != nil {
		rate *= 1 - min(clockMost, clockPerDay*t.Sub(x.Onset).Hours()/24)
	}
	return rate
}

// partner is the signal that one can be swapped with, "" for none.
func partner(signal string) string {
	for _, p := range [][2]string{
		{voices[0].name, voices[1].name},
		{"front_bearing_temperature", "rear_bearing_temperature"},
		{"gearbox_oil_temperature", "gearbox_bearing_temperature"},
		{"blade_1_flap_frequency", "blade_2_flap_frequency"},
	} {
		switch signal {
		case p[0]:
			return p[1]
		case p[1]:
			return p[0]
		}
	}
	return ""
}

// channelOf is the number of a channel, −1 for none.
func channelOf(signal string) int {
	for i := range voices {
		if voices[i].name == signal {
			return i
		}
	}
	return -1
}

// wired is the channel that a channel's cable leads to.
func (f *Farm) wired(turbine, channel int, t time.Time) int {
	for _, signal := range []string{voices[channel].name, partner(voices[channel].name)} {
		if f.sensorFault(turbine, signal, Swapped, t) != nil {
			return channelOf(partner(voices[channel].name))
		}
	}
	return channel
}

// rewire exchanges the values whose sensors are swapped.
func (f *Farm) rewire(turbine int, values []float64, t time.Time) {
	for _, x := range f.faults[turbine] {
		if x.Mode != asset.SensorFault || x.Sensor != Swapped || x.Severity(t) == 0 {
			continue
		}
		a, b := -1, -1
		for i := range values {
			switch allMetrics[i].name {
			case x.Signal:
				a = i
			case partner(x.Signal):
				b = i
			}
		}
		if a >= 0 && b >= 0 {
			values[a], values[b] = values[b], values[a]
		}
	}
}
