package physics

import (
	"fmt"
	"math"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/features"
)

// CrackOptions is the crack that is assumed or known, its stress and its material.
type CrackOptions struct {
	Paris        Paris   // zero C: ferritic-pearlitic steel, 6.89e-12 and m = 3 (Barsom & Rolfe 1999)
	LnCSd        float64 // standard deviation of ln C before any crack was measured, with m held (the two are correlated); default 0.4
	StartM       float64 // crack length to begin with, m; default 0.001
	EndM         float64 // length at failure, m; default where K reaches KcMPa, at most 0.6 of the width
	KcMPa        float64 // toughness, MPa·√m; default 60
	StressMPa    float64 // stress range; used where StressKey is empty
	StressKey    string  // measured stress range, MPa
	CyclesPerH   float64 // used where CyclesPerRev is 0
	CyclesPerRev float64 // of the snapshot's shaft speed
	CrackKey     string  // measured crack length; empty: never measured
	CrackUnitM   float64 // m in a unit of that; default 1e-6 (µm)
	CrackErr     float64 // standard error of a measured length, as a share; default 0.005
	MaxGapH      float64 // a longer silence does not load the part; default 24
	HorizonH     float64 // default 2160
	Limit        float64 // share of the life at which the law speaks up; default 0.7
}

// Crack follows a fatigue crack by Paris' law under the stress and cycles that
// were seen. Measured lengths replace the calculated one, and each stretch of
// growth between them corrects ln C (a scalar Kalman filter).
type Crack struct{ opt CrackOptions }

// The crack's state.
const (
	crackLength = iota
	crackCycles
	crackLnC
	crackVar
	crackAnchor       // length at the last correction of ln C
	crackAnchorCycles // cycles then
	crackMeasured     // lengths measured
	crackStress       // last stress range
	crackRate         // cycles per hour, forgetting with a time constant of 720 h
	crackHours
	crackSize
)

// NewCrack returns the law for one crack.
func NewCrack(o CrackOptions) Crack {
	if o.Paris.C == 0 {
		o.Paris.C, o.Paris.M = 6.89e-12, 3
	}
	o.LnCSd, o.StartM, o.KcMPa = def(o.LnCSd, 0.4), def(o.StartM, 0.001), def(o.KcMPa, 60)
	o.CrackUnitM, o.CrackErr = def(o.CrackUnitM, 1e-6), def(o.CrackErr, 0.005)
	o.MaxGapH, o.HorizonH, o.Limit = def(o.MaxGapH, 24), def(o.HorizonH, 2160), def(o.Limit, 0.7)
	return Crack{o}
}

// Name is the law's name and version.
func (Crack) Name() string { return "crack/1" }

// Step grows the crack by the cycles since the last instant.
func (l Crack) Step(s State, in features.Snapshot) (State, asset.Assessment) {
	x, fresh := open(s, l.Name(), crackSize)
	dt := hoursSince(s, fresh, in.Time)
	if dt < 0 {
		return s, silent(l.Name(), in.Time, ReasonOrder)
	}
	if fresh {
		x[crackLength], x[crackLnC], x[crackVar] = l.opt.StartM, math.Log(l.opt.Paris.C), l.opt.LnCSd*l.opt.LnCSd
	}
	stress, perHour := l.opt.StressMPa, l.opt.CyclesPerH
	if l.opt.StressKey != "" {
		if stress = measured(&in, l.opt.StressKey); math.IsNaN(stress) && !fresh {
			stress = x[crackStress] // held since it was last measured
		}
	}
	if l.opt.CyclesPerRev > 0 {
		if perHour = l.opt.CyclesPerRev * 60 * math.Max(0, float64(in.SpeedRpm)); !(perHour <= absurd) {
			perHour = math.NaN()
		}
	}
	if math.IsNaN(stress) || math.IsNaN(perHour) || stress <= 0 && perHour <= 0 {
		return s, silent(l.Name(), in.Time, ReasonMissing)
	}
	if dt > l.opt.MaxGapH {
		dt = 0
	}
	next := State{Law: l.Name(), At: in.Time.UTC(), X: x}
	l.load(x, stress, perHour, dt)
	if l.opt.CrackKey != "" {
		l.measure(x, measured(&in, l.opt.CrackKey)*l.opt.CrackUnitM)
	}
	return next, l.assess(x, in)
}

// law is Paris' law with the C that the state believes in.
func (l Crack) law(x []float64) Paris {
	p := l.opt.Paris
	p.C = math.Exp(x[crackLnC])
	return p
}

// load applies dt hours of cycles.
func (l Crack) load(x []float64, stress, perHour, dt float64) {
	p, n := l.law(x), perHour*dt
	x[crackStress] = stress
	if x[crackHours] == 0 {
		x[crackRate] = perHour
	}
	x[crackHours] += dt
	x[crackRate] += (perHour - x[crackRate]) * -math.Expm1(-dt/720)
	x[crackCycles] += n
	x[crackLength], _ = p.Grow(x[crackLength], math.Max(x[crackLength], l.end(p, x[crackLength], stress)), stress, n)
}

