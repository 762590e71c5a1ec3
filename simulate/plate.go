package simulate

import (
	"fmt"
	"math"

	"github.com/telltale-iot/telltale/asset"
)

const accelerationUnit = "m/s²"

// metric is a value of the telemetry; the component is the one that a fault of its
// sensor is booked on.
type metric struct {
	name, unit, component string
	scale                 float64 // what a bias or drift of this sensor is measured in
}

// metrics of a turbine, in the order in which they are sent.
var metrics = []metric{
	{"wind_speed", "m/s", "rotor", 1},
	{"rotor_speed", "rpm", "rotor", 1},
	{"generator_power", "kW", "generator", 300},
	{"ambient_temperature", "°C", "rotor", 5},
	{"nacelle_temperature", "°C", "rotor", 5},
	{"front_bearing_temperature", "°C", "main-bearing", 5},
	{"rear_bearing_temperature", "°C", "main-bearing", 5},
	{"gearbox_oil_temperature", "°C", "gearbox", 5},
	{"gearbox_bearing_temperature", "°C", "gearbox", 5},
	{"generator_winding_temperature", "°C", "generator", 5},
}

const noSignal = "-"

// signalComponent is the component that a channel or metric belongs to.
func signalComponent(signal string) string {
	for _, v := range voices {
		if v.name == signal {
			return v.component
		}
	}
	for _, m := range allMetrics {
		if m.name == signal {
			return m.component
		}
	}
	return noSignal
}

// bearings are the rolling bearings with a known geometry. Counts and diameters
// are chosen so that the first three defect orders stay away from whole orders.
var bearings = map[string]asset.Bearing{
	"main-bearing":      {RollingElements: 26, ElementDiameterMM: 110, PitchDiameterMM: 1010, ContactAngleDeg: 10},
	"gearbox-bearing":   {RollingElements: 13, ElementDiameterMM: 33, PitchDiameterMM: 195},
	"generator-bearing": {RollingElements: 9, ElementDiameterMM: 55, PitchDiameterMM: 225},
}

// orders are a bearing's defect frequencies over its shaft's: inner race, outer
// race, both contacts of an element, cage (Randall & Antoni 2011, MSSP 25:485).
func orders(b asset.Bearing) (inner, outer, element, cage float64) {
	g := b.ElementDiameterMM / b.PitchDiameterMM * math.Cos(b.ContactAngleDeg*math.Pi/180)
	n := float64(b.RollingElements)
	return n / 2 * (1 + g), n / 2 * (1 - g), b.PitchDiameterMM / b.ElementDiameterMM * (1 - g*g), (1 - g) / 2
}

// assetID of a turbine.
func assetID(turbine int) asset.ID { return asset.ID(fmt.Sprintf("wt%02d", turbine+1)) }

// Nameplates says what the turbines of the farm are.
func (f *Farm) Nameplates() []asset.Nameplate {
	out := make([]asset.Nameplate, f.opt.Turbines)
	for i := range out {
		out[i] = f.nameplate(i)
	}
	return out
}

func (f *Farm) nameplate(turbine int) asset.Nameplate {
	n := asset.Nameplate{
		ID: assetID(turbine), Kind: "wind-turbine", Group: "simulated-farm", Criticality: 4, SpeedRpm: maxRpm,
		Components: []asset.Component{
			{Name: "rotor", Type: "rotor"},
			{Name: "main-bearing", Type: "rolling-bearing"},
			{Name: "gearbox", Type: "gearbox"},
			{Name: "gearbox-bearing", Type: "rolling-bearing"},
			{Name: "generator", Type: "generator"},
			{Name: "generator-bearing", Type: "rolling-bearing"},
		},
		Kinematics: &asset.Kinematics{
			Shafts: []asset.Shaft{{Name: "rotor", Ratio: 1}, {Name: "sun", Ratio: sunRatio}, {Name: "ims", Ratio: imsRatio}, {Name: "hss", Ratio: gearRatio}},
			Gears: []asset.Gear{
				{Shaft: "sun", Teeth: imsWheel},
				{Shaft: "ims", Teeth: imsPinion},
				{Shaft: "ims", Teeth: hssWheel},
				{Shaft: "hss", Teeth: hssPinion},
			},
			Planetary: []asset.Planetary{{Ring: ringTeeth, Sun: sunTeeth, Planet: planetTeeth, Planets: planets}},
			Bearings: []asset.BearingShaft{
				{Component: "main-bearing", Shaft: "rotor"},
				{Component: "gearbox", Shaft: "hss"},
				{Component: "gearbox-bearing", Shaft: "hss"},
				{Component: "generator", Shaft: "hss"},
				{Component: "generator-bearing", Shaft: "hss"},
			},
		},
	}
	if f.opt.Learning != (asset.Learning{}) {
		learning := f.opt.Learning
		n.Learning = &learning
	}
	for i := range n.Components {
		if b, ok := bearings[n.Components[i].Name]; ok {
			n.Components[i].Bearing = &b
		}
	}
	for _, v := range voices[:fastVoices] {
		n.Channels = append(n.Channels, asset.Channel{Name: v.name, Kind: "acceleration", Unit: accelerationUnit, RateHz: f.opt.RateHz, Component: v.component})
	}
	for _, m := range metrics {
		n.Metrics = append(n.Metrics, asset.Metric{Name: m.name, Unit: m.unit})
	}
	if f.opt.Extended {
		extend(&n)
	}
	return n
}
