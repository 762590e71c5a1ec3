package features

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/telltale-iot/telltale/asset"
)

// ReasonIncoherent is why an average over turns is missing: the turns do not repeat,
// since their angle is not known well enough or the mesh is not in the signal.
const ReasonIncoherent asset.Reason = "incoherent"

// Bounds of the averages over turns.
const (
	leastGearTurns = minOrderRevs
	meshHarmonics  = 3
	leastCoherence = 0.5  // of the mesh from turn to turn; noise gives 1/√turns
	meshSearch     = 0.01 // share by which a mean speed may be off
	meshClear      = 10   // times the median density around, from which a line is the mesh
)

// gearGroup averages over the turns of each shaft that carries wheels, by one
// resampling a shaft, two where readings of its speed tell the angle badly, and reads
// the mesh of planetary stages from the spectrum.
type gearGroup struct {
	shafts []gearShaft
	stages []gearStage
	carry  gearState
}

// gearShaft is a shaft with its wheels.
type gearShaft struct {
	ratio  float64 // to the reference shaft
	wheels []gearWheel
}

type gearWheel struct {
	suffix string // of its fields' names
	teeth  int
}

// gearStage is a planetary stage; orders are of the reference shaft.
type gearStage struct {
	suffix                  string
	carrier, mesh, sideband float64
}

// gearState is what it carries, by suffix.
type gearState struct {
	NA4 map[string]NA4 `json:"na4"`
}

func newGearGroup(plate asset.Nameplate, _ asset.Component) *gearGroup {
	g := &gearGroup{carry: gearState{NA4: map[string]NA4{}}}
	n := 0
	for _, s := range plate.Kinematics.Shafts {
		shaft := gearShaft{ratio: s.Ratio}
		for _, w := range plate.Kinematics.Gears {
			known := slices.ContainsFunc(shaft.wheels, func(o gearWheel) bool { return o.teeth == w.Teeth })
			if w.Shaft == s.Name && w.Teeth > 1 && w.Teeth < maxPerRev/16 && !known && usableOrder(s.Ratio) {
				shaft.wheels = append(shaft.wheels, gearWheel{"_" + s.Name, w.Teeth})
			}
		}
		if len(shaft.wheels) > 1 {
			for i := range shaft.wheels {
				shaft.wheels[i].suffix += "_" + strconv.Itoa(shaft.wheels[i].teeth)
			}
		}
		if len(shaft.wheels) > 0 {
			g.shafts = append(g.shafts, shaft)
		}
		n += len(shaft.wheels)
	}
	lines := LinesOf(plate)
	for i, p := range plate.Kinematics.Planetary {
		name := fmt.Sprintf("planetary %d", i+1)
		if at := slices.IndexFunc(lines, func(l Line) bool { return l.Kind == MeshLine && l.Part == name }); at >= 0 {
			l := lines[at]
			g.stages = append(g.stages, gearStage{"_" + strings.ReplaceAll(name, " ", "_"), l.Order / float64(p.Ring), l.Order, l.Sideband})
			n++
		}
	}
	if n == 1 {
		for _, s := range g.shafts {
			s.wheels[0].suffix = ""
		}
		for i := range g.stages {
			g.stages[i].suffix = ""
		}
	}
	return g
}

func (g *gearGroup) state() any { return &g.carry }

// wheelFields is how many fields a wheel has, and stageFields a stage.
const (
	wheelFields = 8
	stageFields = 2
)

func (g *gearGroup) fields(l *layout) []Field {
	var out []Field
	for _, s := range g.shafts {
		for _, w := range s.wheels {
			out = append(out, fieldsOf(l, "mesh_rms"+w.suffix, l.unit, "fm0"+w.suffix, "1", "fm4"+w.suffix, "1", "na4"+w.suffix, "1",
				"sideband_index"+w.suffix, "1", "sideband_level"+w.suffix, "1", "residual_rms"+w.suffix, l.unit, "difference_rms"+w.suffix, l.unit)...)
		}
	}
	for _, s := range g.stages {
		out = append(out, fieldsOf(l, "mesh_rms"+s.suffix, l.unit, "sideband_index"+s.suffix, "1")...)
	}
	return out
}

