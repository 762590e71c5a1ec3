package features

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

// onset watches single fields for the beginning of something lasting or extreme:
// ewma, cusum, page-hinkley, bocpd and spot. Each field has an arm for each direction
// that counts, whose limit gives its share of P alarms per evaluation.
type onset struct {
	common
	arms []*arm
	held onsetAlarm
}

// arm is one field in one direction.
type arm struct {
	field   int
	low     bool
	stat    statistic // nil: nothing learned
	sinceNs int64     // when the statistic last was at its zero
}

// statistic follows the values of an arm, turned so that up is what counts.
type statistic interface {
	// step takes a value of an instant: s is zero in normal running, an alarm above
	// limit, and NaN when there is no saying yet.
	step(x float64, ns int64) (s, limit float64)
	// shown is s, or a limit, as people read it.
	shown(s float64) float64
	walk(c *codec)
}

// LearnedArm is what an arm took from the span.
type LearnedArm struct {
	Field string       `json:"field"`
	Low   bool         `json:"low,omitempty"`
	Base  float64      `json:"base,omitempty"` // of the statistic in normal running
	Peaks *Excursions  `json:"peaks,omitempty"`
	Tail  *SPOT        `json:"tail,omitempty"`
	Why   asset.Reason `json:"why,omitempty"` // it is of no use
}

// onsetAlarm is the last alarm while it stands.
type onsetAlarm struct {
	left            int // evaluations
	arm             int
	sinceNs, ns     int64
	p, score, limit float64
}

func (d *onset) offer(i int, f tracked) {
	n := len(d.idx)
	d.common.offer(i, f)
	if len(d.idx) == n {
		return
	}
	for _, low := range d.opt.directions() {
		a := &arm{field: i, low: low}
		if l := d.learnedArm(f.Key(), low); l != nil && l.Why == "" {
			a.stat = newStatistic(d.opt, l, d.share())
		}
		d.arms = append(d.arms, a)
	}
}

// directions are those that count; a change of regime has none.
func (o DetectorOptions) directions() []bool {
	switch {
	case o.Type == "bocpd" || o.Side == "high":
		return []bool{false}
	case o.Side == "low":
		return []bool{true}
	}
	return []bool{false, true}
}

func (d *onset) learnedArm(field string, low bool) *LearnedArm {
	if d.learned == nil {
		return nil
	}
	i := slices.IndexFunc(d.learned.Arms, func(l LearnedArm) bool { return l.Field == field && l.Low == low })
	if i < 0 {
		return nil
	}
	return &d.learned.Arms[i]
}

// share is each arm's part of P: rates add up.
func (d *onset) share() float64 { return d.opt.P / float64(max(len(d.learned.Arms), 1)) }

// turned is z as the arm sees it. Only a tail is asked for values beyond 30 σ.
func (d *onset) turned(a *arm, z float64) float64 {
	if d.opt.Type != "spot" {
		z = clamp(z, 30)
	}
	if a.low {
		return -z
	}
	return z
}

// learn runs every arm over the span without a limit and takes the tail of what it
// did there.
func (d *onset) learn(span *replay) *Learned {
	series := make([][]float64, len(d.arms))
	for k := range d.arms {
		d.arms[k].stat = newStatistic(d.opt, nil, 0)
	}
	for in := range span.instants() {
		for k, a := range d.arms {
			s := math.NaN()
			if z := in.z[a.field]; !math.IsNaN(z) {
				s, _ = a.stat.step(d.turned(a, z), in.ns)
			}
			series[k] = append(series[k], s)
		}
	}
	l := &Learned{Name: d.opt.Name, Component: d.component}
	var of []int
	for k, a := range d.arms {
		if len(known(series[k])) >= minField {
			of = append(of, k)
			l.Arms = append(l.Arms, LearnedArm{Field: span.fields[a.field].Key(), Low: a.low})
		}
	}
	if len(of) == 0 {
		return nil
	}
	d.learned = l
	margins := make([]float64, len(span.rows))
	for i := range margins {
		margins[i] = math.NaN()
	}
	for j, k := range of {
		a := &l.Arms[j]
		if a.learn(d.opt, series[k], d.share()); a.Why == "" {
			a.margins(d.opt, series[k], d.share(), margins)
		}
	}
	l.Scores = calibrate(margins)
	return l
}

// learn takes the tail of the arm's series.
func (a *LearnedArm) learn(o DetectorOptions, s []float64, p float64) {
	if o.Type == "spot" {
		var t SPOT
		if t, a.Why = LearnSPOT(s, SPOTOptions{Q: p}); a.Why == "" {
			a.Tail = &t
		}
		return
	}
	if o.Type == "bocpd" {
		a.Base = Robust(s).Median
		for i := range s {
			s[i] -= a.Base
		}
	}
	var e Excursions
	if e, a.Why = LearnExcursions(s); a.Why == "" {
		a.Peaks = &e
	}
}

// margins raises worst to the arm's statistic as a share of its limit.
func (a *LearnedArm) margins(o DetectorOptions, s []float64, p float64, worst []float64) {
	t, limit := 0.0, 0.0
	if a.Tail != nil {
		t = a.Tail.Tail.T
	}
	if _, limit = newStatistic(o, a, p).step(0, 0); !(limit > 0) {
		return
	}
	for i, v := range s {
		if m := (v - t) / limit; !math.IsNaN(m) && !(m <= worst[i]) {
			worst[i] = m
		}
	}
}

