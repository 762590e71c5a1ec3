package physics

import (
	"fmt"
	"math"
)

// Turbine is the reduced-order model of a whole turbine in time: the modes of three blades
// flapwise and edgewise, of the tower fore-aft, and of the drive train with the blades on it
// (Craig–Bampton), each stepped exactly. The parts move each by itself: what the tower's
// motion does to the blades is left out. It is a value that nothing changes.
type Turbine struct {
	blade, tower *Structure
	train        []Mode // generator free; the first is the rotation
	trainZeta    []float64
	trainNm      float64 // stiffness of the shaft
	names        []string
	hz           []float64
}

// turbineModes of a blade stand for it in the drive train.
const turbineModes = 2

// trainModes of the drive train are stepped, the rotation left out: speed is measured.
const trainModes = 3

// NewTurbine makes the NREL 5 MW turbine at a rotor diameter in m (0: its own 126 m).
func NewTurbine(diameterM float64) (*Turbine, error) {
	blade, err := NewStructure(StructureOptions{DiameterM: diameterM})
	if err != nil {
		return nil, err
	}
	tower, err := NewStructure(StructureOptions{DiameterM: diameterM, Part: "tower"})
	if err != nil {
		return nil, err
	}
	d := nrel5MWDriveTrain().Scaled(blade.opt.DiameterM / 126)
	modes, err := d.Modes(false, turbineModes, trainModes+1)
	if err != nil {
		return nil, err
	}
	t := &Turbine{blade: blade, tower: tower, train: modes[1:], trainNm: d.NmPerRad}
	for _, m := range t.train {
		t.trainZeta = append(t.trainZeta, nrel5MWDamping+d.damping(m, false))
	}
	name := func(of string, modes []Mode) {
		for i, m := range modes {
			t.names, t.hz = append(t.names, fmt.Sprintf("%s %d", of, i+1)), append(t.hz, m.HZ())
		}
	}
	for p, r := range blade.planes {
		name("blade "+blade.names[p], r.modes)
	}
	name("tower "+tower.names[0], tower.planes[0].modes)
	name("drive train", t.train)
	return t, nil
}

// Scaled is the train of a rotor s times the size at the same speed of the tips: torques grow
// with s³, inertias with s⁵.
func (d DriveTrain) Scaled(s float64) DriveTrain {
	out := d
	s3, s5 := s*s*s, s*s*s*s*s
	out.RotorKgM2, out.HubKgM2, out.GenKgM2 = d.RotorKgM2*s5, d.HubKgM2*s5, d.GenKgM2*s5
	out.NmPerRad, out.NmsPerRad = d.NmPerRad*s3, d.NmsPerRad*s3*s
	out.Blade = d.Blade.Scaled(s)
	return out
}

// Modes are the names of what is stepped, and the natural frequencies in Hz, the blades'
// at rated speed.
func (t *Turbine) Modes() (names []string, hz []float64) { return t.names, t.hz }

// Spread is the least, mean and greatest of a quantity over a run.
type Spread struct{ Min, Mean, Max float64 }

func (s *Spread) add(v float64, n int) {
	if n == 0 {
		*s = Spread{v, v, v}
		return
	}
	s.Min, s.Max = math.Min(s.Min, v), math.Max(s.Max, v)
	s.Mean += (v - s.Mean) / float64(n+1)
}

// TurbineLoads are what a run of a turbine gave.
type TurbineLoads struct {
	ThrustN  float64
	Flap     Spread // strain of the first blade's worst section, flapwise
	Edge     Spread
	Tower    Spread
	TorqueNm Spread // of the slow shaft
}

