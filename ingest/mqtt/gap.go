package mqtt

import (
	"fmt"
	"slices"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/ingest"
)

// gaps finds out what was missed while the connection was down: a broker may have kept
// all of it, the beginning, or nothing. Time tells: when a reading after an outage is
// further from the one before than readings of that topic usually are, something is
// missing between them. The first one is looked at, and all that a broker had kept: until
// readings are no later than they were before the outage, or as long as it was.
type gaps struct {
	source string
	alive  time.Duration // an outage that is shorter loses nothing as long as nothing is known of a topic
	heard  map[series]*rhythm
	down   time.Time // since then; zero while the connection is up
	why    error
	outage int                    // how many there were
	lasted time.Duration          // the last one
	backAt time.Time              // its end
	told   map[asset.ID]time.Time // up to where its gaps are told: topics miss the same
}

// series is what an asset sends on a topic.
type series struct {
	asset asset.ID
	topic string
}

// rhythm is how a series comes.
type rhythm struct {
	newest time.Time                   // stamp
	at     time.Time                   // of its arrival
	last   [rhythmLength]time.Duration // from message to message
	n      int                         // that were put into last
	lag    time.Duration               // from stamp to arrival, when nothing is held up
	outage int                         // that it has come back from
	behind bool                        // what comes was held up
}

const (
	rhythmLength = 32
	rhythmFewest = 3     // intervals that say something
	mostSeries   = 65536 // whose rhythm is kept; a sender that makes up topics gets no further
)

func newGaps(source string, alive time.Duration) *gaps {
	return &gaps{source: source, alive: alive, heard: map[series]*rhythm{}, told: map[asset.ID]time.Time{}}
}

// lost notes that the connection ended.
func (g *gaps) lost(now time.Time, why error) {
	if g.down.IsZero() {
		g.down, g.why = now, why
	}
}

// back notes that there is one again, of a broker that may have forgotten us.
func (g *gaps) back(now time.Time, forgot bool) {
	if !g.down.IsZero() {
		if forgot {
			g.why = fmt.Errorf("%w; %w", g.why, errForgotten)
		}
		g.outage, g.lasted, g.down = g.outage+1, now.Sub(g.down), time.Time{}
		g.backAt = now
	}
}

// saw notes the readings of a message that arrived now and returns, for each asset that
// missed something in an outage, the gap that ends with it. Old is a message that the
// broker sends again, or kept for whoever comes: it tells what was there, not what is new.
func (g *gaps) saw(topic string, now time.Time, old bool, readings []asset.Reading) (missed []asset.Reading) {
	for len(readings) > 0 {
		id, n := readings[0].Asset, 1
		from, to := earliest(readings[0]), readings[0].Time
		for ; n < len(readings) && readings[n].Asset == id; n++ {
			if readings[n].Time.After(to) {
				to = readings[n].Time
			}
		}
		readings = readings[n:]
		x := g.rhythm(series{id, topic})
		if x == nil {
			continue
		}
		step, known := to.Sub(x.newest), !x.newest.IsZero()
		if step <= 0 {
			continue // a broker that was killed may send what it sent before, and not say so
		}
		if !old && known && g.missed(x, now, step, now.Sub(to)) {
			known = false // the step is none of its rhythm
			if !from.After(x.newest) {
				from = to // of a record that began before the outage
			}
			if !x.newest.Before(g.told[id]) {
				g.told[id] = from
				missed = append(missed, ingest.Gap(id, x.newest, from, g.source, g.why))
			}
		}
		if known {
			x.last[x.n%rhythmLength] = step
			x.n++
		}
		x.newest, x.at = to, now
	}
	return missed
}

// missed reports whether something should have come in a step of x that ends now.
func (g *gaps) missed(x *rhythm, now time.Time, step, lag time.Duration) bool {
	first := x.outage < g.outage
	if first {
		x.outage, x.behind = g.outage, true
	}
	if !x.behind {
		x.lag = lag
		return false
	}
	usual := x.usual()
	switch since := now.Sub(g.backAt); { // a stamp need not run with our clock, so the first seconds count whatever it says
	case since > max(g.lasted, g.alive), since > g.alive && lag <= x.lag+usual:
		x.behind, x.lag = false, lag
	}
	if !first && now.Sub(x.at) > step/2 {
		return false // it is the sender who pauses
	}
	if usual > 0 && !first {
		usual = slices.Max(x.last[:min(x.n, rhythmLength)]) // of many steps one in ten is longer than usual
	}
	if usual > 0 {
		return step > usual+usual/2
	}
	return g.lasted > g.alive
}

// usual is the 90th percentile of the last steps (nearest rank); 0 when it is not known.
func (x *rhythm) usual() time.Duration {
	n := min(x.n, rhythmLength)
	if n < rhythmFewest {
		return 0
	}
	return slices.Sorted(slices.Values(x.last[:n]))[(9*n-1)/10]
}

// rhythm is that of a series; nil when there are too many.
func (g *gaps) rhythm(k series) *rhythm {
	x, ok := g.heard[k]
	if !ok && len(g.heard) < mostSeries {
		x = &rhythm{outage: g.outage}
		g.heard[k] = x
	}
	return x
}

// earliest is when a reading begins.
func earliest(r asset.Reading) time.Time {
	if r.Wave != nil && r.Wave.Start.Before(r.Time) {
		return r.Wave.Start
	}
	return r.Time
}
