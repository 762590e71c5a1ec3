package main

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/dataset"
	"github.com/telltale-iot/telltale/physics"
)

// prognosisReport holds the remaining lives that were told against the failures of
// labels.csv. Every life counts alike: it is asked at the same shares of it.
type prognosisReport struct {
	Lives       int          `json:"lives"`        // that ended in a labelled failure
	Instants    int          `json:"instants"`     // asked
	Answered    int          `json:"answered"`     // with a median
	CRPSH       asset.Number `json:"crps_h"`       // mean over answers with P10 to P90, in hours
	CRPSLog     asset.Number `json:"crps_log"`     // mean over answers, of the logarithm: no unit
	AlphaLambda asset.Number `json:"alpha_lambda"` // share of the instants at which at least β lies within α of the truth
	AtHalf      proportion   `json:"alpha_lambda_at_half"`
	HorizonH    asset.Number `json:"prognostic_horizon_h"` // median over lives; 0 for one that never passed
	CRA         asset.Number `json:"cra"`                  // of the median, mean over lives
	Coverage    asset.Number `json:"coverage_80"`          // share of the answers whose P10 to P90 held the truth
	CoveredHalf proportion   `json:"coverage_80_at_half"`
	Late        asset.Number `json:"late"` // share of the answers whose median was longer than the truth
	PIT         [10]int      `json:"pit"`  // answers by the probability that they gave to an earlier end

	crpsH, crpsLog, cra []float64
	horizons            []float64
	accurate, covered   int
	late                int
}

// proportion is a share of lives, one instant of each, with its 95 % interval
// (Wilson 1927): instants of one life are no independent evidence.
type proportion struct {
	K  int     `json:"k"`
	N  int     `json:"n"`
	Lo float64 `json:"lo"`
	Hi float64 `json:"hi"`
}

func (p *proportion) add(hit bool) {
	p.N++
	if hit {
		p.K++
	}
	p.Lo, p.Hi = wilson(p.K, p.N)
}

// String is the proportion with its interval.
func (p proportion) String() string {
	return fmt.Sprintf("%d/%d (%.0f–%.0f %%)", p.K, p.N, 100*p.Lo, 100*p.Hi)
}

const (
	prognosisAlpha = 0.2
	prognosisBeta  = 0.5
	prognosisSteps = 20 // a life is asked at 1/20, 2/20 … 19/20 of it
)

// toldLife is what was told of a component that failed.
type toldLife struct {
	component  string // empty: whatever failed
	begin, end time.Time
	told       map[string][]told // by component, in order of time
}

type told struct {
	at  time.Time
	rul asset.RUL
}

// toldLives makes a life of every labelled failure: from the first verdict, or the
// failure before it, to its end.
func toldLives(labels []dataset.Label) map[asset.ID][]*toldLife {
	out := map[asset.ID][]*toldLife{}
	for _, l := range labels {
		if l.Kind == "failure" && !l.End.IsZero() {
			out[l.Asset] = append(out[l.Asset], &toldLife{component: l.Component, end: l.End, told: map[string][]told{}})
		}
	}
	for _, lives := range out {
		slices.SortStableFunc(lives, func(a, b *toldLife) int { return a.end.Compare(b.end) })
	}
	return out
}

// hear notes a verdict in the life that it belongs to.
func (l *toldLife) hear(r *asset.Risk) bool {
	if l.component != "" && l.component != r.Component || r.Time.After(l.end) {
		return false
	}
	if l.begin.IsZero() {
		l.begin = r.Time
	}
	l.told[r.Component] = append(l.told[r.Component], told{r.Time, r.RUL})
	return true
}

// at is what stood at an instant; of several components the one that ends first.
func (l *toldLife) at(t time.Time) asset.RUL {
	out := asset.NoRUL()
	for _, name := range sortedKeys(l.told) {
		rows := l.told[name]
		i, _ := slices.BinarySearchFunc(rows, t, func(r told, t time.Time) int {
			if r.at.After(t) {
				return 1
			}
			return -1
		})
		if i == 0 {
			continue
		}
		if r := rows[i-1].rul; r.P50.Known() && (!out.P50.Known() || r.P50 < out.P50) {
			out = r
		}
	}
	return out
}

