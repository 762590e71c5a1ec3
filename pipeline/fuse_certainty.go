package pipeline

import (
	"math"

	"github.com/telltale-iot/telltale/asset"
)

// certainty says how far the verdict is to be believed. Its confidence is the product
// of completeness (the share of the component's sources that said something about the
// machine), validity (the mean trust of those, faded with age) and agreement (what is
// not in conflict).
func (f *fusion) certainty(r *asset.Risk, witnesses []witness, o verdictOdds) asset.Certainty {
	low, high := float64(r.Risk), float64(r.Risk)
	for _, w := range o.leading { // nobody else moves the odds
		for i := range witnesses {
			if witnesses[i].opinion == w.opinion {
				p := f.opt.posterior(witnesses, i)
				low, high = math.Min(low, p), math.Max(high, p)
			}
		}
	}
	asked := 0
	for _, c := range r.Sources {
		if c.Reason != reasonSensor {
			asked++
		}
	}
	var valid float64
	for _, w := range witnesses {
		s := &r.Sources[w.at]
		valid += math.Min(s.Trust, 1) * aged(1, s.AgeH, f.opt.halfLife(w.group)) / float64(len(witnesses))
	}
	k := conflict(o.llr)
	complete := float64(len(witnesses)) / float64(asked)
	return asset.Certainty{
		Low: asset.Number(low), High: asset.Number(high),
		Confidence: asset.Number(complete * math.Min(valid, 1) * (1 - k)), Conflict: asset.Number(k),
	}
}

// conflicting tells a person that the views contradict each other. It moves no odds.
func conflicting(k asset.Number) asset.Evidence {
	return asset.Evidence{
		Source: "fusion/conflict", Name: "conflict", Value: k, Limit: asset.ConflictLimit, Weight: 0,
		Text: "conflicting evidence: the views contradict each other, check both before work is done",
	}
}

// masses is what one source believes: fault, healthy, and what it leaves open
// (Shafer 1976, A Mathematical Theory of Evidence). They sum to 1.
type masses struct{ fault, healthy, open float64 }

// believed turns a log likelihood ratio λ into masses: |2·σ(λ) − 1| = tanh(|λ|/2) on
// the side that it argues for, which is 0 when it says nothing and near 1 when sure.
func believed(l float64) masses {
	m := math.Tanh(math.Abs(l) / 2)
	if l >= 0 {
		return masses{m, 0, 1 - m}
	}
	return masses{0, m, 1 - m}
}

// dempster combines two bodies of evidence (Dempster 1967, Ann. Math. Stat. 38:325).
// k is the mass on contradictions, which the rule shares out among the rest. At k = 1
// nothing is left to share it among: all is open then, and the caller sees the conflict.
func dempster(a, b masses) (m masses, k float64) {
	k = a.fault*b.healthy + a.healthy*b.fault
	if rest := 1 - k; rest > 1e-12 {
		m.fault = (a.fault*b.fault + a.fault*b.open + a.open*b.fault) / rest
		m.healthy = (a.healthy*b.healthy + a.healthy*b.open + a.open*b.healthy) / rest
		m.open = a.open * b.open / rest
		return m, k
	}
	return masses{open: 1}, 1
}

// conflict is the mass on contradictions between the views, over all combinations:
// 1 − Π(1 − k). It is a diagnosis only; no probability is renormalised by it.
func conflict(llr asset.ViewLLR) float64 {
	agreed := 1.0
	var all *masses
	for _, l := range llr.Views() {
		if !l.Known() {
			continue
		}
		m := believed(float64(l))
		if all == nil {
			all = &m
			continue
		}
		next, k := dempster(*all, m)
		all, agreed = &next, agreed*(1-k)
	}
	return 1 - agreed
}
