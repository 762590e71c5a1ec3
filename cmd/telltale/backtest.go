package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/class"
	"github.com/telltale-iot/telltale/dataset"
	"github.com/telltale-iot/telltale/features"
	"github.com/telltale-iot/telltale/pipeline"
	"github.com/telltale-iot/telltale/store"
)

// backtestShards is how many shards a backtest runs: part of its identity, so
// that a run goes on as it began whatever machine it is continued on.
const backtestShards = 2

// backtest is one run of a dataset folder through the stages.
type backtest struct {
	dir, out, config, repo, baseline, onnx string
	models                                 []string
	from, to                               string
	force, quiet                           bool
}

func backtestCommand() *cobra.Command {
	var b backtest
	c := &cobra.Command{
		Use: "backtest DIR --out OUT", Short: "Send recorded data through the very same stages as live data",
		Long: "Reads a dataset folder in event time, as fast as the machine allows, and writes features.parquet,\n" +
			"risks.parquet, alerts.ndjson, workorders.ndjson, summary.json and report.html to OUT.\n" +
			"The same command on an unfinished OUT goes on where it stopped.",
		Example: "  telltale backtest data/femto --out out/femto\n  telltale backtest data/wt23 --out out/wt23 --from 2019-01-20T00:00:00Z --force",
		Args:    exactly("DIR"),
		RunE: func(cmd *cobra.Command, args []string) error {
			b.dir = args[0]
			return b.run(cmd)
		},
	}
	f := c.Flags()
	f.StringVar(&b.out, "out", "", "folder to write to (required)")
	f.StringVarP(&b.config, "config", "c", "", "configuration file: its classes and models are used")
	f.StringVar(&b.repo, "repo", "", "model repository: models and learned parameters in production are used")
	f.StringArrayVar(&b.models, "model", nil, "NAME:VERSION or digest of a model in --repo to use instead; may be repeated")
	f.StringVar(&b.baseline, "baseline", "", "OUT of an earlier run whose learned baselines to start from")
	f.StringVar(&b.from, "from", "", "first event time, RFC 3339")
	f.StringVar(&b.to, "to", "", "last event time, RFC 3339")
	f.StringVar(&b.onnx, "onnxruntime", "", "path of the ONNX Runtime library")
	f.BoolVar(&b.force, "force", false, "overwrite what another run left in OUT")
	f.BoolVarP(&b.quiet, "quiet", "q", false, "no progress")
	return c
}

// run opens everything, lets the flow run to the end of the data and writes the files.
func (b *backtest) run(cmd *cobra.Command) error {
	ctx := cmd.Context()
	if b.out == "" {
		return fmt.Errorf("%w: --out is missing: name the folder to write to", errUsage)
	}
	span, err := b.span()
	if err != nil {
		return err
	}
	set, err := dataset.Open(b.dir)
	if err != nil {
		return err
	}
	w, closeModels, err := b.works(ctx, set)
	if err != nil {
		return err
	}
	defer closeModels()
	if err := w.check(); err != nil {
		return err
	}
	db, resumed, err := b.open(ctx, w)
	if err != nil {
		return err
	}
	defer db.Close() //nolint:errcheck // everything committed is on disk already
	began := time.Now()
	r := &replayRun{w: w, set: set, db: db, span: span, progress: newProgress(cmd.ErrOrStderr(), b.quiet), refused: map[string]int64{}}
	err = r.flow(ctx)
	if ctx.Err() != nil {
		return errors.New("stopped: the same command goes on from here")
	}
	if err != nil {
		return err
	}
	return b.finish(cmd, w, set, db, r, resumed, time.Since(began))
}

func (b *backtest) span() (dataset.ReplayOptions, error) {
	var o dataset.ReplayOptions
	for name, p := range map[string]struct {
		text string
		into *time.Time
	}{"--from": {b.from, &o.From}, "--to": {b.to, &o.To}} {
		if p.text == "" {
			continue
		}
		t, err := time.Parse(time.RFC3339Nano, p.text)
		if err != nil {
			return o, fmt.Errorf("%w: %s %q: want RFC 3339, such as 2026-01-31T06:00:00Z", errUsage, name, p.text)
		}
		*p.into = t
	}
	if !o.From.IsZero() && !o.To.IsZero() && o.To.Before(o.From) {
		return o, fmt.Errorf("%w: --to %s is before --from %s", errUsage, b.to, b.from)
	}
	return o, nil
}

// setFolders are the folders of a dataset that the flow reads.
var setFolders = []string{".", "waveforms", "telemetry", "events"}

