package onnx_test

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/models"
	"github.com/telltale-iot/telltale/models/onnx"
)

// The self-tests of these files are answers of ONNX's reference implementation.
func TestEachKindOfModelIsProvenAndRead(t *testing.T) {
	if raceOn {
		t.Skip("long, and of one goroutine")
	}
	needsRuntime(t)
	p := &onnx.Prover{}
	for name, want := range map[string]struct {
		kind    models.Kind
		output  string
		columns int
		values  int
	}{
		"plain":    {models.Anomaly, models.OutputError, 2, 12},
		"stateful": {models.Anomaly, models.OutputError, 2, 8},
		"masked":   {models.Anomaly, models.OutputError, 4, 12},
		"forecast": {models.Anomaly, models.OutputForecast, 2, 2},
		"modes":    {models.Classifier, models.OutputModes, 2, 3},
		"flat":     {models.Life, models.OutputRUL, 2, 1},
		"rul":      {models.Life, models.OutputRUL, 2, 3},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := onnx.OpenBytes(read(t, name), onnx.Options{Prover: p})
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close() //nolint:errcheck // releases memory only
			c := r.Contract()
			if c.Kind != want.kind || c.Output != want.output || c.Columns() != want.columns {
				t.Errorf("kind %q, output %q, %d columns; want %+v", c.Kind, c.Output, c.Columns(), want)
			}
			row := models.Row{}
			for _, in := range c.SelfTest.Input {
				for _, v := range in {
					row.Values = append(row.Values, float32(v))
				}
			}
			got, err := r.Run(context.Background(), []models.Row{row, row})
			if err != nil || len(got[0].Values) != want.values {
				t.Fatalf("Run = %v, %v; want %d values", got, err, want.values)
			}
			for i, v := range c.SelfTest.Output {
				if d := math.Abs(float64(got[1].Values[i]) - v); d > 1e-5*max(1, math.Abs(v)) {
					t.Errorf("value %d = %g, want %g", i, got[1].Values[i], v)
				}
			}
		})
	}
}

func TestContractOfKinds(t *testing.T) {
	forecast, err := models.Parse(read(t, "forecast"))
	if err != nil || !slices.Equal(forecast.Scale, []float64{2, 0.25}) || len(forecast.Reference) != 2 || forecast.Reference[1].N != 50 {
		t.Errorf("forecast: %+v, %v", forecast, err)
	}
	modes, err := models.Parse(read(t, "modes"))
	if err != nil || !slices.Equal(modes.Modes, []asset.Mode{asset.Healthy, asset.Imbalance, asset.Misalignment}) || modes.Calibration.Regimes["2/3"].N != 2 {
		t.Errorf("modes: %+v, %v", modes, err)
	}
	st, err := models.Parse(read(t, "stateful"))
	if err != nil || st.State == nil || st.State.OnSwap != models.StateKeep || !slices.Equal(st.State.Dims, [][2]int{{2, 3}, {2, 3}}) || !st.Reads("x").Carries {
		t.Errorf("stateful: %+v, %v", st, err)
	}
}

// Handed on from part to part, memory gives what one run over all rows gives,
// whatever else is in the batch.
func TestStateIsHandedOn(t *testing.T) {
	r := open(t, "stateful", onnx.Options{})
	file := read(t, "stateful")
	const parts, assets, width = 5, 37, 2
	long := sequences(assets, 4*parts, width)
	s, err := onnx.OpenSession(file, []string{"x", "h0", "c0"}, []string{"err", "hn", "cn"}, onnx.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close() //nolint:errcheck // releases memory only
	states := make([][]float32, assets)
	var got [assets][]float32
	for part := range parts {
		batch := make([]models.Row, assets)
		for i := range batch {
			batch[i] = models.Row{Values: long[i].Values[part*8 : (part+1)*8], State: states[i]}
		}
		out, err := r.Run(context.Background(), batch)
		if err != nil {
			t.Fatal(err)
		}
		for i := range out {
			if len(out[i].State) != 12 {
				t.Fatalf("a state of %d values, want 12", len(out[i].State))
			}
			alone, err := r.Run(context.Background(), batch[i:i+1])
			if err != nil || !slices.Equal(alone[0].Values, out[i].Values) || !slices.Equal(alone[0].State, out[i].State) {
				t.Fatalf("asset %d alone: %v, %v; in the batch %v", i, alone, err, out[i])
			}
			states[i] = out[i].State
			got[i] = append(got[i], out[i].Values...)
		}
	}
	zero := onnx.Tensor{Shape: []int64{2, 1, 3}, Data: make([]float32, 6)}
	for i := range long {
		whole, err := s.Run(context.Background(), []onnx.Tensor{{Shape: []int64{1, 4 * parts, width}, Data: long[i].Values}, zero, zero})
		if err != nil {
			t.Fatal(err)
		}
		compare(t, got[i], whole[0].Data, 1e-6, 1e-6)
		compare(t, states[i], append(slices.Clone(whole[1].Data), whole[2].Data...), 1e-6, 1e-6)
	}
	if _, err := r.Run(context.Background(), []models.Row{{Values: long[0].Values[:8], State: make([]float32, 5)}}); !errors.Is(err, models.ErrContract) {
		t.Errorf("a state of 5 values: %v, want ErrContract", err)
	}
}
