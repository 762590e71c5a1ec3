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
	clock   sampleClock
	froms   []blockAt
	awaited *open             // what rebuild still has to fill in after a restart
	blocks  map[int]readBlock // of it, by place
}

// blockAt remembers which reading contributed how many pending samples: those that
// fill the hole before it, then its own but for those that came before.
type blockAt struct {
	from  int64
	start int64     // of the block, Unix ns
	n     int       // samples still pending
	taken int       // samples already consumed, of the filled ones first
	drop  int       // samples of the block that came before
	fill  []float64 // before its own
}

// cuts counts samples that are not as they came.
type cuts struct {
	Abandoned int // never part of a window
	Filled    int // on a line between two that came
	Repeated  int // came twice
	Unread    int // blocks that a restart waited for and that did not come again
}

// push adds a block and returns the windows that it completes; they are valid until
// compact.
func (c *cutter) push(w *asset.Waveform, from int64) (windows []asset.Window, lost cuts) {
	unread := c.abandon()
	lost = c.join(w, from)
	lost.Unread = unread
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
				lost.Abandoned += left
			}
		}
		c.reset()
	}
	return windows, lost
}

// join appends the block, or starts afresh when it does not continue what came
// before it. A hole of up to two samples is filled.
func (c *cutter) join(w *asset.Waveform, from int64) (lost cuts) {
	b := blockAt{from: from, start: w.Start.UnixNano()}
	hole, ok := c.follows(w)
	if ok && hole > 0 {
		b.fill = c.clock.between(w, hole)
		ok = b.fill != nil
	}
	switch {
	case !ok:
		lost.Abandoned = c.afresh(w)
	case hole < 0 && c.repeats(w, -hole):
		c.clock.Odd = oddSteps{}
		b.drop = min(-hole, w.Len())
		lost.Repeated = b.drop
		if b.drop == w.Len() {
			return lost
		}
		c.clock.follow(w, hole, c.rate)
	case hole < 0: // these samples are new: it is the stamp that is off
		c.clock.begin(w)
	default:
		lost.Filled = hole
		c.clock.follow(w, hole, c.rate)
	}
	c.place(w, &b)
	c.quality = math.Min(c.quality, w.Quality)
	b.n = c.add(w, b, 0)
	c.froms = append(c.froms, b)
	return lost
}

// follows reports whether the block continues the record, and behind a hole of how
// many samples, or below 0, with how many that came before.
func (c *cutter) follows(w *asset.Waveform) (hole int, ok bool) {
	if c.clock.N == 0 || w.First || w.RateHz != c.rate || (w.Counts != nil) != (c.counts != nil) || w.Scale != c.scale {
		return 0, false
	}
	hole = c.clock.hole(w.Start, c.rate)
	return hole, hole >= -mostFilled && hole <= mostFilled || hole < 0 && c.repeats(w, -hole)
}

// repeats reports whether the block begins with the last n samples before it.
func (c *cutter) repeats(w *asset.Waveform, n int) bool {
	tail := len(c.clock.Tail)
	if n > max(tail, c.pending()) {
		return false
	}
	for i := range min(n, w.Len()) {
		before := 0.0
		switch {
		case n <= tail:
			before = float64(c.clock.Tail[tail-n+i])
		case c.counts != nil:
			before = float64(c.counts[len(c.counts)-n+i])
		default:
			before = float64(c.samples[len(c.samples)-n+i])
		}
		if before != sampleAt(w, i) {
			return false
		}
	}
	return true
}

// afresh gives up what is pending, and begins with w.
func (c *cutter) afresh(w *asset.Waveform) (abandoned int) {
	if abandoned = c.pending(); abandoned > 0 {
		c.reset()
	} else if w.First {
		c.cut = 0
	}
	if (w.Counts != nil) != (c.counts != nil) {
		c.samples, c.counts, c.used = nil, nil, 0
	}
	if w.RateHz != c.rate {
		c.clock = sampleClock{}
	}
	c.rate, c.scale = w.RateHz, w.Scale
	c.clock.end()
	c.clock.begin(w)
	return abandoned
}

// place says when the pending samples were taken, by the stamp of the block that
// joins them: they follow it when it is off by more than half a sample.
func (c *cutter) place(w *asset.Waveform, b *blockAt) {
	n := c.pending()
	start := w.Start.Add(c.lasts(b.drop - len(b.fill)))
	if n == 0 {
		c.start, c.quality = start, w.Quality
		return
	}
	off := start.Sub(c.start.Add(c.lasts(n)))
	if math.Abs(off.Seconds())*c.rate > halfSample {
		c.start = c.start.Add(off)
	}
}

// lasts is how long n samples last.
func (c *cutter) lasts(n int) time.Duration { return time.Duration(float64(n) / c.rate * 1e9) }

// add appends what b takes of the block, as it is, without the first skip samples, and
// returns how many there are with them.
func (c *cutter) add(w *asset.Waveform, b blockAt, skip int) int {
	n := len(b.fill) + w.Len() - b.drop
	for _, v := range b.fill[min(skip, len(b.fill)):] {
		if w.Counts != nil {
			c.counts = append(c.counts, int16(v))
		} else {
			c.samples = append(c.samples, float32(v))
		}
	}
	own := b.drop + max(0, skip-len(b.fill))
	if w.Counts != nil {
		c.counts = append(c.counts, w.Counts[own:]...)
	} else {
		c.samples = append(c.samples, w.Samples[own:]...)
	}
	return n
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
		Quality: c.quality * (1 - float64(c.filled(n))/float64(n)), ClockPPM: c.clock.ppm(),
	}
	if c.counts != nil {
		w.Counts, w.Scale = c.counts[c.used:c.used+n:c.used+n], c.scale
	} else {
		w.Samples = c.samples[c.used : c.used+n : c.used+n]
	}
	return w
}

// filled is how many of the oldest n pending samples no sensor gave.
func (c *cutter) filled(n int) (filled int) {
	for _, b := range c.froms {
		if n <= 0 {
			break
		}
		filled += min(n, max(0, len(b.fill)-b.taken))
		n -= b.n
	}
	return filled
}

// drop forgets the oldest n samples.
func (c *cutter) drop(n int) {
	n = min(n, c.pending())
	c.start = c.start.Add(c.lasts(n))
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
	c.clock.end()
}

// endOf is the time of the last of n samples that begin at start.
func endOf(start time.Time, n int, rate float64) time.Time {
	return start.Add(time.Duration(float64(n-1) / rate * 1e9))
}
