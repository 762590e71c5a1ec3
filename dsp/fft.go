package dsp

import (
	"math"
	"math/bits"
)

// Float is the precision of a pass: float32 is what production runs, and float64
// the same source run to more digits.
type Float interface{ float32 | float64 }

// single is x when its numbers are float32: then the vector passes apply.
func single[T Float](x []T) ([]float32, bool) {
	f, ok := any(x).([]float32)
	return f, ok && vector
}

// Complex is a plan for transforms of n complex points:
// X[k] = Σ x[j]·exp(−2πi·jk/n), unscaled.
type Complex[T Float] struct {
	n      int
	passes []pass[T]
	re, im []T       // scratch
	chirp  *chirp[T] // for a length with a prime factor above 5
}

// pass is one step of a Stockham transform (decimation in frequency): m·stride
// butterflies of the given radix, with the twiddles w^p … w^(radix−1)p of each p.
type pass[T Float] struct {
	radix, m, stride int
	w                []T // (re, im) by power, by p
	lanes            []T // the first pass alone: the same for eight p at once
}

// NewComplex plans transforms of n ≥ 1 points. It panics for less.
func NewComplex[T Float](n int) *Complex[T] {
	if n < 1 {
		panic("dsp: transform of no points")
	}
	c := &Complex[T]{n: n}
	c.re, c.im = Apart[T](n)
	radices, smooth := factors(n)
	if !smooth {
		c.chirp = newChirp[T](n)
		return c
	}
	stride := 1
	for i, r := range radices {
		left := n / stride
		p := pass[T]{radix: r, m: left / r, stride: stride}
		p.w = make([]T, 0, 2*(r-1)*p.m)
		for q := range p.m {
			for j := 1; j < r; j++ {
				re, im := unit[T](-q*j, left)
				p.w = append(p.w, re, im)
			}
		}
		if i == 0 && r == 8 && p.m%8 == 0 {
			p.lanes = laneTwiddles[T](n)
		}
		c.passes = append(c.passes, p)
		stride *= r
	}
	return c
}

// unit is exp(2πi·k/n).
func unit[T Float](k, n int) (re, im T) {
	s, c := math.Sincos(2 * math.Pi * float64(k%n) / float64(n))
	return T(c), T(s)
}

// factors splits n into radices, eights first, two fours rather than an eight and
// a two; false when a prime above 5 is left.
func factors(n int) ([]int, bool) {
	var out []int
	twos := bits.TrailingZeros(uint(n))
	n >>= twos
	for twos >= 3 && (twos != 4 || len(out) == 0 && n > 1) {
		out = append(out, 8)
		twos -= 3
	}
	for ; twos >= 2; twos -= 2 {
		out = append(out, 4)
	}
	for _, r := range [...]int{3, 5} {
		for n%r == 0 {
			out = append(out, r)
			n /= r
		}
	}
	if twos == 1 {
		out = append(out, 2)
	}
	return out, n == 1
}

// laneTwiddles of a first pass of radix 8: for eight p at a time, by power.
func laneTwiddles[T Float](n int) []T {
	m := n / 8
	out := make([]T, 0, 14*m)
	for p := 0; p < m; p += 8 {
		for j := 1; j < 8; j++ {
			var re, im [8]T
			for l := range 8 {
				re[l], im[l] = unit[T](-(p+l)*j, n)
			}
			out = append(append(out, re[:]...), im[:]...)
		}
	}
	return out
}

// Len is the number of points.
func (c *Complex[T]) Len() int { return c.n }

// Forward transforms (re, im) in place. Both have Len points.
func (c *Complex[T]) Forward(re, im []T) {
	re, im = re[:c.n], im[:c.n]
	if c.chirp != nil {
		c.chirp.forward(re, im)
		return
	}
	c.rest(0, re, im)
}

// rest does the passes from the given one on, whose input is in (re, im) for an
// even one and in the scratch for an odd one; the result is in (re, im).
func (c *Complex[T]) rest(from int, re, im []T) {
	a, b, x, y := re, im, c.re, c.im
	if from%2 == 1 {
		a, b, x, y = x, y, a, b
	}
	for i := from; i < len(c.passes); i++ {
		c.passes[i].run(x, y, a, b)
		a, b, x, y = x, y, a, b
	}
	if len(c.passes)%2 == 1 {
		copy(re, a)
		copy(im, b)
	}
}

// pairs is Forward of points that lie as (re, im) in x, into (re, im).
func (c *Complex[T]) pairs(re, im, x []T) {
	if len(c.passes) > 0 && c.passes[0].pairs(c.re, c.im, x) {
		c.rest(1, re, im)
		return
	}
	deinterleave(re, im, x)
	c.Forward(re, im)
}

// Apart makes two buffers that do not compete for the same lines of the cache.
func Apart[T Float](n int) (a, b []T) {
	const skew = 16 * 9 // floats: nine lines
	buf := make([]T, 2*n+skew)
	return buf[:n:n], buf[n+skew:]
}

// Inverse is the transform with the positive exponent, unscaled, in place.
func (c *Complex[T]) Inverse(re, im []T) { c.Forward(im, re) }

// run does the pass from (re, im) to (yr, yi).
func (p *pass[T]) run(yr, yi, re, im []T) {
	if p.fast(yr, yi, re, im) {
		return
	}
	switch p.radix {
	case 2:
		p.two(yr, yi, re, im)
	case 3:
		p.three(yr, yi, re, im)
	case 4:
		p.four(yr, yi, re, im)
	case 5:
		p.five(yr, yi, re, im)
	default:
		p.eight(yr, yi, re, im)
	}
}

// fast does the pass by vectors; false when it can't.
func (p *pass[T]) fast(yr, yi, re, im []T) bool {
	w, ok := single(p.w)
	if !ok {
		return false
	}
	a, _ := single(yr)
	b, _ := single(yi)
	c, _ := single(re)
	d, _ := single(im)
	l, _ := single(p.lanes)
	return passVector(a, b, c, d, w, l, p.radix, p.m, p.stride)
}

// pairs is the first pass of points that lie as (re, im) in x; false when it can't.
func (p *pass[T]) pairs(yr, yi, x []T) bool {
	l, ok := single(p.lanes)
	if !ok || p.lanes == nil {
		return false
	}
	a, _ := single(yr)
	b, _ := single(yi)
	f, _ := single(x)
	return pairsVector(a, b, f, l, p.m)
}
