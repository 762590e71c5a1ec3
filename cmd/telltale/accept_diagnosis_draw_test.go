//go:build accept

package main

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/telltale-iot/telltale/asset"
)

// drawer draws what a record is like.
type drawer struct{ *rand.Rand }

func (g drawer) in(lo, hi float64) float64    { return lo + (hi-lo)*g.Float64() }
func (g drawer) about(lo, hi float64) float64 { return lo * math.Pow(hi/lo, g.Float64()) }
func (g drawer) chance(p float64) bool        { return g.Float64() < p }
func (g drawer) whole(lo, hi int) int         { return lo + g.IntN(hi-lo+1) }

func pick[T any](g drawer, from ...T) T { return from[g.IntN(len(from))] }

// record draws the sensor and the noise.
func (g drawer) record(s *specimen) {
	s.rateHz = pick(g, 25600.0, 25600, 25600, 25600, 51200, 12800)
	s.n = int(g.in(5, 10) * s.rateHz)
	s.rms, s.counts = g.about(0.3, 10), g.chance(0.5)
	s.back = backdrop{
		low: g.in(0.2, 1), pole: g.in(0.8, 0.99),
		wide: g.in(0.1, 0.7), wideHz: g.about(300, 3500), zeta: g.in(0.03, 0.1), ratio: 1,
	}
	for k := range s.back.shaft {
		s.back.shaft[k], s.back.shaftPhi[k] = g.about(0.1, 1), g.in(0, 2*math.Pi)
	}
}

// turning sets the speed of the reference shaft in Hz.
func (s *specimen) turning(hz float64) { s.run = motion{hz: hz, spanS: s.spanS()} }

// bearing draws a geometry whose elements have room. Lines closer than the slip
// are one line, so such a bearing is drawn again.
func (g drawer) bearing() *asset.Bearing {
	for {
		pitch, share := math.Round(g.about(30, 400)), g.in(0.12, 0.3)
		b := asset.Bearing{
			RollingElements: g.whole(8, min(26, int(0.95*math.Pi/share))), PitchDiameterMM: pitch,
			ElementDiameterMM: math.Round(100*pitch*share) / 100, ContactAngleDeg: pick(g, 0, 0, math.Round(g.in(0, 40))),
		}
		if raceOf(b).apart() > 0.01 {
			return &b
		}
	}
}

// rig is a shaft in a bearing.
func (g drawer) rig(s *specimen, kinds ...string) *asset.Bearing {
	b := g.bearing()
	s.turning(g.in(600, 3000) / 60)
	s.plate.Kind, s.part = pick(g, kinds...), "bearing"
	s.plate.Components = []asset.Component{{Name: "bearing", Type: "rolling-bearing", Bearing: b}}
	return b
}

// stage is a pair of wheels, as orders of the reference shaft.
type stage struct {
	fast, slow    float64
	pinion, wheel int
	bearing       *asset.Bearing // on the fast shaft
}

// gearbox is a parallel stage with a bearing on its fast shaft. It reduces the
// speed or, in a wind turbine and elsewhere, raises it.
func (g drawer) gearbox(s *specimen, kinds ...string) stage {
	st := stage{pinion: g.whole(18, 35), wheel: g.whole(40, 90), bearing: g.bearing()}
	down := float64(st.pinion) / float64(st.wheel)
	s.plate.Kind, s.part = pick(g, kinds...), "gearbox"
	fastHz := g.in(600, 3000) / 60
	k := &asset.Kinematics{}
	switch {
	case s.plate.Kind == "wind-turbine":
		fastHz = g.in(1000, 1800) / 60
		st.fast = math.Round(fastHz*60/g.in(9, 18)*100) / 100
		st.slow = st.fast * down
		k.Shafts = append(k.Shafts, asset.Shaft{Name: "rotor", Ratio: 1})
	case g.chance(0.6):
		st.fast, st.slow = 1, down
	default:
		st.fast, st.slow = 1/down, 1
	}
	s.turning(fastHz / st.fast)
	k.Shafts = append(k.Shafts, asset.Shaft{Name: "slow", Ratio: st.slow}, asset.Shaft{Name: "fast", Ratio: st.fast})
	k.Gears = []asset.Gear{{Shaft: "slow", Teeth: st.wheel}, {Shaft: "fast", Teeth: st.pinion}}
	k.Bearings = []asset.BearingShaft{{Component: "fast-bearing", Shaft: "fast"}}
	s.plate.Kinematics = k
	s.plate.Components = []asset.Component{{Name: "gearbox", Type: "gearbox"}, {Name: "fast-bearing", Type: "rolling-bearing", Bearing: st.bearing}}
	s.back.ratio = st.fast
	g.meshing(s, float64(st.pinion)*st.fast, pick(g, st.fast, st.fast, st.slow))
	return st
}

// planetary is a stage with a fixed ring whose carrier turns at the asset's speed.
func (g drawer) planetary(s *specimen) (asset.Planetary, epicyclic) {
	var p asset.Planetary
	for p.Planets == 0 || (p.Ring+p.Sun)%p.Planets != 0 || (p.Ring-p.Sun)%2 != 0 {
		p = asset.Planetary{Ring: g.whole(60, 110), Sun: g.whole(17, 35), Planets: g.whole(3, 5)}
	}
	p.Planet = (p.Ring - p.Sun) / 2
	e := epicyclicOf(p)
	s.plate.Kind, s.part = "generic", "gearbox"
	s.plate.Kinematics = &asset.Kinematics{Planetary: []asset.Planetary{p}}
	s.plate.Components = []asset.Component{{Name: "gearbox", Type: "gearbox"}}
	s.turning(g.about(60, 400) / 60)
	s.back.ratio = 1 + float64(p.Ring)/float64(p.Sun)
	g.meshing(s, e.mesh, e.ring)
	return p, e
}

