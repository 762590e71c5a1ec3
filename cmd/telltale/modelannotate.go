package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/features"
	"github.com/telltale-iot/telltale/models"
	"github.com/telltale-iot/telltale/models/onnx"
)

// modelSpec is what whoever trained a model says of it, as YAML.
type modelSpec struct {
	Name        string                          `yaml:"name"`
	Kind        models.Kind                     `yaml:"kind"`
	Output      string                          `yaml:"output"`       // error, forecast, rul, modes
	GraphOutput string                          `yaml:"graph_output"` // which output of the graph that is; default: the first
	Class       string                          `yaml:"class"`
	Component   string                          `yaml:"component"`
	Features    []specFeature                   `yaml:"features"`
	PeriodS     float64                         `yaml:"period_s"`
	Window      int                             `yaml:"window"`
	Stride      int                             `yaml:"stride"`
	Alpha       float64                         `yaml:"alpha"`     // false alarms by the threshold; default 0.01
	Threshold   string                          `yaml:"threshold"` // a number, none, or empty: the limit at alpha
	CapH        float64                         `yaml:"rul_cap_h"`
	Modes       []asset.Mode                    `yaml:"modes"`
	Scale       []float64                       `yaml:"scale"` // default: the standard deviation of each feature
	Mask        bool                            `yaml:"mask"`
	State       *specState                      `yaml:"state"`
	Training    struct{ SHA256, Window string } `yaml:"training"`  // default: of the calibration data
	Framework   string                          `yaml:"framework"` // default: what the file says
	Git         string                          `yaml:"git"`
	License     string                          `yaml:"license"`
	Note        string                          `yaml:"note"`
	Parent      string                          `yaml:"parent"` // the version it comes from
}

type specFeature struct {
	Name string `yaml:"name" json:"name"`
	Unit string `yaml:"unit" json:"unit"`
	Agg  string `yaml:"agg" json:"agg"`
}

type specState struct {
	Inputs  []string `yaml:"inputs" json:"inputs"`
	Outputs []string `yaml:"outputs" json:"outputs"`
	OnSwap  string   `yaml:"on_swap" json:"on_swap,omitempty"`
	Regime  bool     `yaml:"reset_on_regime" json:"reset_on_regime,omitempty"`
	WarmUp  int      `yaml:"warm_up" json:"warm_up,omitempty"`
}

// annotation writes the contract into a model file.
type annotation struct {
	spec    modelSpec
	file    []byte
	data    calibrationSet
	meta    map[string]string
	library string
}

func (m *modelShelf) annotate() *cobra.Command {
	var spec, data, out, library string
	cmd := &cobra.Command{
		Use: "annotate FILE --spec SPEC --calibration DATA", Short: "Write the contract into a model file that another tool exported",
		Long: "SPEC is YAML: name, class, component, features with name, unit and agg, period_s, window, stride, output, license and\n" +
			"more (docs/models.md). DATA is healthy history that the model was not trained on: features.parquet of a backtest, CSV\n" +
			"with its columns, or NumPy windows [n, steps, features]. The model scores DATA, and its scores become calibration and\n" +
			"threshold. The file is rewritten, or written to --out; model check has to pass.",
		Example: "  telltale model annotate ae.onnx --spec ae.yaml --calibration out/farm/features.parquet --out ae-annotated.onnx",
		Args:    exactly("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if spec == "" || data == "" {
				return fmt.Errorf("%w: --spec and --calibration are wanted", errUsage)
			}
			a, err := newAnnotation(args[0], spec, data, library)
			if err != nil {
				return err
			}
			file, note, err := a.run(cmd.Context())
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			if err := replaceFile(cmp.Or(out, args[0]), file); err != nil {
				return err
			}
			contract, err := models.Parse(file)
			if err != nil {
				return err
			}
			fmt.Fprintln(cmd.ErrOrStderr(), "note: "+note)
			return (&modelCheck{modelShelf: m}).say(cmd, args[0], checked{File: cmp.Or(out, args[0]), Contract: contract, Findings: []models.Finding{}})
		},
	}
	f := cmd.Flags()
	f.StringVar(&spec, "spec", "", "YAML file that says what the model is (required)")
	f.StringVar(&data, "calibration", "", "healthy data: .parquet, .csv or .npy (required)")
	f.StringVar(&out, "out", "", "file to write; default: FILE itself")
	f.StringVar(&library, "onnxruntime", "", "path of the ONNX Runtime library")
	return cmd
}

