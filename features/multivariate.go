package features

import (
	"math"

	"gonum.org/v1/gonum/mat"
)

// LedoitWolf estimates mean and covariance (divisor n) of the rows of x, shrunk
// towards a multiple of the identity (Ledoit & Wolf 2004, J. Multivar. Anal.
// 88:365). Rows must be complete and of one width; x must not be empty.
func LedoitWolf(x [][]float64) (mean []float64, cov *mat.SymDense, shrinkage float64) {
	n, p := float64(len(x)), len(x[0])
	mean = make([]float64, p)
	for j := range p {
		for i := range x {
			mean[j] += x[i][j]
		}
		mean[j] /= n
	}
	emp := mat.NewSymDense(p, nil)
	beta := 0.0 // Σ over entries of mean (x_i x_j)²
	for a := range p {
		for b := a; b < p; b++ {
			s, s2 := 0.0, 0.0
			for i := range x {
				v := (x[i][a] - mean[a]) * (x[i][b] - mean[b])
				s += v
				s2 += v * v
			}
			emp.SetSym(a, b, s/n)
			w := 2.0
			if a == b {
				w = 1
			}
			beta += w * (s2/n - s/n*(s/n))
		}
	}
	mu, delta := 0.0, 0.0
	for a := range p {
		mu += emp.At(a, a) / float64(p)
	}
	for a := range p {
		for b := range p {
			d := emp.At(a, b)
			if a == b {
				d -= mu
			}
			delta += d * d
		}
	}
	beta /= n
	beta = math.Max(0, math.Min(beta, delta)) // of one row rounding alone is left
	if delta > 0 {
		shrinkage = beta / delta
	}
	cov = mat.NewSymDense(p, nil)
	for a := range p {
		for b := a; b < p; b++ {
			v := (1 - shrinkage) * emp.At(a, b)
			if a == b {
				v += shrinkage * mu
			}
			cov.SetSym(a, b, v)
		}
	}
	return mean, cov, shrinkage
}

// ellipsoid is where a healthy machine's metrics lie together.
type ellipsoid struct {
	mean []float64
	cov  *mat.SymDense
}

// distance returns d² = dᵀΣ⁻¹d over the coordinates of z that are known, the
// contribution d_j·(Σ⁻¹d)_j of each (they add up to d² and may be negative), and
// how many were known. Leaving a coordinate out is the same as filling in what
// the others make it expect.
func (e ellipsoid) distance(z []float64) (d2 float64, contribution []float64, n int) {
	contribution = make([]float64, len(z))
	var idx []int
	for j, v := range z {
		if !math.IsNaN(v) {
			idx = append(idx, j)
		}
	}
	if len(idx) == 0 {
		return math.NaN(), contribution, 0
	}
	sub := mat.NewSymDense(len(idx), nil)
	d := mat.NewVecDense(len(idx), nil)
	for a, i := range idx {
		d.SetVec(a, z[i]-e.mean[i])
		for b := a; b < len(idx); b++ {
			sub.SetSym(a, b, e.cov.At(i, idx[b]))
		}
	}
	var chol mat.Cholesky
	if !chol.Factorize(sub) {
		return math.NaN(), contribution, len(idx)
	}
	var pd mat.VecDense
	if err := chol.SolveVecTo(&pd, d); err != nil {
		return math.NaN(), contribution, len(idx)
	}
	for a, i := range idx {
		contribution[i] = d.AtVec(a) * pd.AtVec(a)
		d2 += contribution[i]
	}
	return d2, contribution, len(idx)
}
