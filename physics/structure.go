package physics

import (
	"fmt"
	"math"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/features"
)

// StructureOptions describe a blade or a tower, its loads and its measured frequencies. The
// zero value is a blade of the NREL 5 MW turbine.
type StructureOptions struct {
	Part      string      // blade (default) or tower
	DiameterM float64     // of the rotor; default 126. Without Table the NREL 5 MW design is scaled to it
	HubM      float64     // above ground; default 90/126 of the diameter
	Table     [][]float64 // rows of distance from the root in m, kg/m, EI flapwise and edgewise in N·m², thickness and chord in m
	TipKg     float64     // on the end of Table: nacelle and rotor on a tower
	RatedRpm  float64     // default 12.1 at 126 m, at the same speed of the tips
	Damping   float64     // structural, of critical; default 0.004775, of a tower 0.01
	Shear     float64     // exponent of the wind profile; default 0.2 (IEC 61400-1)
	Iref      float64     // turbulence at 15 m/s, σ = Iref·(0.75v + 5.6) (IEC 61400-1, normal turbulence); default 0.14, below 0 none
	Strength  float64     // strain amplitude that breaks in one cycle; default 0.018, of a tower 0.0213 (EN 1993-1-9, category 71)
	Exponent  float64     // of the strain–life curve; default 10, of a tower 3
	Ultimate  float64     // strain; default 0.022, of a tower none: the mean does not count in welds

	WindKey    string   // metric/value, m/s; default wind_speed/value
	PowerKey   string   // kW; default generator_power/value
	GustKey    string   // standard deviation of the wind within the interval, m/s; none: of Iref
	TempKey    string   // °C; default ambient_temperature/value
	Keys       []string // natural frequencies of the part in Hz, as channel/feature
	Siblings   []string // and of the parts like it on the same machine
	BaselineN  int      // frequencies that the healthy state is learned from when there is no commissioning span; default 50
	MemoryH    float64  // over which a frequency is averaged; default 72
	MaxGapH    float64  // a longer silence carries no load; default 1
	IceBelowC  float64  // no ice where it was warmer for a day; default 3
	FailLoss   float64  // of an element's stiffness at which the part has failed; default 0.3
	Limit      float64  // of the score at which the law speaks up; default 0.5
	HorizonH   float64  // default 2160
	ROM        string   // model of the repository, NAME[:VERSION], whose frequencies the part has
	ROMHz      []float64
	ROMDamping []float64 // of the same modes
}

// Structure is a beam that the wind bends: it steps the modes of a blade or a tower with the
// loads that speed, power and wind imply, counts the strain's cycles and adds up their
// damage; and it holds measured natural frequencies against the healthy ones to tell how much
// stiffness was lost, where, and whether it is ice.
//
// Equations: see NewBeam, Beam.Modes, newOscillator, thrust, rotor.flap, judge. Flapwise and
// edgewise are not coupled, twist is left out, the wind of an interval is steady but for gusts
// that are slow against the turning.
type Structure struct {
	opt    StructureOptions
	rotor  rotor
	planes []response  // flapwise and edgewise; fore-aft of a tower
	tables []lossTable // of the same planes
	life   SN          // of strains
	names  []string    // of the planes
}

// shiftModes are the modes of a plane that measured frequencies are looked for among.
const shiftModes = 2

// modesInPlane are stepped.
const modesInPlane = 3

// NewStructure computes modes, loads and what a loss of stiffness does to them: some 0.1 s.
// The result is for many parts of one design: With names the keys of one.
func NewStructure(o StructureOptions) (*Structure, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Structure{opt: o, rotor: o.rotor()}
	s.life = SN{StrengthMPa: o.Strength, M: o.Exponent, UltimateMPa: o.Ultimate}
	if o.Part == "tower" {
		s.life.KneeN = 5e6 // EN 1993-1-9, 7.1
		err = s.tower()
	} else {
		err = s.blade()
	}
	return s, err
}

// With is the same design for one part: its frequencies and those of the parts beside it.
func (l *Structure) With(keys, siblings []string) *Structure {
	out := *l
	out.opt.Keys, out.opt.Siblings = keys, siblings
	return &out
}

// Loaded reports whether an asset that declares these metrics gives the loads.
func (l *Structure) Loaded(declares func(key string) bool) bool {
	return declares(l.opt.WindKey) && declares(l.opt.PowerKey)
}

