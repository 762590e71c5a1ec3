package models

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/telltale-iot/telltale/asset"
)

// required are the metadata keys without which a model is refused.
var required = []string{
	"pdm.contract", "pdm.features", "pdm.sampling_period_s", "pdm.window", "pdm.stride", "pdm.threshold",
	"pdm.calibration", "pdm.selftest", "pdm.asset_class", "pdm.training_sha256", "pdm.training_window",
	"pdm.framework", "pdm.git", "pdm.license",
}

const fixAnnotate = "telltale model annotate, or models/train/annotate.py"

// reader turns metadata into a contract and collects what is wrong with it.
type reader struct {
	props map[string]string
	found []Finding
}

func (r *reader) fail(key, format string, args ...any) {
	r.found = append(r.found, Finding{Where: "metadata " + key, What: fmt.Sprintf(format, args...)})
}

func (r *reader) contract() Contract {
	missing := make([]Finding, 0, len(required))
	for _, key := range required {
		if _, ok := r.props[key]; !ok {
			missing = append(missing, Finding{"metadata " + key, "is missing", fixAnnotate})
		}
	}
	if len(missing) == len(required) { // a plain export
		missing = []Finding{{"metadata", "is missing: " + strings.Join(required, ", "), fixAnnotate}}
	}
	r.found = append(r.found, missing...)
	if v, ok := r.props["pdm.contract"]; ok && v != "1" {
		r.fail("pdm.contract", "is %q: this build reads 1", v)
	}
	c := Contract{
		Name:      r.props["pdm.name"],
		Class:     r.props["pdm.asset_class"],
		Component: r.props["pdm.component"],
		PeriodS:   r.number("pdm.sampling_period_s", 1e-3, 366*86400),
		Window:    int(r.number("pdm.window", 1, maxWindow)),
		Stride:    int(r.number("pdm.stride", 1, maxWindow)),
		About:     map[string]string{},
	}
	if c.Name == "" {
		c.Name = strings.Trim(c.Class+"-"+c.Component, "-")
	}
	if r.props["pdm.threshold"] != "none" {
		c.Threshold = r.number("pdm.threshold", 1e-12, 1e12)
	}
	if _, ok := r.props["pdm.rul_cap_h"]; ok {
		c.CapH = r.number("pdm.rul_cap_h", 1e-6, 1e7)
	}
	switch v := r.props["pdm.mask"]; v {
	case "", "0":
	case "1":
		c.Mask = true
	default:
		r.fail("pdm.mask", "is %q: 1 where the graph reads a second half of columns, else 0", v)
	}
	for _, key := range []string{"training_sha256", "training_window", "framework", "git", "license", "note", "parent"} {
		if v, ok := r.props["pdm."+key]; ok {
			c.About[key] = v
		}
	}
	r.json("pdm.features", &c.Features)
	r.features(c.Features)
	r.purpose(&c)
	r.state(&c)
	r.json("pdm.calibration", &c.Calibration)
	r.calibration(c)
	r.reference(&c)
	r.json("pdm.selftest", &c.SelfTest)
	r.selfTest(c)
	return c
}

// outputs says which kind of model each output belongs to.
var outputs = map[string]Kind{OutputError: Anomaly, OutputForecast: Anomaly, OutputRUL: Life, OutputModes: Classifier}

// purpose reads what the model is for and what comes with that.
func (r *reader) purpose(c *Contract) {
	c.Kind, c.Output = Kind(r.props["pdm.kind"]), r.props["pdm.output"]
	if c.Output == "" {
		c.Output = OutputError
		for out, kind := range outputs {
			if kind == c.Kind && kind != Anomaly {
				c.Output = out
			}
		}
	}
	kind, ok := outputs[c.Output]
	switch {
	case !ok:
		r.fail("pdm.output", "is %q: %s, %s, %s or %s", c.Output, OutputError, OutputForecast, OutputRUL, OutputModes)
	case c.Kind == "":
		c.Kind = kind
	case c.Kind != kind:
		r.fail("pdm.kind", "is %q: output %q belongs to kind %q", c.Kind, c.Output, kind)
	}
	r.json("pdm.modes", &c.Modes)
	r.json("pdm.scale", &c.Scale)
	if c.Output == OutputModes {
		r.modes(c.Modes)
	} else if len(c.Modes) > 0 {
		r.fail("pdm.modes", "names modes: only output %q has them", OutputModes)
	}
	if c.Output == OutputForecast {
		if len(c.Scale) != len(c.Features) || slices.ContainsFunc(c.Scale, func(v float64) bool { return !(v > 0) || math.IsInf(v, 0) }) {
			r.fail("pdm.scale", "has %d values: output %q wants one above 0 for each of the %d features", len(c.Scale), OutputForecast, len(c.Features))
		}
	} else if len(c.Scale) > 0 {
		r.fail("pdm.scale", "divides errors of a forecast: only output %q has them", OutputForecast)
	}
}

