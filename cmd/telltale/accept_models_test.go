//go:build accept

package main

import (
	"encoding/csv"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/pipeline"
	"github.com/telltale-iot/telltale/store"
	"github.com/telltale-iot/telltale/store/sqlite"
)

// trained is a repository with the model of "make train-data" in production.
func trained(t *testing.T, name string) string {
	t.Helper()
	file := filepath.Join("..", "..", "build", "models", name+".onnx")
	if _, err := os.Stat(file); err != nil {
		t.Skipf("skipped: no %s: make train-data makes it", file)
	}
	repo := t.TempDir()
	for _, args := range [][]string{{"push", file, "--name", name}, {"promote", name + ":1", "production"}} {
		if e := telltale(t, append(append([]string{"model"}, args...), "--repo", repo)...); e.code != 0 {
			t.Fatalf("model %v: %s", args, e.stderr)
		}
	}
	return repo
}

// answers are what the model of a run said, in order of time.
func answers(t *testing.T, out, name string) map[asset.ID][]asset.Score {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(out, "run.db"), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // it was only read
	said := map[asset.ID][]asset.Score{}
	err = db.EachScore(t.Context(), store.ScoreFilter{}, func(s asset.Score) error {
		if of, _, _ := strings.Cut(s.Model, ":"); of == name && s.Score.Known() {
			said[s.Asset] = append(said[s.Asset], s)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return said
}

// sheet reads a CSV file into rows by column.
func sheet(t *testing.T, path string) (rows []map[string]string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // read only
	all, err := csv.NewReader(f).ReadAll()
	if err != nil || len(all) < 2 {
		t.Fatalf("%s: %v", path, err)
	}
	for _, line := range all[1:] {
		row := map[string]string{}
		for i, name := range all[0] {
			row[name] = line[i]
		}
		rows = append(rows, row)
	}
	return rows
}

func when(t *testing.T, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339Nano, strings.Replace(text, " ", "T", 1))
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// The LSTMs with boosted trees for remaining life, which learned from engines 001 to 080, at the instants
// of eval.csv on engines 081 to 100: lives are capped at 125, and one that it has not
// enough rows for is taken as the cap.
func TestAcceptModelFiguresRUL(t *testing.T) {
	dir := dataFolder(t, "cmapss")
	said := answers(t, backtested(t, dir, "--repo", trained(t, "turbofan-rul")), "turbofan-rul")
	ends := map[string]time.Time{}
	for _, l := range sheet(t, filepath.Join(dir, "labels.csv")) {
		if l["kind"] == "failure" {
			ends[l["asset"]] = when(t, l["end"])
		}
	}
	held := regexp.MustCompile(`^fd001-train-(08[1-9]|09[0-9]|100)$`)
	sum, n, silent := 0.0, 0, 0
	for _, row := range sheet(t, filepath.Join(dir, "eval.csv")) {
		if !held.MatchString(row["asset"]) {
			continue
		}
		at, answer, heard := when(t, row["time"]), 125.0, false
		for _, s := range said[asset.ID(row["asset"])] {
			if !s.Time.After(at) {
				answer, heard = math.Min(125, -float64(s.Score)), true
			}
		}
		if !heard {
			silent++
		}
		e := answer - math.Min(125, ends[row["asset"]].Sub(at).Hours())
		sum, n = sum+e*e, n+1
	}
	rmse := math.Sqrt(sum / float64(n))
	t.Logf("C-MAPSS FD001, engines 081 to 100, by the model alone: RMSE %.2f h at %d instants, %d of them before its first answer", rmse, n, silent)
	if n < 50 || !(rmse <= 12.5) {
		t.Errorf("RMSE %.2f h at %d instants, want at most 12.5", rmse, n)
	}
}

// The detector for rigs, which learned from the record without a fault and from each
// asset's learning span, by its own verdict at every instant of the records of valve 1.
func TestAcceptModelFiguresRig(t *testing.T) {
	dir := dataFolder(t, "skab")
	out := backtested(t, dir, "--repo", trained(t, "rig-detector"))
	said := answers(t, out, "rig-detector")
	type span struct{ from, to time.Time }
	faults := map[asset.ID][]span{}
	for _, l := range sheet(t, filepath.Join(dir, "labels.csv")) {
		if l["kind"] == "fault" {
			faults[asset.ID(l["asset"])] = append(faults[asset.ID(l["asset"])], span{when(t, l["start"]), when(t, l["end"])})
		}
	}
	var tp, fp, fn, tn float64
	for id, at := range instantsOf(t, out) {
		if !strings.HasPrefix(string(id), "valve1-") {
			continue
		}
		abnormal := map[int64]bool{}
		for _, s := range said[id] {
			abnormal[s.Time.UnixNano()] = s.Abnormal
		}
		for _, moment := range at {
			faulty := false
			for _, f := range faults[id] {
				faulty = faulty || !moment.Before(f.from) && !moment.After(f.to)
			}
			switch called := abnormal[moment.UnixNano()]; {
			case called && faulty:
				tp++
			case called:
				fp++
			case faulty:
				fn++
			default:
				tn++
			}
		}
	}
	f1 := 2 * tp / (2*tp + fp + fn)
	t.Logf("SKAB valve1, by the model alone: pooled F1 %.3f, FAR %.1f %%, MAR %.1f %% at %.0f instants", f1, 100*fp/(fp+tn), 100*fn/(fn+tp), tp+fp+fn+tn)
	if !(f1 > 0.79) {
		t.Errorf("F1 %.3f, want more than 0.79, which PCA reaches", f1)
	}
}

// instantsOf are the instants of an asset's telemetry, learning included.
func instantsOf(t *testing.T, out string) map[asset.ID][]time.Time {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(out, "run.db"), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // it was only read
	all := map[asset.ID][]time.Time{}
	if err := db.EachFrame(t.Context(), func(f pipeline.Frame) error {
		all[f.Asset] = append(all[f.Asset], f.Time)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return all
}
