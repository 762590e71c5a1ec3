package features

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

// ReasonGap is why a feature is missing: samples of the record were lost.
const ReasonGap asset.Reason = "gap"

// Block is a packet of consecutive samples of one channel.
type Block[T float32 | float64] struct {
	Start   time.Time // of the first sample
	Seq     uint64    // as the source counts; decides between blocks of one stamp
	Samples []T
}

// JoinOptions say what a loss may be. The zero value means the documented
// defaults.
type JoinOptions struct {
	MaxFill    int       // samples of a hole that are filled by a line; default 2, negative for none
	MaxLoss    float64   // share of the record above which there are no spectral features; default 0.001
	MinStretch float64   // share of the record that the longest stretch needs; default 0.8
	StampS     float64   // a stamp is no better than this: a smaller step is no hole; default 0
	From, To   time.Time // bounds of the record, To excluded; default those of the blocks
}

func (o JoinOptions) filled() JoinOptions {
	if o.MaxFill == 0 {
		o.MaxFill = 2
	}
	o.MaxFill = max(o.MaxFill, 0)
	if !(o.MaxLoss > 0) {
		o.MaxLoss = 0.001
	}
	if !(o.MinStretch > 0) {
		o.MinStretch = 0.8
	}
	if !(o.StampS > 0) || math.IsInf(o.StampS, 0) {
		o.StampS = 0
	}
	return o
}

// Joined is a record made of blocks. Samples is what time features may use: the
// whole record when nothing but small holes was lost, else the longest stretch
// without a hole, and nothing when that is too short.
type Joined[T float32 | float64] struct {
	Start      time.Time // of Samples
	Samples    []T
	Filled     []int        // indices of Samples that are interpolated
	Spectral   asset.Reason // why spectral features are missing
	Temporal   asset.Reason // why all features are missing
	Expected   float64      // samples of the whole record
	Lost       float64      // samples that never came, filled ones included
	Holes      int          // places where samples are lost
	Duplicates int          // blocks, or parts of them, that came again
	OutOfOrder int          // blocks older than one before them
	Overlaps   int          // blocks that contradict their predecessor's time: the clock went back
	Clock      Clock

	index, stamps []float64 // of the blocks, for the clock
}

// Join sorts blocks by stamp and number, drops what came twice and joins the
// rest: a hole of up to MaxFill samples is filled by a line, a larger one is
// never closed. A hole is measured at the source's own clock rate, the median
// over the blocks, so that a clock that drifts loses nothing. blocks stays as it is.
func Join[T float32 | float64](blocks []Block[T], rateHz float64, opt JoinOptions) Joined[T] {
	opt = opt.filled()
	var j Joined[T]
	j.Clock = Clock{PPM: math.NaN(), StdErrPPM: math.NaN(), Reason: ReasonShort}
	if !(rateHz > 0) || math.IsInf(rateHz, 0) {
		return j.refuse(ReasonRate)
	}
	sorted := j.sort(blocks)
	if len(sorted) == 0 {
		return j.refuse(ReasonEmpty)
	}
	own := rateHz / ownRate(sorted, rateHz)
	runs := j.chain(sorted, own, opt)
	j.Clock = j.clock(rateHz)
	first, last := sorted[0].Start, runs[len(runs)-1].end(own)
	if !opt.From.IsZero() {
		j.Lost += max(0, math.Round(first.Sub(opt.From).Seconds()*own))
	}
	if !opt.To.IsZero() {
		j.Lost += max(0, math.Round(opt.To.Sub(last).Seconds()*own))
	}
	got := 0.0
	for _, r := range runs {
		got += float64(len(r.samples) - len(r.filled))
	}
	j.Expected = got + j.Lost
	tooMuch := j.Lost > opt.MaxLoss*j.Expected
	if len(runs) > 1 || tooMuch {
		j.Spectral = ReasonGap
	}
	best := longest(runs, tooMuch)
	if float64(len(best.samples)) < opt.MinStretch*j.Expected {
		return j.refuse(ReasonGap)
	}
	j.Start, j.Samples, j.Filled = best.start, best.samples, best.filled
	return j
}

func (j Joined[T]) refuse(why asset.Reason) Joined[T] {
	j.Spectral, j.Temporal = why, why
	return j
}

