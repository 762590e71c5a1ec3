//go:build accept

package main

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/telltale-iot/telltale/asset"
)

// specimen is one simulated record of one asset, and the truth about it.
type specimen struct {
	class string
	plate asset.Nameplate
	part  string     // the component that is judged
	mode  asset.Mode // of its fault; empty where nothing may be named
	snrDB float64    // of the fault, NaN for none
	note  string     // what was drawn, for people

	rateHz float64
	n      int
	rms    float64 // of the background, m/s²
	run    motion
	back   backdrop
	hits   impacts // order 0 for none
	tacho  *pulser
	metric string // of the speed; empty: none
	everyS float64
	counts bool // written as counts × scale
	seed   [2]uint64
}

func (s *specimen) spanS() float64 { return float64(s.n) / s.rateHz }

// motion is how the reference shaft turns: at hz, or so that the speed moves by
// swing·hz from end to end of a ramp, or from trough to crest of a sine.
type motion struct {
	hz, swing    float64
	spanS        float64 // of the record
	periodS, phi float64 // of the sine; period 0 is a ramp
}

func (m motion) hzAt(t float64) float64 {
	if m.periodS > 0 {
		return m.hz * (1 + m.swing/2*math.Sin(2*math.Pi*t/m.periodS+m.phi))
	}
	return m.hz * (1 + m.swing*(t/m.spanS-0.5))
}

// turns is the angle at t, the integral of hzAt from 0.
func (m motion) turns(t float64) float64 {
	if m.periodS > 0 {
		w := 2 * math.Pi / m.periodS
		return m.hz * (t + m.swing/2/w*(math.Cos(m.phi)-math.Cos(w*t+m.phi)))
	}
	return m.hz * (t + m.swing*(t*t/(2*m.spanS)-t/2))
}

// when is the time of an angle, by Newton's method.
func (m motion) when(turns float64) float64 {
	t := turns / m.hz
	for range 50 {
		step := (m.turns(t) - turns) / m.hzAt(t)
		if t -= step; math.Abs(step) < 1e-12 {
			break
		}
	}
	return t
}

// impacts are blows that ring a resonance: A·exp(−ζω(t−t0))·sin(ω√(1−ζ²)(t−t0)).
type impacts struct {
	order    float64 // blows per turn of the reference shaft
	slip     float64 // share by which an interval scatters; the errors add up
	scatter  float64 // share by which an amplitude scatters
	second   float64 // amplitude of every other blow; 0 counts as 1
	load     float64 // ε of the load zone; 0: the same load everywhere
	turnOf   float64 // order at which the defect goes through the load zone
	sway     float64 // depth of the way to the sensor that changes with turnOf
	phase    float64 // turns of the first blow and of the load zone
	hz, zeta float64 // of the resonance
}

// blow is one impact.
type blow struct{ at, height float64 }

func (h impacts) blows(run motion, rng *rand.Rand) []blow {
	var all []blow
	if !(h.order > 0) {
		return nil
	}
	end := run.turns(run.spanS)
	turn := h.phase / h.order
	for k := 0; turn < end; k++ {
		height := 1 + h.scatter*rng.NormFloat64()
		if k%2 == 1 && h.second > 0 {
			height *= h.second
		}
		theta := 2 * math.Pi * (turn*h.turnOf + h.phase)
		if h.load > 0 {
			height *= math.Pow(max(0, 1-(1-math.Cos(theta))/(2*h.load)), 1.5)
		}
		height *= 1 + h.sway*math.Cos(theta)
		all = append(all, blow{run.when(turn), height})
		turn += (1 + h.slip*rng.NormFloat64()) / h.order
	}
	return all
}

// ring adds the answer to every blow.
func (h impacts) ring(x []float64, rateHz float64, all []blow) {
	w := 2 * math.Pi * h.hz
	decay, turn := -h.zeta*w/rateHz, w*math.Sqrt(1-h.zeta*h.zeta)/rateHz
	length := int(12 / -decay)
	step := math.Exp(decay)
	c, s := step*math.Cos(turn), step*math.Sin(turn)
	for _, b := range all {
		from := int(math.Ceil(b.at * rateHz))
		late := float64(from) - b.at*rateHz
		a := b.height * math.Exp(decay*late)
		re, im := a*math.Cos(turn*late), a*math.Sin(turn*late)
		for i := from; i < min(from+length, len(x)); i++ {
			if i >= 0 {
				x[i] += im
			}
			re, im = re*c-im*s, re*s+im*c
		}
	}
}