func newAnnotation(file, spec, data, library string) (*annotation, error) {
	a := &annotation{library: library}
	text, err := os.ReadFile(spec) //nolint:gosec // the caller's file
	if err != nil {
		return nil, err
	}
	if err := yaml.UnmarshalWithOptions(text, &a.spec, yaml.Strict()); err != nil {
		return nil, fmt.Errorf("%s: %s", spec, strings.TrimSpace(yaml.FormatError(err, false, false)))
	}
	s := &a.spec
	s.Alpha, s.Output, s.Stride = cmp.Or(s.Alpha, 0.01), cmp.Or(s.Output, models.OutputError), cmp.Or(s.Stride, 1)
	if s.State != nil {
		s.Stride = s.Window
	}
	switch {
	case len(s.Features) == 0 || s.Window < 1 || !(s.PeriodS > 0):
		return nil, fmt.Errorf("%s: features, window and period_s are wanted", spec)
	case s.License == "" || s.Class == "":
		return nil, fmt.Errorf("%s: class and license are wanted", spec)
	case !(s.Alpha > 0 && s.Alpha < 1):
		return nil, fmt.Errorf("%s: alpha %g: above 0, below 1", spec, s.Alpha)
	}
	if a.file, err = onnx.ReadFile(file); err != nil {
		return nil, err
	}
	a.data, err = readWindows(data, s)
	return a, err
}

// run gives the annotated file. The model runs in a child first, and once that is
// proven as it does in service.
func (a *annotation) run(ctx context.Context) (file []byte, note string, err error) {
	whole := slices.IndexFunc(a.data.list, func(q features.Sequence) bool { return !slices.ContainsFunc(q.Values, missing32) })
	if whole < 0 {
		return nil, "", fmt.Errorf("%s: no window of %d steps without a hole: %d found", a.data.path, a.data.steps, len(a.data.list))
	}
	a.describe()
	test := a.example(a.data.list[whole])
	if file, err = a.stamped(); err != nil {
		return nil, "", err
	}
	if err := a.sound(ctx, file); err != nil {
		return nil, "", err
	}
	answers, err := prover(a.library).Answers(ctx, file, [][]float32{flat32(test)}, nil)
	if err != nil {
		return nil, "", err
	}
	a.set("selftest", models.SelfTest{Input: test, Output: wide(answers[0])})
	if file, err = a.stamped(); err != nil {
		return nil, "", err
	}
	scores, err := a.scores(ctx, file)
	if err != nil {
		return nil, "", err
	}
	note, err = a.calibrate(scores)
	if err != nil {
		return nil, "", err
	}
	if file, err = a.stamped(); err != nil {
		return nil, "", err
	}
	_, err = prover(a.library).Prove(ctx, file)
	return file, note, err
}

// sound says what is wrong with a file but that it has no self-test yet.
func (a *annotation) sound(ctx context.Context, file []byte) error {
	_, err := prover(a.library).Prove(ctx, file)
	found, err := findings(err)
	if err != nil {
		return err
	}
	return models.Refuse(slices.DeleteFunc(found, func(f models.Finding) bool { return f.Where == "metadata pdm.selftest" })...)
}

func (a *annotation) stamped() ([]byte, error) {
	var state []string
	if a.spec.State != nil {
		state = a.spec.State.Outputs
	}
	return models.Annotated(a.file, a.meta, a.spec.GraphOutput, state)
}

func (a *annotation) set(key string, v any) {
	if s, ok := v.(string); ok {
		a.meta[key] = s
		return
	}
	text, err := json.Marshal(v)
	if err != nil {
		text = []byte(err.Error()) // a number that is none: Parse says which key it is
	}
	a.meta[key] = string(text)
}

// describe sets all that needs no run of the model.
func (a *annotation) describe() {
	s, number := &a.spec, func(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }
	a.meta = map[string]string{
		"contract": "1", "name": s.Name, "output": s.Output, "asset_class": s.Class, "component": s.Component,
		"sampling_period_s": number(s.PeriodS), "window": strconv.Itoa(s.Window), "stride": strconv.Itoa(s.Stride),
		"threshold": "none", "git": cmp.Or(s.Git, "none"), "license": s.License,
		"framework":       cmp.Or(s.Framework, models.Producer(a.file), "unknown"),
		"training_sha256": cmp.Or(s.Training.SHA256, a.data.sha256), "training_window": cmp.Or(s.Training.Window, a.data.span()),
	}
	for i := range s.Features {
		s.Features[i].Agg = cmp.Or(s.Features[i].Agg, "last")
	}
	a.set("features", s.Features)
	a.set("calibration", models.Calibration{Alpha: s.Alpha, Quantiles: []float64{}})
	a.set("reference", a.data.reference())
	optional := func(key string, there bool, v any) {
		if there {
			a.set(key, v)
		}
	}
	optional("kind", s.Kind != "", string(s.Kind))
	optional("note", s.Note != "", s.Note)
	optional("parent", s.Parent != "", s.Parent)
	optional("rul_cap_h", s.CapH > 0, number(s.CapH))
	optional("modes", len(s.Modes) > 0, s.Modes)
	optional("mask", s.Mask, "1")
	optional("state", s.State != nil, s.State)
	if s.Output == models.OutputForecast && len(s.Scale) == 0 {
		s.Scale = a.data.deviations()
	}
	optional("scale", len(s.Scale) > 0, s.Scale)
}

