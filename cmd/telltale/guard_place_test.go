package main

import (
	"slices"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/models"
)

// A service that has committed nothing yet has no event time: the guard must not
// take the beginning of the calendar for the instant at which a version took over.
func TestTheGuardWaitsForTheFirstInstant(t *testing.T) {
	f := newGuardedFarm(t)
	f.reach.Store(time.Time{}.UnixNano()) // as claim leaves it in an empty store
	f.move(t, f.two, models.Canary, 0.99)
	f.guard.look(t.Context())
	f.lives(t, 24, quietVersion)
	f.lives(t, 6, loud(f.two))
	if got := f.used(); !slices.Equal(got, []string{"1 production"}) {
		t.Errorf("in use %v after six hours of alarms, want version 1 alone", got)
	}
}

// A version that comes back to its place is watched from then on.
func TestASecondTrialIsWatchedAgain(t *testing.T) {
	for name, away := range map[string]bool{"while the service runs": false, "while another version stood there": true} {
		t.Run(name, func(t *testing.T) {
			f := newGuardedFarm(t)
			f.lives(t, 1, quietVersion)
			f.move(t, f.two, models.Canary, 0.99)
			f.lives(t, 1, quietVersion)
			if away {
				f.move(t, f.two, models.Production, 0)
				f.lives(t, 1, quietVersion)
				f.move(t, f.one, models.Production, 0)
			} else {
				f.move(t, f.two, models.Candidate, 0)
			}
			f.lives(t, 1, quietVersion)
			f.at = f.at.Add(15 * 24 * time.Hour)
			f.lives(t, 24, quietVersion)
			to, share := models.Canary, 0.99
			if away {
				to, share = models.Production, 0
			}
			f.move(t, f.two, to, share)
			f.guard.look(t.Context())
			f.lives(t, 6, loud(f.two))
			if got := f.used(); !slices.Equal(got, []string{"1 production"}) {
				t.Errorf("in use %v after six hours of alarms, want version 1 alone", got)
			}
		})
	}
}

// A version that stands for one asset has nothing to go back to there: it gives the
// asset back to what serves all, and hinders nobody.
func TestAPinnedVersionThatFailsIsUnpinned(t *testing.T) {
	f := newGuardedFarm(t)
	f.lives(t, 24, quietVersion)
	if _, err := f.repo.Promote(t.Context(), f.two.Ref(), models.Production, 0, models.ForAsset("wt3"), models.By{Who: "test"}); err != nil {
		t.Fatal(err)
	}
	f.guard.look(t.Context())
	f.lives(t, 2, func(p models.Placement, s *asset.Score) {
		s.Serves = (p.Digest == f.two.Digest) == (s.Asset == "wt3")
		if p.Digest == f.two.Digest {
			s.Score, s.P, s.Reason = asset.Missing(), asset.Missing(), "model-output"
		}
	})
	if got := f.used(); !slices.Equal(got, []string{"1 production"}) || f.guard.stuck != "" {
		t.Errorf("in use %v, stuck %q; want version 1 alone", got, f.guard.stuck)
	}
}
