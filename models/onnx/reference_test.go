package onnx_test

import (
	"context"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/telltale-iot/telltale/models/onnx"
)

type lstmFile struct {
	Tolerance struct{ Rel, Abs float64 }
	Cases     []struct {
		ID     string
		Inputs struct {
			File string        `json:"onnx_file"`
			X    [][][]float64 `json:"x"`
			R    [][][]float64 `json:"R"`
		}
		Outputs struct {
			Err [][][]float64 `json:"err"`
			Hn  [][][]float64 `json:"hn"`
			Cn  [][][]float64 `json:"cn"`
		}
	}
}

func referenceDir() string {
	if dir := os.Getenv("TELLTALE_REFERENCE_DIR"); dir != "" {
		return dir
	}
	return filepath.Join("..", "..", "testdata", "reference")
}

// TestReferenceLSTMOnnx runs files of an independent exporter through Session,
// which Runner computes every batch with. A stateful file is run in two chunks
// as well: state handed over, it must equal the run in one piece.
func TestReferenceLSTMOnnx(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(referenceDir(), "lstm_onnx.json"))
	if err != nil {
		t.Skip(err)
	}
	var f lstmFile
	if err := json.Unmarshal(b, &f); err != nil {
		t.Fatal(err)
	}
	for _, c := range f.Cases {
		t.Run(c.ID, func(t *testing.T) {
			file, err := os.ReadFile(filepath.Join(referenceDir(), c.Inputs.File))
			if err != nil {
				t.Fatal(err)
			}
			stateful := c.Inputs.File == "lstm_stateful.onnx"
			inputs := []string{"x"}
			if stateful {
				inputs = []string{"x", "h0", "c0"}
			}
			s, err := onnx.OpenSession(file, inputs, []string{"err", "hn", "cn"}, onnx.Options{})
			skipWithout(t, err)
			defer s.Close() //nolint:errcheck // releases memory only
			hidden := len(c.Inputs.R[0][0])
			run := func(x [][][]float64, state []onnx.Tensor) []onnx.Tensor {
				in := []onnx.Tensor{flat(x)}
				if stateful {
					in = append(in, state...)
				}
				out, err := s.Run(context.Background(), in)
				if err != nil {
					t.Fatal(err)
				}
				return out
			}
			zero := onnx.Tensor{Shape: []int64{1, int64(len(c.Inputs.X)), int64(hidden)}, Data: make([]float32, len(c.Inputs.X)*hidden)}
			want := []onnx.Tensor{flat(c.Outputs.Err), flat(c.Outputs.Hn), flat(c.Outputs.Cn)}
			whole := run(c.Inputs.X, []onnx.Tensor{zero, zero})
			for i := range want {
				compare(t, whole[i].Data, want[i].Data, f.Tolerance.Abs, f.Tolerance.Rel)
			}
			if !stateful {
				return
			}
			first := run([][][]float64{c.Inputs.X[0][:2]}, []onnx.Tensor{zero, zero})
			rest := run([][][]float64{c.Inputs.X[0][2:]}, first[1:])
			compare(t, append(first[0].Data, rest[0].Data...), want[0].Data, f.Tolerance.Abs, f.Tolerance.Rel)
			compare(t, rest[1].Data, want[1].Data, f.Tolerance.Abs, f.Tolerance.Rel)
		})
	}
}

func flat(x [][][]float64) onnx.Tensor {
	t := onnx.Tensor{Shape: []int64{int64(len(x)), int64(len(x[0])), int64(len(x[0][0]))}}
	for _, a := range x {
		for _, b := range a {
			for _, v := range b {
				t.Data = append(t.Data, float32(v))
			}
		}
	}
	return t
}

func compare(t *testing.T, got, want []float32, abs, rel float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d values, want %d", len(got), len(want))
	}
	for i := range got {
		if d := math.Abs(float64(got[i] - want[i])); !(d <= abs+rel*math.Abs(float64(want[i]))) {
			t.Errorf("value %d = %g, want %g", i, got[i], want[i])
		}
	}
}
