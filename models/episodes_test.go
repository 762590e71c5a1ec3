package models_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/models"
)

// life is one asset's 10 healthy days and 5 days of a fault, scored every hour.
// A version speaks up lead hours before the end, or not at all, and now and then
// on the healthy machine.
type life struct{ version string }

func (l life) scores(id asset.ID, leadH int, noise *rand.Rand) []asset.Score {
	var out []asset.Score
	for h := 1; h <= 15*24; h++ {
		s := asset.Score{Time: monday.Add(time.Duration(h) * time.Hour), Asset: id, Component: "c", Model: l.version, Digest: l.version, Score: 1}
		s.Abnormal = 15*24-h < leadH+4 && leadH > 0
		if noise != nil && noise.IntN(100) == 0 {
			s.Abnormal = true
		}
		out = append(out, s)
	}
	return out
}

// episodes of n assets.
func episodesOf(n int) (list []models.Episode) {
	for a := range n {
		id := asset.ID(fmt.Sprintf("T%02d", a))
		mid, end := monday.Add(10*24*time.Hour), monday.Add(15*24*time.Hour)
		list = append(list, models.Episode{Asset: id, Component: "c", From: monday, To: mid},
			models.Episode{Asset: id, Component: "c", From: mid.Add(time.Hour), To: end, Fault: true, Mode: asset.Wear})
	}
	return list
}

func versions(n int, lead func(a int) (old, candidate int)) (before, after []asset.Score) {
	for a := range n {
		id := asset.ID(fmt.Sprintf("T%02d", a))
		o, c := lead(a)
		before = append(before, life{"m:1"}.scores(id, o, rand.New(rand.NewPCG(uint64(a), 1)))...)
		after = append(after, life{"m:2"}.scores(id, c, rand.New(rand.NewPCG(uint64(a), 2)))...)
	}
	return before, after
}

func TestReplay(t *testing.T) {
	usual := func(a int) int { return 20 + 5*(a%10) }
	for name, tc := range map[string]struct {
		n                       int
		lead                    func(a int) (old, candidate int)
		detection, leads, whole models.GateVerdict
	}{
		"equal":                {12, func(a int) (int, int) { return usual(a), usual(a) }, "pass", "pass", "pass"},
		"better":               {12, func(a int) (int, int) { return usual(a) * (a % 2), usual(a) + 10 }, "pass", "pass", "pass"},
		"blind":                {12, func(a int) (int, int) { return usual(a), 0 }, "fail", "fail", "fail"},
		"late":                 {12, func(a int) (int, int) { return usual(a), usual(a) / 2 }, "pass", "fail", "fail"},
		"blind on one of 12":   {12, func(a int) (int, int) { return usual(a), usual(a) * min(a, 1) }, "unknown", "unknown", "fail"},
		"a hair later":         {12, func(a int) (int, int) { return usual(a), usual(a) - 1 }, "pass", "pass", "pass"},
		"few episodes":         {4, func(a int) (int, int) { return usual(a), usual(a) }, "unknown", "unknown", "fail"},
		"neither sees a thing": {12, func(int) (int, int) { return 0, 0 }, "unknown", "unknown", "fail"},
	} {
		before, after := versions(tc.n, tc.lead)
		r := models.CompareReplay(episodesOf(tc.n), before, after, models.ReplayOptions{})
		d, l := gate(t, r.Gates, "replay-detection"), gate(t, r.Gates, "replay-lead")
		if d.Verdict != tc.detection || l.Verdict != tc.leads || r.Passed != (tc.whole == models.GatePass) {
			t.Errorf("%s: passed %t\n%+v\n%+v", name, r.Passed, d, l)
		}
		if again := models.CompareReplay(episodesOf(tc.n), before, after, models.ReplayOptions{}); fmt.Sprint(again) != fmt.Sprint(r) {
			t.Errorf("%s: another result the second time", name)
		}
	}
}

