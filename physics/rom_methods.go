package physics

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"
)

// truncated is a singular value decomposition cut to its first r values: U·diag(S)·Vᵀ.
type truncated struct {
	u, v   *mat.Dense
	s      []float64
	energy float64 // share of Σs² that is kept
}

// negligible is the share of the largest singular value below which there is only rounding.
const negligible = 1e-12

// decompose keeps rank values, or those that choose picks of them.
func decompose(x mat.Matrix, rank int, choose func(s []float64) int) (truncated, error) {
	var svd mat.SVD
	if !svd.Factorize(x, mat.SVDThin) {
		return truncated{}, fmt.Errorf("%w: the singular values were not found", ErrROM)
	}
	s := svd.Values(nil)
	held := 0
	var whole float64
	for _, v := range s {
		if v > negligible*s[0] {
			held++
		}
		whole += v * v
	}
	switch {
	case held == 0:
		return truncated{}, fmt.Errorf("%w: there is no motion in the snapshots", ErrROM)
	case rank > held:
		return truncated{}, fmt.Errorf("%w: rank %d: the snapshots have %d", ErrROM, rank, held)
	case rank == 0:
		rank = min(max(choose(s[:held]), 1), held)
	}
	var u, v mat.Dense
	svd.UTo(&u)
	svd.VTo(&v)
	t := truncated{s: s[:rank]}
	t.u, t.v = leading(&u, rank), leading(&v, rank)
	for _, x := range t.s {
		t.energy += x * x / whole
	}
	return t, nil
}

// leading are the first n columns.
func leading(m *mat.Dense, n int) *mat.Dense {
	rows, _ := m.Dims()
	return mat.DenseCopyOf(m.Slice(0, rows, 0, n))
}

// byEnergy is how many singular values hold the share of Σs².
func byEnergy(share float64) func([]float64) int {
	return func(s []float64) int {
		var whole, sum float64
		for _, v := range s {
			whole += v * v
		}
		for i, v := range s {
			if sum += v * v; sum >= share*whole*(1-1e-12) {
				return i + 1
			}
		}
		return len(s)
	}
}

// byGap is how many singular values come before the largest fall from one to the next; a
// fall counts only where at least the share of Σs² lies before it.
func byGap(share float64) func([]float64) int {
	return func(s []float64) int {
		best, at := 0.0, len(s)
		for i := byEnergy(share)(s); i < len(s); i++ {
			if fall := s[i-1] / s[i]; fall > best {
				best, at = fall, i
			}
		}
		return at
	}
}

// pairsOf are all snapshots but the last, and all but the first.
func pairsOf(x *mat.Dense) (before, after mat.Matrix) {
	rows, cols := x.Dims()
	return x.Slice(0, rows, 0, cols-1), x.Slice(0, rows, 1, cols)
}

// delayed stacks n snapshots that follow each other into one.
func delayed(x *mat.Dense, n int) *mat.Dense {
	if n < 2 {
		return x
	}
	rows, cols := x.Dims()
	out := mat.NewDense(n*rows, cols-n+1, nil)
	for d := range n {
		out.Slice(d*rows, (d+1)*rows, 0, cols-n+1).(*mat.Dense).Copy(x.Slice(0, rows, d, d+cols-n+1))
	}
	return out
}

// dynamicModes is dynamic mode decomposition: with X = U·Σ·Vᵀ of all snapshots but the
// last and X' of all but the first, A = Uᵀ·X'·V·Σ⁻¹ (Schmid 2010, J. Fluid Mech. 656:5;
// Tu et al. 2014, J. Comput. Dyn. 1:391).
func dynamicModes(x *mat.Dense, o ROMOptions) (reduced, error) {
	before, after := pairsOf(x)
	t, err := decompose(before, o.Rank, byEnergy(o.Energy))
	if err != nil {
		return reduced{}, err
	}
	var left, a mat.Dense
	left.Mul(t.u.T(), after)
	a.Mul(&left, t.v)
	a.Apply(func(_, j int, v float64) float64 { return v / t.s[j] }, &a)
	return reduced{a: &a, basis: t.u, start: startOf(t.u, x), energy: t.energy}, nil
}

