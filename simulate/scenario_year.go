package simulate

import (
	"time"

	"github.com/telltale-iot/telltale/asset"
)

// Shares of the turbines in YearScenario; the others stay healthy.
const (
	yearMachineShare = 0.55
	yearSensorShare  = 0.25
)

// yearCatalogue is every gradual fault of YearScenario; the first of a group is drawn as
// often as the others together would ask for, since the groups come in turn.
var yearCatalogue = [][]Fault{
	{{Component: "main-bearing", Mode: asset.Wear}, {Component: "main-bearing", Mode: asset.OuterRace}},
	{
		{Component: "gearbox-bearing", Mode: asset.InnerRace},
		{Component: "gearbox-bearing", Mode: asset.OuterRace},
		{Component: "gearbox-bearing", Mode: asset.RollingElement},
		{Component: "gearbox", Mode: asset.GearTooth},
		{Component: "gearbox", Mode: asset.Wear},
	},
	{
		{Component: "generator-bearing", Mode: asset.InnerRace},
		{Component: "generator-bearing", Mode: asset.OuterRace},
		{Component: "generator-bearing", Mode: asset.RollingElement},
		{Component: "generator", Mode: asset.Misalignment},
		{Component: "generator", Mode: asset.Imbalance},
	},
	{{Component: "blade-1", Mode: asset.Crack}, {Component: "blade-2", Mode: asset.Crack}, {Component: "blade-3", Mode: asset.Crack}},
	{
		{Component: "gearbox", Mode: asset.Overheating},
		{Component: "generator", Mode: asset.Overheating},
		{Component: "main-bearing", Mode: asset.Overheating},
		{Component: "gearbox", Mode: asset.Lubrication},
		{Component: "generator", Mode: asset.Electrical},
	},
}

// Group is what a machine fault counts as in the figures: main bearing, gearbox,
// generator, blade crack or thermal.
func Group(component string, mode asset.Mode) string {
	switch {
	case mode == asset.Overheating || mode == asset.Lubrication || mode == asset.Electrical:
		return "thermal"
	case mode == asset.Crack:
		return "blade crack"
	case component == "main-bearing":
		return "main bearing"
	case component == "generator" || component == "generator-bearing":
		return "generator"
	default:
		return "gearbox"
	}
}

// YearScenario gives 55 % of the turbines one gradual machine fault and 25 % one sensor
// fault. Machine faults come from five groups in turn, begin at 25–45 % of the run (a year
// without an end), fail at 55–95 %, grow by a law that is drawn for each, and one in five
// is a faint one. A turbine's lot does not depend on how many others there are.
func YearScenario(opt Options) []Fault {
	opt.Faults = []Fault{}
	opt = opt.withDefaults()
	span := opt.Duration
	if span == 0 {
		span = 365 * 24 * time.Hour
	}
	signals := []string{voices[0].name, voices[1].name}
	for _, m := range metrics[3:] {
		signals = append(signals, m.name)
	}
	kinds := []Sensor{Stuck, Drift, Dropout, Spikes, Bias, Gap, Swapped, Clock}
	out := []Fault{}
	for i := range opt.Turbines {
		rnd := newStream(sharedTables(), opt.Seed, i, "year", 0)
		lot := rnd.uniform()
		pick := func(n int) int { return int(rnd.uniform() * float64(n)) }
		when := func(from, to float64) time.Time {
			return opt.Start.Add(time.Duration((from + (to-from)*rnd.uniform()) * float64(span)))
		}
		switch {
		case lot < yearMachineShare:
			group := yearCatalogue[(i+pick(len(yearCatalogue)))%len(yearCatalogue)]
			x := group[pick(len(group))]
			x.Turbine, x.Onset, x.Failure = i, when(0.25, 0.45), when(0.55, 0.95)
			x.Growth = drawGrowth(&rnd)
			if rnd.uniform() < 0.2 {
				x.Strength = 0.6 + 0.3*rnd.uniform()
			}
			out = append(out, x)
		case lot < yearMachineShare+yearSensorShare:
			x := Fault{Turbine: i, Mode: asset.SensorFault, Onset: when(0.3, 0.8), Sensor: kinds[pick(len(kinds))], Signal: signals[pick(len(signals))]}
			switch x.Sensor {
			case Clock:
				x.Signal = voices[pick(fastVoices)].name
			case Swapped:
				x.Signal = []string{voices[0].name, "front_bearing_temperature", "gearbox_oil_temperature"}[pick(3)]
			}
			x.Failure = x.Onset.Add(time.Duration((2 + 18*rnd.uniform()) * 24 * float64(time.Hour)))
			out = append(out, x)
		}
	}
	return out
}

// drawGrowth draws a law with its parameters, none of which is that of version 1.
func drawGrowth(rnd *stream) Growth {
	law, u := rnd.uniform(), rnd.uniform()
	g := Growth{Key: rnd.pcg.Uint64()}
	switch {
	case law < 0.2:
		g.Law, g.Shape = Exponential, 1.5+4*u
	case law < 0.4:
		g.Law, g.Shape = Paris, 0.02+0.08*u
	case law < 0.6:
		g.Law, g.Shape = Power, 1.2+2.8*u
	case law < 0.8:
		g.Law, g.Shape = Steps, float64(5+int(6*u))
	default:
		g.Law, g.Shape = Rest, float64(1+int(3*u))
	}
	return g
}
