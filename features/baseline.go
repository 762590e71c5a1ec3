package features

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

// ErrBaseline marks a baseline that does not fit: of other feature definitions,
// of another kind of asset, or damaged.
var ErrBaseline = errors.New("features: baseline")

// baselineFormat is the version of the baseline's own layout.
const baselineFormat = 1

// Baseline is what an asset was like while it was healthy: frozen at the end of
// the commissioning span.
type Baseline struct {
	ID        string          `json:"id"` // hash of the rest
	Format    int             `json:"format"`
	Features  string          `json:"features"` // Version of the definitions it was learned with
	Asset     asset.ID        `json:"asset"`
	Kind      string          `json:"kind"`
	From      time.Time       `json:"from"`
	To        time.Time       `json:"to"`
	Rows      int             `json:"rows"`
	Fields    []FieldBaseline `json:"fields"`
	Normal    []Learned       `json:"normal,omitempty"`
	Detectors []Learned       `json:"detectors,omitempty"`

	PowerCurve *PowerCurve `json:"power_curve,omitempty"`
}

// FieldBaseline is the robust centre and spread of one field.
type FieldBaseline struct {
	Channel  string  `json:"channel"`
	Name     string  `json:"name"`
	Unit     string  `json:"unit"`
	N        int     `json:"n"`
	Log      bool    `json:"log,omitempty"` // Center and Scale are of the logarithm
	Center   float64 `json:"center"`
	Scale    float64 `json:"scale"`
	Min      float64 `json:"min"`
	Max      float64 `json:"max"`
	Slow     float64 `json:"slow"`     // share of the variance between blocks of the span
	Constant bool    `json:"constant"` // never changed
	MaxRun   int     `json:"max_run"`  // longest run of one value
	Jump     float64 `json:"jump"`     // largest change from one value to the next
	// Regime predicts the field from the operating point; Center and Scale are then
	// of what it leaves. Nil where the operating point explains little.
	Regime *Learned `json:"regime,omitempty"`
	// Bins do that instead, where a class asks for them; Center and Scale are then of
	// all values.
	Bins *RegimeBaseline `json:"bins,omitempty"`
}

// Learned is what one detector or normal-behaviour model took from the span.
type Learned struct {
	Name      string      `json:"name"`
	Component string      `json:"component"`
	Fields    []string    `json:"fields,omitempty"`
	Scores    Calibration `json:"scores"`
	Mean      []float64   `json:"mean,omitempty"`
	Cov       []float64   `json:"cov,omitempty"` // row-major; of a regression the inverse moments of its rows
	Spread    []float64   `json:"spread,omitempty"`
	Low       []float64   `json:"low,omitempty"`
	High      []float64   `json:"high,omitempty"`
	Coef      []float64   `json:"coef,omitempty"` // intercept first
	N         int         `json:"n,omitempty"`    // independent stretches
	Scale     float64     `json:"scale,omitempty"`
	SlowScale float64     `json:"slow_scale,omitempty"`

	Arms []LearnedArm `json:"arms,omitempty"` // of an onset
}

// minField is how many values a field's baseline takes at least.
const minField = 8

// learnField describes a field by the known values of x in order; op holds the
// operating point at each, nil where it is not known.
func learnField(f tracked, x []float64, op [][]float64) FieldBaseline {
	b := FieldBaseline{Channel: f.Channel, Name: f.Name, Unit: f.Unit}
	v := known(x)
	if len(v) < minField {
		return b
	}
	b.N = len(v)
	s := Robust(v)
	b.Min, b.Max, b.Constant = s.Min, s.Max, s.Min == s.Max
	b.MaxRun, b.Jump = runs(v)
	share := repeatability(f)
	b.Log = share > 0 && s.Min > 0
	floor := 0.01 * (s.Max - s.Min)
	if b.Log {
		for i, a := range v {
			v[i] = math.Log(a)
		}
		s = Robust(v)
		floor = math.Max(share, 0.01*(s.Max-s.Min))
	}
	if f.wave && b.normalise(x, op) {
		v = v[:0]
		for i, a := range x {
			if op[i] != nil && !math.IsNaN(a) {
				v = append(v, b.scaled(a)-b.Regime.predict(op[i]))
			}
		}
		s = Robust(v)
		floor = math.Max(share, 0.01*(s.Max-s.Min))
	}
	b.Slow = slowShare(v)
	_, std, _ := meanStd(v)
	b.Center = s.Median
	b.Scale = math.Max(s.MAD, math.Max(floor, 0.2*std))
	if s.MAD == 0 && std > 0 {
		b.Scale = math.Max(floor, std) // a quantised signal: most values are equal
	}
	if b.Constant {
		b.Scale = math.Max(b.Scale, 0.01*math.Abs(b.Center))
	}
	b.Scale = math.Max(b.Scale, 1e-9*math.Max(1, math.Abs(b.Center)))
	if !finite(b.Scale, b.Center, b.Min, b.Max, b.Jump, b.Slow) {
		return FieldBaseline{Channel: f.Channel, Name: f.Name, Unit: f.Unit}
	}
	return b
}

