package workorders

import (
	"math"
	"slices"

	"github.com/telltale-iot/telltale/asset"
)

// foundBy is the share of real faults that are taken to have failed by the end of
// the horizon where no remaining life is known (expert judgement).
const foundBy = 0.9

// tries is how many windows ahead a crew is followed that the weather turns back.
const tries = 60

// knot is a point of a distribution function: by t hours, with probability p.
type knot struct{ t, p float64 }

// lifeCurve is the distribution of the time to failure in hours: that of a real
// fault, and how probable it is that the fault is real. A fault that is not real
// leads to no failure.
type lifeCurve struct {
	knots  []knot  // rises in t and p, from (0, 0)
	hazard float64 // per hour, beyond the last knot
	real   float64
}

// newLife interpolates the quantiles of the remaining life, with the chance of a
// failure within asset.SoonH between them. Beyond the last quantile the mean
// hazard up to it goes on, but a quantile that is missing lies beyond the horizon.
// The fault is as probably real as makes the risk come true: risk = real · F(horizon).
func newLife(r asset.RUL, risk asset.Number, horizonH float64) lifeCurve {
	l := lifeCurve{knots: []knot{{}}, real: 1}
	for _, q := range []struct {
		t asset.Number
		p float64
	}{{r.P10, 0.1}, {r.P50, 0.5}, {r.P90, 0.9}} {
		if t := float64(q.t); q.t.Known() && !math.IsInf(t, 0) && t >= l.last().t {
			l.knots = append(l.knots, knot{t, q.p})
		}
	}
	bounded := horizonH > 0 && !math.IsInf(horizonH, 0)
	switch last := l.last(); {
	case len(l.knots) == 1 && bounded:
		l.hazard = -math.Log1p(-foundBy) / horizonH
	case len(l.knots) > 1:
		l.insertSoon(r.Soon)
		l.hazard = -math.Log1p(-last.p) / max(last.t, 1e-3)
		if next := min(last.p+0.4, 0.9); next > last.p {
			l.hazard = min(l.hazard, beyond(last, next, horizonH))
		}
	}
	if f := l.given(horizonH); risk.Known() && bounded && f > 0 {
		l.real = min(max(float64(risk), 0)/f, 1)
	}
	return l
}

// beyond is the hazard that brings a distribution from its last knot to probability
// next at the horizon; 0 where the horizon says nothing.
func beyond(last knot, next, horizonH float64) float64 {
	switch {
	case !(horizonH > 0) || math.IsInf(horizonH, 0):
		return 0
	case horizonH <= last.t:
		return math.Inf(1)
	}
	return math.Log((1-last.p)/(1-next)) / (horizonH - last.t)
}

func (l lifeCurve) last() knot { return l.knots[len(l.knots)-1] }

func (l *lifeCurve) insertSoon(soon asset.Number) {
	i := slices.IndexFunc(l.knots, func(k knot) bool { return k.t >= asset.SoonH })
	if !soon.Known() || i < 0 || l.knots[i].t == asset.SoonH {
		return
	}
	p := min(max(float64(soon), l.knots[i-1].p), l.knots[i].p)
	l.knots = slices.Insert(l.knots, i, knot{asset.SoonH, p})
}

// given is the probability of a failure within h hours, given that the fault is real.
func (l lifeCurve) given(h float64) float64 {
	if !(h > 0) {
		return 0
	}
	a := l.knots[0]
	for _, b := range l.knots[1:] {
		if h < b.t {
			return a.p + (b.p-a.p)*(h-a.t)/(b.t-a.t)
		}
		a = b
	}
	return 1 - (1-a.p)*math.Exp(-l.hazard*(h-a.t))
}

// tried is the probability, given a real fault, of a failure before work is done
// whose first try is at h hours: each try finds weather with probability q, else
// the next one comes every hours later.
func (l lifeCurve) tried(h, every, q float64) float64 {
	sum, left := 0.0, 1.0
	for range tries {
		sum += left * q * l.given(h)
		left *= 1 - q
		if left < 1e-6 {
			break
		}
		h += every
	}
	return sum + left*l.given(h)
}