func (d *onset) judge(in *instant) (asset.Assessment, bool) {
	if !d.present(in) {
		return asset.Assessment{}, false
	}
	margin, at, score, limit, why := d.step(in)
	if at < 0 {
		return d.mute(in, why), true
	}
	d.held.left = max(0, d.held.left-1)
	p := d.believed(d.learned.Scores.P(margin), margin, 1)
	over := margin > 1
	if over {
		d.held = onsetAlarm{int(d.opt.Hold * float64(d.learned.Scores.N)), at, d.began(at, in), in.ns, p, score, limit}
	}
	stands := over || d.held.left > 0
	a := d.answer(in, score, limit, p)
	a.Trust = d.trust()
	a.Abnormal = d.past.step(over, d.opt.M, d.opt.N) || !over && d.held.left > 0
	if stands {
		a.Score, a.Limit, a.P = asset.Number(d.held.score), asset.Number(d.held.limit), asset.Number(math.Min(p, d.held.p))
		a.Evidence = []asset.Evidence{d.explain(in)}
		d.suspect(&a, 0.5)
	}
	return a, true
}

// step moves every arm and returns the one nearest to its limit; why says what keeps
// all of them from it.
func (d *onset) step(in *instant) (margin float64, at int, score, limit float64, why asset.Reason) {
	margin, at = math.NaN(), -1
	for k, a := range d.arms {
		z := in.z[a.field]
		switch {
		case math.IsNaN(z):
			continue
		case a.stat == nil:
			if l := d.learnedArm(in.fields[a.field].Key(), a.low); l != nil {
				why = cmp.Or(why, l.Why)
			}
			continue
		}
		s, h := a.stat.step(d.turned(a, z), in.ns)
		if math.IsNaN(s) || !(h > 0) {
			why = cmp.Or(why, ReasonShort)
			continue
		}
		if s <= 0 || a.sinceNs == 0 {
			a.sinceNs = in.ns
		}
		if m := s / h; at < 0 || m > margin {
			margin, at, score, limit = m, k, a.stat.shown(s), a.stat.shown(h)
		}
	}
	return margin, at, score, limit, cmp.Or(why, "no-baseline")
}

// began estimates when the change came: where the statistic knows it, there, else
// when it last was at zero (Page 1954).
func (d *onset) began(k int, in *instant) int64 {
	switch s := d.arms[k].stat.(type) {
	case *regimeChange:
		return s.began(in.ns)
	case *spotTail:
		return in.ns
	}
	return d.arms[k].sinceNs
}

// explain says of the alarm that stands what a person can check.
func (d *onset) explain(in *instant) asset.Evidence {
	h, a := d.held, d.arms[d.held.arm]
	f := &in.fields[a.field]
	side := "above"
	if a.low {
		side = "below"
	}
	since := time.Unix(0, h.sinceNs).UTC().Format(time.RFC3339)
	var text string
	switch d.opt.Type {
	case "bocpd":
		text = fmt.Sprintf("level or spread of %s of %s changed with probability %.3g within the last %d values (limit %.3g), most probably at %s", f.Name, f.Channel, h.score, d.opt.Recent, h.limit, since)
	case "spot":
		text = fmt.Sprintf("%s of %s was %.1f σ %s the commissioning level at %s, beyond the %.1f σ of its learned tail", f.Name, f.Channel, h.score, side, since, h.limit)
	default:
		text = fmt.Sprintf("%s of %s has lain %s its commissioning level since %s: %s %.3g over its learned limit %.3g", f.Name, f.Channel, side, since, onsetNames[d.opt.Type], h.score, h.limit)
	}
	if h.ns != in.ns {
		text += ", alarm at " + time.Unix(0, h.ns).UTC().Format(time.RFC3339)
	}
	if z := in.z[a.field]; !math.IsNaN(z) {
		text += fmt.Sprintf("; now %s, %+.1f σ", quantity(in.now[a.field], f.Unit), z)
	}
	return d.evidence(f.Key(), h.score, h.limit, 1, text+fmt.Sprintf(" (false alarms: %.2g per evaluation)", d.opt.P))
}

// settle forgets the alarms of the span that it was learned from, and what a sum had
// come to at its end: the machine was healthy then.
func (d *onset) settle() {
	d.held = onsetAlarm{}
	for _, a := range d.arms {
		switch t := a.stat.(type) {
		case *spotTail:
			t.spot = t.learned // the span has been counted
		case *sumShift:
			t.up, a.sinceNs = 0, 0
		}
	}
}

func (d *onset) walk(c *codec) {
	n := c.length(len(d.arms), 16)
	if n != len(d.arms) {
		c.err, c.buf = errCodec, nil
		return
	}
	for _, a := range d.arms {
		has := a.stat != nil
		if c.bool(&has); has != (a.stat != nil) {
			c.err, c.buf = errCodec, nil
			return
		}
		if has {
			a.stat.walk(c)
		}
		c.i64(&a.sinceNs)
	}
	h := &d.held
	c.int(&h.left)
	c.int(&h.arm)
	c.i64(&h.sinceNs)
	c.i64(&h.ns)
	c.f64(&h.p)
	c.f64(&h.score)
	c.f64(&h.limit)
	c.u64(&d.past.bits)
	if c.reading && h.left > 0 && (h.arm < 0 || h.arm >= len(d.arms)) {
		c.err = errCodec
	}
}
