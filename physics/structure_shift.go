package physics

import (
	"math"

	"gonum.org/v1/gonum/mat"

	"github.com/telltale-iot/telltale/features"
)

// Numbers of one measured frequency in the state. While it is learned, sums over x = (1,
// f_Ω², T − 20 °C) and y = f²/ref − 1; then a trend of the shift.
const (
	keyRef     = iota // square of the first frequency
	keySums           // x·xᵀ: 1·1 (their number), 1·u, 1·v, u·u, u·v, v·v
	keySumsY   = keySums + 6
	keySumsYY  = keySumsY + 3
	keyLearned = keySumsYY + 1
	keyStarted = keyLearned + 1
	keyLevel   = keyStarted + 1 // and slope, covariances
	keySkips   = keyLevel + 5
	keySkipped = keySkips + 1
	keyHz      = keySkipped + 1 // newest
	keyHealthy = keyHz + 1      // what it should be
	keyBias    = keyHealthy + 1 // variance of that, relative
	keyFit     = keyBias + 1    // once learned: 1, β, covariance (upper triangle), noise, plane, mode
	keySize    = keyFit + 13
)

// key is the part of the state that belongs to frequency i.
func (l *Structure) key(x []float64, i int) []float64 {
	return x[structKeys+keySize*i : structKeys+keySize*(i+1)]
}

// frequencies are the measured ones, own first; NaN where there is none.
func (l *Structure) frequencies(in *features.Snapshot) (hz []float64, heard bool) {
	hz = make([]float64, 0, len(l.opt.Keys)+len(l.opt.Siblings))
	for _, keys := range [2][]string{l.opt.Keys, l.opt.Siblings} {
		for _, k := range keys {
			f := measured(in, k)
			if !(f > 1e-3 && f < 1e3) {
				f = math.NaN()
			}
			hz = append(hz, f)
			heard = heard || !math.IsNaN(f)
		}
	}
	return hz, heard
}

// covariates are x of the sums: speed and temperature as last known.
func covariates(x []float64) [3]float64 {
	turn := x[structRpm] / 60
	out := [3]float64{1, turn * turn, 0}
	if x[structTempKnown] == 1 {
		out[2] = x[structTemp] - 20
	}
	return out
}

// hear takes one frequency: it learns the healthy one, then follows how far it has shifted.
func (l *Structure) hear(k []float64, f float64, x []float64, dt float64, learning bool) {
	if math.IsNaN(f) {
		l.wait(k, dt)
		return
	}
	c := covariates(x)
	need := float64(l.opt.BaselineN)
	if x[structSpan] == 1 {
		need = math.Min(need, 10)
	}
	k[keyHz] = f
	if k[keyLearned] == 0 && !learning && k[keySums] >= need {
		k[keyLearned] = 1
		if fit, ok := l.learn(k); ok {
			fit.keep(k)
		}
	}
	if k[keyLearned] == 0 {
		if k[keyRef] == 0 {
			k[keyRef] = f * f
		}
		y := f*f/k[keyRef] - 1
		if math.Abs(y) > 0.5 {
			return // another mode was the largest
		}
		at := keySums
		for i := range 3 {
			for j := i; j < 3; j++ {
				k[at] += c[i] * c[j]
				at++
			}
			k[keySumsY+i] += c[i] * y
		}
		k[keySumsYY] += y * y
		return
	}
	fit, ok := l.healthy(k)
	if !ok {
		return
	}
	want, bias := fit.at(c)
	k[keyHealthy], k[keyBias] = math.Sqrt(math.Max(k[keyRef]*(1+want), 0)), bias
	z := (f*f/k[keyRef] - 1 - want) / (1 + want)
	if math.Abs(z) > 0.5 {
		k[keySkipped]++
		return
	}
	l.follow(k, z, fit.noise, dt)
}

// wait lets time pass over a frequency that was not measured.
func (l *Structure) wait(k []float64, dt float64) {
	if k[keyStarted] == 1 {
		t := trendOf(k)
		t.predict(dt, l.wander(k[keyBias], dt))
		keepTrend(k, t)
	}
}

// wander is the density of the acceleration that gives the trend its memory; see Growth.
func (l *Structure) wander(noise, dt float64) float64 {
	m := l.opt.MemoryH
	return math.Max(noise, shiftFloor*shiftFloor) * dt / (m * m * m * m)
}

// shiftFloor is the least noise of a relative shift of f², and driftSd what weather, age and
// pitch leave in it that no average takes out: a per mille of f.
const (
	shiftFloor = 0.0005
	driftSd    = 0.002
)

func trendOf(k []float64) Trend {
	return Trend{Level: k[keyLevel], Slope: k[keyLevel+1], P00: k[keyLevel+2], P01: k[keyLevel+3], P11: k[keyLevel+4]}
}

func keepTrend(k []float64, t Trend) {
	copy(k[keyLevel:], []float64{t.Level, t.Slope, t.P00, t.P01, t.P11})
}

// follow runs the filter; the fourth innovation in a row beyond the gate is a step that happened.
func (l *Structure) follow(k []float64, z, noise, dt float64) {
	if k[keyStarted] == 0 {
		k[keyStarted] = 1
		keepTrend(k, Trend{Level: z, P00: noise, P11: noise / (l.opt.MemoryH * l.opt.MemoryH)})
		return
	}
	t := trendOf(k)
	t.predict(dt, l.wander(noise, dt))
	switch {
	case t.nis(z, noise) <= gate:
		k[keySkips] = 0
		t.update(z, noise)
	case k[keySkips] < 3:
		k[keySkips]++
		k[keySkipped]++
	default:
		k[keySkips] = 0
		t.P00 += (z - t.Level) * (z - t.Level)
		t.update(z, noise)
	}
	keepTrend(k, t)
}

