package features

import (
	"cmp"
	"fmt"
	"math"

	"github.com/telltale-iot/telltale/asset"
)

// PowerCurveOptions configures the power curve of a wind turbine, learned in the
// commissioning span by the method of bins.
type PowerCurveOptions struct {
	Power string // metric, in kW
	Wind  string // metric, in m/s
	// Density is the metric of the air's density in kg/m³, or Ambient that of its
	// temperature in °C, which with PressureHPa, default 1013.25, gives it. Neither, or
	// one that the asset lacks: the wind is not corrected.
	Density     string
	Ambient     string
	PressureHPa float64
	MinSamples  int // of a bin that counts; default 30
	// Optional leaves the curve out for an asset that lacks power or wind.
	Optional bool
}

// gasConstantAir is R of dry air in J/(kg·K) (IEC 61400-12-1:2017).
const gasConstantAir = 287.05

// resolve refuses or drops what the asset lacks; ok is false when nothing remains.
func (o PowerCurveOptions) resolve(m *Monitor) (_ PowerCurveOptions, ok bool, err error) {
	if o == (PowerCurveOptions{}) {
		return o, false, nil
	}
	o.PressureHPa = cmp.Or(o.PressureHPa, 1013.25)
	switch {
	case !(o.PressureHPa > 0) || o.MinSamples < 0:
		return o, false, fmt.Errorf("%w: power curve: PressureHPa and MinSamples must be positive", ErrOptions)
	case o.Power == "" || o.Wind == "":
		return o, false, fmt.Errorf("%w: power curve: Power and Wind must be named", ErrOptions)
	case (m.lacks(o.Power) || m.lacks(o.Wind)) && o.Optional:
		return o, false, nil
	case m.lacks(o.Power) || m.lacks(o.Wind):
		return o, false, fmt.Errorf("%w: power curve: the asset declares no metric %q or %q", ErrOptions, o.Power, o.Wind)
	}
	if m.lacks(o.Density) {
		o.Density = ""
	}
	if m.lacks(o.Ambient) {
		o.Ambient = ""
	}
	return o, true, nil
}

// production compares power with what the wind makes expected.
type production struct {
	opt                           PowerCurveOptions
	curve                         *PowerCurve // nil until learned; frozen
	power, wind, density, ambient int         // fields; -1 until they appear
	out                           [2]int      // power_residual, power_residual_z
}

func newProduction(o PowerCurveOptions, out [2]int) *production {
	return &production{opt: o, power: -1, wind: -1, density: -1, ambient: -1, out: out}
}

func (p *production) fields() [2]Field {
	return [2]Field{{p.opt.Power, "power_residual", "kW"}, {p.opt.Power, "power_residual_z", "1"}}
}

func (p *production) offer(i int, f tracked) {
	if f.wave || f.derived || f.Name != "value" {
		return
	}
	for _, x := range []struct {
		metric string
		at     *int
	}{{p.opt.Power, &p.power}, {p.opt.Wind, &p.wind}, {p.opt.Density, &p.density}, {p.opt.Ambient, &p.ambient}} {
		if x.metric == f.Channel {
			*x.at = i
		}
	}
}

func (p *production) gives() []int {
	if p.curve == nil {
		return nil
	}
	return p.out[:]
}

// inputs are wind, density and power of the instant; NaN where one is missing.
func (p *production) inputs(in *instant) (wind, density, power float64) {
	value := func(i int) float64 {
		if i < 0 {
			return math.NaN()
		}
		return in.now[i]
	}
	switch {
	case p.opt.Density != "":
		density = value(p.density)
	case p.opt.Ambient != "":
		density = 100 * p.opt.PressureHPa / (gasConstantAir * (value(p.ambient) + 273.15))
	default:
		density = airDensity
	}
	return value(p.wind), density, value(p.power)
}

// fit learns the curve from the span; none without a bin that counts.
func (p *production) fit(span *replay) {
	c := &PowerCurve{MinSamples: cmp.Or(p.opt.MinSamples, 30)}
	for in := range span.raw() {
		c.Learn(p.inputs(in))
	}
	p.curve = nil
	for _, b := range c.Bins {
		if b.N >= c.MinSamples {
			p.curve = c
		}
	}
}

func (p *production) derive(in *instant) {
	if p.curve == nil {
		return
	}
	wind, density, power := p.inputs(in)
	r, z := PowerResidual{math.NaN(), math.NaN(), math.NaN()}, math.NaN()
	var why asset.Reason = "input-missing"
	if !math.IsNaN(wind) && !math.IsNaN(density) && !math.IsNaN(power) {
		if r, why = p.curve.Residual(wind, density, power); why == "" {
			z = clamp(r.Z, 1e6)
		}
	}
	in.put(p.out[0], r.Residual, why)
	in.put(p.out[1], z, cmp.Or(why, ReasonFlat))
}

func (p *production) walk(*codec) {}

// base is the baseline of what the curve gives.
func (p *production) base(f Field) FieldBaseline {
	b := FieldBaseline{Channel: f.Channel, Name: f.Name, Unit: f.Unit, Scale: 1}
	if p.curve != nil {
		for _, x := range p.curve.Bins {
			b.N += x.N
		}
	}
	return b
}
