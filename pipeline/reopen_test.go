package pipeline

import (
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/telltale-iot/telltale/asset"
)

// playAgain is play for a source that counts on and delivers again what was not
// acknowledged: done is how much was in earlier lives.
func playAgain(t *testing.T, d *disk, opt WindowOptions, h []Arrival, done *int, stop int) bool {
	t.Helper()
	base := d.next
	s, err := NewShard(0, 1, base, plant(opt), echo{}, d.recall)
	if err != nil {
		t.Fatal(err)
	}
	rest := h[*done:]
	for batches, at := 0, 0; ; batches++ {
		var batch []Arrival
		for ; len(batch) < 50 && at < len(rest); at++ {
			batch = append(batch, Arrival{Reading: rest[at].Reading, From: base + int64(at), Next: base + int64(at) + 1})
		}
		if batches == stop && len(batch) > 0 {
			*done += int(max(0, min(d.low, d.next)-base))
			return false
		}
		fx, err := s.Step(t.Context(), batch)
		if len(batch) == 0 {
			fx, err = s.Finish(t.Context(), base+int64(at))
		}
		if err != nil {
			t.Fatal(err)
		}
		d.keep(t, fx)
		if len(batch) == 0 {
			return true
		}
	}
}

// What was open at the end is rebuilt from readings that come again at other positions.
func TestARestartOfASourceThatCountsOnGivesTheSameRows(t *testing.T) {
	for name, opt := range map[string]WindowOptions{
		"records as taken":    {},
		"one second":          {Seconds: 1},
		"overlapping windows": {Seconds: 1, Hop: 0.35},
		"out of order":        {Seconds: 1, Lateness: 2},
	} {
		t.Run(name, func(t *testing.T) {
			h := history(7, 900)
			whole := newDisk()
			play(t, whole, opt, h, 50, -1)
			rng := rand.New(rand.NewPCG(3, 3)) //nolint:gosec // for places to stop
			for range 15 {
				broken, done := newDisk(), 0
				for !playAgain(t, broken, opt, h, &done, 1+rng.IntN(5)) {
				}
				for what, pair := range map[string][2]map[asset.ID][]string{
					"frames": {byAsset(t, whole.frames), byAsset(t, broken.frames)}, "risks": {byAsset(t, whole.risks), byAsset(t, broken.risks)},
				} {
					for id := range pair[0] {
						if !reflect.DeepEqual(pair[0][id], pair[1][id]) {
							t.Fatalf("%s of %s differ after restarts: %s", what, id, firstDifference(pair[0][id], pair[1][id]))
						}
					}
				}
				if !reflect.DeepEqual(whole.alerts, broken.alerts) {
					t.Fatalf("alerts differ: %s", firstDifference(whole.alerts, broken.alerts))
				}
				if n := broken.counts["blocks-abandoned"]; n > 0 {
					t.Errorf("%d blocks abandoned", n)
				}
			}
		})
	}
}
