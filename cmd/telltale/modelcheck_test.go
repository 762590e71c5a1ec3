package main

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/telltale-iot/telltale/models/onnx"
)

// bad is a file of the corpus of bad models.
func bad(name string) string {
	return filepath.Join("..", "..", "models", "testdata", "bad", name+".onnx")
}

func TestModelCheckNamesEverythingOnALineOfItsOwn(t *testing.T) {
	if _, _, err := onnx.Library(""); err != nil {
		t.Skip(err)
	}
	code, out, said := typed(t, "model", "check", bad("modes-unknown"))
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if code != 1 || len(lines) != 2 || !strings.HasPrefix(lines[0], `metadata pdm.modes names "wobble"`) || !strings.HasPrefix(lines[1], "probe answers") {
		t.Errorf("exit %d, said %q:\n%s", code, said, out)
	}
	if !slices.IsSorted(lines) || strings.Count(said, "\n") != 1 || !strings.Contains(said, "2 finding(s)") {
		t.Errorf("not sorted, or not counted in one line: %q %q", lines, said)
	}
	if code, out, said := typed(t, "model", "check", filepath.Join("..", "..", "models", "testdata", "good.onnx"), "--period", "300"); code != 1 || !strings.Contains(out, "sampling period is 300 s") {
		t.Errorf("another period: exit %d %q: %s", code, said, out)
	}
	if code, _, said := typed(t, "model", "check", "none.onnx"); code != 1 || !strings.Contains(said, "none.onnx") {
		t.Errorf("no such file: exit %d %q", code, said)
	}
}

func TestShippedModelsPassTheirCheck(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("shipped", "*.onnx"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, f := range files {
		got := parsed[checked](t, "model", "check", f, "--json")
		if len(got.Findings) != 0 || got.Contract.Name == "" || got.File != f {
			t.Errorf("%s: %+v", f, got)
		}
	}
}

// A stored version is checked the same way.
func TestModelCheckOfAVersion(t *testing.T) {
	repo := t.TempDir()
	if code, out, said := typed(t, "model", "push", filepath.Join("..", "..", "models", "testdata", "good.onnx"), "--repo", repo); code != 0 {
		t.Fatalf("push: exit %d %s%s", code, out, said)
	}
	got := parsed[checked](t, "model", "check", "gearbox-lstm-ae:1", "--repo", repo, "--json")
	if got.Version == nil || got.Version.Version != "1" || len(got.Findings) != 0 {
		t.Errorf("got %+v", got)
	}
}
