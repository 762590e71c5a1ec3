package simulate

import "math"

// masses are the two temperatures of a thermal network in °C.
type masses struct{ t1, t2 float64 }

// step moves the network on by dt seconds with p1 and p2 watts into its masses
// and airC around it: C1·Ṫ1 = P1 − (T1−T2)/R12, C2·Ṫ2 = P2 + (T1−T2)/R12 − (T2−Ta)/R2a.
// The solution for held inputs is exact: T = Ts + e^{A·dt}(T₀ − Ts).
func (n thermal) step(m masses, p1, p2, airC, dt float64) masses {
	s := n.steady(p1, p2, airC)
	a11, a12 := -1/(n.r12*n.c1), 1/(n.r12*n.c1)
	a21, a22 := 1/(n.r12*n.c2), -1/(n.r12*n.c2)-1/(n.r2a*n.c2)
	// e^{At} = e^{mt}·(cosh(qt)·I + sinh(qt)/q·(A − m·I)), q² = m² − det A > 0.
	mean := (a11 + a22) / 2
	q := math.Sqrt(mean*mean - (a11*a22 - a12*a21))
	slow, fast := math.Exp((mean+q)*dt), math.Exp((mean-q)*dt)
	c, d := (slow+fast)/2, (slow-fast)/(2*q)
	x, y := m.t1-s.t1, m.t2-s.t2
	return masses{
		t1: s.t1 + (c+d*(a11-mean))*x + d*a12*y,
		t2: s.t2 + d*a21*x + (c+d*(a22-mean))*y,
	}
}

// steady is where held inputs lead.
func (n thermal) steady(p1, p2, airC float64) masses {
	t2 := airC + n.r2a*(p1+p2)
	return masses{t1: t2 + n.r12*p1, t2: t2}
}

// losses splits the heat of an operating point over the two masses. idle and
// load scale its two parts.
func (n thermal) losses(o operating, idle, load float64) (p1, p2 float64) {
	p := idle*n.idleW*o.speed() + load*n.loadW*math.Pow(max(0, o.load()), n.power)
	return n.share1 * p, (1 - n.share1) * p
}

// warmth is the thermal state of one turbine.
type warmth struct {
	nacelle                         float64
	front, rear, gearbox, generator masses
}

// build is what makes one turbine differ from the next.
type build struct {
	front, rear, gearbox, generator thermal
	level                           []float64    // of each channel, 1 on average
	modes                           [][3]float64 // factor on each resonance
	ring                            []float64    // factor on the impact resonance
	slip                            []float64    // of the bearing at each channel
	flap, edge                      [3]float64   // natural frequency of each blade at rest and 20 °C, Hz
}

func newBuild(tab *tables, seed uint64, turbine int) build {
	rnd := newStream(tab, seed, turbine, "build", 0)
	vary := func(n thermal) thermal {
		n.r12 *= math.Exp(heatSpread * rnd.normal())
		n.r2a *= math.Exp(heatSpread * rnd.normal())
		n.idleW *= math.Exp(heatSpread * rnd.normal())
		n.loadW *= math.Exp(heatSpread * rnd.normal())
		return n
	}
	b := build{front: vary(mainBearingHeat), rear: vary(mainBearingHeat), gearbox: vary(gearboxHeat), generator: vary(generatorHeat)}
	b.rear.idleW *= rearShare
	b.rear.loadW *= rearShare
	for range voices {
		b.level = append(b.level, math.Exp(levelSpread*rnd.normal()))
		var m [3]float64
		for i := range m {
			m[i] = 1 + modeSpread*rnd.normal()
		}
		b.modes = append(b.modes, m)
		b.ring = append(b.ring, 1+modeSpread*rnd.normal())
		b.slip = append(b.slip, slipMean+slipSpread*rnd.normal())
	}
	for i := range b.flap {
		b.flap[i], b.edge[i] = flapHz*(1+bladeSpread*rnd.normal()), edgeHz*(1+bladeSpread*rnd.normal())
	}
	return b
}

// warm moves a turbine's temperatures on by dt seconds under o with the wear
// that w holds.
func (b *build) warm(t warmth, o operating, w wear, dt float64) warmth {
	target := o.airC + nacelleIdleK + (nacelleRiseK-nacelleIdleK)*max(0, o.load())
	t.nacelle = target + (t.nacelle-target)*math.Exp(-dt/nacelleTauS)

	friction := 1 + frictionLoss*w.friction + bearingWearLoss*w.mainBearing
	p1, p2 := b.front.losses(o, friction, friction)
	t.front = b.front.step(t.front, p1, p2, t.nacelle, dt)
	p1, p2 = b.rear.losses(o, 1+0.4*frictionLoss*w.friction, 1+0.4*frictionLoss*w.friction)
	t.rear = b.rear.step(t.rear, p1, p2, t.nacelle, dt)

	gearbox := b.gearbox
	gearbox.r2a *= 1 + foulingR2a*w.gearboxFouling
	p1, p2 = gearbox.losses(o, 1+lubricantLoss*w.lubricant+gearWearLoss*w.gears, 1+gearWearLoss*w.gears)
	t.gearbox = gearbox.step(t.gearbox, p1, p2, t.nacelle, dt)

	generator := b.generator
	generator.r2a *= 1 + foulingR2a*w.generatorFouling
	p1, p2 = generator.losses(o, 1, 1+windingLoss*w.winding)
	t.generator = generator.step(t.generator, p1, p2, t.nacelle, dt)
	return t
}
