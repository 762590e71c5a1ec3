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
	if c.awaited != nil {
		return *c.awaited, true
	}
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
	if len(o.Froms) > 0 {
		c.awaited = &o
	}
}

// readBlock is a block of the open window that was read again, at a position that need not
// be the one it had.
type readBlock struct {
	w    *asset.Waveform
	from int64
}

// awaits is the block's place in the open window that waits to be rebuilt, by the position
// that it had; -1: it has none.
func (c *cutter) awaits(from int64) int {
	if c.awaited == nil {
		return -1
	}
	return slices.Index(c.awaited.Froms, from)
}

// awaitsAt is the same for a source that counts anew after a restart: a block is known by
// when it starts.
func (c *cutter) awaitsAt(start time.Time) int {
	if c.awaited == nil {
		return -1
	}
	return slices.Index(c.awaited.Starts, start.UnixNano())
}

// rebuild puts a block that was read before the restart back into its place in the open
// window. Blocks come in the order of the source, which need not be theirs.
func (c *cutter) rebuild(place int, w *asset.Waveform, from int64) {
	if c.blocks == nil {
		c.blocks = map[int]readBlock{}
	}
	c.blocks[place] = readBlock{w, from}
	if len(c.blocks) < len(c.awaited.Froms) {
		return
	}
	skip, edits := c.awaited.Skip, c.awaited.Edits
	for i := range c.awaited.Froms {
		got := c.blocks[i]
		b := blockAt{from: got.from, start: got.w.Start.UnixNano(), taken: skip}
		if len(edits) > 0 && edits[0].Of == i {
			b.drop, b.fill = edits[0].Drop, edits[0].Fill
			edits = edits[1:]
		}
		c.scale = got.w.Scale
		b.n = c.add(got.w, b, skip) - skip
		c.froms = append(c.froms, b)
		skip = 0
	}
	c.awaited, c.blocks = nil, nil
}

// abandon gives up an open window that waits to be rebuilt: its blocks did not come again.
// It returns how many they are.
func (c *cutter) abandon() (lost int) {
	if c.awaited == nil {
		return 0
	}
	lost = len(c.awaited.Froms)
	c.awaited, c.blocks = nil, nil
	c.reset()
	return lost
}
