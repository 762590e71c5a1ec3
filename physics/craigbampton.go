package physics

import (
	"fmt"

	"gonum.org/v1/gonum/mat"
)

// craigBampton reduces a structure to its first nb degrees of freedom, by which it hangs
// on others, and the n slowest modes Φ of the rest with those held: u = [u_b; Φ·q + Ψ·u_b]
// with Ψ = −K_ii⁻¹·K_ib (Craig & Bampton 1968, AIAA J. 6:1313). The modes have ΦᵀMΦ = 1,
// so that the reduced matrices are [K_bb + K_bi·Ψ, 0; 0, ω²] and
// [M_bb + M_bi·Ψ + ΨᵀM_ib + ΨᵀM_ii·Ψ, sym; Φᵀ·(M_ib + M_ii·Ψ), 1].
func craigBampton(k, m *mat.SymDense, nb, n int) (kr, mr *mat.SymDense, err error) {
	size := k.SymmetricDim()
	if nb < 1 || nb >= size || n < 0 || n > size-nb {
		return nil, nil, fmt.Errorf("%w: %d boundary degrees of freedom and %d modes of %d", ErrBeam, nb, n, size)
	}
	kii, mii := k.SliceSym(nb, size), m.SliceSym(nb, size)
	var chol mat.Cholesky
	if !chol.Factorize(kii) {
		return nil, nil, fmt.Errorf("%w: what lies inside is not held by its boundary", ErrBeam)
	}
	inside := func(s *mat.SymDense) *mat.Dense {
		out := mat.NewDense(size-nb, nb, nil)
		for i := range size - nb {
			for j := range nb {
				out.Set(i, j, s.At(nb+i, j))
			}
		}
		return out
	}
	kib, mib := inside(k), inside(m)
	var psi mat.Dense
	if err := chol.SolveTo(&psi, kib); err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrBeam, err)
	}
	psi.Scale(-1, &psi)
	var coupled, kb, mb, mp mat.Dense // coupled = M_ib + M_ii·Ψ
	coupled.Mul(mii, &psi)
	coupled.Add(&coupled, mib)
	kb.Mul(kib.T(), &psi)
	mb.Mul(psi.T(), &coupled)
	mp.Mul(mib.T(), &psi)
	kr, mr = mat.NewSymDense(nb+n, nil), mat.NewSymDense(nb+n, nil)
	for i := range nb {
		for j := i; j < nb; j++ {
			kr.SetSym(i, j, k.At(i, j)+kb.At(i, j))
			mr.SetSym(i, j, m.At(i, j)+mb.At(i, j)+mp.At(i, j))
		}
	}
	if n == 0 {
		return kr, mr, nil
	}
	modes, err := modesOf(kii, mii, n, 0)
	if err != nil {
		return nil, nil, err
	}
	for i, mode := range modes {
		kr.SetSym(nb+i, nb+i, mode.Omega*mode.Omega)
		mr.SetSym(nb+i, nb+i, 1)
		for j := range nb {
			mr.SetSym(j, nb+i, mat.Dot(mat.NewVecDense(size-nb, mode.Shape), coupled.ColView(j)))
		}
	}
	return kr, mr, nil
}
