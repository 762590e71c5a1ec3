package sparkplug

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/ingest"
)

// bound is a binding at work: what it has found in the message under way, and what is
// missing.
type bound struct {
	*Binding

	metrics  map[string]*Metric  // by name at the edge node
	channels map[string]*Channel // by name at the edge node
	found    []found
	told     State     // in the last event
	toldAt   time.Time // of it
	missing  error     // why something is missing; nil: nothing is
	since    time.Time // what is missing is not older
	until    time.Time // what is known to be missing is not younger
}

// found is a point or a waveform.
type found struct {
	stampMS int64
	wave    *asset.Waveform // nil: it is a point
	point   asset.Point
}

// value is one of a metric.
type value struct {
	*metric
	*definition

	kind    kind
	stampMS int64
	quality float64
	among   int // metrics of the message
}

func newBound(b *Binding) *bound {
	x := &bound{Binding: b, metrics: map[string]*Metric{}, channels: map[string]*Channel{}}
	for i := range b.Metrics {
		x.metrics[b.Metrics[i].Name] = &b.Metrics[i]
	}
	for i := range b.Channels {
		x.channels[b.Channels[i].Name] = &b.Channels[i]
	}
	return x
}

// take keeps a value of interest. It reports false for one that cannot be read.
func (b *bound) take(v value) bool {
	name := v.definition.name
	if c := b.channels[name]; c != nil {
		return b.wave(c, v)
	}
	m := b.metrics[name]
	if m == nil {
		if len(b.Metrics) > 0 || !v.kind.measures() || ofProtocol(name) {
			return true
		}
		m = &Metric{Metric: name}
	}
	x, ok := v.number(v.kind)
	if !ok {
		return false
	}
	unit := m.Unit
	switch {
	case unit != "":
	case v.kind == dateTimeKind:
		unit = "s"
	case len(v.metric.unit) > 0:
		unit = string(v.metric.unit)
	case v.definition.unit != "":
		unit = v.definition.unit
	default:
		unit = "1"
	}
	b.keep(v, found{point: asset.Point{Metric: m.Metric, Value: x, Unit: unit, Quality: v.quality}})
	return true
}

// keep adds what was found. There is room for the whole message at once, which is less in
// all than what growing by and by takes.
func (b *bound) keep(v value, f found) {
	if b.found == nil {
		b.found = make([]found, 0, v.among)
	}
	f.stampMS = v.stampMS
	b.found = append(b.found, f)
}

// ofProtocol reports whether a metric serves the protocol and measures nothing.
func ofProtocol(name string) bool {
	return name == "bdSeq" || strings.HasPrefix(name, "Node Control/") || strings.HasPrefix(name, "Device Control/")
}

// wave keeps an array as a record of its own; its timestamp is that of the newest sample.
func (b *bound) wave(c *Channel, v value) bool {
	samples, counts, ok := v.array(v.kind)
	if !ok || len(samples)+len(counts) == 0 {
		return false
	}
	w := &asset.Waveform{Channel: c.Channel, RateHz: c.RateHz, Unit: c.Unit, Samples: samples, Counts: counts, Quality: v.quality, First: true, Last: true}
	if counts != nil {
		w.Scale = c.Scale
	} else if c.Scale != 1 && v.kind != floatArray && v.kind != doubleArray {
		for i, s := range samples {
			samples[i] = float32(float64(s) * c.Scale)
		}
	}
	length := time.Duration(float64(w.Len()-1) / c.RateHz * 1e9)
	w.Start = time.UnixMilli(v.stampMS).UTC().Add(-length)
	b.keep(v, found{wave: w})
	return true
}

// flush delivers what was found, in order of time, the points of an instant together.
func (b *bound) flush(source string, out *output) {
	if len(b.found) == 0 {
		return
	}
	b.sort()
	b.resume(time.UnixMilli(b.found[0].stampMS).UTC(), source, out)
	b.pour(out)
}

