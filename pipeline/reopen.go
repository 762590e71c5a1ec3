package pipeline

import (
	"slices"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

// open is what a restart needs to rebuild the pending samples of a channel.
type open struct {
	Froms  []int64      `json:"froms"` // readings that hold pending samples, oldest first
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
		o.Froms = append(o.Froms, b.from)
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

// rebuild appends a block that was read before the restart, if it lies in the
// open window. Blocks come in the order of the source, which need not be theirs.
func (c *cutter) rebuild(w *asset.Waveform, from int64) {
	if c.awaited == nil || !slices.Contains(c.awaited.Froms, from) {
		return
	}
	if c.blocks == nil {
		c.blocks = map[int64]*asset.Waveform{}
	}
	c.blocks[from] = w
	if len(c.blocks) < len(c.awaited.Froms) {
		return
	}
	skip, edits := c.awaited.Skip, c.awaited.Edits
	for i, at := range c.awaited.Froms {
		b := blockAt{from: at, taken: skip}
		if len(edits) > 0 && edits[0].Of == i {
			b.drop, b.fill = edits[0].Drop, edits[0].Fill
			edits = edits[1:]
		}
		c.scale = c.blocks[at].Scale
		b.n = c.add(c.blocks[at], b, skip) - skip
		c.froms = append(c.froms, b)
		skip = 0
	}
	c.awaited, c.blocks = nil, nil
}
