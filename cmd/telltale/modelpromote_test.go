package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/telltale-iot/telltale/models"
)

// Into production, where another version stands, a version comes by its gates, or
// despite them and with that in the history; the first one, and one asset's own, come
// freely.
func TestPromotionAsksForGates(t *testing.T) {
	repo := t.TempDir()
	model := func(want int, args ...string) string {
		t.Helper()
		code, out, bad := typed(t, append(append([]string{"model"}, args...), "--repo", repo)...)
		if code != want {
			t.Fatalf("model %v: exit %d, want %d: %s", args, code, want, bad)
		}
		return out + bad
	}
	for _, file := range []string{"good", "good2"} {
		model(0, "push", filepath.Join("..", "..", "models", "testdata", file+".onnx"), "--name", "ae")
	}
	model(0, "promote", "ae:1", "production")
	if said := model(1, "promote", "ae:2", "production"); !strings.Contains(said, "ae:1, which is in production (not asked yet)") {
		t.Errorf("refused with %q", said)
	}
	model(1, "promote", "ae:2", "production", "--class", "wind-turbine") // it replaces ae:1 there
	model(0, "pin", "ae:2", "--asset", "wt03")
	model(0, "note", "ae:2", gatesNote, "not passed against ae:1: alarm-rate unknown")
	if said := model(1, "promote", "ae:2", "production"); !strings.Contains(said, "alarm-rate unknown") {
		t.Errorf("refused with %q", said)
	}
	stands := parsed[[]models.Version](t, "model", "list", "ae", "--repo", repo, "--json")
	model(0, "note", "ae:2", gatesNote, passedAgainst(stands[0].Digest))
	model(0, "promote", "ae:2", "production", "--reason", "as good")
	model(0, "promote", "ae:1", "production", "--despite-gates", "--reason", "back at once")
	if said := model(0, "history", "ae"); !strings.Contains(said, "despite the gates: back at once") {
		t.Errorf("history:\n%s", said)
	}
}
