package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/dataset"
	"github.com/telltale-iot/telltale/pipeline"
	"github.com/telltale-iot/telltale/store"
	"github.com/telltale-iot/telltale/workorders"
)

// finish writes the files of a run from its store and marks it as finished.
func (b *backtest) finish(cmd *cobra.Command, w *works, set *dataset.Set, db store.Store, r *replayRun, resumed bool, took time.Duration) error {
	ctx := cmd.Context()
	if err := exportFeatures(ctx, db, filepath.Join(b.out, "features.parquet")); err != nil {
		return err
	}
	if err := exportRisks(ctx, db, filepath.Join(b.out, "risks.parquet")); err != nil {
		return err
	}
	alerts, err := db.Alerts(ctx, store.AlertFilter{})
	if err != nil {
		return err
	}
	slices.SortFunc(alerts, func(x, y asset.Alert) int {
		return compare(x.Opened, y.Opened, x.Asset, y.Asset, x.Component, y.Component)
	})
	list := listAlerts(alerts)
	if err := writeLines(filepath.Join(b.out, "alerts.ndjson"), alerts); err != nil {
		return err
	}
	orders, err := db.Orders(ctx, store.OrderFilter{})
	if err != nil {
		return err
	}
	planned := make([]plannedOrder, len(orders))
	for i, o := range orders {
		if why, held := list.covers(o); held {
			if held, err := workorders.Park(o, why); err == nil {
				o = held
			}
		}
		planned[i] = plannedOrder{o.ID, o.Alert, o.Asset, o.Component, o.Mode, o.Priority, o.Title, o.Text, o.Activity, o.Window, o.RequiredEnd, o.Key, string(o.Status), o.Problem, o.Created}
	}
	slices.SortFunc(planned, func(x, y plannedOrder) int {
		return compare(x.Created, y.Created, x.Asset, y.Asset, x.Component, y.Component)
	})
	if err := writeLines(filepath.Join(b.out, "workorders.ndjson"), planned); err != nil {
		return err
	}
	if err := b.writeLearned(ctx, w, db); err != nil {
		return err
	}
	if resumed {
		if err := r.recount(ctx); err != nil {
			return err
		}
	}
	s, err := summarize(ctx, summaryInput{w: w, set: set, db: db, dir: b.dir, refused: r.refused, alerts: alerts, orders: len(orders), list: list, took: took, resumed: resumed})
	if err != nil {
		return err
	}
	if err := writeJSON(filepath.Join(b.out, "summary.json"), s); err != nil {
		return err
	}
	if err := writeReport(ctx, filepath.Join(b.out, "report.html"), s, db, w, alerts, planned); err != nil {
		return err
	}
	if err := db.SetMeta(ctx, "finished", "yes"); err != nil {
		return err
	}
	s.print(cmd.OutOrStdout(), b.out)
	return nil
}

// writeLearned writes what was learned, and what its limits cost.
func (b *backtest) writeLearned(ctx context.Context, w *works, db store.Store) error {
	learnt, err := collectBaselines(ctx, w, db)
	if err != nil {
		return err
	}
	if err := writeJSON(filepath.Join(b.out, "baselines.json"), learnt); err != nil {
		return err
	}
	return writeLines(filepath.Join(b.out, "false_alarms.ndjson"), learnt.budgets)
}

// plannedOrder is a line of workorders.ndjson.
type plannedOrder struct {
	ID          string              `json:"id"`
	Alert       string              `json:"alert"`
	Asset       asset.ID            `json:"asset"`
	Component   string              `json:"component"`
	Mode        asset.Mode          `json:"mode"`
	Priority    int                 `json:"priority"`
	Title       string              `json:"title"`
	Text        string              `json:"text"`
	Activity    workorders.Activity `json:"activity"`
	Window      *workorders.Window  `json:"window"` // null where the class declares no costs
	RequiredEnd time.Time           `json:"required_end"`
	Key         string              `json:"key"`
	Status      string              `json:"status"`
	Problem     string              `json:"problem,omitempty"` // why it is parked
	Created     time.Time           `json:"created"`
}

// compare orders by time, then asset, then component.
func compare(a, b time.Time, x, y asset.ID, c, d string) int {
	if n := a.Compare(b); n != 0 {
		return n
	}
	if n := strings.Compare(string(x), string(y)); n != 0 {
		return n
	}
	return strings.Compare(c, d)
}

func exportFeatures(ctx context.Context, db store.Store, path string) error {
	out, err := dataset.NewFeatureWriter(path)
	if err != nil {
		return err
	}
	defer out.Discard()
	err = db.EachFrame(ctx, func(f pipeline.Frame) error {
		for _, v := range f.Vectors {
			for i, field := range v.Fields {
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
	})
	if err != nil {
		return err
	}
	return out.Close()
}

func exportRisks(ctx context.Context, db store.Store, path string) error {
	out, err := dataset.NewRiskWriter(path)
	if err != nil {
		return err
	}
	defer out.Discard()
	if err := db.EachRisk(ctx, out.Write); err != nil {
		return err
	}
	return out.Close()
}

// writeLines writes one JSON object a line and renames the file into place.
func writeLines[T any](path string, rows []T) error {
	return replace(path, func(f *bufio.Writer) error {
		enc := json.NewEncoder(f)
		enc.SetEscapeHTML(false)
		for _, r := range rows {
			if err := enc.Encode(r); err != nil {
				return err
			}
		}
		return nil
	})
}

func writeJSON(path string, v any) error {
	return replace(path, func(f *bufio.Writer) error {
		enc := json.NewEncoder(f)
		enc.SetIndent("", "  ")
		enc.SetEscapeHTML(false)
		return enc.Encode(v)
	})
}

// replace writes a file beside the one it replaces, flushes and renames it.
func replace(path string, write func(*bufio.Writer) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) //nolint:errcheck // gone after the rename
	b := bufio.NewWriter(f)
	err = write(b)
	if err == nil {
		err = b.Flush()
	}
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Chmod(f.Name(), 0o644) //nolint:gosec // results are for others to read
	}
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// recount walks the files once more for what they refused: a run that was
// continued heard of some of it in an earlier life.
func (r *replayRun) recount(ctx context.Context) error {
	clear(r.refused)
	replay, err := r.set.Replay(dataset.ReplayOptions{From: r.span.From, To: r.span.To, Refuse: func(inv *asset.Invalid) { r.refused["refused/"+string(inv.Reason)]++ }})
	if err != nil {
		return err
	}
	defer replay.Close()
	for {
		if _, _, err := replay.Next(ctx); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}
