package features

import "math"

// spline is a natural cubic spline through (x, y): continuous to its second
// derivative, which is m at the knots and zero at both ends (de Boor 1978, ch. 4).
type spline struct{ x, y, m []float64 }

// naturalSpline passes through points whose x rise strictly. It keeps x and y.
func naturalSpline(x, y []float64) spline {
	n := len(x)
	s := spline{x, y, make([]float64, n)}
	if n < 3 {
		return s
	}
	upper := make([]float64, n) // of the eliminated tridiagonal system
	for i := 1; i < n-1; i++ {
		h, g := x[i]-x[i-1], x[i+1]-x[i]
		d := 6 * ((y[i+1]-y[i])/g - (y[i]-y[i-1])/h)
		p := 2*(h+g) - h*upper[i-1]
		upper[i] = g / p
		s.m[i] = (d - h*s.m[i-1]) / p
	}
	for i := n - 2; i > 0; i-- {
		s.m[i] -= upper[i] * s.m[i+1]
	}
	return s
}

// at is the spline between knots i and i+1.
func (s spline) at(i int, v float64) float64 {
	h := s.x[i+1] - s.x[i]
	u := (v - s.x[i]) / h
	return cubic(s.y[i], s.y[i+1], h*h*s.m[i], h*h*s.m[i+1], u)
}

// cubic is the piece at u of the way from y0 to y1, whose second derivatives,
// times the square of the way, are m0 and m1.
func cubic(y0, y1, m0, m1, u float64) float64 {
	w := 1 - u
	return w*y0 + u*y1 + (w*(w*w-1)*m0+u*(u*u-1)*m1)/6
}

// uniformCurvature is m of a natural spline with knots one apart, of y:
// m[i−1] + 4m[i] + m[i+1] = 6(y[i−1] − 2y[i] + y[i+1]). It writes into dst when dst is
// long enough.
func uniformCurvature(dst, y []float64) []float64 {
	n := len(y)
	m := resize(dst, n)
	if n < 3 {
		clear(m)
		return m
	}
	m[0], m[n-1] = 0, 0
	// The pivots settle at 2+√3 within float64 after about 30 of them.
	var pivots [32]float64
	p := 4.0
	pivot := func(i int) float64 { return pivots[min(i, len(pivots)-1)] }
	for i := 1; i < len(pivots); i++ {
		pivots[i] = 1 / p
		p = 4 - 1/p
	}
	for i := 1; i < n-1; i++ {
		m[i] = (6*(y[i-1]-2*y[i]+y[i+1]) - m[i-1]) * pivot(i)
	}
	for i := n - 2; i > 0; i-- {
		m[i] -= pivot(i) * m[i+1]
	}
	return m
}

// uniformAt is the spline with knots at 0, 1, … at v, which is clamped to them.
func uniformAt(y, m []float64, v float64) float64 {
	if len(y) == 1 {
		return y[0]
	}
	i := max(0, min(int(math.Floor(v)), len(y)-2))
	return cubic(y[i], y[i+1], m[i], m[i+1], max(0, min(v-float64(i), 1)))
}
