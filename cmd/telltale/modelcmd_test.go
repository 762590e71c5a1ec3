package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/telltale-iot/telltale/models"
)

func TestModelLife(t *testing.T) {
	repo := t.TempDir()
	file := filepath.Join("..", "..", "models", "testdata", "good.onnx")
	v := parsed[models.Version](t, "model", "push", file, "--repo", repo, "--json")
	if v.Stage != models.Staging || v.Version != "1" {
		t.Fatalf("pushed: %+v", v)
	}
	again := parsed[models.Version](t, "model", "push", file, "--repo", repo, "--json")
	if again.Digest != v.Digest || again.Version != v.Version {
		t.Errorf("the same file again: %+v, want %+v", again, v)
	}
	for _, step := range []struct {
		args []string
		want models.Stage
	}{
		{[]string{"shadow", v.Ref()}, models.Shadow},
		{[]string{"canary", v.Ref(), "--share", "0.25"}, models.Canary},
		{[]string{"promote", v.Ref(), "production"}, models.Production},
	} {
		got := parsed[models.Version](t, append(append([]string{"model"}, step.args...), "--repo", repo, "--json")...)
		if got.Stage != step.want {
			t.Errorf("%q: stage %s, want %s", step.args, got.Stage, step.want)
		}
	}
	noted := parsed[models.Version](t, "model", "annotate", v.Ref(), "approved", "yes", "--repo", repo, "--json")
	if noted.Notes["approved"] != "yes" {
		t.Errorf("notes %v", noted.Notes)
	}
	if list := parsed[[]models.Version](t, "model", "list", "--repo", repo, "--json"); len(list) != 1 {
		t.Errorf("%d versions, want 1", len(list))
	}
	if shown := parsed[shownModel](t, "model", "show", v.Digest[:8], "--repo", repo, "--json"); shown.Contract == nil || len(shown.Contract.Features) == 0 {
		t.Errorf("shown without its contract: %+v", shown)
	}
	bad := filepath.Join("..", "..", "models", "testdata", "missing-key.onnx")
	if code, _, said := typed(t, "model", "push", bad, "--repo", repo); code != 1 || said == "" {
		t.Errorf("push of a file without its metadata: exit %d %q, want 1 and why", code, said)
	}
	if code, out, bad := typed(t, "model", "show", v.Ref(), "--repo", repo); code != 0 {
		t.Errorf("show: exit %d: %s%s", code, out, bad)
	}
}

func TestExportTrainingMarksHeldOutAssets(t *testing.T) {
	whole := made(t, shop.whole)
	dir := filepath.Join(t.TempDir(), "train")
	in := "gearbox_oil_temperature/residual_z"
	note := parsed[trainingNote](t, "model", "export-training", whole, "--out", dir, "--class", "wind-turbine", "--component", "gearbox", "--inputs", in, "--json")
	if len(note.Train) != 2 || len(note.Calibration) != 1 || slices.Contains(note.Train, note.Calibration[0]) {
		t.Errorf("train %v, calibration %v; want 2 and another", note.Train, note.Calibration)
	}
	if info, err := os.Stat(filepath.Join(dir, "features.parquet")); err != nil || info.Size() == 0 {
		t.Errorf("features.parquet: %v", err)
	}
	body, err := os.ReadFile(filepath.Join(dir, "training.json"))
	var kept trainingNote
	if err == nil {
		err = json.Unmarshal(body, &kept)
	}
	if err != nil || kept.Command == "" {
		t.Errorf("training.json: %v in %s", err, body)
	}
	if code, _, bad := typed(t, "model", "export-training", whole, "--out", dir, "--class", "wind-turbine", "--inputs", "no/such"); code != 1 {
		t.Errorf("unknown input: exit %d %s, want 1", code, bad)
	}
}
