package features

import (
	"fmt"
	"math"

	"github.com/telltale-iot/telltale/asset"
)

// novelty watches a single series of which nothing else is known.
type novelty struct {
	common
	mean []float64
}

func (d *novelty) judge(in *instant) (asset.Assessment, bool) {
	if !d.present(in) {
		return asset.Assessment{}, false
	}
	worst, at := math.NaN(), -1
	for _, i := range d.idx {
		if z := d.opt.sided(clamp(in.z[i], 30)); !math.IsNaN(z) && (at < 0 || z > worst) {
			worst, at = z, i
		}
	}
	if at < 0 {
		return d.mute(in, "no-baseline"), true
	}
	a := d.answer(in, worst, d.opt.Limit, math.NaN())
	a.Abnormal = d.past.step(worst > d.opt.Limit, d.opt.M, d.opt.N)
	if a.Abnormal {
		f := &in.fields[at]
		a.Evidence = []asset.Evidence{d.evidence(f.Key(), in.now[at], f.base.level(d.opt.Limit), 1, fmt.Sprintf("%s is %s", f.Channel, quantity(in.now[at], f.Unit)))}
	}
	return a, true
}

func (d *novelty) walk(c *codec) {
	c.floats(&d.mean)
	c.u64(&d.past.bits)
}