// end is the length at failure: as declared, or where K_max = ΔK/(1−R) reaches
// the toughness, and never beyond 0.6 of the width.
func (l Crack) end(p Paris, a, stress float64) float64 {
	if l.opt.EndM > 0 {
		return l.opt.EndM
	}
	hi := 10.0
	if p.WidthM > 0 {
		hi = 0.6 * p.WidthM
		if p.Geometry == CentreCrack {
			hi = 0.45 * p.WidthM
		}
	}
	peak := func(a float64) float64 { return p.intensity(a, stress) / (1 - math.Max(0, p.R)) }
	if hi <= a || peak(hi) <= l.opt.KcMPa {
		return hi
	}
	lo := math.Min(a, 1e-6)
	for range 80 {
		if mid := (lo + hi) / 2; peak(mid) < l.opt.KcMPa {
			lo = mid
		} else {
			hi = mid
		}
	}
	return hi
}

// measure takes a measured length in m. Once the crack has grown by a tenth since
// the last correction, ∫da/ΔK^m over that stretch, divided by its cycles, is a
// measurement of C. Its variance comes from both ends' errors plus 0.05² for
// the material along the way; ln C wanders by 0.05 from one to the next.
func (l Crack) measure(x []float64, a float64) {
	if !(a > 0) || math.IsInf(a, 1) {
		return
	}
	x[crackMeasured]++
	if x[crackMeasured] == 1 {
		x[crackAnchor], x[crackAnchorCycles] = a, x[crackCycles]
	}
	x[crackLength] = a
	n := x[crackCycles] - x[crackAnchorCycles]
	if n <= 0 || a < 1.1*x[crackAnchor] {
		return
	}
	p, stress := l.opt.Paris, x[crackStress]
	p.C = 1
	effort := p.Cycles(x[crackAnchor], a, stress)
	if math.IsInf(effort, 0) || effort <= 0 {
		return
	}
	e0 := l.opt.CrackErr * x[crackAnchor] / p.Rate(x[crackAnchor], stress)
	e1 := l.opt.CrackErr * a / p.Rate(a, stress)
	r := (e0*e0+e1*e1)/(effort*effort) + 0.05*0.05
	if x[crackMeasured] > 2 {
		x[crackVar] += 0.05 * 0.05
	}
	gain := x[crackVar] / (x[crackVar] + r)
	x[crackLnC] += gain * (math.Log(effort/n) - x[crackLnC])
	x[crackVar] *= 1 - gain
	x[crackAnchor], x[crackAnchorCycles] = a, x[crackCycles]
}

// assess scales the remaining cycles by ln C's uncertainty: N is proportional to
// 1/C, so the remaining life is log-normal.
func (l Crack) assess(x []float64, in features.Snapshot) asset.Assessment {
	a := spoken(l.Name(), in.Time)
	p, stress := l.law(x), x[crackStress]
	end := l.end(p, x[crackLength], stress)
	left := p.Cycles(x[crackLength], end, stress)
	sd := math.Sqrt(x[crackVar] + 0.05*0.05)
	a.Limit = asset.Number(l.opt.Limit)
	a.Score = 0
	if used := x[crackCycles]; !math.IsInf(left, 1) && used+left > 0 {
		a.Score = number(used / (used + left))
	}
	if x[crackLength] >= end {
		a.Score = 1
	}
	a.Abnormal = float64(a.Score) >= l.opt.Limit
	a.Modes = map[asset.Mode]float64{asset.Crack: 0.5}
	a.Trust = 0.5
	if x[crackMeasured] > 0 {
		a.Trust = 0.9
	}
	if rate := x[crackRate]; rate > 0 {
		hours := left / rate
		within := func(h float64) float64 { return normalCDF(math.Log(h/math.Max(hours, 1e-300)) / sd) }
		a.RUL = tidy(hours*math.Exp(-1.2815515655446004*sd), hours, hours*math.Exp(1.2815515655446004*sd), within(asset.SoonH))
		a.FailP = number(within(l.opt.HorizonH))
	}
	a.Evidence = []asset.Evidence{fact(l.Name(), "crack-length", x[crackLength]*1e3, end*1e3,
		fmt.Sprintf("crack of %.2f mm of %.2f mm after %.3g cycles at last %.0f MPa, ΔK %.1f MPa√m",
			x[crackLength]*1e3, end*1e3, x[crackCycles], stress, p.intensity(x[crackLength], stress)))}
	return a
}

// Quantities names the state for people.
func (l Crack) Quantities(s State) []Quantity {
	x, _ := open(s, l.Name(), crackSize)
	return []Quantity{
		{"crack length", number(x[crackLength] * 1e3), "mm"},
		{"cycles", number(x[crackCycles]), "1"},
		{"ln C", number(x[crackLnC]), "1"},
		{"ln C, standard deviation", number(math.Sqrt(math.Max(0, x[crackVar]))), "1"},
		{"stress range", number(x[crackStress]), "MPa"},
		{"stress intensity range", number(l.opt.Paris.intensity(x[crackLength], x[crackStress])), "MPa√m"},
		{"lengths measured", number(x[crackMeasured]), "1"},
	}
}
