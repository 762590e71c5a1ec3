package physics

import (
	"math"
	"slices"

	"github.com/telltale-iot/telltale/asset"
)

// forecast is what a growth law expects of the time to failure.
type forecast struct {
	rul   asset.RUL
	failP float64 // NaN when nothing supports a probability
	trust float64
	basis string // in words
}

// node is one way in which the growth may go on.
type node struct{ slope, distance, weight float64 }

// mixture is a distribution of the time to failure; its weights sum to 1.
type mixture []node

// cdf is the probability of failure by t when each node's growth has the
// diffusion σ.
func (m mixture) cdf(sigma, t float64) float64 {
	var p float64
	for _, n := range m {
		p += n.weight * wienerCDF(n.distance, n.slope, sigma, t)
	}
	return math.Min(p, 1)
}

// prior is the distribution of the remaining life before any growth is seen: the
// fleet's Weibull law at this age, or, where only the age is known, Jeffreys'
// scale-free prior F(r) = r/(r + k·age), whose median is k ages, whose P10 is a
// ninth of that and whose P90 nine times (Gott 1993, Nature 363:315, for k = 1).
// Beside the age the fleet's kernel may count: an age at an instant that is no
// moment of its own in the life has the likelihood 1/L in a life of L hours, and
// Jeffreys' 1/L for L makes Gott's law, so the density of ln L takes the place of
// its flat one.
type prior struct {
	life   Weibull
	age    float64
	factor float64
	fleet  LifeKernel
}

func (l Growth) prior(x []float64) (p prior, ok bool) {
	p = prior{life: l.opt.Life, age: x[growthAge] + l.opt.StartAgeH, factor: l.opt.AgeFactor}
	if p.factor > 0 { // said on purpose: lives scatter so widely that the fleet tells less than the age
		p.life, p.fleet = Weibull{}, l.opt.Kernel
	}
	return p, p.life.Scale > 0 || p.factor > 0 && p.age > 0
}

// tilt is the logarithm of what the fleet's kernel multiplies a remaining life with.
func (p prior) tilt(r float64) float64 {
	if !p.fleet.known() {
		return 0
	}
	return p.fleet.logDensity(p.age + r)
}

func (p prior) cdf(r float64) float64 {
	if p.life.Scale > 0 {
		return p.life.failWithin(p.age, r)
	}
	return r / (r + p.factor*p.age)
}

func (p prior) quantile(q float64) float64 {
	if p.life.Scale > 0 {
		return p.life.remaining(p.age, q)
	}
	return p.factor * p.age * q / (1 - q)
}

// forecast combines the prior, the paths of earlier lives and the growth seen.
func (l Growth) forecast(x []float64, visible bool) forecast {
	p, known := l.prior(x)
	switch {
	case !known && !visible:
		return forecast{rul: asset.NoRUL(), failP: math.NaN(), trust: 0.5, basis: "no growth seen"}
	case !known:
		return l.extrapolate(x)
	case !visible && len(l.opt.Paths) == 0 && !l.alike.known() && !p.fleet.known():
		f := forecast{rul: tidy(p.quantile(0.1), p.quantile(0.5), p.quantile(0.9), p.cdf(asset.SoonH)), failP: math.NaN(), trust: 0.3}
		f.basis = "no growth seen, life expected from the age alone"
		if p.life.Scale > 0 {
			f.failP, f.trust, f.basis = p.cdf(l.opt.HorizonH), 0.5, "no growth seen, life expected from the fleet"
		}
		return f
	}
	return l.posterior(x, p, visible)
}

// remainder is the rest of the way and its variance.
func (l Growth) remainder(x []float64) (distance, variance float64) {
	return math.Max(1-x[growthLevel], 0.02), x[growthP00] + l.opt.ThresholdSd*l.opt.ThresholdSd
}