func (b *bound) sort() {
	slices.SortStableFunc(b.found, func(a, b found) int { return cmp.Compare(a.stampMS, b.stampMS) })
}

// errBehind is why what an asset says is lost until its clock has come to where ours was.
var errBehind = errors.New("the edge node's clock is behind ours, by which it was said to be offline")

// reborn delivers what a birth has, in order of time: the values that were measured before
// it, the gap that it ends, that the asset is there, all other values. The gap goes over the
// first ones too: they are the newest, and what came before them is lost.
func (b *bound) reborn(at time.Time, source string, out *output) {
	if b.told == Offline && at.Before(b.toldAt) {
		b.miss(at, b.toldAt, errBehind)
	}
	if b.missing != nil && at.Before(b.until) {
		at = b.until
	}
	b.sort()
	all := b.found
	older, _ := slices.BinarySearchFunc(all, at.UnixMilli(), func(f found, ms int64) int { return cmp.Compare(f.stampMS, ms) })
	b.found = all[:older]
	b.pour(out)
	b.resume(at, source, out)
	b.tell(Online, at, source+" was born", out)
	b.found = all[older:]
	b.pour(out)
}

// pour delivers what was found and sorted.
func (b *bound) pour(out *output) {
	if len(b.found) == 0 {
		b.found = nil
		return
	}
	readings, points := 0, 0
	for i, f := range b.found {
		if f.wave == nil {
			points++
		}
		if f.wave != nil || i == 0 || b.found[i-1].stampMS != f.stampMS {
			readings++
		}
	}
	out.readings = slices.Grow(out.readings, readings)
	room := make([]asset.Point, 0, points)
	for from := 0; from < len(b.found); {
		stampMS := b.found[from].stampMS
		first := len(room)
		for ; from < len(b.found) && b.found[from].stampMS == stampMS; from++ {
			if w := b.found[from].wave; w != nil {
				b.deliver(w, out)
			} else {
				room = append(room, b.found[from].point)
			}
		}
		if len(room) > first {
			out.readings = append(out.readings, asset.Reading{Asset: b.Asset, Time: time.UnixMilli(stampMS).UTC(), Points: room[first:len(room):len(room)]})
		}
	}
	b.found = nil
}

// deliver cuts a waveform where it is longer than a second.
func (b *bound) deliver(w *asset.Waveform, out *output) {
	if float64(w.Len()) <= w.RateHz {
		out.readings = append(out.readings, asset.Reading{Asset: b.Asset, Time: ingest.Newest(*w), Wave: w})
		return
	}
	blocks := ingest.Cut(*w)
	out.readings = slices.Grow(out.readings, len(blocks))
	for i := range blocks {
		out.readings = append(out.readings, asset.Reading{Asset: b.Asset, Time: ingest.Newest(blocks[i]), Wave: &blocks[i]})
	}
}

// miss notes that something of between two instants is missing.
func (b *bound) miss(since, until time.Time, why error) {
	if b.missing == nil {
		b.missing, b.since, b.until = why, since, until
		return
	}
	if since.Before(b.since) {
		b.since = since
	}
	if until.After(b.until) {
		b.until = until
	}
}

// older is how much older than their message its values are taken to be: what was lost
// right after a message may have been measured before it.
const older = time.Second

// resume delivers the gap that ends now, if there is one. What is dropped may be younger
// than what comes next.
func (b *bound) resume(at time.Time, source string, out *output) {
	if b.missing == nil {
		return
	}
	if at.Before(b.until) {
		at = b.until
	}
	out.readings = append(out.readings, ingest.Gap(b.Asset, b.since.Add(-older), at, source, b.missing))
	b.missing = nil
}

// tell delivers an event when the asset's state is another than before.
func (b *bound) tell(s State, at time.Time, text string, out *output) {
	if b.told == s {
		return
	}
	b.told, b.toldAt = s, at
	out.readings = append(out.readings, asset.Reading{Asset: b.Asset, Time: at, Event: &asset.Event{Kind: "status", Code: string(s), Text: text}})
}
