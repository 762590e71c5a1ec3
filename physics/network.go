package physics

import "math"

// Network is a two-node thermal model: the part that makes the heat (1) gives it
// to the housing (2), and that to the surroundings.
//
//	C1·dT1/dt = P − (T1−T2)/R12
//	C2·dT2/dt = (T1−T2)/R12 − (T2−Ta)/R2a
type Network struct {
	C1, C2   float64 // J/K
	R12, R2a float64 // K/W
}

// matrix is A of dT/dt = A·T + b.
func (n Network) matrix() (a, b, c, d float64) {
	return -1 / (n.C1 * n.R12), 1 / (n.C1 * n.R12), 1 / (n.C2 * n.R12), -(1/n.R12 + 1/n.R2a) / n.C2
}

// Step moves both temperatures on by dt seconds with the loss P in W and the
// surroundings at ambient held constant: the exact solution, whatever dt is.
func (n Network) Step(t1, t2, loss, ambient, dt float64) (float64, float64) {
	a, b, c, d := n.matrix()
	e00, e01, e10, e11 := exp2(a, b, c, d, dt)
	// Around the steady state the motion is free: T − T∞ decays by exp(A·dt).
	s1, s2 := n.Steady(loss, ambient)
	u, v := t1-s1, t2-s2
	return s1 + e00*u + e01*v, s2 + e10*u + e11*v
}

// Steady is where the temperatures settle.
func (n Network) Steady(loss, ambient float64) (t1, t2 float64) {
	t2 = ambient + loss*n.R2a
	return t2 + loss*n.R12, t2
}

// slowest is the longer time constant in s.
func (n Network) slowest() float64 {
	a, b, c, d := n.matrix()
	q := math.Sqrt((a-d)*(a-d)/4 + b*c)
	fast := (a+d)/2 - q
	return -fast / (a*d - b*c)
}

// exp2 is the exponential of t times a 2×2 matrix with real eigenvalues s ± q:
// e^{st}·(cosh(qt)·I + sinh(qt)/q·(A − s·I)).
func exp2(a, b, c, d, t float64) (e00, e01, e10, e11 float64) {
	s := (a + d) / 2
	q := math.Sqrt((a-d)*(a-d)/4 + b*c)
	low := s - q
	high := s + q
	if low != 0 {
		high = (a*d - b*c) / low // without cancellation
	}
	p, m := math.Exp(high*t), math.Exp(low*t)
	ch, sh := (p+m)/2, t*p
	if q > 0 {
		sh = p * -math.Expm1(-2*q*t) / (2 * q)
	}
	return ch + sh*(a-s), sh * b, sh * c, ch + sh*(d-s)
}