// extrapolate lets the growth go on without knowing of other lives.
func (l Growth) extrapolate(x []float64) forecast {
	k := l.trend(x)
	d, v := l.remainder(x)
	f := forecast{trust: 0.8, basis: "extrapolated"}
	if l.opt.Diffusion <= 0 {
		m, step := paced(k, d, v)
		f.failP, f.rul = worth(m.below(l.opt.HorizonH, step)), m.life(step)
		return f
	}
	k.P11 = math.Max(0, k.P11) + (v/(d*d)+0.09)*k.Slope*k.Slope // 0.09: the pace changes by 0.3 of itself
	const n = 15
	m := make(mixture, 0, n)
	for i := range n {
		slope := k.Slope + math.Sqrt(k.P11)*normalQuantile((float64(i)+0.5)/n)
		m = append(m, node{slope, d, 1.0 / n})
	}
	f.failP = worth(m.cdf(l.opt.Diffusion, l.opt.HorizonH))
	f.rul = l.quantiles(m, d/k.Slope)
	return f
}

func (l Growth) quantiles(m mixture, around float64) asset.RUL {
	cdf := func(t float64) float64 { return m.cdf(l.opt.Diffusion, t) }
	at := func(p float64) float64 { return quantileOf(cdf, p, around*1e-5, around*1e5) }
	return tidy(at(0.1), at(0.5), at(0.9), cdf(asset.SoonH))
}

// posterior weighs remaining lives r: the prior times the likelihood of the slope seen,
// where growth shows, times that of being so far at that share of life, where earlier
// lives are known.
func (l Growth) posterior(x []float64, p prior, visible bool) forecast {
	k := l.trend(x)
	d, v := l.remainder(x)
	kept, step := weighed(p, d, func(r float64) (w float64) {
		if visible {
			w = pace(k, d/r, v/(d*d))
		}
		if len(l.opt.Paths) > 0 {
			w += l.alongPaths(k, p.age/(p.age+r))
		}
		if l.alike.known() {
			w += l.alike.logLikelihood(k, p.age-l.opt.StartAgeH, p.age/(p.age+r))
		}
		return w
	})
	f := forecast{trust: 0.6, basis: "weighed against earlier lives"}
	if visible {
		f.trust, f.basis = 0.9, "growth weighed against the life expected"
	}
	if l.opt.Diffusion > 0 {
		kept = kept.worthwhile()
		f.failP, f.rul = kept.cdf(l.opt.Diffusion, l.opt.HorizonH), l.quantiles(kept, p.quantile(0.5))
	} else {
		f.failP, f.rul = kept.below(l.opt.HorizonH, step), kept.life(step)
	}
	switch {
	case visible:
		f.failP = worth(f.failP)
	case p.factor > 0: // that parts of this age have little left is no sign of a fault
		f.failP = math.NaN()
	}
	return f
}

// weighed is the prior's mass on a logarithmic grid of remaining lives, step apart in
// ln r, times a likelihood. A fifth of the prior stays: growth may change its ways.
func weighed(p prior, distance float64, logLikelihood func(r float64) float64) (m mixture, step float64) {
	const n = 240
	lo := math.Log(p.quantile(0.5)) - 4*math.Ln10
	step = 7 * math.Ln10 / n
	m = make(mixture, 0, n)
	mass := make([]float64, n)
	best, total, sum := math.Inf(-1), 0.0, 0.0
	before, untilted := p.cdf(math.Exp(lo)), p.tilt(0)
	for i := range n {
		r, after := math.Exp(lo+(float64(i)+0.5)*step), p.cdf(math.Exp(lo+float64(i+1)*step))
		mass[i] = math.Max(after-before, 0) * math.Exp(math.Min(p.tilt(r)-untilted, 500))
		total += mass[i]
		before = after
		w := math.Log(math.Max(mass[i], 1e-300)) + logLikelihood(r)
		best = math.Max(best, w)
		m = append(m, node{distance / r, distance, w})
	}
	for i := range m {
		m[i].weight = math.Exp(m[i].weight - best)
		sum += m[i].weight
	}
	for i, q := range mass {
		m[i].weight = 0.8*m[i].weight/sum + 0.2*q/math.Max(total, 1e-300)
	}
	return m, step
}

