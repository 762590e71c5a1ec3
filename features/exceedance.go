package features

import (
	"cmp"
	"math"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

// ThermalLimits are a part's limits. One that is zero does not exist.
type ThermalLimits struct {
	WarnC     float64 // °C
	AlarmC    float64 // °C
	KPerMin   float64 // of the gradient, rising
	GradientS float64 // shortest base of the gradient in s; default 60
	MaxGapS   float64 // values further apart in s tell nothing of the time between; default 1800
}

// ThermalLimitsOf are usual limits by the kind of part: "bearing", "gearbox-oil"
// and "winding" (of insulation class F). ok is false for another kind. They are
// starting values: the maker's figures come first.
func ThermalLimitsOf(kind string) (l ThermalLimits, ok bool) {
	switch kind {
	case "bearing":
		return ThermalLimits{WarnC: 80, AlarmC: 90, KPerMin: 5}, true
	case "gearbox-oil":
		return ThermalLimits{WarnC: 75, AlarmC: 80}, true
	case "winding":
		return ThermalLimits{WarnC: 140, AlarmC: 155}, true
	}
	return ThermalLimits{}, false
}

// Exceedance counts how long a temperature lay above its limits and follows its
// gradient, however the values are batched. The zero value has seen nothing.
type Exceedance struct {
	Seen     bool
	At       time.Time // of the last value
	C        float64   // °C
	WarnMin  float64   // minutes at or above WarnC, the line between values being straight
	AlarmMin float64   // minutes at or above AlarmC
	SteepMin float64   // minutes of a gradient above KPerMin
	KnownMin float64   // minutes covered
	// The base of the gradient: the newest of a chain of values GradientS apart that
	// is at least GradientS old is Base.
	Base, Next      time.Time
	BaseC, NextC    float64
	GradientKPerMin asset.Number // missing until a base is old enough, and after a gap
}

// Step takes one value in °C. why is ReasonRange below absolute zero or above
// 1000 °C, ReasonNonFinite, or ReasonUndefined for a value no later than the last;
// such a value is left out.
func (e Exceedance) Step(at time.Time, c float64, l ThermalLimits) (_ Exceedance, why asset.Reason) {
	switch {
	case math.IsNaN(c) || math.IsInf(c, 0):
		return e, ReasonNonFinite
	case c < -273.15 || c > 1000:
		return e, ReasonRange
	case e.Seen && !at.After(e.At):
		return e, ReasonUndefined
	}
	base, gap := cmp.Or(l.GradientS, 60), cmp.Or(l.MaxGapS, 1800)
	dt := at.Sub(e.At).Seconds()
	if !e.Seen || dt > gap {
		e.Seen, e.At, e.C = true, at, c
		e.Base, e.BaseC, e.Next, e.NextC = at, c, at, c
		e.GradientKPerMin = asset.Missing()
		return e, ""
	}
	m := dt / 60
	e.KnownMin += m
	if l.WarnC != 0 {
		e.WarnMin += m * shareAbove(e.C, c, l.WarnC)
	}
	if l.AlarmC != 0 {
		e.AlarmMin += m * shareAbove(e.C, c, l.AlarmC)
	}
	if at.Sub(e.Next).Seconds() >= base {
		e.Base, e.BaseC, e.Next, e.NextC = e.Next, e.NextC, at, c
	}
	e.GradientKPerMin = asset.Missing()
	if span := at.Sub(e.Base).Seconds(); span >= base {
		gradient := (c - e.BaseC) / (span / 60)
		e.GradientKPerMin = asset.Number(gradient)
		if l.KPerMin != 0 && gradient > l.KPerMin {
			e.SteepMin += m
		}
	}
	e.At, e.C = at, c
	return e, ""
}

// shareAbove is the share of a straight line from a to b at or above the limit.
func shareAbove(a, b, limit float64) float64 {
	lo, hi := min(a, b), max(a, b)
	switch {
	case lo >= limit:
		return 1
	case hi < limit:
		return 0
	}
	return (hi - limit) / (hi - lo)
}
