package physics

import "math"

// strainCycle is a counted cycle of strain: full (count 1) or half (0.5).
type strainCycle struct{ amplitude, mean, count float64 }

// strainPoints counts cycles as values come (rainflow, ASTM E1049-85, 5.4.4): the turning
// points whose ranges have not closed are all that it remembers.
type strainPoints []float64

// maxStrainPoints bounds them: beyond it the innermost range, the smallest, is counted.
const maxStrainPoints = 32

// push takes the next value and hands every cycle that it closes to closed.
func (s *strainPoints) push(v float64, closed func(strainCycle)) {
	p := *s
	switch n := len(p); {
	case n > 0 && v == p[n-1]:
		return
	case n > 1 && (v > p[n-1]) == (p[n-1] > p[n-2]):
		p[n-1] = v
	default:
		p = append(p, v)
	}
	for n := len(p); n >= 3 && math.Abs(p[n-1]-p[n-2]) >= math.Abs(p[n-2]-p[n-3]); n = len(p) {
		if n == 3 { // the range holds the start
			closed(cycleOf(p[0], p[1], 0.5))
			p = p[:copy(p, p[1:])]
			continue
		}
		closed(cycleOf(p[n-3], p[n-2], 1))
		p[n-3] = p[n-1]
		p = p[:n-2]
	}
	if n := len(p); n > maxStrainPoints {
		closed(cycleOf(p[n-3], p[n-2], 1))
		p[n-3] = p[n-1]
		p = p[:n-2]
	}
	*s = p
}

func cycleOf(a, b, count float64) strainCycle {
	return strainCycle{math.Abs(b-a) / 2, (a + b) / 2, count}
}

// endurance is a strain–life curve N = (ε_a/ε_f)^−m (Basquin 1910) with the slope 2m − 1
// beyond the knee (Haibach 1970) and amplitudes raised to ε_a/(1 − ε_m/ε_u) by tension
// (Goodman 1899).
type endurance struct {
	strength float64 // ε_f, amplitude at one cycle
	m        float64
	ultimate float64 // ε_u; 0: the mean does not count
	knee     float64 // cycles; 0: one slope
}

// damage is the share of life that a cycle takes (Palmgren 1924, Miner 1945); at most its count.
func (e endurance) damage(c strainCycle) float64 {
	a := c.amplitude
	if e.ultimate > 0 && c.mean > 0 {
		if c.mean >= e.ultimate {
			return c.count
		}
		a /= 1 - c.mean/e.ultimate
	}
	if !(a > 0) {
		return 0
	}
	n := math.Pow(a/e.strength, -e.m)
	if e.knee > 0 && n > e.knee {
		n = e.knee * math.Pow(n/e.knee, (2*e.m-1)/e.m)
	}
	return c.count / math.Max(n, 1)
}
