package ingest

import (
	"slices"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

// Clock estimates how the senders' clocks run against ours from when readings were
// stamped and when they arrived. A message is never early, so of each minute the one that
// took the least way counts; the drift is the median of the slopes between the minutes
// (Theil 1950, Sen 1968), which a few late ones do not move.
type Clock struct {
	minute time.Time // under way
	best   float64   // s: most that a stamp was ahead of its arrival in it
	past   []ahead   // of the minutes before, the oldest first
}

type ahead struct{ at, by float64 } // s

const (
	clockMinutes = 60 // that are looked at
	clockFewest  = 5  // that say something about drift
)

// Saw notes a message that arrived now with a stamp.
func (c *Clock) Saw(now, stamp time.Time) {
	by := stamp.Sub(now).Seconds()
	minute := now.Truncate(time.Minute)
	if !minute.Equal(c.minute) {
		if !c.minute.IsZero() {
			c.past = append(c.past, ahead{float64(c.minute.Unix()), c.best})
			if len(c.past) > clockMinutes {
				c.past = c.past[1:]
			}
		}
		c.minute, c.best = minute, by
	}
	c.best = max(c.best, by)
}

// Offset is by how many seconds the senders' clocks are ahead, less the shortest way that
// a message took; missing before the first one.
func (c *Clock) Offset() asset.Number {
	if c.minute.IsZero() {
		return asset.Missing()
	}
	return asset.Number(c.best)
}

// DriftPPM is how much faster than ours their clocks run, in µs per second; missing for
// the first minutes.
func (c *Clock) DriftPPM() asset.Number {
	if len(c.past) < clockFewest {
		return asset.Missing()
	}
	var slopes []float64
	for i, a := range c.past {
		for _, b := range c.past[i+1:] {
			slopes = append(slopes, (b.by-a.by)/(b.at-a.at))
		}
	}
	slices.Sort(slopes)
	n := len(slopes)
	return asset.Number(1e6 * (slopes[(n-1)/2] + slopes[n/2]) / 2)
}
