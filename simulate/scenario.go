package simulate

import (
	"time"

	"github.com/telltale-iot/telltale/asset"
)

// DemoScenario is a farm of n turbines with three machine faults that are old
// enough to show within hours, one stuck sensor, and the rest healthy. The seed
// moves severities by up to 0.03 and failures by up to a day. Farms of fewer
// than nine turbines have the faults on the first ones, as many as there are.
func DemoScenario(n int, seed uint64, start time.Time) []Fault {
	places := []int{1, 3, 6, 8}
	if n < 9 {
		places = []int{0, 1, 2, 3}
	}
	tab := sharedTables()
	day := func(d float64) time.Duration { return time.Duration(d * 24 * float64(time.Hour)) }
	grown := []struct {
		component string
		mode      asset.Mode
		severity  float64
		days      float64
	}{
		{"gearbox-bearing", asset.OuterRace, 0.45, 10},
		{"main-bearing", asset.Overheating, 0.50, 8},
		{"generator-bearing", asset.InnerRace, 0.45, 14},
	}
	var out []Fault
	for i, g := range grown {
		if places[i] >= n {
			return out
		}
		rnd := newStream(tab, seed, places[i], "scenario", 0)
		x := Fault{Turbine: places[i], Component: g.component, Mode: g.mode, Failure: start.Add(day(g.days + 2*rnd.uniform() - 1))}
		out = append(out, x.grown(g.severity+0.06*rnd.uniform()-0.03, start))
	}
	if places[3] < n {
		out = append(out, Fault{
			Turbine: places[3], Mode: asset.SensorFault, Signal: "gearbox_oil_temperature", Sensor: Stuck,
			Onset: start.Add(2 * time.Hour),
		})
	}
	return out
}

// Shares of the turbines in DefaultScenario; the others stay healthy.
const (
	machineShare = 0.35
	sensorShare  = 0.15
)

// catalogue is every machine fault of DefaultScenario, in a fixed order.
func catalogue() []Fault {
	var out []Fault
	for _, c := range []string{"gearbox-bearing", "generator-bearing", "gearbox", "generator", "main-bearing", "rotor"} {
		for _, m := range modesOf[c] {
			out = append(out, Fault{Component: c, Mode: m})
		}
	}
	return out
}

// DefaultScenario gives 35 % of the turbines one machine fault and 15 % one
// sensor fault. A machine fault begins at 20–50 % of the run (of a year, when
// the run has no end) and fails at 60–95 %; a sensor fault begins at 20–80 % and
// lasts 2–10 days. A turbine's lot does not depend on how many others there are.
func DefaultScenario(opt Options) []Fault {
	if opt.Faults == nil {
		opt.Faults = []Fault{}
	}
	opt = opt.withDefaults()
	span := opt.Duration
	if span == 0 {
		span = 365 * 24 * time.Hour
	}
	tab := sharedTables()
	faults, kinds := catalogue(), []Sensor{Stuck, Drift, Dropout, Spikes, Bias, Gap}
	signals := []string{voices[0].name, voices[1].name}
	for _, m := range metrics[3:] {
		signals = append(signals, m.name)
	}
	out := []Fault{}
	for i := range opt.Turbines {
		rnd := newStream(tab, opt.Seed, i, "scenario", 0)
		lot := rnd.uniform()
		when := func(from, to float64) time.Time {
			return opt.Start.Add(time.Duration((from + (to-from)*rnd.uniform()) * float64(span)))
		}
		switch {
		case lot < machineShare:
			x := faults[int(rnd.uniform()*float64(len(faults)))]
			x.Turbine, x.Onset, x.Failure = i, when(0.2, 0.5), when(0.6, 0.95)
			out = append(out, x)
		case lot < machineShare+sensorShare:
			x := Fault{Turbine: i, Mode: asset.SensorFault, Onset: when(0.2, 0.8)}
			x.Signal, x.Sensor = signals[int(rnd.uniform()*float64(len(signals)))], kinds[int(rnd.uniform()*float64(len(kinds)))]
			x.Failure = x.Onset.Add(time.Duration((2 + 8*rnd.uniform()) * 24 * float64(time.Hour)))
			out = append(out, x)
		}
	}
	return out
}