// example is a window as the graph reads it.
func (a *annotation) example(q features.Sequence) [][]float64 {
	rows := make([][]float64, a.spec.Window)
	for i := range rows {
		rows[i] = wide(q.Values[i*q.Width : (i+1)*q.Width])
		if a.spec.Mask {
			for range q.Width {
				rows[i] = append(rows[i], 1)
			}
		}
	}
	return rows
}

// scores are those that the service would give to the windows, by regime; all of
// them stand under the empty one.
func (a *annotation) scores(ctx context.Context, file []byte) (map[string][]float64, error) {
	r, err := onnx.OpenContext(ctx, file, onnx.Options{Library: a.library, Prover: prover(a.library)})
	if err != nil {
		return nil, err
	}
	c := r.Contract()
	live := models.NewLive()
	defer live.Close() //nolint:errcheck // releases memory only
	if err := live.Set([]models.Placement{inPlace(c.Name+":0", c)}, func(models.Placement) (models.Model, error) {
		return models.Model{Contract: c, Runner: r}, nil
	}); err != nil {
		return nil, err
	}
	var failed error
	s := models.NewScorer(map[models.Key]*models.Live{{Class: c.Class, Component: c.Component}: live}, models.Options{
		PartsOf: func(asset.ID) (string, []string) { return c.Class, []string{c.Component} },
		Report:  func(_ string, err error) { failed = err },
	})
	reads := c.Reads(c.Component).Key()
	for i := range a.data.list {
		q := &a.data.list[i]
		q.Component, q.Reads = c.Component, reads
	}
	out := map[string][]float64{}
	for batch := range slices.Chunk(a.data.list, 256) {
		answers, err := s.Score(ctx, batch)
		if err != nil {
			return nil, err
		}
		for i, answer := range answers {
			if !answer.Score.Known() {
				continue
			}
			score := float64(answer.Score)
			out[""] = append(out[""], score)
			if r := batch[i].Regime; r != "" {
				out[r] = append(out[r], score)
			}
		}
	}
	if failed != nil {
		return nil, failed
	}
	return out, nil
}

// maxScores are kept one by one; of more, as many quantiles.
const maxScores = 1000

// calibrate sets calibration and threshold, and says where the threshold comes from.
func (a *annotation) calibrate(by map[string][]float64) (string, error) {
	if len(by[""]) == 0 {
		return "", fmt.Errorf("%s: the model gives none of %d windows a score", a.data.path, len(a.data.list))
	}
	k := calibrationOf(by[""], a.spec.Alpha)
	for _, regime := range sortedKeys(by) {
		one := calibrationOf(by[regime], a.spec.Alpha)
		if regime == "" || math.IsInf(one.Limit(one.Alpha), 1) {
			continue // too few for a limit of its own
		}
		if k.Regimes == nil {
			k.Regimes = map[string]models.Calibration{}
		}
		k.Regimes[regime] = one
	}
	a.set("calibration", k)
	switch limit := k.Limit(k.Alpha); {
	case a.spec.Threshold != "":
		a.meta["threshold"] = a.spec.Threshold
		return fmt.Sprintf("threshold %s is the spec's; %d scores", a.spec.Threshold, k.N), nil
	case a.spec.Output == models.OutputRUL:
		return fmt.Sprintf("no threshold: one of remaining life is hours, as threshold: 24; %d scores", k.N), nil
	case math.IsInf(limit, 1):
		return fmt.Sprintf("no threshold: %d scores are too few for alpha %g, at least %d are wanted", k.N, k.Alpha, int(math.Ceil(1/k.Alpha))-1), nil
	default:
		a.meta["threshold"] = strconv.FormatFloat(limit, 'g', -1, 64)
		return fmt.Sprintf("threshold %.6g: split conformal at alpha %g of %d scores", limit, k.Alpha, k.N), nil
	}
}

func calibrationOf(scores []float64, alpha float64) models.Calibration {
	slices.Sort(scores)
	k := models.Calibration{N: len(scores), Alpha: alpha, Quantiles: scores}
	if len(scores) > maxScores {
		k.Quantiles = quantiles(scores, maxScores+1)
	}
	return k
}

// replaceFile writes a file whole or not at all.
func replaceFile(path string, body []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) //nolint:errcheck // gone once it was renamed
	if _, err := f.Write(body); err != nil {
		f.Close() //nolint:errcheck,gosec // the first error counts
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := os.Chmod(f.Name(), 0o644); err != nil { //nolint:gosec // results are for others to read
		return err
	}
	return os.Rename(f.Name(), path)
}

func missing32(v float32) bool { return v != v }

func flat32(rows [][]float64) []float32 {
	var out []float32
	for _, r := range rows {
		for _, v := range r {
			out = append(out, float32(v))
		}
	}
	return out
}

// wide keeps the shortest decimal digits of each value, not the bits behind them.
func wide(x []float32) []float64 {
	out := make([]float64, len(x))
	for i, v := range x {
		out[i], _ = strconv.ParseFloat(strconv.FormatFloat(float64(v), 'g', -1, 32), 64)
	}
	return out
}

func digestOf(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}
