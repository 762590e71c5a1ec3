package features

import (
	"fmt"
	"math"
	"strings"

	"github.com/telltale-iot/telltale/asset"
)

// sensor tells a broken measurement from a broken machine. What it finds faulty
// is hidden from the other detectors for as long as it lasts.
type sensor struct {
	common
	runs []run
	was  bool // a fault stood at the last instant
}

// run is the recent past of one field.
type run struct {
	last float64
	n    int // equal values in a row
	bad  bool
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
			if text = d.check(&d.runs[k], &in.fields[i], v); text == "" {
				text = swapped(in, &in.fields[i])
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
func (d *sensor) check(r *run, f *tracked, v float64) string {
	prev, had := r.last, !math.IsNaN(r.last)
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
	if limit := max(stuckRows, 8*b.MaxRun); !b.Constant && r.n >= limit {
		return fmt.Sprintf("%s has read %s for %d readings; at commissioning it never repeated a value more than %d times", f.Channel, quantity(v, f.Unit), r.n, b.MaxRun)
	}
	// A temperature has heat capacity behind it: it cannot step.
	if f.Unit == "°C" {
		far := v < b.Min-0.5*(b.Max-b.Min)-20 || v > b.Max+0.5*(b.Max-b.Min)+20
		step := had && math.Abs(v-prev) > math.Max(20, 15*b.Jump)
		if far && (step || wasBad) {
			return fmt.Sprintf("%s jumped to %s from one reading to the next, faster than the part can heat or cool (largest step at commissioning %.2g K)", f.Channel, quantity(v, f.Unit), b.Jump)
		}
	}
	return ""
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

// swapped says that a channel whose RMS and bands all moved by standard gravity
// delivers another unit than at commissioning.
func swapped(in *instant, f *tracked) string {
	if !f.wave || f.Name != "rms" || f.base.N == 0 || !f.base.Log {
		return ""
	}
	var now, before []float64
	for i := range in.fields {
		g := &in.fields[i]
		if g.Channel != f.Channel || !g.wave || g.base.N == 0 || math.IsNaN(in.raw[i]) || g.Name != "rms" && !strings.HasPrefix(g.Name, "band_rms_") {
			continue
		}
		now, before = append(now, in.raw[i]), append(before, g.base.level(0, nil))
	}
	if factor, why := UnitSwap(now, before); why == ReasonUnitSwap && len(now) > 2 {
		return fmt.Sprintf("all bands of %s moved by the factor %.4g of standard gravity since commissioning: the unit has changed between g and m/s²", f.Channel, 1/factor)
	}
	return ""
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
	}
	c.bool(&d.was)
}
