package simulate

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

// Sensor says how a sensor lies.
type Sensor string

// The sensor faults.
const (
	Stuck   Sensor = "stuck"   // the last value for ever
	Drift   Sensor = "drift"   // away from the truth, a little more each day
	Dropout Sensor = "dropout" // underrange every other instant; a waveform fades to 2 %
	Spikes  Sensor = "spikes"  // single wild values
	Bias    Sensor = "bias"    // a constant offset
	Gap     Sensor = "gap"     // nothing arrives
	Swapped Sensor = "swapped" // the wires of two alike sensors are mixed up
	Clock   Sensor = "clock"   // a channel's sampling clock runs slower from day to day
)

// Fault is one thing that goes wrong.
type Fault struct {
	Turbine   int        // from 0
	Component string     // "" for a sensor fault: the signal says it
	Mode      asset.Mode // sensor for a sensor fault
	Signal    string     // channel or metric of a sensor fault
	Sensor    Sensor     // kind of a sensor fault
	Onset     time.Time  // severity leaves 0
	Failure   time.Time  // severity is 1; the end of a sensor fault, which may be zero for "never"
	Growth    Growth     // from onset to failure
	Strength  float64    // what severity 1 does, as a share of the full effect; 0 is 1
}

// modesOf lists what can happen to each component.
var modesOf = map[string][]asset.Mode{
	"gearbox-bearing":   {asset.InnerRace, asset.OuterRace, asset.RollingElement},
	"generator-bearing": {asset.InnerRace, asset.OuterRace, asset.RollingElement},
	"gearbox":           {asset.GearTooth, asset.Overheating, asset.Lubrication},
	"generator":         {asset.Imbalance, asset.Misalignment, asset.Looseness, asset.Overheating, asset.Electrical},
	"main-bearing":      {asset.Overheating},
	"rotor":             {asset.Icing},
}

// extendedModes is what can happen beside that on an extended turbine.
var extendedModes = map[string][]asset.Mode{
	"main-bearing": {asset.Wear, asset.OuterRace},
	"gearbox":      {asset.Wear},
	"blade-1":      {asset.Crack},
	"blade-2":      {asset.Crack},
	"blade-3":      {asset.Crack},
}

// validate names the field and the value that is wrong.
func (f Fault) validate(turbines int, extended bool) error {
	if f.Turbine < 0 || f.Turbine >= turbines {
		return fmt.Errorf("turbine %d: want 0 to %d", f.Turbine, turbines-1)
	}
	if f.Mode == asset.SensorFault {
		return f.validateSensor()
	}
	if err := f.Growth.validate(); err != nil {
		return err
	}
	if !(f.Strength >= 0 && f.Strength <= 1) {
		return fmt.Errorf("strength %g: want 0 to 1", f.Strength)
	}
	modes := modesOf[f.Component]
	if extended {
		modes = slices.Concat(modes, extendedModes[f.Component])
	}
	for _, m := range modes {
		if m != f.Mode {
			continue
		}
		if !f.Failure.After(f.Onset) {
			return fmt.Errorf("failure %s: want after onset %s", f.Failure.Format(time.RFC3339), f.Onset.Format(time.RFC3339))
		}
		return nil
	}
	return fmt.Errorf("mode %q of component %q: not simulated", f.Mode, f.Component)
}

func (f Fault) validateSensor() error {
	if signalComponent(f.Signal) == noSignal {
		return fmt.Errorf("signal %q: no such channel or metric", f.Signal)
	}
	switch f.Sensor {
	case Stuck, Drift, Dropout, Spikes, Bias, Gap:
		return nil
	case Swapped:
		if partner(f.Signal) != "" {
			return nil
		}
		return fmt.Errorf("signal %q: no other one that it could be swapped with", f.Signal)
	case Clock:
		if channelOf(f.Signal) >= 0 {
			return nil
		}
		return fmt.Errorf("signal %q: want a channel, whose clock can be wrong", f.Signal)
	}
	return fmt.Errorf("sensor %q: want stuck, drift, dropout, spikes, bias, gap, swapped or clock", f.Sensor)
}

// growth is the fault's law with what its zero stands for.
func (f Fault) growth() Growth {
	switch {
	case f.Growth.Law != "":
		return f.Growth
	case f.Mode == asset.GearTooth:
		return Growth{Law: Paris, Shape: parisStart}
	default:
		return Growth{Law: Exponential, Shape: growthRate}
	}
}

