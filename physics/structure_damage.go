package physics

import "math"

// load adds an interval: one turn of the motion that repeats itself stands for all of them,
// its mean for the slow changes from interval to interval.
func (l *Structure) load(x []float64, now operating, hours float64) {
	if hours > l.opt.MaxGapH {
		hours = 0
	}
	x[structHours] += hours
	x[structThrust] = now.thrustN
	var strain []float64
	var room [maxResidue]Cycle
	for p := range l.planes {
		strain = l.strainOf(p, now, strain)
		turns := now.omega / (2 * math.Pi) * hours * 3600
		var once Rainflow
		lo, hi, mean, damage := strain[0], strain[0], 0.0, 0.0
		from := highest(strain) // from the greatest to itself every range closes
		for i := range len(strain) + 1 {
			v := strain[(from+i)%len(strain)]
			damage += l.damage(once.Push(v, room[:0]))
			lo, hi = math.Min(lo, v), math.Max(hi, v)
		}
		damage += l.damage(once.Close(room[:0]))
		for _, v := range strain {
			mean += v / float64(len(strain))
		}
		if p == 0 && len(strain) > 1 {
			turns, damage = 1, damage*turns+l.gusty(now, mean, (hi-lo)/2)*hours*3600
		}
		x[structDamage+p] += damage * turns
		x[structAmplitude+p], x[structMean+p] = (hi-lo)/2, mean
		l.slow(x, p, mean)
	}
}

// gusty is the damage a second of the gusts, each with a turn's strain on top: the strain goes
// with the thrust, and that with the wind.
func (l *Structure) gusty(now operating, mean, turn float64) float64 {
	if now.wind < 1 {
		return 0
	}
	var sum float64
	for _, g := range gusts {
		a := math.Abs(mean) * now.gust / now.wind * math.Sqrt(2*g.x)
		sum += l.life.Damage(Cycle{2 * (a + turn), math.Abs(mean), g.share})
	}
	return sum * now.wind / gustLengthM
}

// slow counts the cycles of the means.
func (l *Structure) slow(x []float64, p int, mean float64) {
	at := x[structPoints+p*(maxResidue+1):]
	n := min(max(int(at[0]), 0), maxResidue)
	r := Rainflow{append(make([]float64, 0, maxResidue+1), at[1:1+n]...)}
	var room [maxResidue]Cycle
	x[structDamage+p] += l.damage(r.Push(mean, room[:0]))
	at[0] = float64(copy(at[1:1+maxResidue], r.Points))
}

func (l *Structure) damage(cycles []Cycle) (sum float64) {
	for _, y := range cycles {
		sum += l.life.Damage(y)
	}
	return sum
}

func highest(x []float64) int {
	at := 0
	for i, v := range x {
		if v > x[at] {
			at = i
		}
	}
	return at
}

// strainOf is the strain over a turn, or at a standstill none.
func (l *Structure) strainOf(p int, now operating, strain []float64) []float64 {
	if now.omega < 0.05 {
		return append(strain[:0], 0)
	}
	drag := 0.0
	if now.wind > 1 {
		drag = now.thrustN / now.wind // a load grows with the wind: ∂T/∂v = T/v
	}
	switch {
	case l.opt.Part == "tower":
		return l.planes[p].turn(now.omega, drag, func(psi float64, sizes []float64) { l.rotor.push(now.thrustN, psi, sizes) }, strain)
	case p == 0:
		return l.planes[p].turn(now.omega, drag/l.rotor.blades, func(psi float64, sizes []float64) { l.rotor.flap(now.thrustN, psi, sizes) }, strain)
	}
	return l.planes[p].turn(now.omega, 0, func(psi float64, sizes []float64) {
		sizes[0], sizes[1] = math.Sin(psi), now.torque/l.rotor.blades
	}, strain)
}
