package physics

import "math"

// SN is a stress–life curve N = (S_a/σ_f)^−m for stress amplitudes S_a (Basquin
// 1910), in MPa; of strains where all that it is given are strains. Below the amplitude of KneeN cycles the slope is 2m−1 (Haibach
// 1970); a tensile mean stress S_m lifts the amplitude to S_a/(1−S_m/S_u) (Goodman
// 1899).
type SN struct {
	StrengthMPa float64 // σ_f, the amplitude at N = 1
	M           float64 // 3 welded, 5–8 steel shafts, 10–14 glass in epoxy
	KneeN       float64 // 0: one slope
	UltimateMPa float64 // S_u; 0: mean stress does not count
}

// Cycles is the number of cycles of amplitude sa around mean sm to failure; 0 when
// the mean alone reaches the ultimate strength, +Inf for no amplitude.
func (c SN) Cycles(sa, sm float64) float64 {
	if c.UltimateMPa > 0 && sm > 0 {
		if sm >= c.UltimateMPa {
			return 0
		}
		sa /= 1 - sm/c.UltimateMPa
	}
	if sa <= 0 {
		return math.Inf(1)
	}
	n := math.Pow(sa/c.StrengthMPa, -c.M)
	if c.KneeN > 0 && n > c.KneeN {
		knee := c.StrengthMPa * math.Pow(c.KneeN, -1/c.M)
		n = c.KneeN * math.Pow(sa/knee, 1-2*c.M)
	}
	return n
}

// Damage is the share of the life that a counted cycle uses (Palmgren 1924, Miner
// 1945), at most 1 for each count.
func (c SN) Damage(y Cycle) float64 {
	n := c.Cycles(y.Range/2, y.Mean)
	if n <= 1 {
		return y.Count
	}
	return y.Count / n
}

// DEL is the damage-equivalent load (Σ n·S^m/nRef)^(1/m): the range that does in
// nRef cycles what the counted ranges S did. Largest first out of the root, so that
// no power overflows.
func DEL(cycles []Cycle, m, nRef float64) float64 {
	var top, sum float64
	for _, y := range cycles {
		top = math.Max(top, y.Range)
	}
	if top == 0 {
		return 0
	}
	for _, y := range cycles {
		sum += y.Count * math.Pow(y.Range/top, m)
	}
	return top * math.Pow(sum/nRef, 1/m)
}
