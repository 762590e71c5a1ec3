package features

import (
	"fmt"
	"math"

	"github.com/telltale-iot/telltale/asset"
)

// period is what a zone detector has seen since the last verdict, by field. It takes
// telemetry with the vibration as it came last.
type period struct {
	power, speed int     // fields; -1 until they appear or where none is named
	kw, rpm      float64 // last known
	kwNs, rpmNs  int64
	lo, hi       float64 // of the speed since the last section
	fromNs       int64
	spans        []zoneFollow
	verdict      zoneMean
}

// zoneFollow is one field's way through the period.
type zoneFollow struct {
	span   ZoneSpan
	lastNs int64
}

// zoneMean is the worst energy mean of the last whole period.
type zoneMean struct {
	v     float64 // mm/s; NaN: nothing counted
	field int     // position in idx
	some  bool
}

func newPeriod() period {
	nan := math.NaN()
	return period{power: -1, speed: -1, kw: nan, rpm: nan, lo: nan, hi: nan}
}

// offer also finds the metrics that say whether the machine runs under load and
// steadily.
func (d *zone) offer(i int, f tracked) {
	d.common.offer(i, f)
	if f.wave || f.Name != "value" {
		return
	}
	if f.Channel == d.opt.Power {
		d.period.power = i
	}
	if f.Channel == d.opt.Speed {
		d.period.speed = i
	}
}

// note takes the load and the range of the speed.
func (p *period) note(in *instant) {
	if p.power >= 0 && !math.IsNaN(in.now[p.power]) {
		p.kw, p.kwNs = in.now[p.power], in.ns
	}
	if p.speed >= 0 && !math.IsNaN(in.now[p.speed]) {
		p.rpm, p.rpmNs = in.now[p.speed], in.ns
		p.lo, p.hi = math.Min(orElse(p.lo, p.rpm), p.rpm), math.Max(orElse(p.hi, p.rpm), p.rpm)
	}
}

func orElse(v, other float64) float64 {
	if math.IsNaN(v) {
		return other
	}
	return v
}

// section is how the machine ran up to now; NaN where a named metric is not known, so
// that the section does not count.
func (d *zone) section(in *instant) (load, spread float64) {
	p := &d.period
	fresh := func(ns int64) bool { return float64(in.ns-ns) <= operatingHoldS*1e9 }
	load, spread = 1, 0
	if d.opt.Power != "" && d.opt.RatedKW > 0 {
		if load = math.NaN(); fresh(p.kwNs) {
			load = p.kw / d.opt.RatedKW
		}
	}
	if d.opt.Speed != "" {
		if spread = math.NaN(); fresh(p.rpmNs) {
			spread = ratio(p.hi-p.lo, math.Abs(p.lo+p.hi)/2)
		}
	}
	return load, spread
}

// judgePeriod adds the instant's values to the period and gives the verdict of the
// last whole one.
func (d *zone) judgePeriod(in *instant) (asset.Assessment, bool) {
	p := &d.period
	p.note(in)
	worst, at := d.worst(in)
	if at < 0 || math.IsNaN(worst) {
		return asset.Assessment{}, false
	}
	for len(p.spans) < len(d.idx) {
		p.spans = append(p.spans, zoneFollow{})
	}
	if p.fromNs == 0 || in.ns < p.fromNs {
		p.fromNs = in.ns
	}
	if float64(in.ns-p.fromNs) >= d.opt.PeriodH*3.6e12 {
		p.close()
		p.fromNs = in.ns
	}
	load, spread := d.section(in)
	for k, i := range d.idx {
		v := velocity(in, i)
		if math.IsNaN(v) {
			continue
		}
		s := &p.spans[k]
		if dt := float64(in.ns-s.lastNs) / 1e9; s.lastNs != 0 && dt > 0 {
			s.span = s.span.Step(ZoneSection{V: v, Seconds: math.Min(dt, operatingHoldS), PowerShare: load, SpeedSpread: spread})
		}
		s.lastNs = in.ns
	}
	p.lo, p.hi = p.rpm, p.rpm
	if !p.verdict.some {
		return d.mute(in, ReasonShort), true
	}
	if math.IsNaN(p.verdict.v) {
		return d.mute(in, "no-load"), true
	}
	return d.limits(in), true
}

// close ends the period.
func (p *period) close() {
	p.verdict = zoneMean{v: math.NaN(), some: true}
	for k := range p.spans {
		if v, why := p.spans[k].span.Mean(); why == "" && !(v <= p.verdict.v) {
			p.verdict.v, p.verdict.field = v, k
		}
		p.spans[k].span = ZoneSpan{}
	}
}

// limits judges the period's mean by the table, and shows the machine's own operating
// limits where it lies beyond them. Those open nothing by themselves.
func (d *zone) limits(in *instant) asset.Assessment {
	w := d.period.verdict
	at := d.idx[w.field]
	f := &in.fields[at]
	a := d.verdict(in, w.v, at, fmt.Sprintf("over %g h under load was", d.opt.PeriodH))
	base := f.base.level(0, in.op)
	if f.Unit == "m/s" {
		base *= 1000
	}
	z, why := d.table.Judge(w.v, base)
	if why != "" || !z.Alert && !z.Alarm && !(z.Changed && w.v > base) {
		return a
	}
	limit, word := z.Limits.Alert, "ALERT"
	switch {
	case z.Alarm:
		limit, word = z.Limits.Alarm, "ALARM"
	case !z.Alert:
		limit, word = base+z.Limits.Change, "a significant change"
	}
	from := "no commissioning level"
	if !math.IsNaN(base) {
		from = fmt.Sprintf("%.2g mm/s at commissioning", base)
	}
	a.Evidence = append(a.Evidence, d.evidence(f.Key(), w.v, limit, 1,
		fmt.Sprintf("%.2g mm/s over %g h on %s is at or beyond %s, %.2g mm/s, from %s (ALERT %.2g, ALARM %.2g mm/s)", w.v, d.opt.PeriodH, f.Channel, word, limit, from, z.Limits.Alert, z.Limits.Alarm)))
	shareOut(a.Evidence)
	return a
}

func (d *zone) walkPeriod(c *codec) {
	p := &d.period
	for _, v := range []*float64{&p.kw, &p.rpm, &p.lo, &p.hi, &p.verdict.v} {
		c.f64(v)
	}
	for _, v := range []*int64{&p.kwNs, &p.rpmNs, &p.fromNs} {
		c.i64(v)
	}
	c.bool(&p.verdict.some)
	c.int(&p.verdict.field)
	n := c.length(len(p.spans), 32)
	if c.reading {
		p.spans = make([]zoneFollow, n)
	}
	for k := range p.spans {
		s := &p.spans[k]
		c.f64(&s.span.Square)
		c.f64(&s.span.Seconds)
		c.f64(&s.span.Skipped)
		c.i64(&s.lastNs)
	}
	if c.reading && (n > len(d.idx) || p.verdict.field < 0 || p.verdict.field >= max(len(d.idx), 1)) {
		c.err, c.buf = errCodec, nil
	}
}