// Severity is how bad the fault is at t, 0–1; 0 again when the part was replaced,
// 72 h after the failure. A sensor fault is there or not.
func (f Fault) Severity(t time.Time) float64 {
	if t.Before(f.Onset) {
		return 0
	}
	if f.Mode == asset.SensorFault {
		if !f.Failure.IsZero() && !t.Before(f.Failure) {
			return 0
		}
		return 1
	}
	if !t.Before(f.repaired()) {
		return 0
	}
	u := min(1, float64(t.Sub(f.Onset))/float64(f.Failure.Sub(f.Onset)))
	return f.growth().severity(u)
}

// effect is the severity at t, less where the fault is a faint one.
func (f Fault) effect(t time.Time) float64 {
	s := f.Severity(t)
	if f.Strength > 0 {
		s *= f.Strength
	}
	return s
}

// reached is the first instant at which the severity is s.
func (f Fault) reached(s float64) time.Time {
	return f.Onset.Add(time.Duration(f.growth().lifeAt(s) * float64(f.Failure.Sub(f.Onset))))
}

// grown moves the onset so that the severity is s at t.
func (f Fault) grown(s float64, t time.Time) Fault {
	u := f.growth().lifeAt(s)
	f.Onset = f.Failure.Add(-time.Duration(float64(f.Failure.Sub(t)) / (1 - u)))
	return f
}

// repaired is when the part was replaced.
func (f Fault) repaired() time.Time { return f.Failure.Add(repairHours * time.Hour) }

// stops reports whether the turbine stands still because of the fault.
func (f Fault) stops(t time.Time) bool {
	return f.Mode != asset.SensorFault && !t.Before(f.Failure) && t.Before(f.repaired())
}

// detectable is the severity from which the fault shows. For an impulse train
// that is where its RMS is −10 dB of the healthy channel. A faint one gets there
// later, at its failure at the latest.
func (f Fault) detectable() float64 {
	s := f.shows()
	if f.Strength > 0 {
		s = min(1, s/f.Strength)
	}
	return s
}

func (f Fault) shows() float64 {
	switch f.Mode {
	case asset.InnerRace, asset.OuterRace, asset.RollingElement:
		x := math.Pow(10, (detectableDB-snrAtOneDB)/20) * math.Expm1(severityRate)
		return math.Log1p(x) / severityRate
	case asset.SensorFault:
		return 0
	default:
		return otherDetectable
	}
}

// wear is the severity of all that is wrong with a turbine at an instant.
type wear struct {
	friction, gearboxFouling, generatorFouling float64
	lubricant, winding, icing                  float64
	tooth, imbalance, misalignment, looseness  float64
	races                                      [][3]float64 // of each channel: inner, outer, element
	mainBearing, gears                         float64      // worn
	blades                                     [3]float64   // cracked
}

func (f *Farm) wearOf(turbine int, t time.Time) wear {
	w := wear{races: make([][3]float64, len(voices))}
	for _, x := range f.faults[turbine] {
		if x.Mode != asset.SensorFault {
			w.add(x, x.effect(t))
		}
	}
	return w
}

func (w *wear) add(x Fault, s float64) {
	raise := func(p *float64) { *p = max(*p, s) }
	switch x.Mode {
	case asset.Overheating:
		switch x.Component {
		case "main-bearing":
			raise(&w.friction)
		case "gearbox":
			raise(&w.gearboxFouling)
		default:
			raise(&w.generatorFouling)
		}
	case asset.Wear:
		if x.Component == "gearbox" {
			raise(&w.gears)
		} else {
			raise(&w.mainBearing)
		}
	case asset.Crack:
		raise(&w.blades[bladeOf(x.Component)])
	case asset.Lubrication:
		raise(&w.lubricant)
	case asset.Electrical:
		raise(&w.winding)
	case asset.Icing:
		raise(&w.icing)
	case asset.GearTooth:
		raise(&w.tooth)
	case asset.Imbalance:
		raise(&w.imbalance)
	case asset.Misalignment:
		raise(&w.misalignment)
	case asset.Looseness:
		raise(&w.looseness)
	default:
		for i := range voices {
			if voices[i].component == x.Component {
				raise(&w.races[i][raceIndex(x.Mode)])
			}
		}
	}
}

func raceIndex(m asset.Mode) int {
	switch m {
	case asset.InnerRace:
		return 0
	case asset.OuterRace:
		return 1
	default:
		return 2
	}
}
