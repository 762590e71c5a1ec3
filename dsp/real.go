package dsp

// Real is a plan for transforms of n real points into n/2+1 one-sided bins,
// unscaled.
type Real[T Float] struct {
	n      int
	half   *Complex[T] // of n/2 points for an even n, else of n
	wr, wi []T
	pr, pi []T // packed points
}

// NewReal plans transforms of n ≥ 1 points. It panics for less.
func NewReal[T Float](n int) *Real[T] {
	r := &Real[T]{n: n}
	if n%2 == 1 {
		r.half = NewComplex[T](n)
		r.pr, r.pi = make([]T, n), make([]T, n)
		return r
	}
	m := n / 2
	r.half = NewComplex[T](m)
	r.pr, r.pi = Apart[T](m)
	r.wr, r.wi = make([]T, m/2+1), make([]T, m/2+1)
	for k := range r.wr {
		re, im := unit[T](-k, n)
		r.wr[k], r.wi[k] = re/2, im/2
	}
	return r
}

// Len is the number of points.
func (r *Real[T]) Len() int { return r.n }

// Packed returns the plan's buffers for n/2 points, even ones and odd ones, so
// that a pass that makes the samples can leave them where Split wants them. The
// odd one is nil for an odd n, and the even one then holds all n points.
func (r *Real[T]) Packed() (even, odd []T) {
	if r.n%2 == 1 {
		return r.pr, nil
	}
	return r.pr, r.pi
}

// Transform writes the bins of x, n points, into re and im, n/2+1 each.
func (r *Real[T]) Transform(re, im, x []T) {
	if r.n%2 == 1 {
		copy(r.pr, x[:r.n])
		r.Split(re, im)
		return
	}
	r.half.pairs(r.pr, r.pi, x[:r.n])
	r.unpack(re[:r.n/2+1], im[:r.n/2+1])
}

// Split is Transform of what the packed buffers hold; it overwrites them.
func (r *Real[T]) Split(re, im []T) {
	h := r.n/2 + 1
	re, im = re[:h], im[:h]
	if r.n%2 == 1 {
		clear(r.pi)
		r.half.Forward(r.pr, r.pi)
		copy(re, r.pr)
		copy(im, r.pi)
		im[0] = 0
		return
	}
	r.half.Forward(r.pr, r.pi)
	r.unpack(re, im)
}

// unpack takes the two real transforms Apart that the complex one of even and
// odd points holds: X[k] = ½(Z[k]+Z*[m−k]) − ½i·w^k·(Z[k]−Z*[m−k]).
func (r *Real[T]) unpack(re, im []T) {
	m := r.n / 2
	zr, zi := r.pr, r.pi
	re[0], im[0] = zr[0]+zi[0], 0
	re[m], im[m] = zr[0]-zi[0], 0
	k := 1
	if a, ok := single(re); ok {
		b, _ := single(im)
		c, _ := single(zr)
		d, _ := single(zi)
		e, _ := single(r.wr)
		f, _ := single(r.wi)
		k = unpackVector(a, b, c, d, e, f, m)
	}
	for ; k <= m/2; k++ {
		j := m - k
		er, ei := 0.5*(zr[k]+zr[j]), 0.5*(zi[k]-zi[j])
		dr, di := zr[k]-zr[j], zi[k]+zi[j]
		// −i·w·d with w halved in the table
		or, oi := dr*r.wi[k]+di*r.wr[k], di*r.wi[k]-dr*r.wr[k]
		re[k], im[k] = er+or, ei+oi
		re[j], im[j] = er-or, oi-ei
	}
}

// deinterleave takes even and odd places of x Apart.
func deinterleave[T Float](even, odd, x []T) {
	i := 0
	if f, ok := single(x); ok {
		e, _ := single(even)
		o, _ := single(odd)
		i = deinterleaveVector(e, o, f)
	}
	for ; i < len(even); i++ {
		even[i], odd[i] = x[2*i], x[2*i+1]
	}
}
