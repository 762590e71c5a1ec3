package features

import (
	"math"

	"github.com/telltale-iot/telltale/asset"
)

// naming follows how far the comb of each family stands out over the last windows,
// and says which part that speaks for. It is a test, not a choice: where no comb
// stands out of noise there is no name.
type naming struct {
	mean [allFamilies]float64 // running mean of comb_*, σ; NaN while there is none
	n    int                  // windows in it, namingWindows at most
	sure float64              // of the last name
}

// namingWindows is the memory of the running mean (exponential, ⅛ a window).
const namingWindows = 8

// A comb stands out from namingFloor + namingSpread/√n σ on, of a mean over n
// windows. On noise a single window reaches 4 in 1 % of windows, and a mean over five
// or more stays under 3.5; what lies between is for the weak lines that sound
// bearings have, of which one on a rig stood at 6.3.
const (
	namingFloor  = 5.8
	namingSpread = 2.4
)

// step takes one window's values in; NaN where a family has none.
func (s *naming) step(now [allFamilies]float64) {
	if s.n == 0 {
		for k := range s.mean {
			s.mean[k] = nan
		}
	}
	s.n = min(s.n+1, namingWindows)
	for k, v := range now {
		switch {
		case math.IsNaN(v):
		case math.IsNaN(s.mean[k]):
			s.mean[k] = v
		default:
			s.mean[k] += (v - s.mean[k]) / float64(s.n)
		}
	}
}

// limit of a mean.
func (s *naming) limit() float64 { return namingFloor + namingSpread/math.Sqrt(float64(s.n)) }

// cageShare: a rolling element's strikes come and go with the cage, so that FTF
// stands out too. Then the element's own comb is about as high; that of a broken
// cage is not.
const cageShare = 0.95

// cageFloor is from where on FTF says that something comes and goes with the cage.
const cageFloor = 4

// coincide is by how much, in σ, a rolling element has to lead a race whose lines it
// may share: in some geometries 2×BSF lies within the slip of BPFI or BPFO.
const coincide = 2

// stand are the families whose mean is over its limit, after what one of them
// explains of another is taken out.
func (s *naming) stand(limits [allFamilies]float64) [allFamilies]bool {
	var on [allFamilies]bool
	for k, m := range s.mean {
		on[k] = m >= limits[k]
	}
	element, cage := s.mean[bsf], s.mean[ftf]
	turning := cage >= cageFloor // something comes and goes with the cage
	for _, race := range [...]int{bpfo, bpfi} {
		switch {
		case !on[bsf] || !on[race]:
		case turning && element >= s.mean[race]-coincide:
			on[race] = false
		case !turning && element < s.mean[race]+coincide:
			on[bsf] = false
		}
	}
	if on[ftf] && on[bsf] {
		if element >= cageShare*cage {
			on[ftf] = false
		} else {
			on[bsf] = false
		}
	}
	return on
}

// namingScale is by how many σ a family must lead to be e times as likely.
const namingScale = 1.5

// name weighs the families that stand out; an empty map says that none does, nil
// that there is nothing to tell it from.
func (d *defect) name(in *instant) map[asset.Mode]float64 {
	var now, limits [allFamilies]float64
	heard := false
	s := &d.names
	for k := range now {
		now[k] = nan
		for _, i := range d.comb[k] {
			if v := in.now[i]; !math.IsNaN(v) && !(v <= now[k]) {
				now[k], heard = v, true
			}
		}
	}
	if !heard {
		return nil
	}
	s.step(now)
	for k := range limits {
		limits[k] = s.limit()
		for _, i := range d.comb[k] { // what stood there at commissioning is no news
			if b := &in.fields[i].base; b.N > 0 {
				limits[k] = math.Max(limits[k], b.level(0, in.op)+math.Max(1.5, 4*b.Scale))
			}
		}
	}
	on := s.stand(limits)
	best, sum := math.Inf(-1), 0.0
	for k, m := range s.mean {
		if on[k] {
			best = math.Max(best, m)
		}
	}
	out := map[asset.Mode]float64{}
	for k, m := range s.mean {
		if on[k] {
			w := math.Exp((m - best) / namingScale)
			out[defectFamilies[k].mode] = w
			sum += w
		}
	}
	for m := range out {
		out[m] /= sum
	}
	s.sure = math.Min(1, 0.3+math.Max(0, best/s.limit()-1))
	return out
}

func (s *naming) walk(c *codec) {
	for k := range s.mean {
		c.f64(&s.mean[k])
	}
	c.int(&s.n)
	c.f64(&s.sure)
}
