package features

import (
	"math"

	"github.com/telltale-iot/telltale/dsp"
)

// mostTransformed samples go through one transform. A longer window is taken in
// sections whose densities and envelope lines are averaged (Welch 1967), so that what
// its plans and buffers take is bounded however long a record is.
const mostTransformed = 1 << 19

// sections of a window of n samples: how long each is, and how many there are. What
// is left at the end counts for the statistics alone.
func sections(n int) (size, count int) {
	count = 1 + (n-1)/mostTransformed
	return smoothBelow(n / count), count
}

// slice is the block from sample lo to hi.
func (b block[T]) slice(lo, hi int) block[T] {
	if b.counts != nil {
		b.counts = b.counts[lo:hi]
		return b
	}
	b.values = b.values[lo:hi]
	return b
}

// average adds the sections after the first, whose transform is at hand, and leaves
// the mean of all in density and lines. first are the envelope's moments there.
func (a *analysis[T]) average(e *WaveExtractor, l *layout, t *turning, b block[T], rate float64, count int, first envelope) envelope {
	whole, size, sums, all := *t, a.n, a.sums, first
	a.density, a.longDensity = a.longDensity, a.density
	a.longLines = resize(a.longLines, len(a.lines))
	clear(a.longLines)
	addLines(a.longLines, a.lines, 1)
	for i := 1; i < count; i++ {
		part := b.slice(i*size, (i+1)*size)
		a.centre(part, size)
		a.transform()
		here := whole
		here.Turns = here.Turns.after(float64(i*size) / rate)
		env := a.envelope(e, l, &here, part, rate)
		all.Mean += env.Mean
		all.Kurtosis += env.Kurtosis
		for k, v := range a.density {
			a.longDensity[k] += v
		}
		stretch := 1.0
		if whole.Varies {
			stretch = here.Hz / t.Hz
		}
		addLines(a.longLines, a.lines, stretch)
	}
	k := 1 / float64(count)
	a.density, a.longDensity = a.longDensity, a.density
	for i := range a.density {
		a.density[i] *= T(k)
	}
	a.lines = resize(a.lines, len(a.longLines))
	for i, v := range a.longLines {
		a.lines[i] = T(math.Sqrt(float64(v) * k))
	}
	a.sums = sums
	return envelope{all.Mean * k, all.Kurtosis * k}
}

// addLines adds the power of lines to sum; line k of sum lies at k·stretch in lines.
func addLines[T dsp.Float](sum, lines []T, stretch float64) {
	for k := range sum {
		if i := int(math.Round(float64(k) * stretch)); i < len(lines) {
			sum[k] += lines[i] * lines[i]
		}
	}
}

// after is the angle from a later moment on.
func (t Turns) after(seconds float64) Turns {
	if len(t.Times) == 0 {
		return t
	}
	out := Turns{Revs: t.Revs, Times: make([]float64, len(t.Times)), Doubled: t.Doubled, Missing: t.Missing}
	for i, v := range t.Times {
		out.Times[i] = v - seconds
	}
	return out
}
