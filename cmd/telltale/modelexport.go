package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/class"
	"github.com/telltale-iot/telltale/dataset"
	"github.com/telltale-iot/telltale/features"
	"github.com/telltale-iot/telltale/pipeline"
	"github.com/telltale-iot/telltale/store"
)

// trainingExport writes what a training script reads out of a store.
type trainingExport struct {
	from, out, kind, component string
	config, labels, verdicts   string
	asOf                       string
	around                     time.Duration
	inputs                     []string

	until   time.Time // as --as-of says; zero for no limit
	kinds   map[asset.ID]string
	regimes features.RegimesOptions
	past    past
	points  map[asset.ID]*operatingPoint
	note    trainingNote
	rows    map[asset.ID]int
}

// trainingNote is training.json: what the rows are and which are for what.
type trainingNote struct {
	Class     string         `json:"asset_class"`
	Component string         `json:"component"`
	Inputs    []string       `json:"inputs"`
	Units     []string       `json:"units"`
	Features  string         `json:"feature_version"`
	SHA256    string         `json:"sha256"` // of features.parquet, for pdm.training_sha256
	Split     trainingSplit  `json:"split"`
	From      time.Time      `json:"from"`
	To        time.Time      `json:"to"`
	AsOf      *time.Time     `json:"as_of,omitempty"` // nothing in it was known later
	Labels    map[string]int `json:"labels"`          // rows by label
	Regimes   map[string]int `json:"regimes,omitempty"`
	Command   string         `json:"command"`
}

// trainingSplit is by asset and by time: neighbours in time share what they saw.
type trainingSplit struct {
	Train         []asset.ID `json:"train"`       // learned from before TrainUntil, stopped by what comes after
	Calibration   []asset.ID `json:"calibration"` // held out whole; none: what comes after CalibrateFrom is
	TrainUntil    time.Time  `json:"train_until"`
	CalibrateFrom time.Time  `json:"calibrate_from"`
}

// calibrationSpan is how much of the newest healthy time a model is calibrated on.
const calibrationSpan = 90 * 24 * time.Hour

