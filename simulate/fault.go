package simulate

import (
	"fmt"
	"math"
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

// validate names the field and the value that is wrong.
func (f Fault) validate(turbines int) error {
	if f.Turbine < 0 || f.Turbine >= turbines {
		return fmt.Errorf("turbine %d: want 0 to %d", f.Turbine, turbines-1)
	}
	if f.Mode == asset.SensorFault {
		if signalComponent(f.Signal) == noSignal {
			return fmt.Errorf("signal %q: no such channel or metric", f.Signal)
		}
		switch f.Sensor {
		case Stuck, Drift, Dropout, Spikes, Bias, Gap:
			return nil
		}
		return fmt.Errorf("sensor %q: want stuck, drift, dropout, spikes, bias or gap", f.Sensor)
	}
	for _, m := range modesOf[f.Component] {
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

// paris reports whether the fault is a crack that follows a Paris law.
func (f Fault) paris() bool { return f.Mode == asset.GearTooth }

// Severity is how bad the fault is at t, 0–1; 0 again when the part was replaced,
// 72 h after the failure. A crack follows da/dN ∝ a^{3/2} (Paris, exponent 3)
// in closed form, everything else (e^{3u}−1)/(e³−1) with u the share of life.
// A sensor fault is there or not.
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
	if f.paris() {
		r := math.Sqrt(parisStart)
		r /= 1 - u*(1-r)
		return r * r
	}
	return math.Expm1(growthRate*u) / math.Expm1(growthRate)
}

// reached is the instant at which the severity is s.
func (f Fault) reached(s float64) time.Time {
	return f.Onset.Add(time.Duration(f.lifeAt(s) * float64(f.Failure.Sub(f.Onset))))
}

// lifeAt inverts Severity: the share of life at which it is s.
func (f Fault) lifeAt(s float64) float64 {
	if f.paris() {
		r := math.Sqrt(parisStart)
		return max(0, (1-r/math.Sqrt(s))/(1-r))
	}
	return math.Log1p(s*math.Expm1(growthRate)) / growthRate
}

// grown moves the onset so that the severity is s at t.
func (f Fault) grown(s float64, t time.Time) Fault {
	u := f.lifeAt(s)
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
// that is where its RMS is −10 dB of the healthy channel.
func (f Fault) detectable() float64 {
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
}

func (f *Farm) wearOf(turbine int, t time.Time) wear {
	w := wear{races: make([][3]float64, len(voices))}
	for _, x := range f.faults[turbine] {
		if x.Mode != asset.SensorFault {
			w.add(x, x.Severity(t))
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
