package main

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/telltale-iot/telltale/models"
	"github.com/telltale-iot/telltale/models/onnx"
)

// export is what a script of models/train/exports keeps beside a model.
type export struct {
	Tool    string          `json:"tool"`
	Spec    json.RawMessage `json:"spec"`
	Windows [][][]float64   `json:"windows"`
	Answers [][]float64     `json:"answers"` // the framework's own
}

// exportsDir is where the exports lie: the committed ones, or what models/train/exports/run just made.
func exportsDir() string {
	if dir := os.Getenv("TELLTALE_EXPORTS"); dir != "" {
		return dir
	}
	return filepath.Join("..", "..", "models", "testdata", "exports")
}

// Files of other tools are annotated, pass the check, and answer what the tool's own
// framework answers.
func TestAcceptExportsOfOtherTools(t *testing.T) {
	if _, _, err := onnx.Library(""); err != nil {
		t.Skip(err)
	}
	files, err := filepath.Glob(filepath.Join(exportsDir(), "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no exports in %s: %v", exportsDir(), err)
	}
	for _, path := range files {
		name := path[:len(path)-len(".json")]
		t.Run(filepath.Base(name), func(t *testing.T) {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			var e export
			if err := json.Unmarshal(text, &e); err != nil {
				t.Fatal(err)
			}
			t.Log(e.Tool)
			out := filepath.Join(t.TempDir(), "out.onnx")
			code, said, why := typed(t, "model", "annotate", name+".onnx", "--spec", writtenFile(t, "spec.yaml", e.Spec), "--calibration", windowsFile(t, e.Windows), "--out", out)
			if code != 0 {
				t.Fatalf("annotate: exit %d %s%s", code, said, why)
			}
			if code, said, why := typed(t, "model", "check", out); code != 0 {
				t.Errorf("check: exit %d %s%s", code, said, why)
			}
			r, err := onnx.Open(out, onnx.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close() //nolint:errcheck // releases memory only
			c := r.Contract()
			batch := make([]models.Row, len(e.Windows))
			for i, w := range e.Windows {
				batch[i].Values = flat32(w[:c.Window])
			}
			got, err := r.Run(t.Context(), batch)
			if err != nil {
				t.Fatal(err)
			}
			for i, want := range e.Answers {
				if len(got[i].Values) != len(want) {
					t.Fatalf("window %d: %d values, want %d", i, len(got[i].Values), len(want))
				}
				for j, v := range want {
					if d := math.Abs(float64(got[i].Values[j]) - v); d > 2e-5*max(1, math.Abs(v)) {
						t.Errorf("window %d: value %d is %g, %s says %g", i, j, got[i].Values[j], e.Tool, v)
					}
				}
			}
		})
	}
}

// windowsFile is windows in NumPy's format.
func windowsFile(t *testing.T, w [][][]float64) string {
	t.Helper()
	head := fmt.Sprintf("{'descr': '<f4', 'fortran_order': False, 'shape': (%d, %d, %d), }\n", len(w), len(w[0]), len(w[0][0]))
	body := append([]byte("\x93NUMPY\x01\x00"), binary.LittleEndian.AppendUint16(nil, uint16(len(head)))...)
	body = append(body, head...)
	for _, rows := range w {
		for _, v := range flat32(rows) {
			body = binary.LittleEndian.AppendUint32(body, math.Float32bits(v))
		}
	}
	return writtenFile(t, "windows.npy", body)
}