func (o StructureOptions) withDefaults() (StructureOptions, error) {
	o.Part = defWord(o.Part, "blade")
	o.DiameterM = def(o.DiameterM, 126)
	scale := o.DiameterM / 126
	o.HubM, o.RatedRpm = def(o.HubM, 90*scale), def(o.RatedRpm, 12.1/scale)
	o.Shear, o.Iref, o.MemoryH, o.MaxGapH = def(o.Shear, 0.2), def(o.Iref, 0.14), def(o.MemoryH, 72), def(o.MaxGapH, 1)
	o.IceBelowC, o.FailLoss, o.Limit, o.HorizonH = def(o.IceBelowC, 3), def(o.FailLoss, 0.3), def(o.Limit, 0.5), def(o.HorizonH, 2160)
	o.WindKey, o.PowerKey = defWord(o.WindKey, "wind_speed/value"), defWord(o.PowerKey, "generator_power/value")
	o.TempKey = defWord(o.TempKey, "ambient_temperature/value")
	if o.BaselineN <= 0 {
		o.BaselineN = 50
	}
	switch o.Part {
	case "blade":
		o.Damping, o.Strength, o.Exponent, o.Ultimate = def(o.Damping, nrel5MWDamping), def(o.Strength, 0.018), def(o.Exponent, 10), def(o.Ultimate, 0.022)
	case "tower":
		o.Damping, o.Strength, o.Exponent = def(o.Damping, 0.01), def(o.Strength, 0.0213), def(o.Exponent, 3)
	default:
		return o, fmt.Errorf("%w: part %q: blade or tower", ErrBeam, o.Part)
	}
	for i, row := range o.Table {
		if len(row) != 6 || i > 0 && !(row[0] > o.Table[i-1][0]) {
			return o, fmt.Errorf("%w: table, row %d: distance that rises, kg/m, EI flapwise, EI edgewise, thickness, chord", ErrBeam, i+1)
		}
	}
	if !(o.DiameterM > 0 && o.DiameterM < 1e3) || !(o.RatedRpm > 0 && o.RatedRpm < 1e3) || !(o.HubM > o.DiameterM/2) || len(o.Table) == 1 || len(o.Table) == 2 {
		return o, fmt.Errorf("%w: rotor of %g m at %g rpm, hub at %g m: above 0, the hub above the blades; a table has 3 rows or none", ErrBeam, o.DiameterM, o.RatedRpm, o.HubM)
	}
	return o, nil
}

// defWord is v, or d when v is empty.
func defWord(v, d string) string {
	if v == "" {
		return d
	}
	return v
}

// rotor is the NREL 5 MW turbine's, scaled: overhang 5.02 m, tower 3.87 m at its top.
func (o StructureOptions) rotor() rotor {
	s := o.DiameterM / 126
	return rotor{radiusM: o.DiameterM / 2, rootM: nrel5MWRootM * s, hubM: o.HubM, towerM: 3.87 * s, overhangM: 5.02 * s, shear: o.Shear, blades: 3}
}

// beam is the part in one plane.
func (o StructureOptions) beam(edgewise bool) Beam {
	scale := o.DiameterM / 126
	var b Beam
	switch {
	case len(o.Table) > 0:
		var table []Section
		for _, row := range o.Table {
			c := Section{AtM: row[0], MassKgPerM: row[1], EI: row[2], FibreM: row[4] / 2}
			if edgewise {
				c.EI, c.FibreM = row[3], row[5]/2
			}
			table = append(table, c)
		}
		b = NewBeam(table, 1)
		b.TipKg, b.InPlane = o.TipKg, edgewise
		if o.Part == "blade" {
			b.RootM = nrel5MWRootM * scale
		}
	case o.Part == "tower":
		b = nrel5MWTower().Scaled(scale)
	default:
		b = nrel5MWBlade(edgewise).Scaled(scale)
	}
	return b
}

// tuned scales the beam's stiffness so that its first mode has the frequency that the imported
// model has nearest to it, within 30 %.
func (o StructureOptions) tuned(b Beam, damping float64) (Beam, float64, error) {
	modes, err := b.Modes(0, 1)
	if err != nil || len(o.ROMHz) == 0 {
		return b, damping, err
	}
	at := 0
	off := func(i int) float64 { return math.Abs(math.Log(o.ROMHz[i] / modes[0].HZ())) }
	for i := range o.ROMHz {
		if off(i) < off(at) {
			at = i
		}
	}
	if !(off(at) < math.Log(1.3)) {
		return b, damping, nil
	}
	ratio := o.ROMHz[at] / modes[0].HZ()
	out := b
	out.Elements = append([]BeamElement(nil), b.Elements...)
	for i := range out.Elements {
		out.Elements[i].EI *= ratio * ratio
	}
	if at < len(o.ROMDamping) && o.ROMDamping[at] > 0 {
		damping = o.ROMDamping[at]
	}
	return out, damping, nil
}

// plane adds a plane with its loads; the first load is the one whose worst section is watched.
func (l *Structure) plane(name string, b Beam, omega float64, worst int, loads []func(x float64) float64, tip []float64) error {
	b, damping, err := l.opt.tuned(b, l.opt.Damping)
	if err != nil {
		return err
	}
	r, err := newResponse(b, omega, min(modesInPlane, 2*len(b.Elements)), damping, worst, loads, tip)
	if err != nil {
		return err
	}
	t, err := newLossTable(b, omega, min(shiftModes, 2*len(b.Elements)))
	if err != nil {
		return err
	}
	l.planes, l.tables, l.names = append(l.planes, r), append(l.tables, t), append(l.names, name)
	return nil
}

