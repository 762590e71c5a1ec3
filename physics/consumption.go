package physics

import (
	"math"

	"github.com/telltale-iot/telltale/asset"
)

// consumption is the part of a law's state that tells how much of a life is used,
// and how fast of late: mean rates over blocks of equal length, the newest
// recentBlocks of them. Blocks hold the mix of operating points, so the future is
// drawn from the load that this machine has seen.
type consumption []float64

// A consumption's numbers; the ring of block rates follows.
const (
	usedTotal  = iota // share of the life
	usedHours         // hours counted
	usedGap           // hours not counted
	usedSum           // used in the block under way
	usedSpan          // hours of it
	usedBlocks        // blocks that ended
	usedRing
)

const (
	recentBlocks = 64
	usedSize     = usedRing + recentBlocks
)

// add counts a share of the life used over the hours.
func (c consumption) add(used, hours, blockH float64) {
	c[usedTotal] += used
	c[usedHours] += hours
	c[usedSum] += used
	if c[usedSpan] += hours; c[usedSpan] >= blockH && c[usedSpan] > 0 {
		c[usedRing+int(math.Mod(c[usedBlocks], recentBlocks))] = c[usedSum] / c[usedSpan]
		c[usedBlocks]++
		c[usedSum], c[usedSpan] = 0, 0
	}
}

// skip notes hours that nobody saw.
func (c consumption) skip(hours float64) { c[usedGap] += hours }

// counted is the share of the time that was seen; 1 before any passed.
func (c consumption) counted() float64 {
	if all := c[usedHours] + c[usedGap]; all > 0 {
		return c[usedHours] / all
	}
	return 1
}

// rate is the mean of the recent blocks per hour, the variance of one block, and how
// many independent ones they are worth (Bayley & Hammersley 1946, lag 1). Half of
// the mean, with the weight of two blocks, stands for a spread that was not seen yet.
func (c consumption) rate() (mean, variance, n float64) {
	k := int(math.Min(c[usedBlocks], recentBlocks))
	if k == 0 {
		if c[usedSpan] <= 0 {
			return 0, 0, 1
		}
		mean = c[usedSum] / c[usedSpan]
		return mean, mean * mean / 4, 1
	}
	first := int(c[usedBlocks]) - k
	at := func(i int) float64 { return c[usedRing+(first+i)%recentBlocks] }
	for i := range k {
		mean += at(i) / float64(k)
	}
	var s, s1 float64
	for i := range k {
		d := at(i) - mean
		s += d * d
		if i > 0 {
			s1 += d * (at(i-1) - mean)
		}
	}
	n = float64(k)
	variance = (s + 2*mean*mean/4) / (n + 1)
	if s > 0 {
		rho := math.Min(math.Max(s1/s, 0), 0.95)
		n = math.Max(1, n*(1-rho)/(1+rho))
	}
	return mean, variance, n
}

// limitNodes are points of equal probability of the life at failure.
const limitNodes = 15

// remaining is the time to failure. The share sure is known to be used; what is left
// beside it is log-normal around 1−sure with standard deviation sd of its logarithm,
// and the part lives. What it uses in t hours is a sum of many blocks, N(μt,
// (σ²/n)·t² + σ²·b·t); it never shrinks, so P(T ≤ t) is the chance that the sum has
// reached what is left.
func (c consumption) remaining(o spending) (rul asset.RUL, failP float64) {
	mu, variance, n := c.rate()
	if !(mu > 0) {
		return asset.NoRUL(), math.NaN()
	}
	var left [limitNodes]float64
	all, used := math.Max(1-o.sure, 0), math.Max(c[usedTotal]-o.sure, 0)
	alive := 0.0
	if all > 0 {
		alive = 0.5 * math.Erfc(math.Log(math.Max(used/all, 1e-300))/o.scatter/math.Sqrt2)
	}
	for i := range left {
		q := alive * (1 - (float64(i)+0.5)/limitNodes) // upper tail
		if z := math.Sqrt2 * math.Erfcinv(2*q); q > 1e-300 && !math.IsInf(z, 0) {
			left[i] = math.Max(0, all*math.Exp(o.scatter*z)-used)
		}
	}
	cdf := func(t float64) float64 {
		var p float64
		w := math.Sqrt(variance/n*t*t + variance*o.blockH*t)
		for _, d := range left {
			if d <= 0 {
				p++
			} else {
				p += normalCDF((mu*t - d) / math.Max(w, 1e-300))
			}
		}
		return p / limitNodes
	}
	at := func(p float64) float64 { return reached(cdf, p) }
	return tidy(at(0.1), at(0.5), at(0.9), cdf(asset.SoonH)), cdf(o.horizonH)
}

// reached is when a distribution of hours comes to p, by bisection in ln t to 1e-4;
// +Inf beyond maxRULH.
func reached(cdf func(h float64) float64, p float64) float64 {
	lo, hi := 1e-6, 2.0*maxRULH
	if cdf(lo) >= p {
		return lo
	}
	if cdf(hi) < p {
		return math.Inf(1)
	}
	for hi > 1.0001*lo {
		if mid := math.Sqrt(lo * hi); cdf(mid) >= p {
			hi = mid
		} else {
			lo = mid
		}
	}
	return math.Sqrt(lo * hi)
}

// spending is what a law says of the life that it adds up.
type spending struct {
	sure     float64 // share that was measured rather than calculated
	scatter  float64 // standard deviation of the logarithm of the rest
	blockH   float64
	horizonH float64
	limit    float64
	declared bool // the life is known, not a default
}

// assess says what a consumed life means: the score is the share used, and only
// beyond the limit, where the law speaks up, is there a probability of failure.
// Before, a used share is an age and no sign of a fault; and of a life that was only
// assumed it is never more than that.
func (c consumption) assess(a *asset.Assessment, o spending) {
	a.Score, a.Limit = number(c[usedTotal]), asset.Number(o.limit)
	a.Abnormal = o.declared && c[usedTotal] >= o.limit
	rul, failP := c.remaining(o)
	a.RUL = rul
	if a.Abnormal {
		a.FailP = number(failP)
	}
	a.Trust = 0.2
	if o.declared {
		a.Trust = 0.6
	}
	a.Trust *= math.Max(0.1, c.counted())
}

// quantities names a consumption for people.
func (c consumption) quantities() []Quantity {
	mean, _, _ := c.rate()
	return []Quantity{
		{"life used", number(c[usedTotal]), "1"},
		{"hours counted", number(c[usedHours]), "h"},
		{"hours not counted", number(c[usedGap]), "h"},
		{"life used in a year at the recent rate", number(mean * 8766), "1"},
	}
}

// tenth is the used share at which a tenth of such parts has failed.
func tenth(scatter float64) float64 { return math.Exp(-normalP90 * scatter) }
