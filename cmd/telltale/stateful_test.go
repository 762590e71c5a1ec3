package main

import (
	"context"
	"log/slog"
	"math"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/class"
	"github.com/telltale-iot/telltale/features"
	"github.com/telltale-iot/telltale/models"
	"github.com/telltale-iot/telltale/models/oci"
	"github.com/telltale-iot/telltale/models/onnx"
	"github.com/telltale-iot/telltale/pipeline"
)

// A stateful LSTM in the flow: what it remembers goes from sequence to sequence and
// over restarts, as if the graph had run once over all rows; a gap makes it forget.
func TestAStatefulModelRunsInTheFlow(t *testing.T) {
	c, err := class.Parse([]byte("kind: x\ntitle: y\nhorizon_h: 1\nmodels: [{name: state, for: {component: gearbox}}]\n"))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join("..", "..", "models", "testdata", "stateful.onnx")
	repo, err := oci.Open(t.Context(), t.TempDir(), oci.Options{})
	if err != nil {
		t.Fatal(err)
	}
	by := models.By{Who: "test", Reason: "test"}
	v, err := repo.Push(t.Context(), file, "state", by, nil)
	if err == nil {
		_, err = repo.Promote(t.Context(), v.Ref(), models.Production, 0, "", by)
	}
	if err != nil {
		t.Fatal(err)
	}
	plate := asset.Nameplate{
		ID: "a", Kind: "x", Components: []asset.Component{{Name: "gearbox"}}, Metrics: []asset.Metric{{Name: "oil_temperature", Unit: "°C"}},
		Channels: []asset.Channel{{Name: "de_acc", Kind: "acceleration", Unit: "m/s²", RateHz: 1000, Component: "gearbox"}},
	}
	w := newWorks(class.Set{"x": c}, []asset.Nameplate{plate})
	use, err := w.useModels(t.Context(), inUse{repo: repo, stages: inProduction, log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer use.Close()
	if !use.any() {
		t.Skip("no ONNX Runtime")
	}

	readings := statefulHistory(48, 24)
	whole, rows := statefulRun(t, w, readings, 1000)
	// A row with a mean ends where the next begins: the last before the gap and the last
	// of all do not, so that five sequences of four rows are left of 24.
	if len(whole) != 10 || len(rows) != 48 {
		t.Fatalf("%d scores of %d rows, want 10 of 48", len(whole), len(rows))
	}
	for i, want := range alone(t, file, rows, 24) {
		if got := float64(whole[i].Score); math.Abs(got-want) > 1e-6*math.Abs(want) {
			t.Errorf("score %d is %v, the graph alone gives %v", i, got, want)
		}
	}
	for _, every := range []int{1, 7, 13} { // a restart after that many readings
		if again, _ := statefulRun(t, w, readings, every); !slices.Equal(again, whole) {
			t.Errorf("restarts after every %d readings give other scores", every)
		}
	}
}

// statefulHistory is one value of the metric and one record of the channel, a minute
// later, every ten minutes; after row gap nothing comes for two hours.
func statefulHistory(n, gap int) (out []pipeline.Arrival) {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	add := func(r asset.Reading) {
		r.Asset = "a"
		out = append(out, pipeline.Arrival{Reading: r, From: int64(len(out)), Next: int64(len(out) + 1)})
	}
	for k := range n {
		if k == gap {
			at = at.Add(2 * time.Hour)
		}
		add(asset.Reading{Time: at, Points: []asset.Point{{Metric: "oil_temperature", Value: 60 + 4*math.Sin(float64(k)/3), Unit: "°C", Quality: 100}}})
		wave := &asset.Waveform{Channel: "de_acc", Unit: "m/s²", Start: at.Add(time.Minute), RateHz: 1000, Quality: 100, First: true, Last: true, Samples: make([]float32, 1000)}
		for i := range wave.Samples {
			wave.Samples[i] = float32((2 + float64(k%5)/5) * math.Sin(float64(i)/4))
		}
		add(asset.Reading{Time: at.Add(time.Minute + time.Second), Wave: wave})
		at = at.Add(10 * time.Minute)
	}
	return out
}

// statefulRun steps a shard through the readings, and makes it anew from what it
// carried after every so many; it gives the scores and the rows of features.
func statefulRun(t *testing.T, w *works, readings []pipeline.Arrival, every int) (scores []asset.Score, rows [][2]float64) {
	t.Helper()
	state := map[pipeline.StateKey][]byte{}
	recall := func(id asset.ID) (map[string][]byte, error) {
		out := map[string][]byte{}
		for k, b := range state {
			if k.Asset == id {
				out[k.Part] = b
			}
		}
		return out, nil
	}
	var temperature float64
	kept := func(fx pipeline.Effects, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		for k, b := range fx.State {
			state[k] = slices.Clone(b)
		}
		scores = append(scores, fx.Scores...)
		for _, f := range fx.Frames {
			s := features.Snapshot{Vectors: f.Vectors}
			if v := s.Value("oil_temperature", "value"); !math.IsNaN(v) {
				temperature = v
			}
			if v := s.Value("de_acc", "rms"); !math.IsNaN(v) {
				rows = append(rows, [2]float64{temperature, v})
			}
		}
	}
	next := int64(0)
	for part := range slices.Chunk(readings, every) {
		sh, err := pipeline.NewShard(0, 1, next, w.plant(), w.scorer, recall)
		if err != nil {
			t.Fatal(err)
		}
		kept(sh.Step(t.Context(), part))
		if next = part[len(part)-1].Next; next == int64(len(readings)) {
			kept(sh.Finish(t.Context(), next))
		}
	}
	return scores, rows
}

// alone runs the graph over the rows, four at a time, from zeros at the beginning and
// at the gap: the mean square of the errors of each four.
func alone(t *testing.T, file string, rows [][2]float64, gap int) (out []float64) {
	t.Helper()
	r, err := onnx.Open(file, onnx.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close() //nolint:errcheck // releases memory only
	var memory []float32
	for at := 0; at+4 < len(rows); at += 4 {
		switch {
		case at == gap:
			memory = nil
		case at+4 == gap:
			continue
		}
		var x []float32
		for _, row := range rows[at : at+4] {
			x = append(x, float32(row[0]), float32(row[1]))
		}
		got, err := r.Run(context.Background(), []models.Row{{Values: x, State: memory}})
		if err != nil {
			t.Fatal(err)
		}
		memory = got[0].State
		sum := 0.0
		for _, e := range got[0].Values {
			sum += float64(e) * float64(e)
		}
		out = append(out, sum/float64(len(got[0].Values)))
	}
	return out
}
