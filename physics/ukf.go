package physics

import "math"

// ukf is an unscented Kalman filter with Merwe's sigma points: λ = α²(n+κ)−n, the
// points x and x ± the rows of chol((n+λ)P) (van der Merwe 2004). The points are
// drawn again from the predicted mean and covariance before a measurement is taken,
// so that the process noise is in them.
type ukf struct {
	alpha, beta, kappa float64
	x                  []float64 // mean
	p                  []float64 // covariance, n×n, row by row
}

// weights are those of the central point in the mean and in the covariance, and
// that of each other point in both.
func (f *ukf) weights() (mean0, cov0, other float64) {
	n := float64(len(f.x))
	c := f.alpha * f.alpha * (n + f.kappa)
	mean0 = (c - n) / c
	return mean0, mean0 + 1 - f.alpha*f.alpha + f.beta, 0.5 / c
}

// points are the 2n+1 sigma points, one after the other; ok is false where the
// covariance is not positive.
func (f *ukf) points() (s []float64, ok bool) {
	n := len(f.x)
	c := f.alpha * f.alpha * (float64(n) + f.kappa)
	l, ok := lower(f.p, n)
	s = make([]float64, (2*n+1)*n)
	copy(s, f.x)
	for k := range n {
		for i := range n {
			d := math.Sqrt(c) * l[i*n+k]
			s[(1+k)*n+i] = f.x[i] + d
			s[(1+n+k)*n+i] = f.x[i] - d
		}
	}
	return s, ok
}

// predict moves every point on and adds the variances q.
func (f *ukf) predict(move func(x []float64), q []float64) bool {
	s, ok := f.points()
	if !ok {
		return false
	}
	n := len(f.x)
	for k := 0; k < len(s); k += n {
		move(s[k : k+n])
	}
	m0, c0, w := f.weights()
	clear(f.x)
	for k := 0; k < len(s); k += n {
		wk := w
		if k == 0 {
			wk = m0
		}
		for i := range n {
			f.x[i] += wk * s[k+i]
		}
	}
	clear(f.p)
	for k := 0; k < len(s); k += n {
		wk := w
		if k == 0 {
			wk = c0
		}
		for i := range n {
			for j := range n {
				f.p[i*n+j] += wk * (s[k+i] - f.x[i]) * (s[k+j] - f.x[j])
			}
		}
	}
	for i := range n {
		f.p[i*n+i] += q[i]
	}
	return finite(f.x) && finite(f.p)
}

// update takes the measurement z of h(x) with variance r, unless its normalised
// innovation squared, which is returned, lies beyond most. P is taken down as
// P − K·S·Kᵀ and kept symmetric.
func (f *ukf) update(z float64, h func(x []float64) float64, r, most float64) (nis float64, ok bool) {
	s, ok := f.points()
	if !ok {
		return 0, false
	}
	n := len(f.x)
	m0, c0, w := f.weights()
	y := make([]float64, 2*n+1)
	var mean float64
	for k := range y {
		y[k] = h(s[k*n : (k+1)*n])
		if k == 0 {
			mean += m0 * y[k]
		} else {
			mean += w * y[k]
		}
	}
	innovation, cross := r, make([]float64, n)
	for k := range y {
		wk := w
		if k == 0 {
			wk = c0
		}
		innovation += wk * (y[k] - mean) * (y[k] - mean)
		for i := range n {
			cross[i] += wk * (s[k*n+i] - f.x[i]) * (y[k] - mean)
		}
	}
	if !(innovation > 0) {
		return 0, false
	}
	d := z - mean
	if nis = d * d / innovation; nis > most {
		return nis, true
	}
	for i := range n {
		f.x[i] += cross[i] / innovation * d
		for j := range n {
			f.p[i*n+j] -= cross[i] * cross[j] / innovation
		}
	}
	return nis, finite(f.x) && finite(f.p)
}

// lower is the Cholesky factor L of an n×n matrix, P = L·Lᵀ. A matrix that rounding
// has made slightly indefinite gets up to 1e-9 of its own diagonal.
func lower(p []float64, n int) (l []float64, ok bool) {
	for _, ridge := range [3]float64{0, 1e-12, 1e-9} {
		if l, ok = factor(p, n, ridge); ok {
			return l, true
		}
	}
	return l, false
}

func factor(p []float64, n int, ridge float64) (l []float64, ok bool) {
	l = make([]float64, n*n)
	for j := range n {
		for i := j; i < n; i++ {
			v := (p[i*n+j] + p[j*n+i]) / 2
			if i == j {
				v *= 1 + ridge
			}
			for k := range j {
				v -= l[i*n+k] * l[j*n+k]
			}
			if i == j {
				if !(v > 0) || math.IsInf(v, 1) {
					return l, false
				}
				l[j*n+j] = math.Sqrt(v)
			} else {
				l[i*n+j] = v / l[j*n+j]
			}
		}
	}
	return l, true
}

func finite(x []float64) bool {
	for _, v := range x {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return false
		}
	}
	return true
}
