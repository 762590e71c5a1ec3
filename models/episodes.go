package models

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

// Episode is a labelled span of an asset: a fault, which ends with the failure or
// with the label, or health.
type Episode struct {
	Asset     asset.ID   `json:"asset"`
	Component string     `json:"component,omitempty"`
	From      time.Time  `json:"from"`
	To        time.Time  `json:"to"`
	Fault     bool       `json:"fault"`
	Mode      asset.Mode `json:"mode,omitempty"`
}

// ReplayOptions says when scores make an alarm and what counts as worse.
type ReplayOptions struct {
	M, N      int     // abnormal scores of the last so many; default 4 of 6
	Detection float64 // share of the episodes that may be lost; default 0.05
	Lead      float64 // share of the lead that may be lost; default 0.1
	Alarms    float64 // share of alarms on healthy machines that may be added; default 0.2
	Least     int     // episodes of faults; default 5
	Resamples int     // of the bootstrap; default 10,000
	Seed      uint64  // of the bootstrap; default 1
}

func (o ReplayOptions) withDefaults() ReplayOptions {
	if o.M <= 0 || o.N < o.M {
		o.M, o.N = 4, 6
	}
	o.Detection, o.Lead, o.Alarms = cmp.Or(o.Detection, 0.05), cmp.Or(o.Lead, 0.1), cmp.Or(o.Alarms, 0.2)
	o.Least, o.Resamples, o.Seed = cmp.Or(o.Least, 5), cmp.Or(o.Resamples, 10_000), cmp.Or(o.Seed, 1)
	return o
}

// Replay is how two versions did on the same labelled episodes.
type Replay struct {
	Digest   string          `json:"episodes_sha256"` // of the folder that holds the episodes
	Rule     string          `json:"rule"`            // 4 of 6
	Old      ReplaySide      `json:"old"`
	New      ReplaySide      `json:"new"`
	Episodes []ReplayEpisode `json:"episodes"` // of faults
	Gates    []Gate          `json:"gates"`
	Passed   bool            `json:"passed"`
}

// ReplaySide is how one version did.
type ReplaySide struct {
	Model    string       `json:"model"`
	Digest   string       `json:"digest"`
	Scores   int          `json:"scores"`
	Detected int          `json:"detected"`
	LeadH    asset.Number `json:"median_lead_h"` // of the episodes that it detects
	Alarms   int          `json:"alarms"`        // on healthy machines; one that stays counts again each day
	Rate     asset.Number `json:"alarms_per_asset_month"`
}

// ReplayEpisode is how both versions did on one fault.
type ReplayEpisode struct {
	Episode
	Old Detection `json:"old"`
	New Detection `json:"new"`
}

// Detection is an alarm within an episode and the time from it to the end.
type Detection struct {
	Detected bool    `json:"detected"`
	LeadH    float64 `json:"lead_h"` // 0 where it is not detected
}

// monthH is a month of 30 days.
const monthH = 30 * 24

// CompareReplay holds the scores of two versions on the same sequences against
// the labels. Both are in order of time.
func CompareReplay(episodes []Episode, before, after []asset.Score, opt ReplayOptions) Replay {
	opt = opt.withDefaults()
	r := Replay{Rule: fmt.Sprintf("%d of %d", opt.M, opt.N)}
	old, candidate := byPart(before), byPart(after)
	r.Old, r.New = sideOf(before), sideOf(after)
	var leadOld, leadNew []float64
	hours := 0.0
	for _, e := range episodes {
		k := part{e.Asset, e.Component}
		a, b := opt.alarms(within(old[k], e.From.Add(-1), e.To)), opt.alarms(within(candidate[k], e.From.Add(-1), e.To))
		if !e.Fault {
			hours += e.To.Sub(e.From).Hours()
			r.Old.Alarms += len(a)
			r.New.Alarms += len(b)
			continue
		}
		row := ReplayEpisode{Episode: e, Old: detection(e, a), New: detection(e, b)}
		r.Episodes = append(r.Episodes, row)
		if row.Old.Detected {
			leadOld = append(leadOld, row.Old.LeadH)
		}
		if row.New.Detected {
			leadNew = append(leadNew, row.New.LeadH)
		}
	}
	r.Old.finish(leadOld, hours)
	r.New.finish(leadNew, hours)
	r.Gates = []Gate{r.detectionGate(opt), r.leadGate(opt), r.alarmGate(opt, hours)}
	r.Passed = Passed(r.Gates)
	return r
}