// identity says what a run is, so that only the same run goes on in its folder.
func (b *backtest) identity(w *works) (string, error) {
	h := sha256.New()
	err := filepath.WalkDir(b.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(b.dir, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			if !slices.Contains(setFolders, rel) {
				return fs.SkipDir // no part of the set: results may lie here
			}
			return nil
		}
		if filepath.Ext(rel) != ".parquet" {
			return nil // dataset.yaml is in the plates, labels.csv is not read
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		fmt.Fprintf(h, "%s %d\n", rel, info.Size())
		return err
	})
	if err != nil {
		return "", fmt.Errorf("dataset %s: %w", b.dir, err)
	}
	plates, err := json.Marshal(w.plates)
	if err != nil {
		return "", fmt.Errorf("dataset %s: %w", b.dir, err)
	}
	classes, err := json.Marshal(w.classes)
	if err != nil {
		return "", fmt.Errorf("classes: %w", err)
	}
	fmt.Fprintf(h, "%s\n%s\n%s %s %s %d\n%s\n%s\n%s\n", plates, classes, b.from, b.to, features.Version, backtestShards, w.baselines.digest(), w.learned.digest(), w.use.digests())
	return hex.EncodeToString(h.Sum(nil)), nil
}

// open opens OUT's store; resumed is true when it holds the beginning of this run.
func (b *backtest) open(ctx context.Context, w *works) (db store.Store, resumed bool, err error) {
	id, err := b.identity(w)
	if err != nil {
		return nil, false, err
	}
	path := runPath(b.out)
	if b.force {
		for _, suffix := range []string{"", "-wal", "-shm"} {
			if err := os.Remove(path + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return nil, false, err
			}
		}
	}
	if err := os.MkdirAll(b.out, 0o755); err != nil { //nolint:gosec // results are for others to read
		return nil, false, err
	}
	db, err = openFile(ctx, path, w.order)
	if err != nil {
		return nil, false, err
	}
	resumed, err = b.claim(ctx, db, id)
	if err != nil {
		db.Close() //nolint:errcheck,gosec // the first error tells more
		return nil, false, err
	}
	return db, resumed, nil
}

func (b *backtest) claim(ctx context.Context, db store.Store, id string) (resumed bool, err error) {
	have, err := db.Meta(ctx, "run")
	if err != nil {
		return false, err
	}
	finished, err := db.Meta(ctx, "finished")
	if err != nil {
		return false, err
	}
	switch {
	case have == "":
		return false, db.SetMeta(ctx, "run", id)
	case have != id:
		return false, fmt.Errorf("%s holds another run (other data, classes, models or span): use --force to overwrite it, or another --out", b.out)
	case finished != "":
		return false, fmt.Errorf("%s holds this run, finished: use --force to run it again", b.out)
	}
	return true, nil
}

// replayRun is the flow of a backtest.
type replayRun struct {
	w        *works
	set      *dataset.Set
	db       store.Store
	span     dataset.ReplayOptions
	progress *progress
	refused  map[string]int64 // by the files, in this process
}

func (r *replayRun) flow(ctx context.Context) error {
	r.span.Refuse = func(inv *asset.Invalid) { r.refused["refused/"+string(inv.Reason)]++; r.progress.refused(inv) }
	replay, err := r.set.Replay(r.span)
	if err != nil {
		return err
	}
	defer replay.Close()
	low := int64(-1)
	var shards []*pipeline.Shard
	for i := range int32(backtestShards) {
		at, err := r.db.Claim(ctx, i)
		if err != nil {
			return err
		}
		if low < 0 || at.Low < low {
			low = at.Low
		}
		s, err := pipeline.NewShard(i, at.Epoch, at.Next, r.w.plant(), r.w.scorer, func(id asset.ID) (map[string][]byte, error) { return r.db.Parts(ctx, id) })
		if err != nil {
			return err
		}
		shards = append(shards, s)
	}
	if err := replay.SeekTo(low); err != nil {
		return err
	}
	f := pipeline.Flow{Source: replay, Keeper: r.db, Shards: shards, Batch: pipeline.Batch{Span: 24 * time.Hour}, Kept: r.progress.kept}
	err = f.Run(ctx)
	r.progress.done()
	return err
}

// works puts together what the run needs beside its readings.
func (b *backtest) works(ctx context.Context, set *dataset.Set) (*works, func(), error) {
	classes, err := class.Shipped()
	if err != nil {
		return nil, nil, err
	}
	shelf := modelsConfig{ONNXRuntime: b.onnx}
	if b.config != "" {
		conf, err := readPartConfig(b.config)
		if err != nil {
			return nil, nil, err
		}
		if err := conf.addClasses(classes); err != nil {
			return nil, nil, err
		}
		conf.Models.ONNXRuntime = cmp.Or(b.onnx, conf.Models.ONNXRuntime)
		shelf = conf.Models
	}
	w := newWorks(classes, set.Assets)
	if b.baseline != "" {
		if w.baselines, err = readBaselines(b.baseline); err != nil {
			return nil, nil, err
		}
	}
	shelf.Repository = cmp.Or(b.repo, shelf.Repository)
	if err := shelf.there(); err != nil {
		return nil, nil, err
	}
	repo, err := openRepository(ctx, shelf, slog.Default())
	if err != nil {
		return nil, nil, err
	}
	if w.learned, err = useLearned(ctx, repo, w.plates, classes); err != nil {
		return nil, nil, err
	}
	use, err := w.useModels(ctx, inUse{repo: repo, refs: b.models, library: shelf.ONNXRuntime, stages: inProduction, log: slog.Default()})
	if err != nil {
		return nil, nil, err
	}
	return w, use.Close, nil
}
