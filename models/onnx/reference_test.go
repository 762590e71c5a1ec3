package onnx_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/telltale-iot/telltale/models"
	"github.com/telltale-iot/telltale/models/onnx"
)

type lstmFile struct {
	Tolerance struct{ Rel, Abs float64 }
	Cases     []lstmCase
}

type lstmCase struct {
	ID     string
	Inputs struct {
		File string        `json:"onnx_file"`
		X    [][][]float64 `json:"x"`
	}
	Outputs struct {
		Err [][][]float64 `json:"err"`
		Hn  [][][]float64 `json:"hn"`
		Cn  [][][]float64 `json:"cn"`
	}
}

func referenceDir() string {
	if dir := os.Getenv("TELLTALE_REFERENCE_DIR"); dir != "" {
		return dir
	}
	return filepath.Join("..", "..", "testdata", "reference")
}

// TestReferenceLSTMOnnx stamps files of an independent exporter with a contract and
// runs them as the service does. A stateful file is run in two chunks as well:
// state handed over, it must equal the run in one piece.
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
			if c.Inputs.File == "lstm_stateful.onnx" {
				c.stateful(t, file, f.Tolerance.Abs, f.Tolerance.Rel)
				return
			}
			r := stamped(t, file, c, len(c.Inputs.X[0]), nil)
			rows := make([]models.Row, len(c.Inputs.X))
			for i, x := range c.Inputs.X {
				rows[i].Values = flat([][][]float64{x})
			}
			got, err := r.Run(context.Background(), rows)
			if err != nil {
				t.Fatal(err)
			}
			for i, g := range got {
				compare(t, g.Values, flat(c.Outputs.Err[i:i+1]), f.Tolerance.Abs, f.Tolerance.Rel)
			}
		})
	}
}

func (c lstmCase) stateful(t *testing.T, file []byte, abs, rel float64) {
	t.Helper()
	last := append(flat(c.Outputs.Hn), flat(c.Outputs.Cn)...)
	state := &models.State{In: []string{"h0", "c0"}, Out: []string{"hn", "cn"}}
	x := c.Inputs.X[0]
	whole, err := stamped(t, file, c, len(x), state).Run(context.Background(), []models.Row{{Values: flat([][][]float64{x})}})
	if err != nil {
		t.Fatal(err)
	}
	compare(t, whole[0].Values, flat(c.Outputs.Err), abs, rel)
	compare(t, whole[0].State, last, abs, rel)
	first, err := stamped(t, file, c, 2, state).Run(context.Background(), []models.Row{{Values: flat([][][]float64{x[:2]})}})
	if err != nil {
		t.Fatal(err)
	}
	rest, err := stamped(t, file, c, len(x)-2, state).Run(context.Background(), []models.Row{{Values: flat([][][]float64{x[2:]}), State: first[0].State}})
	if err != nil {
		t.Fatal(err)
	}
	compare(t, append(first[0].Values, rest[0].Values...), flat(c.Outputs.Err), abs, rel)
	compare(t, rest[0].State, last, abs, rel)
}

// stamped opens a file for windows of the given steps. Its self-test is the
// reference's own answer to the first of them.
func stamped(t *testing.T, file []byte, c lstmCase, steps int, state *models.State) *onnx.Runner {
	t.Helper()
	text := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	var in []models.Input
	for i := range c.Inputs.X[0][0] {
		in = append(in, models.Input{Name: fmt.Sprintf("c%d/rms", i), Unit: "1"})
	}
	var answer []float64
	for _, row := range c.Outputs.Err[0][:steps] {
		answer = append(answer, row...)
	}
	n := strconv.Itoa(steps)
	meta := map[string]string{
		"contract": "1", "features": text(in), "sampling_period_s": "1", "window": n, "stride": n, "threshold": "none",
		"calibration": "{}", "asset_class": "any", "training_sha256": "none", "training_window": "none", "framework": "onnx", "git": "none",
		"license": "none", "selftest": text(models.SelfTest{Input: c.Inputs.X[0][:steps], Output: answer}),
	}
	if state != nil {
		meta["state"] = text(state)
	}
	file, err := models.Annotated(file, meta, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := onnx.OpenBytes(file, onnx.Options{Prover: &onnx.Prover{}})
	skipWithout(t, err)
	t.Cleanup(func() { _ = r.Close() })
	return r
}

// flat is an array row by row.
func flat(x [][][]float64) []float32 {
	var out []float32
	for _, a := range x {
		for _, b := range a {
			for _, v := range b {
				out = append(out, float32(v))
			}
		}
	}
	return out
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
