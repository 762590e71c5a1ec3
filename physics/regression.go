package physics

import (
	"fmt"
	"math"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/features"
)

// RegressionOptions names what a remaining life is read from. What was learned of
// earlier lives comes in Fit; without it the law only follows its inputs.
type RegressionOptions struct {
	Keys      []string      // channel/feature; an instant has all of them or the last values stand
	MemoriesH []float64     // of the running means of each key; default 5, 15, 50
	CapH      float64       // remaining lives beyond it count as it; default 125
	MaxGapH   float64       // a longer silence does not age the part; default 24
	HorizonH  float64       // default 2160
	Mode      asset.Mode    // default wear
	Fit       RegressionFit // what was learned
}

// RegressionFit is a polynomial of second degree in the standardised inputs, and
// how far from it the lives ended that it was not fitted to.
type RegressionFit struct {
	Mean    []float64     `json:"mean"`    // of each input
	Sd      []float64     `json:"sd"`      // of each input
	Weights []float64     `json:"weights"` // of the basis, in its order
	Spread  []SpreadPoint `json:"spread"`  // by rising At
}

// SpreadPoint is how a remaining life was spread where At was predicted, in hours
// from the prediction.
type SpreadPoint struct {
	At  float64 `json:"at"`
	P10 float64 `json:"p10"`
	P90 float64 `json:"p90"`
	Sd  float64 `json:"sd"`
}

// Regression reads the remaining life from running means of several quantities
// and the age: piecewise linear degradation, whose target is capped (Heimes 2008,
// PHM, "Recurrent neural networks for remaining useful life estimation"), with
// ridge weights (Hoerl & Kennard 1970, Technometrics 12:55).
type Regression struct{ opt RegressionOptions }

// Regression's state; for each memory and key a discounted sum and its weight follow.
const (
	regressionAge = iota
	regressionSize
)

// NewRegression returns the law.
func NewRegression(o RegressionOptions) Regression {
	if len(o.MemoriesH) == 0 {
		o.MemoriesH = []float64{5, 15, 50}
	}
	o.CapH, o.MaxGapH, o.HorizonH = def(o.CapH, 125), def(o.MaxGapH, 24), def(o.HorizonH, 2160)
	if o.Mode == "" {
		o.Mode = asset.Wear
	}
	return Regression{o}
}

// Name is the law's name and version.
func (Regression) Name() string { return "regression/1" }

func (l Regression) size() int { return regressionSize + 2*len(l.opt.Keys)*len(l.opt.MemoriesH) }

// CapH is the remaining life beyond which nothing is told apart.
func (l Regression) CapH() float64 { return l.opt.CapH }

// Step follows the running means. An instant without any of the keys is not the
// law's business.
func (l Regression) Step(s State, in features.Snapshot) (State, asset.Assessment) {
	x, fresh := open(s, l.Name(), l.size())
	dt := hoursSince(s, fresh, in.Time)
	if dt < 0 {
		return s, silent(l.Name(), in.Time, ReasonOrder)
	}
	found := false
	for i, key := range l.opt.Keys {
		v := measured(&in, key)
		found = found || !math.IsNaN(v)
		for j, memory := range l.opt.MemoriesH {
			at := x[regressionSize+2*(j*len(l.opt.Keys)+i):]
			keep := math.Exp(-dt / memory)
			at[0], at[1] = keep*at[0], keep*at[1]
			if !math.IsNaN(v) {
				at[0], at[1] = at[0]+v, at[1]+1
			}
		}
	}
	if !found {
		return s, silent(l.Name(), in.Time, ReasonIdle)
	}
	if dt <= l.opt.MaxGapH {
		x[regressionAge] += dt
	}
	next := State{Law: l.Name(), At: in.Time.UTC(), X: x}
	inputs, ok := l.Inputs(next)
	switch {
	case !ok:
		return next, silent(l.Name(), in.Time, ReasonMissing)
	case len(l.opt.Fit.Weights) == 0:
		return next, silent(l.Name(), in.Time, ReasonLearning)
	}
	return next, l.assess(in, l.opt.Fit.Predict(inputs))
}

// Inputs are the running means, by memory and key, and the age in hours; false
// while a key was never measured.
func (l Regression) Inputs(s State) ([]float64, bool) {
	x, _ := open(s, l.Name(), l.size())
	out := make([]float64, 0, l.size()/2+1)
	for i := regressionSize; i < len(x); i += 2 {
		if x[i+1] < 1e-9 { // never measured, or so long ago that nothing is left of it
			return nil, false
		}
		out = append(out, x[i]/x[i+1])
	}
	return append(out, x[regressionAge]), true
}