// finite reports whether all values are numbers.
func finite(x ...float64) bool {
	return !slices.ContainsFunc(x, func(v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) })
}

// runs returns the longest run of one value and the largest step.
func runs(v []float64) (longest int, jump float64) {
	run := 0
	for i, a := range v {
		if i > 0 && a == v[i-1] {
			run++
		} else {
			run = 1
		}
		if i > 0 {
			jump = math.Max(jump, math.Abs(a-v[i-1]))
		}
		longest = max(longest, run)
	}
	return longest, jump
}

// repeatability is the share by which a log-normal feature of a waveform differs
// between two healthy days however alike they are; 0 for other fields. It keeps
// a short, quiet commissioning span from calling every change an alarm.
func repeatability(f tracked) float64 {
	if !f.wave {
		return 0
	}
	switch f.Name {
	case "peak", "p2p", "peak_to_peak", "std", "mean_abs", "energy", "noise_floor":
		return 0.1
	case "kurtosis", "envelope_kurtosis":
		return 0.2
	}
	if strings.HasSuffix(f.Name, "rms") || strings.Contains(f.Name, "_rms_") || strings.HasPrefix(f.Name, "harmonic_") {
		return 0.1
	}
	return 0
}

// scaled puts a value on the scale of Center.
func (b *FieldBaseline) scaled(v float64) float64 {
	if b.Log {
		return math.Log(v)
	}
	return v
}

// normalise fits the regime where it takes away at least a fifth of the variance.
func (b *FieldBaseline) normalise(x []float64, op [][]float64) bool {
	var s samples
	for i, a := range x {
		if len(op) > i && op[i] != nil && !math.IsNaN(a) {
			s.x, s.y = append(s.x, op[i]), append(s.y, b.scaled(a))
		}
	}
	if len(s.y) < 50 || len(s.y) < 10*len(s.x[0]) {
		return false
	}
	l := ridge(s, 1e-3, nil)
	if l == nil {
		return false
	}
	left := make([]float64, len(s.y))
	for i := range s.y {
		left[i] = s.y[i] - l.predict(s.x[i])
	}
	_, before, _ := meanStd(s.y)
	_, after, _ := meanStd(left)
	if !(after*after < 0.8*before*before) {
		return false
	}
	b.Regime = l
	return true
}

// expected is what the operating point makes of the centre; NaN when it is not known.
func (b *FieldBaseline) expected(op []float64) float64 {
	switch {
	case b.Bins != nil:
		e, _ := b.Bins.Expect(pointOf(op))
		return e.Center
	case b.Regime == nil:
		return b.Center
	case len(op) != len(b.Regime.Mean):
		return math.NaN()
	}
	return b.Center + b.Regime.predict(op)
}

// z is the robust score of a value at an operating point; NaN when there is no
// baseline for it.
func (b *FieldBaseline) z(v float64, op []float64) float64 {
	if b.N == 0 || math.IsNaN(v) || b.Log && v <= 0 {
		return math.NaN()
	}
	if b.Bins != nil {
		z, _, _ := b.Bins.Z(pointOf(op), v)
		return z
	}
	return clamp((b.scaled(v)-b.expected(op))/b.Scale, 1e6)
}

// why says why there is no score at an operating point; empty where that is not it.
func (b *FieldBaseline) why(op []float64) asset.Reason {
	if b.Bins == nil {
		return ""
	}
	_, why := b.Bins.Expect(pointOf(op))
	return why
}

