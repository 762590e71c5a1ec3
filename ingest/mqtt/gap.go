package mqtt

import (
	"fmt"
	"slices"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/ingest"
)

// gaps finds out what was missed while the connection was down: a broker may have kept
// all of it, some, or nothing. Time tells: when the first new reading after an outage is
// further from the newest before than readings of that topic usually are, something is
// missing between them.
type gaps struct {
	source string
	alive  time.Duration // an outage that is shorter loses nothing as long as nothing is known of a topic
	heard  map[series]*rhythm
	down   time.Time // since then; zero while the connection is up
	why    error
	outage int           // how many there were
	lasted time.Duration // the last one
	told   map[asset.ID]int
}

// series is what an asset sends on a topic.
type series struct {
	asset asset.ID
	topic string
}

// rhythm is how a series comes.
type rhythm struct {
	newest time.Time
	last   [rhythmLength]time.Duration // from message to message
	n      int                         // that were put into last
	outage int                         // that it has come back from
}

const (
	rhythmLength = 32
	rhythmFewest = 3     // intervals that say something
	mostSeries   = 65536 // whose rhythm is kept; a sender that makes up topics gets no further
)

func newGaps(source string, alive time.Duration) *gaps {
	return &gaps{source: source, alive: alive, heard: map[series]*rhythm{}, told: map[asset.ID]int{}}
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
	}
}

// saw notes the readings of a message and returns, for each asset of which it is the first
// new one after an outage, the gap that ends with it. Old is a message that the broker
// sends again or had kept: it tells what was there, not what comes now.
func (g *gaps) saw(topic string, old bool, readings []asset.Reading) (missed []asset.Reading) {
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
		step, first := to.Sub(x.newest), x.newest.IsZero()
		if !old && x.outage < g.outage {
			x.outage = g.outage
			if !first && g.told[id] < g.outage && g.missing(x, step) {
				g.told[id] = g.outage
				if !from.After(x.newest) {
					from = to // of a record that began before the outage
				}
				missed = append(missed, ingest.Gap(id, x.newest, from, g.source, g.why))
				first = true // the step is none of its rhythm
			}
		}
		if step <= 0 {
			continue
		}
		if !first {
			x.last[x.n%rhythmLength] = step
			x.n++
		}
		x.newest = to
	}
	return missed
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

// missing reports whether something should have come in a step of x after an outage.
func (g *gaps) missing(x *rhythm, step time.Duration) bool {
	if n := min(x.n, rhythmLength); n >= rhythmFewest {
		usual := slices.Sorted(slices.Values(x.last[:n]))[(9*n-1)/10]
		return step > usual+usual/2
	}
	return step > 0 && g.lasted > g.alive
}

// earliest is when a reading begins.
func earliest(r asset.Reading) time.Time {
	if r.Wave != nil && r.Wave.Start.Before(r.Time) {
		return r.Wave.Start
	}
	return r.Time
}
