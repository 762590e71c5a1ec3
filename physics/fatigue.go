package physics

import (
	"fmt"
	"math"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/features"
)

// FatigueOptions describes a part under a varying stress and its material.
type FatigueOptions struct {
	Key          string  // the load: channel/feature or metric/value
	Ranges       bool    // the key gives the range of the cycles of the time since the last instant, such as a peak-to-peak value; default: it is the signal itself, counted by rainflow
	MPaPerUnit   float64 // stress for each unit of the key (a modulus for strain, 1/W for a moment); default 1
	StrengthMPa  float64 // σ_f: amplitude at one cycle; default 1000
	M            float64 // slope of the S–N curve; default 5
	KneeN        float64 // cycles at the knee, slope 2m−1 below; 0: none
	UltimateMPa  float64 // S_u for the mean stress; 0: not corrected
	CyclesPerH   float64 // for Ranges; used where CyclesPerRev is 0
	CyclesPerRev float64 // for Ranges; of the snapshot's shaft speed
	Scatter      float64 // standard deviation of the logarithm of the Miner sum at failure; default 0.3
	RefN         float64 // cycles of the damage-equivalent load; default 1e7
	BlockH       float64 // over which damage rates are averaged; default 24
	MaxGapH      float64 // a longer silence does not load the part; default 1
	HorizonH     float64 // default 2160
	Limit        float64 // Miner sum at which the law speaks up; default where a tenth has failed
}

// Fatigue adds up the damage of load cycles by Miner's rule: the signal is counted
// by rainflow, each cycle uses its share of the S–N curve. The sum at failure is
// log-normal around 1.
type Fatigue struct {
	opt      FatigueOptions
	sn       SN
	declared bool
}

// The state behind the consumption; the counter's open points follow.
const (
	fatigueCycles  = usedSize + iota
	fatigueLargest // greatest range, MPa
	fatigueDEL     // (Σ n·S^m)^(1/m), MPa
	fatigueClosed  // damage of closed cycles
	fatigueStress  // last stress or range, MPa
	fatigueOpen    // number of open points
	fatigueSize
)

// NewFatigue returns the law for one part.
func NewFatigue(o FatigueOptions) Fatigue {
	declared := o.StrengthMPa > 0 && o.M > 0
	o.MPaPerUnit, o.StrengthMPa, o.M = def(o.MPaPerUnit, 1), def(o.StrengthMPa, 1000), def(o.M, 5)
	o.Scatter, o.RefN, o.BlockH = def(o.Scatter, 0.3), def(o.RefN, 1e7), def(o.BlockH, 24)
	o.MaxGapH, o.HorizonH, o.Limit = def(o.MaxGapH, 1), def(o.HorizonH, 2160), def(o.Limit, tenth(o.Scatter))
	return Fatigue{o, SN{o.StrengthMPa, o.M, o.KneeN, o.UltimateMPa}, declared}
}

// Name is the law's name and version.
func (Fatigue) Name() string { return "fatigue/1" }

// Step counts the load of the instant.
func (l Fatigue) Step(s State, in features.Snapshot) (State, asset.Assessment) {
	x, fresh := open(s, l.Name(), fatigueSize+maxResidue)
	dt := hoursSince(s, fresh, in.Time)
	if dt < 0 {
		return s, silent(l.Name(), in.Time, ReasonOrder)
	}
	stress := measured(&in, l.opt.Key) * l.opt.MPaPerUnit
	if math.IsNaN(stress) {
		return s, silent(l.Name(), in.Time, ReasonIdle)
	}
	next, c := State{Law: l.Name(), At: in.Time.UTC(), X: x}, consumption(x[:usedSize])
	if dt > l.opt.MaxGapH {
		c.skip(dt)
		dt = 0
	}
	before := c[usedTotal]
	if l.opt.Ranges {
		n := dt * perHour(&in, l.opt.CyclesPerRev, l.opt.CyclesPerH)
		if math.IsNaN(n) {
			c.skip(dt)
			return next, silent(l.Name(), in.Time, ReasonMissing)
		}
		l.count(x, Cycle{Range: math.Abs(stress), Count: n})
	} else {
		l.follow(x, stress)
	}
	x[fatigueStress] = stress
	used := math.Max(0, math.Min(x[fatigueClosed]+l.residue(x), absurd)-before)
	c.add(used, dt, l.opt.BlockH)
	return next, l.assess(x, in)
}