// backdrop is all of the record that is no fault. Levels are RMS values beside a
// white noise of 1.
type backdrop struct {
	low, pole    float64 // noise through one pole
	wide         float64 // noise through a structural resonance
	wideHz, zeta float64
	ratio        float64    // of the shaft that is heard
	shaft        [3]float64 // amplitudes of 1×–3×
	shaftPhi     [3]float64
	mesh         float64    // order of the tooth mesh; 0 for no gears
	teeth        [3]float64 // amplitudes of 1–3 times the mesh
	by           float64    // order of what modulates the mesh
	am, fm       float64    // depth, and radians
	amPhi, fmPhi float64
	notch        float64 // depth by which a bad tooth modulates the mesh, once a blow
	notchWidth   float64 // share of the interval between blows
}

func (b backdrop) add(x []float64, rateHz float64, run motion, h impacts, rng *rand.Rand) {
	r := math.Exp(-b.zeta * 2 * math.Pi * b.wideHz / rateHz)
	a1, a2 := 2*r*math.Cos(2*math.Pi*b.wideHz/rateHz), -r*r
	// What a unit white noise leaves behind one pole and behind two.
	k1 := b.low * math.Sqrt(1-b.pole*b.pole)
	k2 := b.wide * math.Sqrt((1+a2)*((1-a2)*(1-a2)-a1*a1)/(1-a2))
	var y, z1, z2 float64
	for i := range x {
		y = b.pole*y + k1*rng.NormFloat64()
		z := a1*z1 + a2*z2 + k2*rng.NormFloat64()
		z1, z2 = z, z1
		x[i] += rng.NormFloat64() + y + z + b.lines(run.turns(float64(i)/rateHz), h)
	}
}

// lines are the harmonics of shaft and mesh at an angle of the reference shaft.
func (b backdrop) lines(turn float64, h impacts) float64 {
	sum := 0.0
	for k, a := range b.shaft {
		sum += a * math.Sin(2*math.Pi*float64(k+1)*b.ratio*turn+b.shaftPhi[k])
	}
	if b.mesh == 0 {
		return sum
	}
	sin, cos := math.Sincos(2 * math.Pi * b.by * turn)
	depth := 1 + b.am*(sin*math.Cos(b.amPhi)+cos*math.Sin(b.amPhi))
	if b.notch > 0 {
		u := turn*h.order - h.phase
		u = (u - math.Round(u)) / b.notchWidth
		depth *= 1 + b.notch*math.Exp(-u*u/2)
	}
	s1, c1 := math.Sincos(2*math.Pi*b.mesh*turn + b.fm*(sin*math.Cos(b.fmPhi)+cos*math.Sin(b.fmPhi)))
	s2, c2 := 2*s1*c1, c1*c1-s1*s1
	s3 := s2*c1 + c2*s1
	return sum + depth*(b.teeth[0]*s1+b.teeth[1]*s2+b.teeth[2]*s3)
}

// pulser is a tacho: a square wave with noise.
type pulser struct {
	perTurn                 int
	low, high, noise, share float64 // V; share of the time that it is high
	phase                   float64
}

func (p pulser) wave(s *specimen, rng *rand.Rand) []float64 {
	x := make([]float64, s.n)
	for i := range x {
		u := s.run.turns(float64(i)/s.rateHz)*float64(p.perTurn) + p.phase
		x[i] = p.low + p.noise*rng.NormFloat64()
		if u-math.Floor(u) < p.share {
			x[i] += p.high - p.low
		}
	}
	return x
}

// sound makes the record in two parts: the fault, at its SNR, and the rest. They
// add up to what the sensor hears.
func (s *specimen) sound() (fault, rest []float64, all []blow) {
	rng := rand.New(rand.NewPCG(s.seed[0], s.seed[1]+1))
	fault, rest = make([]float64, s.n), make([]float64, s.n)
	all = s.hits.blows(s.run, rng)
	s.hits.ring(fault, s.rateHz, all)
	s.back.add(rest, s.rateHz, s.run, s.hits, rng)
	k := s.rms / math.Sqrt(meanSquare(rest))
	for i := range rest {
		rest[i] *= k
	}
	if !math.IsNaN(s.snrDB) {
		k = s.rms * math.Pow(10, s.snrDB/20) / math.Sqrt(meanSquare(fault))
		for i := range fault {
			fault[i] *= k
		}
	}
	return fault, rest, all
}

func meanSquare(x []float64) float64 {
	sum := 0.0
	for _, v := range x {
		sum += v * v
	}
	return sum / float64(len(x))
}

// race are the four orders of a bearing with n elements of diameter d on a pitch
// circle D at contact angle φ, γ = d/D·cos φ, inner ring turning.
type race struct{ inner, outer, element, cage float64 }

