//go:build accept

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/store"
	"github.com/telltale-iot/telltale/store/sqlite"
)

// again is a model file with one more line of metadata: another digest, the same
// answers. (ModelProto.metadata_props is field 14; what is appended is merged.)
func again(file []byte, note string) []byte {
	entry := append([]byte{0x0a, 8}, "pdm.note"...)
	entry = append(append(entry, 0x12, byte(len(note))), note...)
	return append(append(bytes.Clone(file), 0x72, byte(len(entry))), entry...)
}

// stage moves a version by the API of a running demo.
func (r *running) stage(name, body string) error {
	answer, err := http.Post(r.url+"/api/v1/models/"+name+"/stage", "application/json", strings.NewReader(body))
	if err != nil {
		return err
	}
	defer answer.Body.Close() //nolint:errcheck // read to its end
	text, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", answer.Status, text)
	}
	return err
}

// Versions are swapped while a farm is being scored, by API, by command line and by
// moving a tag: every sequence has one answer that counts, of one version, and none
// is missing.
func TestAcceptSwapsUnderLoad(t *testing.T) {
	const name = "drivetrain-lstm"
	data := t.TempDir()
	r := startDemo(t, data)
	repo := filepath.Join(data, "models")
	file := filepath.Join(t.TempDir(), "again.onnx")
	shipped, err := os.ReadFile(filepath.Join("shipped", name+".onnx"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, again(shipped, "the same weights"), 0o600); err != nil {
		t.Fatal(err)
	}
	cli := func(args ...string) ended {
		t.Helper()
		e := telltale(t, append(append([]string{"model"}, args...), "--repo", repo)...)
		if e.code != 0 {
			t.Fatalf("model %v: exit %d: %s", args, e.code, e.stderr)
		}
		return e
	}
	cli("push", file, "--name", name)
	cli("shadow", name+":2", "--reason", "beside production")
	time.Sleep(3 * time.Second)
	for k := range 12 {
		switch to := 2 - k%2; k % 3 {
		case 0:
			if err := r.stage(name, fmt.Sprintf(`{"version":"%d","stage":"production","reason":"swap %d","despite":true}`, to, k)); err != nil {
				t.Fatal(err)
			}
		case 1:
			cli("promote", fmt.Sprintf("%s:%d", name, to), "production", "--despite-gates", "--reason", "swap")
		case 2: // as any tool would that knows OCI layouts
			retag(t, filepath.Join(repo, name), fmt.Sprint(to))
		}
		time.Sleep(2500 * time.Millisecond)
	}
	if err := r.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := r.cmd.Wait(); err != nil {
		t.Fatalf("%v: %s", err, r.said)
	}
	judgeSwaps(t, storePath(data), name)
}

// retag points the tag of production at another version in the layout's index.
func retag(t *testing.T, layout, version string) {
	t.Helper()
	path := filepath.Join(layout, "index.json")
	var index map[string]any
	if err := json.Unmarshal(bytesOf(t, path), &index); err != nil {
		t.Fatal(err)
	}
	const ref = "org.opencontainers.image.ref.name"
	var target map[string]any
	kept := []any{}
	for _, m := range index["manifests"].([]any) {
		entry := m.(map[string]any)
		notes, _ := entry["annotations"].(map[string]any)
		if notes[ref] == version {
			target = entry
		}
		if notes[ref] != "production" {
			kept = append(kept, entry)
		}
	}
	body, err := json.Marshal(target)
	if err != nil || target == nil {
		t.Fatalf("version %s is not in %s: %v", version, path, err)
	}
	var moved map[string]any
	if err := json.Unmarshal(body, &moved); err != nil {
		t.Fatal(err)
	}
	moved["annotations"].(map[string]any)[ref] = "production"
	index["manifests"] = append(kept, moved)
	if body, err = json.Marshal(index); err == nil {
		err = os.WriteFile(path+".new", body, 0o600)
	}
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// judgeSwaps reads from the store what was scored: for each turbine every ten minutes
// once, by one version.
func judgeSwaps(t *testing.T, path, name string) {
	t.Helper()
	db, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // it was only read
	times := map[asset.ID][]time.Time{}
	served, spoke, turns := map[string]int{}, map[asset.ID]string{}, 0
	err = db.EachScore(t.Context(), store.ScoreFilter{}, func(s asset.Score) error {
		if of, _, _ := strings.Cut(s.Model, ":"); of != name || !s.Serves {
			return nil
		}
		times[s.Asset] = append(times[s.Asset], s.Time)
		served[s.Model]++
		if before := spoke[s.Asset]; before != "" && before != s.Model {
			turns++
		}
		spoke[s.Asset] = s.Model
		if s.Reason != "" && s.Reason != "input-missing" {
			t.Errorf("%s at %s by %s: %s", s.Asset, s.Time, s.Model, s.Reason)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(times) != 12 || len(served) != 2 || turns < 12*6 {
		t.Errorf("%d turbines were scored by %v, which took turns %d times: want 12 turbines and two versions that do at least 72 times", len(times), served, turns)
	}
	for id, at := range times {
		steps := map[time.Duration]int{}
		for i := range at[1:] {
			steps[at[i+1].Sub(at[i])]++
		}
		if len(at) < 100 || steps[10*time.Minute] != len(at)-1 {
			var odd []string
			for d, n := range steps {
				odd = append(odd, fmt.Sprintf("%v: %d", d, n))
			}
			slices.Sort(odd)
			t.Errorf("%s: %d scores, apart by %v: want one every ten minutes", id, len(at), odd)
		}
	}
}
