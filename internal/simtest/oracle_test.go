package simtest

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

// oracle says what has to come out of a log, computed at once from the whole of it and by
// other code than the flow's: it sorts, refuses what it has seen, cuts by plain arithmetic.
type oracle struct {
	plant   *plant
	fates   map[int][]string // by message sent: what became of each copy
	windows map[windowKey]windowValue
	points  map[pointKey]float64
	events  map[string]bool
	counts  map[string]int64
}

type windowKey struct {
	asset   asset.ID
	channel string
	start   int64 // ns
}

type windowValue struct {
	n         int
	end       int64 // ns, of the frame
	rms, peak float64
}

type pointKey struct {
	asset  asset.ID
	metric string
	at     int64 // ns
}

// block is an accepted piece of a channel.
type block struct {
	id int
	w  *asset.Waveform
	at time.Time
}

// group is what was accepted of one instant and is not closed.
type group struct {
	waves, points int
	open, closed  bool // something waits; something has gone
	told          map[string]bool
}

// history is what the oracle knows of one asset while it goes through the log.
type history struct {
	m        *machine
	last     map[string]int64 // newest time by series
	instants map[int64]*group
	newest   int64
	blocks   map[string][]block
}

// predict goes through the log.
func predict(p *plant, log []message) *oracle {
	o := &oracle{
		plant: p, fates: map[int][]string{}, windows: map[windowKey]windowValue{}, points: map[pointKey]float64{},
		events: map[string]bool{}, counts: map[string]int64{},
	}
	all := map[asset.ID]*history{}
	for _, m := range p.machines {
		all[m.plate.ID] = &history{m: m, last: map[string]int64{}, instants: map[int64]*group{}, newest: math.MinInt64, blocks: map[string][]block{}}
	}
	for _, m := range log {
		o.fates[m.id] = append(o.fates[m.id], o.hear(all[m.reading.Asset], m))
	}
	for _, h := range all {
		for _, c := range h.m.plate.Channels {
			o.cut(h.m, c, h.blocks[c.Name])
		}
	}
	return o
}

// hear decides on one message.
func (o *oracle) hear(h *history, m message) string {
	r := m.reading
	parts := max(1, len(r.Points))
	refuse := func(why string) string {
		o.counts["refused/"+why] += int64(parts)
		return why
	}
	if h == nil {
		o.counts["refused/unknown-asset"]++
		return "unknown-asset"
	}
	o.counts["readings"]++
	if m.bad != "" {
		return refuse(m.bad)
	}
	var names []string
	now := r.Time.UnixNano()
	for _, p := range r.Points {
		names = append(names, "."+p.Metric)
	}
	if r.Wave != nil {
		names, now = []string{"~" + r.Wave.Channel}, r.Wave.Start.UnixNano()
	}
	for _, name := range names { // all of a reading's series move together
		if last, ok := h.last[name]; ok && now == last {
			return refuse("duplicate")
		} else if ok && now < last {
			return refuse("time-backwards")
		}
	}
	for _, name := range names {
		h.last[name] = now
	}
	o.counts["points"] += int64(len(r.Points))
	if r.Wave != nil {
		o.counts["samples"] += int64(r.Wave.Len())
	}
	return o.arrive(h, m)
}

