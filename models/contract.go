package models

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"sort"
	"strconv"
	"strings"

	"github.com/telltale-iot/telltale/asset"
)

// What is accepted. The opset and IR version are the newest that the pinned
// runtime (1.27.0) loads; the others bound what a hostile file can ask for.
const (
	maxOpset    = 26
	maxIR       = 13
	maxNodes    = 10_000
	maxElements = 64 << 20 // 256 MiB of float32
	maxInputs   = 1_000
	maxWindow   = 100_000
)

// required are the metadata keys without which a model is refused.
var required = []string{
	"pdm.contract", "pdm.features", "pdm.sampling_period_s", "pdm.window", "pdm.stride", "pdm.threshold",
	"pdm.calibration", "pdm.selftest", "pdm.asset_class", "pdm.training_sha256", "pdm.training_window",
	"pdm.framework", "pdm.git", "pdm.license",
}

// Parse reads what an ONNX file says of itself without running anything of it.
// The error wraps ErrContract and names everything that is wrong.
func Parse(file []byte) (Contract, error) {
	g, err := readGraph(file)
	if err != nil {
		return Contract{}, fmt.Errorf("%w: %w", ErrContract, err)
	}
	sum := sha256.Sum256(file)
	r := reader{props: g.props}
	c := r.contract()
	c.Digest = hex.EncodeToString(sum[:])
	if len(g.inputs) > 0 && len(g.outputs) > 0 {
		c.X, c.Y = g.input(), g.outputs[0].name
	}
	wrong := append(g.wrong(len(c.Features)), r.wrong...)
	return c, refuse(wrong)
}

// Fits says whether the flow can feed the model: produced are the features it
// makes, periodS the period at which it cuts sequences (0 means any).
func (c Contract) Fits(produced []Input, periodS float64) error {
	have := make(map[string]Input, len(produced))
	for _, p := range produced {
		have[p.Name] = p
	}
	var wrong []string
	for _, f := range c.Features {
		p, ok := have[f.Name]
		switch {
		case !ok:
			wrong = append(wrong, fmt.Sprintf("feature %q is not produced for class %q", f.Name, c.Class))
		case canonical(p.Unit) != canonical(f.Unit):
			wrong = append(wrong, fmt.Sprintf("feature %q is in %q, the model wants %q", f.Name, p.Unit, f.Unit))
		case p.Agg != "" && aggOf(p) != aggOf(f):
			wrong = append(wrong, fmt.Sprintf("feature %q is aggregated by %q, the model wants %q", f.Name, p.Agg, f.Agg))
		}
	}
	if periodS > 0 && math.Abs(c.PeriodS-periodS) > 0.01*periodS {
		wrong = append(wrong, fmt.Sprintf("sampling period is %g s, the model wants %g s (1 %% allowed)", periodS, c.PeriodS))
	}
	return refuse(wrong)
}

// SameInputs says whether sequences cut for c can be read by d.
func (c Contract) SameInputs(d Contract) error {
	var wrong []string
	if c.Class != d.Class || c.Component != d.Component || c.Output != d.Output {
		wrong = append(wrong, fmt.Sprintf("serves %s/%s with %q, in use is %s/%s with %q", d.Class, d.Component, d.Output, c.Class, c.Component, c.Output))
	}
	if c.Window != d.Window || c.PeriodS != d.PeriodS || c.Stride != d.Stride {
		wrong = append(wrong, fmt.Sprintf("reads %d steps of %g s every %d, in use is %d of %g s every %d", d.Window, d.PeriodS, d.Stride, c.Window, c.PeriodS, c.Stride))
	}
	same := len(c.Features) == len(d.Features)
	for i := 0; same && i < len(c.Features); i++ {
		a, b := c.Features[i], d.Features[i]
		same = a.Name == b.Name && canonical(a.Unit) == canonical(b.Unit) && aggOf(a) == aggOf(b)
	}
	if !same {
		wrong = append(wrong, "reads other features than the model in use")
	}
	return refuse(wrong)
}

func refuse(wrong []string) error {
	if len(wrong) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %s", ErrContract, strings.Join(wrong, "; "))
}

// canonical is the unit as the flow spells it; an unknown one stays as it is.
func canonical(unit string) string {
	if _, u, ok := asset.Convert(0, unit); ok {
		return u
	}
	return unit
}

func aggOf(in Input) string {
	if in.Agg == "" {
		return "last"
	}
	return in.Agg
}

// input is the name of the one graph input that is no weight; empty when there
// is not exactly one.
func (g *graphFile) input() string {
	name := ""
	for _, v := range g.inputs {
		if g.weights[v.name] {
			continue
		}
		if name != "" {
			return ""
		}
		name = v.name
	}
	return name
}

