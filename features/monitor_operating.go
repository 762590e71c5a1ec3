package features

import (
	"math"
	"slices"
)

// operating holds the asset's operating point between the instants that bring it.
type operating struct {
	idx    []int // fields of the metrics; -1 until they appear
	held   []float64
	heldNs []int64
	plain  bool // for regimes: the values themselves, NaN for one that is not known
}

// fresh is one that has seen nothing yet.
func (o *operating) fresh() operating { return operating{idx: o.idx, plain: o.plain} }

// operatingHoldS is how long an operating point is taken as unchanged.
const operatingHoldS = 1800

// step takes what the instant brings and returns value and square of each metric;
// nil while one is not known.
func (o *operating) step(in *instant) []float64 {
	if len(o.idx) == 0 {
		return nil
	}
	if len(o.held) != len(o.idx) {
		o.held, o.heldNs = make([]float64, len(o.idx)), make([]int64, len(o.idx))
		for k := range o.held {
			o.held[k] = math.NaN()
		}
	}
	if o.plain {
		return o.values(in)
	}
	x, whole := make([]float64, 0, 2*len(o.idx)), true
	for k, i := range o.idx {
		if i >= 0 && i < len(in.now) && !math.IsNaN(in.now[i]) {
			o.held[k], o.heldNs[k] = in.now[i], in.ns
		}
		whole = whole && !math.IsNaN(o.held[k]) && float64(in.ns-o.heldNs[k]) <= operatingHoldS*1e9
		x = append(x, o.held[k], o.held[k]*o.held[k])
	}
	if !whole {
		return nil
	}
	return x
}

// values holds what the instant brings and returns each metric's value.
func (o *operating) values(in *instant) []float64 {
	x := slices.Repeat([]float64{math.NaN()}, len(o.idx))
	for k, i := range o.idx {
		if i >= 0 && i < len(in.now) && !math.IsNaN(in.now[i]) {
			o.held[k], o.heldNs[k] = in.now[i], in.ns
		}
		if float64(in.ns-o.heldNs[k]) <= operatingHoldS*1e9 {
			x[k] = o.held[k]
		}
	}
	return x
}

func (o *operating) walk(c *codec) {
	c.floats(&o.held)
	n := c.length(len(o.heldNs), 8)
	if c.reading {
		o.heldNs = make([]int64, n)
	}
	for k := range o.heldNs {
		c.i64(&o.heldNs[k])
	}
	if len(o.held) != len(o.heldNs) {
		o.held, o.heldNs = nil, nil
	}
}
