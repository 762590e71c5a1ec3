package physics

import "math"

// The counter behind the particles, where a stress signal is followed: the open turning
// points of the rainflow count and the newest closed ranges.
const (
	signalOpen   = iota // number of open points
	signalClosed        // half cycles closed so far
	signalCycles        // cycles closed since the last instant that closed any
	signalHours         // hours since then
	signalHead
)

const (
	recentRanges = 128 // a full cycle is two of them
	signalSize   = signalHead + maxResidue + recentRanges
)

func (l Crack) signal(x []float64) (head, points, ranges []float64) {
	s := x[crackSize+l.opt.Particles*partSize:]
	return s[:signalHead], s[signalHead : signalHead+maxResidue], s[signalHead+maxResidue:]
}

// followSignal pushes a stress through the counter and grows every particle by each
// range that closes, at its own stress ratio. It reports whether the law has something
// to say: a range has closed at some time.
func (l Crack) followSignal(x []float64, stress, dt float64) bool {
	head, points, ranges := l.signal(x)
	if math.IsNaN(stress) {
		return false
	}
	kept := make([]float64, int(head[signalOpen]), maxResidue+1)
	copy(kept, points)
	counter := Rainflow{kept}
	var room [maxResidue]Cycle
	closed := counter.Push(stress, room[:0])
	head[signalOpen] = float64(len(counter.Points))
	clear(points)
	copy(points, counter.Points)
	var n float64
	for _, y := range closed {
		p, felt := l.opt.Paris.under(y)
		n += y.Count
		for range int(2 * y.Count) {
			k := int(math.Mod(head[signalClosed], recentRanges))
			head[signalClosed]++
			ranges[k] = felt / math.Pow(1-p.R, 1-def(p.Gamma, 0.5)) // at R = 0 it grows the crack as much
		}
		l.grow(x, y)
	}
	head[signalHours] += dt
	if head[signalCycles] += n; head[signalHours] > 0 && n > 0 {
		l.pass(x, head[signalCycles]/head[signalHours], head[signalHours])
		head[signalCycles], head[signalHours] = 0, 0
		x[crackLength] = l.length(x)
	}
	x[crackStress] = l.equivalent(x)
	return true
}

// grow lets every particle feel one range.
func (l Crack) grow(x []float64, y Cycle) {
	c, end := l.cloud(x), l.end(l.opt.Paris, l.peak(x))
	for i := range l.opt.Particles {
		row := c.row(i)
		p, felt := l.of(row).under(y)
		row[partLength] = p.advance(row[partLength], end, felt, y.Count)
	}
}

// equivalent is the constant range that grows the crack as fast as the newest ones of
// the signal, (Σ S^m/n)^(1/m) at the mean m.
func (l Crack) equivalent(x []float64) float64 {
	head, _, ranges := l.signal(x)
	n := int(math.Min(head[signalClosed], recentRanges))
	cycles := make([]Cycle, 0, recentRanges)
	for _, s := range ranges[:n] {
		cycles = append(cycles, Cycle{Range: s, Count: 1})
	}
	if n == 0 {
		return 0
	}
	return DEL(cycles, l.opt.Paris.M, float64(n))
}

// peak is the stress range that fractures: the last one, or the largest of the newest
// of a signal.
func (l Crack) peak(x []float64) float64 {
	if l.opt.SignalKey == "" {
		return x[crackStress]
	}
	var most float64
	_, _, ranges := l.signal(x)
	for _, s := range ranges {
		most = math.Max(most, s)
	}
	return most
}
