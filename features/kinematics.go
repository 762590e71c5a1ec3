package features

import (
	"fmt"
	"math"
	"slices"

	"github.com/telltale-iot/telltale/asset"
)

// LineKind is what makes a line.
type LineKind string

// Kinds of lines.
const (
	ShaftLine   LineKind = "shaft"
	MeshLine    LineKind = "mesh"
	PassLine    LineKind = "pass" // something passes planets or sensor
	GearFault   LineKind = "gear-fault"
	BearingLine LineKind = "bearing"
)

// Line is a frequency that an asset's kinematics predict, as an order of the
// asset's reference speed: Order × rpm/60 is Hz.
type Line struct {
	Kind     LineKind
	Part     string // shaft, stage or component it belongs to
	Name     string // 1×, mesh, sun pass, planet fault, BPFO
	Order    float64
	Sideband float64    // order of the modulation around its harmonics; 0 for none
	Mode     asset.Mode // of a bearing's line
}

// Harmonics 1, 2, 3, … of the shafts that are lines of their own.
const shaftHarmonics = 5

// LinesOf lists every line of an asset, in the order of its nameplate: of each
// shaft ½×, 1×, 2× … 5×; of each gear z·f_shaft with its shaft as sideband, so
// that a mesh of two wheels is there twice; of each planetary stage, ring fixed and planets P, its carrier
// at f_c and its sun at f_s = f_c·(1 + z_ring/z_sun):
//
//	mesh z_ring·f_c   sun pass P·(f_s−f_c)   planet fault 2·f_mesh/z_planet   ring fault P·f_mesh/z_ring
//
// (McFadden & Smith 1985, Proc. IMechE 199:65); of each bearing BPFO, BPFI,
// 2×BSF and FTF. The carrier of the first stage turns at the reference speed,
// that of the next with the sun before it. What is not declared, or not
// positive, has no line.
func LinesOf(plate asset.Nameplate) []Line {
	var lines []Line
	if k := plate.Kinematics; k != nil {
		for _, s := range k.Shafts {
			lines = append(lines, shaftLines(s)...)
		}
		lines = append(lines, meshLines(*k)...)
		carrier := 1.0
		for i, p := range k.Planetary {
			lines = append(lines, planetaryLines(fmt.Sprintf("planetary %d", i+1), p, carrier)...)
			if p.Sun > 0 && p.Ring > 0 {
				carrier *= 1 + float64(p.Ring)/float64(p.Sun)
			}
		}
	}
	if plate.Kinematics == nil || len(plate.Kinematics.Shafts) == 0 {
		lines = append(shaftLines(asset.Shaft{Name: "shaft", Ratio: 1}), lines...)
	}
	for _, c := range plate.Components {
		if c.Bearing != nil {
			lines = append(lines, BearingLines(c.Name, *c.Bearing, plate.ShaftRatio(c.Name), 0)...)
		}
	}
	return lines
}

func shaftLines(s asset.Shaft) []Line {
	if !usableOrder(s.Ratio) {
		return nil
	}
	lines := []Line{{Kind: ShaftLine, Part: s.Name, Name: "½×", Order: s.Ratio / 2}}
	for h := 1; h <= shaftHarmonics; h++ {
		lines = append(lines, Line{Kind: ShaftLine, Part: s.Name, Name: fmt.Sprintf("%d×", h), Order: float64(h) * s.Ratio})
	}
	return lines
}

func meshLines(k asset.Kinematics) []Line {
	var lines []Line
	for _, g := range k.Gears {
		for _, s := range k.Shafts {
			if s.Name == g.Shaft && g.Teeth > 0 && usableOrder(s.Ratio) {
				lines = append(lines, Line{Kind: MeshLine, Part: g.Shaft, Name: "mesh", Order: float64(g.Teeth) * s.Ratio, Sideband: s.Ratio})
				break
			}
		}
	}
	return lines
}

func planetaryLines(name string, p asset.Planetary, carrier float64) []Line {
	if p.Ring <= 0 || !usableOrder(carrier) {
		return nil
	}
	mesh := float64(p.Ring) * carrier
	lines := []Line{{Kind: MeshLine, Part: name, Name: "mesh", Order: mesh, Sideband: carrier}}
	if p.Planets > 0 {
		lines[0].Sideband = float64(p.Planets) * carrier
		if p.Sun > 0 {
			sun := carrier * float64(p.Ring) / float64(p.Sun) // f_s − f_c
			lines = append(lines, Line{Kind: PassLine, Part: name, Name: "sun pass", Order: float64(p.Planets) * sun, Sideband: carrier + sun})
		}
		lines = append(lines, Line{Kind: GearFault, Part: name, Name: "ring fault", Order: float64(p.Planets) * mesh / float64(p.Ring)})
	}
	if p.Planet > 0 {
		lines = append(lines, Line{Kind: GearFault, Part: name, Name: "planet fault", Order: 2 * mesh / float64(p.Planet), Sideband: carrier})
	}
	return lines
}

// gearLines are the lines at which a damaged tooth strikes: once a turn of each
// shaft that carries a gear, and those of the planetary stages.
func gearLines(plate asset.Nameplate) []Line {
	k := plate.Kinematics
	if k == nil {
		return nil
	}
	var lines []Line
	for _, s := range k.Shafts {
		if usableOrder(s.Ratio) && slices.ContainsFunc(k.Gears, func(g asset.Gear) bool { return g.Shaft == s.Name }) {
			lines = append(lines, Line{Kind: GearFault, Part: s.Name, Name: "tooth", Order: s.Ratio, Mode: asset.GearTooth})
		}
	}
	for _, l := range LinesOf(plate) {
		if l.Kind == GearFault || l.Kind == PassLine && usableOrder(l.Order) {
			l.Mode = asset.GearTooth
			lines = append(lines, l)
		}
	}
	return lines
}

