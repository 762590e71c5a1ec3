package pipeline

import (
	"slices"
	"strings"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

// Arrival is a reading with its place in the source.
type Arrival struct {
	Reading asset.Reading
	From    int64 // position of the reading itself
	Next    int64 // position to go on from after it
}

// idleTimeout is how much later the rest of the shard may be before an asset's
// last instant is taken as complete. It is counted in event time.
const idleTimeout = 5 * time.Minute

// order puts one asset's readings into event-time order and groups those of one
// instant. An instant is complete when every declared channel or metric of the
// kinds seen is in, or when a later reading shows that no more will come.
type order struct {
	lateness time.Duration
	channels int // declared
	metrics  int
	pending  []Arrival // sorted by time, arrival order within
	newest   time.Time // the asset's latest event time
	Clock    time.Time // time of the last instant that was closed
	Done     []string  // the signals that were in it
}

// fate is what became of a reading.
type fate string

const (
	accepted  fate = ""
	late      fate = "late"              // its instant has been closed
	duplicate fate = "refused/duplicate" // the same signals of the same time are in already
)

// add takes a reading in and returns the instants that it completes, in order.
func (o *order) add(a Arrival) ([][]Arrival, fate) {
	t := a.Reading.Time
	if t.Before(o.Clock) {
		return nil, late
	}
	if t.Equal(o.Clock) && repeats(o.Done, a) {
		return nil, duplicate
	}
	at := o.place(t)
	for _, p := range o.pending[:at] {
		if p.Reading.Time.Equal(t) && repeats(signals(p), a) {
			return nil, duplicate
		}
	}
	o.pending = slices.Insert(o.pending, at, a)
	if t.After(o.newest) {
		o.newest = t
	}
	return o.release(o.newest.Add(-o.lateness)), accepted
}

// place is where a reading of that time goes: behind those of its instant.
func (o *order) place(t time.Time) int {
	at, _ := slices.BinarySearchFunc(o.pending, t, func(p Arrival, t time.Time) int {
		if p.Reading.Time.After(t) {
			return 1
		}
		return -1
	})
	return at
}

// signals names what a reading brings.
func signals(a Arrival) []string {
	var out []string
	if w := a.Reading.Wave; w != nil {
		out = append(out, w.Channel)
	}
	for _, f := range a.Reading.Features {
		out = append(out, computed(f))
	}
	for _, p := range a.Reading.Points {
		out = append(out, p.Metric)
	}
	if e := a.Reading.Event; e != nil {
		out = append(out, "event:"+strings.Join([]string{e.Kind, e.Component, e.Code, e.Text}, "/"))
	}
	return out
}

// computed names the features of a window.
func computed(f asset.Features) string {
	return "features:" + f.Channel + "/" + f.End.UTC().Format(time.RFC3339Nano)
}

// repeats reports whether a reading brings nothing that is not in known. Waves and
// points of one instant may close one after the other, each complete.
func repeats(known []string, a Arrival) bool {
	names := signals(a)
	for _, n := range names {
		if !slices.Contains(known, n) {
			return false
		}
	}
	return len(names) > 0
}

// release closes the instants before the watermark, and the newest when it is complete.
func (o *order) release(watermark time.Time) [][]Arrival {
	var out [][]Arrival
	for len(o.pending) > 0 {
		t := o.pending[0].Reading.Time
		n := 1
		for n < len(o.pending) && o.pending[n].Reading.Time.Equal(t) {
			n++
		}
		if t.After(watermark) || (t.Equal(watermark) && !o.complete(o.pending[:n])) {
			break
		}
		if !t.Equal(o.Clock) {
			o.Clock, o.Done = t, nil
		}
		for _, a := range o.pending[:n] {
			o.Done = append(o.Done, signals(a)...)
		}
		out = append(out, slices.Clone(o.pending[:n]))
		o.pending = slices.Delete(o.pending, 0, n)
	}
	return out
}

// complete reports whether nothing that was declared is missing from the group.
func (o *order) complete(group []Arrival) bool {
	waves, points := 0, 0
	for _, a := range group {
		if a.Reading.Wave != nil {
			waves++
		}
		waves += len(a.Reading.Features)
		points += len(a.Reading.Points)
	}
	return (waves == 0 || waves >= o.channels) && (points == 0 || points >= o.metrics)
}

// flush closes everything that is pending: the input has ended, or the asset has
// been silent for so long that nothing more will come for these instants.
func (o *order) flush() [][]Arrival {
	return o.release(o.newest.Add(time.Nanosecond))
}