// perHour is the load cycles in an hour, of the shaft where they follow it; NaN
// when the speed is not known.
func perHour(in *features.Snapshot, perRev, fixed float64) float64 {
	if perRev <= 0 {
		return fixed
	}
	if n := float64(in.SpeedRpm); n <= absurd {
		return perRev * 60 * math.Max(0, n)
	}
	return math.NaN()
}

// follow pushes a value of the signal through the counter.
func (l Fatigue) follow(x []float64, stress float64) {
	points := make([]float64, int(x[fatigueOpen]), maxResidue+1)
	copy(points, x[fatigueSize:])
	r := Rainflow{points}
	var room [maxResidue]Cycle
	for _, y := range r.Push(stress, room[:0]) {
		l.count(x, y)
	}
	x[fatigueOpen] = float64(len(r.Points))
	clear(x[fatigueSize:])
	copy(x[fatigueSize:], r.Points)
}

// count adds a closed cycle.
func (l Fatigue) count(x []float64, y Cycle) {
	if y.Range <= 0 || y.Count <= 0 {
		return
	}
	x[fatigueCycles] += y.Count
	x[fatigueLargest] = math.Max(x[fatigueLargest], y.Range)
	x[fatigueClosed] = math.Min(x[fatigueClosed]+l.sn.Damage(y), absurd)
	x[fatigueDEL] = DEL([]Cycle{{Range: x[fatigueDEL], Count: 1}, y}, l.opt.M, 1)
}

// residue is the damage of the ranges that are still open, as half cycles.
func (l Fatigue) residue(x []float64) float64 {
	var d float64
	for i := 1; i < int(x[fatigueOpen]); i++ {
		d += l.sn.Damage(between(x[fatigueSize+i-1], x[fatigueSize+i], 0.5))
	}
	return d
}

func (l Fatigue) assess(x []float64, in features.Snapshot) asset.Assessment {
	a := spoken(l.Name(), in.Time)
	c := consumption(x[:usedSize])
	c.assess(&a, spending{0, l.opt.Scatter, l.opt.BlockH, l.opt.HorizonH, l.opt.Limit, l.declared})
	a.Modes = map[asset.Mode]float64{asset.Crack: 0.4}
	text := fmt.Sprintf("Miner sum %.3g after %.3g load cycles in %.1f h, the largest %.0f MPa; as much as %.3g cycles of %.1f MPa",
		c[usedTotal], x[fatigueCycles], c[usedHours], x[fatigueLargest], l.opt.RefN, l.equivalent(x))
	if !l.declared {
		text += "; material assumed"
	}
	a.Evidence = []asset.Evidence{fact(l.Name(), "miner-sum", c[usedTotal], l.opt.Limit, text)}
	return a
}

// equivalent is the damage-equivalent range at RefN cycles, MPa, open ranges included.
func (l Fatigue) equivalent(x []float64) float64 {
	cycles := make([]Cycle, 0, maxResidue+1)
	cycles = append(cycles, Cycle{Range: x[fatigueDEL], Count: 1})
	r := Rainflow{x[fatigueSize : fatigueSize+int(x[fatigueOpen])]}
	return DEL(r.Close(cycles), l.opt.M, l.opt.RefN)
}

// Quantities names the state for people.
func (l Fatigue) Quantities(s State) []Quantity {
	x, _ := open(s, l.Name(), fatigueSize+maxResidue)
	return append(consumption(x[:usedSize]).quantities(),
		Quantity{"load cycles", number(x[fatigueCycles]), "1"},
		Quantity{"largest range", number(x[fatigueLargest]), "MPa"},
		Quantity{"damage-equivalent range", number(l.equivalent(x)), "MPa"},
		Quantity{"stress", number(x[fatigueStress]), "MPa"})
}
