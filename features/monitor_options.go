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
		if o.Zones != "" {
			if _, ok := zoneTable(o.Zones); !ok {
				return fmt.Errorf("%w: %s: Zones %q has no velocity row", ErrOptions, o.Name, o.Zones)
			}
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
	for _, name := range opt.Operating {
		if len(m.plate.Metrics) == 0 || slices.ContainsFunc(m.plate.Metrics, func(x asset.Metric) bool { return x.Name == name }) {
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
	return nil
}

// undeclared returns the fields of the detector whose channel or metric the
// nameplate, when it declares any, does not have.
func (m *Monitor) undeclared(o DetectorOptions) []string {
	var out []string
	for _, f := range o.Fields {
		name, _, _ := strings.Cut(f, "/")
		has := len(m.plate.Channels)+len(m.plate.Metrics) == 0 || strings.HasSuffix(name, "*") ||
			slices.ContainsFunc(m.plate.Channels, func(c asset.Channel) bool { return c.Name == name }) ||
			slices.ContainsFunc(m.plate.Metrics, func(c asset.Metric) bool { return c.Name == name })
		if !has {
			out = append(out, f)
		}
	}
	return out
}