// vocabulary are the modes that a classifier may name.
var vocabulary = []asset.Mode{
	asset.Healthy, asset.InnerRace, asset.OuterRace, asset.RollingElement, asset.Cage, asset.Crack, asset.Wear, asset.Imbalance,
	asset.Misalignment, asset.Looseness, asset.GearTooth, asset.Lubrication, asset.Overheating, asset.Icing, asset.Electrical,
	asset.SensorFault, asset.Unknown,
}

func (r *reader) modes(modes []asset.Mode) {
	if len(modes) < 2 {
		r.fail("pdm.modes", "names %d modes: output %q wants two or more, in the order of its columns", len(modes), OutputModes)
	}
	seen := map[asset.Mode]bool{}
	for _, m := range modes {
		if !slices.Contains(vocabulary, m) {
			r.fail("pdm.modes", "names %q: %s, or \"\" for healthy", m, strings.Trim(strings.Join(texts(vocabulary), ", "), ", "))
		}
		if seen[m] {
			r.fail("pdm.modes", "names %q twice", m)
		}
		seen[m] = true
	}
}

func texts(modes []asset.Mode) []string {
	out := make([]string, len(modes))
	for i, m := range modes {
		out[i] = string(m)
	}
	return out
}

func (r *reader) state(c *Contract) {
	if _, ok := r.props["pdm.state"]; !ok {
		return
	}
	s := &State{}
	r.json("pdm.state", s)
	if len(s.In) == 0 || len(s.In) != len(s.Out) {
		r.fail("pdm.state", "names %d inputs and %d outputs: as many of each, at least one", len(s.In), len(s.Out))
	}
	if s.WarmUp < 0 || s.WarmUp > maxWindow {
		r.fail("pdm.state", "has warm_up %d: rows, 0 to %d", s.WarmUp, maxWindow)
	}
	switch s.OnSwap {
	case "":
		s.OnSwap = StateReset
	case StateReset, StateKeep:
	default:
		r.fail("pdm.state", "has on_swap %q: %s or %s", s.OnSwap, StateReset, StateKeep)
	}
	if c.Stride != c.Window && c.Stride > 0 && c.Window > 0 {
		r.fail("pdm.stride", "is %d, pdm.window %d: a stateful model reads each row once, so they must be equal", c.Stride, c.Window)
	}
	if len(s.In) > 0 && len(s.In) == len(s.Out) {
		c.State = s
	}
}

// number reads a metadata number within [lo, hi].
func (r *reader) number(key string, lo, hi float64) float64 {
	s, ok := r.props[key]
	if !ok {
		return 0
	}
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || !(v >= lo && v <= hi) {
		r.fail(key, "is %q: a number within %g and %g is wanted", s, lo, hi)
		return 0
	}
	return v
}

func (r *reader) json(key string, into any) {
	s, ok := r.props[key]
	if !ok {
		return
	}
	if err := json.Unmarshal([]byte(s), into); err != nil {
		r.fail(key, "is not the JSON that is wanted: %v", err)
	}
}