func (g *gearGroup) put(d *draft, in *input) {
	if in.turning.Why != "" {
		d.rest(in.turning.Why)
		return
	}
	for _, s := range g.shafts {
		g.shaft(d, in, s)
	}
	for _, s := range g.stages {
		putStage(d, in, s)
	}
}

// shaft puts the wheels of one shaft.
func (g *gearGroup) shaft(d *draft, in *input, s gearShaft) {
	track, top, why := trackShaft(in, s, in.turning.Turns)
	if why == "" && !in.turning.Varies && len(in.turning.Turns.Times) > 0 && top >= s.wheels[0].teeth+2 && coherence(track, s.wheels[0].teeth) < leastCoherence {
		// Readings of a steady speed say less of the angle than the mesh does.
		track, top, why = trackShaft(in, s, Turns{})
	}
	if why == "" {
		in.room.average, _, why = TSA(in.room.average, track.Samples, track.PerRev)
	}
	for _, w := range s.wheels {
		missing := why
		switch {
		case missing != "":
		case w.teeth+2 > top:
			missing = ReasonAlias
		case coherence(track, w.teeth) < leastCoherence:
			missing = ReasonIncoherent
		}
		if missing != "" {
			for range wheelFields {
				d.put(nan, missing)
			}
			continue
		}
		g.wheel(d, in.room.average, s, w, top)
	}
}

// trackShaft is the window over the angle of a shaft, up to the third harmonic of its
// largest wheel or as far as the rate allows, at a constant speed when its turns are
// not known; top is the highest order in it.
func trackShaft(in *input, s gearShaft, known Turns) (t OrderTrack, top int, why asset.Reason) {
	hz := in.rotor * s.ratio
	if in.seconds*hz < leastGearTurns+2 { // the first and the last are left out
		return t, 0, ReasonShort
	}
	largest := 0
	for _, w := range s.wheels {
		largest = max(largest, w.teeth)
	}
	turns := scaledTurns(known, s.ratio)
	fastest := hz
	if len(turns.Times) < 2 {
		hz = sharpened(in, hz, largest)
		turns, fastest = Turns{Revs: []float64{0, hz * in.seconds}, Times: []float64{0, in.seconds}}, hz
	} else {
		for _, v := range turns.Speed().Rpm {
			fastest = max(fastest, v/60)
		}
	}
	// A wheel's order and its sidebands, below what the rate carries at the fastest.
	order := min(float64(meshHarmonics*largest+2), math.Floor(in.rateHz/fastest/2.56*(1-1e-9)), maxPerRev/8)
	if order < 4 {
		return t, 0, ReasonAlias
	}
	t, why = trackOrders(&in.room.track, in.x, in.rateHz, turns, OrderOptions{MaxOrder: order})
	return t, int(order), why
}

// scaledTurns are those of a shaft at a ratio to the one of t.
func scaledTurns(t Turns, ratio float64) Turns {
	revs := make([]float64, len(t.Revs))
	for i, v := range t.Revs {
		revs[i] = v * ratio
	}
	return Turns{Revs: revs, Times: t.Times}
}

// sharpened is the mean speed of a shaft, made exact by the mesh of a wheel, which lies near
// its teeth times hz: over some hundred turns a mean is not exact enough to keep
// their angle. Without a clear line there it stays.
func sharpened(in *input, hz float64, teeth int) float64 {
	mesh := hz * float64(teeth)
	reach := mesh * min(meshSearch, 0.4/float64(teeth)) // short of the sidebands
	reach = max(reach, 2*in.stepHz)
	lo, hi := int((mesh-2*reach)/in.stepHz), int((mesh+2*reach)/in.stepHz)+1
	if lo < 1 || hi >= len(in.density) {
		return hz
	}
	r, why := ResonanceOf(in.density, in.stepHz, mesh-reach, mesh+reach)
	in.room.near = append(in.room.near[:0], in.density[lo:hi]...)
	if why != "" || !(r.Level > meshClear*medianOf(in.room.near)) {
		return hz
	}
	return r.Hz / float64(teeth)
}

