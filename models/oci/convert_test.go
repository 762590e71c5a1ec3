package oci

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/models"
)

// older is a folder as an earlier build left it: testdata/format-1.json is its
// index, made by that build.
func older(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	index, err := os.ReadFile(filepath.Join("testdata", "format-1.json"))
	if err != nil {
		t.Fatal(err)
	}
	write := func(path string, body []byte) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, body, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(filepath.Join(dir, "index.json"), index)
	files := [][]byte{[]byte(`{"without":"e 01"}`), []byte(`{"all":1}`), []byte(`{"all":2}`)}
	for _, name := range []string{"good", "good2", "forecaster", "mahalanobis", "rul"} {
		b, err := os.ReadFile(file(name))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, b)
	}
	for _, b := range files {
		sum := sha256.Sum256(b)
		write(filepath.Join(dir, "blobs", hex.EncodeToString(sum[:])), b)
	}
	return dir
}

func TestAnOlderFolderIsConverted(t *testing.T) {
	dir := older(t)
	var said bytes.Buffer
	r, err := Open(t.Context(), dir, Options{Now: clock(), Log: slog.New(slog.NewTextHandler(&said, nil))})
	if err != nil {
		t.Fatal(err)
	}
	if s := said.String(); strings.Count(s, "\n") != 1 || !strings.Contains(s, "versions=8 left_behind=0") {
		t.Errorf("said %s", s)
	}
	all, err := r.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, v := range all {
		line := v.Ref() + " " + string(v.Stage)
		for _, p := range v.Places {
			line += ", " + p.String()
		}
		got = append(got, line)
	}
	want := []string{
		ae + ":1 archived", ae + ":2 production, production", ae + ":3 canary, canary 5 %", ae + ":4 candidate",
		"learned/turbofan:1 archived", "learned/turbofan:2 production, production", "learned/turbofan:3 production, production for asset e 01",
		"turbofan-rul:1 candidate",
	}
	if g, w := strings.Join(got, "\n"), strings.Join(want, "\n"); g != w {
		t.Errorf("converted to\n%s\nwant\n%s", g, w)
	}
	v := all[1]
	if v.Notes["approved"] != "by the engineer" || v.Pushed.Format("15:04") != "00:03" || v.Lineage.Licence != "Apache-2.0" || len(v.History) != 5 || v.History[1].To != models.Production || v.History[1].Outside {
		t.Errorf("version 2: %+v", v)
	}
	for of, want := range map[string]string{"e 01": `{"without":"e 01"}`, "e 02": `{"all":2}`} {
		if _, body, err := r.Params(t.Context(), "learned", "turbofan", asset.ID(of)); err != nil || string(body) != want {
			t.Errorf("Params(%s) = %s, %v", of, body, err)
		}
	}
	if v, err := r.Rollback(t.Context(), ae, "", by); err != nil || v.Version != "1" { // not 4, which had failed
		t.Errorf("Rollback = %s, %v; want version 1", v.Version, err)
	}
	said.Reset()
	if _, err := Open(t.Context(), dir, Options{Log: slog.New(slog.NewTextHandler(&said, nil))}); err != nil || said.Len() > 0 {
		t.Errorf("opened again: %v, said %s", err, said.String())
	}
}

// TestAConversionThatWasStoppedGoesOn begins with half of it done.
func TestAConversionThatWasStoppedGoesOn(t *testing.T) {
	dir := older(t)
	index, err := os.ReadFile(filepath.Join(dir, "index.json"))
	if err != nil {
		t.Fatal(err)
	}
	once, err := Open(t.Context(), dir, Options{Now: clock()})
	if err != nil {
		t.Fatal(err)
	}
	before, err := once.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "index.json"), index, 0o600); err != nil { // the last step did not happen
		t.Fatal(err)
	}
	again, err := Open(t.Context(), dir, Options{Now: clock()})
	if err != nil {
		t.Fatal(err)
	}
	after, err := again.List(t.Context())
	if err != nil || len(after) != len(before) {
		t.Fatalf("%d versions, %v; want %d", len(after), err, len(before))
	}
	for i := range after {
		if len(after[i].History) != len(before[i].History) || after[i].Manifest != before[i].Manifest {
			t.Errorf("%s became %+v, was %+v", before[i].Ref(), after[i], before[i])
		}
	}
}

func TestWhatCannotBeConvertedIsSaid(t *testing.T) {
	dir := older(t)
	b, err := os.ReadFile(file("good"))
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(b)
	if err := os.WriteFile(filepath.Join(dir, "blobs", hex.EncodeToString(sum[:])), []byte("gone"), 0o600); err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	r, err := Open(t.Context(), dir, Options{Now: clock(), Log: slog.New(slog.NewTextHandler(&said, nil))})
	if err != nil {
		t.Fatal(err)
	}
	if s := said.String(); !strings.Contains(s, "model="+ae+":1") || !strings.Contains(s, "versions=7 left_behind=1") {
		t.Errorf("said %s", s)
	}
	if all, err := r.List(t.Context()); err != nil || len(all) != 7 {
		t.Errorf("%d versions, %v; want 7", len(all), err)
	}
	other := t.TempDir()
	if err := os.WriteFile(filepath.Join(other, "index.json"), []byte(`{"format":2}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), other, Options{}); err == nil || !strings.Contains(err.Error(), "format 2") {
		t.Errorf("format 2: %v", err)
	}
}