// worthwhile drops nodes that no sum would notice.
func (m mixture) worthwhile() mixture {
	return slices.DeleteFunc(m, func(n node) bool { return n.weight <= 1e-7 })
}

// paced is the remaining life of a growth of which nothing else is known: what its pace
// gives, as uncertain as Gott's law, weighed by that pace. variance is that of the distance.
func paced(k Trend, distance, variance float64) (m mixture, step float64) {
	p := prior{age: distance / k.Slope, factor: 1}
	return weighed(p, distance, func(r float64) float64 { return pace(k, distance/r, variance/(distance*distance)) })
}

// pace is the log likelihood of the trend's slope when the mean slope from now on
// is the given one: normal with the trend's own variance, that of the way still to
// go (as a share of it, squared), and that of a pace that changes, 0.3 of the
// slope towards slower and the whole of it towards faster: damage accelerates.
func pace(k Trend, slope, way float64) float64 {
	change := 0.3
	if slope > k.Slope {
		change = 1
	}
	own, d := math.Max(0, k.P11), k.Slope-slope
	width := math.Sqrt(own+(way+0.09)*slope*slope) + math.Sqrt(own+(way+1)*slope*slope)
	return -0.5*d*d/math.Max(own+(way+change*change)*slope*slope, 1e-300) - math.Log(math.Max(width, 1e-150))
}

// worth is the probability if it says something: that growth at its present pace
// does not arrive in time is no evidence of health, so less than 0.1 is missing
// and the score speaks.
func worth(p float64) float64 {
	if p < 0.1 {
		return math.NaN()
	}
	return p
}

// logNormal is the log density of N(0, v) at d, without the constant.
func logNormal(d, v float64) float64 {
	v = math.Max(v, 1e-300)
	return -0.5 * (math.Log(v) + d*d/v)
}

// alongPaths is the log likelihood of the level at the share u of a life: the
// quantiles between the neighbouring path points as a two-sided normal.
func (l Growth) alongPaths(k Trend, u float64) float64 {
	q := pathAt(l.opt.Paths, u)
	sd := (q.P50 - q.P10) / normalP90
	if k.Level > q.P50 {
		sd = (q.P90 - q.P50) / normalP90
	}
	v := math.Max(sd*sd, 0.05*0.05) + k.P00
	return logNormal(k.Level-q.P50, v)
}

func pathAt(path []PathPoint, u float64) PathPoint {
	for i, b := range path {
		if u > b.Life {
			continue
		}
		if i == 0 || b.Life <= path[i-1].Life {
			return b
		}
		a := path[i-1]
		t := (u - a.Life) / (b.Life - a.Life)
		mix := func(p, q float64) float64 { return p + t*(q-p) }
		return PathPoint{u, mix(a.P10, b.P10), mix(a.P50, b.P50), mix(a.P90, b.P90)}
	}
	return path[len(path)-1]
}

// below is the probability of a time up to t on a grid of times that are step
// apart in ln t.
func (m mixture) below(t, step float64) float64 {
	var p float64
	for _, n := range m {
		share := (math.Log(t*n.slope/n.distance) + step/2) / step
		p += n.weight * math.Min(math.Max(share, 0), 1)
	}
	return math.Min(p, 1)
}

// at is the q-quantile on such a grid.
func (m mixture) at(q, step float64) float64 {
	var p float64
	for _, n := range m {
		if p+n.weight >= q && n.weight > 0 {
			return n.distance / n.slope * math.Exp(step*((q-p)/n.weight-0.5))
		}
		p += n.weight
	}
	return math.Inf(1)
}

// life is the remaining life on such a grid.
func (m mixture) life(step float64) asset.RUL {
	return tidy(m.at(0.1, step), m.at(0.5, step), m.at(0.9, step), m.below(asset.SoonH, step))
}

// normalP90 is how far P90 lies from the median of a normal distribution, in standard deviations.
const normalP90 = 1.2815515655446004