// A model that has gone blind and cries by luck as often as before passes the
// gate of the alarm rate on live data, and must not pass on labelled episodes.
func TestABlindModelFailsOnAnUnchangedAlarmRate(t *testing.T) {
	const n = 10
	before, after := versions(n, func(a int) (int, int) { return 20, 0 })
	alarms := 0
	for i := range before {
		if before[i].Abnormal {
			alarms++
		}
	}
	r := rand.New(rand.NewPCG(31, 32))
	for i := range after {
		after[i].Score, after[i].P = 0.5, 0.5
		after[i].Abnormal = r.IntN(len(after)) < alarms // as many, anywhere
		before[i].P = 0.5
	}
	live := models.Judge(models.Trial{Old: before, New: after}, models.GateOptions{Rate: 0.5})
	if g := gate(t, live.Gates, "alarm-rate"); g.Verdict != models.GatePass {
		t.Errorf("the alarm rate is meant to be unchanged: %+v", g)
	}
	replay := models.CompareReplay(episodesOf(n), before, after, models.ReplayOptions{})
	if g := gate(t, replay.Gates, "replay-detection"); g.Verdict != models.GateFail || replay.Passed {
		t.Errorf("a blind model: %+v", g)
	}
	if replay.Old.Detected != n || replay.New.Detected > 1 {
		t.Errorf("detected %d and %d of %d", replay.Old.Detected, replay.New.Detected, n)
	}
}

func TestReplayNumbers(t *testing.T) {
	before, after := versions(6, func(a int) (int, int) { return 24, 36 })
	for i := range after { // cries on the second healthy day, all day, on every asset
		if h := after[i].Time.Sub(monday).Hours(); h > 24 && h <= 48 {
			after[i].Abnormal = true
		}
	}
	r := models.CompareReplay(episodesOf(6), before, after, models.ReplayOptions{})
	if r.Rule != "4 of 6" || r.Old.Detected != 6 || r.Old.LeadH != 24 || r.New.LeadH != 36 || len(r.Episodes) != 6 {
		t.Errorf("%+v, want leads of 24 and 36 h", r)
	}
	// 6 assets × 10 days are 2 asset-months.
	if r.Old.Alarms != 0 || r.New.Alarms != 6 || math.Abs(float64(r.New.Rate)-3) > 1e-12 {
		t.Errorf("alarms %d and %d, %g a month; want 0, 6 and 3", r.Old.Alarms, r.New.Alarms, float64(r.New.Rate))
	}
	if g := gate(t, r.Gates, "replay-alarms"); g.Verdict != models.GateFail {
		t.Errorf("six alarms in vain where there was none: %+v", g)
	}
	for i := range after {
		after[i].Abnormal = true
	}
	if r = models.CompareReplay(episodesOf(6), before, after, models.ReplayOptions{}); r.New.Alarms != 60 {
		t.Errorf("a model that always cries: %d alarms on 60 healthy days", r.New.Alarms)
	}
}

// The bound is at or below the truth in 95 % of all draws, as it says; of few
// episodes it promises too much, since some draws show no loss at all.
func TestReplayBoundCovers(t *testing.T) {
	if raceOn {
		t.Skip("long, and of one goroutine")
	}
	const runs, pOld, pNew = 400, 0.9, 0.7
	for n, least := range map[int]float64{6: 0.8, 10: 0.92, 30: 0.92} {
		covered := 0
		for k := range runs {
			r := rand.New(rand.NewPCG(uint64(k), 41))
			hit := func(p float64) int {
				if r.Float64() < p {
					return 24
				}
				return 0
			}
			var before, after []asset.Score
			var list []models.Episode
			for a := range n {
				id := asset.ID(fmt.Sprint(a))
				list = append(list, models.Episode{Asset: id, Component: "c", From: monday, To: monday.Add(6 * time.Hour), Fault: true})
				o, c := hit(pOld) > 0, hit(pNew) > 0
				for h := range 6 {
					s := asset.Score{Time: monday.Add(time.Duration(h+1) * time.Hour), Asset: id, Component: "c", Score: 1}
					s.Abnormal = o
					before = append(before, s)
					s.Abnormal = c
					after = append(after, s)
				}
			}
			got := models.CompareReplay(list, before, after, models.ReplayOptions{Resamples: 1000})
			if g := gate(t, got.Gates, "replay-detection"); float64(g.Value) <= pNew-pOld+1e-9 {
				covered++
			}
		}
		t.Logf("%d episodes: the one-sided 95 %% bound holds in %.3f of %d draws", n, float64(covered)/runs, runs)
		if share := float64(covered) / runs; share < least || share > 0.98 {
			t.Errorf("%d episodes: the bound holds in %.3f of the draws, want %g at least and no more than 0.98", n, share, least)
		}
	}
}
