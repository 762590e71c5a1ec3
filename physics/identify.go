package physics

import "math"

// regressors returns the lags behind the constant.
func (l Thermal) regressors(x []float64) []float64 {
	p := l.unknowns()
	out := make([]float64, p)
	out[0] = 1
	copy(out[1:], x[thermalHead+l.driven():])
	return out
}

// fitted is where the identification keeps its numbers: the origin of the
// regressors and of the temperature, the upper triangle of the sums of products
// and the right side (the gains once they are known).
func (l Thermal) fitted(x []float64) (origin, triangle, right []float64) {
	p := l.unknowns()
	rest := x[thermalHead+l.driven()+p-1:]
	origin, rest = rest[:p+1], rest[p+1:]
	triangle, rest = rest[:p*(p+1)/2], rest[p*(p+1)/2:]
	return origin, triangle, rest[:p]
}

// learn adds the instant while learning, and ends the learning at the first
// instant after it, when enough was seen. It reports whether the model is ready.
func (l Thermal) learn(x []float64, temp, dt float64, learning bool) bool {
	if l.opt.Network != nil {
		return l.learnResidual(x, temp, dt, learning)
	}
	if !learning && x[thermalN] >= float64(l.opt.MinN) {
		return l.finish(x)
	}
	if x[thermalN] >= 4*float64(l.opt.MinN) {
		if gains, ok := l.solve(x); ok {
			l.try(x, temp-l.predict(x, gains), dt)
		}
	}
	origin, triangle, right := l.fitted(x)
	z, p := l.regressors(x), l.unknowns()
	if x[thermalN] == 0 {
		copy(origin[1:], z[1:])
		origin[p] = temp
	}
	for i := 1; i < p; i++ {
		z[i] -= origin[i]
	}
	y, at := temp-origin[p], 0
	for i := range p {
		for j := i; j < p; j++ {
			triangle[at] += z[i] * z[j]
			at++
		}
		right[i] += z[i] * y
	}
	l.widen(x, z, origin)
	x[thermalN]++
	x[thermalHours] += dt
	return false
}

// ranges is where the least and the greatest value of each lag are kept.
func (l Thermal) ranges(x []float64) (least, greatest []float64) {
	n := l.unknowns() - 1
	rest := x[len(x)-2*n:]
	return rest[:n], rest[n:]
}

// widen takes the centred regressors z into the ranges.
func (l Thermal) widen(x, z, origin []float64) {
	least, greatest := l.ranges(x)
	for i := range least {
		v := z[i+1] + origin[i+1]
		if x[thermalN] == 0 {
			least[i], greatest[i] = v, v
		}
		least[i], greatest[i] = math.Min(least[i], v), math.Max(greatest[i], v)
	}
}

// beyond is how far the worst lag lies outside what was seen while learning, as a
// share of that range; 0 for a given network.
func (l Thermal) beyond(x []float64) float64 {
	if l.opt.Network != nil {
		return 0
	}
	var worst float64
	least, greatest := l.ranges(x)
	for i, v := range l.regressors(x)[1:] {
		width := math.Max(greatest[i]-least[i], 1e-9)
		worst = math.Max(worst, math.Max(least[i]-v, v-greatest[i])/width)
	}
	return math.Min(worst, 1e6)
}

// learnResidual learns what a given network gets wrong on a healthy machine.
// Without a commissioning span it is taken at its word.
func (l Thermal) learnResidual(x []float64, temp, dt float64, learning bool) bool {
	if learning {
		x[thermalN]++
		x[thermalMean] += (temp - x[thermalModel] - x[thermalMean]) / x[thermalN]
		l.try(x, temp-x[thermalModel]-x[thermalMean], dt)
		return false
	}
	if x[thermalN] < 10 {
		x[thermalMean] = 0
	}
	x[thermalSd], x[thermalPhase] = l.spread(x), 2
	return true
}

// finish keeps the gains in place of the right side.
func (l Thermal) finish(x []float64) bool {
	gains, ok := l.solve(x)
	if !ok {
		return false
	}
	_, _, right := l.fitted(x)
	copy(right, gains)
	x[thermalSd], x[thermalPhase] = l.spread(x), 2
	return true
}

