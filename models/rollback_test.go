package models_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/models"
)

// fleet makes the scores of some assets over some days, one every ten minutes:
// first-order processes whose alarms are their upper share alpha.
func fleet(r *rand.Rand, assets int, days, phi, alpha float64) []asset.Score {
	n := int(days * 144)
	limit := math.Sqrt2 * math.Erfinv(1-2*alpha)
	out := make([]asset.Score, n*assets)
	for a := range assets {
		id := asset.ID(fmt.Sprintf("T%02d", a))
		for i, v := range ar1(r, n, phi) {
			out[i*assets+a] = asset.Score{
				Time: monday.Add(time.Duration(i+1) * 10 * time.Minute), Asset: id, Component: "c", Model: "m:2", Digest: "d2",
				Score: asset.Number(v), P: asset.Number(0.5 * math.Erfc(v/math.Sqrt2)), Abnormal: v > limit,
			}
		}
	}
	return out
}

// rolled asks every look as a guard would, and says after how long the version goes.
func rolled(before, after []asset.Score, assets int, opt models.RollbackOptions) (time.Duration, string) {
	const every = 15 * time.Minute
	from := 0
	for at := monday; at.Before(after[len(after)-1].Time.Add(every)); at = at.Add(every) {
		for from < len(after) && after[from].Time.Before(at.Add(-4*time.Hour)) {
			from++
		}
		to := min(len(after), from+25*assets)
		for to > from && after[to-1].Time.After(at) {
			to--
		}
		var old []asset.Score
		if before != nil {
			old = before[from:to]
		}
		if reason, yes := models.Rollback(old, after[from:to], at, opt); yes {
			return at.Sub(monday), reason
		}
	}
	return 0, ""
}

// A healthy version on few and on many assets is hardly ever rolled back in 14
// days, although its alarms come in runs; nor is one that is just at the limit.
func TestRollbackSparesTheHealthy(t *testing.T) {
	if raceOn {
		t.Skip("long, and of one goroutine")
	}
	for assets, runs := range map[int]int{1: 40, 3: 40, 20: 40} {
		for phi, alpha := range map[float64]float64{0.99: 0.03, 0.9: 0.01} { // 3 times what is expected is the limit
			wrong := 0
			for k := range runs {
				r := rand.New(rand.NewPCG(uint64(k), uint64(assets)))
				if _, reason := rolled(nil, fleet(r, assets, 14, phi, alpha), assets, models.RollbackOptions{Since: monday, Alpha: 0.01}); reason != "" {
					wrong++
				}
			}
			t.Logf("%d assets, φ = %g, rate %g: %d of %d healthy versions rolled back in 14 d", assets, phi, alpha, wrong, runs)
			if wrong > 0 { // the promise is 1 % at most
				t.Errorf("%d assets, φ = %g: %d of %d healthy versions rolled back", assets, phi, wrong, runs)
			}
		}
	}
}

func TestRollbackOfAModelThatScreams(t *testing.T) {
	for name, tc := range map[string]struct {
		assets int
		at     time.Duration // from when on it screams
		share  float64       // of the assets
		within time.Duration
	}{
		"from the beginning":         {20, 0, 1, 2 * time.Hour},
		"from the beginning, on two": {2, 0, 1, 2 * time.Hour},
		"after nine days":            {20, 9*24*time.Hour + 7*time.Minute, 1, 2 * time.Hour},
		"after nine days, on five":   {5, 9*24*time.Hour + 7*time.Minute, 1, 2 * time.Hour},
		"on a third of the assets":   {40, 5 * 24 * time.Hour, 0.34, 3 * time.Hour},
	} {
		r := rand.New(rand.NewPCG(11, 12))
		scores := fleet(r, tc.assets, 10, 0.9, 0.01)
		for i := range scores {
			if scores[i].Time.Sub(monday) > tc.at && float64(i%tc.assets) < tc.share*float64(tc.assets) {
				scores[i].Abnormal = true
			}
		}
		took, reason := rolled(nil, scores, tc.assets, models.RollbackOptions{Since: monday, Alpha: 0.01})
		if took -= tc.at; reason == "" || took < 0 || took > tc.within {
			t.Errorf("%s: rolled back after %v (%q), want within %v", name, took, reason, tc.within)
		}
		// On a farm that is ill, the old version cries as well: nobody is to blame.
		if _, reason := rolled(scores, scores, tc.assets, models.RollbackOptions{Since: monday, Alpha: 0.01}); reason != "" {
			t.Errorf("%s: rolled back although the old version does the same: %s", name, reason)
		}
	}
}

func TestRollbackOfAModelThatAnswersNoNumber(t *testing.T) {
	scores := fleet(rand.New(rand.NewPCG(13, 14)), 10, 1, 0.9, 0.01)
	for i := range scores {
		if scores[i].Time.Sub(monday) > 12*time.Hour {
			scores[i].Score, scores[i].P, scores[i].Abnormal, scores[i].Reason = asset.Missing(), asset.Missing(), false, "model-output"
		}
	}
	took, reason := rolled(nil, scores, 10, models.RollbackOptions{Since: monday})
	if took -= 12 * time.Hour; took < 0 || took > 15*time.Minute || !strings.Contains(reason, "no number") {
		t.Errorf("rolled back after %v: %q; want within 15 min", took, reason)
	}
	for i := range scores {
		if scores[i].Reason != "" {
			scores[i].Reason = "input-missing" // the plant's fault
		}
	}
	if _, reason := rolled(nil, scores, 10, models.RollbackOptions{Since: monday, Alpha: 0.01}); reason != "" {
		t.Errorf("rolled back for want of inputs: %s", reason)
	}
	if _, yes := models.Rollback(nil, nil, monday, models.RollbackOptions{}); yes {
		t.Error("rolled back without a score")
	}
}
