package features

import (
	"fmt"
	"math"
	"strings"

	"github.com/telltale-iot/telltale/asset"
)

// ZoneTable is one row of a severity standard: the values at which zones begin.
// A boundary that the standard does not give is zero.
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

const (
	iso10816Part3 = "ISO 10816-3:2009 (ISO 20816-3:2022)"
	vdi3834Part1  = "VDI 3834-1:2009 (ISO 10816-21:2015 Annex A)"
	velocityRMS   = "velocity_rms"
	accelRMS      = "acceleration_rms"
)

// ZoneTables returns the built-in rows. The wind-turbine rows have no A/B
// boundary. The standards themselves say that zones are not meant for early
// fault detection.
func ZoneTables() []ZoneTable {
	return []ZoneTable{
		{"iso10816-3_g1_rigid", iso10816Part3, velocityRMS, 10, 1000, 2.3, 4.5, 7.1},
		{"iso10816-3_g1_flexible", iso10816Part3, velocityRMS, 10, 1000, 3.5, 7.1, 11.0},
		{"iso10816-3_g2_rigid", iso10816Part3, velocityRMS, 10, 1000, 1.4, 2.8, 4.5},
		{"iso10816-3_g2_flexible", iso10816Part3, velocityRMS, 10, 1000, 2.3, 4.5, 7.1},
		{"nacelle_tower", vdi3834Part1, accelRMS, 0.1, 10, 0, 0.3, 0.5},
		{"nacelle_tower", vdi3834Part1, velocityRMS, 0.1, 10, 0, 60, 100},
		{"rotor_bearing", vdi3834Part1, accelRMS, 0.1, 10, 0, 0.3, 0.5},
		{"rotor_bearing", vdi3834Part1, velocityRMS, 10, 1000, 0, 2.0, 3.2},
		{"gearbox", vdi3834Part1, accelRMS, 0.1, 10, 0, 0.3, 0.5},
		{"gearbox", vdi3834Part1, velocityRMS, 10, 1000, 0, 3.5, 5.6},
		{"gearbox", vdi3834Part1, accelRMS, 10, 2000, 0, 7.5, 12.0},
		{"generator", vdi3834Part1, velocityRMS, 10, 1000, 0, 6.0, 10.0},
		{"generator", vdi3834Part1, accelRMS, 10, 5000, 0, 10, 16},
	}
}

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

// zone judges vibration severity against a standard's absolute limits.
type zone struct {
	common
	table ZoneTable
}

// newZone picks the table: the named one, else by the component's type on a wind
// turbine, else ISO 10816-3 group 2 on a rigid foundation.
func newZone(c common, plate *asset.Nameplate) *zone {
	name := c.opt.Zones
	if name == "" {
		name = "iso10816-3_g2_rigid"
		if plate.Kind == "wind-turbine" {
			name = windRow(plate, c.component)
		}
	}
	t, _ := zoneTable(name)
	return &zone{common: c, table: t}
}

// zoneTable finds the 10 Hz–1000 Hz velocity row of a name, else its first.
func zoneTable(name string) (ZoneTable, bool) {
	var found *ZoneTable
	all := ZoneTables()
	for i := range all {
		t := &all[i]
		if t.Name == name && t.Quantity == velocityRMS && (found == nil || t.LowHz == 10) {
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

func (d *zone) judge(in *instant) (asset.Assessment, bool) {
	worst, at := math.NaN(), -1
	for _, i := range d.idx {
		v := in.now[i]
		switch in.fields[i].Unit {
		case "mm/s":
		case "m/s":
			v *= 1000
		default:
			continue
		}
		if !math.IsNaN(v) && (at < 0 || v > worst) {
			worst, at = v, i
		}
	}
	if at < 0 {
		return asset.Assessment{}, false
	}
	letter := d.table.Zone(worst)
	a := d.answer(in, worst, d.table.BC, d.p(letter))
	a.Abnormal = d.past.step(letter == "C" || letter == "D", d.opt.M, d.opt.N)
	if letter == "C" || letter == "D" {
		limit, meaning := d.table.BC, "not suitable for long-term operation"
		if letter == "D" {
			limit, meaning = d.table.CD, "severe enough to cause damage"
		}
		f := &in.fields[at]
		a.Evidence = []asset.Evidence{d.evidence(f.Key(), worst, limit, 1,
			fmt.Sprintf("vibration velocity of %s is %.2g mm/s RMS, zone %s of %s (%s, from %.2g mm/s): %s", f.Channel, worst, letter, d.table.Source, d.table.Name, limit, meaning))}
		d.suspect(&a, 0.5)
	}
	return a, true
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

func (d *zone) walk(c *codec) { c.u64(&d.past.bits) }