// prognosis judges every life; nil where no failure is labelled.
func prognosis(lives map[asset.ID][]*toldLife) *prognosisReport {
	p := &prognosisReport{
		CRPSH: asset.Missing(), CRPSLog: asset.Missing(), AlphaLambda: asset.Missing(), HorizonH: asset.Missing(),
		CRA: asset.Missing(), Coverage: asset.Missing(), Late: asset.Missing(),
	}
	for _, id := range sortedKeys(lives) {
		for _, l := range lives[id] {
			if !l.begin.IsZero() && l.end.After(l.begin) {
				p.judge(l)
			}
		}
	}
	if p.Lives == 0 {
		return nil
	}
	p.CRPSH, p.CRPSLog, p.CRA = mean(p.crpsH), mean(p.crpsLog), mean(p.cra)
	p.AlphaLambda = asset.Number(float64(p.accurate) / float64(p.Instants))
	slices.Sort(p.horizons)
	p.HorizonH = asset.Number(quantile(p.horizons, 0.5))
	if p.Answered > 0 {
		p.Coverage = asset.Number(float64(p.covered) / float64(p.Answered))
		p.Late = asset.Number(float64(p.late) / float64(p.Answered))
	}
	return p
}

func (p *prognosisReport) judge(l *toldLife) {
	p.Lives++
	life := l.end.Sub(l.begin).Hours()
	var ages, events []float64
	var accurate []bool
	for k := 1; k < prognosisSteps; k++ {
		p.Instants++
		age := life * float64(k) / prognosisSteps
		f := l.at(l.begin.Add(time.Duration(age * float64(time.Hour))))
		e := physics.EnsembleOf(f)
		pass := physics.Accurate(e.After(age), age, life, prognosisAlpha, prognosisBeta)
		ages, accurate = append(ages, age), append(accurate, pass)
		if pass {
			p.accurate++
		}
		held := len(e) > 0 && p.answer(f, e, life-age)
		if len(e) > 0 {
			events = append(events, age+float64(f.P50))
		}
		if 2*k == prognosisSteps {
			p.AtHalf.add(pass)
			if len(e) > 0 {
				p.CoveredHalf.add(held)
			}
		}
	}
	if len(events) > 0 {
		p.cra = append(p.cra, physics.CumulativeRelativeAccuracy(events, life))
	}
	h := physics.PrognosticHorizon(ages, accurate, life)
	if math.IsNaN(h) {
		h = 0
	}
	p.horizons = append(p.horizons, h)
}

// answer scores one answer where r hours truly remained, and reports whether P10
// to P90 held them.
func (p *prognosisReport) answer(f asset.RUL, e physics.Ensemble, r float64) bool {
	p.Answered++
	if v := e.CRPS(r); !math.IsNaN(v) {
		p.crpsH = append(p.crpsH, v)
	}
	if v := physics.CRPSLog(f, r); !math.IsNaN(v) {
		p.crpsLog = append(p.crpsLog, v)
	}
	if float64(f.P50) > r {
		p.late++
	}
	p.PIT[min(int(e.Below(r)*10), 9)]++
	held := !(float64(f.P10) > r) && !(float64(f.P90) < r)
	if held {
		p.covered++
	}
	return held
}

// mean is missing of none.
func mean(values []float64) asset.Number {
	var sum float64
	for _, v := range values {
		sum += v
	}
	return asset.Number(sum / cmp.Or(float64(len(values)), math.NaN()))
}

// String is the report in a line.
func (p *prognosisReport) String() string {
	return fmt.Sprintf("remaining life of %d failure(s): CRPS %s h (of the logarithm %s), P10 to P90 held %s of the truth, %s of the instants within %.0f %%, prognostic horizon %s h",
		p.Lives, shown(p.CRPSH, "%.3g"), shown(p.CRPSLog, "%.2f"), shown(p.Coverage, "%.2f"), shown(p.AlphaLambda, "%.2f"), 100*prognosisAlpha, shown(p.HorizonH, "%.3g"))
}
