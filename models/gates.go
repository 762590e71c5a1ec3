package models

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

// Failed says whether a missing score is the model's own fault: it failed, or
// answered with no number. A score that is missing for want of inputs is not.
func Failed(why asset.Reason) bool { return why == reasonFailed || why == reasonOutput }

// GateVerdict is what a gate says.
type GateVerdict string

// The verdicts of a gate. What cannot be told yet does not pass.
const (
	GatePass    GateVerdict = "pass"
	GateFail    GateVerdict = "fail"
	GateUnknown GateVerdict = "unknown"
)

// Gate is one condition on a candidate.
type Gate struct {
	Name    string       `json:"name"`
	Value   asset.Number `json:"value"`
	Limit   asset.Number `json:"limit"`
	Verdict GateVerdict  `json:"verdict"`
	Text    string       `json:"text"`
}

// GateOptions are the limits of the gates; zero means the default.
type GateOptions struct {
	Days       float64       // of event time on which both versions scored; default 14
	Least      int           // scores of both on one sequence; default 500
	LeastAlarm int           // asset-days with an alarm of either; default 10
	Rate       float64       // by how much the alarm rate may differ; default 0.2
	KS         float64       // between the p-values of both; default 0.1
	MaxFailed  float64       // share of failed answers; default 0
	MaxMissing float64       // share of missing answers above the old version's; default 0.01
	P99        time.Duration // of one answer; default 50 ms
}

func (o GateOptions) withDefaults() GateOptions {
	o.Days, o.Least, o.LeastAlarm = cmp.Or(o.Days, 14), cmp.Or(o.Least, 500), cmp.Or(o.LeastAlarm, 10)
	o.Rate, o.KS = cmp.Or(o.Rate, 0.2), cmp.Or(o.KS, 0.1)
	o.MaxMissing, o.P99 = cmp.Or(o.MaxMissing, 0.01), cmp.Or(o.P99, 50*time.Millisecond)
	return o
}

// Trial is what is known of a candidate beside the version in production.
type Trial struct {
	Old, New []asset.Score // both in order of time
	P99      time.Duration // measured, of one answer of the candidate; 0 means that it was not
	Replay   *Replay       // on labelled episodes; nil means that there was none
}

// GateReport is what the gates say of a candidate.
type GateReport struct {
	Old    string       `json:"old"`
	New    string       `json:"new"`
	From   time.Time    `json:"from"` // of the scores compared
	To     time.Time    `json:"to"`
	Rank   asset.Number `json:"rank_correlation"` // of the scores; two models need not agree on their scale
	Gates  []Gate       `json:"gates"`
	Passed bool         `json:"passed"` // none failed and none is unknown
}

// Judge holds a candidate against every gate. Answers count where both versions
// had one for the same asset, component and instant.
func Judge(t Trial, opt GateOptions) GateReport {
	opt = opt.withDefaults()
	pairs := pair(t.Old, t.New)
	r := GateReport{Rank: asset.Missing()}
	if len(pairs) > 0 {
		r.Old, r.New, r.From, r.To = pairs[0].old.Model, pairs[0].new.Model, pairs[0].old.Time, pairs[len(pairs)-1].old.Time
		r.Rank = asset.Number(rankCorrelation(pairs))
	}
	r.Gates = []Gate{
		gateDays(pairs, opt), gateCount(pairs, opt), gateFailed(pairs, opt), gateMissing(pairs, opt),
		gateKS(pairs, opt), gateRate(pairs, opt), gateP99(t.P99, opt),
	}
	switch {
	case t.Replay == nil:
		r.Gates = append(r.Gates, Gate{
			Name: "replay", Value: asset.Missing(), Limit: asset.Missing(), Verdict: GateUnknown,
			Text: "no replay on labelled episodes: nothing shows that the candidate still finds faults",
		})
	case len(pairs) > 0 && (t.Replay.Old.Digest != pairs[0].old.Digest || t.Replay.New.Digest != pairs[0].new.Digest):
		r.Gates = append(r.Gates, Gate{
			Name: "replay", Value: asset.Missing(), Limit: asset.Missing(), Verdict: GateUnknown,
			Text: fmt.Sprintf("the replay compared %s with %s, not these two versions", t.Replay.Old.Model, t.Replay.New.Model),
		})
	default:
		r.Gates = append(r.Gates, t.Replay.Gates...)
	}
	r.Passed = Passed(r.Gates)
	return r
}

// Passed says whether every gate does.
func Passed(gates []Gate) bool {
	return len(gates) > 0 && !slices.ContainsFunc(gates, func(g Gate) bool { return g.Verdict != GatePass })
}

// paired are the answers of both versions to one sequence.
type paired struct{ old, new *asset.Score }

