package dataset_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/dataset"
)

func TestTrainingRowsComeBack(t *testing.T) {
	type row struct {
		Time      time.Time  `parquet:"time,timestamp(microsecond)"`
		Asset     string     `parquet:"asset"`
		Component string     `parquet:"component"`
		Channel   string     `parquet:"channel"`
		Feature   string     `parquet:"feature"`
		Value     *float64   `parquet:"value,optional"`
		Unit      string     `parquet:"unit"`
		Regime    string     `parquet:"regime"`
		Label     string     `parquet:"label"`
		Mode      string     `parquet:"mode"`
		Verdict   string     `parquet:"verdict"`
		Known     *time.Time `parquet:"known_at,optional,timestamp(microsecond)"`
	}
	path := filepath.Join(t.TempDir(), "features.parquet")
	w, err := dataset.NewTrainingWriter(path)
	if err != nil {
		t.Fatal(err)
	}
	rows := []dataset.TrainingRow{
		{
			FeatureRow: dataset.FeatureRow{Time: at(1), Asset: "a", Channel: "acc", Feature: "rms", Value: 0.5, Quality: 100, WindowS: 1},
			Component:  "bearing", Unit: "g", Regime: "3/5", Label: "fault", Mode: asset.InnerRace, Verdict: "confirmed", Known: at(9),
		},
		{FeatureRow: dataset.FeatureRow{Time: at(2), Asset: "a", Channel: "acc", Feature: "rms", Value: asset.Missing()}, Unit: "g", Label: "unknown"},
	}
	for _, r := range rows {
		if err := w.Write(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	got, err := parquet.ReadFile[row](path)
	if err != nil || len(got) != 2 {
		t.Fatalf("%d rows: %v", len(got), err)
	}
	a, b := got[0], got[1]
	if a.Value == nil || *a.Value != 0.5 || a.Component != "bearing" || a.Unit != "g" || a.Regime != "3/5" || a.Label != "fault" ||
		a.Mode != string(asset.InnerRace) || a.Verdict != "confirmed" || a.Known == nil || !a.Known.Equal(at(9)) {
		t.Errorf("first row %+v", a)
	}
	if b.Value != nil || b.Known != nil || b.Label != "unknown" {
		t.Errorf("what is missing came back as %+v", b)
	}
}

func TestVerdictsAreRefusedWithTheirLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "verdicts.csv")
	text := "alert,verdict,mode,by,at,note\nx,confirmed,wear,kim,2026-01-02T00:00:00Z,seen\ny,,,kim,2026-01-02T00:00:00Z,\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := dataset.ReadVerdicts(path)
	if err == nil || len(got) != 1 || got[0].Mode != asset.Wear || got[0].By != "kim" {
		t.Errorf("%+v, %v; want the first and an error about line 3", got, err)
	}
	if want := path + ":3: alert, verdict or at is empty, want all three"; err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}
