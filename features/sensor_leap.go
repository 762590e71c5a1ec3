package features

import (
	"fmt"
	"math"
)

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
	case known && r.off == 0 && steady && math.Abs(step) > leap && !r.returns(step):
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

// returns reports whether a step takes back what the model could not explain: someone
// has repaired the sensor.
func (r *run) returns(step float64) bool {
	return math.Abs(r.rest+step) < math.Abs(r.rest)/2
}

// offer keeps the residuals of the metrics that the detector reads.
func (d *sensor) offer(i int, f tracked) {
	if f.derived && f.Name == "residual" && f.component == d.component {
		d.residuals = append(d.residuals, i)
		return
	}
	d.common.offer(i, f)
}

// settle remembers what the models left of the temperatures that were believed.
func (d *sensor) settle(in *instant) {
	for _, at := range d.residuals {
		for k, i := range d.idx {
			f := &in.fields[i]
			if !f.wave && f.Channel == in.fields[at].Channel && k < len(d.runs) && !math.IsNaN(in.now[at]) {
				d.runs[k].rest = in.now[at]
			}
		}
	}
}
