package dataset_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/parquet-go/parquet-go"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/dataset"
)

func risks(tb testing.TB, path string, n int) []byte {
	tb.Helper()
	w, err := dataset.NewRiskWriter(path)
	if err != nil {
		tb.Fatal(err)
	}
	for i := range n {
		r := asset.Risk{
			Time: at(float64(i)), Asset: "a", Component: "bearing", Risk: 0, HorizonH: 720, Anomaly: i%2 == 1, MLScore: asset.Missing(), MLP: 1,
			PhysicsScore: asset.Missing(), RuleScore: 2.5, RUL: asset.NoRUL(), Certainty: asset.Unsure(), LLR: asset.ViewLLR{ML: asset.Missing(), Physics: -1, Rule: 2},
		}
		if i%2 == 1 {
			r.Mode, r.Modes = asset.InnerRace, map[asset.Mode]float64{asset.InnerRace: 0.6, asset.Cage: 0, asset.Wear: 0.25}
		}
		if err := w.Write(r); err != nil {
			tb.Fatal(err)
		}
	}
	if _, err := os.Stat(path); err == nil {
		tb.Error("the file is there before it is closed")
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func TestRisksKeepNullZeroAndModes(t *testing.T) {
	type row struct {
		Time    int64              `parquet:"time,timestamp(microsecond)"`
		Risk    *float64           `parquet:"risk,optional"`
		Anomaly bool               `parquet:"anomaly"`
		ML      *float64           `parquet:"ml_score,optional"`
		Low     *float64           `parquet:"risk_low,optional"`
		MLLR    *float64           `parquet:"ml_llr,optional"`
		RuleLLR *float64           `parquet:"rule_llr,optional"`
		Mode    string             `parquet:"mode"`
		Modes   map[string]float64 `parquet:"modes"`
	}
	path := filepath.Join(t.TempDir(), "risks.parquet")
	risks(t, path, 2)
	rows, err := parquet.ReadFile[row](path)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range rows {
		if r.Risk == nil || *r.Risk != 0 || r.ML != nil || r.Anomaly != (i == 1) || r.Time != at(float64(i)).UnixMicro() {
			t.Errorf("row %d: %+v, want risk 0, no ml_score", i, r)
		}
	}
	if got, want := fmt.Sprint(rows[0].Mode, rows[0].Modes, rows[1].Mode, rows[1].Modes), "map[]inner-racemap[cage:0 inner-race:0.6 wear:0.25]"; got != want {
		t.Errorf("modes %s, want %s", got, want)
	}
}

func TestSameRowsSameBytes(t *testing.T) {
	dir := t.TempDir()
	if !bytes.Equal(risks(t, dir+"/1.parquet", 3000), risks(t, dir+"/2.parquet", 3000)) {
		t.Error("two files of the same risks differ")
	}
	var files [2][]byte
	for i := range files {
		path := fmt.Sprint(dir, "/f", i)
		w, err := dataset.NewFeatureWriter(path)
		if err != nil {
			t.Fatal(err)
		}
		for k := range 140_000 {
			if err := w.Write(dataset.FeatureRow{Time: at(float64(k)), Asset: "a", Channel: "x", Feature: fmt.Sprint("f", k%40), Value: asset.Number(k % 7), Quality: 100}); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if files[i], err = os.ReadFile(path); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(files[0], files[1]) {
		t.Error("two files of the same features differ")
	}
}
