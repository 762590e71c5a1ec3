package simulate

import (
	"math"
	"time"
)

// angleSteps divide two turns of the high-speed shaft.
const angleSteps = 1 << angleBits

const angleBits = 11

// angle is what depends on where the high-speed shaft stands.
type angle struct {
	low, slope float64 // shaft harmonics and their change to the next step
	am         float64 // level of the mesh
	fm         uint32  // phase of the mesh, 2³² a turn
}

// resonator is a pole pair driven as z ← z·p + input; its output is Im z.
type resonator struct{ zr, zi, pr, pi, gain float64 }

// newResonator has natural frequency hz and damping zeta; unit white noise makes
// it swing with an RMS of rms.
func newResonator(hz, zeta, rms, rate float64) resonator {
	decay := math.Exp(-zeta * 2 * math.Pi * hz / rate)
	sin, cos := math.Sincos(2 * math.Pi * hz * math.Sqrt(1-zeta*zeta) / rate)
	// Var(Im z) of z ← z·p + w is about half of Var(z) = 1/(1 − |p|²).
	return resonator{pr: decay * cos, pi: decay * sin, gain: rms * math.Sqrt(2*(1-decay*decay))}
}

// synth makes one record of one channel, block after block. Phases are fixed
// point: 2⁶⁴ is two turns of a shaft, so whole orders stay locked for ever.
type synth struct {
	tab            *tables
	rnd            stream
	rate           float64
	blocks         int   // filled so far
	at             int64 // samples made, from −warmUp
	hss, dHSS      uint64
	ddHSS, ddIMS   uint64 // change of the increment by sample, two's complement
	ims, dIMS      uint64
	line, dLine    uint32
	angle          [angleSteps]angle
	mesh           [3]float64
	imsMesh        [2]float64
	lineLevel      float64
	low, lowA      float64 // first-order low-pass: state, coefficient
	lowLevel       float64
	floor          float64
	modes          [3]resonator
	ring           resonator
	trains         []train
	rotHz, driftHz float64 // speed of the shaft at sample 0 and its change per sample
}

// newSynth opens the record of a channel that starts at begin. It needs nothing
// but the record's own operating point.
func (f *Farm) newSynth(turbine, channel int, begin time.Time) *synth {
	v, b := &voices[channel], &f.builds[turbine]
	s := &synth{tab: f.tab, rate: f.trueRate(turbine, channel, begin), at: -warmUp, rnd: newStream(f.tab, f.opt.Seed, turbine, v.name, begin.UnixNano())}
	// The operating point is that of the last telemetry instant.
	o := f.operation(turbine, f.opt.Start.Add(begin.Sub(f.opt.Start).Truncate(f.opt.TelemetryEvery)))
	w := f.wearOf(turbine, begin)
	// All channels of a turbine share the speed and the load of the record.
	shared := newStream(f.tab, f.opt.Seed, turbine, "record", begin.UnixNano())
	s.rotHz = o.rpm * gearRatio / 60 * (1 + speedWander*shared.normal())
	s.driftHz = s.rotHz * speedDrift * shared.normal() / s.rate
	load := max(0, o.load()*(1+loadWander*shared.normal()))
	level := b.level[channel] * (1 + levelWander*s.rnd.normal())
	tonal, noise := 0.0, standShare
	if o.running {
		tonal = level * loadFactor(load)
		noise = level * loadFactor(load) * (0.4 + 0.6*o.speed())
		s.lineLevel = level * v.line
	}
	if v.component == "gearbox-bearing" {
		noise *= 1 + lubricantNoise*w.lubricant + gearWearNoise*w.gears
	}
	if v.component == "main-bearing" {
		noise *= 1 + bearingWearNoise*w.mainBearing
	}
	s.phases(v)
	s.shaftAngles(v, o, w, tonal, level)
	s.sounds(v, b, channel, tonal, noise)
	s.faultTrains(v, b, channel, w, o, load)
	var settle [warmUp]float32
	s.run(settle[:])
	return s
}

// loadFactor is 0.3 + 0.7·P/Pr.
func loadFactor(load float64) float64 { return 0.3 + 0.7*load }

// phases starts the shafts anywhere.
func (s *synth) phases(v *voice) {
	turn := func(hz float64) uint64 { return uint64(hz / s.rate / 2 * (1 << 63) * 2) }
	s.hss, s.ims, s.line = s.rnd.pcg.Uint64(), s.rnd.pcg.Uint64(), uint32(s.rnd.pcg.Uint64())
	s.dHSS, s.dIMS = turn(s.rotHz), turn(s.rotHz*imsRatio/gearRatio)
	s.ddHSS = uint64(int64(s.driftHz / s.rate * (1 << 63)))
	s.ddIMS = uint64(int64(s.driftHz * imsRatio / gearRatio / s.rate * (1 << 63)))
	s.dLine = uint32(2 * gridHz / s.rate * (1 << 32))
}

