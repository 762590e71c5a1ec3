package main

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/dataset"
	"github.com/telltale-iot/telltale/models"
	"github.com/telltale-iot/telltale/models/onnx"
)

const plainSpec = `name: plain
class: wind-turbine
component: gearbox-bearing
features:
  - {name: oil_temperature/value, unit: °C}
  - {name: de_acc/rms, unit: m/s², agg: mean}
period_s: 600
window: 6
alpha: 0.1
license: Apache-2.0
`

// bare is a file of the tests without its metadata.
func bare(t *testing.T, name string) string {
	t.Helper()
	if _, _, err := onnx.Library(""); err != nil {
		t.Skip(err)
	}
	body, err := os.ReadFile(filepath.Join("..", "..", "models", "testdata", name+".onnx"))
	if err != nil {
		t.Fatal(err)
	}
	if body, err = models.Annotated(body, nil, "", nil); err != nil {
		t.Fatal(err)
	}
	return writtenFile(t, name+".onnx", body)
}

func writtenFile(t *testing.T, name string, body []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, body, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// npy are windows of noise around 60 and 2 in NumPy's format.
func npy(t *testing.T, n, steps int) (path string, x []float64) {
	t.Helper()
	random := rand.New(rand.NewPCG(3, 4))
	head := fmt.Sprintf("{'descr': '<f8', 'fortran_order': False, 'shape': (%d, %d, 2), }\n", n, steps)
	body := append([]byte("\x93NUMPY\x01\x00"), binary.LittleEndian.AppendUint16(nil, uint16(len(head)))...)
	body = append(body, head...)
	for i := range n * steps * 2 {
		v := 60 + 3*random.NormFloat64()
		if i%2 == 1 {
			v = 2 + 0.3*random.NormFloat64()
		}
		x = append(x, float64(float32(v)))
		body = binary.LittleEndian.AppendUint64(body, math.Float64bits(x[i]))
	}
	return writtenFile(t, "windows.npy", body), x
}

func annotated(t *testing.T, file, spec, data string) models.Contract {
	t.Helper()
	out := filepath.Join(t.TempDir(), "out.onnx")
	got := parsed[checked](t, "model", "annotate", file, "--spec", writtenFile(t, "spec.yaml", []byte(spec)), "--calibration", data, "--out", out, "--json")
	if again := parsed[checked](t, "model", "check", out, "--json"); again.Contract.Digest != got.Contract.Digest {
		t.Errorf("written %s, checked %s", got.Contract.Digest, again.Contract.Digest)
	}
	body, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	c, err := models.Parse(body)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// plain answers twice its input, so its scores are known: four times the mean square.
func TestAnnotateCalibratesOnTheScoresOfTheData(t *testing.T) {
	data, x := npy(t, 40, 6)
	c := annotated(t, bare(t, "plain"), plainSpec, data)
	var want []float64
	for w := range slices.Chunk(x, 12) {
		s := 0.0
		for _, v := range w {
			s += 4 * v * v / 12
		}
		want = append(want, s)
	}
	slices.Sort(want)
	if c.Calibration.N != 40 || c.Calibration.Alpha != 0.1 || len(c.Calibration.Quantiles) != 40 {
		t.Fatalf("calibration %+v", c.Calibration)
	}
	for i, q := range c.Calibration.Quantiles {
		if math.Abs(q-want[i]) > 1e-6*want[i] {
			t.Errorf("score %d = %g, want %g", i, q, want[i])
		}
	}
	if limit := want[36]; math.Abs(c.Threshold-limit) > 1e-6*limit { // ⌈41·0.9⌉ = 37th
		t.Errorf("threshold %g, want %g", c.Threshold, limit)
	}
	if c.Name != "plain" || c.Features[0].Agg != "last" || c.About["license"] != "Apache-2.0" || len(c.About["training_sha256"]) != 64 || c.Stride != 1 {
		t.Errorf("contract %+v", c)
	}
	if len(c.Reference) != 2 || c.Reference[0].N != 40 || len(c.Reference[0].Quantiles) != 41 || c.Reference[0].Quantiles[0] != slices.Min(every(x, 2, 0)) || c.Reference[1].Quantiles[40] != slices.Max(every(x, 2, 1)) {
		t.Errorf("reference %+v", c.Reference)
	}
	for i, row := range c.SelfTest.Input {
		for j, v := range row {
			if got := c.SelfTest.Output[2*i+j]; math.Abs(got-2*v) > 1e-4 {
				t.Errorf("self-test %d,%d: %g of %g", i, j, got, v)
			}
		}
	}
}

func every(x []float64, n, from int) (out []float64) {
	for i := from; i < len(x); i += n {
		out = append(out, x[i])
	}
	return out
}

func TestAcceptAnnotateOfEachKind(t *testing.T) {
	for name, tc := range map[string]struct {
		steps int
		more  string
		check func(models.Contract) bool
	}{
		"stateful": {4, "window: 4\nstate: {inputs: [h0, c0], outputs: [hn, cn], on_swap: keep}\n", func(c models.Contract) bool { return c.State != nil && c.Stride == 4 && c.State.OnSwap == "keep" }},
		"masked":   {6, "mask: true\n", func(c models.Contract) bool { return c.Mask && len(c.SelfTest.Input[0]) == 4 }},
		"forecast": {7, "output: forecast\n", func(c models.Contract) bool { return len(c.Scale) == 2 && c.Scale[0] > 2 && c.Scale[0] < 4 }},
		"modes":    {6, "output: modes\nmodes: ['', imbalance, misalignment]\n", func(c models.Contract) bool { return c.Kind == models.Classifier && c.Threshold > 0 && c.Threshold < 1 }},
		"flat": {6, "output: rul\nthreshold: '24'\n", func(c models.Contract) bool {
			return c.Kind == models.Life && c.Threshold == 24 && c.Calibration.N == 30
		}},
	} {
		t.Run(name, func(t *testing.T) {
			spec := plainSpec + tc.more
			if tc.steps == 4 {
				spec = strings.Replace(spec, "window: 6\n", "", 1)
			}
			data, _ := npy(t, 30, tc.steps)
			if c := annotated(t, bare(t, name), spec, data); !tc.check(c) || c.Calibration.N != 30 {
				t.Errorf("contract %+v", c)
			}
		})
	}
}

// The rows of features.parquet are cut as the flow cuts them; a window with more
// than a tenth of holes is left out, poor values are holes.
func TestAnnotateCutsWindowsOfFeatures(t *testing.T) {
	path := filepath.Join(t.TempDir(), "features.parquet")
	w, err := dataset.NewFeatureWriter(path)
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for k := 1; k <= 72; k++ {
		at := begin.Add(time.Duration(k) * 10 * time.Minute)
		quality := 100.0
		if k >= 30 && k < 34 {
			quality = 10
		}
		rows := []dataset.FeatureRow{
			{Time: at.Add(-5 * time.Minute), Asset: "a", Channel: "de_acc", Feature: "rms", Value: 1, Quality: quality},
			{Time: at, Asset: "a", Channel: "de_acc", Feature: "rms", Value: 3, Quality: quality},
			{Time: at, Asset: "a", Channel: "oil_temperature", Feature: "value", Value: 60, Quality: 100},
		}
		for _, r := range rows {
			if err := w.Write(r); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	c := annotated(t, bare(t, "plain"), plainSpec, path)
	// A row that means over its period ends where the next begins, so 71 of 72 are
	// whole: 11 windows. Of rows 25–30 one hole of 12 values is filled; 31–36 have two.
	if c.Calibration.N != 10 || c.About["training_window"] != "2026-01-01T01:05:00Z/2026-01-01T11:10:00Z" {
		t.Errorf("%d windows, %s", c.Calibration.N, c.About["training_window"])
	}
	if got, want := c.SelfTest.Input[0], []float64{60, 2}; !slices.Equal(got, want) { // the mean of 1 and 3
		t.Errorf("first row %v, want %v", got, want)
	}
	if q := c.Calibration.Quantiles; math.Abs(q[0]-4*(3600+4)/2) > 1e-3 || q[0] != q[9] {
		t.Errorf("scores %v", q)
	}
}

func TestAnnotateSaysWhatIsWrong(t *testing.T) {
	data, _ := npy(t, 5, 6)
	file := bare(t, "plain")
	for name, tc := range map[string]struct{ spec, data, want string }{
		"unknown key":   {plainSpec + "windows: 6\n", data, "windows"},
		"no licence":    {strings.Replace(plainSpec, "license: Apache-2.0\n", "", 1), data, "license"},
		"unknown unit":  {strings.Replace(plainSpec, "unit: °C", "unit: furlong", 1), data, "furlong"},
		"other steps":   {strings.Replace(plainSpec, "window: 6", "window: 7", 1), data, "[n, 7, 2] are wanted"},
		"no such graph": {plainSpec + "graph_output: probabilities\n", data, `no output "probabilities": err`},
		"modes":         {plainSpec + "output: modes\nmodes: ['', wobble]\n", data, "wobble"},
	} {
		t.Run(name, func(t *testing.T) {
			before, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			code, out, said := typed(t, "model", "annotate", file, "--spec", writtenFile(t, "spec.yaml", []byte(tc.spec)), "--calibration", tc.data)
			if code != 1 || !strings.Contains(said, tc.want) {
				t.Errorf("exit %d %q %q, want 1 and %q", code, out, said, tc.want)
			}
			if after, err := os.ReadFile(file); err != nil || !slices.Equal(before, after) {
				t.Error("the file was changed all the same")
			}
		})
	}
	if code, _, said := typed(t, "model", "annotate", file); code != 2 || !strings.Contains(said, "--spec and --calibration") {
		t.Errorf("without flags: exit %d %q", code, said)
	}
}

// Of a training export what is healthy is taken, and a regime with enough windows
// gets a calibration of its own.
func TestAnnotateOfATrainingExportCalibratesByRegime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "features.parquet")
	w, err := dataset.NewTrainingWriter(path)
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	add := func(k int, regime, label string, rms float64) {
		at := begin.Add(time.Duration(k) * 10 * time.Minute)
		for _, r := range []dataset.FeatureRow{
			{Time: at, Asset: "a", Channel: "de_acc", Feature: "rms", Value: asset.Number(rms), Quality: 100},
			{Time: at, Asset: "a", Channel: "oil_temperature", Feature: "value", Value: 0, Quality: 100},
		} {
			if err := w.Write(dataset.TrainingRow{FeatureRow: r, Component: "gearbox-bearing", Regime: regime, Label: label}); err != nil {
				t.Fatal(err)
			}
		}
	}
	for k := range 73 { // twelve windows and what ends the last
		add(k, "low", "healthy", 1)
	}
	for k := 73; k < 90; k++ {
		add(k, "low", "fault", 50)
	}
	for k := 90; k < 109; k++ { // three
		add(k, "high", "healthy", 3)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	c := annotated(t, bare(t, "plain"), plainSpec, path)
	k := c.Calibration
	if k.N != 15 || k.Quantiles[0] != 2 || k.Quantiles[14] != 18 { // (2·rms)²/2
		t.Errorf("all: %+v", k)
	}
	if low := k.Regimes["low"]; low.N != 12 || low.Quantiles[11] != 2 || len(k.Regimes) != 1 {
		t.Errorf("by regime: %+v", k.Regimes)
	}
}