// arrive puts a reading that was not refused into its instant.
func (o *oracle) arrive(h *history, m message) string {
	r, at := m.reading, m.reading.Time.UnixNano()
	for t, g := range h.instants {
		if g.closed && t > at {
			o.counts["late"]++
			return "late"
		}
	}
	g := h.instants[at]
	if g == nil {
		g = &group{told: map[string]bool{}}
		h.instants[at] = g
	}
	if e := r.Event; e != nil {
		if g.told[e.Code] {
			o.counts["refused/duplicate"]++
			return "duplicate"
		}
		g.told[e.Code] = true
		if o.plant.bounded || e.Code != "end" || o.plant.lateness == 0 { // else it waits for ever
			o.events[fmt.Sprintf("%s %d %s %s %s %s", r.Asset, at, e.Kind, e.Component, e.Code, e.Text)] = true
		}
	}
	if r.Wave != nil {
		g.waves++
		h.blocks[r.Wave.Channel] = append(h.blocks[r.Wave.Channel], block{m.id, r.Wave, r.Time})
	}
	for _, p := range r.Points {
		g.points++
		o.points[pointKey{r.Asset, p.Metric, at}] = p.Value
	}
	g.open = true
	h.newest = max(h.newest, at)
	edge := h.newest - int64(o.plant.lateness)
	for t, g := range h.instants {
		whole := (g.waves == 0 || g.waves >= len(h.m.plate.Channels)) && (g.points == 0 || g.points >= len(h.m.plate.Metrics))
		if g.open && (t < edge || t == edge && whole) {
			g.open, g.closed, g.waves, g.points = false, true, 0, 0
		}
	}
	return "accepted"
}

// cut makes the windows of a channel: runs of blocks without a hole, each cut at every hop.
func (o *oracle) cut(m *machine, c asset.Channel, blocks []block) {
	slices.SortFunc(blocks, func(a, b block) int { return a.w.Start.Compare(b.w.Start) })
	period := int64(1e9 / c.RateHz)
	var run []block
	born := false // the record that goes on has had a window
	for i, b := range blocks {
		run = append(run, b)
		whole := i+1 == len(blocks) || b.w.Last || blocks[i+1].w.First ||
			blocks[i+1].w.Start.UnixNano() != b.w.Start.UnixNano()+int64(b.w.Len())*period
		if !whole {
			continue
		}
		left, made := o.windowsOf(m, c, run, born, b.w.Last)
		switch {
		case b.w.Last, left > 0, i+1 < len(blocks) && blocks[i+1].w.First:
			born = false
		default:
			born = born || made > 0
		}
		if i+1 < len(blocks) || b.w.Last {
			o.counts["samples-abandoned"] += int64(left)
		}
		run = nil
	}
}

// windowsOf cuts one run; ends says that the record does. It returns how many samples are
// left for no window, and how many windows there are.
func (o *oracle) windowsOf(m *machine, c asset.Channel, run []block, born, ends bool) (left, made int) {
	var x []float64
	for _, b := range run {
		x = append(x, valuesOf(b.w)...)
	}
	n := int(math.Round(o.plant.window.Seconds * c.RateHz))
	hop := n
	if h := o.plant.window.Hop; h > 0 {
		hop = int(math.Round(h * float64(n)))
	}
	from := 0
	for ; n > 0 && from+n <= len(x); from += hop {
		o.window(m, c, run, x, from, n)
		made++
	}
	left = max(0, len(x)-from)
	if ends && left > 0 && (n == 0 || made == 0 && !born || float64(left) >= 0.5*float64(n)) {
		o.window(m, c, run, x, from, left)
		return 0, made + 1
	}
	return left, made
}

// window is what has to be known of one.
func (o *oracle) window(m *machine, c asset.Channel, run []block, x []float64, from, n int) {
	w := x[from : from+n]
	mean := 0.0
	for _, v := range w {
		mean += v
	}
	mean /= float64(n)
	v := windowValue{n: n}
	for _, s := range w {
		v.rms += (s - mean) * (s - mean)
		v.peak = max(v.peak, math.Abs(s-mean))
	}
	v.rms = math.Sqrt(v.rms / float64(n))
	period := int64(1e9 / c.RateHz)
	start := run[0].w.Start.UnixNano() + int64(from)*period
	end := start + int64(n-1)*period
	v.end = end / 1000 * 1000
	for _, b := range run { // it ends with the block that completes it, when that is at the same time
		if at := b.at.UnixNano(); at-end < 2e6 && end-at < 2e6 {
			v.end = at
		}
	}
	o.windows[windowKey{m.plate.ID, c.Name, start}] = v
}
