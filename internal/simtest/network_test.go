package simtest

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

// message is one entry of the broker's log; a copy of what was sent before has its number.
type message struct {
	id        int // of what was sent
	partition int
	reading   asset.Reading
	bad       string // why the checker has to refuse it, by the one who damaged it; empty: it is whole
}

// travel sends what the plant says through a network that delays, permutes, doubles, drops,
// damages and brings too late. What it delivers is a log in the order of arrival: per series
// almost always in order, per asset permuted by less than the lateness.
func (p *plant) travel(rng *rand.Rand) []message {
	type flight struct {
		message
		at time.Time // of arrival, in event time
	}
	var all []flight
	id := 0
	for _, m := range p.machines {
		newest := map[string]time.Time{} // of arrival, by series
		for k := range p.slots {
			for _, r := range m.speaks(rng, p, k) {
				id++
				f := flight{message{id: id, partition: m.partition, reading: r}, r.Time.Add(p.delay(rng))}
				name := seriesOf(r)
				if f.at.Before(newest[name]) && rng.IntN(10) > 0 {
					f.at = newest[name]
				}
				newest[name] = f.at
				fate := rng.IntN(100)
				if p.jumpAt > 0 && (k == p.jumpAt || k == m.silent[1]) {
					fate = 99 // what opens a record after a long silence comes
				}
				switch {
				case fate < 2: // dropped for good
					continue
				case fate < 4 && p.jumpAt == 0: // dropped, and sent again when it is too late
					f.at = f.at.Add(p.lateness + time.Duration(1+rng.IntN(8))*slot)
				case fate < 6:
					f.reading, f.bad = damaged(rng, r)
				}
				all = append(all, f)
				if rng.IntN(12) == 0 { // delivered twice
					f.at = f.at.Add(time.Duration(rng.IntN(6)) * slot / 2)
					if p.jumpAt > 0 {
						f.at = minTime(f.at, p.begins(k).Add(2*slot))
					}
					all = append(all, f)
				}
			}
		}
		if !p.bounded { // the last word, much later, ends what waits for its instant
			r := asset.Reading{Asset: m.plate.ID, Time: p.begins(p.slots).Add(30 * time.Second), Event: &asset.Event{Kind: "status", Code: "end"}}
			id++
			all = append(all, flight{message{id: id, partition: m.partition, reading: r}, r.Time})
		}
	}
	slices.SortStableFunc(all, func(a, b flight) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.id, b.id)) })
	out := make([]message, len(all))
	for i, f := range all {
		out[i] = f.message
	}
	return out
}

func minTime(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// delay is less than the lateness: what comes with it is in time.
func (p *plant) delay(rng *rand.Rand) time.Duration {
	if p.lateness == 0 {
		return 0
	}
	return time.Duration(rng.Int64N(int64(p.lateness)))
}

func seriesOf(r asset.Reading) string {
	switch {
	case r.Wave != nil:
		return r.Wave.Channel
	case len(r.Points) > 0:
		return "points/" + r.Points[0].Metric
	}
	return "event"
}

// damaged is a reading that no part of may pass, and the reason.
func damaged(rng *rand.Rand, r asset.Reading) (asset.Reading, string) {
	switch {
	case rng.IntN(4) == 0:
		r.Asset = "stranger"
		return r, "unknown-asset"
	case r.Wave != nil:
		w := *r.Wave
		w.Samples = slices.Clone(w.Samples)
		r.Wave = &w
		if rng.IntN(2) == 0 {
			if w.Scale = math.NaN(); w.Counts == nil {
				w.Samples[rng.IntN(len(w.Samples))] = float32(math.NaN())
			}
			return r, "not-finite"
		}
		w.Channel = "c9"
		return r, "unknown-channel"
	case len(r.Points) > 0:
		r.Points = slices.Clone(r.Points)
		for i := range r.Points {
			r.Points[i].Value = math.Inf(1)
		}
		return r, "not-finite"
	}
	e := *r.Event
	e.Kind = ""
	r.Event = &e
	return r, "bad-name"
}