// pair joins the answers of two versions.
func pair(before, after []asset.Score) []paired {
	type key struct {
		at        int64
		id        asset.ID
		component string
	}
	index := make(map[key]*asset.Score, len(before))
	for i := range before {
		s := &before[i]
		index[key{s.Time.UnixNano(), s.Asset, s.Component}] = s
	}
	var out []paired
	for i := range after {
		s := &after[i]
		if old := index[key{s.Time.UnixNano(), s.Asset, s.Component}]; old != nil {
			out = append(out, paired{old, s})
		}
	}
	return out
}

// gateDays counts days of event time on which both scored: a hole does not count.
func gateDays(pairs []paired, o GateOptions) Gate {
	days := map[int64]bool{}
	for _, p := range pairs {
		days[int64(p.old.Time.Sub(pairs[0].old.Time)/(24*time.Hour))] = true
	}
	g := Gate{Name: "time", Value: asset.Number(len(days)), Limit: asset.Number(o.Days), Verdict: GateUnknown}
	if float64(len(days)) >= o.Days {
		g.Verdict = GatePass
	}
	g.Text = fmt.Sprintf("both versions scored on %d days, %g are needed", len(days), o.Days)
	return g
}

func gateCount(pairs []paired, o GateOptions) Gate {
	n := len(scored(pairs))
	g := Gate{Name: "scores", Value: asset.Number(n), Limit: asset.Number(o.Least), Verdict: GateUnknown}
	if n >= o.Least {
		g.Verdict = GatePass
	}
	g.Text = fmt.Sprintf("both versions have a score for %d sequences, %d are needed", n, o.Least)
	return g
}

// scored are the pairs in which both versions have a score.
func scored(pairs []paired) []paired {
	return slices.DeleteFunc(slices.Clone(pairs), func(p paired) bool { return !p.old.Score.Known() || !p.new.Score.Known() })
}

func gateFailed(pairs []paired, o GateOptions) Gate {
	failed := 0
	for _, p := range pairs {
		if Failed(p.new.Reason) {
			failed++
		}
	}
	g := Gate{Name: "failed", Value: asset.Missing(), Limit: asset.Number(o.MaxFailed), Verdict: GateUnknown, Text: "no answer of both versions to the same sequence"}
	if n := len(pairs); n > 0 {
		g.Value, g.Verdict = asset.Number(float64(failed)/float64(n)), GatePass
		if float64(failed) > o.MaxFailed*float64(n) {
			g.Verdict = GateFail
		}
		g.Text = fmt.Sprintf("the candidate failed or gave no number %d times of %d", failed, n)
	}
	return g
}

func gateMissing(pairs []paired, o GateOptions) Gate {
	before, after := 0, 0
	for _, p := range pairs {
		if !p.old.Score.Known() {
			before++
		}
		if !p.new.Score.Known() {
			after++
		}
	}
	g := Gate{Name: "missing", Value: asset.Missing(), Limit: asset.Number(o.MaxMissing), Verdict: GateUnknown, Text: "no answer of both versions to the same sequence"}
	if n := float64(len(pairs)); n > 0 {
		more := float64(after-before) / n
		g.Value, g.Verdict = asset.Number(more), GatePass
		if more > o.MaxMissing {
			g.Verdict = GateFail
		}
		g.Text = fmt.Sprintf("the candidate has no score %d times of %d, the old version %d times", after, len(pairs), before)
	}
	return g
}

// gateKS compares the p-values: the scores of two models have two scales.
func gateKS(pairs []paired, o GateOptions) Gate {
	g := Gate{Name: "p-values", Value: asset.Missing(), Limit: asset.Number(o.KS), Verdict: GateUnknown}
	type series struct{ old, new []float64 }
	byPart := map[part]*series{}
	var order []*series // so that sums are the same every time
	var before, after []float64
	for _, p := range scored(pairs) {
		if !p.old.P.Known() || !p.new.P.Known() {
			continue
		}
		k := part{p.old.Asset, p.old.Component}
		if byPart[k] == nil {
			byPart[k] = &series{}
			order = append(order, byPart[k])
		}
		s := byPart[k]
		s.old, s.new = append(s.old, float64(p.old.P)), append(s.new, float64(p.new.P))
		before, after = append(before, float64(p.old.P)), append(after, float64(p.new.P))
	}
	nEff := 0.0
	for _, s := range order {
		nEff += min(EffectiveN(s.old), EffectiveN(s.new))
	}
	if nEff < 50 {
		g.Text = fmt.Sprintf("%d pairs of p-values are worth %.0f independent ones: at least 50 are needed to tell", len(before), nEff)
		return g
	}
	d := TwoSample(before, after)
	p := kolmogorov(d.KS, nEff, nEff)
	g.Value = asset.Number(d.KS)
	switch {
	case d.KS <= o.KS:
		g.Verdict = GatePass
	case p < 0.01:
		g.Verdict = GateFail
	}
	g.Text = fmt.Sprintf("the p-values of the versions are %.3f apart (KS, %.0f independent values, p = %.2g)", d.KS, nEff, p)
	return g
}

