package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
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
	"github.com/telltale-iot/telltale/store/sqlite"
)

// trainingExport writes what a training script reads out of a finished run.
type trainingExport struct {
	run, out, kind, component string
	inputs                    []string
	units                     map[string]string
	from, to                  time.Time
	rows                      map[asset.ID]int
}

// trainingNote is training.json: what the rows are and which assets are whose.
type trainingNote struct {
	Class       string     `json:"asset_class"`
	Component   string     `json:"component"`
	Inputs      []string   `json:"inputs"`
	Units       []string   `json:"units"`
	Features    string     `json:"feature_version"`
	Train       []asset.ID `json:"train"`
	Calibration []asset.ID `json:"calibration"` // held out whole; empty: the last quarter of the time is
	From        time.Time  `json:"from"`
	To          time.Time  `json:"to"`
	Command     string     `json:"command"`
}

func (m *modelShelf) exportTraining() *cobra.Command {
	var e trainingExport
	cmd := &cobra.Command{
		Use: "export-training OUT --out DIR --class KIND --inputs A,B", Short: "Write the features of a finished backtest for training",
		Long: "Takes the features of a backtest of healthy history and writes features.parquet with the chosen inputs alone, and\n" +
			"training.json, which names the assets to learn from and those held out whole for calibration: a quarter of three\n" +
			"or more, the choice that models/train/train.py makes. Labels are never written: what is not healthy has no place here.",
		Example: "  telltale model export-training out/farm --out train --class wind-turbine --component gearbox \\\n" +
			"    --inputs gearbox_oil_temperature/residual_z,generator_winding_temperature/residual_z",
		Args: exactly("OUT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			e.run = args[0]
			note, err := e.write(cmd.Context())
			if err != nil {
				return err
			}
			if m.json {
				return printJSON(cmd.OutOrStdout(), note)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%d asset(s) to learn from, %d held out; go on with:\n  %s\n", len(note.Train), len(note.Calibration), note.Command)
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&e.out, "out", "", "folder to write to (required)")
	f.StringVar(&e.kind, "class", "", "asset class that the model is to serve (required)")
	f.StringVar(&e.component, "component", "", "component that it is to judge")
	f.StringSliceVar(&e.inputs, "inputs", nil, "channel/feature, separated by commas, in order (required)")
	return cmd
}

func (e *trainingExport) validate() error {
	switch {
	case e.out == "":
		return fmt.Errorf("%w: --out is missing: name the folder to write to", errUsage)
	case e.kind == "":
		return fmt.Errorf("%w: --class is missing: name the asset class that the model is to serve", errUsage)
	case len(e.inputs) == 0:
		return fmt.Errorf("%w: --inputs is missing: name the features, such as gearbox_acc/rms,gearbox_acc/kurtosis", errUsage)
	}
	for i, in := range e.inputs {
		if !strings.Contains(in, "/") || slices.Contains(e.inputs[:i], in) {
			return fmt.Errorf("%w: --inputs %q: want channel/feature, each once", errUsage, in)
		}
	}
	return nil
}

func (e *trainingExport) write(ctx context.Context) (trainingNote, error) {
	if err := e.validate(); err != nil {
		return trainingNote{}, err
	}
	path := filepath.Join(e.run, "run.db")
	if _, err := os.Stat(path); err != nil {
		return trainingNote{}, fmt.Errorf("%s is no OUT of a backtest: %w", e.run, err)
	}
	db, err := sqlite.Open(ctx, path, sqlite.Options{})
	if err != nil {
		return trainingNote{}, err
	}
	defer db.Close() //nolint:errcheck // it was only read
	if done, err := db.Meta(ctx, "finished"); err != nil || done == "" {
		return trainingNote{}, cmp.Or(err, fmt.Errorf("%s: the backtest is not finished: run it to its end first", e.run))
	}
	kinds, err := kindsOf(e.run)
	if err != nil {
		return trainingNote{}, err
	}
	if err := os.MkdirAll(e.out, 0o755); err != nil { //nolint:gosec // results are for others to read
		return trainingNote{}, err
	}
	if err := e.export(ctx, db, kinds); err != nil {
		return trainingNote{}, err
	}
	note := e.note()
	return note, writeJSON(filepath.Join(e.out, "training.json"), note)
}

// kindsOf reads which class each asset of a run is of, where the run says so.
func kindsOf(run string) (map[asset.ID]string, error) {
	body, err := os.ReadFile(filepath.Join(run, "baselines.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // a run without baselines names no kinds
	}
	var b baselines
	if err == nil {
		err = json.Unmarshal(body, &b)
	}
	if err != nil {
		return nil, fmt.Errorf("baselines of %s: %w", run, err)
	}
	classes, err := class.Shipped()
	if err != nil {
		return nil, err
	}
	out := map[asset.ID]string{}
	for id, l := range b.Assets {
		out[id] = classes.Of(l.Kind).Kind
	}
	return out, nil
}

// export copies the rows of the chosen inputs. An asset that the run knows to be
// of another class is left out.
func (e *trainingExport) export(ctx context.Context, db *sqlite.Store, kinds map[asset.ID]string) error {
	e.units, e.rows = map[string]string{}, map[asset.ID]int{}
	out, err := dataset.NewFeatureWriter(filepath.Join(e.out, "features.parquet"))
	if err != nil {
		return err
	}
	defer out.Discard()
	err = db.EachFrame(ctx, func(f pipeline.Frame) error {
		if kind, known := kinds[f.Asset]; known && kind != e.kind {
			return nil
		}
		return e.frame(out, f)
	})
	if err != nil {
		return err
	}
	for _, in := range e.inputs {
		if _, ok := e.units[in]; !ok {
			return fmt.Errorf("%s has no %s of class %s: see its features.parquet for what there is", e.run, in, e.kind)
		}
	}
	return out.Close()
}

func (e *trainingExport) frame(out *dataset.FeatureWriter, f pipeline.Frame) error {
	for _, v := range f.Vectors {
		for i, field := range v.Fields {
			if !slices.Contains(e.inputs, field.Key()) {
				continue
			}
			e.units[field.Key()] = field.Unit
			e.rows[f.Asset]++
			if e.from.IsZero() {
				e.from = f.Time
			}
			e.to = f.Time
			row := dataset.FeatureRow{
				Time: f.Time, Asset: f.Asset, Channel: field.Channel, Feature: field.Name,
				Value: asset.Number(v.Values[i]), Quality: v.Quality, WindowS: v.WindowS,
			}
			if err := out.Write(row); err != nil {
				return err
			}
		}
	}
	return nil
}

// note marks every fourth asset, from the third on, as held out.
func (e *trainingExport) note() trainingNote {
	n := trainingNote{
		Class: e.kind, Component: e.component, Inputs: e.inputs, Features: features.Version,
		Train: []asset.ID{}, Calibration: []asset.ID{}, From: e.from.UTC(), To: e.to.UTC(),
	}
	for _, in := range e.inputs {
		n.Units = append(n.Units, cmp.Or(e.units[in], "1"))
	}
	for i, id := range sortedKeys(e.rows) {
		if i%4 == 2 {
			n.Calibration = append(n.Calibration, id)
		} else {
			n.Train = append(n.Train, id)
		}
	}
	words := []string{
		"python models/train/train.py --features", filepath.Join(e.out, "features.parquet"), "--class", e.kind,
		"--inputs", strings.Join(n.Inputs, ","), "--units", strings.Join(n.Units, ","),
	}
	if e.component != "" {
		words = append(words, "--component", e.component)
	}
	n.Command = strings.Join(append(words, "--out", filepath.Join(e.out, "model.onnx")), " ")
	return n
}

// sortedKeys are the keys of a map in order.
func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
