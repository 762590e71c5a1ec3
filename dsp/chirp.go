package dsp

// chirp turns a transform of any length into a convolution of a smooth one
// (Bluestein 1970, IEEE Trans. AU 18:451).
type chirp[T Float] struct {
	n, p           int
	full           *Complex[T]
	wr, wi         []T // exp(−πi·j²/n)
	filter, mirror []T // transform of the conjugate chirp
	re, im         []T
}

func newChirp[T Float](n int) *chirp[T] {
	p := SmoothAbove(2*n - 1)
	c := &chirp[T]{n: n, p: p, full: NewComplex[T](p), wr: make([]T, n), wi: make([]T, n)}
	c.filter, c.mirror, c.re, c.im = make([]T, p), make([]T, p), make([]T, p), make([]T, p)
	for j := range n {
		c.wr[j], c.wi[j] = unit[T](-int(int64(j)*int64(j)%int64(2*n)), 2*n)
		c.filter[j], c.mirror[j] = c.wr[j], -c.wi[j]
		if j > 0 {
			c.filter[p-j], c.mirror[p-j] = c.wr[j], -c.wi[j]
		}
	}
	c.full.Forward(c.filter, c.mirror)
	return c
}

func (c *chirp[T]) forward(re, im []T) {
	clear(c.re)
	clear(c.im)
	for j := range c.n {
		c.re[j], c.im[j] = turn(re[j], im[j], c.wr[j], c.wi[j])
	}
	c.full.Forward(c.re, c.im)
	for j := range c.p {
		c.re[j], c.im[j] = turn(c.re[j], c.im[j], c.filter[j], c.mirror[j])
	}
	c.full.Inverse(c.re, c.im)
	scale := 1 / T(c.p)
	for j := range c.n {
		re[j], im[j] = turn(c.re[j]*scale, c.im[j]*scale, c.wr[j], c.wi[j])
	}
}

// SmoothAbove is the smallest length ≥ n whose only prime factors are 2, 3 and 5
// and that the vector passes take: a multiple of 128 from 128 on.
func SmoothAbove(n int) int {
	step := 1
	if n >= 128 {
		step = 128
		n = (n + 127) / 128 * 128
	}
	for !Smooth(n) {
		n += step
	}
	return n
}

// Smooth reports whether 2, 3 and 5 are the only prime factors of n: then the
// transform of n points is quick.
func Smooth(n int) bool {
	if n < 1 {
		return false
	}
	for _, f := range [...]int{2, 3, 5} {
		for n%f == 0 {
			n /= f
		}
	}
	return n == 1
}