// solve turns the sums into gains.
func (l Thermal) solve(x []float64) (gains []float64, ok bool) {
	_, _, right := l.fitted(x)
	return l.weighed(x, right)
}

// weighed is what the sums of products make of b: a ridge of 1e-6 of each regressor's
// own power keeps an input that hardly moved from getting a wild gain.
func (l Thermal) weighed(x, right []float64) (gains []float64, ok bool) {
	_, triangle, _ := l.fitted(x)
	p, at := l.unknowns(), 0
	a, scale := make([][]float64, p), make([]float64, p)
	for i := range p {
		a[i] = make([]float64, p)
	}
	for i := range p {
		for j := i; j < p; j++ {
			a[i][j], a[j][i] = triangle[at], triangle[at]
			at++
		}
		scale[i] = 1 / math.Sqrt(math.Max(a[i][i], 1e-12))
	}
	b := make([]float64, p)
	for i := range p {
		for j := range p {
			a[i][j] *= scale[i] * scale[j]
		}
		if b[i] = right[i] * scale[i]; i > 0 {
			a[i][i] += 1e-6
		}
	}
	if gains, ok = cholesky(a, b); !ok {
		return nil, false
	}
	for i := range gains {
		gains[i] *= scale[i]
	}
	return gains, true
}

// predict is the temperature that the identified gains give.
func (l Thermal) predict(x, gains []float64) float64 {
	origin, _, _ := l.fitted(x)
	z, p := l.regressors(x), l.unknowns()
	t := origin[p] + gains[0]
	for i := 1; i < p; i++ {
		t += gains[i] * (z[i] - origin[i])
	}
	return t
}

// leverage is n·zᵀ(ZᵀZ)⁻¹z of the lags: how far they lie from what was learned, on the
// mean over the instants of learning the number of unknowns (Hoaglin & Welsch 1978,
// Am. Stat. 32:17).
func (l Thermal) leverage(x []float64) float64 {
	origin, _, _ := l.fitted(x)
	z := l.regressors(x)
	for i := 1; i < len(z); i++ {
		z[i] -= origin[i]
	}
	b, ok := l.weighed(x, z)
	if !ok {
		return float64(len(z))
	}
	var h float64
	for i := range z {
		h += z[i] * b[i]
	}
	return math.Min(x[thermalN]*h, 1e6)
}

// widened is by how much the averaged residual may scatter more where the machine was
// never seen, as for the normal behaviour of features: what learning was worth counts
// in stretches as long as the average. A given network does not extrapolate.
func (l Thermal) widened(x []float64) float64 {
	if l.opt.Network != nil || !(x[thermalFilled] > 0) {
		return 1
	}
	n := math.Max(1, x[thermalHours]/l.opt.SmoothH)
	far := x[thermalFar] / x[thermalFilled]
	return math.Sqrt(math.Max(1, (1+far/n)/(1+float64(l.unknowns())/n)))
}

// powerGain is the steady rise for each kW, K/kW; 0 when power is no input.
func (l Thermal) powerGain(x []float64) float64 {
	if l.opt.PowerKey == "" {
		return 0
	}
	_, _, gains := l.fitted(x)
	var sum float64
	for j := range l.taus {
		sum += gains[1+j]
	}
	return sum
}

// cholesky solves the positive definite a·x = b; it overwrites a.
func cholesky(a [][]float64, b []float64) ([]float64, bool) {
	n := len(b)
	for j := range n {
		for k := range j {
			a[j][j] -= a[j][k] * a[j][k]
		}
		if !(a[j][j] > 1e-14) {
			return nil, false
		}
		a[j][j] = math.Sqrt(a[j][j])
		for i := j + 1; i < n; i++ {
			for k := range j {
				a[i][j] -= a[i][k] * a[j][k]
			}
			a[i][j] /= a[j][j]
		}
	}
	x := append([]float64(nil), b...)
	for i := range n {
		for k := range i {
			x[i] -= a[i][k] * x[k]
		}
		x[i] /= a[i][i]
	}
	for i := n - 1; i >= 0; i-- {
		for k := i + 1; k < n; k++ {
			x[i] -= a[k][i] * x[k]
		}
		x[i] /= a[i][i]
	}
	return x, true
}