// gravity is that of the earth, m/s² (ISO 80000-3, standard).
const gravity = 9.80665

func (l *Structure) blade() error {
	omega := l.opt.RatedRpm * math.Pi / 30
	flap, edge := l.opt.beam(false), l.opt.beam(true)
	if err := l.plane("flapwise", flap, omega, 0, l.rotor.flapLoads(), []float64{0, 0, 0}); err != nil {
		return err
	}
	weight := func(x float64) float64 {
		for _, e := range edge.Elements {
			if x -= e.LengthM; x < 0 {
				return gravity * e.MassKgPerM
			}
		}
		return 0
	}
	r := l.rotor
	drive := func(float64) float64 { return 2 / (r.radiusM*r.radiusM - r.rootM*r.rootM) } // ∫ drive·r dr = 1
	return l.plane("edgewise", edge, omega, 0, []func(float64) float64{weight, drive}, []float64{gravity * edge.TipKg, 0})
}

func (l *Structure) tower() error {
	return l.plane("fore-aft", l.opt.beam(false), 0, 0, []func(float64) float64{func(float64) float64 { return 0 }}, []float64{1})
}

// Name is the law's name and version.
func (*Structure) Name() string { return "structure/1" }

// Numbers of the state; the open strain points of two planes and each frequency's follow.
const (
	structHours  = iota // with loads
	structDamage        // of the first plane, and of the second
	_
	structSpan  // a commissioning span was seen
	structSince // hours since the last loads
	structTempKnown
	structTemp
	structWarm // hours since it was cold enough for ice
	structRpm
	structThrust
	structAmplitude // of strain over a turn, of both planes
	_
	structMean // of strain, of both planes
	_
	structCrack // probabilities
	structIce
	structLoss
	structCracked                                   // hours since a crack became likely
	structPoints                                    // number, then the points
	structKeys    = structPoints + 2*(maxResidue+1) // then keySize for each
)

func (l *Structure) size() int {
	return structKeys + keySize*(len(l.opt.Keys)+len(l.opt.Siblings))
}

// Step takes what was measured: SCADA, frequencies or both.
func (l *Structure) Step(s State, in features.Snapshot) (State, asset.Assessment) {
	x, fresh := open(s, l.Name(), l.size())
	now, loaded := l.operating(&in)
	hz, heard := l.frequencies(&in)
	if !loaded && !heard {
		return s, silent(l.Name(), in.Time, ReasonIdle)
	}
	dt := hoursSince(s, fresh, in.Time)
	if dt < 0 {
		return s, silent(l.Name(), in.Time, ReasonOrder)
	}
	next := State{Law: l.Name(), At: in.Time.UTC(), X: x}
	l.weather(x, &in, dt, fresh)
	if in.Learning {
		x[structSpan] = 1
	}
	if loaded {
		l.load(x, now, x[structSince])
		x[structSince] = 0
	}
	for i, f := range hz {
		l.hear(l.key(x, i), f, x, dt, in.Learning)
	}
	a := l.assess(x, in, dt)
	if !next.Finite() {
		return s, silent(l.Name(), in.Time, ReasonDiverged)
	}
	return next, a
}

// weather keeps what belongs to no one input: temperature, time since frost, speed.
func (l *Structure) weather(x []float64, in *features.Snapshot, dt float64, fresh bool) {
	x[structSince] += dt
	x[structWarm] += dt
	if t := measured(in, l.opt.TempKey); !math.IsNaN(t) && math.Abs(t) < 100 {
		x[structTempKnown], x[structTemp] = 1, t
		if t <= l.opt.IceBelowC {
			x[structWarm] = 0
		} else if fresh {
			x[structWarm] = dayH
		}
	}
	if rpm := float64(in.SpeedRpm); rpm >= 0 && rpm < 1e3 {
		x[structRpm] = rpm
	}
}

// dayH is a day: ice may stay on that long after the frost.
const dayH = 24

// operating reads the loads; false when something that they take is missing.
func (l *Structure) operating(in *features.Snapshot) (operating, bool) {
	wind, power, rpm := measured(in, l.opt.WindKey), measured(in, l.opt.PowerKey), float64(in.SpeedRpm)
	if !(wind >= 0 && wind < 100) || !(math.Abs(power) < 1e6) || !(rpm >= 0 && rpm < 1e3) {
		return operating{}, false
	}
	o := operating{wind: wind, omega: rpm * math.Pi / 30, gust: math.Max(l.opt.Iref, 0) * (0.75*wind + 5.6)}
	if l.opt.GustKey != "" {
		if sd := measured(in, l.opt.GustKey); sd >= 0 && sd < 50 {
			o.gust = sd
		}
	}
	o.thrustN = thrust(1e3*power, wind, l.rotor.area())
	if o.omega > 0.05 && power > 0 {
		o.torque = 1e3 * power / (electrical * o.omega)
	}
	return o, true
}

// electrical is the share of the rotor's power that the generator gives (NREL 5 MW: 0.944).
const electrical = 0.944
