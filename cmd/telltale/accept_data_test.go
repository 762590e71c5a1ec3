//go:build accept

package main

import (
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// dataFolder is a set of the folder that TELLTALE_DATA names.
func dataFolder(t *testing.T, name string) string {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join(cmp.Or(os.Getenv("TELLTALE_DATA"), "no-TELLTALE_DATA"), name))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "dataset.yaml")); err != nil {
		t.Skip("skipped: no data at", dir)
	}
	return dir
}

// TestAcceptData sends recorded machines through the program: it finishes, writes
// its files, repeats itself, looks at nothing later and survives kills.
func TestAcceptData(t *testing.T) {
	for _, tc := range []struct {
		name  string
		only  []string // assets; none: all
		cuts  int
		kills int
		early bool // cut early: a long set
	}{
		{name: "nab", cuts: 3, kills: 5},
		{name: "skab", cuts: 3, kills: 5},
		{name: "wt23", cuts: 3},
		{name: "cmapss", cuts: 3},
		{name: "mfpt", cuts: 3},
		{name: "hit_sm_spectraquest", cuts: 3},
		{name: "femto", only: []string{"bearing2_2", "bearing3_2"}, cuts: 2, early: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := dataFolder(t, tc.name)
			if tc.only != nil {
				dir = partOf(t, dir, tc.only)
			}
			args := shelf(t)
			made(t, shop.program) // is not part of the run
			began := time.Now()
			whole := backtested(t, dir, args...)
			took := time.Since(began)
			s := readSummary(t, whole)
			t.Logf("%v: %d alerts, %d orders, in %v, refused %v\ntruth %s\nablation %s", took.Round(time.Millisecond), s.Alerts, s.Orders, s.In, s.Refused, briefly(string(s.Truth)), briefly(string(s.Ablation)))
			for _, name := range append([]string{"summary.json", "report.html"}, resultFiles...) {
				if _, err := os.Stat(filepath.Join(whole, name)); err != nil {
					t.Error(err)
				}
			}
			if tc.kills > 0 {
				killed(t, dir, whole, took, tc.kills, args...)
			} else {
				sameResults(t, "run twice", whole, backtested(t, dir, args...))
			}
			for _, cut := range cutsOf(t, whole, tc.cuts, tc.early) {
				sameUntil(t, "--to "+stamped(cut), cut, whole, backtested(t, dir, append(args, "--to", stamped(cut))...))
			}
		})
	}
}

// shelf is the model repository that TELLTALE_MODELS names, as arguments.
func shelf(t *testing.T) []string {
	t.Helper()
	repo := os.Getenv("TELLTALE_MODELS")
	if repo == "" {
		return nil
	}
	abs, err := filepath.Abs(repo)
	if err != nil {
		t.Fatal(err)
	}
	return slices.Clip([]string{"--repo", abs})
}

// briefly leaves the cases out of a report.
func briefly(truth string) string {
	head, _, _ := strings.Cut(truth, `"per_asset"`)
	return strings.Join(strings.Fields(head), " ")
}

// cutsOf are random instants that differ from run to run of the test; a failure
// prints them.
func cutsOf(t *testing.T, out string, n int, early bool) []time.Time {
	t.Helper()
	at := cuts(t, out, n, uint64(time.Now().UnixNano()))
	if !early {
		return at
	}
	rows := rowsOf(t, filepath.Join(out, "features.parquet"))
	for i := range at {
		at[i] = rows[len(rows)*(i+1)/10].time.Add(time.Second)
	}
	return at
}

// partOf is a folder with the files of some assets.
func partOf(t *testing.T, dir string, ids []string) string {
	t.Helper()
	part := t.TempDir()
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		name := strings.TrimSuffix(filepath.Base(path), ".parquet")
		if err != nil || strings.HasSuffix(path, ".parquet") && !slices.Contains(ids, name) {
			return err
		}
		if err := os.MkdirAll(filepath.Join(part, filepath.Dir(rel)), 0o755); err != nil {
			return err
		}
		return os.Symlink(path, filepath.Join(part, rel))
	})
	if err != nil {
		t.Fatal(err)
	}
	return part
}