// wrong lists what the loader does not take in the graph itself.
func (g *graphFile) wrong(width int) []string {
	var w []string
	if g.external {
		w = append(w, "weights lie outside the file: export it with external_data=False")
	}
	if g.nodes > maxNodes || g.elements > maxElements {
		w = append(w, fmt.Sprintf("too large: %d nodes (at most %d), %d tensor elements (at most %d)", g.nodes, maxNodes, g.elements, maxElements))
	}
	if g.ir > maxIR {
		w = append(w, fmt.Sprintf("IR version %d: at most %d", g.ir, maxIR))
	}
	for _, o := range g.opsets {
		if ownDomain(o.domain) && o.domain != "ai.onnx.ml" && o.version > maxOpset {
			w = append(w, fmt.Sprintf("opset %d: at most %d", o.version, maxOpset))
		}
	}
	foreign := make([]string, 0)
	for d := range g.domains {
		if !ownDomain(d) {
			foreign = append(foreign, d)
		}
	}
	sort.Strings(foreign)
	if len(foreign) > 0 {
		w = append(w, fmt.Sprintf("operators of domain %s: only ai.onnx and ai.onnx.ml", strings.Join(foreign, ", ")))
	}
	x := g.input()
	if x == "" || len(g.outputs) == 0 {
		return append(w, fmt.Sprintf("%d inputs and %d outputs: one input [batch, time, features] and at least one output are wanted", len(g.inputs), len(g.outputs)))
	}
	for _, v := range g.inputs {
		if v.name != x {
			continue
		}
		if v.elem != 1 || len(v.dims) != 3 || v.dims[0] > 0 {
			w = append(w, fmt.Sprintf("input %q: float32 [batch, time, features] with a dynamic batch is wanted", x))
		} else if d := v.dims[2]; width > 0 && d > 0 && d != int64(width) {
			w = append(w, fmt.Sprintf("input %q has %d features, pdm.features names %d", x, d, width))
		}
	}
	return w
}

func ownDomain(d string) bool { return d == "" || d == "ai.onnx" || d == "ai.onnx.ml" }

// reader turns metadata into a contract and collects what is wrong with it.
type reader struct {
	props map[string]string
	wrong []string
}

func (r *reader) fail(format string, args ...any) {
	r.wrong = append(r.wrong, fmt.Sprintf(format, args...))
}

func (r *reader) contract() Contract {
	for _, key := range required {
		if _, ok := r.props[key]; !ok {
			r.fail("metadata %s is missing", key)
		}
	}
	if v, ok := r.props["pdm.contract"]; ok && v != "1" {
		r.fail("pdm.contract is %q: this build reads 1", v)
	}
	c := Contract{
		Name:      r.props["pdm.name"],
		Class:     r.props["pdm.asset_class"],
		Component: r.props["pdm.component"],
		Output:    r.props["pdm.output"],
		PeriodS:   r.number("pdm.sampling_period_s", 1e-3, 366*86400),
		Window:    int(r.number("pdm.window", 1, maxWindow)),
		Stride:    int(r.number("pdm.stride", 1, maxWindow)),
		About:     map[string]string{},
	}
	if c.Output == "" {
		c.Output = OutputError
	}
	if c.Output != OutputError && c.Output != OutputRUL {
		r.fail("pdm.output is %q: %s or %s", c.Output, OutputError, OutputRUL)
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
	for _, key := range []string{"training_sha256", "training_window", "framework", "git", "license", "note"} {
		if v, ok := r.props["pdm."+key]; ok {
			c.About[key] = v
		}
	}
	r.json("pdm.features", &c.Features)
	r.features(c.Features)
	r.json("pdm.calibration", &c.Calibration)
	r.calibration(c)
	r.json("pdm.selftest", &c.SelfTest)
	r.selfTest(c)
	return c
}

// number reads a metadata number within [lo, hi].
func (r *reader) number(key string, lo, hi float64) float64 {
	s, ok := r.props[key]
	if !ok {
		return 0
	}
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || !(v >= lo && v <= hi) {
		r.fail("%s is %q: a number within %g and %g", key, s, lo, hi)
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
		r.fail("%s: %v", key, err)
	}
}

func (r *reader) features(in []Input) {
	if _, ok := r.props["pdm.features"]; ok && (len(in) == 0 || len(in) > maxInputs) {
		r.fail("pdm.features names %d features: 1 to %d", len(in), maxInputs)
	}
	seen := map[string]bool{}
	for i, f := range in {
		if !strings.Contains(f.Name, "/") {
			r.fail("pdm.features[%d] is %q: channel/feature is wanted", i, f.Name)
		}
		if seen[f.Name] {
			r.fail("pdm.features names %q twice", f.Name)
		}
		seen[f.Name] = true
		switch f.Agg {
		case "", "last", "mean", "min", "max":
		default:
			r.fail("pdm.features[%d] is aggregated by %q: last, mean, min or max", i, f.Agg)
		}
	}
}

func (r *reader) calibration(c Contract) {
	k := c.Calibration
	if !sort.Float64sAreSorted(k.Quantiles) || len(k.Quantiles) > k.N {
		r.fail("pdm.calibration: at most n sorted quantiles are wanted, got %d for n = %d", len(k.Quantiles), k.N)
	}
	if len(k.Mean) == 0 && len(k.Precision) == 0 {
		return
	}
	square := len(k.Mean) == len(c.Features) && len(k.Precision) == len(k.Mean)
	for _, row := range k.Precision {
		square = square && len(row) == len(k.Mean)
	}
	if !square {
		r.fail("pdm.calibration: mean and precision must be as wide as pdm.features")
	}
}

func (r *reader) selfTest(c Contract) {
	t := c.SelfTest
	if _, ok := r.props["pdm.selftest"]; !ok {
		return
	}
	if len(t.Input) == 0 || len(t.Output) == 0 || len(t.Input) > maxWindow {
		r.fail("pdm.selftest needs input rows and output values")
	}
	for i, row := range t.Input {
		if len(row) != len(c.Features) {
			r.fail("pdm.selftest: row %d has %d values, pdm.features names %d", i, len(row), len(c.Features))
			return
		}
	}
}
