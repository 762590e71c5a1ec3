package pipeline

import (
	"slices"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

// open is what a restart needs to rebuild the pending samples of a channel.
type open struct {
	Froms  []int64      `json:"froms"`            // readings that hold pending samples, oldest first
	Starts []int64      `json:"starts,omitempty"` // of their blocks, Unix ns
	Edits  []edit       `json:"edits,omitempty"`
	Skip   int          `json:"skip"`  // samples of the oldest that are used up
	Start  int64        `json:"start"` // Unix ns of the first pending sample
	Rate   float64      `json:"rate"`
	Counts bool         `json:"counts,omitempty"` // that is what the blocks hold
	Scale  float64      `json:"scale,omitempty"`
	Qual   float64      `json:"quality"`
	Cut    int          `json:"cut"`
	Clock  *sampleClock `json:"clock,omitempty"`
}

// edit is what was filled before, or dropped from, one of the readings.
type edit struct {
	Of   int       `json:"of"` // index of it
	Drop int       `json:"drop,omitempty"`
	Fill []float64 `json:"fill,omitempty"`
}

// save describes the open record and the clock; ok is false when nothing is known
// of either.
func (c *cutter) save() (o open, ok bool) {
	if c.pending() == 0 && c.cut == 0 && c.rate == 0 {
		return open{}, false
	}
	clock := c.clock
	o = open{
		Start: c.start.UnixNano(), Rate: c.rate, Counts: c.counts != nil, Scale: c.scale,
		Qual: c.quality, Cut: c.cut, Clock: &clock,
	}
	for i, b := range c.froms {
		if i == 0 {
			o.Skip = b.taken
		}
		if b.drop > 0 || len(b.fill) > 0 {
			o.Edits = append(o.Edits, edit{i, b.drop, b.fill})
		}
		o.Froms, o.Starts = append(o.Froms, b.from), append(o.Starts, b.start)
	}
	return o, true
}

// load opens the record again; the samples follow by rebuild.
func (c *cutter) load(o open) {
	c.start, c.rate, c.quality, c.cut = time.Unix(0, o.Start).UTC(), o.Rate, o.Qual, o.Cut
	c.scale = o.Scale
	if o.Counts {
		c.counts = []int16{}
	}
	if o.Clock != nil {
		c.clock = *o.Clock
	}
	c.awaited = &o
}

// awaits is the place of a block among those that rebuild waits for, below 0 for none. A
// source that cannot go back delivers them again at new positions: there it is their
// time that tells.
func (c *cutter) awaits(w *asset.Waveform, from int64, again bool) int {
	switch {
	case c.awaited == nil:
		return -1
	case again:
		return slices.Index(c.awaited.Froms, from)
	}
	return slices.Index(c.awaited.Starts, w.Start.UnixNano())
}

// rebuild takes a block of before the restart that has place i in the open window, and
// opens that when all are there. Blocks come in the order of the source, which need not
// be theirs.
func (c *cutter) rebuild(w *asset.Waveform, from int64, i int) {
	if c.blocks == nil {
		c.blocks = map[int]rebuilt{}
	}
	c.blocks[i] = rebuilt{w, from}
	if len(c.blocks) < len(c.awaited.Froms) {
		return
	}
	skip, edits := c.awaited.Skip, c.awaited.Edits
	for i := range c.awaited.Froms {
		w := c.blocks[i].wave
		b := blockAt{from: c.blocks[i].from, start: w.Start.UnixNano(), taken: skip}
		if len(edits) > 0 && edits[0].Of == i {
			b.drop, b.fill = edits[0].Drop, edits[0].Fill
			edits = edits[1:]
		}
		c.scale = w.Scale
		b.n = c.add(w, b, skip) - skip
		c.froms = append(c.froms, b)
		skip = 0
	}
	c.awaited, c.blocks = nil, nil
}

// rebuilt is a block that has come again.
type rebuilt struct {
	wave *asset.Waveform
	from int64
}

// abandon gives up what rebuild still waits for: newer blocks came, or none for long. It
// returns how many blocks are gone.
func (c *cutter) abandon() (lost int64) {
	if c.awaited != nil && len(c.awaited.Froms) > 0 {
		lost = int64(len(c.awaited.Froms))
		c.reset()
	}
	c.awaited, c.blocks = nil, nil
	return lost
}