// coherence is |mean of X_r|/mean of |X_r| over the turns r, X_r a turn's line at the
// order of the mesh: 1 when the turns repeat, 1/√turns for noise.
func coherence(t OrderTrack, order int) float64 {
	c := circleOf(t.PerRev)
	var re, im, size float64
	for at := 0; at+t.PerRev <= len(t.Samples); at += t.PerRev {
		x := c.line(t.Samples[at:at+t.PerRev], order)
		re, im, size = re+real(x), im+imag(x), size+math.Hypot(real(x), imag(x))
	}
	return math.Hypot(re, im) / size
}

// wheel puts what the average over a turn tells of one wheel; the mesh of the others
// on its shaft is taken out like its own. top is the highest order that is right.
func (g *gearGroup) wheel(d *draft, average []float64, s gearShaft, w gearWheel, top int) {
	opt := GearOptions{Teeth: w.teeth, Harmonics: min(meshHarmonics, (top-1)/w.teeth), ShaftOrders: []int{0, 1}}
	for _, o := range s.wheels {
		for h := 1; o.teeth != w.teeth && h*o.teeth < top; h++ {
			opt.ShaftOrders = append(opt.ShaftOrders, h*o.teeth, h*o.teeth-1, h*o.teeth+1)
		}
	}
	gear, why := GearOf(average, opt)
	if why != "" {
		for range wheelFields {
			d.put(nan, why)
		}
		return
	}
	square := 0.0
	for _, a := range gear.MeshAmplitude {
		square = math.Hypot(square, a)
	}
	state := g.carry.NA4[w.suffix]
	if state.Count < 0 || !(state.MeanM2 >= 0) {
		state = NA4{}
	}
	na4, flat := state.Step(gear.Residual)
	if g.carry.NA4 == nil {
		g.carry.NA4 = map[string]NA4{}
	}
	g.carry.NA4[w.suffix] = state
	d.put(square/math.Sqrt2, ReasonUndefined)
	d.put(gear.FM0, ReasonUndefined)
	d.put(gear.FM4, ReasonUndefined)
	d.put(na4, flat)
	d.put(gear.SidebandIndex, ReasonUndefined)
	d.put(gear.SidebandLevel, ReasonUndefined)
	d.put(gear.ResidualStd, ReasonUndefined)
	d.put(gear.DifferenceStd, ReasonUndefined)
}

// putStage puts the mesh of a planetary stage and the sidebands at which its planets
// pass.
func putStage(d *draft, in *input, s gearStage) {
	p, step, rotor, why := stageSpectrum(in, s)
	mesh, side := s.mesh*rotor, s.sideband*rotor
	if why == "" && mesh+side > step*float64(len(p)-3) {
		why = ReasonAlias
	}
	if why != "" {
		for range stageFields {
			d.put(nan, why)
		}
		return
	}
	reach := max(min(meshSearch*mesh, 0.4*side), 2*step)
	if r, why := ResonanceOf(p, step, max(mesh-reach, step), mesh+reach); why == "" {
		mesh = r.Hz
	}
	at, sum := int(math.Round(mesh/step)), 0.0
	for _, v := range p[max(0, at-2):min(len(p), at+3)] {
		sum += v * step
	}
	d.put(math.Sqrt(sum), ReasonUndefined)
	shown := resize(in.room.shown, len(p))
	in.room.shown = shown
	for i, v := range p {
		shown[i] = math.Sqrt(v)
	}
	v, why := SidebandRatio(shown, step, mesh, side, 1)
	d.put(v, why)
}

// stageSpectrum is the Hann density in which a stage is looked for, over Hz, or over orders
// of the reference shaft when that does not turn evenly; rotor is that shaft in its
// terms.
func stageSpectrum(in *input, s gearStage) (density []float64, step, rotor float64, why asset.Reason) {
	if in.seconds*in.rotor*s.carrier < leastGearTurns {
		return nil, 0, 0, ReasonShort
	}
	if !in.turning.Varies {
		return in.density, in.stepHz, in.rotor, ""
	}
	t, why := trackOrders(&in.room.track, in.x, in.rateHz, in.turning.Turns, OrderOptions{MaxOrder: math.Ceil(s.mesh + 2*s.sideband)})
	if why != "" {
		return nil, 0, 0, why
	}
	density, step, why = OrderSpectrum(in.room.orders, t.Samples, t.PerRev)
	in.room.orders = density
	for i, a := range density {
		density[i] = a * a / 2 / (hann.enbw() * step)
	}
	return density, step, 1, why
}