// sort returns the blocks that hold anything, in order of time, without those
// that came twice.
func (j *Joined[T]) sort(blocks []Block[T]) []Block[T] {
	out := make([]Block[T], 0, len(blocks))
	var newest time.Time
	for _, b := range blocks {
		if len(b.Samples) == 0 {
			continue
		}
		if len(out) > 0 && b.Start.Before(newest) {
			j.OutOfOrder++
		} else {
			newest = b.Start
		}
		out = append(out, b)
	}
	slices.SortStableFunc(out, func(a, b Block[T]) int {
		return cmp.Or(a.Start.Compare(b.Start), cmp.Compare(a.Seq, b.Seq))
	})
	return slices.CompactFunc(out, func(a, b Block[T]) bool {
		same := a.Start.Equal(b.Start) && slices.EqualFunc(a.Samples, b.Samples, sameSample[T])
		if same {
			j.Duplicates++
		}
		return same
	})
}

// sameSample also holds for two NaN.
func sameSample[T float32 | float64](a, b T) bool { return a == b || (a != a && b != b) }

// stretch is a run of samples without an open hole.
type stretch[T float32 | float64] struct {
	start   time.Time
	samples []T
	filled  []int
}

// end is when the sample behind the last one is due.
func (s stretch[T]) end(rateHz float64) time.Time {
	return s.start.Add(time.Duration(float64(len(s.samples)) / rateHz * 1e9))
}

// chain joins sorted blocks into stretches and counts what is lost. rateHz is
// the source's own.
func (j *Joined[T]) chain(blocks []Block[T], rateHz float64, opt JoinOptions) []stretch[T] {
	slack := 0.5 + opt.StampS*rateHz
	runs := []stretch[T]{{start: blocks[0].Start, samples: slices.Clone(blocks[0].Samples)}}
	at, end := 0.0, float64(len(blocks[0].Samples)) // on the grid of samples: of the block, behind all before it
	j.stamp(0, 0)
	for i := 1; i < len(blocks); i++ {
		b, before := blocks[i], float64(len(blocks[i-1].Samples))
		step := b.Start.Sub(blocks[i-1].Start).Seconds() * rateHz
		if math.Abs(step-before) < slack {
			step = before
		}
		at += math.Round(step)
		hole := at - end
		end = max(end, at+float64(len(b.Samples)))
		run := &runs[len(runs)-1]
		if hole < 0 && j.repeats(run, &b, -hole) {
			hole = 0
		}
		if hole < 0 { // its stamp says nothing of the clock's rate
			j.Overlaps++
			runs = append(runs, stretch[T]{start: b.Start, samples: slices.Clone(b.Samples)})
			continue
		}
		j.stamp(at, b.Start.Sub(blocks[0].Start).Seconds())
		if hole > 0 {
			j.Holes++
			j.Lost += hole
		}
		if hole > float64(opt.MaxFill) {
			runs = append(runs, stretch[T]{start: b.Start, samples: slices.Clone(b.Samples)})
			continue
		}
		run.fill(int(hole), b.Samples)
	}
	return runs
}

func (j *Joined[T]) stamp(n, t float64) { j.index, j.stamps = append(j.index, n), append(j.stamps, t) }

// clock fits the stamps, which are needed no longer.
func (j *Joined[T]) clock(rateHz float64) Clock {
	c := FitClock(j.index, j.stamps, rateHz)
	j.index, j.stamps = nil, nil
	return c
}

// repeats trims from b what the run holds already, sample by sample the same,
// and reports whether that was all of the overlap.
func (j *Joined[T]) repeats(run *stretch[T], b *Block[T], overlap float64) bool {
	if overlap > float64(len(run.samples)) {
		return false
	}
	from := len(run.samples) - int(overlap)
	n := min(int(overlap), len(b.Samples))
	if !slices.EqualFunc(run.samples[from:from+n], b.Samples[:n], sameSample[T]) {
		return false
	}
	j.Duplicates++
	b.Samples = b.Samples[n:]
	return true
}

// fill appends next behind n samples on a line between the neighbours.
func (s *stretch[T]) fill(n int, next []T) {
	if n > 0 && len(next) > 0 {
		a, b := float64(s.samples[len(s.samples)-1]), float64(next[0])
		for k := 1; k <= n; k++ {
			u := float64(k) / float64(n+1)
			s.filled = append(s.filled, len(s.samples))
			s.samples = append(s.samples, T((1-u)*a+u*b))
		}
	}
	s.samples = append(s.samples, next...)
}

// longest is the longest stretch, the first of equal ones; where only samples
// that were received count, a filled hole ends a stretch too.
func longest[T float32 | float64](runs []stretch[T], received bool) stretch[T] {
	var best stretch[T]
	for _, r := range runs {
		if !received {
			if len(r.samples) > len(best.samples) {
				best = r
			}
			continue
		}
		from := 0
		for _, to := range append(slices.Clone(r.filled), len(r.samples)) {
			if to-from > len(best.samples) {
				best = stretch[T]{start: r.start, samples: r.samples[from:to]}
			}
			from = to + 1
		}
	}
	return best
}