// part is one component of one asset.
type part struct {
	id        asset.ID
	component string
}

// gateRate compares the alarm rates as a ratio. Alarms of one asset on one day
// hang together, so such days are what is drawn: variance of a ratio of cluster
// sums (Cochran 1977, Sampling Techniques, 6.13). It passes where the 90 %
// interval lies within the limits (two one-sided tests at 5 %: Schuirmann 1987,
// J. Pharmacokin. Biopharm. 15:657), and fails where it lies outside.
func gateRate(pairs []paired, o GateOptions) Gate {
	type day struct {
		part
		n int64
	}
	type sums struct{ old, new float64 }
	days := map[day]*sums{}
	var order []*sums
	both := scored(pairs)
	var before, after float64
	for _, p := range both {
		if !p.old.Abnormal && !p.new.Abnormal {
			continue
		}
		k := day{part{p.old.Asset, p.old.Component}, p.old.Time.Unix() / 86400}
		if days[k] == nil {
			days[k] = &sums{}
			order = append(order, days[k])
		}
		if p.old.Abnormal {
			days[k].old++
			before++
		}
		if p.new.Abnormal {
			days[k].new++
			after++
		}
	}
	g := Gate{Name: "alarm-rate", Value: asset.Missing(), Limit: asset.Number(o.Rate), Verdict: GateUnknown}
	if len(days) < o.LeastAlarm || before == 0 {
		g.Text = fmt.Sprintf("not enough to tell: %d asset-days with an alarm of either version (%g and %g alarms in %d scores), %d are needed",
			len(days), before, after, len(both), o.LeastAlarm)
		return g
	}
	ratio := after / before
	spread := 0.0
	for _, s := range order {
		d := s.new - ratio*s.old
		spread += d * d
	}
	n := float64(len(days))
	half := 1.645 * math.Sqrt(spread*n/(n-1)) / before
	g.Value = asset.Number(ratio - 1)
	switch low, high := ratio-half, ratio+half; {
	case low >= 1-o.Rate && high <= 1+o.Rate:
		g.Verdict = GatePass
	case high < 1-o.Rate || low > 1+o.Rate:
		g.Verdict = GateFail
	}
	g.Text = fmt.Sprintf("the candidate's alarm rate is %.2f of the old version's, 90 %% within %.2f and %.2f (%g and %g alarms in %d scores)",
		ratio, math.Max(0, ratio-half), ratio+half, after, before, len(both))
	if g.Verdict == GateUnknown {
		g.Text = "not enough to tell: " + g.Text
	}
	return g
}

func gateP99(p99 time.Duration, o GateOptions) Gate {
	g := Gate{Name: "p99", Value: asset.Missing(), Limit: asset.Number(o.P99.Seconds()), Verdict: GateUnknown, Text: "the time of an answer was not measured"}
	if p99 > 0 {
		g.Value, g.Verdict = asset.Number(p99.Seconds()), GatePass
		if p99 > o.P99 {
			g.Verdict = GateFail
		}
		g.Text = fmt.Sprintf("99 %% of the answers take at most %v, %v are allowed", p99.Round(time.Microsecond), o.P99)
	}
	return g
}

// rankCorrelation is Spearman's ρ of the scores (1904): Pearson's of their ranks,
// where ties share the mean rank.
func rankCorrelation(pairs []paired) float64 {
	both := scored(pairs)
	a, b := make([]float64, len(both)), make([]float64, len(both))
	for i, p := range both {
		a[i], b[i] = float64(p.old.Score), float64(p.new.Score)
	}
	a, b = ranks(a), ranks(b)
	ma, sa := moments(a)
	mb, sb := moments(b)
	sum := 0.0
	for i := range a {
		sum += (a[i] - ma) * (b[i] - mb) / float64(len(a))
	}
	if !(sa > 0) || !(sb > 0) {
		return math.NaN()
	}
	return sum / (sa * sb)
}

func ranks(x []float64) []float64 {
	order, out := sortedBy(x), make([]float64, len(x))
	for i := 0; i < len(order); {
		j := i
		for j < len(order) && x[order[j]] == x[order[i]] {
			j++
		}
		for _, k := range order[i:j] {
			out[k] = float64(i+j-1) / 2
		}
		i = j
	}
	return out
}