// startOf are the coordinates of the first snapshot in an orthonormal basis.
func startOf(basis, x *mat.Dense) *mat.VecDense {
	var start mat.VecDense
	start.MulVec(basis.T(), x.ColView(0))
	return &start
}

// properModes is proper orthogonal decomposition: the basis is that of all snapshots that
// holds most of their squares (Sirovich 1987, Q. Appl. Math. 45:561), and A the least
// squares of the coordinates' next on their last.
func properModes(x *mat.Dense, o ROMOptions) (reduced, error) {
	t, err := decompose(x, o.Rank, byEnergy(o.Energy))
	if err != nil {
		return reduced{}, err
	}
	var c mat.Dense
	c.Mul(t.u.T(), x)
	before, after := pairsOf(&c)
	var at mat.Dense
	if err := at.Solve(before.T(), after.T()); err != nil {
		return reduced{}, fmt.Errorf("%w: %d snapshots do not tell %d states apart: a lower rank", ErrROM, x.RawMatrix().Cols, len(t.s))
	}
	return reduced{a: mat.DenseCopyOf(at.T()), basis: t.u, start: startOf(t.u, x), energy: t.energy}, nil
}

// hankelRows bounds the rows of a Hankel matrix, for the time that its decomposition takes.
const hankelRows = 400

// eigensystem is the eigensystem realisation algorithm on a free decay (Juang & Pappa 1985,
// J. Guidance 8:620): Hankel matrices H₀ = U·Σ·Vᵀ and H₁, a snapshot later, give
// A = Σ^−½·Uᵀ·H₁·V·Σ^−½, and what is measured are the first rows of U·Σ^½. Snapshots of
// many rows are first brought to their proper modes.
func eigensystem(x *mat.Dense, o ROMOptions) (reduced, error) {
	rows, cols := x.Dims()
	var lift *mat.Dense
	field := x
	if rows > hankelRows/8 {
		t, err := decompose(x, 0, func(s []float64) int { return min(byEnergy(1-1e-9)(s), hankelRows/8) })
		if err != nil {
			return reduced{}, err
		}
		var c mat.Dense
		c.Mul(t.u.T(), x)
		lift, field = t.u, &c
		rows = len(t.s)
	}
	blocks := max(1, min(cols/2, hankelRows/rows))
	span := min(cols-blocks, 2*hankelRows)
	hankel := func(shift int) *mat.Dense {
		h := mat.NewDense(blocks*rows, span, nil)
		for b := range blocks {
			for i := range rows {
				for j := range span {
					h.Set(b*rows+i, j, field.At(i, b+j+shift))
				}
			}
		}
		return h
	}
	t, err := decompose(hankel(0), o.Rank, byGap(math.Min(o.Energy, 0.99)))
	if err != nil {
		return reduced{}, err
	}
	var left, a mat.Dense
	left.Mul(t.u.T(), hankel(1))
	a.Mul(&left, t.v)
	a.Apply(func(i, j int, v float64) float64 { return v / math.Sqrt(t.s[i]*t.s[j]) }, &a)
	basis := mat.DenseCopyOf(t.u.Slice(0, rows, 0, len(t.s)))
	basis.Apply(func(_, j int, v float64) float64 { return v * math.Sqrt(t.s[j]) }, basis)
	start := mat.NewVecDense(len(t.s), nil)
	for j, s := range t.s {
		start.SetVec(j, math.Sqrt(s)*t.v.At(0, j))
	}
	if lift != nil {
		var whole mat.Dense
		whole.Mul(lift, basis)
		basis = &whole
	}
	return reduced{a: &a, basis: basis, start: start, energy: t.energy}, nil
}
