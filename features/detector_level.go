package features

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/telltale-iot/telltale/asset"
)

// level watches single features against their own past: the worst of the fields'
// running mean of z, or CUSUM, m times of n over its limit.
type level struct {
	common
	mean []float64 // running mean of z, or S⁺ of the CUSUM, by position in idx
}

// score moves the running means and returns the worst, and whose it is.
func (d *level) score(in *instant) (worst float64, at int) {
	for len(d.mean) < len(d.idx) {
		d.mean = append(d.mean, 0)
	}
	worst, at = math.NaN(), -1
	for k, i := range d.idx {
		z := in.z[i]
		if math.IsNaN(z) {
			continue
		}
		z = d.opt.sided(clamp(z, 30))
		if d.opt.Drift > 0 {
			d.mean[k] = CUSUM{Up: d.mean[k]}.Step(z, d.opt.Drift).Up
		} else {
			d.mean[k] = EWMA{Z: d.mean[k]}.Step(z, d.opt.Smooth).Z
		}
		if math.IsNaN(worst) || d.mean[k] > worst {
			worst, at = d.mean[k], i
		}
	}
	return worst, at
}

func (d *level) learn(span *replay) *Learned {
	var scores []float64
	for in := range span.instants() {
		if s, at := d.score(in); at >= 0 {
			scores = append(scores, s)
		}
	}
	return d.found(scores)
}

func (d *level) judge(in *instant) (asset.Assessment, bool) {
	if !d.present(in) {
		return asset.Assessment{}, false
	}
	s, at := d.score(in)
	if at < 0 {
		return d.mute(in, "no-baseline"), true
	}
	limit := d.limit()
	a := d.answer(in, s, limit, d.believed(d.p(s), s, limit))
	a.Trust = d.trust()
	a.Abnormal = d.past.step(s > limit, d.opt.M, d.opt.N)
	if s > limit {
		f := &in.fields[at]
		b := f.base
		a.Evidence = []asset.Evidence{d.evidence(f.Key(), in.now[at], b.at(limit, d.opt.Side == "low", in.op), 1,
			fmt.Sprintf("%s of %s is %s, %.1f σ from the %s of commissioning%s (limit %.1f σ)", f.Name, f.Channel, quantity(in.now[at], f.Unit), s, quantity(b.level(0, in.op), f.Unit), atLoad(b), limit))}
		d.suspect(&a, 0.5)
	}
	return a, true
}

// p of a score: the learned tail, else that of a running mean of normal z.
func (d *level) p(s float64) float64 {
	if d.learned != nil && d.learned.Scores.N >= 20 {
		return d.learned.Scores.P(s)
	}
	if d.opt.Drift > 0 {
		return math.NaN()
	}
	return math.Min(1, float64(len(d.idx))*distuv.UnitNormal.Survival(s/EWMA{N: 1}.Sigma(d.opt.Smooth)))
}

// trust grows with the number of windows learned from.
func (c *common) trust() float64 {
	if c.learned == nil {
		return 0
	}
	return math.Min(1, float64(c.learned.Scores.N)/30)
}

func (d *level) walk(c *codec) {
	c.floats(&d.mean)
	c.u64(&d.past.bits)
}

// quantity prints a value with its unit for a person.
func quantity(v float64, unit string) string {
	if unit == "" || unit == "1" {
		return fmt.Sprintf("%.4g", v)
	}
	return fmt.Sprintf("%.4g %s", v, unit)
}

// atLoad says that a baseline knows the operating point.
func atLoad(b FieldBaseline) string {
	if b.Regime == nil && b.Bins == nil {
		return ""
	}
	return " at this operating point"
}
