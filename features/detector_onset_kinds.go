package features

import (
	"cmp"
	"fmt"
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// onsetNames are the statistics as people call them.
var onsetNames = map[string]string{"ewma": "EWMA", "cusum": "CUSUM", "page-hinkley": "Page–Hinkley"}

// newStatistic makes one that alarms with probability p per value, or without a
// limit when nothing was learned.
func newStatistic(o DetectorOptions, l *LearnedArm, p float64) statistic {
	if o.Type == "spot" {
		t := &spotTail{floor: o.Limit}
		if l != nil && l.Tail != nil {
			if t.learned = *l.Tail; t.learned.Options.Q != p {
				t.learned.Options.Q = p
				t.learned.rate()
			}
			t.spot = t.learned
		}
		return t
	}
	limit, base := math.Inf(1), 0.0
	if l != nil && l.Peaks != nil {
		limit, base = math.Max(l.Peaks.Limit(p), normalLimit(o, p)-l.Base), l.Base
	}
	switch o.Type {
	case "ewma":
		return &meanShift{lambda: o.Smooth, limit: limit}
	case "cusum":
		return &sumShift{k: o.Drift, limit: limit}
	case "page-hinkley":
		return &pageShift{delta: o.Drift, limit: limit}
	}
	b, _ := NewBOCPD(BOCPDOptions{MaxRuns: maxRuns})
	return &regimeChange{posterior: b, recent: o.Recent, base: base, limit: limit}
}

// normalLimit is the limit that independent normal values ask for, and the configured
// floor: a span that is quieter than that is not believed.
func normalLimit(o DetectorOptions, p float64) float64 {
	switch o.Type {
	case "ewma":
		return math.Max(o.Limit, distuv.UnitNormal.Quantile(1-p)) // an upcrossing is rarer than what it is part of
	case "bocpd":
		return logit(cmp.Or(o.Limit, 0.5))
	}
	return math.Max(o.Limit, siegmundLimit(o.Drift, p))
}

// meanShift is an EWMA in standard deviations of its own.
type meanShift struct {
	mean          EWMA
	lambda, limit float64
}

func (m *meanShift) step(x float64, _ int64) (s, limit float64) {
	m.mean = m.mean.Step(x, m.lambda)
	return m.mean.Z / m.mean.Sigma(m.lambda), m.limit
}

func (m *meanShift) shown(s float64) float64 { return s }

func (m *meanShift) walk(c *codec) {
	c.f64(&m.mean.Z)
	c.f64(&m.mean.Left)
	c.int(&m.mean.N)
}

// sumShift is a CUSUM. It goes no further than twice its limit, so that it comes back
// in due time.
type sumShift struct{ up, k, limit float64 }

func (m *sumShift) step(x float64, _ int64) (s, limit float64) {
	m.up = math.Min(CUSUM{Up: m.up}.Step(x, m.k).Up, 2*m.limit)
	return m.up, m.limit
}

func (m *sumShift) shown(s float64) float64 { return s }

func (m *sumShift) walk(c *codec) { c.f64(&m.up) }

// pageShift is a Page–Hinkley test, which begins anew after an alarm and then takes
// the new level as the mean.
type pageShift struct {
	test         PageHinkley
	delta, limit float64
}

func (m *pageShift) step(x float64, _ int64) (s, limit float64) {
	o := PageHinkleyOptions{Delta: m.delta, Threshold: m.limit, Min: 30}
	if m.test, _ = m.test.Step(x, o); m.test.N < o.Min {
		return 0, m.limit
	}
	return m.test.Statistic(), m.limit
}

func (m *pageShift) shown(s float64) float64 { return s }

func (m *pageShift) walk(c *codec) {
	c.int(&m.test.N)
	c.f64(&m.test.Mean)
	c.f64(&m.test.Sum)
	c.f64(&m.test.Lowest)
	c.bool(&m.test.Alarm)
}

// maxRuns bounds the posterior of a regime change.
const maxRuns = 128

// regimeChange is the log odds of a change within the last values, over those of
// normal running.
type regimeChange struct {
	posterior   BOCPD
	recent      int
	n           int     // values seen
	times       []int64 // of the last recent ones, newest last
	base, limit float64
}

// logit is the log odds of a probability, within ±20.
func logit(p float64) float64 { return clamp(math.Log(p/(1-p)), 20) }

func (m *regimeChange) step(x float64, ns int64) (s, limit float64) {
	if m.posterior.Step(x) != "" {
		return math.NaN(), m.limit
	}
	if m.times = append(m.times, ns); len(m.times) > m.recent {
		m.times = m.times[:copy(m.times, m.times[1:])]
	}
	if m.n++; m.n <= 2*m.recent { // all it has seen is recent
		return math.NaN(), m.limit
	}
	return logit(m.posterior.RecentP(m.recent)) - m.base, m.limit
}

func (m *regimeChange) shown(s float64) float64 { return 1 / (1 + math.Exp(-s-m.base)) }

// began is the time of the first value of the most probable run.
func (m *regimeChange) began(ns int64) int64 {
	if r := m.posterior.RunLength(); r > 0 && r <= len(m.times) {
		return m.times[len(m.times)-r]
	}
	return ns
}

func (m *regimeChange) walk(c *codec) {
	b := &m.posterior
	n := c.length(len(b.Runs), 48)
	if c.reading {
		if n < 1 || n > maxRuns {
			c.err, c.buf = errCodec, nil
			return
		}
		b.Runs = make([]BOCPDRun, n)
	}
	for i := range b.Runs {
		r := &b.Runs[i]
		c.int(&r.Length)
		for _, v := range []*float64{&r.P, &r.Mu, &r.Kappa, &r.Alpha, &r.Beta} {
			c.f64(v)
		}
		if c.reading && (r.Length < 0 || !(r.P >= 0 && r.P <= 1) || !finite(r.Mu, r.Kappa, r.Alpha, r.Beta) || !(min(r.Kappa, r.Alpha, r.Beta) > 0)) {
			c.err = fmt.Errorf("%w: run %d", errCodec, i)
		}
	}
	c.int(&m.n)
	k := c.length(len(m.times), 8)
	if c.reading {
		m.times = make([]int64, min(k, m.recent))
	}
	for i := range m.times {
		c.i64(&m.times[i])
	}
}

// spotTail is the excess over the start of a tail.
type spotTail struct {
	spot    SPOT
	learned SPOT // as the span left it
	floor   float64
}

func (m *spotTail) step(x float64, _ int64) (s, limit float64) {
	if m.learned.N == 0 { // learning: the value itself
		return x, math.Inf(1)
	}
	limit = math.Max(m.spot.Limit, m.floor)
	m.spot.Step(x)
	return x - m.spot.Tail.T, limit - m.spot.Tail.T
}

func (m *spotTail) shown(s float64) float64 { return s + m.spot.Tail.T }

func (m *spotTail) walk(c *codec) {
	s := &m.spot
	c.f64(&s.Tail.Share)
	c.f64(&s.Limit)
	c.int(&s.N)
	c.int(&s.Clusters)
	c.bool(&s.Open)
	c.f64(&s.Largest)
	c.int(&s.Below)
	c.bool(&s.Alarmed)
}
