package features

import (
	"cmp"
	"fmt"
	"math"
	"strings"

	"github.com/telltale-iot/telltale/asset"
)

// sensor tells a broken measurement from a broken machine. What it finds faulty
// is hidden from the other detectors for as long as it lasts.
type sensor struct {
	common
	runs      []run
	was       bool  // a fault stood at the last instant
	residuals []int // of the fields that a model of normal behaviour explains
}

// run is the recent past of one field.
type run struct {
	last float64
	n    int // equal values in a row
	bad  bool

	lastNs, gapNs int64   // time of the last value, and from the one before it
	off           float64 // a leap that has not been taken back; 0: none
	rest          float64 // what its model left of it when it was last believed; 0 without one
}

// stuckRows is the shortest run of one value that counts as stuck.
const stuckRows = 12

// physicalRange is what a unit can show on a machine; outside of it the sensor speaks.
var physicalRange = map[string][2]float64{
	"°C": {-60, 1000}, "%": {-10, 1000}, "rpm": {-1e5, 1e6}, "bar": {-3, 1e5}, "V": {-1e6, 1e6}, "A": {-1e6, 1e6},
}

// sensorReasons are the extractor's words for a broken channel.
var sensorReasons = map[asset.Reason]string{
	"flat": "shows a flat line", "clipped": "is clipped at full scale", "clipping": "is clipped at full scale",
	"dropout": "has dropped out", "spikes": "has isolated spikes", "ski-slope": "drifts at low frequency (cable or amplifier)",
	"bias": "has its bias voltage out of range", "non-finite": "delivers values that are no numbers",
}

// judge finds faulty fields, hides them in the instant, and speaks while a fault
// stands and once when it has gone.
func (d *sensor) judge(in *instant) (asset.Assessment, bool) {
	for len(d.runs) < len(d.idx) {
		d.runs = append(d.runs, run{last: math.NaN()})
	}
	var found []asset.Evidence
	seen := false
	for k, i := range d.idx {
		text := ""
		if v := in.raw[i]; !math.IsNaN(v) {
			if text = d.check(&d.runs[k], &in.fields[i], v, in.ns); text == "" {
				text = cmp.Or(swapped(in, &in.fields[i]), crossed(in, &in.fields[i]))
			}
			seen = true
		} else if why, ok := sensorReasons[in.why[i]]; ok {
			text = fmt.Sprintf("%s %s", in.fields[i].Channel, why)
			seen = true
		} else {
			continue
		}
		d.runs[k].bad = text != ""
		if text == "" {
			continue
		}
		d.hide(in, i)
		found = append(found, d.evidence(in.fields[i].Key(), in.raw[i], math.NaN(), 1, text))
	}
	if len(found) == 0 {
		if !seen || !d.was {
			return asset.Assessment{}, false
		}
		d.was = d.standing()
		return d.mute(in, "cleared"), true
	}
	d.was = true
	shareOut(found)
	a := d.answer(in, float64(len(found)), 1, math.NaN())
	a.Abnormal, a.Evidence = true, found
	a.Modes = map[asset.Mode]float64{asset.SensorFault: 1}
	return a, true
}

func (d *sensor) standing() bool {
	for k := range d.runs {
		if d.runs[k].bad {
			return true
		}
	}
	return false
}

// hide takes a faulty metric, or all features of a faulty channel, from the
// other detectors.
func (d *sensor) hide(in *instant, i int) {
	for j := range in.now {
		if in.fields[j].Channel == in.fields[i].Channel && in.fields[j].wave == in.fields[i].wave && !in.fields[j].derived {
			in.now[j], in.z[j], in.why[j] = math.NaN(), math.NaN(), "sensor"
		}
	}
}

// check returns what is wrong with a value, or nothing.
func (d *sensor) check(r *run, f *tracked, v float64, ns int64) string {
	prev := r.last
	if v == prev {
		r.n++
	} else {
		r.n = 1
	}
	wasBad := r.bad
	r.last = v
	b := &f.base
	if why := Bias(v); why != "" && f.Unit == "V" && !f.wave && strings.Contains(f.Channel, "bias") {
		state := "a short circuit"
		if why == ReasonBiasOpen {
			state = "an open one"
		}
		return fmt.Sprintf("%s reads %.3g V: a sensor supply between %d and %d V is in order, this is %s", f.Channel, v, biasShortV, biasOpenV, state)
	}
	if lim, ok := physicalRange[f.Unit]; ok && !f.wave && (v < lim[0] || v > lim[1]) {
		return fmt.Sprintf("%s reads %s, which cannot be (%.4g to %s)", f.Channel, quantity(v, f.Unit), lim[0], quantity(lim[1], f.Unit))
	}
	if b.N == 0 {
		return ""
	}
	if f.wave {
		return dropout(f, v)
	}
	// Stuck: varied at commissioning and now repeats one value far longer than ever.
	if limit := max(stuckRows, 8*b.MaxRun); !b.Constant && r.n >= limit && !stands(f, v) {
		return fmt.Sprintf("%s has read %s for %d readings; at commissioning it never repeated a value more than %d times", f.Channel, quantity(v, f.Unit), r.n, b.MaxRun)
	}
	if f.Unit == "°C" {
		return r.leapt(f, v-prev, ns, wasBad)
	}
	return ""
}

// stands reports whether a value that does not change is a machine at rest: what turns
// reads 0 for as long as it stands. The zero of a temperature means nothing.
func stands(f *tracked, v float64) bool {
	return v == 0 && f.Unit != "°C" && f.base.Min <= 0
}

// dropout is a vibration channel that has lost its signal: under a fifth of its
// median and under half of the least that commissioning saw.
func dropout(f *tracked, v float64) string {
	b := &f.base
	if f.Name != "rms" || !b.Log || v >= 0.2*b.level(0, nil) || v >= 0.5*b.Min {
		return ""
	}
	return fmt.Sprintf("%s has an RMS of %s, under a fifth of the %s at commissioning: loose cable or dead sensor", f.Channel, quantity(v, f.Unit), quantity(b.level(0, nil), f.Unit))
}

func (d *sensor) walk(c *codec) {
	n := c.length(len(d.runs), 24)
	if c.reading {
		d.runs = make([]run, n)
	}
	for k := range d.runs {
		c.f64(&d.runs[k].last)
		c.int(&d.runs[k].n)
		c.bool(&d.runs[k].bad)
		c.i64(&d.runs[k].lastNs)
		c.i64(&d.runs[k].gapNs)
		c.f64(&d.runs[k].off)
		c.f64(&d.runs[k].rest)
	}
	c.bool(&d.was)
}
