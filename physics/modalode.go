package physics

import "math"

// oscillator steps q̈ + 2ζω·q̇ + ω²·q = p over dt seconds in which p does not change. It is
// exact (zero-order hold: x⁺ = e^{A·dt}·x + ∫e^{A·τ}dτ·B·p), so stable at any dt; ω = 0 is a
// body that nothing holds, ζ ≥ 1 creeps back.
type oscillator struct {
	a00, a01, a10, a11 float64 // e^{A·dt} of (q, q̇)
	b0, b1             float64
}

func newOscillator(omega, zeta, dt float64) oscillator {
	d, s := zeta*omega, 0.0 // decay rate; s = sin(ω_d·dt)/ω_d, times e^{−d·dt}
	var c float64           // cos(ω_d·dt)·e^{−d·dt}
	wd2 := omega * omega * (1 - zeta*zeta)
	switch x := wd2 * dt * dt; {
	case x > 1e-8:
		wd := math.Sqrt(wd2)
		sin, cos := math.Sincos(wd * dt)
		e := math.Exp(-d * dt)
		c, s = e*cos, e*sin/wd
	case x < -1e-8: // the two real rates apart: cosh would overflow where e^{−d·dt} vanishes
		w := math.Sqrt(-wd2)
		slow, fast := math.Exp(-omega*omega/(d+w)*dt), math.Exp(-(d+w)*dt)
		c, s = (slow+fast)/2, (slow-fast)/(2*w)
	default:
		e := math.Exp(-d * dt)
		c, s = e*(1-x/2), e*dt*(1-x/6)
	}
	o := oscillator{a00: c + d*s, a01: s, a10: -omega * omega * s, a11: c - d*s, b1: s}
	if y := omega * dt; math.Abs(y) > 1e-3 {
		o.b0 = (1 - o.a00) / (omega * omega)
	} else {
		o.b0 = dt * dt / 2 * (1 - 2*zeta*y/3 + (4*zeta*zeta-1)*y*y/12)
	}
	return o
}

// step returns the state at the end of the step.
func (o *oscillator) step(q, v, p float64) (qNext, vNext float64) {
	return o.a00*q + o.a01*v + o.b0*p, o.a10*q + o.a11*v + o.b1*p
}
