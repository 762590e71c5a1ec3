package main

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"testing"

	"github.com/telltale-iot/telltale/models"
	"github.com/telltale-iot/telltale/models/oci"
)

// What is put in use is the manifest that the stage names, whatever its number's tag
// names by now.
func TestAMovedNumberDoesNotChangeWhatIsOpened(t *testing.T) {
	f := newGuardedFarm(t)
	dir := t.TempDir()
	repo, err := oci.Open(t.Context(), dir, oci.Options{})
	if err != nil {
		t.Fatal(err)
	}
	v, err := repo.Push(t.Context(), filepath.Join("..", "..", "models", "testdata", "good.onnx"), "ae", models.By{Who: "test"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := repo.Push(t.Context(), filepath.Join("..", "..", "models", "testdata", "good2.onnx"), "ae", models.By{Who: "test"}, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := repo.Promote(t.Context(), v.Ref(), models.Production, 0, "", models.By{Who: "test"}); err != nil {
		t.Fatal(err)
	}
	moveTagIn(t, filepath.Join(dir, "ae"), "2", "1")
	u := *f.w.use
	u.repo = repo
	placed, err := u.placements(t.Context(), f.w.wanted()[0])
	if err != nil || len(placed) != 1 || placed[0].Digest != v.Digest {
		t.Fatalf("placements %+v, %v", placed, err)
	}
	m, err := u.open(t.Context(), placed[0], models.Key{Class: "x", Component: "gearbox"})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Runner.Close() //nolint:errcheck // it was only opened
	if m.Contract.Digest != v.Digest {
		t.Errorf("opened %.12s, %.12s is in production", m.Contract.Digest, v.Digest)
	}
}

// moveTagIn moves a tag of a layout to what another one names, as other tools do.
func moveTagIn(t *testing.T, layout, from, to string) {
	t.Helper()
	path := filepath.Join(layout, "index.json")
	body, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var index struct {
		SchemaVersion int              `json:"schemaVersion"`
		Manifests     []map[string]any `json:"manifests"`
	}
	if err := json.Unmarshal(body, &index); err != nil {
		t.Fatal(err)
	}
	const ref = "org.opencontainers.image.ref.name"
	tagOf := func(m map[string]any) any { a, _ := m["annotations"].(map[string]any); return a[ref] }
	var kept []map[string]any
	for _, m := range index.Manifests {
		if tagOf(m) == to {
			continue
		}
		kept = append(kept, m)
		if tagOf(m) == from {
			again := maps.Clone(m)
			again["annotations"] = map[string]any{ref: to}
			kept = append(kept, again)
		}
	}
	index.Manifests = kept
	if body, err = json.Marshal(index); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, body, 0o600); err != nil {
		t.Fatal(err)
	}
}