// level is the value at a score of z, at an operating point or, when that is not
// known, the mean one.
func (b *FieldBaseline) level(z float64, op []float64) float64 {
	if b.N == 0 {
		return math.NaN()
	}
	v, scale := b.expected(op), b.Scale
	switch {
	case b.Bins != nil:
		if e, why := b.Bins.Expect(pointOf(op)); why == "" {
			scale = e.Scale
		} else {
			v = b.Center
		}
	case math.IsNaN(v):
		v = b.Center + b.Regime.Coef[0]
	}
	v += z * scale
	if b.Log {
		return math.Exp(v)
	}
	return v
}

// at is level on the side that counts.
func (b *FieldBaseline) at(z float64, low bool, op []float64) float64 {
	if low {
		z = -z
	}
	return b.level(z, op)
}

// field finds a field's baseline.
func (b *Baseline) field(channel, name string) FieldBaseline {
	i := slices.IndexFunc(b.Fields, func(f FieldBaseline) bool { return f.Channel == channel && f.Name == name })
	if i < 0 {
		return FieldBaseline{Channel: channel, Name: name}
	}
	return b.Fields[i]
}

// learnedBy finds what a detector or model learned; nil for nothing.
func learnedBy(all []Learned, name, component string) *Learned {
	i := slices.IndexFunc(all, func(l Learned) bool { return l.Name == name && l.Component == component })
	if i < 0 {
		return nil
	}
	return &all[i]
}

// encode writes the baseline with its ID.
func (b *Baseline) encode() ([]byte, error) {
	b.ID = ""
	body, err := json.Marshal(b)
	if err != nil {
		return nil, fmt.Errorf("%w of asset %s: %w", ErrBaseline, b.Asset, err)
	}
	sum := sha256.Sum256(body)
	b.ID = hex.EncodeToString(sum[:8])
	return json.Marshal(b)
}

// decodeBaseline reads what encode wrote and refuses what does not fit.
func decodeBaseline(data []byte, kind string) (*Baseline, error) {
	var b Baseline
	dec := json.NewDecoder(bytes.NewReader(data))
	if err := dec.Decode(&b); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBaseline, err)
	}
	switch {
	case b.Format != baselineFormat:
		return nil, fmt.Errorf("%w of asset %s: format %d, this build reads %d: learn it again", ErrBaseline, b.Asset, b.Format, baselineFormat)
	case b.Features != Version:
		return nil, fmt.Errorf("%w of asset %s: learned with feature version %q, this build computes %q: learn it again", ErrBaseline, b.Asset, b.Features, Version)
	case kind != "" && b.Kind != kind:
		return nil, fmt.Errorf("%w of asset %s: learned on kind %q, this asset is a %q", ErrBaseline, b.Asset, b.Kind, kind)
	}
	return &b, b.check()
}

// check refuses matrices whose sizes do not agree.
func (b *Baseline) check() error {
	for _, f := range b.Fields {
		if f.N > 0 && !(f.Scale > 0) {
			return fmt.Errorf("%w of asset %s: field %s/%s: scale %g must be positive", ErrBaseline, b.Asset, f.Channel, f.Name, f.Scale)
		}
		if f.Regime != nil && !f.Regime.whole() {
			return fmt.Errorf("%w of asset %s: field %s/%s: sizes of its regime do not agree", ErrBaseline, b.Asset, f.Channel, f.Name)
		}
	}
	for _, l := range b.Detectors {
		if p := len(l.Mean); len(l.Cov) > 0 && (len(l.Cov) != p*p || len(l.Fields) != p) {
			return fmt.Errorf("%w of asset %s: detector %s: %d means, %d covariances, %d fields", ErrBaseline, b.Asset, l.Name, p, len(l.Cov), len(l.Fields))
		}
	}
	for _, l := range b.Normal {
		if p := len(l.Coef); !l.whole() || len(l.Cov) > 0 && len(l.Cov) != p*p || !(l.Scale > 0) || !(l.SlowScale > 0) {
			return fmt.Errorf("%w of asset %s: normal behaviour of %s: sizes do not agree", ErrBaseline, b.Asset, l.Name)
		}
	}
	return nil
}

// whole reports whether a regression's parts have one size.
func (l *Learned) whole() bool {
	p := len(l.Mean)
	return len(l.Coef) == p+1 && len(l.Spread) == p && len(l.Low) == p && len(l.High) == p
}
