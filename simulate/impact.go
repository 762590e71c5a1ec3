package simulate

import "math"

// train is a series of impacts that ring the same resonance.
type train struct {
	due       int64   // sample at or just after the next impact
	next      float64 // its time, in samples
	order     float64 // impacts per turn of the high-speed shaft
	jitter    float64 // of the period
	level     float64 // amplitude, m/s²
	zone      float64 // load zone passes per turn; 0: it always carries
	start     float64 // share of a turn of the zone at sample 0
	alternate float64 // level of every second impact
	odd       bool
}

// faultTrains sets up the impacts of everything that is broken near a channel.
func (s *synth) faultTrains(v *voice, b *build, channel int, w wear, o operating, load float64) {
	if !o.running {
		return
	}
	force := loadFactor(load) * o.speed()
	inner, outer, element, cage := orders(bearings[v.component])
	if v.component == "main-bearing" { // on the rotor's shaft
		inner, outer, element, cage = inner/gearRatio, outer/gearRatio, element/gearRatio, cage/gearRatio
	}
	slip := 1 - b.slip[channel]
	add := func(severity float64, t train) {
		if severity <= 0 {
			return
		}
		t.level = force * impactLevel(v, t.order, t.zone != 0, t.alternate) * math.Expm1(severityRate*severity) / math.Expm1(severityRate)
		t.start = s.rnd.uniform()
		t.next = -warmUp + s.rnd.uniform()*s.period(&t)
		t.due = int64(math.Ceil(t.next))
		s.trains = append(s.trains, t)
	}
	races := w.races[channel]
	add(races[0], train{order: inner * slip, jitter: impulseJitter, zone: 1, alternate: 1})
	add(races[1], train{order: outer * slip, jitter: impulseJitter, alternate: 1})
	add(races[2], train{order: element * slip, jitter: impulseJitter, zone: cage * slip, alternate: 0.6})
	if v.component == "gearbox-bearing" {
		add(w.tooth, train{order: 1, alternate: 1})
	}
}

// impactLevel is the amplitude at which a train has +5 dB of the channel's
// healthy RMS at rated power: an impact A·e^{−ζωt}·sin holds A²/(4ζω).
func impactLevel(v *voice, order float64, zoned bool, alternate float64) float64 {
	energy := 1 / (4 * v.ringZ * 2 * math.Pi * v.ringHz)
	square := order * ratedHSSHz * energy * (1 + impulseSpread*impulseSpread) * (1 + alternate*alternate) / 2
	if zoned {
		square *= zoneSquare()
	}
	return v.ratedRMS() * math.Pow(10, snrAtOneDB/20) / math.Sqrt(square)
}

// ratedRMS is the healthy channel at rated power.
func (v *voice) ratedRMS() float64 {
	sum := v.lowRMS*v.lowRMS + v.floor*v.floor + v.line*v.line/2
	for _, a := range v.shaft {
		sum += a * a / 2
	}
	for _, a := range v.mesh {
		sum += a * a / 2 * (1 + v.meshAM*v.meshAM/2)
	}
	for _, a := range v.ims {
		sum += a * a / 2
	}
	for _, m := range v.modes {
		sum += m.rms * m.rms
	}
	return math.Sqrt(sum)
}

// loadZone is Stribeck's distribution (1 − (1 − cos θ)/(2ε))^{1.5} at a share x of a turn.
func loadZone(x float64) float64 {
	q := 1 - (1-math.Cos(2*math.Pi*x))/(2*loadZoneEps)
	if q <= 0 {
		return 0
	}
	return math.Pow(q, loadZonePow)
}

// zoneSquare is the mean square of loadZone over a turn.
func zoneSquare() float64 {
	const n = 720
	sum := 0.0
	for i := range n {
		l := loadZone(float64(i) / n)
		sum += l * l
	}
	return sum / n
}

// period is the mean time between impacts at the train's next impact, in samples.
func (s *synth) period(t *train) float64 {
	return s.rate / (t.order * (s.rotHz + s.driftHz*t.next))
}

// strike lets the next impact of a train ring from its exact time on and plans
// the one after it. s.at is the sample that comes first after it.
func (s *synth) strike(t *train) {
	level := t.level * (1 + impulseSpread*s.rnd.normal())
	if t.odd {
		level *= t.alternate
	}
	t.odd = !t.odd
	if t.zone != 0 {
		turns := (s.rotHz*t.next + s.driftHz*t.next*t.next/2) / s.rate
		level *= loadZone(t.start + t.zone*turns)
	}
	// z(d) = level·p^d for the d samples since the impact; Im z(0) = 0.
	d := float64(s.at) - t.next
	logp, arg := math.Log(math.Hypot(s.ring.pr, s.ring.pi)), math.Atan2(s.ring.pi, s.ring.pr)
	sin, cos := math.Sincos(arg * d)
	r := level * math.Exp(logp*d)
	s.ring.zr += r * cos
	s.ring.zi += r * sin
	t.next += max(0.1, 1+t.jitter*s.rnd.normal()) * s.period(t)
	t.due = int64(math.Ceil(t.next))
}
