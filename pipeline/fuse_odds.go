package pipeline

import (
	"math"
	"slices"
	"sort"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

// witness is a source that has something to say at this instant.
type witness struct {
	opinion int // index of what it said
	at      int // index in the verdict's sources
	view    asset.View
	group   asset.Group
	mode    asset.Mode // that it names first
	l       float64    // log likelihood ratio, capped, aged and trusted
	weight  float64    // of a leading one: how far it moved the log odds
}

// verdictOdds is what the witnesses come to.
type verdictOdds struct {
	total   float64 // log likelihood ratio of all views
	llr     asset.ViewLLR
	leading []witness // those that moved the odds, by view and opinion
}

// views in the order in which they are summed.
var views = []asset.View{asset.Learned, asset.Derived, asset.Ruled}

// odds adds up what the views bring; the witness of index without is not heard.
//
// Within a group of signals sources are correlated, so the strongest speaks for it.
// The groups of a view that argue for a failure add up, each with its weight. A source
// that reads several groups is correlated with each of them: it speaks for all or not
// at all. That a group sees nothing says little about what another one sees, so what
// argues against a failure counts where no group of its view argues for one, and the
// least of it. Each view is capped.
func (o *FusionOptions) odds(witnesses []witness, without int) verdictOdds {
	out := verdictOdds{llr: asset.NoLLR()}
	for _, view := range views {
		leads, sum := o.view(witnesses, view, without)
		if len(leads) == 0 {
			continue
		}
		l := capped(sum, o.limit(view))
		for _, w := range leads {
			if sum != 0 {
				w.weight *= l / sum
			}
			out.leading = append(out.leading, w)
		}
		out.total += l
		switch view {
		case asset.Learned:
			out.llr.ML = asset.Number(l)
		case asset.Derived:
			out.llr.Physics = asset.Number(l)
		default:
			out.llr.Rule = asset.Number(l)
		}
	}
	return out
}

// view finds who leads in a view, and their weighted sum.
func (o *FusionOptions) view(witnesses []witness, view asset.View, without int) (leads []witness, sum float64) {
	best := map[asset.Group]int{}
	var order []asset.Group // as met, so that sums have an order
	top := -1
	for i, w := range witnesses {
		if w.view != view || i == without {
			continue
		}
		at, met := best[w.group]
		if !met {
			order = append(order, w.group)
		}
		if !met || w.l > witnesses[at].l {
			best[w.group] = i
		}
		if top < 0 || o.calms(w, witnesses[top]) {
			top = i
		}
	}
	if top < 0 {
		return nil, 0
	}
	lead := func(i int) witness {
		w := witnesses[i]
		w.weight = o.weight(w.group) * w.l
		return w
	}
	for _, g := range order {
		if w := lead(best[g]); !alone(g) && w.weight > 0 {
			leads, sum = append(leads, w), sum+w.weight
		}
	}
	for _, g := range order {
		if w := lead(best[g]); alone(g) && w.weight > sum {
			leads, sum = []witness{w}, w.weight
		}
	}
	if len(leads) == 0 { // nobody argues for a failure
		w := lead(top)
		return []witness{w}, w.weight
	}
	return leads, sum
}

// calms reports whether w stands for its view before v where nobody argues for a failure:
// the one that argues the least against it does, but a short age before any condition
// that was looked at never.
func (o *FusionOptions) calms(w, v witness) bool {
	if aged := w.group == asset.GroupUsage; aged != (v.group == asset.GroupUsage) {
		return !aged
	}
	return o.weight(w.group)*w.l > o.weight(v.group)*v.l
}

// alone reports whether a group is correlated with each other one, so that it speaks for
// all or not at all: what reads several groups, and the life that is used up, since that
// is an age, which every forecast of a condition has weighed already.
func alone(g asset.Group) bool { return g == asset.GroupMixed || g == asset.GroupUsage }

// posterior is the probability of a failure within the horizon.
func (o *FusionOptions) posterior(witnesses []witness, without int) float64 {
	if !o.Modes {
		return posterior(o.Prior, []float64{o.Curve.At(o.odds(witnesses, without).total)})
	}
	byMode := map[asset.Mode][]witness{}
	for i, w := range witnesses {
		if i != without {
			byMode[w.mode] = append(byMode[w.mode], w)
		}
	}
	if len(byMode) == 0 {
		return o.Prior
	}
	// The prior is shared out so that it comes out again where nobody says anything.
	prior := 1 - math.Pow(1-o.Prior, 1/float64(len(byMode)))
	var p []float64
	for _, m := range sortedModes(byMode) {
		p = append(p, posterior(prior, []float64{o.Curve.At(o.odds(byMode[m], -1).total)}))
	}
	return noisyOr(o.Leak, p)
}

func sortedModes[T any](by map[asset.Mode]T) []asset.Mode {
	out := make([]asset.Mode, 0, len(by))
	for m := range by {
		out = append(out, m)
	}
	slices.Sort(out)
	return out
}

// noisyOr is 1 − (1 − leak)·Π(1 − pᵢ): the probability of at least one of several
// independent failures (Pearl 1988, Probabilistic Reasoning, 4.3.2).
func noisyOr(leak float64, p []float64) float64 {
	none := 1 - leak
	for _, pi := range p {
		none *= 1 - pi
	}
	return 1 - none
}

// logLR is the log likelihood ratio of "fails within the horizon" that an
// opinion carries now: the change of log odds for a physical probability, and
// otherwise the e-value of a p-value (Vovk & Wang 2021, Ann. Stat. 49:1736). A score
// that has a limit alone has the p-value of a normal one whose limit is three standard
// deviations away: log ½ at 0, +2.3 at the limit.
func (o *FusionOptions) logLR(a *opinion, now time.Time) (float64, bool) {
	var l float64
	switch {
	case a.FailP.Known():
		p := math.Min(math.Max(float64(a.FailP), 1e-9), 1-1e-9)
		l = logit(p) - logit(o.Prior)
	case a.P.Known():
		l = eValue(float64(a.P))
	case a.Score.Known() && a.Limit.Known() && a.Limit > 0:
		l = eValue(math.Erfc(usualSpreads / math.Sqrt2 * math.Max(float64(a.Score/a.Limit), 0)))
	default:
		return 0, false
	}
	return aged(capped(l, o.limit(a.View)), now.Sub(a.Time).Hours(), o.halfLife(a.Group)) * math.Min(a.Trust, 1), true
}

// usualSpreads is where a limit stands, in standard deviations from what is usual.
const usualSpreads = 3

// eValue is the logarithm of ½·p^(−½), by how much a p-value argues against chance.
func eValue(p float64) float64 { return math.Log(0.5) - 0.5*math.Log(math.Max(p, 1e-12)) }

func logit(p float64) float64 { return math.Log(p / (1 - p)) }

// posterior adds log likelihood ratios to the prior's log odds.
func posterior(prior float64, lrs []float64) float64 {
	l := logit(prior)
	for _, lr := range lrs {
		l += lr
	}
	return 1 / (1 + math.Exp(-l))
}

// capped bounds how much one view may say.
func capped(l, limit float64) float64 { return math.Min(math.Max(l, -limit), limit) }

// aged halves a log likelihood ratio with every half life.
func aged(l, ageH, halfLifeH float64) float64 { return l * math.Exp2(-ageH/halfLifeH) }

// Curve maps a summed log likelihood ratio to one that history bears out: it rises,
// is linear between its knots and constant outside. Empty: as it is.
type Curve struct {
	X []float64 `json:"x"` // rising
	Y []float64 `json:"y"`
}

// At is the calibrated log likelihood ratio.
func (c Curve) At(l float64) float64 {
	n := len(c.X)
	if n == 0 || len(c.Y) != n {
		return l
	}
	i := sort.SearchFloat64s(c.X, l)
	switch {
	case i == 0:
		return c.Y[0]
	case i == n:
		return c.Y[n-1]
	case c.X[i] == c.X[i-1]:
		return c.Y[i]
	}
	return c.Y[i-1] + (c.Y[i]-c.Y[i-1])*(l-c.X[i-1])/(c.X[i]-c.X[i-1])
}
