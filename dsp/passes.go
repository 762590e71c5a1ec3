package dsp

import "math"

// Levels are what one look at a block tells: its range, its mean, and how often a
// sample repeats the one before it.
type Levels struct {
	Min, Max float64
	Mean     float64
	Same     int  // samples equal to their predecessor
	Finite   bool // no NaN, no infinity; the rest means nothing otherwise
}

// LevelsOf looks at values.
func LevelsOf[T Float](x []T) Levels {
	if len(x) == 0 {
		return Levels{Finite: true}
	}
	if f, ok := single(x); ok && len(x) >= 2*chunk {
		if l := levelsVector(f); l.Finite { // else a sum may have left float32
			return l
		}
	}
	l := Levels{Min: float64(x[0]), Max: float64(x[0])}
	addLevels(&l, x, x[0], 1/float64(len(x)))
	l.Same-- // the first has no predecessor
	l.Finite = l.Mean-l.Mean == 0
	l.Mean = min(max(l.Mean, l.Min), l.Max) // rounding must not invent a spread
	return l
}

// addLevels takes in x, whose predecessor is prev; Mean adds up x·k.
func addLevels[T Float](l *Levels, x []T, prev T, k float64) {
	for _, v := range x {
		f := float64(v)
		l.Min, l.Max = min(l.Min, f), max(l.Max, f)
		l.Mean += f * k
		if v == prev {
			l.Same++
		}
		prev = v
	}
}

// LevelsOfCounts looks at a converter's counts.
func LevelsOfCounts(x []int16) Levels {
	l := Levels{Finite: true}
	if len(x) == 0 {
		return l
	}
	lo, hi, sum, same := x[0], x[0], int64(0), 0
	from := 0
	if vector && len(x) > 2*chunk {
		lo, hi, sum, same, from = levelsOfCountsVector(x)
	}
	for i := from; i < len(x); i++ {
		v := x[i]
		lo, hi, sum = min(lo, v), max(hi, v), sum+int64(v)
		if i > 0 && v == x[i-1] {
			same++
		}
	}
	l.Min, l.Max, l.Mean, l.Same = float64(lo), float64(hi), float64(sum)/float64(len(x)), same
	return l
}

// Sums are sums over v = (x−mean)·2⁻ᵉ.
type Sums struct {
	First, Abs, Root      float64 // Σv, Σ|v|, Σ√|v|
	Second, Third, Fourth float64 // Σv², Σv³, Σv⁴
	Peak                  float64 // largest |v|
}

// chunk is how many samples are summed in float32 before the sums go to float64.
const chunk = 512

// Centre writes v = (x−mean)·2⁻ᵉ of the samples at even places into even and of
// those at odd places into odd, as Real.Packed wants them, and sums over all of x;
// samples beyond the two are only summed. A nil odd takes every sample into even.
func Centre[T Float](even, odd, x []T, mean float64, e int) Sums {
	var s Sums
	i := 0
	if f, ok := single(x); ok && odd != nil && e > -120 && e < 120 {
		a, _ := single(even)
		b, _ := single(odd)
		hi := float32(mean)
		i = centreVector(&s, a, b, f, hi, float32(mean-float64(hi)), float32(math.Ldexp(1, -e)))
	}
	if e > -1000 && e < 1000 {
		k := math.Ldexp(1, -e)
		for ; i < len(x); i++ {
			putSum(&s, even, odd, i, (float64(x[i])-mean)*k)
		}
		return s
	}
	for ; i < len(x); i++ {
		putSum(&s, even, odd, i, math.Ldexp(float64(x[i]), -e)-math.Ldexp(mean, -e))
	}
	return s
}

// CentreCounts is Centre of counts.
func CentreCounts[T Float](even, odd []T, x []int16, mean float64, e int) Sums {
	var s Sums
	k := math.Ldexp(1, -e)
	i := 0
	if a, ok := single(even); ok && odd != nil {
		b, _ := single(odd)
		i = centreCountsVector(&s, a, b, x, mean, float32(k))
	}
	for ; i < len(x); i++ {
		putSum(&s, even, odd, i, (float64(x[i])-mean)*k)
	}
	return s
}

func putSum[T Float](s *Sums, even, odd []T, i int, v float64) {
	a, q := math.Abs(v), v*v
	s.First += v
	s.Abs += a
	s.Root += math.Sqrt(a)
	s.Second += q
	s.Third += q * v
	s.Fourth += q * q
	s.Peak = max(s.Peak, a)
	switch {
	case odd == nil && i < len(even):
		even[i] = T(v)
	case odd == nil:
	case i/2 < len(even) && i%2 == 0:
		even[i/2] = T(v)
	case i/2 < len(odd):
		odd[i/2] = T(v)
	}
}

// At counts the samples that equal a, and those that equal b.
func At[T Float | int16](x []T, a, b T) (na, nb int) {
	if c, ok := any(x).([]int16); ok && vector {
		n := 0
		na, nb, n = atVector(c, int16(a), int16(b))
		x = x[n:]
	}
	for _, v := range x {
		if v == a {
			na++
		}
		if v == b {
			nb++
		}
	}
	return na, nb
}

