package features

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/telltale-iot/telltale/asset"
)

// residual judges how far a metric has moved from what the asset's own healthy
// past makes expected at this load and ambient.
type residual struct {
	common
	stands bool // the verdict
}

func (d *residual) judge(in *instant) (asset.Assessment, bool) {
	worst, at := math.NaN(), -1
	for _, i := range d.idx {
		if v := d.opt.sided(in.now[i]); !math.IsNaN(v) && (at < 0 || v > worst) {
			worst, at = v, i
		}
	}
	if at < 0 {
		return asset.Assessment{}, false
	}
	b := in.fields[at].base
	p := tailOfT(worst*math.Min(1, usualLimit/d.opt.Limit), b.N, d.opt.Side == "both")
	a := d.answer(in, worst, d.opt.Limit, p)
	a.Trust = math.Min(1, float64(b.N)/5)
	// What opened a verdict closes it at half of the limit: a slow mean that wavers
	// about its limit is one episode, and it falls only long after its cause has.
	d.stands = d.past.step(worst > d.opt.Limit, d.opt.M, d.opt.N) || d.stands && worst > d.opt.Limit/2
	a.Abnormal = d.stands
	if worst > d.opt.Limit/2 || p < 0.1 { // whatever may count is told
		f := &in.fields[at]
		metric := f.Channel
		kelvin := in.now[at] * b.Scale
		a.Evidence = []asset.Evidence{d.evidence(f.Key(), in.now[at], d.opt.Limit, 1,
			fmt.Sprintf("%s has been %+.2g %s from what its load and surroundings explain on the running mean, %.1f times the spread at commissioning (limit %.1f)", metric, kelvin, b.Unit, math.Abs(in.now[at]), d.opt.Limit))}
		if worst > d.opt.Limit/2 {
			d.suspect(&a, math.Min(1, worst/(2*d.opt.Limit)))
		}
	}
	return a, true
}

// usualLimit is the limit in spreads of a residual that stays as it was at commissioning.
// A class that allows more says that healthy machines wander as much more, and so is the
// probability of a mean this high.
const usualLimit = 3

// tailOfT is the probability of a standardised mean this high when its scale was
// learned from about n independent stretches: Student's t with n−1 degrees.
func tailOfT(z float64, n int, both bool) float64 {
	t := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: math.Max(3, float64(n-1))}
	p := t.Survival(z)
	if both {
		p *= 2
	}
	return math.Min(p, 1)
}

func (d *residual) walk(c *codec) {
	c.u64(&d.past.bits)
	c.bool(&d.stands)
}
