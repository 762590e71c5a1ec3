package physics

import "math"

// Cycle is a load cycle that was counted: full (Count 1) or half (0.5). Range and
// Mean are in the unit of the signal.
type Cycle struct{ Range, Mean, Count float64 }

// maxResidue is how many turning points a counter keeps.
const maxResidue = 64

// Rainflow counts the cycles of a signal as it comes (ASTM E1049-85, 5.4.4). Points
// is all that it remembers: the turning points whose ranges have not closed yet, the
// last of them the newest value; it may be kept and handed back. The zero Rainflow
// is ready.
//
// The ranges of open points shrink from the first to the last, so their number is
// small for a real signal. At maxResidue the innermost range is counted as a full
// cycle and forgotten: the count is off by half a cycle of that range, the smallest
// of all, and one larger range by no more than its size.
type Rainflow struct{ Points []float64 }

// Push takes the next value and appends the cycles that it closes to closed. A
// plateau is one value, and a number that is not finite is none.
func (r *Rainflow) Push(v float64, closed []Cycle) []Cycle {
	if !(math.Abs(v) <= math.MaxFloat64/4) {
		return closed
	}
	p, n := r.Points, len(r.Points)
	switch {
	case n > 0 && v == p[n-1]:
		return closed
	case n > 1 && (v > p[n-1]) == (p[n-1] > p[n-2]):
		p[n-1] = v // goes on in the same direction
	default:
		p = append(p, v)
	}
	for n = len(p); n >= 3; n = len(p) {
		x, y := math.Abs(p[n-1]-p[n-2]), math.Abs(p[n-2]-p[n-3])
		if x < y {
			break
		}
		if n == 3 { // the range holds the start
			closed = append(closed, between(p[0], p[1], 0.5))
			p = p[:copy(p, p[1:])]
			continue
		}
		closed = append(closed, between(p[n-3], p[n-2], 1))
		p[n-3] = p[n-1]
		p = p[:n-2]
	}
	if n = len(p); n > maxResidue {
		closed = append(closed, between(p[n-2], p[n-1], 1))
		p = p[:n-2]
	}
	r.Points = p
	return closed
}

// Close appends what is still open as half cycles, which is how E1049 ends a
// count. The counter is left as it is, so that the signal may go on.
func (r *Rainflow) Close(open []Cycle) []Cycle {
	for i := 1; i < len(r.Points); i++ {
		open = append(open, between(r.Points[i-1], r.Points[i], 0.5))
	}
	return open
}

func between(a, b, count float64) Cycle { return Cycle{math.Abs(b - a), (a + b) / 2, count} }
