//go:build accept

package main

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/dataset"
	"github.com/telltale-iot/telltale/store/sqlite"
)

// result is a run beside the truth of its folder.
type result struct {
	dir    string
	set    *dataset.Set
	labels []dataset.Label
	risks  map[asset.ID][]asset.Risk // in order of time
	alerts []asset.Alert
	rows   map[asset.ID][]time.Time // distinct instants of telemetry, in order
}

type span struct{ from, to time.Time }

func resultOf(t *testing.T, dir, out string) result {
	t.Helper()
	r := result{dir: dir, risks: map[asset.ID][]asset.Risk{}, rows: instantsIn(t, filepath.Join(dir, "telemetry"))}
	var err error
	if r.set, err = dataset.Open(dir); err != nil {
		t.Fatal(err)
	}
	if r.labels, err = dataset.Labels(dir); err != nil {
		t.Fatal(err)
	}
	r.alerts = readLines[asset.Alert](t, filepath.Join(out, "alerts.ndjson"))
	db, err := sqlite.Open(t.Context(), filepath.Join(out, "run.db"), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // it was only read
	if err := db.EachRisk(t.Context(), func(x asset.Risk) error {
		r.risks[x.Asset] = append(r.risks[x.Asset], x)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return r
}

// instantsIn reads the columns time and asset of a folder's Parquet files, which come
// first and second.
func instantsIn(t *testing.T, folder string) map[asset.ID][]time.Time {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(folder, "*.parquet"))
	if err != nil {
		t.Fatal(err)
	}
	out := map[asset.ID][]time.Time{}
	for _, p := range paths {
		times, names := columnOf(t, p, "time"), columnOf(t, p, "asset")
		for i, v := range times {
			id := asset.ID(names[i].String())
			out[id] = append(out[id], time.UnixMicro(v.Int64()).UTC())
		}
	}
	for id, at := range out {
		slices.SortFunc(at, time.Time.Compare)
		out[id] = slices.Compact(at)
	}
	return out
}

// columnOf reads one column without the others.
func columnOf(t *testing.T, path, name string) (values []parquet.Value) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // read only
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	file, err := parquet.OpenFile(f, info.Size())
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	leaf, ok := file.Schema().Lookup(name)
	if !ok {
		t.Fatalf("%s: no column %s", path, name)
	}
	for _, g := range file.RowGroups() {
		pages := g.ColumnChunks()[leaf.ColumnIndex].Pages()
		for {
			page, err := pages.ReadPage()
			if err == io.EOF { //nolint:errorlint // the documented end
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			part := make([]parquet.Value, page.NumValues())
			n, err := page.Values().ReadValues(part)
			if err != nil && err != io.EOF { //nolint:errorlint // the documented end
				t.Fatalf("%s: %v", path, err)
			}
			for _, v := range part[:n] {
				values = append(values, v.Clone())
			}
		}
		if err := pages.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return values
}

// judged is an instant of telemetry with the worst that the components' newest
// verdicts say there.
type judged struct {
	at     time.Time
	faulty bool
	said   asset.Risk // Risk, Anomaly, the views' scores and the smallest RUL; missing before the first verdict
}

// at is what was known of an asset at some instants in order.
func (r result) at(id asset.ID, times []time.Time) []judged {
	newest := map[string]asset.Risk{}
	rows, out := r.risks[id], make([]judged, 0, len(times))
	for _, moment := range times {
		for len(rows) > 0 && !rows[0].Time.After(moment) {
			newest[rows[0].Component] = rows[0]
			rows = rows[1:]
		}
		w := asset.Risk{Risk: asset.Missing(), MLScore: asset.Missing(), PhysicsScore: asset.Missing(), RuleScore: asset.Missing(), RUL: asset.NoRUL()}
		for _, n := range newest {
			w.Anomaly = w.Anomaly || n.Anomaly
			for _, pair := range [][2]*asset.Number{{&w.Risk, &n.Risk}, {&w.MLScore, &n.MLScore}, {&w.PhysicsScore, &n.PhysicsScore}, {&w.RuleScore, &n.RuleScore}} {
				if pair[1].Known() && (!pair[0].Known() || *pair[1] > *pair[0]) {
					*pair[0] = *pair[1]
				}
			}
			if p := n.RUL.P50; p.Known() && (!w.RUL.P50.Known() || p < w.RUL.P50) {
				w.RUL = n.RUL
			}
		}
		out = append(out, judged{at: moment, said: w})
	}
	return out
}
