package features

import (
	"math"

	"github.com/telltale-iot/telltale/dsp"
)

// tracked fills lines with the merged envelope spectrum of the bands between the
// bins lo and hi, over the angle of the component's shaft: each band's squared
// envelope is read at equal angles before it is transformed, so that a line keeps
// its order while the speed moves, and a resonance keeps its frequency. want is the
// reach in bins of Hz at the mean speed, which is returned: a line of order o then lies
// where it would at that speed.
func (a *analysis[T]) tracked(stepHz float64, t turning, lo, hi, want int) (shaftHz float64) {
	seconds := 1 / stepHz
	g, turns := anglesOf(t, seconds)
	mean := turns / seconds // Hz of the shaft
	top := float64(want) * stepHz * g.fastest / mean
	width := int(max(mergedShare*float64(a.n), mergedMargin*top/stepHz))
	width = max(8, min(width, hi-lo))
	points := dsp.SmoothAbove(4 * width)
	points += points % 2
	n := dsp.SmoothAbove(int(float64(points) * max(1, min(mean/g.slowest, 4))))
	n += n % 2
	a.places = g.places(a.places, n, float64(points)/seconds)
	a.merge.reset(min(want, n/2))
	for at := lo; at+width <= hi; at += max(1, width/2) {
		a.shown = a.angular(a.shown, a.n, at, at+width, points, n, len(a.merge.sum))
		a.merge.add(a.shown)
	}
	a.lines = a.merge.result(a.lines)
	return mean
}

// angles is the way from equal angles to time.
type angles struct {
	revs, times      []float64
	slowest, fastest float64 // Hz of the component's shaft
	total            float64 // turns of the reference shaft
}

// anglesOf covers the first seconds of a window; turns are of the component's shaft.
func anglesOf(t turning, seconds float64) (g angles, turns float64) {
	n := len(t.Turns.Times)
	g.slowest, g.fastest = math.Inf(1), 0
	for i := 1; i < n; i++ {
		hz := t.Ratio * (t.Turns.Revs[i] - t.Turns.Revs[i-1]) / (t.Turns.Times[i] - t.Turns.Times[i-1])
		g.slowest, g.fastest = min(g.slowest, hz), max(g.fastest, hz)
	}
	g.revs, g.times = t.Turns.Revs, t.Turns.Times
	s := naturalSpline(g.times, g.revs)
	begin, end := s.at(s.segment(0, 0), 0), s.at(s.segment(0, seconds), seconds)
	g.total = end - begin
	shifted := make([]float64, n)
	for i, r := range g.revs {
		shifted[i] = r - begin
	}
	g.revs = shifted
	return g, g.total * t.Ratio
}

// places are the times of n equal angles, in samples at rateHz.
func (g angles) places(dst []float64, n int, rateHz float64) []float64 {
	dst = resize(dst, n)
	s := naturalSpline(g.revs, g.times)
	k := 0
	for j := range dst {
		v := g.total * float64(j) / float64(n)
		k = s.segment(k, v)
		dst[j] = s.at(k, v) * rateHz
	}
	return dst
}

// angular writes the amplitude spectrum of one band's squared envelope over angle.
func (a *analysis[T]) angular(dst []T, total, lo, hi, points, n, want int) []T {
	e := &a.env
	e.moments(a.re, a.im, total, lo, hi, points)
	even, odd := a.ofReal(points).Packed()
	at := func(i int) T {
		i = ((i % points) + points) % points // the transform back is periodic
		if i%2 == 0 {
			return even[i/2]
		}
		return odd[i/2]
	}
	a.angle = resize(a.angle, n)
	for j, u := range a.places {
		i := int(math.Floor(u))
		f := T(u - float64(i))
		y0, y1, y2, y3 := at(i-1), at(i), at(i+1), at(i+2)
		// Cubic through the middle two, with the slopes of their neighbours (Catmull & Rom 1974).
		a.angle[j] = y1 + f/2*(y2-y0+f*(2*y0-5*y1+4*y2-y3+f*(3*(y1-y2)+y3-y0)))
	}
	h := n/2 + 1
	if len(e.room[0]) < h {
		e.room[0], e.room[1] = dsp.Apart[T](h)
	}
	re, im := e.room[0][:h], e.room[1][:h]
	a.ofReal(n).Transform(re, im, a.angle)
	dst = resize(dst, want)
	dsp.Amplitudes(dst, re, im, true, 2/float64(n))
	return dst
}
