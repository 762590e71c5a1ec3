package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"

	"github.com/telltale-iot/telltale/asset"
)

func TestAcceptNoRowDependsOnLaterInput(t *testing.T) {
	farm, whole := made(t, shop.farm), made(t, shop.whole)
	for _, cut := range cuts(t, whole, 2, 11) {
		sameUntil(t, "--to "+stamped(cut), cut, whole, backtested(t, farm, "--to", stamped(cut)))
	}
}

func TestAcceptAFolderThatEndsEarlier(t *testing.T) {
	farm, whole := made(t, shop.farm), made(t, shop.whole)
	cut := cuts(t, whole, 1, 12)[0]
	dir := t.TempDir()
	copied(t, filepath.Join(farm, "dataset.yaml"), filepath.Join(dir, "dataset.yaml")) // and not labels.csv: the truth is not read
	for _, folder := range []string{"telemetry", "waveforms"} {
		paths, err := filepath.Glob(filepath.Join(farm, folder, "*.parquet"))
		if err != nil || len(paths) == 0 {
			t.Fatalf("%s: %v, %v", folder, paths, err)
		}
		for _, p := range paths {
			keepUntil(t, p, filepath.Join(dir, folder, filepath.Base(p)), cut)
		}
	}
	sameUntil(t, "a folder that ends at "+stamped(cut), cut, whole, backtested(t, dir))
}

func stamped(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// cuts are instants within a run, some on a row of it and some between two.
func cuts(t *testing.T, out string, n int, seed uint64) []time.Time {
	t.Helper()
	rows := rowsOf(t, filepath.Join(out, "features.parquet"))
	rng := rand.New(rand.NewPCG(seed, 2))
	var at []time.Time
	for i := range n {
		cut := rows[len(rows)/5+rng.IntN(len(rows)*3/5)].time
		if i%2 == 1 {
			cut = cut.Add(time.Duration(rng.Int64N(int64(time.Hour)))).Truncate(time.Microsecond)
		}
		at = append(at, cut)
	}
	return at
}

// rowBytes is a row of a Parquet file, with every bit of it.
type rowBytes struct {
	time time.Time
	text string
}

// rowsOf reads every row of a Parquet file whose first column is its time.
func rowsOf(t *testing.T, path string) []rowBytes {
	t.Helper()
	var out []rowBytes
	var key []byte
	eachRow(t, path, func(r parquet.Row) {
		key = key[:0]
		for _, v := range r {
			key = v.AppendBytes(append(key, byte(v.Column()), byte(v.RepetitionLevel()), byte(v.DefinitionLevel())))
		}
		out = append(out, rowBytes{time.UnixMicro(r[0].Int64()).UTC(), string(key)})
	})
	return out
}

func eachRow(t *testing.T, path string, f func(parquet.Row)) *parquet.Schema {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() }) //nolint:errcheck // read only
	r := parquet.NewReader(file)
	defer r.Close() //nolint:errcheck // read only
	rows := make([]parquet.Row, 512)
	for {
		n, err := r.ReadRows(rows)
		for _, row := range rows[:n] {
			f(row)
		}
		if errors.Is(err, io.EOF) {
			return r.Schema()
		}
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
	}
}

// keepUntil copies the rows of a Parquet file that begin by cut.
func keepUntil(t *testing.T, from, to string, cut time.Time) {
	t.Helper()
	var kept []parquet.Row
	schema := eachRow(t, from, func(r parquet.Row) {
		if r[0].Int64() <= cut.UnixMicro() {
			kept = append(kept, r.Clone())
		}
	})
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(to)
	if err != nil {
		t.Fatal(err)
	}
	w := parquet.NewGenericWriter[any](f, schema)
	_, err = w.WriteRows(kept)
	if err := errors.Join(err, w.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
}

// sameUntil wants everything that a run said up to an instant from another run,
// which saw nothing later.
func sameUntil(t *testing.T, what string, cut time.Time, whole, part string) {
	t.Helper()
	for _, name := range []string{"features.parquet", "risks.parquet"} {
		a := until(cut, rowsOf(t, filepath.Join(whole, name)))
		b := until(cut, rowsOf(t, filepath.Join(part, name)))
		if len(a) == 0 && name == "features.parquet" {
			t.Errorf("%s: no features until then", what)
		}
		for i := range min(len(a), len(b)) {
			if a[i] != b[i] {
				t.Errorf("%s: %s differs in row %d\nwhole: %q\npart:  %q", what, name, i, a[i].text, b[i].text)
				break
			}
		}
		if len(a) != len(b) {
			t.Errorf("%s: %s has %d rows until then, %d when the input ends there", what, name, len(a), len(b))
		}
	}
	if a, b := episodes(t, whole, cut), episodes(t, part, cut); !bytes.Equal(a, b) {
		t.Errorf("%s: alerts differ\nwhole: %s\npart:  %s", what, a, b)
	}
}

func until(cut time.Time, rows []rowBytes) []rowBytes {
	var out []rowBytes
	for _, r := range rows {
		if !r.time.After(cut) {
			out = append(out, r)
		}
	}
	return out
}

// episodes are the alerts of a run as they stood at an instant.
func episodes(t *testing.T, out string, at time.Time) []byte {
	t.Helper()
	var kept bytes.Buffer
	for _, a := range readLines[asset.Alert](t, filepath.Join(out, "alerts.ndjson")) {
		if a.Opened.After(at) {
			continue
		}
		if a.Cleared != nil && a.Cleared.After(at) {
			a.Cleared = nil
		}
		a.Changed = a.Opened
		var known []asset.Change
		for _, c := range a.Changes {
			if !c.Time.After(at) {
				known = append(known, c)
				a.Changed = c.Time
			}
		}
		a.Changes = known
		body, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		kept.Write(append(body, '\n'))
	}
	return kept.Bytes()
}

func readLines[T any](t *testing.T, path string) []T {
	t.Helper()
	var out []T
	dec := json.NewDecoder(bytes.NewReader(bytesOf(t, path)))
	for {
		var v T
		err := dec.Decode(&v)
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		out = append(out, v)
	}
}

func copied(t *testing.T, from, to string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, bytesOf(t, from), 0o644); err != nil {
		t.Fatal(err)
	}
}