// shaftAngles tabulates what repeats with the high-speed shaft: its harmonics
// and the modulation of the mesh.
func (s *synth) shaftAngles(v *voice, o operating, w wear, tonal, level float64) {
	harmonics := [5]float64{0, 0, v.shaft[0] * tonal, 0, v.shaft[1] * tonal} // ½×, 1×, 1½×, 2× at index 1–4
	third := v.shaft[2] * tonal
	if v.component == "generator-bearing" && o.running {
		fast := level * o.speed() * o.speed()
		harmonics[2] += fast*imbalanceMS2*w.imbalance + tonal*misalign1MS2*w.misalignment
		harmonics[4] += tonal * misalign2MS2 * w.misalignment
		for i := 1; i <= 4; i++ {
			harmonics[i] += fast * looseMS2 * w.looseness
		}
	}
	var turn [7]float64 // phases of the harmonics and of the modulation
	for i := range turn {
		turn[i] = s.rnd.uniform()
	}
	am, fm := v.meshAM+crackAM*w.tooth, v.meshFM+crackFM*w.tooth
	cos := func(x float64) float64 {
		x -= math.Floor(x)
		return float64(s.tab.cos[int(x*(1<<cosBits))&(1<<cosBits-1)])
	}
	for i := range s.angle {
		x := 2 * float64(i) / angleSteps // turns
		a := &s.angle[i]
		a.low = third * cos(3*x+turn[0])
		for k := 1; k <= 4; k++ {
			if harmonics[k] != 0 {
				a.low += harmonics[k] * cos(float64(k)/2*x+turn[k])
			}
		}
		a.am = 1 + am*cos(x+turn[5])
		a.fm = uint32(int32(fm / (2 * math.Pi) * cos(x+turn[6]) * (1 << 32)))
	}
	for i := range s.angle {
		s.angle[i].slope = (s.angle[(i+1)%angleSteps].low - s.angle[i].low) / (1 << (32 - angleBits))
	}
}

// sounds sets the levels of everything that is neither shaft nor fault.
func (s *synth) sounds(v *voice, b *build, channel int, tonal, noise float64) {
	for i, a := range v.mesh {
		s.mesh[i] = a * tonal
	}
	for i, a := range v.ims {
		s.imsMesh[i] = a * tonal
	}
	for i, m := range v.modes {
		s.modes[i] = newResonator(m.hz*b.modes[channel][i], m.zeta, m.rms*noise, s.rate)
	}
	s.lowA = -math.Expm1(-2 * math.Pi * v.lowHz / s.rate)
	s.lowLevel = v.lowRMS * noise * math.Sqrt((2-s.lowA)/s.lowA)
	s.floor = v.floor
	s.ring = newResonator(v.ringHz*b.ring[channel], v.ringZ, 1, s.rate)
}

// fill makes the next block of the record.
func (s *synth) fill(dst []float32) {
	s.run(dst)
	s.blocks++
}

// run makes samples, stretch by stretch from impact to impact.
func (s *synth) run(dst []float32) {
	for len(dst) > 0 {
		n := len(dst)
		for i := range s.trains {
			t := &s.trains[i]
			for t.due <= s.at {
				s.strike(t)
			}
			n = min(n, int(t.due-s.at))
		}
		s.stretch(dst[:n])
		s.at += int64(n)
		dst = dst[n:]
	}
}

// stretch is the inner loop: no impact falls into it.
func (s *synth) stretch(dst []float32) {
	const shift = 32 - cosBits
	tab := s.tab
	hss, ims, line := s.hss, s.ims, s.line
	dHSS, dIMS := s.dHSS, s.dIMS
	m0, m1, m2, ring, low := s.modes[0], s.modes[1], s.modes[2], s.ring, s.low
	bits, left := s.rnd.bits, s.rnd.left
	for i := range dst {
		h := uint32(hss >> 32)
		a := &s.angle[h>>(32-angleBits)]
		y := a.low + a.slope*float64(h&(1<<(32-angleBits)-1))
		mesh := h*(2*hssPinion) + a.fm
		y += a.am * (s.mesh[0]*float64(tab.cos[mesh>>shift]) + s.mesh[1]*float64(tab.cos[2*mesh>>shift]) + s.mesh[2]*float64(tab.cos[3*mesh>>shift]))
		second := uint32(ims>>32) * (2 * imsPinion)
		y += s.imsMesh[0]*float64(tab.cos[second>>shift]) + s.imsMesh[1]*float64(tab.cos[2*second>>shift])
		y += s.lineLevel * float64(tab.cos[line>>shift])
		if left == 0 {
			bits, left = s.rnd.pcg.Uint64(), 4
		}
		w := float64(tab.normal[uint16(bits)])
		bits >>= 16
		left--
		low += s.lowA * (w - low)
		m0.zr, m0.zi = m0.zr*m0.pr-m0.zi*m0.pi+m0.gain*w, m0.zr*m0.pi+m0.zi*m0.pr
		m1.zr, m1.zi = m1.zr*m1.pr-m1.zi*m1.pi+m1.gain*w, m1.zr*m1.pi+m1.zi*m1.pr
		m2.zr, m2.zi = m2.zr*m2.pr-m2.zi*m2.pi+m2.gain*w, m2.zr*m2.pi+m2.zi*m2.pr
		y += s.lowLevel*low + s.floor*w + m0.zi + m1.zi + m2.zi + ring.zi
		ring.zr, ring.zi = ring.zr*ring.pr-ring.zi*ring.pi, ring.zr*ring.pi+ring.zi*ring.pr
		dst[i] = float32(y)
		hss += dHSS
		dHSS += s.ddHSS
		ims += dIMS
		dIMS += s.ddIMS
		line += s.dLine
	}
	s.hss, s.ims, s.line, s.dHSS, s.dIMS = hss, ims, line, dHSS, dIMS
	s.modes[0], s.modes[1], s.modes[2], s.ring, s.low = m0, m1, m2, ring, low
	s.rnd.bits, s.rnd.left = bits, left
}