func (r *reader) features(in []Input) {
	if _, ok := r.props["pdm.features"]; ok && (len(in) == 0 || len(in) > maxInputs) {
		r.fail("pdm.features", "names %d features: 1 to %d", len(in), maxInputs)
	}
	seen := map[string]bool{}
	for i, f := range in {
		if !strings.Contains(f.Name, "/") {
			r.fail("pdm.features", "has %q at %d: channel/feature is wanted", f.Name, i)
		}
		if seen[f.Name] {
			r.fail("pdm.features", "names %q twice", f.Name)
		}
		seen[f.Name] = true
		switch f.Agg {
		case "", "last", "mean", "min", "max":
		default:
			r.fail("pdm.features", "aggregates %q by %q: last, mean, min or max", f.Name, f.Agg)
		}
		if !knownUnit(f.Unit) {
			r.fail("pdm.features", "has %q in %q: a unit of %s, or one of your own in braces, as {counts}", f.Name, f.Unit, asset.Units())
		}
	}
}

// knownUnit says whether a unit is in the vocabulary, is made of units that are
// (m²/s³, µV²·s), or stands in braces, as UCUM writes what it has no unit for.
func knownUnit(unit string) bool {
	if _, _, ok := asset.Convert(0, unit); ok {
		return true
	}
	if len(unit) > 2 && strings.HasPrefix(unit, "{") && strings.HasSuffix(unit, "}") {
		return true
	}
	units := 0
	parts := strings.FieldsFunc(unit, func(c rune) bool { return strings.ContainsRune("·./√()", c) })
	for _, p := range parts {
		base := strings.TrimRight(p, "²³⁴⁻¹0123456789-^")
		if base == "" {
			continue // what stands behind a parenthesis, or a 1
		}
		units++
		if _, _, ok := asset.Convert(0, base); !ok && !slices.Contains([]string{"m", "min", "rad", "J", "kg", "d"}, base) {
			return false
		}
	}
	return units > 0
}

func (r *reader) calibration(c Contract) {
	k := c.Calibration
	r.scores("pdm.calibration", k)
	for _, name := range slices.Sorted(maps.Keys(k.Regimes)) {
		r.scores("pdm.calibration", k.Regimes[name])
	}
	if len(k.Mean) == 0 && len(k.Precision) == 0 {
		return
	}
	square := len(k.Mean) == len(c.Features) && len(k.Precision) == len(k.Mean)
	for _, row := range k.Precision {
		square = square && len(row) == len(k.Mean)
	}
	if !square {
		r.fail("pdm.calibration", "has mean and precision of another width: as wide as pdm.features they must be")
	}
}

func (r *reader) scores(key string, k Calibration) {
	if !sort.Float64sAreSorted(k.Quantiles) {
		r.fail(key, "has quantiles that are not sorted")
	}
	if len(k.Quantiles) > k.N {
		r.fail(key, "has %d quantiles of n = %d scores: at most n", len(k.Quantiles), k.N)
	}
	if k.Alpha < 0 || k.Alpha >= 1 {
		r.fail(key, "has alpha %g: at least 0, below 1", k.Alpha)
	}
}

func (r *reader) reference(c *Contract) {
	r.json("pdm.reference", &c.Reference)
	if n := len(c.Reference); n > 0 && n != len(c.Features) {
		r.fail("pdm.reference", "describes %d features, pdm.features names %d", n, len(c.Features))
	}
	for i, d := range c.Reference {
		if d.N < 1 || len(d.Quantiles) < 2 || !sort.Float64sAreSorted(d.Quantiles) {
			r.fail("pdm.reference", "has n %d and %d quantiles at %d: n above 0 and at least two sorted quantiles are wanted", d.N, len(d.Quantiles), i)
		}
	}
}

func (r *reader) selfTest(c Contract) {
	t := c.SelfTest
	if _, ok := r.props["pdm.selftest"]; !ok {
		return
	}
	if len(t.Input) == 0 || len(t.Output) == 0 || len(t.Input) > maxWindow {
		r.fail("pdm.selftest", "needs input rows and output values")
	}
	if c.State != nil {
		if len(t.Input) != c.Window {
			r.fail("pdm.selftest", "has %d rows, pdm.window is %d", len(t.Input), c.Window)
		}
	}
	for i, row := range t.Input {
		if len(row) != c.Columns() && c.Columns() > 0 {
			r.fail("pdm.selftest", "has %d values in row %d, the graph reads %d columns", len(row), i, c.Columns())
			return
		}
	}
}