// meshing is how sound gears sound: they are never quite round.
func (g drawer) meshing(s *specimen, mesh, by float64) {
	b := &s.back
	b.mesh, b.by, b.am, b.fm = mesh, by, g.in(0, 0.3), g.in(0, 0.3)
	b.amPhi, b.fmPhi = g.in(0, 2*math.Pi), g.in(0, 2*math.Pi)
	b.teeth = [3]float64{g.about(0.3, 2), g.about(0.1, 1), g.about(0.05, 0.6)}
}

// resonance gives the fault its sound.
func (g drawer) resonance(s *specimen) {
	s.hits.hz, s.hits.zeta = g.in(2000, min(6000, 0.4*s.rateHz)), g.in(0.03, 0.08)
	s.hits.phase, s.hits.scatter = g.Float64(), 0.2
}

// bearingFault makes a bearing bad whose shaft turns at ratio.
func (g drawer) bearingFault(s *specimen, mode asset.Mode, b asset.Bearing, ratio float64) {
	o := raceOf(b)
	h := impacts{slip: 0.01}
	switch mode {
	case asset.InnerRace:
		h.order, h.load, h.turnOf = o.inner*ratio, g.in(0.3, 0.8), ratio
	case asset.OuterRace:
		h.order = o.outer * ratio
	case asset.RollingElement:
		h.order, h.load, h.turnOf, h.second = o.element*ratio, g.in(0.3, 0.8), o.cage*ratio, 0.6
	case asset.Cage:
		h.order = o.cage * ratio
	}
	s.mode, s.hits = mode, h
	g.resonance(s)
	s.note += fmt.Sprintf("n=%d d/D=%.3f φ=%g BPFI=%.3f BPFO=%.3f 2BSF=%.3f FTF=%.3f ", b.RollingElements, b.ElementDiameterMM/b.PitchDiameterMM, b.ContactAngleDeg, o.inner, o.outer, o.element, o.cage)
}

// toothFault makes one tooth of one wheel bad.
func (g drawer) toothFault(s *specimen, order float64, teeth int) {
	s.mode, s.hits = asset.GearTooth, impacts{order: order}
	s.back.notch, s.back.notchWidth = g.in(0.1, 0.5), 0.5/float64(teeth)
	g.resonance(s)
}

// bearingAnywhere is a bad bearing on a rig or in a gearbox.
func (g drawer) bearingAnywhere(s *specimen, mode asset.Mode) {
	if g.chance(0.7) {
		g.bearingFault(s, mode, *g.rig(s, "bearing-rig", "bearing-rig", "generic"), 1)
		return
	}
	st := g.gearbox(s, "generic", "wind-turbine")
	s.part = "fast-bearing"
	g.bearingFault(s, mode, *st.bearing, st.fast)
}

// toothOf makes a tooth bad on either shaft.
func (g drawer) toothOf(s *specimen, st stage) {
	if g.chance(0.5) {
		s.note += "fast wheel "
		g.toothFault(s, st.fast, st.pinion)
	} else {
		s.note += "slow wheel "
		g.toothFault(s, st.slow, st.wheel)
	}
}

// planetaryFault makes a tooth of the planet, the ring or the sun bad.
func (g drawer) planetaryFault(s *specimen, i int) {
	p, e := g.planetary(s)
	name, order := "planet", e.planet
	teeth := p.Planet
	switch i % 3 {
	case 1:
		name, order, teeth = "ring", e.ring, p.Ring/p.Planets
	case 2:
		name, order, teeth = "sun", e.sun, p.Sun/p.Planets
	}
	s.turning(g.about(max(1, 1/order), min(400.0/60, 30/order)))
	g.toothFault(s, order, teeth)
	if name == "planet" {
		s.hits.turnOf, s.hits.sway = 1, g.in(0, 0.3)
	}
	s.note += fmt.Sprintf("%s ring=%d sun=%d planet=%d planets=%d ", name, p.Ring, p.Sun, p.Planet, p.Planets)
}

// swinging lets the speed move within the record.
func (g drawer) swinging(s *specimen) {
	s.run.swing = pick(g, -1.0, 1) * g.about(0.02, 0.3)
	if g.chance(0.5) {
		s.run.periodS, s.run.phi = g.in(4.9, s.spanS()), g.in(0, 2*math.Pi)
	}
}

// pulses gives the asset a tacho on its reference shaft.
func (g drawer) pulses(s *specimen) {
	high := pick(g, 1.0, 5)
	s.tacho = &pulser{perTurn: pick(g, 1, 1, 2, 4, 6), high: high, noise: high * g.in(0.002, 0.02), share: g.in(0.1, 0.6), phase: g.Float64()}
	s.plate.SpeedRpm = math.Round(60 * s.run.hz * g.in(0.98, 1.02))
	s.plate.Channels = append(s.plate.Channels, asset.Channel{Name: "tacho", Kind: "tacho", Unit: "V", RateHz: s.rateHz})
}

// readings gives the speed as telemetry, once or every so often.
func (g drawer) readings(s *specimen, everyS float64) {
	s.metric, s.everyS = "shaft_speed", everyS
	if s.plate.Kind == "wind-turbine" {
		s.metric = "rotor_speed"
	}
	s.plate.Metrics = []asset.Metric{{Name: s.metric, Unit: "rpm"}}
}