func byPart(scores []asset.Score) map[part][]asset.Score {
	out := map[part][]asset.Score{}
	for i := range scores {
		k := part{scores[i].Asset, scores[i].Component}
		out[k] = append(out[k], scores[i])
	}
	return out
}

func sideOf(scores []asset.Score) ReplaySide {
	s := ReplaySide{}
	for i := range scores {
		s.Model, s.Digest = scores[i].Model, scores[i].Digest
		if scores[i].Score.Known() {
			s.Scores++
		}
	}
	return s
}

func (s *ReplaySide) finish(leads []float64, healthyH float64) {
	s.Detected, s.LeadH, s.Rate = len(leads), asset.Missing(), asset.Missing()
	if len(leads) > 0 {
		s.LeadH = asset.Number(quantileOf(slices.Sorted(slices.Values(leads)), 0.5))
	}
	if healthyH > 0 {
		s.Rate = asset.Number(float64(s.Alarms) * monthH / healthyH)
	}
}

// alarms are the instants at which M of the last N scores become abnormal; while
// they stay so, another one each day.
func (o ReplayOptions) alarms(scores []asset.Score) []time.Time {
	var out []time.Time
	var last []bool
	on := false
	for i := range scores {
		s := &scores[i]
		if !s.Score.Known() {
			continue
		}
		if last = append(last, s.Abnormal); len(last) > o.N {
			last = last[1:]
		}
		n := 0
		for _, a := range last {
			if a {
				n++
			}
		}
		if n >= o.M && (!on || s.Time.Sub(out[len(out)-1]) >= 24*time.Hour) {
			out = append(out, s.Time)
		}
		on = n >= o.M
	}
	return out
}

func detection(e Episode, alarms []time.Time) Detection {
	if len(alarms) == 0 {
		return Detection{}
	}
	return Detection{Detected: true, LeadH: e.To.Sub(alarms[0]).Hours()}
}

// detectionGate asks whether the candidate finds as many faults.
func (r *Replay) detectionGate(o ReplayOptions) Gate {
	g := Gate{Name: "replay-detection", Value: asset.Missing(), Limit: asset.Number(-o.Detection), Verdict: GateUnknown}
	n := len(r.Episodes)
	if n < o.Least {
		g.Text = fmt.Sprintf("%d episodes of faults: at least %d are needed to tell", n, o.Least)
		return g
	}
	if r.Old.Detected == 0 && r.New.Detected == 0 {
		g.Text = fmt.Sprintf("neither version detects any of %d episodes: they show nothing", n)
		return g
	}
	mean := func(rows []int) float64 {
		sum := 0
		for _, i := range rows {
			if r.Episodes[i].New.Detected {
				sum++
			}
			if r.Episodes[i].Old.Detected {
				sum--
			}
		}
		return float64(sum) / float64(len(rows))
	}
	least, most := bootstrap(n, mean, o)
	g.Value = asset.Number(least)
	g.Verdict = notWorse(least, most, -o.Detection)
	g.Text = fmt.Sprintf("the candidate detects %d of %d episodes, the old version %d: with 95 %% confidence at least %+.1f percentage points (%+.1f allowed)",
		r.New.Detected, n, r.Old.Detected, 100*least, -100*o.Detection)
	if g.Verdict == GatePass { // a share q is missed by none of n with a probability of (1−q)ⁿ
		g.Text += fmt.Sprintf("; so few cannot show a loss below %.0f %%", 100*(1-math.Pow(0.05, 1/float64(n))))
	}
	return g
}

