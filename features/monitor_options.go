package features

import (
	"fmt"
	"slices"
	"strings"

	"github.com/telltale-iot/telltale/asset"
)

// MonitorOptions configures the judging of one asset against its own past.
type MonitorOptions struct {
	Detectors []DetectorOptions
	Normal    []NormalOptions
	// Operating names the metrics that set the operating point, e.g. power and speed.
	// The baselines of waveform features then follow its quadratic. Metrics that the
	// asset does not declare are left out.
	Operating []string
	// Regimes replaces the quadratic by bins of the operating point; zero: off.
	Regimes RegimesOptions
	// Temperatures are followed against limits: "metric/gradient", "metric/minutes_warn"
	// and "metric/minutes_alarm".
	Temperatures []TemperatureOptions
	// Phases are the metrics of the currents of one machine: "phases/unbalance". It is
	// left out where the asset lacks one of them.
	Phases []string
	// PowerCurve gives "metric/power_residual" and "metric/power_residual_z" of the
	// power; zero: off.
	PowerCurve PowerCurveOptions
	// Zones are the rows that a zone detector judges by. Of one name, quantity and band
	// the last counts.
	Zones []ZoneTable
	// Baseline is one that Export gave, of this asset or another of its kind. The
	// asset then starts commissioned, whatever learning span it declares.
	Baseline []byte
}

// learns reports whether the nameplate gives a commissioning span.
func (m *Monitor) learns() bool {
	l := m.plate.Learning
	return l != nil && (l.Rows > 0 || l.DurationS > 0)
}

// resolve checks the options against the nameplate.
func (m *Monitor) resolve(opt MonitorOptions) error {
	m.opt.Zones, m.opt.Phases = opt.Zones, opt.Phases
	names := map[string]bool{}
	for _, o := range opt.Detectors {
		o, err := o.withDefaults()
		if err != nil {
			return err
		}
		if names[o.Name+"/"+o.Component] {
			return fmt.Errorf("%w: two detectors are named %q: give one a Name", ErrOptions, o.Name)
		}
		names[o.Name+"/"+o.Component] = true
		if o, err = m.checkZones(o); err != nil {
			return err
		}
		missing := m.undeclared(o)
		if len(missing) > 0 && !o.Optional {
			return fmt.Errorf("%w: %s: the asset declares no channel or metric for field %q", ErrOptions, o.Name, missing[0])
		}
		o.Fields = slices.DeleteFunc(slices.Clone(o.Fields), func(f string) bool { return slices.Contains(missing, f) })
		if len(o.Fields) > 0 {
			m.opt.Detectors = append(m.opt.Detectors, o)
		}
	}
	return m.resolveModels(opt)
}

// resolveModels checks what the detectors read from.
func (m *Monitor) resolveModels(opt MonitorOptions) error {
	var err error
	if m.opt.Regimes, err = opt.Regimes.resolve(m); err != nil {
		return err
	}
	operating := opt.Operating
	if m.opt.Regimes.on() {
		operating, m.op.plain = m.opt.Regimes.metrics(), true
	}
	for _, name := range operating {
		if m.op.plain || !m.lacks(name) {
			m.opt.Operating = append(m.opt.Operating, name)
			m.op.idx = append(m.op.idx, -1)
		}
	}
	for _, o := range opt.Normal {
		o, ok, err := o.resolve(&m.plate)
		if err != nil {
			return err
		}
		if ok {
			m.opt.Normal = append(m.opt.Normal, o)
		}
	}
	o, ok, err := opt.PowerCurve.resolve(m)
	if err == nil && ok {
		m.opt.PowerCurve = o
	}
	return err
}

// undeclared returns the fields of the detector whose channel or metric the
// nameplate, when it declares any, does not have.
func (m *Monitor) undeclared(o DetectorOptions) []string {
	var out []string
	for _, f := range o.Fields {
		name, _, _ := strings.Cut(f, "/")
		has := len(m.plate.Channels)+len(m.plate.Metrics) == 0 || strings.HasSuffix(name, "*") ||
			name == phasesChannel && len(m.opt.Phases) > 0 ||
			slices.ContainsFunc(m.plate.Channels, func(c asset.Channel) bool { return c.Name == name }) ||
			slices.ContainsFunc(m.plate.Metrics, func(c asset.Metric) bool { return c.Name == name })
		if !has {
			out = append(out, f)
		}
	}
	return out
}
