package features

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/telltale-iot/telltale/asset"
)

// NormalOptions configures the normal behaviour of one metric: what its value
// should be, given metrics that a fault in it does not move. There are no
// autoregressive terms, because they would absorb a slow fault.
type NormalOptions struct {
	// Target is the metric, e.g. rear_bearing_temperature.
	Target string
	// Inputs are metrics, e.g. ambient_temperature, generator_power, rotor_speed,
	// and the same quantity of a twin part.
	Inputs []string
	// Squares are those inputs whose square also enters (losses grow with power²).
	Squares []string
	// LagsH are the time constants in hours of exponential means of every input that
	// enter beside its present value; default none.
	LagsH []float64
	// Ridge is the penalty on the standardised coefficients per learning row;
	// default 1e-3.
	Ridge float64
	// SlowH is the length in hours of the running mean of the residual; default 24.
	SlowH float64
	// HoldS is how long a missing input is taken as unchanged, in seconds; default 900.
	HoldS float64
	// Accuracy of the target's sensor in its unit, one standard deviation: neither
	// scale is taken as smaller, since a smaller departure means nothing. Default 0.
	Accuracy float64
	// Optional leaves the model out for an asset that lacks the target, and an input
	// out where the asset lacks it, instead of an error.
	Optional bool
}

// resolve fills in defaults and drops or refuses metrics that the asset lacks.
// ok is false when nothing remains to model.
func (o NormalOptions) resolve(plate *asset.Nameplate) (_ NormalOptions, ok bool, err error) {
	o.Ridge, o.SlowH, o.HoldS = cmp.Or(o.Ridge, 1e-3), cmp.Or(o.SlowH, 24), cmp.Or(o.HoldS, 900)
	if !(o.Ridge > 0) || !(o.SlowH > 0) || !(o.HoldS > 0) {
		return o, false, fmt.Errorf("%w: normal behaviour of %s: Ridge, SlowH and HoldS must be positive", ErrOptions, o.Target)
	}
	for _, h := range o.LagsH {
		if !(h > 0) {
			return o, false, fmt.Errorf("%w: normal behaviour of %s: LagsH = %v must be positive", ErrOptions, o.Target, h)
		}
	}
	lacks := func(metric string) bool {
		return len(plate.Metrics) > 0 && !slices.ContainsFunc(plate.Metrics, func(m asset.Metric) bool { return m.Name == metric })
	}
	if o.Optional {
		o.Inputs = slices.DeleteFunc(slices.Clone(o.Inputs), lacks)
		return o, !lacks(o.Target) && len(o.Inputs) > 0, nil
	}
	for _, m := range append([]string{o.Target}, o.Inputs...) {
		if lacks(m) {
			return o, false, fmt.Errorf("%w: normal behaviour of %s: asset %s declares no metric %q", ErrOptions, o.Target, plate.ID, m)
		}
	}
	if len(o.Inputs) == 0 {
		return o, false, fmt.Errorf("%w: normal behaviour of %s: no inputs", ErrOptions, o.Target)
	}
	return o, true, nil
}

// normal predicts one metric and follows how far it strays.
type normal struct {
	opt     NormalOptions
	learned *Learned
	target  int    // field; -1 until it appears
	inputs  []int  // fields, parallel to opt.Inputs
	out     [3]int // residual, residual_z and its slow mean
	state   normalState
}

// minFilled is the share of its memory that the slow mean has to have seen: from
// fewer readings it scatters more than its limit allows for.
const minFilled = 0.5

// normalState is what a model carries from one instant to the next.
type normalState struct {
	held   []float64 // last known inputs
	heldNs []int64
	lags   []float64 // input-major
	num    float64   // slow mean = num/den
	den    float64
	far    float64 // slow mean of the leverage = far/den
	lastNs int64
	fromNs int64 // the lags have been fed without a gap since then; 0: not yet
	fedNs  int64 // when they were last fed
}

func (n *normal) slowName() string {
	return "residual_z_" + strconv.FormatFloat(n.opt.SlowH, 'g', -1, 64) + "h"
}

// derived are the fields that the model adds, in the order of out.
func (n *normal) derived() [3]Field {
	return [3]Field{{n.opt.Target, "residual", ""}, {n.opt.Target, "residual_z", "1"}, {n.opt.Target, n.slowName(), "1"}}
}

// fits reports whether what was learned has the shape of the options.
func (n *normal) fits() bool {
	p := len(n.opt.Inputs) * (1 + len(n.opt.LagsH))
	for _, m := range n.opt.Inputs {
		if slices.Contains(n.opt.Squares, m) {
			p++
		}
	}
	return len(n.learned.Mean) == p && slices.Equal(n.learned.Fields, n.opt.Inputs)
}

// offer learns where its metrics are.
func (n *normal) offer(i int, f tracked) {
	if f.wave || f.derived || f.Name != "value" {
		return
	}
	if f.Channel == n.opt.Target {
		n.target = i
	}
	for k, m := range n.opt.Inputs {
		if f.Channel == m {
			n.inputs[k] = i
		}
	}
}