// healthyFit is y = β·x of one frequency with its covariance.
type healthyFit struct {
	beta        [3]float64
	cov         [3][3]float64
	noise       float64 // variance of a measurement, relative, of f²
	plane, mode int
}

// keep writes it into the state of its frequency.
func (h healthyFit) keep(k []float64) {
	copy(k[keyFit:], []float64{
		1, h.beta[0], h.beta[1], h.beta[2], h.cov[0][0], h.cov[0][1], h.cov[0][2], h.cov[1][1], h.cov[1][2], h.cov[2][2],
		h.noise, float64(h.plane), float64(h.mode),
	})
}

// healthy reads it; false while there is none.
func (l *Structure) healthy(k []float64) (h healthyFit, ok bool) {
	f := k[keyFit:keySize]
	if !(f[11] >= 0) || f[11] >= float64(len(l.tables)) || !(f[12] >= 0) || f[12] >= float64(len(l.tables[0].modes)) {
		return h, false
	}
	h.beta = [3]float64(f[1:4])
	h.cov = [3][3]float64{{f[4], f[5], f[6]}, {f[5], f[7], f[8]}, {f[6], f[8], f[9]}}
	h.noise, h.plane, h.mode = f[10], int(f[11]), int(f[12])
	return h, f[0] == 1
}

// at is the expected y and the variance of that.
func (h healthyFit) at(c [3]float64) (y, variance float64) {
	for i := range 3 {
		y += h.beta[i] * c[i]
		for j := range 3 {
			variance += c[i] * h.cov[i][j] * c[j]
		}
	}
	return y, variance
}

// What is known of a healthy frequency before it is measured: relative to f², its square falls
// by 4·10⁻⁴ per kelvin, give or take half of that (twice −2·10⁻⁴ of f, the range of glass
// fibre blades in the field), and rises with the speed as the beam says, within 30 %.
const (
	warmthMean = -4e-4
	warmthSd   = 2e-4
	spinSd     = 0.3
)

// learn solves for β by least squares with that prior, the noise from the residuals, and
// says which mode it is; false where none is near.
func (l *Structure) learn(k []float64) (healthyFit, bool) {
	var h healthyFit
	n := k[keySums]
	if n < 1 {
		return h, false
	}
	var spin float64
	h.plane, h.mode, spin = l.identify(k[keyRef]*(1+k[keySumsY]/n), k[keySums+1]/n)
	if h.plane < 0 {
		return h, false
	}
	spin /= k[keyRef]
	mean := [3]float64{0, spin, warmthMean}
	weight := [3]float64{1e-6, 1 / math.Max(spinSd*spinSd*spin*spin, 1e-12), 1 / (warmthSd * warmthSd)}
	h.noise = 0.004 * 0.004
	for range 3 {
		a, b := mat.NewSymDense(3, nil), mat.NewVecDense(3, nil)
		at := keySums
		for i := range 3 {
			for j := i; j < 3; j++ {
				a.SetSym(i, j, k[at]/h.noise)
				at++
			}
			a.SetSym(i, i, a.At(i, i)+weight[i])
			b.SetVec(i, k[keySumsY+i]/h.noise+weight[i]*mean[i])
		}
		var chol mat.Cholesky
		var beta mat.VecDense
		var cov mat.SymDense
		if !chol.Factorize(a) || chol.SolveVecTo(&beta, b) != nil || chol.InverseTo(&cov) != nil {
			return h, false
		}
		left := k[keySumsYY]
		at = keySums
		for i := range 3 {
			h.beta[i] = beta.AtVec(i)
			for j := range 3 {
				h.cov[i][j] = cov.At(i, j)
			}
		}
		for i := range 3 {
			left -= 2 * h.beta[i] * k[keySumsY+i]
			for j := i; j < 3; j++ {
				twice := 2.0
				if i == j {
					twice = 1
				}
				left += twice * h.beta[i] * h.beta[j] * k[at]
				at++
			}
		}
		h.noise = math.Max(left/math.Max(n-2, 1), shiftFloor*shiftFloor)
	}
	return h, true
}

// identify is the mode of the model nearest to a frequency's square, which was measured at a
// mean square f_Ω² of the rotor: within 30 % of f, else plane −1. spin is its K.
func (l *Structure) identify(square, turn float64) (plane, mode int, spin float64) {
	plane, best := -1, math.Log(1.3)
	for p, t := range l.tables {
		for i, m := range t.modes {
			rest := square - t.spin[i]*turn
			if rest <= 0 {
				continue
			}
			if off := math.Abs(0.5*math.Log(rest) - math.Log(m.HZ())); off < best {
				plane, mode, spin, best = p, i, t.spin[i], off
			}
		}
	}
	return plane, mode, spin
}

// shifts are what the frequencies say now; own tells how many are the part's.
func (l *Structure) shifts(x []float64) (seen []shift, own int) {
	for i := range len(l.opt.Keys) + len(l.opt.Siblings) {
		k := l.key(x, i)
		if k[keyStarted] == 0 {
			continue
		}
		h, ok := l.healthy(k)
		if !ok {
			continue
		}
		t := trendOf(k)
		s := shift{
			plane: h.plane, mode: h.mode, own: i < len(l.opt.Keys), z: t.Level, slope: t.Slope,
			v:        math.Max(t.P00, 0) + k[keyBias] + driftSd*driftSd,
			slopeVar: math.Max(t.P11, 1e-18),
		}
		if s.own {
			own++
		}
		seen = append(seen, s)
	}
	return seen, own
}
