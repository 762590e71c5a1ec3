package class

import (
	"fmt"
	"math"

	"github.com/telltale-iot/telltale/asset"
)

// Orders says which alerts ask for work, and when people can do it.
type Orders struct {
	MaxSeverity  int     `yaml:"max_severity,omitempty"`    // alerts of a larger number are only shown; default 3
	LeadH        float64 `yaml:"lead_h,omitempty"`          // parts, crew and weather: subtracted from the RUL; default 24
	CrewLeadH    float64 `yaml:"crew_lead_h,omitempty"`     // soonest visit; default half of lead_h
	EveryH       float64 `yaml:"window_every_h,omitempty"`  // from one regular window to the next; default 24
	FirstH       float64 `yaml:"window_first_h,omitempty"`  // start of a window after midnight UTC; default 6
	LengthH      float64 `yaml:"window_length_h,omitempty"` // of a window; default 8
	MeanPowerKW  float64 `yaml:"mean_power_kw,omitempty"`   // produced while the asset runs
	PriceEURMWh  float64 `yaml:"price_eur_mwh,omitempty"`   // of what it produces
	WindMeanMPS  float64 `yaml:"wind_mean_mps,omitempty"`   // at hub height; 0: work does not wait for wind
	WindShape    float64 `yaml:"wind_shape,omitempty"`      // of the Weibull law of wind speeds; default 2
	WindCalmH    float64 `yaml:"wind_calm_h,omitempty"`     // mean length of a spell below a limit; default 24
	NacelleMPS   float64 `yaml:"nacelle_max_mps,omitempty"` // wind up to which people work in the nacelle; default 10
	CraneMPS     float64 `yaml:"crane_max_mps,omitempty"`   // wind up to which a crane lifts; default 12
	StandbyKEUR  float64 `yaml:"standby_keur,omitempty"`    // of a crew that the weather turns back
	CalloutKEUR  float64 `yaml:"callout_keur,omitempty"`    // surcharge on work outside the regular windows
	InspectDownH float64 `yaml:"inspect_down_h,omitempty"`  // standstill of an inspection
}

// Cost is what work on the components in scope costs, and what a failure does.
type Cost struct {
	For            Scope   `yaml:"for,omitempty"`
	Source         string  `yaml:"source"`                    // where the figures come from; "expert" where from nobody
	FailureKEUR    float64 `yaml:"failure_keur"`              // repair after a failure, C_CM
	PlannedKEUR    float64 `yaml:"planned_keur"`              // planned repair, C_PM
	InspectionKEUR float64 `yaml:"inspection_keur,omitempty"` // a drone's flight, an endoscope; default a twentieth of planned_keur
	ExpressKEUR    float64 `yaml:"express_keur,omitempty"`    // surcharge on parts before parts_lead_h; 0: they cannot come sooner
	PartsLeadH     float64 `yaml:"parts_lead_h,omitempty"`    // default lead_h of the orders
	FailureDownH   float64 `yaml:"failure_down_h,omitempty"`  // standstill after a failure
	PlannedDownH   float64 `yaml:"planned_down_h,omitempty"`  // standstill of a planned repair
	Crane          bool    `yaml:"crane,omitempty"`           // the repair needs one
	Sensitivity    float64 `yaml:"sensitivity,omitempty"`     // of an inspection; default 0.9
	Specificity    float64 `yaml:"specificity,omitempty"`     // of an inspection; default 0.95
	LifeScaleH     float64 `yaml:"life_scale_h,omitempty"`    // Weibull law of such components' lives
	LifeShape      float64 `yaml:"life_shape,omitempty"`
}

// CostOf returns the costs of work on a component; false when none are declared.
func (c Class) CostOf(part asset.Component) (Cost, bool) {
	for _, cost := range c.Costs {
		if cost.For.holds(part) {
			return cost, true
		}
	}
	return Cost{}, false
}

// longestH is what a span of hours may be at most: ten years.
const longestH = 10 * 365 * 24

func (o Orders) validate() []error {
	var bad []error
	for _, f := range []struct {
		name        string
		value, most float64
	}{
		{"lead_h", o.LeadH, longestH},
		{"crew_lead_h", o.CrewLeadH, longestH},
		{"window_every_h", o.EveryH, longestH},
		{"window_first_h", o.FirstH, 24},
		{"window_length_h", o.LengthH, longestH},
		{"mean_power_kw", o.MeanPowerKW, 1e6},
		{"price_eur_mwh", o.PriceEURMWh, 1e6},
		{"wind_mean_mps", o.WindMeanMPS, 50},
		{"wind_shape", o.WindShape, 20},
		{"wind_calm_h", o.WindCalmH, longestH},
		{"nacelle_max_mps", o.NacelleMPS, 50},
		{"crane_max_mps", o.CraneMPS, 50},
		{"standby_keur", o.StandbyKEUR, 1e6},
		{"callout_keur", o.CalloutKEUR, 1e6},
		{"inspect_down_h", o.InspectDownH, longestH},
	} {
		bad = append(bad, within("orders."+f.name, f.value, 0, f.most)...)
	}
	return bad
}

func (c Cost) validate(at string) []error {
	var bad []error
	if c.Source == "" {
		bad = append(bad, fmt.Errorf(`%s.source: "" is not allowed: where the figures come from`, at))
	}
	for _, f := range []struct {
		name               string
		value, least, most float64
	}{
		{"failure_keur", c.FailureKEUR, 1e-3, 1e9},
		{"planned_keur", c.PlannedKEUR, 1e-3, 1e9},
		{"inspection_keur", c.InspectionKEUR, 0, 1e9},
		{"express_keur", c.ExpressKEUR, 0, 1e9},
		{"parts_lead_h", c.PartsLeadH, 0, longestH},
		{"failure_down_h", c.FailureDownH, 0, longestH},
		{"planned_down_h", c.PlannedDownH, 0, longestH},
		{"sensitivity", c.Sensitivity, 0, 1},
		{"specificity", c.Specificity, 0, 1},
		{"life_scale_h", c.LifeScaleH, 0, 1e9},
		{"life_shape", c.LifeShape, 0, 20},
	} {
		bad = append(bad, within(at+"."+f.name, f.value, f.least, f.most)...)
	}
	return bad
}

func within(field string, v, least, most float64) []error {
	if v >= least && v <= most && !math.IsNaN(v) {
		return nil
	}
	return []error{fmt.Errorf("%s: %v is not allowed: %g to %g", field, v, least, most)}
}
