package features

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/telltale-iot/telltale/asset"
)

// deriver computes fields of telemetry from others: a normal-behaviour model and the
// power curve once they have learned, the measures from the first instant on.
type deriver interface {
	keeping
	// derive sets its fields in the instant, with a reason where there is no value.
	derive(in *instant)
	// gives are the fields that it sets; none before it has learned.
	gives() []int
}

// TemperatureOptions configures what is derived of one temperature: its gradient and
// the minutes that it lay above its limits.
type TemperatureOptions struct {
	// Metric is the temperature, e.g. gearbox_oil_temperature.
	Metric string
	// Kind is "bearing", "gearbox-oil" or "winding", which gives the limits; "" gives none.
	Kind string
	// WarnC and AlarmC in °C go before those of the kind.
	WarnC  float64
	AlarmC float64
	// GradientS is the shortest base of the gradient in s; default 60.
	GradientS float64
	// MaxGapS in s: values further apart tell nothing of the time between; default 1800.
	MaxGapS float64
	// Optional leaves it out for an asset that lacks the metric, instead of an error.
	Optional bool
}

// limits are those of the kind, with the given ones before them.
func (o TemperatureOptions) limits() (ThermalLimits, error) {
	l, ok := ThermalLimitsOf(o.Kind)
	switch {
	case o.Kind != "" && !ok:
		return l, fmt.Errorf("%w: temperature %s: Kind %q: allowed are bearing, gearbox-oil, winding", ErrOptions, o.Metric, o.Kind)
	case !(o.GradientS >= 0) || !(o.MaxGapS >= 0):
		return l, fmt.Errorf("%w: temperature %s: GradientS and MaxGapS must not be negative", ErrOptions, o.Metric)
	}
	l.WarnC, l.AlarmC = cmp.Or(o.WarnC, l.WarnC), cmp.Or(o.AlarmC, l.AlarmC)
	l.GradientS, l.MaxGapS = o.GradientS, o.MaxGapS
	return l, nil
}

// makeMeasures makes the derivers that learn nothing: what they give are fields like
// any other, with baselines of their own.
func (m *Monitor) makeMeasures(opt MonitorOptions) error {
	for _, o := range opt.Temperatures {
		l, err := o.limits()
		switch {
		case err != nil:
			return err
		case m.lacks(o.Metric) && o.Optional:
			continue
		case m.lacks(o.Metric):
			return fmt.Errorf("%w: temperature: the asset declares no metric %q", ErrOptions, o.Metric)
		}
		m.measures = append(m.measures, &temperature{opt: o, limits: l, at: -1})
		for _, f := range []Field{{o.Metric, "gradient", "K/min"}, {o.Metric, "minutes_warn", "min"}, {o.Metric, "minutes_alarm", "min"}} {
			m.register(f, tracked{})
		}
	}
	if len(opt.Phases) > 0 && !slices.ContainsFunc(opt.Phases, m.lacks) {
		if len(opt.Phases) < 2 {
			return fmt.Errorf("%w: phases %v: two at least", ErrOptions, opt.Phases)
		}
		m.measures = append(m.measures, &phases{metrics: opt.Phases, at: slices.Repeat([]int{-1}, len(opt.Phases))})
		m.register(Field{phasesChannel, "unbalance", "1"}, tracked{})
	}
	return nil
}

// lacks reports whether the nameplate declares metrics and not this one.
func (m *Monitor) lacks(metric string) bool {
	return len(m.plate.Metrics) > 0 && !slices.ContainsFunc(m.plate.Metrics, func(x asset.Metric) bool { return x.Name == metric })
}

// temperature follows one metric against its limits.
type temperature struct {
	opt    TemperatureOptions
	limits ThermalLimits
	at     int    // field of the metric; -1 until it appears
	out    [3]int // gradient, minutes_warn, minutes_alarm
	state  Exceedance
}

func (t *temperature) offer(i int, f tracked) {
	if f.Channel != t.opt.Metric || f.wave {
		return
	}
	switch f.Name {
	case "value":
		t.at = i
	case "gradient":
		t.out[0] = i
	case "minutes_warn":
		t.out[1] = i
	case "minutes_alarm":
		t.out[2] = i
	}
}

func (t *temperature) gives() []int { return t.out[:] }

func (t *temperature) derive(in *instant) {
	if in.replayed {
		return
	}
	why := ReasonAbsent
	if t.at >= 0 {
		if why = cmp.Or(in.why[t.at], ReasonAbsent); !math.IsNaN(in.now[t.at]) {
			t.state, why = t.state.Step(in.time, in.now[t.at], t.limits)
		}
	}
	if why != "" {
		for _, i := range t.out {
			in.put(i, math.NaN(), why)
		}
		return
	}
	in.put(t.out[0], float64(t.state.GradientKPerMin), ReasonShort)
	for k, minutes := range []float64{t.state.WarnMin, t.state.AlarmMin} {
		if limit := []float64{t.limits.WarnC, t.limits.AlarmC}[k]; limit == 0 {
			minutes = math.NaN()
		}
		in.put(t.out[1+k], minutes, "no-limit")
	}
}

func (t *temperature) walk(c *codec) {
	s := &t.state
	c.bool(&s.Seen)
	c.time(&s.At)
	c.time(&s.Base)
	c.time(&s.Next)
	for _, v := range []*float64{&s.C, &s.WarnMin, &s.AlarmMin, &s.SteepMin, &s.KnownMin, &s.BaseC, &s.NextC, (*float64)(&s.GradientKPerMin)} {
		c.f64(v)
	}
}

// phasesChannel is the channel of what is derived from all phases.
const phasesChannel = "phases"

// phases compares the currents of one machine.
type phases struct {
	metrics []string
	at      []int
	out     int
}

func (p *phases) offer(i int, f tracked) {
	switch {
	case f.wave:
	case f.Channel == phasesChannel && f.Name == "unbalance":
		p.out = i
	case f.Name == "value":
		if k := slices.Index(p.metrics, f.Channel); k >= 0 {
			p.at[k] = i
		}
	}
}

func (p *phases) gives() []int { return []int{p.out} }

func (p *phases) derive(in *instant) {
	if in.replayed {
		return
	}
	currents := make([]float64, len(p.at))
	for k, i := range p.at {
		if i < 0 || math.IsNaN(in.now[i]) {
			in.put(p.out, math.NaN(), "input-missing")
			return
		}
		currents[k] = in.now[i]
	}
	u, why := CurrentUnbalance(currents...)
	in.put(p.out, u, why)
}

func (p *phases) walk(*codec) {}