// periodsWanted of the slowest line that a channel is watched for are what a window
// should hold.
const periodsWanted = 8

// mostBases bounds a window by the number of shortest ones in it.
const mostBases = 1e6

// WindowSeconds is the length of window that a channel needs at the nominal speed
// (of the nameplate, else as given): the shortest multiple of base that holds eight
// periods of its slowest line, no longer than longest unless base is.
func WindowSeconds(plate asset.Nameplate, ch asset.Channel, rpm, base, longest float64) float64 {
	if plate.SpeedRpm > 0 {
		rpm = plate.SpeedRpm
	}
	if !(rpm > 0) || !(base > 0) {
		return base
	}
	e := WaveExtractor{plate: plate}
	component := ch.Component
	if component == "" && len(plate.Components) == 1 {
		component = plate.Components[0].Name
	}
	slowest := math.Inf(1)
	for _, f := range e.familiesOf(component) {
		slowest = min(slowest, f.order*plate.ShaftRatio(component))
	}
	if part, _ := plate.Part(component); e.geared(part) {
		for _, l := range gearLines(plate) {
			slowest = min(slowest, l.Order)
		}
	}
	if math.IsInf(slowest, 1) {
		return base
	}
	want := base * math.Ceil(periodsWanted/(slowest*rpm/60)/base-1e-9)
	return max(base, min(want, base*math.Floor(min(longest/base, mostBases))))
}

// BearingLines are the lines of a bearing whose inner ring turns at inner and
// whose outer ring turns at outer, in orders of the reference speed and with the
// sign of their sense. The ring that turns against the load is modulated with
// its own speed, a rolling element with the cage.
func BearingLines(part string, b asset.Bearing, inner, outer float64) []Line {
	o := OrdersOf(b).Between(inner, outer)
	side := [defectLines]float64{bpfo: math.Abs(outer), bpfi: math.Abs(inner), bsf: o.FTF}
	var lines []Line
	for i, f := range o.families() {
		if usableOrder(f.order) {
			l := Line{Kind: BearingLine, Part: part, Name: f.mark, Order: f.order, Mode: f.mode}
			if usableOrder(side[i]) {
				l.Sideband = side[i]
			}
			lines = append(lines, l)
		}
	}
	return lines
}

// Between turns orders of an inner ring at 1 and a fixed outer ring into those
// of rings that turn at inner and outer (with sign; inner 0 is an outer ring
// that turns alone). Races and elements feel |inner − outer|; the cage turns at
// ½(1−γ)·inner + ½(1+γ)·outer (Harris & Kotzalas 2006, ch. 10).
func (o Orders) Between(inner, outer float64) Orders {
	d := math.Abs(inner - outer)
	o.FTF = math.Abs(o.FTF*inner + (1-o.FTF)*outer)
	o.BPFO, o.BPFI, o.BSF = o.BPFO*d, o.BPFI*d, o.BSF*d
	return o
}

func usableOrder(v float64) bool { return v > 0 && !math.IsInf(v, 0) }

// AmbiguityOptions say when two lines cannot be told apart. The zero value means
// the documented defaults.
type AmbiguityOptions struct {
	Slip           float64 // share of the harmonic's order within which lines count as one; default 0.02
	LeastOrder     float64 // never narrower than this: two bins of the spectrum; default 0
	Harmonics      int     // of the line in question; default 5
	ShaftHarmonics int     // of each shaft, j = 1 …; default 10
	MeshHarmonics  int     // of each mesh; default 5
}

func (o AmbiguityOptions) filled() AmbiguityOptions {
	if !(o.Slip > 0) {
		o.Slip = 0.02
	}
	if !(o.LeastOrder > 0) {
		o.LeastOrder = 0
	}
	for _, n := range []struct {
		to    *int
		value int
	}{{&o.Harmonics, 5}, {&o.ShaftHarmonics, 10}, {&o.MeshHarmonics, 5}} {
		if *n.to <= 0 {
			*n.to = n.value
		}
	}
	return o
}

// Ambiguity says that a harmonic of a bearing's line lies on one of the machine.
type Ambiguity struct {
	Line  Line
	K     int // k·Line.Order
	With  Line
	J     int     // j·With.Order
	Apart float64 // k·Line.Order − j·With.Order
}

// Ambiguities compares harmonics of a line with those of every shaft and every
// mesh of an asset. A defect must not be judged by a harmonic that is listed.
func Ambiguities(line Line, all []Line, opt AmbiguityOptions) []Ambiguity {
	opt = opt.filled()
	var out []Ambiguity
	if !usableOrder(line.Order) {
		return nil
	}
	for k := 1; k <= opt.Harmonics; k++ {
		at := float64(k) * line.Order
		reach := max(opt.Slip*at, opt.LeastOrder)
		for _, l := range all {
			most := 0
			switch {
			case l.Kind == ShaftLine && l.Name == "1×":
				most = opt.ShaftHarmonics
			case l.Kind == MeshLine:
				most = opt.MeshHarmonics
			}
			for j := 1; j <= most; j++ {
				if apart := at - float64(j)*l.Order; math.Abs(apart) <= reach {
					out = append(out, Ambiguity{line, k, l, j, apart})
				}
			}
		}
	}
	return out
}
