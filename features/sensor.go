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

	lastNs, gapNs int64   // time of the last value, and from the one before it
	off           float64 // a leap that has not been taken back; 0: none
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
	if limit := max(stuckRows, 8*b.MaxRun); !b.Constant && r.n >= limit {
		return fmt.Sprintf("%s has read %s for %d readings; at commissioning it never repeated a value more than %d times", f.Channel, quantity(v, f.Unit), r.n, b.MaxRun)
	}
	if f.Unit == "°C" {
		return r.leapt(f, v-prev, ns, wasBad)
	}
	return ""
}

// leastLeap in K: a smaller step is within what two thermometers differ by.
const leastLeap = 3

// leapt tells a thermometer from the part that it is on, which has heat capacity: from
// one reading to the next it moves no further than the load made it at commissioning,
// and twice that is no heat. A leap stands until it is taken back, but explains no more
// than itself: what leaves the range of commissioning without it as well is the machine.
func (r *run) leapt(f *tracked, step float64, ns int64, wasBad bool) string {
	b, v := &f.base, r.last
	gap := ns - r.lastNs
	steady := r.lastNs != 0 && r.gapNs > 0 && 2*gap <= 3*r.gapNs // no hole in which it may have moved
	r.lastNs, r.gapNs = ns, gap
	leap := math.Max(leastLeap, 2*b.Jump)
	known := !math.IsNaN(step)
	switch {
	case known && r.off == 0 && steady && math.Abs(step) > leap:
		r.off = step
	case known && r.off*step < 0 && 2*math.Abs(step) > math.Abs(r.off):
		r.off = 0
	}
	if rest := v - r.off; r.off != 0 && rest > b.Min-leap && rest < b.Max+leap {
		return fmt.Sprintf("%s leapt by %+.3g K from one reading to the next and reads %s, faster than the part can heat or cool (largest step at commissioning %.2g K)", f.Channel, r.off, quantity(v, f.Unit), b.Jump)
	}
	far := v < b.Min-0.5*(b.Max-b.Min)-20 || v > b.Max+0.5*(b.Max-b.Min)+20
	if far && (known && math.Abs(step) > math.Max(20, 15*b.Jump) || wasBad) {
		return fmt.Sprintf("%s jumped to %s from one reading to the next, faster than the part can heat or cool (largest step at commissioning %.2g K)", f.Channel, quantity(v, f.Unit), b.Jump)
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
		c.i64(&d.runs[k].lastNs)
		c.i64(&d.runs[k].gapNs)
		c.f64(&d.runs[k].off)
	}
	c.bool(&d.was)
}
