package pipeline

import (
	"math"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/features"
)

// sampleClock follows the stamps of one channel's blocks: how many samples are
// missing between two of them, and how fast the source's clock runs against them.
// A step from stamp to stamp is measured at the rate that the steps so far agree on,
// so that a slow clock makes no holes. All of it is carried.
type sampleClock struct {
	Run    int64             `json:"run"` // stamp of the first block of the run, ns
	At     int64             `json:"at"`  // samples from there to the newest block
	Newest int64             `json:"new"` // stamp of the newest block, ns
	N      int               `json:"n"`   // its samples; 0: no run is under way
	Tail   []asset.Number    `json:"tail,omitempty"`
	Fit    features.ClockFit `json:"fit"`
	Jitter float64           `json:"jitter"` // samples², running mean over steps without a hole
	Odd    oddSteps          `json:"odd,omitzero"`
}

// oddSteps are the newest steps in a row that fit no hole-free run. When they agree
// with each other it is the rate that is off, and no sample is missing.
type oddSteps struct {
	Count   int     `json:"count,omitempty"`
	Samples int64   `json:"samples,omitempty"` // by the blocks
	Off     float64 `json:"off,omitempty"`     // by the stamps beyond these
}

// What a stamp may be off without a sample being lost.
const (
	mostFilled  = 2    // samples of a hole that a line closes
	halfSample  = 0.5  // stamps are of whole samples
	unknownPPM  = 100  // of a clock that is not known yet
	wanderPPM   = 5    // of a clock within its memory
	mostJitter  = 2    // samples
	mostOffRate = 0.02 // share: beyond it, blocks are lost
	mostOff     = 1e9  // samples; a step beyond them is as good as any
)

// How many odd steps in a row make a rate: some samples may be lost in each of a few
// blocks, the same large number in two of them hardly.
const (
	oddLarge = 2
	oddSmall = 4
)

// drift is that of the clock and how well it is known, both in ppm.
func (k *sampleClock) drift() (ppm, slack float64) {
	c := k.Fit.Clock()
	if math.IsNaN(c.PPM) {
		return 0, unknownPPM
	}
	return c.PPM, max(wanderPPM, min(2*c.StdErrPPM, unknownPPM))
}

// ppm is the drift as far as it is sure, else 0.
func (k *sampleClock) ppm() float64 {
	if c := k.Fit.Clock(); c.Drifts {
		return c.PPM
	}
	return 0
}

// begin starts a run with a block.
func (k *sampleClock) begin(w *asset.Waveform) {
	k.Fit.Break()
	k.Run, k.At = w.Start.UnixNano(), 0
	k.Newest, k.N = k.Run, w.Len()
	k.Fit.Add(0, 0)
	k.remember(w)
}

// end ends the run: what comes next does not continue it.
func (k *sampleClock) end() { k.N, k.Tail = 0, nil }

// hole is how many samples are missing between the newest block and one that starts
// at start: below 0, so many are there twice.
func (k *sampleClock) hole(start time.Time, rate float64) int {
	n := float64(k.N)
	step := start.Sub(time.Unix(0, k.Newest)).Seconds() * rate
	raw := max(-mostOff, min(step-n, mostOff)) // against the nominal rate
	ppm, unsure := k.drift()
	off := raw - n*ppm*1e-6
	slack := halfSample + n*unsure*1e-6 + min(3*math.Sqrt(k.Jitter), mostJitter) + k.grain(start, raw, rate)
	if math.Abs(off) <= slack {
		if k.Fit.Steps >= 2 {
			k.Jitter += (off*off - k.Jitter) / 10
		}
		k.Odd = oddSteps{}
		return 0
	}
	hole := int(math.Round(off))
	if k.agree(raw, hole) {
		k.adopt(rate)
		return 0
	}
	return hole
}

// grain is by how many samples stamps may be off because they are rounded to
// milliseconds or microseconds: both are, and the step is then no whole number of
// samples.
func (k *sampleClock) grain(start time.Time, raw, rate float64) float64 {
	for _, g := range [...]int64{1e6, 1e3} {
		if start.UnixNano()%g != 0 || k.Newest%g != 0 {
			continue
		}
		length := (float64(k.N) + math.Round(raw)) / rate * 1e9 / float64(g)
		if math.Abs(length-math.Round(length))*float64(g) > 1 {
			return float64(g) * 1e-9 * rate
		}
	}
	return 0
}

// agree adds an odd step, raw samples off, and reports whether there are enough that
// agree on one rate.
func (k *sampleClock) agree(raw float64, hole int) bool {
	o, n := &k.Odd, float64(k.N)
	if math.Abs(raw) > mostOffRate*n {
		*o = oddSteps{}
		return false
	}
	if o.Count > 0 && math.Abs(raw-o.Off/float64(o.Samples)*n) > halfSample+mostJitter/2 {
		*o = oddSteps{}
	}
	o.Count, o.Samples, o.Off = o.Count+1, o.Samples+int64(k.N), o.Off+raw
	if hole > mostFilled || hole < -mostFilled {
		return o.Count >= oddLarge
	}
	return o.Count >= oddSmall
}

// adopt takes the rate of the odd steps for the clock's.
func (k *sampleClock) adopt(rate float64) {
	back := int64(k.Odd.Count - 1) // steps to the newest block
	per := k.Odd.Samples / int64(k.Odd.Count)
	step := float64(per) / rate
	off := k.Odd.Off / float64(k.Odd.Samples) * step
	k.Fit = features.ClockFit{}
	for i := range back + 1 {
		k.Fit.Add(float64(i)*step, float64(i)*off)
	}
	k.At = back * per
	k.Run = k.Newest - int64(math.Round(float64(back)*(step+off)*1e9))
	k.Odd = oddSteps{}
}

// follow takes in a block that continues the run behind a hole, or with a part that
// came before.
func (k *sampleClock) follow(w *asset.Waveform, hole int, rate float64) {
	k.At += int64(k.N + hole)
	k.Newest, k.N = w.Start.UnixNano(), w.Len()
	x := float64(k.At) / rate
	k.Fit.Add(x, float64(k.Newest-k.Run)*1e-9-x)
	k.remember(w)
}

// remember keeps the newest samples: a hole is filled from them, and a repeat is told
// by them.
func (k *sampleClock) remember(w *asset.Waveform) {
	tail := make([]asset.Number, 0, mostFilled)
	n := w.Len()
	if short := mostFilled - n; short > 0 {
		tail = append(tail, k.Tail[max(0, len(k.Tail)-short):]...)
	}
	for i := max(0, n-mostFilled); i < n; i++ {
		tail = append(tail, asset.Number(sampleAt(w, i)))
	}
	k.Tail = tail
}

// sampleAt is sample i of a block, or its count.
func sampleAt(w *asset.Waveform, i int) float64 {
	if w.Counts != nil {
		return float64(w.Counts[i])
	}
	return float64(w.Samples[i])
}

// between is n samples on a line from the newest to the first of w; none when one of
// them is no number.
func (k *sampleClock) between(w *asset.Waveform, n int) []float64 {
	if len(k.Tail) == 0 || w.Len() == 0 {
		return nil
	}
	a, b := float64(k.Tail[len(k.Tail)-1]), sampleAt(w, 0)
	if v := a + b; v-v != 0 {
		return nil
	}
	out := make([]float64, n)
	for i := range out {
		u := float64(i+1) / float64(n+1)
		v := (1-u)*a + u*b
		if w.Counts != nil {
			v = math.Round(v)
		}
		out[i] = float64(float32(v))
	}
	return out
}
