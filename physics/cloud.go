package physics

import "math"

// cloud is a particle filter's set of weighted points: rows of d numbers, the last of
// which is the logarithm of the weight. Its draws are a function of a seed and of how
// many were made, both kept by the law, so that a replay gives the same bytes.
type cloud struct {
	d int
	x []float64
}

func (c cloud) len() int            { return len(c.x) / c.d }
func (c cloud) row(i int) []float64 { return c.x[i*c.d : (i+1)*c.d] }

// weights are the normalised weights, and how many equal ones they are worth, 1/Σw².
func (c cloud) weights() (w []float64, ess float64) {
	w = make([]float64, c.len())
	best, sum := math.Inf(-1), 0.0
	for i := range w {
		best = math.Max(best, c.row(i)[c.d-1])
	}
	for i := range w {
		w[i] = math.Exp(c.row(i)[c.d-1] - best)
		sum += w[i]
	}
	var squares float64
	for i := range w {
		w[i] /= sum
		squares += w[i] * w[i]
	}
	return w, 1 / squares
}

// moments are the weighted means of two columns and their covariance.
func (c cloud) moments(w []float64, a, b int) (ma, mb, aa, ab, bb float64) {
	for i, v := range w {
		ma += v * c.row(i)[a]
		mb += v * c.row(i)[b]
	}
	for i, v := range w {
		da, db := c.row(i)[a]-ma, c.row(i)[b]-mb
		aa += v * da * da
		ab += v * da * db
		bb += v * db * db
	}
	return ma, mb, aa, ab, bb
}

// resample draws the points again by their weights, at the steps (u+k)/n of the
// cumulative weight (systematic resampling, Kitagawa 1996); u is uniform in [0, 1).
func (c cloud) resample(w []float64, u float64) {
	n := c.len()
	out := make([]float64, 0, len(c.x))
	at, sum := 0, w[0]
	for k := range n {
		for goal := (u + float64(k)) / float64(n); sum < goal && at < n-1; {
			at++
			sum += w[at]
		}
		out = append(out, c.row(at)...)
		out[len(out)-1] = 0
	}
	copy(c.x, out)
}

// roughen moves copies apart: each gets normal noise of 0.05·range·n^(−1/2) along the
// two directions in which the columns a and b are independent, so that their
// correlation stays (Gordon, Salmond & Smith 1993, for two dimensions). The range of n
// normal points is about six standard deviations.
func (c cloud) roughen(a, b int, draws func(i int) (u, v float64)) {
	n := c.len()
	equal := make([]float64, n)
	for i := range equal {
		equal[i] = 1 / float64(n)
	}
	_, _, aa, ab, bb := c.moments(equal, a, b)
	sa := math.Sqrt(math.Max(0, aa))
	if sa == 0 {
		return
	}
	along, rest := ab/sa, math.Sqrt(math.Max(0, bb-ab*ab/aa))
	share := 0.05 * 6 / math.Sqrt(float64(n))
	for i := range n {
		u, v := draws(i)
		x, y, row := share*normalQuantile(u), share*normalQuantile(v), c.row(i)
		row[a] += sa * x
		row[b] += along*x + rest*y
	}
}

// uniform is the n-th number in (0, 1) of a seed (SplitMix64: Steele, Lea & Flood 2014).
func uniform(seed, n uint64) float64 {
	z := seed + (n+1)*0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	z ^= z >> 31
	return (float64(z>>11) + 0.5) / (1 << 53)
}

// even is the i-th of points that fill the unit square evenly, at multiples of 1/g
// and 1/g² with g³ = g + 1 (Roberts 2018).
func even(i int) (u, v float64) {
	const g = 1.32471795724474602596
	fraction := func(x float64) float64 { return math.Min(math.Max(x-math.Floor(x), 1e-9), 1-1e-9) }
	return fraction(0.5 + float64(i+1)/g), fraction(0.5 + float64(i+1)/(g*g))
}