// step takes the instant's inputs in and returns the regressors; nil while one
// is missing.
func (n *normal) step(in *instant) []float64 {
	s, lags := &n.state, len(n.opt.LagsH)
	if s.held == nil {
		k := len(n.opt.Inputs)
		s.held, s.heldNs, s.lags = make([]float64, k), make([]int64, k), make([]float64, k*lags)
		for i := range s.held {
			s.held[i] = math.NaN()
		}
	}
	whole := true
	var x []float64
	for k, i := range n.inputs {
		if i >= 0 && !math.IsNaN(in.now[i]) {
			n.take(k, in.now[i], in.ns)
		}
		if math.IsNaN(s.held[k]) || float64(in.ns-s.heldNs[k]) > n.opt.HoldS*1e9 {
			whole = false
			continue
		}
		x = append(x, s.held[k])
		if slices.Contains(n.opt.Squares, n.opt.Inputs[k]) {
			x = append(x, s.held[k]*s.held[k])
		}
		x = append(x, s.lags[k*lags:(k+1)*lags]...)
	}
	if !whole {
		return nil
	}
	return x
}

// take moves one input's exponential means over the time since it was last seen.
func (n *normal) take(k int, v float64, ns int64) {
	s, lags := &n.state, len(n.opt.LagsH)
	for j, h := range n.opt.LagsH {
		p := &s.lags[k*lags+j]
		if math.IsNaN(s.held[k]) {
			*p = v
			continue
		}
		dt := math.Max(0, float64(ns-s.heldNs[k])/3.6e12)
		*p += (1 - math.Exp(-dt/h)) * (v - *p)
	}
	s.held[k], s.heldNs[k] = v, ns
}

// derive adds residual, residual_z and the slow mean of residual_z to the instant.
func (n *normal) derive(in *instant) {
	if n.learned == nil || n.target < 0 {
		return
	}
	x := n.step(in)
	y := in.now[n.target]
	if x != nil && !n.warm(in.ns) {
		for _, i := range n.out {
			in.set(i, math.NaN(), "warming-up")
		}
		return
	}
	if x == nil || math.IsNaN(y) {
		if !math.IsNaN(in.raw[n.target]) {
			for _, i := range n.out {
				in.set(i, math.NaN(), "input-missing")
			}
		}
		return
	}
	r := y - n.learned.predict(x)
	in.set(n.out[0], r, "")
	h := n.learned.leverage(x)
	in.set(n.out[1], clamp(r/(n.learned.Scale*n.learned.widened(h)), 1e6), "")
	if slow, far, ok := n.state.slow(r, h, in.ns, n.opt.SlowH); ok {
		in.set(n.out[2], clamp(slow/(n.learned.SlowScale*n.learned.widened(far)), 1e6), "")
	} else {
		in.set(n.out[2], math.NaN(), "too-short")
	}
}

func (n *normal) gives() []int {
	if n.learned == nil {
		return nil
	}
	return n.out[:]
}

// warm reports whether the lagged inputs have forgotten how they began: three of
// the longest time constant since the last gap of more than one.
func (n *normal) warm(ns int64) bool {
	s := &n.state
	longest := 0.0
	for _, h := range n.opt.LagsH {
		longest = math.Max(longest, h)
	}
	if s.fromNs == 0 || float64(ns-s.fedNs) > math.Max(longest*3.6e12, n.opt.HoldS*1e9) {
		s.fromNs = ns
	}
	s.fedNs = ns
	return float64(ns-s.fromNs) >= 3*longest*3.6e12
}

// slow moves the time-weighted means of r and of its leverage: an exponential one that has the age
// and variance of a plain mean over the last hours h. What came before a gap
// fades over it, and no single value stands for more than an eighth of h. ok is
// false until a quarter of its weight is there.
func (s *normalState) slow(r, leverage float64, ns int64, h float64) (mean, far float64, ok bool) {
	tau := h / 2
	dt := 0.0
	if s.lastNs != 0 {
		dt = math.Max(0, float64(ns-s.lastNs)/3.6e12)
	}
	s.lastNs = max(s.lastNs, ns)
	fade, w := math.Exp(-dt/tau), 1-math.Exp(-math.Min(dt, h/8)/tau)
	s.num, s.far, s.den = fade*s.num+w*r, fade*s.far+w*leverage, fade*s.den+w
	if s.den < minFilled {
		return 0, 0, false
	}
	return s.num / s.den, s.far / s.den, true
}

func (n *normal) walk(c *codec) {
	s := &n.state
	c.floats(&s.held)
	c.floats(&s.lags)
	k := c.length(len(s.heldNs), 8)
	if c.reading {
		s.heldNs = make([]int64, k)
	}
	for i := range s.heldNs {
		c.i64(&s.heldNs[i])
	}
	if in := len(n.opt.Inputs); c.reading && (len(s.held) != in || len(s.heldNs) != in || len(s.lags) != in*len(n.opt.LagsH)) {
		s.held = nil
	}
	c.f64(&s.num)
	c.f64(&s.den)
	c.f64(&s.far)
	c.i64(&s.lastNs)
	c.i64(&s.fromNs)
	c.i64(&s.fedNs)
}
