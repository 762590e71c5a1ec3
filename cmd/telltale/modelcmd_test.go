package main

import (
	"path/filepath"
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