// Density writes the squared magnitudes of the bins of n real points under a
// periodic Hann window: |½X[k] − ¼(X[k−1]+X[k+1])|², doubled for the bins that stand
// for their mirror image as well. It takes X[0] as 0, which removes the mean.
func Density[T Float](p, re, im []T, n int) {
	last := n / 2
	p, re, im = p[:last+1], re[:last+1], im[:last+1]
	if last == 0 {
		p[0] = 0
		return
	}
	re[0], im[0] = 0, 0
	k := 1
	if a, ok := single(p); ok {
		b, _ := single(re)
		c, _ := single(im)
		k = densityVector(a, b, c)
	}
	for ; k < last; k++ {
		p[k] = 2 * square(re[k]/2-(re[k-1]+re[k+1])/4, im[k]/2-(im[k-1]+im[k+1])/4)
	}
	// Beyond both ends lie the conjugates.
	p[0] = square(-re[1]/2, 0)
	if n%2 == 0 {
		p[last] = square(re[last]/2-re[last-1]/2, 0)
	} else { // X[last+1] = X*[last]
		p[last] = 2 * square(re[last]/2-(re[last-1]+re[last])/4, im[last]/2-(im[last-1]-im[last])/4)
	}
}

func square[T Float](re, im T) T { return re*re + im*im }

// Shape is what a density looks like as a distribution over its bins.
type Shape struct {
	Sum, First float64 // Σp, Σk·p
	Top        float64 // largest p
}

// ShapeOf sums over the bins from first on; k counts from the start of p.
func ShapeOf[T Float](p []T, first int) Shape {
	var s Shape
	k := first
	if f, ok := single(p); ok {
		k = s.vector(f, first)
	}
	for ; k < len(p); k++ {
		v := float64(p[k])
		s.Sum += v
		s.First += float64(k) * v
		s.Top = max(s.Top, v)
	}
	return s
}

// Logs are Σp·ln p and Σln p with p no less than floor, and Σ(k−centre)²·p.
type Logs struct{ Weighted, Plain, Spread float64 }

// LogsOf sums over the bins from first on; k counts from the start of p.
func LogsOf[T Float](p []T, first int, floor, centre float64) Logs {
	var l Logs
	k := first
	if f, ok := single(p); ok && floor > 1e-37 && floor < 1e38 {
		k = l.vector(f, first, float32(floor), centre)
	}
	for ; k < len(p); k++ {
		v, d := float64(p[k]), float64(k)-centre
		ln := math.Log(max(v, floor))
		if v > 0 {
			l.Weighted += v * ln
		}
		l.Plain += ln
		l.Spread += d * d * v
	}
	return l
}

// Sum adds up x.
func Sum[T Float](x []T) float64 {
	s, i := 0.0, 0
	if f, ok := single(x); ok {
		s, i = sumVector(f)
	}
	for ; i < len(x); i++ {
		s += float64(x[i])
	}
	return s
}

// Dot is Σ x·w; w is at least as long as x.
func Dot[T Float](x, w []T) float64 {
	s, i := 0.0, 0
	w = w[:len(x)]
	if f, ok := single(x); ok {
		g, _ := single(w)
		s, i = dotVector(f, g)
	}
	for ; i < len(x); i++ {
		s += float64(x[i]) * float64(w[i])
	}
	return s
}

// SquaredEnvelope writes re²+im² in the packed form of Real, even places apart
// from odd ones, and returns the mean of it and of its square.
func SquaredEnvelope[T Float](even, odd, re, im []T) (mean, fourth float64) {
	n := len(re)
	i := 0
	if a, ok := single(even); ok {
		b, _ := single(odd)
		c, _ := single(re)
		d, _ := single(im)
		mean, fourth, i = envelopeVector(a, b, c, d)
	}
	for ; i < n; i++ {
		v := square(re[i], im[i])
		if i%2 == 0 {
			even[i/2] = v
		} else {
			odd[i/2] = v
		}
		mean += float64(v)
		fourth += float64(v) * float64(v)
	}
	return mean / float64(n), fourth / float64(n)
}

// Amplitudes writes scale·|X[k]| of the bins of dst, whose first is 0, under the
// boxcar or, doubled for its gain, under a periodic Hann window. X has at least one
// bin more than dst. It takes X[0] as 0.
func Amplitudes[T Float](dst, re, im []T, hann bool, scale float64) {
	if len(dst) == 0 {
		return
	}
	re[0], im[0], dst[0] = 0, 0, 0
	k := 1
	if a, ok := single(dst); ok {
		b, _ := single(re)
		c, _ := single(im)
		k = amplitudesVector(a, b, c, hann, float32(scale))
	}
	for ; k < len(dst); k++ {
		r, i := re[k], im[k]
		if hann {
			r, i = r-(re[k-1]+re[k+1])/2, i-(im[k-1]+im[k+1])/2
		}
		dst[k] = T(scale * math.Sqrt(float64(square(r, i))))
	}
}

// AddPower adds k·x² to sum.
func AddPower[T Float](sum, x []T, k float64) {
	sum = sum[:len(x)]
	i := 0
	if f, ok := single(sum); ok {
		g, _ := single(x)
		i = addPowerVector(f, g, float32(k))
	}
	for ; i < len(x); i++ {
		sum[i] += T(k) * x[i] * x[i]
	}
}
