package models_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/models"
)

// renamed are the same answers by the version that was there before.
func renamed(scores []asset.Score) []asset.Score {
	out := slices.Clone(scores)
	for i := range out {
		out[i].Model, out[i].Digest = "m:1", "d1"
	}
	return out
}

func gate(t *testing.T, gates []models.Gate, name string) models.Gate {
	t.Helper()
	for _, g := range gates {
		if g.Name == name {
			return g
		}
	}
	t.Fatalf("no gate %q in %+v", name, gates)
	return models.Gate{}
}

// passedReplay is a replay of the two versions that fleet and renamed name.
func passedReplay() *models.Replay {
	return &models.Replay{
		Old: models.ReplaySide{Digest: "d1"}, New: models.ReplaySide{Digest: "d2"},
		Gates: []models.Gate{{Name: "replay-detection", Verdict: models.GatePass}},
	}
}

func TestGates(t *testing.T) {
	if raceOn {
		t.Skip("long, and of one goroutine")
	}
	base := fleet(rand.New(rand.NewPCG(21, 22)), 10, 14, 0.9, 0.01)
	change := func(f func(i int, s *asset.Score)) []asset.Score {
		out := slices.Clone(base)
		for i := range out {
			f(i, &out[i])
		}
		return out
	}
	r := rand.New(rand.NewPCG(23, 24))
	for name, tc := range map[string]struct {
		scores  []asset.Score
		replay  *models.Replay
		p99     time.Duration
		gate    string
		verdict models.GateVerdict
	}{
		"the same answers":   {base, passedReplay(), time.Millisecond, "", models.GatePass},
		"another scale":      {change(func(_ int, s *asset.Score) { s.Score = s.Score*100 + 7 }), passedReplay(), time.Millisecond, "", models.GatePass},
		"no replay":          {base, nil, time.Millisecond, "replay", models.GateUnknown},
		"a replay of others": {base, &models.Replay{New: models.ReplaySide{Digest: "d2"}, Gates: passedReplay().Gates}, time.Millisecond, "replay", models.GateUnknown},
		"p99 not measured":   {base, passedReplay(), 0, "p99", models.GateUnknown},
		"slow":               {base, passedReplay(), time.Second, "p99", models.GateFail},
		"13 days":            {base[:13*144*10-10], passedReplay(), time.Millisecond, "time", models.GateUnknown},
		"few scores":         {base[:400], passedReplay(), time.Millisecond, "scores", models.GateUnknown},
		"one answer no number": {change(func(i int, s *asset.Score) {
			if i == 999 {
				s.Score, s.Reason = asset.Missing(), "model-output"
			}
		}), passedReplay(), time.Millisecond, "failed", models.GateFail},
		"more is missing": {change(func(i int, s *asset.Score) {
			if i%50 == 0 {
				s.Score, s.P, s.Reason = asset.Missing(), asset.Missing(), "input-missing"
			}
		}), passedReplay(), time.Millisecond, "missing", models.GateFail},
		"uncalibrated":     {change(func(_ int, s *asset.Score) { s.P = s.P * s.P }), passedReplay(), time.Millisecond, "p-values", models.GateFail},
		"without p-values": {change(func(_ int, s *asset.Score) { s.P = asset.Missing() }), passedReplay(), time.Millisecond, "p-values", models.GateUnknown},
		"twice the alarms": {change(func(i int, s *asset.Score) { s.Abnormal = s.Abnormal || (s.Score > 2.05) }), passedReplay(), time.Millisecond, "alarm-rate", models.GateFail},
		"half the alarms":  {change(func(i int, s *asset.Score) { s.Abnormal = s.Score > 2.6 }), passedReplay(), time.Millisecond, "alarm-rate", models.GateFail},
		"silent":           {change(func(i int, s *asset.Score) { s.Abnormal = false }), passedReplay(), time.Millisecond, "alarm-rate", models.GateFail},
		"a few more":       {change(func(i int, s *asset.Score) { s.Abnormal = s.Abnormal || r.IntN(1000) == 0 }), passedReplay(), time.Millisecond, "", models.GatePass},
	} {
		got := models.Judge(models.Trial{Old: renamed(base), New: tc.scores, P99: tc.p99, Replay: tc.replay}, models.GateOptions{})
		if got.Passed != (tc.gate == "") {
			t.Errorf("%s: passed = %t: %+v", name, got.Passed, got.Gates)
		}
		if tc.gate == "" {
			if math.Abs(float64(got.Rank)-1) > 1e-6 {
				t.Errorf("%s: rank correlation %g, want 1", name, float64(got.Rank))
			}
			continue
		}
		if g := gate(t, got.Gates, tc.gate); g.Verdict != tc.verdict {
			t.Errorf("%s: %+v, want %s", name, g, tc.verdict)
		}
	}
	empty := models.Judge(models.Trial{}, models.GateOptions{})
	for _, g := range empty.Gates {
		if g.Verdict != models.GateUnknown {
			t.Errorf("of nothing: %+v, want unknown", g)
		}
	}
}

// Few alarms do not pass, however alike they are: they are too few to tell.
func TestAlarmRateNeedsAlarms(t *testing.T) {
	base := fleet(rand.New(rand.NewPCG(25, 26)), 10, 14, 0, 1e-4)
	got := models.Judge(models.Trial{Old: renamed(base), New: base, P99: time.Millisecond, Replay: passedReplay()}, models.GateOptions{})
	if g := gate(t, got.Gates, "alarm-rate"); g.Verdict != models.GateUnknown || !strings.HasPrefix(g.Text, "not enough to tell") {
		t.Errorf("%+v, want unknown", g)
	}
}

// Two versions whose alarms come in runs and differ by chance alone are told to
// pass or not; those at the limit of 1.2 pass in one of twenty at most.
func TestAlarmRateAtTheLimit(t *testing.T) {
	if raceOn {
		t.Skip("long, and of one goroutine")
	}
	passed, failed := 0, 0
	const runs = 100
	for k := range runs {
		r := rand.New(rand.NewPCG(uint64(k), 27))
		old := renamed(fleet(r, 10, 7, 0.8, 0.02))
		candidate := fleet(r, 10, 7, 0.8, 0.024) // independent of the old: the hardest case
		switch g := gate(t, models.Judge(models.Trial{Old: old, New: candidate}, models.GateOptions{}).Gates, "alarm-rate"); g.Verdict {
		case models.GatePass:
			passed++
		case models.GateFail:
			failed++
		}
	}
	t.Logf("at 1.2 times the rate: %d of %d pass, %d fail", passed, runs, failed)
	if passed > 11 || failed > 11 {
		t.Errorf("at the limit %d pass and %d fail of %d, want 5 %% at most", passed, failed, runs)
	}
}
