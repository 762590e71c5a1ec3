package pipeline

import (
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

// playAnew runs a history from a source that counts anew after every restart, as a broker's
// does: what was not acknowledged is delivered again, as new. Each life ends after some batches.
func playAnew(t *testing.T, d *disk, opt WindowOptions, h []Arrival, rng *rand.Rand) {
	t.Helper()
	at := map[int64]int{} // place in h by position, of this life
	done := 0             // acknowledged
	for {
		s, err := NewShard(0, 1, d.next, plant(opt), echo{}, d.recall)
		if err != nil {
			t.Fatal(err)
		}
		rest, offset := done, d.next
		clear(at)
		for range 1 + rng.IntN(6) {
			if rest == len(h) {
				return
			}
			var batch []Arrival
			for ; len(batch) < 40 && rest < len(h); rest++ {
				at[offset] = rest
				batch = append(batch, Arrival{Reading: h[rest].Reading, From: offset, Next: offset + 1})
				offset++
			}
			fx, err := s.Step(t.Context(), batch)
			if err != nil {
				t.Fatal(err)
			}
			if fx.Low < d.low {
				t.Fatalf("low went back from %d to %d", d.low, fx.Low)
			}
			d.keep(t, fx)
			if place, ok := at[fx.Low]; ok {
				done = place
			} else if fx.Low == offset {
				done = rest
			}
		}
	}
}

func TestASourceThatCountsAnewGivesTheSameBytes(t *testing.T) {
	for name, opt := range map[string]WindowOptions{
		"records as taken":    {},
		"one second":          {Seconds: 1},
		"overlapping windows": {Seconds: 1, Hop: 0.35},
		"out of order":        {Seconds: 1, Lateness: 2},
	} {
		t.Run(name, func(t *testing.T) {
			h := history(7, 900)
			whole := newDisk()
			s, err := NewShard(0, 1, 0, plant(opt), echo{}, nil)
			if err != nil {
				t.Fatal(err)
			}
			fx, err := s.Step(t.Context(), h)
			if err != nil {
				t.Fatal(err)
			}
			whole.keep(t, fx)
			rng := rand.New(rand.NewPCG(5, 5))
			for range 15 {
				broken := newDisk()
				playAnew(t, broken, opt, h, rng)
				for what, pair := range map[string][2][]string{"frames": {whole.frames, broken.frames}, "risks": {whole.risks, broken.risks}} {
					if !reflect.DeepEqual(pair[0], pair[1]) {
						t.Fatalf("%s differ after restarts: %s", what, firstDifference(pair[0], pair[1]))
					}
				}
				if n := broken.counts["blocks-abandoned"] + broken.counts["readings-abandoned"]; n != 0 {
					t.Fatalf("%d blocks or readings were given up that came again", n)
				}
			}
		})
	}
}

// What does not come again is given up, once something later shows that it will not.
func TestWhatDoesNotComeAgainIsGivenUp(t *testing.T) {
	block := func(k int, channel string) asset.Reading {
		start := epoch.Add(time.Duration(k) * 400 * time.Millisecond)
		return asset.Reading{Asset: "a", Time: start.Add(390 * time.Millisecond), Wave: &asset.Waveform{Channel: channel, Start: start, RateHz: 100, Quality: 100, Samples: make([]float32, 40)}}
	}
	d := newDisk()
	life := func(readings ...asset.Reading) {
		t.Helper()
		s, err := NewShard(0, 1, d.next, plant(WindowOptions{Seconds: 1}), nil, d.recall)
		if err != nil {
			t.Fatal(err)
		}
		var batch []Arrival
		for i, r := range readings {
			batch = append(batch, Arrival{Reading: r, From: d.next + int64(i), Next: d.next + int64(i) + 1})
		}
		fx, err := s.Step(t.Context(), batch)
		if err != nil {
			t.Fatal(err)
		}
		d.keep(t, fx)
	}
	life(block(0, "x"), block(0, "y"), block(1, "x")) // an open window on each channel, and half an instant
	life(block(5, "x"), block(5, "y"))
	if d.counts["blocks-abandoned"] != 2 || d.counts["readings-abandoned"] != 1 || d.low != 3 {
		t.Errorf("counts %v, low %d; want 2 blocks and 1 reading given up, and 3 as the oldest that is still needed", d.counts, d.low)
	}
}
