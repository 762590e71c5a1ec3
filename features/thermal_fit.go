package features

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"
)

// samples of a regression in time order.
type samples struct {
	x  [][]float64
	y  []float64
	ns []int64
}

// fit learns the model from the span; it stays without one when the span is too
// short or an input never came.
func (n *normal) fit(span *replay) {
	n.learned = nil
	n.state = normalState{}
	var s samples
	for in := range span.raw() {
		x := n.step(in)
		if n.target >= 0 && x != nil && !math.IsNaN(in.now[n.target]) {
			s.x, s.y, s.ns = append(s.x, x), append(s.y, in.now[n.target]), append(s.ns, in.ns)
		}
	}
	n.state = normalState{}
	if len(s.y) < 30 || len(s.y) < 5*len(s.x[0]) {
		return
	}
	l := ridge(s, n.opt.Ridge, nil)
	if l == nil {
		return
	}
	l.Name, l.Fields = n.opt.Target, n.opt.Inputs
	held := heldOutResiduals(s, n.opt.Ridge)
	l.Cov = l.precision(s)
	n.learned = l
	l.Scale, l.SlowScale, l.N = n.spread(s, held)
	if !finite(l.Scale, l.SlowScale) {
		n.learned = nil
	}
}

// spread measures the residuals of held-out blocks, and their slow mean: the
// data are autocorrelated, so in-sample residuals would flatter both.
func (n *normal) spread(s samples, held []float64) (scale, slowScale float64, stretches int) {
	stats := Robust(held)
	cut := math.Max(5*stats.MAD, 1e-9)
	var st normalState
	sum, slowSum, k, slowK := 0.0, 0.0, 0, 0
	for i, r := range held {
		if math.IsNaN(r) {
			continue
		}
		r = clamp(r, cut)
		sum += r * r
		k++
		if m, _, ok := st.slow(r, 0, s.ns[i], n.opt.SlowH); ok {
			slowSum += m * m
			slowK++
		}
	}
	floor := 1e-6 * math.Max(1, math.Abs(n.learned.Coef[0]))
	scale = math.Max(math.Sqrt(sum/float64(max(k, 1))), floor)
	slowScale = scale // a span shorter than the mean: claim no gain from averaging
	if slowK > 0 {
		slowScale = math.Max(math.Sqrt(slowSum/float64(slowK)), 0.1*scale)
	}
	scale, slowScale = math.Max(scale, n.opt.Accuracy), math.Max(slowScale, n.opt.Accuracy)
	hours := float64(s.ns[len(s.ns)-1]-s.ns[0]) / 3.6e12
	return scale, slowScale, max(1, int(hours/n.opt.SlowH))
}

// heldOutResiduals predicts each of eight consecutive blocks from the others.
func heldOutResiduals(s samples, penalty float64) []float64 {
	const blocks = 8
	out := make([]float64, len(s.y))
	use := make([]bool, len(s.y))
	for b := range blocks {
		lo, hi := b*len(s.y)/blocks, (b+1)*len(s.y)/blocks
		for i := range use {
			use[i] = i < lo || i >= hi
		}
		l := ridge(s, penalty, use)
		for i := lo; i < hi; i++ {
			out[i] = math.NaN()
			if l != nil {
				out[i] = s.y[i] - l.predict(s.x[i])
			}
		}
	}
	return out
}

// ridge fits standardised regressors with a penalty of lambda per row (Hoerl &
// Kennard 1970, Technometrics 12:55), reweighted twice after Huber so that a few
// odd rows do not bend it. use picks rows; nil means all. nil when singular.
func ridge(s samples, lambda float64, use []bool) *Learned {
	p := len(s.x[0])
	l := &Learned{Mean: make([]float64, p), Spread: make([]float64, p), Low: make([]float64, p), High: make([]float64, p)}
	var rows []int
	for i := range s.y {
		if use == nil || use[i] {
			rows = append(rows, i)
		}
	}
	if len(rows) <= p {
		return nil
	}
	col := make([]float64, len(rows))
	for j := range p {
		for k, i := range rows {
			col[k] = s.x[i][j]
		}
		l.Mean[j], l.Spread[j], _ = meanStd(col)
		l.Low[j], l.High[j] = slices.Min(col), slices.Max(col)
		if !(l.Spread[j] > 1e-9*math.Max(1, math.Abs(l.Mean[j]))) {
			l.Spread[j] = math.Max(1, math.Abs(l.Mean[j])) // constant: its coefficient is 0
		}
	}
	weight := make([]float64, len(rows))
	for k := range weight {
		weight[k] = 1
	}
	for range 3 {
		if !l.solve(s, rows, weight, lambda) {
			return nil
		}
		reweigh(l, s, rows, weight)
	}
	return l
}