func (m *modelShelf) exportTraining() *cobra.Command {
	var e trainingExport
	cmd := &cobra.Command{
		Use: "export-training FROM --out DIR --class KIND --inputs A,B", Short: "Write labelled features for training",
		Long: "FROM is the OUT of a finished backtest, or the data folder of a service or the postgres:// address of its store.\n" +
			"Writes features.parquet with the chosen inputs, each row with its regime, its label and since when that was\n" +
			"known, and training.json, which splits by asset and time and carries the file's digest. A row is healthy unless a label, an alert without a verdict, or a\n" +
			"failure or maintenance nearby says otherwise. --as-of T writes only what was known at T: labels that end later\n" +
			"are unknown, later rows, alerts and verdicts are left out.",
		Example: "  telltale model export-training out/farm --out train --class wind-turbine --component gearbox \\\n" +
			"    --labels farm/labels.csv --inputs gearbox_oil_temperature/residual_z,generator_winding_temperature/residual_z\n" +
			"  telltale model export-training data --out train --class wind-turbine --inputs gearbox_acc/rms \\\n" +
			"    --verdicts verdicts.csv --as-of 2026-06-01T00:00:00Z",
		Args: exactly("FROM"),
		RunE: func(cmd *cobra.Command, args []string) error {
			e.from = args[0]
			note, err := e.write(cmd.Context())
			if err != nil {
				return err
			}
			if m.json {
				return printJSON(cmd.OutOrStdout(), note)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%d asset(s) to learn from, %d held out; rows: %s; go on with:\n  %s\n",
				len(note.Split.Train), len(note.Split.Calibration), counted(note.Labels), note.Command)
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&e.out, "out", "", "folder to write to (required)")
	f.StringVar(&e.kind, "class", "", "asset class that the model is to serve (required)")
	f.StringVar(&e.component, "component", "", "component that it is to judge")
	f.StringSliceVar(&e.inputs, "inputs", nil, "channel/feature, separated by commas, in order (required)")
	f.StringVarP(&e.config, "config", "c", "", "configuration file of the service: its classes and assets are used")
	f.StringVar(&e.labels, "labels", "", "labels.csv: faults, failures, maintenance and healthy spans")
	f.StringVar(&e.verdicts, "verdicts", "", "verdicts.csv: what engineers found behind alerts (alert, verdict, mode, by, at, note)")
	f.StringVar(&e.asOf, "as-of", "", "write only what was known then, RFC 3339; default everything")
	f.DurationVar(&e.around, "around", 7*24*time.Hour, "time around failures and maintenance that is not healthy")
	return cmd
}

// counted is a count by name in one line.
func counted(n map[string]int) string {
	words := make([]string, 0, len(n))
	for _, k := range sortedKeys(n) {
		words = append(words, fmt.Sprintf("%d %s", n[k], k))
	}
	return strings.Join(words, ", ")
}

func (e *trainingExport) validate() error {
	switch {
	case e.out == "":
		return fmt.Errorf("%w: --out is missing: name the folder to write to", errUsage)
	case e.kind == "":
		return fmt.Errorf("%w: --class is missing: name the asset class that the model is to serve", errUsage)
	case len(e.inputs) == 0:
		return fmt.Errorf("%w: --inputs is missing: name the features, such as gearbox_acc/rms,gearbox_acc/kurtosis", errUsage)
	case e.around < 0:
		return fmt.Errorf("%w: --around %v: 0 or longer", errUsage, e.around)
	}
	for i, in := range e.inputs {
		if !strings.Contains(in, "/") || slices.Contains(e.inputs[:i], in) {
			return fmt.Errorf("%w: --inputs %q: want channel/feature, each once", errUsage, in)
		}
	}
	if e.asOf == "" {
		return nil
	}
	t, err := time.Parse(time.RFC3339Nano, e.asOf)
	if err != nil {
		return fmt.Errorf("%w: --as-of %q: want RFC 3339, such as 2026-01-31T06:00:00Z", errUsage, e.asOf)
	}
	e.until = t.UTC()
	e.note.AsOf = &e.until
	return nil
}

func (e *trainingExport) write(ctx context.Context) (trainingNote, error) {
	if err := e.validate(); err != nil {
		return trainingNote{}, err
	}
	db, err := e.open(ctx)
	if err != nil {
		return trainingNote{}, err
	}
	defer db.Close() //nolint:errcheck // it was only read
	if err := e.know(ctx, db); err != nil {
		return trainingNote{}, err
	}
	if err := os.MkdirAll(e.out, 0o755); err != nil { //nolint:gosec // results are for others to read
		return trainingNote{}, err
	}
	path := filepath.Join(e.out, "features.parquet")
	if err := e.export(ctx, db, path); err != nil {
		return trainingNote{}, err
	}
	if err := e.describe(path); err != nil {
		return trainingNote{}, err
	}
	return e.note, writeJSON(filepath.Join(e.out, "training.json"), e.note)
}

// open finds the store: of a finished backtest, or of a service.
func (e *trainingExport) open(ctx context.Context) (store.Store, error) {
	path := runPath(e.from)
	if _, err := os.Stat(path); err != nil {
		if _, err := os.Stat(storePath(e.from)); err != nil && !isURL(e.from) {
			return nil, fmt.Errorf("%s holds neither run.db of a backtest nor telltale.db of a service: %w", e.from, err)
		}
		return openService(ctx, e.from)
	}
	db, err := openFile(ctx, path, nil)
	if err != nil {
		return nil, err
	}
	if done, err := db.Meta(ctx, "finished"); err != nil || done == "" {
		db.Close() //nolint:errcheck,gosec // it was only read
		return nil, cmp.Or(err, fmt.Errorf("%s: the backtest is not finished: run it to its end first", e.from))
	}
	return db, nil
}

// know gathers what is said of the rows: classes, regimes, labels, alerts, verdicts.
func (e *trainingExport) know(ctx context.Context, db store.Store) error {
	classes, err := class.Shipped()
	if err != nil {
		return err
	}
	e.kinds = map[asset.ID]string{}
	if e.config != "" {
		conf, err := readPartConfig(e.config)
		if err == nil {
			err = conf.addClasses(classes)
		}
		if err != nil {
			return err
		}
		for _, p := range conf.Assets {
			e.kinds[p.ID] = classes.Of(p.Kind).Kind
		}
	}
	if err := e.kindsOf(classes); err != nil {
		return err
	}
	if e.regimes, err = options[features.RegimesOptions]("regimes", classes.Of(e.kind).Regimes); err != nil {
		return fmt.Errorf("class %s: %w", e.kind, err)
	}
	e.points, e.rows = map[asset.ID]*operatingPoint{}, map[asset.ID]int{}
	e.past, err = readPast(ctx, db, e.component, e.labels, e.verdicts, e.until, e.around)
	return err
}

// kindsOf reads which class each asset of a run is of, where the run says so.
func (e *trainingExport) kindsOf(classes class.Set) error {
	body, err := os.ReadFile(filepath.Join(e.from, "baselines.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var b baselines
	if err == nil {
		err = json.Unmarshal(body, &b)
	}
	if err != nil {
		return fmt.Errorf("baselines of %s: %w", e.from, err)
	}
	for id, l := range b.Assets {
		e.kinds[id] = classes.Of(l.Kind).Kind
	}
	return nil
}

// errEnough ends the reading of a store.
var errEnough = errors.New("enough")

// export copies the rows of the chosen inputs as they were committed. An asset that
// is known to be of another class is left out.
func (e *trainingExport) export(ctx context.Context, db store.Store, path string) error {
	units := map[string]string{}
	e.note = trainingNote{
		Class: e.kind, Component: e.component, Inputs: e.inputs, Features: features.Version, AsOf: e.note.AsOf,
		Labels: map[string]int{}, Regimes: map[string]int{},
	}
	out, err := dataset.NewTrainingWriter(path)
	if err != nil {
		return err
	}
	defer out.Discard()
	err = db.EachFrame(ctx, func(f pipeline.Frame) error {
		if !e.until.IsZero() && f.Time.After(e.until) {
			return errEnough // frames come in the order of their time
		}
		if kind, known := e.kinds[f.Asset]; known && kind != e.kind {
			return nil
		}
		return e.frame(out, f, units)
	})
	if err != nil && !errors.Is(err, errEnough) {
		return err
	}
	for _, in := range e.inputs {
		unit, ok := units[in]
		if !ok {
			return fmt.Errorf("%s has no %s of class %s: see its features.parquet for what there is", e.from, in, e.kind)
		}
		e.note.Units = append(e.note.Units, cmp.Or(unit, "1"))
	}
	return out.Close()
}

func (e *trainingExport) frame(out *dataset.TrainingWriter, f pipeline.Frame, units map[string]string) error {
	point := e.points[f.Asset]
	if point == nil {
		point = &operatingPoint{}
		e.points[f.Asset] = point
	}
	regime := point.regime(e.regimes, f)
	said := e.past.at(f.Asset, f.Time)
	for _, v := range f.Vectors {
		for i, field := range v.Fields {
			if !slices.Contains(e.inputs, field.Key()) {
				continue
			}
			units[field.Key()] = field.Unit
			e.count(f, said.label, regime)
			row := dataset.TrainingRow{
				FeatureRow: dataset.FeatureRow{
					Time: f.Time, Asset: f.Asset, Channel: field.Channel, Feature: field.Name,
					Value: asset.Number(v.Values[i]), Quality: v.Quality, WindowS: v.WindowS,
				},
				Component: e.component, Unit: cmp.Or(field.Unit, "1"), Regime: regime,
				Label: said.label, Mode: said.mode, Verdict: said.verdict, Known: said.known,
			}
			if err := out.Write(row); err != nil {
				return err
			}
		}
	}
	return nil
}

func (e *trainingExport) count(f pipeline.Frame, label, regime string) {
	e.rows[f.Asset]++
	e.note.Labels[label]++
	if regime != "" {
		e.note.Regimes[regime]++
	}
	if e.note.From.IsZero() {
		e.note.From = f.Time.UTC()
	}
	e.note.To = f.Time.UTC()
}

// describe completes the note: the digest, the split, what to do next. Every fourth
// asset from the third on is held out.
func (e *trainingExport) describe(path string) error {
	n := &e.note
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // read only
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return fmt.Errorf("digest of %s: %w", path, err)
	}
	n.SHA256 = hex.EncodeToString(h.Sum(nil))
	s := trainingSplit{Train: []asset.ID{}, Calibration: []asset.ID{}, CalibrateFrom: n.From}
	for i, id := range sortedKeys(e.rows) {
		if i%4 == 2 {
			s.Calibration = append(s.Calibration, id)
		} else {
			s.Train = append(s.Train, id)
		}
	}
	whole := n.To.Sub(n.From)
	s.TrainUntil = n.From.Add(whole * 17 / 20).Truncate(time.Second)
	switch newest := n.To.Add(-calibrationSpan); {
	case len(s.Calibration) == 0:
		s.CalibrateFrom = n.From.Add(whole * 3 / 4).Truncate(time.Second)
		s.TrainUntil = n.From.Add(whole * 51 / 80).Truncate(time.Second)
	case newest.After(n.From):
		s.CalibrateFrom = newest
	}
	n.Split = s
	words := []string{
		"python models/train/train.py --features", path, "--class", e.kind,
		"--inputs", strings.Join(n.Inputs, ","), "--units", strings.Join(n.Units, ","),
	}
	if e.component != "" {
		words = append(words, "--component", e.component)
	}
	n.Command = strings.Join(append(words, "--out", filepath.Join(e.out, "model.onnx")), " ")
	return nil
}

// sortedKeys are the keys of a map in order.
func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