func raceOf(b asset.Bearing) race {
	n, d, pitch := float64(b.RollingElements), b.ElementDiameterMM, b.PitchDiameterMM
	g := d / pitch * math.Cos(b.ContactAngleDeg*math.Pi/180)
	return race{inner: n / 2 * (1 + g), outer: n / 2 * (1 - g), element: 2 * pitch / (2 * d) * (1 - g*g), cage: (1 - g) / 2}
}

// apart is how close two of the lines come that a bearing shows by themselves.
func (r race) apart() float64 {
	return min(math.Abs(r.element/r.inner-1), math.Abs(r.element/r.outer-1), math.Abs(r.inner/r.outer-1))
}

// epicyclic are the orders, per turn of the carrier, at which a bad tooth of a
// stage with a fixed ring strikes.
type epicyclic struct{ mesh, planet, ring, sun float64 }

func epicyclicOf(p asset.Planetary) epicyclic {
	ring, sun, planet, planets := float64(p.Ring), float64(p.Sun), float64(p.Planet), float64(p.Planets)
	return epicyclic{mesh: ring, planet: 2 * ring / planet, ring: planets, sun: planets * ring / sun}
}

// TestAcceptDiagnosisSignals holds the simulation against what it says of itself.
func TestAcceptDiagnosisSignals(t *testing.T) {
	near := func(what string, got, want, by float64) {
		t.Helper()
		if !(math.Abs(got-want) <= by) {
			t.Errorf("%s is %g, want %g ± %g", what, got, want, by)
		}
	}
	// 6205: the orders that its maker gives.
	o := raceOf(asset.Bearing{RollingElements: 9, ElementDiameterMM: 7.94, PitchDiameterMM: 39.04})
	near("BPFI", o.inner, 5.4152, 1e-3)
	near("BPFO", o.outer, 3.5848, 1e-3)
	near("2×BSF", o.element, 4.7135, 2e-3)
	near("FTF", o.cage, 0.3983, 1e-4)
	e := epicyclicOf(asset.Planetary{Ring: 80, Sun: 20, Planet: 30, Planets: 4})
	near("planet fault", e.planet, 5.3333, 1e-4) // 2·80/30
	near("ring fault", e.ring, 4, 0)             // each planet passes once a turn
	near("sun fault", e.sun, 16, 0)              // 4·(5 − 1)
	for class := range diagnosisClasses {
		for i := range 16 {
			s := specimenOf(class, 7, i)
			fault, rest, all := s.sound()
			what := s.class + " " + s.note
			if math.IsNaN(s.snrDB) {
				near(what+": power of no fault", meanSquare(fault), 0, 0)
				continue
			}
			near(what+": SNR", 10*math.Log10(meanSquare(fault)/meanSquare(rest)), s.snrDB, 1e-6)
			turns := s.run.turns(s.spanS())
			near(what+": blows", float64(len(all)), turns*s.hits.order, 1+4*s.hits.slip*math.Sqrt(turns*s.hits.order))
			at, off := s.beat(fault, s.hits.order), s.beat(fault, 1.37*s.hits.order)
			if at < 1.4*off {
				t.Errorf("%s: beat %.3f at the blows and %.3f beside them", what, at, off)
			}
			mid := s.spanS() / 2
			near(what+": speed", (s.run.turns(mid+1e-4)-s.run.turns(mid-1e-4))/2e-4, s.run.hzAt(mid), 1e-6*s.run.hz)
			near(what+": time of an angle", s.run.turns(s.run.when(turns/3)), turns/3, 1e-9*turns)
			if s.tacho != nil {
				near(what+": pulses", float64(edges(s.tacho.wave(s, rand.New(rand.NewPCG(1, 1))), s.tacho.high/2)), turns*float64(s.tacho.perTurn), 1)
			}
		}
	}
}

// beat is how much of the power of x comes and goes at an order, over stretches
// of twenty blows: slip blurs longer ones.
func (s *specimen) beat(x []float64, order float64) float64 {
	var re, im, sum, power float64
	next := 20.0
	for i, v := range x {
		u := s.run.turns(float64(i)/s.rateHz) * order
		if u >= next {
			sum += math.Hypot(re, im)
			re, im, next = 0, 0, next+20
		}
		sin, cos := math.Sincos(2 * math.Pi * u)
		re, im, power = re+v*v*cos, im+v*v*sin, power+v*v
	}
	return (sum + math.Hypot(re, im)) / power
}

// edges counts how often x rises through a level.
func edges(x []float64, level float64) (n int) {
	for i := 1; i < len(x); i++ {
		if x[i-1] < level && x[i] >= level {
			n++
		}
	}
	return n
}
