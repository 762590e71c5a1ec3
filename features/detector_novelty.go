package features

import (
	"fmt"
	"math"

	"github.com/telltale-iot/telltale/asset"
)

// dayBins is how finely the daily profile of a series is learned.
const dayBins = 24

// novelty watches single series of which nothing else is known: the distance
// from a level that follows the series slowly, after its daily profile when it
// has one, on a short running mean. A verdict stands until a share of the
// learning span has passed without another.
type novelty struct {
	common
	slots []noveltySlot // by position in idx
	watch []watch
}

// noveltySlot is what was learned of one field.
type noveltySlot struct {
	profile []float64 // by hour of the day
	scale   float64
	rows    float64
}

// watch is the running state of one field.
type watch struct {
	mean   float64 // running mean of the distance in σ
	offset float64 // how far the level has followed the series
	hold   int     // rows that the verdict still stands
	p      float64 // least probability since it was raised
}

// dayBin is the hour of the day, UTC.
func dayBin(ns int64) int {
	const day = 24 * 3600 * int64(1e9)
	return int(((ns%day)+day)%day) / int(day/dayBins)
}

// learn takes the daily profile where it explains at least half of the variance
// of what follows the first day, and the spread around it.
func (d *novelty) learn(span *replay) *Learned {
	columns := span.columns()
	var scores []float64
	l := &Learned{Name: d.opt.Name, Component: d.component}
	for _, i := range d.idx {
		var x []float64
		var ns []int64
		for k, v := range columns[i] {
			if !math.IsNaN(v) {
				x, ns = append(x, v), append(ns, span.rows[k].ns)
			}
		}
		if len(x) < minField {
			continue
		}
		profile, rest := daily(x, ns)
		scale := spreadOf(x, rest)
		if !finite(scale) || !finite(profile...) {
			continue
		}
		mean := 0.0
		for _, r := range rest {
			mean += d.opt.Smooth * (clamp(r/scale, 15) - mean)
			scores = append(scores, math.Max(0, d.opt.sided(mean)))
		}
		l.Fields = append(l.Fields, span.fields[i].Key())
		l.Mean, l.Spread, l.Coef = append(l.Mean, profile...), append(l.Spread, scale), append(l.Coef, float64(len(x)))
	}
	if len(l.Fields) == 0 {
		return nil
	}
	l.Scores = calibrate(scores)
	return l
}

// daily returns the profile by hour, flat when the days do not repeat, and what
// it leaves of x: of the days after the first when the first one predicts them.
func daily(x []float64, ns []int64) (profile, rest []float64) {
	const day = 24 * 3600 * int64(1e9)
	first := 0
	for first < len(ns) && ns[first]-ns[0] < day {
		first++
	}
	level := Robust(x).Median
	flat := make([]float64, dayBins)
	for b := range flat {
		flat[b] = level
	}
	if 2*(len(x)-first) >= first {
		one, whole := hourly(x[:first], ns[:first])
		firstLevel := Robust(x[:first]).Median
		with, without := 0.0, 0.0
		for k := first; k < len(x) && whole; k++ {
			r := x[k] - one[dayBin(ns[k])]
			rest = append(rest, r)
			with += r * r
			without += (x[k] - firstLevel) * (x[k] - firstLevel)
		}
		if all, ok := hourly(x, ns); whole && ok && with < 0.5*without {
			return all, rest
		}
	}
	rest = make([]float64, len(x))
	for k := range x {
		rest[k] = x[k] - level
	}
	return flat, rest
}

// hourly is the median of each hour; ok is false when an hour is empty.
func hourly(x []float64, ns []int64) (profile []float64, ok bool) {
	var bins [dayBins][]float64
	for k, v := range x {
		b := dayBin(ns[k])
		bins[b] = append(bins[b], v)
	}
	for _, b := range bins {
		if len(b) == 0 {
			return nil, false
		}
		profile = append(profile, Robust(b).Median)
	}
	return profile, true
}

