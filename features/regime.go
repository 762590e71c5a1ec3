package features

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

// RegimeBin is the healthy feature in one regime.
type RegimeBin struct {
	Key    RegimeKey `json:"key"`
	N      int       `json:"n"`
	Center float64   `json:"center"` // median, of the logarithm where that is used
	Scale  float64   `json:"scale"`  // MAD × 1.4826, at least 1 % of the feature's range
	// Shift is what slow ageing added to Center since it was frozen, at Updated.
	Shift   float64   `json:"shift,omitempty"`
	Updated time.Time `json:"updated,omitzero"`
}

// RegimeCurve is the healthy feature over power: c₀ + c₁u + c₂u² of the
// standardised u = (ln P − Mean)/Std, between Lo and Hi of ln P.
type RegimeCurve struct {
	Coef  [3]float64 `json:"coef"`
	Mean  float64    `json:"mean"`
	Std   float64    `json:"std"`
	Lo    float64    `json:"lo"`
	Hi    float64    `json:"hi"`
	Scale float64    `json:"scale"`
}

func (c *RegimeCurve) at(logKW float64) float64 {
	u := (logKW - c.Mean) / c.Std
	return c.Coef[0] + u*(c.Coef[1]+u*c.Coef[2])
}

// RegimeBaseline is what one feature of a healthy machine is in each regime. It is
// frozen; only the Shift of its bins moves, and ID does not change with that. Bins
// has one owner.
type RegimeBaseline struct {
	ID      string        `json:"id"` // hash of the rest as frozen
	Options RegimeOptions `json:"options"`
	Floor   float64       `json:"floor"`
	Bins    []RegimeBin   `json:"bins"` // valid ones, by key
	Curve   *RegimeCurve  `json:"curve,omitempty"`
}

// Where an expectation comes from.
const (
	RegimeOwn        = "bin"
	RegimeNeighbours = "neighbours"
	RegimeRegression = "regression"
)

// RegimeExpectation is the healthy feature at a point, on the scale of the centres.
type RegimeExpectation struct {
	Center, Scale float64
	From          string // RegimeOwn, RegimeNeighbours or RegimeRegression
}

// Expect is the point's own bin if that is valid; else the mean centre and the
// largest scale of the valid bins that touch it; else the curve over power, within
// the powers it was fitted on. why is ReasonFew where nothing was learned.
func (b *RegimeBaseline) Expect(p RegimePoint) (e RegimeExpectation, why asset.Reason) {
	e = RegimeExpectation{Center: math.NaN(), Scale: math.NaN()}
	k, why := b.Options.Key(p)
	if why != "" {
		return e, why
	}
	if own := b.bin(k); own != nil {
		return RegimeExpectation{own.Center + own.Shift, own.Scale, RegimeOwn}, ""
	}
	sum, scale, n := 0.0, 0.0, 0
	for i := range b.Bins {
		if a := &b.Bins[i]; a.Key.beside(k) {
			sum, scale, n = sum+a.Center+a.Shift, max(scale, a.Scale), n+1
		}
	}
	if n > 0 {
		return RegimeExpectation{sum / float64(n), scale, RegimeNeighbours}, ""
	}
	if c := b.Curve; c != nil && p.PowerKW > 0 {
		if log := math.Log(p.PowerKW); log >= c.Lo && log <= c.Hi {
			return RegimeExpectation{c.at(log), c.Scale, RegimeRegression}, ""
		}
	}
	return e, ReasonFew
}

func (b *RegimeBaseline) bin(k RegimeKey) *RegimeBin {
	i, ok := slices.BinarySearchFunc(b.Bins, k, func(a RegimeBin, k RegimeKey) int { return a.Key.compare(k) })
	if !ok {
		return nil
	}
	return &b.Bins[i]
}

// Z is the robust score of a value at a point, within ±1e6. why is ReasonFlat for a
// feature that never moved while it was learned: it has no scale.
func (b *RegimeBaseline) Z(p RegimePoint, value float64) (z float64, e RegimeExpectation, why asset.Reason) {
	e, why = b.Expect(p)
	if why != "" {
		return math.NaN(), e, why
	}
	v := b.Options.scaled(value)
	switch {
	case math.IsNaN(v):
		return math.NaN(), e, ReasonUndefined
	case !(e.Scale > 0):
		return math.NaN(), e, ReasonFlat
	}
	return clamp((v-e.Center)/e.Scale, 1e6), e, ""
}

// RegimeAgeing limits how a frozen baseline follows a healthy machine's ageing.
type RegimeAgeing struct {
	PerDay float64 // λ of the exponential mean; default and at most 1/90
	MaxZ   float64 // values at or beyond it teach nothing; default and at most 2
	Drift  float64 // largest Shift in scales of the bin; default 1
}

// Adapt moves the centre of the point's own bin by λ·Δt of the way to the value,
// Δt in days since its last move and one at most; the first value only starts the
// clock. It does nothing while an alarm is open, for values of |z| ≥ 2, for late
// ones and outside the valid bins. Drift bounds what a slow fault could hide in.
func (b *RegimeBaseline) Adapt(p RegimePoint, at time.Time, value float64, alarmOpen bool, o RegimeAgeing) (moved bool) {
	if alarmOpen {
		return false
	}
	lambda, most := min(cmp.Or(o.PerDay, 1.0/90), 1.0/90), min(cmp.Or(o.MaxZ, 2), 2)
	z, e, why := b.Z(p, value)
	if why != "" || e.From != RegimeOwn || !(math.Abs(z) < most) || !(lambda > 0) {
		return false
	}
	k, _ := b.Options.Key(p)
	bin := b.bin(k)
	if bin.Updated.IsZero() {
		bin.Updated = at
		return false
	}
	days := min(at.Sub(bin.Updated).Hours()/24, 1)
	if !(days > 0) {
		return false
	}
	bin.Updated = at
	bin.Shift = clamp(bin.Shift+lambda*days*z*bin.Scale, max(cmp.Or(o.Drift, 1), 0)*bin.Scale)
	return true
}