// reweigh sets Huber's weights from the present residuals.
func reweigh(l *Learned, s samples, rows []int, weight []float64) {
	r := make([]float64, len(rows))
	for k, i := range rows {
		r[k] = s.y[i] - l.predict(s.x[i])
	}
	cut := 2.5 * Robust(r).MAD
	for k := range r {
		weight[k] = 1
		if a := math.Abs(r[k]); cut > 0 && a > cut {
			weight[k] = cut / a
		}
	}
}

// solve is one weighted solution of the normal equations.
func (l *Learned) solve(s samples, rows []int, weight []float64, lambda float64) bool {
	p := len(l.Mean)
	a, b := mat.NewSymDense(p+1, nil), mat.NewVecDense(p+1, nil)
	z := make([]float64, p+1)
	z[0] = 1
	for k, i := range rows {
		for j := range p {
			z[j+1] = (s.x[i][j] - l.Mean[j]) / l.Spread[j]
		}
		for u := range z {
			b.SetVec(u, b.AtVec(u)+weight[k]*z[u]*s.y[i])
			for v := u; v < len(z); v++ {
				a.SetSym(u, v, a.At(u, v)+weight[k]*z[u]*z[v])
			}
		}
	}
	for j := 1; j <= p; j++ {
		a.SetSym(j, j, a.At(j, j)+lambda*float64(len(rows)))
	}
	var chol mat.Cholesky
	if !chol.Factorize(a) {
		return false
	}
	var x mat.VecDense
	if err := chol.SolveVecTo(&x, b); err != nil {
		return false
	}
	l.Coef = slices.Clone(x.RawVector().Data)
	return finite(l.Coef...) && finite(l.Mean...) && finite(l.Spread...)
}

// precision is n·(ZᵀZ + λnI)⁻¹ of the learning rows z = (1, standardised x), row-major;
// nil when singular.
func (l *Learned) precision(s samples) []float64 {
	p := len(l.Mean) + 1
	a := mat.NewSymDense(p, nil)
	for i := range s.x {
		z := l.standard(s.x[i])
		for u := range z {
			for v := u; v < p; v++ {
				a.SetSym(u, v, a.At(u, v)+z[u]*z[v]/float64(len(s.x)))
			}
		}
	}
	for j := 1; j < p; j++ {
		a.SetSym(j, j, a.At(j, j)+1e-6) // a constant regressor has no spread
	}
	var chol mat.Cholesky
	var inverse mat.SymDense
	if !chol.Factorize(a) || chol.InverseTo(&inverse) != nil {
		return nil
	}
	var out []float64
	for u := range p {
		for v := range p {
			out = append(out, inverse.At(u, v))
		}
	}
	if !finite(out...) {
		return nil
	}
	return out
}

// standard is x as the regression sees it, after the one of the intercept.
func (l *Learned) standard(x []float64) []float64 {
	z := make([]float64, len(x)+1)
	z[0] = 1
	for j, v := range x {
		z[j+1] = (v - l.Mean[j]) / l.Spread[j]
	}
	return z
}

// leverage is zᵀ(ZᵀZ/n)⁻¹z of an instant: how far it lies from what was learned, on
// the mean over the learning rows the number of coefficients (Hoaglin & Welsch 1978,
// Am. Stat. 32:17). A model that lacks the matrix takes every instant as a mean one.
func (l *Learned) leverage(x []float64) float64 {
	p := len(x) + 1
	if len(l.Cov) != p*p {
		return float64(p)
	}
	z, h := l.standard(x), 0.0
	for u := range z {
		for v := range z {
			h += z[u] * l.Cov[u*p+v] * z[v]
		}
	}
	return math.Min(math.Max(h, 0), 1e6)
}

// widened is the spread of a residual at a leverage over the mean one: the error of a
// regression that was drawn from N independent stretches comes on top of the scatter,
// and grows where the machine was never seen.
func (l *Learned) widened(leverage float64) float64 {
	n := float64(max(l.N, 1))
	return math.Sqrt(math.Max(1, (1+leverage/n)/(1+float64(len(l.Coef))/n)))
}

// predict is the ridge regression's answer; inputs far outside of what was
// learned are held at one range beyond it.
func (l *Learned) predict(x []float64) float64 {
	y := l.Coef[0]
	for j, v := range x {
		room := l.High[j] - l.Low[j]
		v = math.Max(l.Low[j]-room, math.Min(l.High[j]+room, v))
		y += l.Coef[j+1] * (v - l.Mean[j]) / l.Spread[j]
	}
	return y
}