// spreadOf is a spread that neither quantisation nor a square wave fools: the
// median absolute deviation, at least half the standard deviation, 1 % of the
// range, and for a series that never moved 1 % of its level.
func spreadOf(x, rest []float64) float64 {
	s, r := Robust(x), Robust(rest)
	_, std, _ := meanStd(rest)
	scale := math.Max(math.Max(r.MAD, 0.5*std), 0.01*(s.Max-s.Min))
	if s.Max == s.Min {
		scale = math.Max(scale, 0.01*math.Abs(s.Median))
	}
	return math.Max(scale, 1e-9*math.Max(1, math.Abs(s.Median)))
}

// offer takes up what was learned of the field.
func (d *novelty) offer(i int, f tracked) {
	n := len(d.idx)
	d.common.offer(i, f)
	if len(d.idx) == n {
		return
	}
	var s noveltySlot
	if l := d.learned; l != nil && len(l.Mean) == dayBins*len(l.Fields) && len(l.Spread) == len(l.Fields) && len(l.Coef) == len(l.Fields) {
		for k, key := range l.Fields {
			if key == f.Key() {
				s = noveltySlot{l.Mean[dayBins*k : dayBins*(k+1)], l.Spread[k], l.Coef[k]}
			}
		}
	}
	d.slots = append(d.slots, s)
}

// followSpans is how many learning spans the level takes to follow the series.
const followSpans = 10

// step moves one field's state and returns its distance in σ.
func (d *novelty) step(w *watch, s noveltySlot, v float64, ns int64) float64 {
	z := clamp((v-s.profile[dayBin(ns)]-w.offset)/s.scale, 15)
	w.mean += d.opt.Smooth * (z - w.mean)
	w.offset += clamp(z, 3) * s.scale / (followSpans * s.rows)
	w.hold = max(0, w.hold-1)
	return d.opt.sided(w.mean)
}

func (d *novelty) judge(in *instant) (asset.Assessment, bool) {
	if !d.present(in) {
		return asset.Assessment{}, false
	}
	for len(d.watch) < len(d.idx) {
		d.watch = append(d.watch, watch{})
	}
	worst, at, held, p := math.NaN(), -1, false, 1.0
	for k, i := range d.idx {
		if math.IsNaN(in.now[i]) || !(d.slots[k].scale > 0) {
			continue
		}
		w := &d.watch[k]
		s := d.step(w, d.slots[k], in.now[i], in.ns)
		if s > d.opt.Limit {
			if w.hold == 0 {
				w.p = 1
			}
			w.hold, w.p = max(1, int(d.opt.Hold*d.slots[k].rows)), math.Min(w.p, d.chance(s))
		}
		if w.hold > 0 {
			held, p = true, math.Min(p, w.p)
		}
		if at < 0 || s > worst {
			worst, at = s, k
		}
	}
	if at < 0 {
		return d.mute(in, "no-baseline"), true
	}
	a := d.answer(in, worst, d.opt.Limit, math.Min(p, d.chance(worst))) // a verdict stands with what raised it
	a.Trust = d.trust()
	a.Abnormal = held
	if worst > d.opt.Limit {
		i := d.idx[at]
		f := &in.fields[i]
		s, w := d.slots[at], d.watch[at]
		usual := s.profile[dayBin(in.ns)] + w.offset
		a.Evidence = []asset.Evidence{d.evidence(f.Key(), in.now[i], usual+math.Copysign(d.opt.Limit*s.scale, w.mean), 1,
			fmt.Sprintf("%s is %s where %s is usual at this hour; on the running mean it is %.1f σ off (limit %.1f)", f.Channel, quantity(in.now[i], f.Unit), quantity(usual, f.Unit), worst, d.opt.Limit))}
		d.suspect(&a, 0.5)
	}
	return a, true
}

// chance is the probability of a distance this far on a healthy machine.
func (d *novelty) chance(s float64) float64 {
	return d.believed(d.learned.Scores.P(math.Max(0, s)), s, d.opt.Limit)
}

func (d *novelty) walk(c *codec) {
	n := c.length(len(d.watch), 32)
	if c.reading {
		d.watch = make([]watch, n)
	}
	for k := range d.watch {
		c.f64(&d.watch[k].mean)
		c.f64(&d.watch[k].offset)
		c.int(&d.watch[k].hold)
		c.f64(&d.watch[k].p)
	}
}
