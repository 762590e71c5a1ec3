package features

import (
	"math"

	"github.com/telltale-iot/telltale/asset"
)

// ZoneSpan is the energy mean of a severity over a period, taken only while the
// machine runs under load and steadily: √(ΣT·v²/ΣT) (ISO 20816-1:2016; VDI
// 3834-1:2009 for sections of a period). The zero value has seen nothing.
type ZoneSpan struct {
	Square  float64 // ΣT·v² in unit²·s
	Seconds float64 // ΣT
	Skipped float64 // seconds of low load, change or no value
}

// ZoneSection is the severity of one stretch and how the machine ran in it.
type ZoneSection struct {
	V           float64 // RMS in the unit of the table
	Seconds     float64
	PowerShare  float64 // of rated
	SpeedSpread float64 // (max − min)/mean of the shaft's speed
}

// Least load and largest spread of speed at which a zone is judged.
const (
	zoneLoad   = 0.2
	zoneSteady = 0.1
)

// Step adds a section at 20 % of rated power or more whose speed spreads by 10 % at
// most. NaN in any of its fields leaves it out.
func (z ZoneSpan) Step(s ZoneSection) ZoneSpan {
	if !(s.Seconds > 0) || math.IsInf(s.Seconds, 0) {
		return z
	}
	square := z.Square + s.Seconds*s.V*s.V
	if !(s.PowerShare >= zoneLoad) || !(s.SpeedSpread <= zoneSteady) || !(s.V >= 0) || !finite(square, z.Seconds+s.Seconds) {
		if sum := z.Skipped + s.Seconds; finite(sum) {
			z.Skipped = sum
		}
		return z
	}
	z.Square, z.Seconds = square, z.Seconds+s.Seconds
	return z
}

// Mean is the energy mean so far, in the unit of the table; why is ReasonEmpty when
// no section counted.
func (z ZoneSpan) Mean() (v float64, why asset.Reason) {
	if !(z.Seconds > 0) {
		return math.NaN(), ReasonEmpty
	}
	if v = math.Sqrt(z.Square / z.Seconds); !finite(v) {
		return math.NaN(), ReasonUndefined
	}
	return v, ""
}

// ZoneLimits are the operating limits of one machine, in the unit of its table.
type ZoneLimits struct {
	Alert  float64 // look into it
	Alarm  float64 // act on it
	Change float64 // from the baseline that is significant inside a zone, too
}

// Limits are ALERT = baseline + ¼·(B/C), at most 1.25·(B/C), and ALARM = C/D, the
// upper end of zone C, or ALERT where that is higher, at most 1.25·(C/D). A change
// is significant beyond ¼·(B/C) (ISO 20816-1:2016 on operational limits; that ALARM
// is the end of zone C is this project's rule). A baseline that is missing sets
// ALERT to B/C; why is ReasonUndefined for a table without boundaries.
func (t ZoneTable) Limits(baseline float64) (l ZoneLimits, why asset.Reason) {
	if !(t.BC > 0) || !(t.CD >= t.BC) || !finite(1.25*t.CD) {
		nan := math.NaN()
		return ZoneLimits{nan, nan, nan}, ReasonUndefined
	}
	l.Change = 0.25 * t.BC
	l.Alert = t.BC
	if baseline >= 0 {
		l.Alert = min(baseline+l.Change, 1.25*t.BC)
	}
	l.Alarm = min(max(t.CD, l.Alert), 1.25*t.CD)
	return l, ""
}

// ZoneVerdict is a severity judged by its table and by the machine's own baseline.
// A value on a limit is beyond it.
type ZoneVerdict struct {
	Zone    string // "A" to "D", empty for a missing value
	Limits  ZoneLimits
	Alert   bool
	Alarm   bool
	Changed bool // by more than Limits.Change, up or down
}

// Judge judges the energy mean v of a period against the baseline; NaN for either
// is missing and decides nothing.
func (t ZoneTable) Judge(v, baseline float64) (z ZoneVerdict, why asset.Reason) {
	if z.Limits, why = t.Limits(baseline); why != "" {
		return z, why
	}
	if math.IsInf(v, 0) || math.IsNaN(v) {
		return z, ReasonNonFinite
	}
	z.Zone = t.Zone(v)
	z.Alert, z.Alarm = v >= z.Limits.Alert, v >= z.Limits.Alarm
	z.Changed = math.Abs(v-baseline) > z.Limits.Change
	return z, ""
}