// leadGate asks whether the candidate finds them as early; what is not found has no lead.
func (r *Replay) leadGate(o ReplayOptions) Gate {
	g := Gate{Name: "replay-lead", Value: asset.Missing(), Limit: asset.Number(-o.Lead), Verdict: GateUnknown}
	n := len(r.Episodes)
	if n < o.Least || r.Old.Detected == 0 {
		g.Text = fmt.Sprintf("%d episodes of faults, %d of them detected by the old version: at least %d and 1 are needed to tell", n, r.Old.Detected, o.Least)
		return g
	}
	ratio := func(rows []int) float64 {
		old, candidate := 0.0, 0.0
		for _, i := range rows {
			old += r.Episodes[i].Old.LeadH
			candidate += r.Episodes[i].New.LeadH
		}
		if old == 0 { // nothing was there to lose
			return 0
		}
		return candidate/old - 1
	}
	least, most := bootstrap(n, ratio, o)
	g.Value = asset.Number(least)
	g.Verdict = notWorse(least, most, -o.Lead)
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	g.Text = fmt.Sprintf("the candidate's mean lead is %+.1f %% of the old version's: with 95 %% confidence at least %+.1f %% (%+.1f %% allowed)",
		100*ratio(all), 100*least, -100*o.Lead)
	return g
}

// notWorse passes what is above the limit even at its least, and fails what is
// below it even at its most.
func notWorse(least, most, limit float64) GateVerdict {
	switch {
	case least >= limit:
		return GatePass
	case most < limit:
		return GateFail
	}
	return GateUnknown
}

// alarmGate asks whether healthy machines are left in peace. Given their sum, the
// candidate's alarms are binomial with the share (1 + Alarms)/(2 + Alarms) at the
// limit (Przyborowski & Wilenski 1940, Biometrika 31:313).
func (r *Replay) alarmGate(o ReplayOptions, hours float64) Gate {
	g := Gate{Name: "replay-alarms", Value: r.New.Rate, Limit: asset.Missing(), Verdict: GateUnknown, Text: "no healthy span: nothing shows how often the candidate cries in vain"}
	if hours <= 0 {
		return g
	}
	g.Limit = asset.Number(float64(r.Old.Rate) * (1 + o.Alarms))
	p := binomialTail(r.New.Alarms, r.Old.Alarms+r.New.Alarms, (1+o.Alarms)/(2+o.Alarms))
	if g.Verdict = GatePass; p < 0.05 {
		g.Verdict = GateFail
	}
	g.Text = fmt.Sprintf("on healthy machines %.3g alarms per asset-month (%d), the old version %.3g (%d): p = %.2g that it is within the limit",
		float64(r.New.Rate), r.New.Alarms, float64(r.Old.Rate), r.Old.Alarms, p)
	return g
}

// binomialTail is P(X ≥ k) of n trials of probability p.
func binomialTail(k, n int, p float64) float64 {
	sum := 0.0
	all, _ := math.Lgamma(float64(n) + 1)
	for i := k; i <= n; i++ {
		a, _ := math.Lgamma(float64(i) + 1)
		b, _ := math.Lgamma(float64(n-i) + 1)
		sum += math.Exp(all - a - b + float64(i)*math.Log(p) + float64(n-i)*math.Log1p(-p))
	}
	return min(sum, 1)
}

// bootstrap is the one-sided 95 % bounds of a statistic of n episodes, drawn anew
// with both versions' results together (Efron & Tibshirani 1993, ch. 13). The
// quantile is Φ(−√(n/(n−1))·t), which mends what percentiles lack in small samples
// (Hesterberg 2015, Am. Stat. 69:371).
func bootstrap(n int, statistic func(rows []int) float64, o ReplayOptions) (least, most float64) {
	random := rand.New(rand.NewPCG(o.Seed, uint64(n))) //nolint:gosec // a fixed seed, so that a replay can be repeated
	values, rows := make([]float64, o.Resamples), make([]int, n)
	for b := range values {
		for i := range rows {
			rows[i] = random.IntN(n)
		}
		values[b] = statistic(rows)
	}
	slices.Sort(values)
	df := float64(n - 1)
	u := 0.5 * math.Erfc(math.Sqrt(float64(n)/df)*studentT95(df)/math.Sqrt2)
	return quantileOf(values, u), quantileOf(values, 1-u)
}

// studentT95 is the 95 % quantile of Student's t, to 0.002 from 4 degrees of
// freedom on (Abramowitz & Stegun 26.7.5).
func studentT95(df float64) float64 {
	const z = 1.6448536269514722
	z3, z5, z7 := z*z*z, z*z*z*z*z, z*z*z*z*z*z*z
	return z + (z3+z)/(4*df) + (5*z5+16*z3+3*z)/(96*df*df) + (3*z7+19*z5+17*z3-15*z)/(384*df*df*df)
}
