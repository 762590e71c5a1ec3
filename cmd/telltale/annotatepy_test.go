package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/telltale-iot/telltale/models"
)

// python is an interpreter that has onnx and numpy: TELLTALE_PYTHON, that of the
// training environment, or the system's.
func python(t *testing.T) string {
	t.Helper()
	for _, p := range []string{os.Getenv("TELLTALE_PYTHON"), filepath.Join("..", "..", "build", "venv-train", "bin", "python"), "python3"} {
		if p != "" && exec.CommandContext(t.Context(), p, "-c", "import onnx, numpy").Run() == nil {
			return p
		}
	}
	t.Skip("no Python with onnx and numpy: set TELLTALE_PYTHON")
	return ""
}

// metadata are a file's keys of the contract.
func metadata(t *testing.T, path string) map[string]string {
	t.Helper()
	body, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	meta, err := models.Metadata(body)
	if err != nil {
		t.Fatal(err)
	}
	return meta
}

// The Python script and the command write the same contract.
func TestAcceptAnnotatePyWritesTheSame(t *testing.T) {
	py := python(t)
	script := filepath.Join("..", "..", "models", "train", "annotate.py")
	for name, tc := range map[string]struct {
		steps int
		more  map[string]any
	}{
		"plain":    {6, nil},
		"stateful": {4, map[string]any{"window": 4, "state": map[string]any{"inputs": []string{"h0", "c0"}, "outputs": []string{"hn", "cn"}}}},
		"masked":   {6, map[string]any{"mask": true}},
		"forecast": {7, map[string]any{"output": "forecast"}},
		"modes":    {6, map[string]any{"output": "modes", "kind": "classifier", "modes": []string{"", "imbalance", "misalignment"}}},
		"flat":     {6, map[string]any{"output": "rul", "threshold": "24", "note": "of one row"}},
	} {
		t.Run(name, func(t *testing.T) {
			spec := map[string]any{
				"name": name, "class": "wind-turbine", "component": "gearbox-bearing", "period_s": 600, "window": 6, "alpha": 0.1, "license": "Apache-2.0",
				"features": []map[string]string{{"name": "oil_temperature/value", "unit": "°C"}, {"name": "de_acc/rms", "unit": "m/s²", "agg": "mean"}},
			}
			maps.Copy(spec, tc.more)
			text, err := json.Marshal(spec)
			if err != nil {
				t.Fatal(err)
			}
			data, _ := npy(t, 30, tc.steps)
			file, specFile := bare(t, name), writtenFile(t, "spec.json", text)
			ours, theirs := filepath.Join(t.TempDir(), "go.onnx"), filepath.Join(t.TempDir(), "py.onnx")
			if code, out, said := typed(t, "model", "annotate", file, "--spec", specFile, "--calibration", data, "--out", ours); code != 0 {
				t.Fatalf("exit %d %s%s", code, out, said)
			}
			if out, err := exec.CommandContext(t.Context(), py, script, file, "--spec", specFile, "--calibration", data, "--out", theirs).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			if code, out, said := typed(t, "model", "check", theirs); code != 0 {
				t.Errorf("check: exit %d %s%s", code, out, said)
			}
			a, b := metadata(t, ours), metadata(t, theirs)
			for key := range b {
				if _, ok := a[key]; !ok {
					t.Errorf("only the script writes %s", key)
				}
			}
			for key, text := range a {
				other, ok := b[key]
				if !ok {
					t.Errorf("only the command writes %s", key)
				} else if why := differ(decoded(text), decoded(other)); why != "" {
					t.Errorf("%s: %s\n%.200s\n%.200s", key, why, text, other)
				}
			}
		})
	}
}

// decoded is a value as JSON has it, or the text.
func decoded(text string) any {
	var v any
	if json.NewDecoder(strings.NewReader(text)).Decode(&v) != nil || strings.Contains(text, "T00") {
		return text
	}
	return v
}

// differ says in what two values do: numbers may by rounding.
func differ(a, b any) string {
	switch x := a.(type) {
	case float64:
		if y, ok := b.(float64); ok && math.Abs(x-y) <= 2e-5*max(1, math.Abs(x)) {
			return ""
		}
	case []any:
		y, ok := b.([]any)
		if !ok || len(x) != len(y) {
			return fmt.Sprintf("%d values", len(x))
		}
		for i := range x {
			if why := differ(x[i], y[i]); why != "" {
				return fmt.Sprintf("%d: %s", i, why)
			}
		}
		return ""
	case map[string]any:
		y, ok := b.(map[string]any)
		if !ok || len(x) != len(y) {
			return fmt.Sprintf("%d keys", len(x))
		}
		for k := range x {
			if why := differ(x[k], y[k]); why != "" {
				return k + ": " + why
			}
		}
		return ""
	default:
		if a == b {
			return ""
		}
	}
	return fmt.Sprintf("%v and %v", a, b)
}
