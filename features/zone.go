package features

import (
	"fmt"
	"math"
	"strings"

	"github.com/telltale-iot/telltale/asset"
)

// ZoneTable is one row of a severity standard: the values at which zones begin.
// A boundary that the standard does not give is zero. The rows are data, handed in
// through MonitorOptions.Zones. The standards themselves say that zones are not meant
// for early fault detection.
type ZoneTable struct {
	Name     string
	Source   string
	Quantity string  // velocity_rms in mm/s, acceleration_rms in m/s²
	LowHz    float64 // band of the quantity
	HighHz   float64
	AB       float64
	BC       float64
	CD       float64
}

// The quantities of a ZoneTable.
const (
	velocityRMS = "velocity_rms"
	accelRMS    = "acceleration_rms"
)

// Zone is "A" to "D"; a value on a boundary belongs to the worse zone, and below
// the first boundary of a table without A/B it is "B". Empty for a missing value.
func (t ZoneTable) Zone(v float64) string {
	switch {
	case math.IsNaN(v):
		return ""
	case v >= t.CD:
		return "D"
	case v >= t.BC:
		return "C"
	case t.AB == 0 || v >= t.AB:
		return "B"
	}
	return "A"
}

// zone judges vibration severity against a standard's absolute limits: each value by
// itself, or the energy mean of a period.
type zone struct {
	common
	table  ZoneTable
	period period
}

// newZone picks the table: the named one, else by the component's type on a wind
// turbine, else ISO 10816-3 group 2 on a rigid foundation.
func newZone(c common, plate *asset.Nameplate, rows []ZoneTable) *zone {
	t, _ := zoneTable(rows, zoneName(c.opt, plate, c.component))
	return &zone{common: c, table: t, period: newPeriod()}
}

func zoneName(o DetectorOptions, plate *asset.Nameplate, component string) string {
	switch {
	case o.Zones != "":
		return o.Zones
	case plate.Kind == "wind-turbine":
		return windRow(plate, component)
	}
	return "iso10816-3_g2_rigid"
}

// checkZones refuses a zone detector that has no row to judge by, or cannot know the
// load and speed that it is told to look at.
func (m *Monitor) checkZones(o DetectorOptions) (DetectorOptions, error) {
	if o.Type != "zone" && o.Zones == "" {
		return o, nil
	}
	if (o.Power != "") != (o.RatedKW > 0) {
		return o, fmt.Errorf("%w: %s: Power and RatedKW go together", ErrOptions, o.Name)
	}
	for _, metric := range []*string{&o.Power, &o.Speed} {
		switch {
		case *metric == "" || !m.lacks(*metric):
		case o.Optional:
			*metric = ""
		default:
			return o, fmt.Errorf("%w: %s: the asset declares no metric %q", ErrOptions, o.Name, *metric)
		}
	}
	for _, component := range o.components(&m.plate) {
		name := zoneName(o, &m.plate, component)
		t, ok := zoneTable(m.opt.Zones, name)
		if !ok {
			return o, fmt.Errorf("%w: %s: Zones %q has no velocity row", ErrOptions, o.Name, name)
		}
		if _, why := t.Limits(math.NaN()); why != "" || !(t.AB >= 0 && t.AB <= t.BC) {
			return o, fmt.Errorf("%w: %s: Zones %q: boundaries %g, %g, %g must rise", ErrOptions, o.Name, name, t.AB, t.BC, t.CD)
		}
	}
	return o, nil
}

// zoneTable finds the velocity row of a name, that of 10 Hz before others and a later
// one before an earlier.
func zoneTable(rows []ZoneTable, name string) (ZoneTable, bool) {
	var found *ZoneTable
	for i := range rows {
		t := &rows[i]
		if t.Name == name && t.Quantity == velocityRMS && (found == nil || t.LowHz == 10 || found.LowHz != 10) {
			found = t
		}
	}
	if found == nil {
		return ZoneTable{}, false
	}
	return *found, true
}

// windRow is the VDI 3834 row of a wind turbine's component.
func windRow(plate *asset.Nameplate, component string) string {
	part, _ := plate.Part(component)
	text := strings.ToLower(part.Name + " " + part.Type)
	switch {
	case strings.Contains(text, "gear"):
		return "gearbox"
	case strings.Contains(text, "generator"):
		return "generator"
	case strings.Contains(text, "tower"), strings.Contains(text, "nacelle"), strings.Contains(text, "blade"):
		return "nacelle_tower"
	}
	return "rotor_bearing"
}

// worst is the largest velocity of the instant in mm/s, and whose it is.
func (d *zone) worst(in *instant) (worst float64, at int) {
	worst, at = math.NaN(), -1
	for _, i := range d.idx {
		if v := velocity(in, i); !math.IsNaN(v) && (at < 0 || v > worst) {
			worst, at = v, i
		}
	}
	return worst, at
}

// velocity is a field's value in mm/s; NaN for another quantity.
func velocity(in *instant, i int) float64 {
	switch in.fields[i].Unit {
	case "mm/s":
		return in.now[i]
	case "m/s":
		return 1000 * in.now[i]
	}
	return math.NaN()
}

func (d *zone) judge(in *instant) (asset.Assessment, bool) {
	if d.opt.PeriodH > 0 {
		return d.judgePeriod(in)
	}
	worst, at := d.worst(in)
	if at < 0 {
		return asset.Assessment{}, false
	}
	return d.verdict(in, worst, at, "is"), true
}

// verdict judges a severity of a field.
func (d *zone) verdict(in *instant, v float64, at int, is string) asset.Assessment {
	letter := d.table.Zone(v)
	a := d.answer(in, v, d.table.BC, d.p(letter))
	a.Abnormal = d.past.step(letter == "C" || letter == "D", d.opt.M, d.opt.N)
	if letter == "C" || letter == "D" {
		limit, meaning := d.table.BC, "not suitable for long-term operation"
		if letter == "D" {
			limit, meaning = d.table.CD, "severe enough to cause damage"
		}
		f := &in.fields[at]
		a.Evidence = []asset.Evidence{d.evidence(f.Key(), v, limit, 1,
			fmt.Sprintf("vibration velocity of %s %s %.2g mm/s RMS, zone %s of %s (%s, from %.2g mm/s): %s", f.Channel, is, v, letter, d.table.Source, d.table.Name, limit, meaning))}
		d.suspect(&a, 0.5)
	}
	return a
}

// p states the zones' expert weights (log likelihood ratio +1.0 for C, +2.3 for
// D) as the p-value whose e-value ½·p^(−½) carries them.
func (d *zone) p(letter string) float64 {
	switch letter {
	case "C":
		return 0.25 * math.Exp(-2*1.0)
	case "D":
		return 0.25 * math.Exp(-2*2.3)
	}
	return 0.5
}

func (d *zone) walk(c *codec) {
	if d.opt.PeriodH > 0 {
		d.walkPeriod(c)
	}
	c.u64(&d.past.bits)
}
