package physics

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"
)

// Mode is one natural vibration of a structure: K·φ = ω²·M·φ with φᵀ·M·φ = 1.
type Mode struct {
	Omega float64 // rad/s
	Shape []float64
}

// HZ is its natural frequency.
func (m Mode) HZ() float64 { return m.Omega / (2 * math.Pi) }

// Modes are the n slowest of the beam turning at omega rad/s.
func (b Beam) Modes(omega float64, n int) ([]Mode, error) {
	if err := b.Validate(); err != nil {
		return nil, err
	}
	if !(omega >= 0) || omega > 1e4 {
		return nil, fmt.Errorf("%w: it turns at %g rad/s: 0 or more", ErrBeam, omega)
	}
	k, m := b.clamped(omega)
	return modesOf(k, m, n, 0)
}

// modesOf solves K·φ = ω²·M·φ for the n slowest modes. It inverts the problem,
// L⁻¹·M·L⁻ᵀ·y = y/(ω² + shift) with L·Lᵀ = K + shift·M, since the slowest modes are then
// the largest eigenvalues and keep their digits: short elements have stiffnesses 10¹³
// times those of the first mode. The shift is for a structure that moves as a rigid body.
func modesOf(k, m mat.Symmetric, n int, shift float64) ([]Mode, error) {
	size := k.SymmetricDim()
	if n < 1 || n > size {
		return nil, fmt.Errorf("%w: %d modes of %d degrees of freedom", ErrBeam, n, size)
	}
	held := mat.NewSymDense(size, nil)
	held.CopySym(k)
	if shift != 0 {
		for i := range size {
			for j := i; j < size; j++ {
				held.SetSym(i, j, held.At(i, j)+shift*m.At(i, j))
			}
		}
	}
	var chol mat.Cholesky
	if !chol.Factorize(held) {
		return nil, fmt.Errorf("%w: its stiffness holds nothing in place: it turns too fast, or is not held", ErrBeam)
	}
	var l mat.TriDense
	chol.LTo(&l)
	var half, whole mat.Dense
	if err := half.Solve(&l, m); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBeam, err)
	}
	if err := whole.Solve(&l, half.T()); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBeam, err)
	}
	sym := mat.NewSymDense(size, nil)
	for i := range size {
		for j := i; j < size; j++ {
			sym.SetSym(i, j, (whole.At(i, j)+whole.At(j, i))/2)
		}
	}
	var eigen mat.EigenSym
	if !eigen.Factorize(sym, true) {
		return nil, fmt.Errorf("%w: its eigenvalues were not found", ErrBeam)
	}
	values := eigen.Values(nil)
	var y mat.Dense
	eigen.VectorsTo(&y)
	out := make([]Mode, n)
	for i := range out {
		col := size - 1 - i
		mu := values[col]
		if !(mu > 0) {
			return nil, fmt.Errorf("%w: mode %d has no mass", ErrBeam, i+1)
		}
		var x mat.VecDense
		if err := x.SolveVec(l.T(), y.ColView(col)); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrBeam, err)
		}
		out[i] = Mode{math.Sqrt(math.Max(1/mu-shift, 0)), scaledTo(x.RawVector().Data, 1/math.Sqrt(mu))}
	}
	return out, nil
}

// scaledTo makes φᵀMφ = 1: yᵀy = 1 gives φᵀ(K + shift·M)φ = 1, so φᵀMφ = μ. Its last
// deflection is positive, so that the same structure has the same shapes.
func scaledTo(x []float64, by float64) []float64 {
	out := append([]float64(nil), x...)
	if at := len(out) - 2; at >= 0 && out[at] < 0 {
		by = -by
	}
	for i := range out {
		out[i] *= by
	}
	return out
}

// Energies are φᵀ·Kₑ·φ of each element e: the share of ω² that bending element e gives.
func (b Beam) Energies(m Mode) []float64 {
	out := make([]float64, len(b.Elements))
	for i, e := range b.Elements {
		out[i] = e.bending().form(nodes(m.Shape, i))
	}
	return out
}

// nodes are deflection and slope of both ends of element i in a clamped shape.
func nodes(shape []float64, i int) [4]float64 {
	if i == 0 {
		return [4]float64{0, 0, shape[0], shape[1]}
	}
	return [4]float64(shape[2*i-2 : 2*i+2])
}

func (k elementMatrix) form(u [4]float64) float64 {
	var sum float64
	for p := range 4 {
		for q := range 4 {
			sum += u[p] * k[p][q] * u[q]
		}
	}
	return sum
}

// firstOrderLimit is the stiffness loss up to which the first-order update is used.
const firstOrderLimit = 0.2

// SoftenedHz are the natural frequencies once element e has lost the share d of its bending
// stiffness. Below a fifth it is the first-order update Δ(ω²) = −d·φᵀ·Kₑ·φ of the healthy
// modes (Rayleigh; Fox & Kapoor 1968, AIAA J. 6:2426), above it the eigenproblem again.
func (b Beam) SoftenedHz(healthy []Mode, omega float64, e int, d float64) ([]float64, error) {
	if e < 0 || e >= len(b.Elements) || !(d >= 0 && d < 1) {
		return nil, fmt.Errorf("%w: element %d of %d, loss %g: a share below 1", ErrBeam, e, len(b.Elements), d)
	}
	out := make([]float64, len(healthy))
	if d < firstOrderLimit {
		for i, m := range healthy {
			square := m.Omega*m.Omega - d*b.Elements[e].bending().form(nodes(m.Shape, e))
			out[i] = math.Sqrt(math.Max(square, 0)) / (2 * math.Pi)
		}
		return out, nil
	}
	again, err := b.Softened(e, d).Modes(omega, len(healthy))
	for i, m := range again {
		out[i] = m.HZ()
	}
	return out, err
}

// curvature is φ” at the middle of element i of a clamped shape, in 1/m² of the shape's
// unit: (θ₂ − θ₁)/l there, whatever the deflections.
func (b Beam) curvature(shape []float64, i int) float64 {
	u := nodes(shape, i)
	return (u[3] - u[1]) / b.Elements[i].LengthM
}
