package pipeline

import (
	"math"
	"slices"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

// cutter joins the blocks of one channel into windows. A window never spans a
// gap, a change of rate or the border of a record that the source declared.
type cutter struct {
	opt     WindowOptions
	channel asset.Channel
	samples []float32 // pending, or counts
	counts  []int16
	scale   float64   // of counts
	used    int       // of the first: windows were cut from them and may still be read
	start   time.Time // of the first pending one
	rate    float64
	quality float64
	cut     int // windows cut from the current record
	froms   []blockAt
	awaited *open // what rebuild still has to fill in after a restart
	blocks  map[int64]*asset.Waveform
}

// blockAt remembers which reading contributed how many pending samples.
type blockAt struct {
	from  int64
	n     int // samples still pending
	taken int // samples of the block already consumed
}

// push adds a block and returns the windows that it completes; they are valid until
// compact. abandoned counts samples that will never be part of a window.
func (c *cutter) push(w *asset.Waveform, from int64) (windows []asset.Window, abandoned int) {
	abandoned = c.join(w, from)
	n := c.length()
	for n > 0 && c.pending() >= n {
		windows = append(windows, c.window(n))
		c.drop(max(1, int(math.Round(c.opt.Hop*float64(n)))))
	}
	if w.Last {
		if left := c.pending(); left > 0 {
			if n == 0 || c.cut == 0 || float64(left) >= c.opt.MinShare*float64(n) {
				windows = append(windows, c.window(left))
			} else {
				abandoned += left
			}
		}
		c.reset()
	}
	return windows, abandoned
}

// join appends the block, or starts afresh when it does not continue what is pending.
func (c *cutter) join(w *asset.Waveform, from int64) (abandoned int) {
	if n := c.pending(); n > 0 {
		next := c.start.Add(time.Duration(float64(n) / c.rate * 1e9))
		gap := math.Abs(w.Start.Sub(next).Seconds()) * c.rate
		if w.First || w.RateHz != c.rate || gap > 2 || (w.Counts != nil) != (c.counts != nil) || w.Scale != c.scale {
			abandoned = n
			c.reset()
		}
	} else if w.First {
		c.cut = 0
	}
	if c.pending() == 0 {
		if (w.Counts != nil) != (c.counts != nil) {
			c.samples, c.counts, c.used = nil, nil, 0
		}
		c.start, c.rate, c.quality, c.scale = w.Start, w.RateHz, w.Quality, w.Scale
	}
	c.quality = math.Min(c.quality, w.Quality)
	c.add(w, 0)
	c.froms = append(c.froms, blockAt{from: from, n: w.Len()})
	return abandoned
}

// add appends the block's samples from skip on, as they are.
func (c *cutter) add(w *asset.Waveform, skip int) {
	if w.Counts != nil {
		c.counts = append(c.counts, w.Counts[skip:]...)
		return
	}
	c.samples = append(c.samples, w.Samples[skip:]...)
}

// pending is the number of samples that wait for a window.
func (c *cutter) pending() int { return max(len(c.samples), len(c.counts)) - c.used }

// compact forgets the samples that are used up, when nothing reads them any more.
func (c *cutter) compact() {
	c.samples = slices.Delete(c.samples, 0, min(c.used, len(c.samples)))
	c.counts = slices.Delete(c.counts, 0, min(c.used, len(c.counts)))
	c.used = 0
}

// length is the window's length in samples; 0 while it is the whole record.
func (c *cutter) length() int {
	if c.opt.Seconds <= 0 {
		return 0
	}
	return int(math.Round(c.opt.Seconds * c.rate))
}

func (c *cutter) window(n int) asset.Window {
	c.cut++
	w := asset.Window{
		Channel: c.channel.Name, Component: c.channel.Component, Kind: c.channel.Kind,
		Start: c.start, End: endOf(c.start, n, c.rate), RateHz: c.rate,
		Quality: c.quality,
	}
	if c.counts != nil {
		w.Counts, w.Scale = c.counts[c.used:c.used+n:c.used+n], c.scale
	} else {
		w.Samples = c.samples[c.used : c.used+n : c.used+n]
	}
	return w
}

// drop forgets the oldest n samples.
func (c *cutter) drop(n int) {
	n = min(n, c.pending())
	c.start = c.start.Add(time.Duration(float64(n) / c.rate * 1e9))
	c.used += n
	for n > 0 && len(c.froms) > 0 {
		b := &c.froms[0]
		take := min(n, b.n)
		b.n, b.taken, n = b.n-take, b.taken+take, n-take
		if b.n == 0 {
			c.froms = c.froms[1:]
		}
	}
}

// reset gives up what is pending; windows that were cut stay valid.
func (c *cutter) reset() {
	c.used += c.pending()
	c.froms, c.cut = c.froms[:0], 0
}

// endOf is the time of the last of n samples that begin at start.
func endOf(start time.Time, n int, rate float64) time.Time {
	return start.Add(time.Duration(float64(n-1) / rate * 1e9))
}

// open is what a restart needs to rebuild the pending samples of a channel.
type open struct {
	Froms []int64 `json:"froms"` // readings that hold pending samples, oldest first
	Skip  int     `json:"skip"`  // samples of the oldest that are used up
	Start int64   `json:"start"` // Unix ns of the first pending sample
	Rate  float64 `json:"rate"`
	Qual  float64 `json:"quality"`
	Cut   int     `json:"cut"`
}

// save describes the open record; ok is false when there is none.
func (c *cutter) save() (o open, ok bool) {
	if c.pending() == 0 && c.cut == 0 {
		return open{}, false
	}
	o = open{Start: c.start.UnixNano(), Rate: c.rate, Qual: c.quality, Cut: c.cut}
	for i, b := range c.froms {
		if i == 0 {
			o.Skip = b.taken
		}
		o.Froms = append(o.Froms, b.from)
	}
	return o, true
}

// load opens the record again; the samples follow by rebuild.
func (c *cutter) load(o open) {
	c.start, c.rate, c.quality, c.cut = time.Unix(0, o.Start).UTC(), o.Rate, o.Qual, o.Cut
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
	skip := c.awaited.Skip
	for _, at := range c.awaited.Froms {
		c.scale = c.blocks[at].Scale
		c.add(c.blocks[at], skip)
		c.froms = append(c.froms, blockAt{from: at, n: c.blocks[at].Len() - skip, taken: skip})
		skip = 0
	}
	c.awaited, c.blocks = nil, nil
}
