package pipeline

import (
	"math"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

// remaining pools the remaining lives that trusted sources forecast. The soonest
// forecast stands for the failure to come; forecasts whose span from P10 to P90 meets
// its span are about the same failure and are pooled with it. One that begins after it
// has ended speaks of another, later end (competing risks): it changes nothing. Once
// degradation is visible its age is one more forecast, beside which only those that
// earlier lives taught need no other, and the life that is used up, an age of the healthy
// part, is none.
func (f *fusion) remaining(now time.Time) asset.RUL {
	var all []forecast
	visible := !f.seen.Since.IsZero()
	for i := range f.opinions {
		o := &f.opinions[i]
		if o.Trust <= 0 || f.stale(o, now) || isSensor(o.Assessment) || !o.RUL.P50.Known() || visible && o.Group == asset.GroupUsage {
			continue
		}
		all = append(all, forecast{o.RUL, math.Min(o.Trust, 1) * aged(1, now.Sub(o.Time).Hours(), f.opt.halfLife(o.Group))})
	}
	if visible && (len(all) == 0 || !f.opt.LivesSeen) {
		all = append(all, forecast{f.seen.remaining(now, f.opt.HalfLifeH, f.opt.HorizonH), ageTrust})
	}
	if len(all) == 0 {
		return asset.NoRUL()
	}
	soonest := 0
	for i, c := range all {
		if c.rul.P50 < all[soonest].rul.P50 {
			soonest = i
		}
	}
	var same []forecast
	for _, c := range all {
		if c.meets(all[soonest]) {
			same = append(same, c)
		}
	}
	return pool(same, all[soonest].rul)
}

// ageTrust is how far a remaining life that follows from an age alone is believed, as a
// growth law believes its own.
const ageTrust = 0.3

// forecast is one source's remaining life, and how far it is believed.
type forecast struct {
	rul    asset.RUL
	weight float64
}

// meets reports whether two spans overlap. Where P10 is missing a span begins now,
// where P90 is missing it has no end.
func (a forecast) meets(b forecast) bool {
	from := func(r asset.RUL) float64 {
		if r.P10.Known() {
			return float64(r.P10)
		}
		return 0
	}
	to := func(r asset.RUL) float64 {
		if r.P90.Known() {
			return float64(r.P90)
		}
		return math.Inf(1)
	}
	return from(a.rul) <= to(b.rul) && from(b.rul) <= to(a.rul)
}

// pool is the linear opinion pool by its moments (Genest & Zidek 1986, Stat. Sci. 1:114):
// the weighted mean of the medians, and on each side a width that holds the spread
// within the forecasts and between them, so that disagreement widens it. P90 stays
// missing when half of the weight sees it beyond the horizon. What lead has beside is
// kept.
func pool(of []forecast, lead asset.RUL) asset.RUL {
	if len(of) == 1 {
		return of[0].rul
	}
	var total, mean float64
	for _, c := range of {
		total += c.weight
	}
	for _, c := range of {
		mean += c.weight / total * float64(c.rul.P50)
	}
	low, below := side(of, total, mean, func(r asset.RUL) asset.Number { return r.P10 })
	high, above := side(of, total, mean, func(r asset.RUL) asset.Number { return r.P90 })
	out := lead
	out.P10, out.P50, out.P90 = asset.Missing(), asset.Number(mean), asset.Missing()
	if below > 0 {
		out.P10 = asset.Number(math.Max(mean-low, 0))
	}
	if above > 0.5 {
		out.P90 = asset.Number(mean + high)
	}
	var soon, weights []float64
	for _, c := range of {
		if c.rul.Soon.Known() {
			soon, weights = append(soon, float64(c.rul.Soon)), append(weights, c.weight)
		}
	}
	if len(soon) > 0 {
		out.Soon = asset.Number(logPool(soon, weights))
	}
	return out
}

// logPool is the logarithmic opinion pool of probabilities of one event: the weighted
// mean of their log odds (Genest & Zidek 1986).
func logPool(p, weights []float64) float64 {
	var sum, total float64
	for i, w := range weights {
		sum += w * logit(math.Min(math.Max(p[i], 1e-9), 1-1e-9))
		total += w
	}
	return 1 / (1 + math.Exp(-sum/total))
}

// p90Sd is the distance of P90 from the median of a normal distribution, in standard deviations.
const p90Sd = 1.2815515655446004

// side is the pooled width from the mean to one quantile, and the share of the weight
// that knows it.
func side(of []forecast, total, mean float64, quantile func(asset.RUL) asset.Number) (width, known float64) {
	var within, between float64
	for _, c := range of {
		w := c.weight / total
		m := float64(c.rul.P50)
		between += w * (m - mean) * (m - mean)
		if q := quantile(c.rul); q.Known() {
			d := float64(q) - m
			within, known = within+w*d*d, known+w
		}
	}
	if known > 0 {
		within /= known
	}
	return math.Sqrt(within + p90Sd*p90Sd*between), known
}
