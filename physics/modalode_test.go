package physics

import (
	"math"
	"testing"
)

// TestOscillatorKeepsItsEnergy swings 100 000 steps of any length without damping.
func TestOscillatorKeepsItsEnergy(t *testing.T) {
	for _, dt := range []float64{1e-4, 0.05, 0.7, 13} {
		const omega = 4.2
		o := newOscillator(omega, 0, dt)
		q, v := 1.0, 0.5
		energy := func() float64 { return v*v + omega*omega*q*q }
		before := energy()
		for range 100_000 {
			q, v = o.step(q, v, 0)
		}
		if math.Abs(energy()/before-1) > 1e-9 {
			t.Errorf("dt %g: energy %g, was %g", dt, energy(), before)
		}
	}
}

// TestOscillatorAgainstClosedForms compares with the step response of a damped oscillator,
// with small steps of RK4 and with one step cut in two.
func TestOscillatorAgainstClosedForms(t *testing.T) {
	for _, zeta := range []float64{0, 0.005, 0.3, 0.9999999, 1, 1.0000001, 1.7, 40} {
		for _, omega := range []float64{0, 1e-5, 0.3, 4.2, 60} {
			for _, dt := range []float64{1e-3, 0.05, 1} {
				q, v := 0.3, -0.2
				whole := newOscillator(omega, zeta, dt)
				gotQ, gotV := whole.step(q, v, 1.5)
				half := newOscillator(omega, zeta, dt/2)
				q2, v2 := half.step(q, v, 1.5)
				q2, v2 = half.step(q2, v2, 1.5)
				if math.Abs(gotQ-q2) > 1e-9*(1+math.Abs(q2)) || math.Abs(gotV-v2) > 1e-9*(1+math.Abs(v2))*(1+omega) {
					t.Errorf("ω %g ζ %g dt %g: one step (%g, %g), two halves (%g, %g)", omega, zeta, dt, gotQ, gotV, q2, v2)
				}
				if zeta*omega*dt > 20 {
					continue // too stiff for the comparison
				}
				wantQ, wantV := rk4(omega, zeta, dt, q, v, 1.5)
				if math.Abs(gotQ-wantQ) > 1e-8 || math.Abs(gotV-wantV) > 1e-6*(1+omega) {
					t.Errorf("ω %g ζ %g dt %g: (%g, %g), want (%g, %g)", omega, zeta, dt, gotQ, gotV, wantQ, wantV)
				}
			}
		}
	}
}

func rk4(omega, zeta, dt, q, v, p float64) (float64, float64) {
	const n = 4000
	h := dt / n
	f := func(q, v float64) (float64, float64) { return v, p - 2*zeta*omega*v - omega*omega*q }
	for range n {
		a, b := f(q, v)
		c, d := f(q+h/2*a, v+h/2*b)
		e, g := f(q+h/2*c, v+h/2*d)
		i, j := f(q+h*e, v+h*g)
		q, v = q+h/6*(a+2*c+2*e+i), v+h/6*(b+2*d+2*g+j)
	}
	return q, v
}

// TestOscillatorIsStable never grows, whatever the step.
func TestOscillatorIsStable(t *testing.T) {
	for _, zeta := range []float64{0, 0.005, 1, 5} {
		for _, dt := range []float64{1e-6, 1, 600, 1e6} {
			o := newOscillator(7, zeta, dt)
			q, v := 1.0, 0.0
			for range 1000 {
				q, v = o.step(q, v, 0)
				if !(math.Abs(q) <= 1+1e-9) || !(math.Abs(v) <= 7*(1+1e-9)) {
					t.Fatalf("ζ %g dt %g: grew to %g, %g", zeta, dt, q, v)
				}
			}
		}
	}
}