// Turn steps a turbine through seconds of one operating point, 36 steps a turn, from state x,
// which it returns; a nil state is at rest. Wind in m/s, power in kW; the rotor turns.
func (t *Turbine) Turn(x []float64, wind, rpm, powerKW, seconds float64) ([]float64, TurbineLoads, error) {
	if !(wind >= 0 && wind < 100) || !(rpm >= 0.5 && rpm < 1e3) || !(math.Abs(powerKW) < 1e6) || !(seconds > 0 && seconds <= 1e6) {
		return x, TurbineLoads{}, fmt.Errorf("%w: wind %g m/s (0 to 100), %g rpm (0.5 to 1000), %g kW, %g s (up to 1e6)", ErrBeam, wind, rpm, powerKW, seconds)
	}
	r := t.blade.rotor
	now := operating{wind: wind, omega: rpm * math.Pi / 30, thrustN: thrust(1e3*powerKW, wind, r.area())}
	now.torque = math.Max(1e3*powerKW/(electrical*now.omega), 0)
	out := TurbineLoads{ThrustN: now.thrustN}
	drag := now.thrustN / math.Max(wind, 1)
	dt := 2 * math.Pi / now.omega / azimuths
	flap, edge, tower := t.blade.planes[0], t.blade.planes[1], t.tower.planes[0]
	cells := []modalCell{
		newModalCell(flap, drag/r.blades, dt), newModalCell(edge, 0, dt), newModalCell(tower, drag, dt),
	}
	train := t.trainCell(dt)
	size := 1 + 2*(3*len(flap.modes)+3*len(edge.modes)+len(tower.modes)+len(t.train))
	if len(x) != size {
		x = make([]float64, size)
	}
	var sizes [3]float64
	for n := range int(math.Ceil(seconds / dt)) {
		psi := x[0] + math.Pi/azimuths
		rest := x[1:]
		for b := range 3 {
			at := psi + 2*math.Pi*float64(b)/3
			r.flap(now.thrustN, at, sizes[:3])
			e := cells[0].step(&rest, sizes[:3])
			sizes[0], sizes[1] = math.Sin(at), now.torque/r.blades
			g := cells[1].step(&rest, sizes[:2])
			if b == 0 {
				out.Flap.add(e, n)
				out.Edge.add(g, n)
			}
		}
		r.push(now.thrustN, psi, sizes[:1])
		out.Tower.add(cells[2].step(&rest, sizes[:1]), n)
		sizes[0] = now.torque
		out.TorqueNm.add(train.step(&rest, sizes[:1]), n)
		x[0] = math.Mod(x[0]+2*math.Pi/azimuths, 2*math.Pi)
	}
	return x, out, nil
}

// modalCell is a response with its modes stepped over dt.
type modalCell struct {
	response
	steps []oscillator
}

func newModalCell(r response, drag, dt float64) modalCell {
	c := modalCell{response: r}
	for i, m := range r.modes {
		c.steps = append(c.steps, newOscillator(m.Omega, r.zeta+drag*r.aero[i]/(2*m.Omega), dt))
	}
	return c
}

// step takes q and q̇ of each mode off the front of x, moves them on and returns the output.
func (c *modalCell) step(x *[]float64, sizes []float64) float64 {
	var out float64
	for j, s := range sizes {
		out += c.residual[j] * s
	}
	state := *x
	for i := range c.steps {
		var f float64
		for j, s := range sizes {
			f += c.loads[j][i] * s
		}
		q, v := c.steps[i].step(state[2*i], state[2*i+1], f)
		state[2*i], state[2*i+1] = q, v
		out += q * c.strain[i]
	}
	*x = state[2*len(c.steps):]
	return out
}

// trainCell drives the train's modes by the rotor's torque at the hub against the generator's;
// its output is the torque of the shaft, k·(θ_hub − θ_generator) with the static rest.
func (t *Turbine) trainCell(dt float64) modalCell {
	c := modalCell{response: response{modes: t.train, loads: [][]float64{nil}, residual: []float64{1}}}
	for i, m := range t.train {
		twist := m.Shape[0] - m.Shape[1]
		c.loads[0] = append(c.loads[0], twist)
		c.strain = append(c.strain, t.trainNm*twist)
		c.residual[0] -= t.trainNm * twist * twist / (m.Omega * m.Omega)
		c.steps = append(c.steps, newOscillator(m.Omega, t.trainZeta[i], dt))
	}
	return c
}
