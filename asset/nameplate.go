package asset

// Nameplate is what is known of an asset before its first reading: the entry of
// dataset.yaml and of the configuration.
type Nameplate struct {
	ID          ID          `yaml:"id" json:"id"`
	Kind        string      `yaml:"kind" json:"kind"`
	Group       string      `yaml:"group,omitempty" json:"group,omitempty"`
	Criticality int         `yaml:"criticality,omitempty" json:"criticality,omitempty"` // 1 (least) – 5; 0 counts as 3
	SpeedRpm    float64     `yaml:"speed_rpm,omitempty" json:"speed_rpm,omitempty"`     // nominal; 0 means not declared
	LoadN       float64     `yaml:"load_n,omitempty" json:"load_n,omitempty"`           // nominal; 0 means not declared
	Learning    *Learning   `yaml:"learning,omitempty" json:"learning,omitempty"`
	Components  []Component `yaml:"components,omitempty" json:"components,omitempty"`
	Kinematics  *Kinematics `yaml:"kinematics,omitempty" json:"kinematics,omitempty"`
	Channels    []Channel   `yaml:"channels,omitempty" json:"channels,omitempty"`
	Metrics     []Metric    `yaml:"metrics,omitempty" json:"metrics,omitempty"`
}

// Learning is the commissioning span: the first Rows distinct instants of
// telemetry, or the first DurationS seconds. Both zero means no span.
type Learning struct {
	Rows      int     `yaml:"rows,omitempty" json:"rows,omitempty"`
	DurationS float64 `yaml:"duration_s,omitempty" json:"duration_s,omitempty"`
}

// Component is a maintainable part of an asset.
type Component struct {
	Name    string   `yaml:"name" json:"name"`
	Type    string   `yaml:"type,omitempty" json:"type,omitempty"` // rolling-bearing, gearbox, generator, …
	Bearing *Bearing `yaml:"bearing,omitempty" json:"bearing,omitempty"`
}

// Bearing gives a rolling bearing's geometry, or its defect orders directly.
type Bearing struct {
	RollingElements   int     `yaml:"rolling_elements,omitempty" json:"rolling_elements,omitempty"`
	ElementDiameterMM float64 `yaml:"element_diameter_mm,omitempty" json:"element_diameter_mm,omitempty"`
	PitchDiameterMM   float64 `yaml:"pitch_diameter_mm,omitempty" json:"pitch_diameter_mm,omitempty"`
	ContactAngleDeg   float64 `yaml:"contact_angle_deg,omitempty" json:"contact_angle_deg,omitempty"`
	BPFOOrder         float64 `yaml:"bpfo_order,omitempty" json:"bpfo_order,omitempty"`
	BPFIOrder         float64 `yaml:"bpfi_order,omitempty" json:"bpfi_order,omitempty"`
	BSFOrder          float64 `yaml:"bsf_order,omitempty" json:"bsf_order,omitempty"`
	FTFOrder          float64 `yaml:"ftf_order,omitempty" json:"ftf_order,omitempty"`
}

// Kinematics ties shafts, gears and bearings together.
type Kinematics struct {
	Shafts    []Shaft        `yaml:"shafts,omitempty" json:"shafts,omitempty"`
	Gears     []Gear         `yaml:"gears,omitempty" json:"gears,omitempty"`
	Planetary []Planetary    `yaml:"planetary,omitempty" json:"planetary,omitempty"`
	Bearings  []BearingShaft `yaml:"bearings,omitempty" json:"bearings,omitempty"`
}

// Shaft turns at Ratio times the asset's speed.
type Shaft struct {
	Name  string  `yaml:"name" json:"name"`
	Ratio float64 `yaml:"ratio" json:"ratio"`
}

// Gear is a wheel on a shaft.
type Gear struct {
	Shaft string `yaml:"shaft" json:"shaft"`
	Teeth int    `yaml:"teeth" json:"teeth"`
}

// Planetary is an epicyclic stage with a fixed ring; counts are teeth, Planets a number.
type Planetary struct {
	Ring    int `yaml:"ring" json:"ring"`
	Sun     int `yaml:"sun" json:"sun"`
	Planet  int `yaml:"planet" json:"planet"`
	Planets int `yaml:"planets" json:"planets"`
}

// BearingShaft says on which shaft a component's bearing runs.
type BearingShaft struct {
	Component string `yaml:"component" json:"component"`
	Shaft     string `yaml:"shaft" json:"shaft"`
}

// Channel is a sampled signal.
type Channel struct {
	Name      string  `yaml:"name" json:"name"`
	Kind      string  `yaml:"kind" json:"kind"` // acceleration, velocity, displacement, acoustic-emission, tacho, strain, current
	Unit      string  `yaml:"unit" json:"unit"`
	RateHz    float64 `yaml:"rate_hz" json:"rate_hz"`
	Component string  `yaml:"component,omitempty" json:"component,omitempty"`
}

// Metric is a scalar signal.
type Metric struct {
	Name string `yaml:"name" json:"name"`
	Unit string `yaml:"unit" json:"unit"`
}

// ShaftRatio is how much faster the shaft of a component turns than the asset's
// reference shaft; 1 when the kinematics do not say.
func (n Nameplate) ShaftRatio(component string) float64 {
	if n.Kinematics == nil {
		return 1
	}
	for _, b := range n.Kinematics.Bearings {
		if b.Component != component {
			continue
		}
		for _, s := range n.Kinematics.Shafts {
			if s.Name == b.Shaft && s.Ratio > 0 {
				return s.Ratio
			}
		}
	}
	return 1
}

// Part returns the component of that name.
func (n Nameplate) Part(name string) (Component, bool) {
	for _, c := range n.Components {
		if c.Name == name {
			return c, true
		}
	}
	return Component{}, false
}