// zLimit bounds a standardised input: a polynomial knows nothing beyond the lives
// that it was fitted to.
const zLimit = 4

// Basis appends to dst what the weights multiply: 1, each standardised input, and
// each product of two of them. An input that never varied counts as 0.
func (f RegressionFit) Basis(dst, inputs []float64) []float64 {
	z := make([]float64, len(inputs))
	for i, v := range inputs {
		if f.Sd[i] > 0 {
			z[i] = math.Min(math.Max((v-f.Mean[i])/f.Sd[i], -zLimit), zLimit)
		}
	}
	dst = append(append(dst, 1), z...)
	for i := range z {
		for j := i; j < len(z); j++ {
			dst = append(dst, z[i]*z[j])
		}
	}
	return dst
}

// Predict is the remaining life in hours, not yet within 0 and the cap; NaN when
// the fit is of other inputs.
func (f RegressionFit) Predict(inputs []float64) float64 {
	n := len(inputs)
	if len(f.Mean) != n || len(f.Sd) != n || len(f.Weights) != 1+n+n*(n+1)/2 {
		return math.NaN()
	}
	var sum float64
	for i, b := range f.Basis(make([]float64, 0, len(f.Weights)), inputs) {
		sum += b * f.Weights[i]
	}
	return sum
}

// spreadAt is the spread where h was predicted, between the neighbouring points.
func (f RegressionFit) spreadAt(h float64) SpreadPoint {
	for i, b := range f.Spread {
		if h > b.At {
			continue
		}
		if i == 0 || b.At <= f.Spread[i-1].At {
			return b
		}
		a := f.Spread[i-1]
		t := (h - a.At) / (b.At - a.At)
		mix := func(p, q float64) float64 { return p + t*(q-p) }
		return SpreadPoint{h, mix(a.P10, b.P10), mix(a.P90, b.P90), mix(a.Sd, b.Sd)}
	}
	if n := len(f.Spread); n > 0 {
		return f.Spread[n-1]
	}
	return SpreadPoint{At: h, P10: -h, P90: math.Inf(1), Sd: math.Max(h, 1)}
}

// within is the probability of ending by d hours after the prediction: two halves
// of normal laws with the spread's quantiles.
func (s SpreadPoint) within(d float64) float64 {
	side := s.P90
	if d < 0 {
		side = -s.P10
	}
	return normalCDF(normalQuantile(0.9) * d / math.Max(side, 1e-9))
}

func (l Regression) assess(in features.Snapshot, h float64) asset.Assessment {
	if math.IsNaN(h) || math.IsInf(h, 0) {
		return silent(l.Name(), in.Time, ReasonRange)
	}
	h = math.Min(math.Max(h, 0), l.opt.CapH)
	s := l.opt.Fit.spreadAt(h)
	a := spoken(l.Name(), in.Time)
	late := h + s.P90
	if late >= 0.999*l.opt.CapH {
		late = math.Inf(1) // "at least" is all that is known there
	}
	a.RUL = tidy(math.Min(math.Max(h+s.P10, 0), h), h, late, s.within(asset.SoonH-h))
	if l.opt.CapH <= asset.SoonH {
		a.RUL.Soon = asset.Missing() // the cap hides it
	}
	a.Score, a.Limit = number(1-h/l.opt.CapH), number(math.Max(1-l.opt.HorizonH/l.opt.CapH, 0.05))
	a.Abnormal = a.Score >= a.Limit
	a.FailP, a.Trust = asset.Missing(), 0.8
	if l.opt.HorizonH < l.opt.CapH {
		a.FailP = number(normalCDF((l.opt.HorizonH - h) / math.Max(s.Sd, 1)))
	}
	if a.Abnormal {
		a.Modes = map[asset.Mode]float64{l.opt.Mode: 0.5}
	}
	text := fmt.Sprintf("%.0f h remain, read from %d quantities as in earlier lives", h, len(l.opt.Keys))
	if h >= 0.95*l.opt.CapH {
		text = fmt.Sprintf("at least about %.0f h remain, read from %d quantities as in earlier lives", h, len(l.opt.Keys))
	}
	a.Evidence = []asset.Evidence{fact(l.Name(), "remaining life", h, l.opt.HorizonH, text)}
	return a
}

// Quantities names the state for people.
func (l Regression) Quantities(s State) []Quantity {
	x, _ := open(s, l.Name(), l.size())
	h := math.NaN()
	if inputs, ok := l.Inputs(s); ok {
		h = l.opt.Fit.Predict(inputs)
	}
	return []Quantity{{"age", number(x[regressionAge]), "h"}, {"remaining life before the cap", number(h), "h"}}
}
