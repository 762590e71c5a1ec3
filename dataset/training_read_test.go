package dataset_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/dataset"
)

func TestTrainingRowsAreReadBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "features.parquet")
	at := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	want := []dataset.TrainingRow{
		{
			FeatureRow: dataset.FeatureRow{Time: at, Asset: "T01", Channel: "acc", Feature: "rms", Value: 2.5, Quality: 90, WindowS: 10},
			Component:  "gearbox", Unit: "m/s²", Regime: "2/1", Label: "healthy",
		},
		{
			FeatureRow: dataset.FeatureRow{Time: at.Add(time.Hour), Asset: "T01", Channel: "acc", Feature: "rms", Value: asset.Missing(), Quality: 80},
			Component:  "gearbox", Label: "fault", Mode: asset.Wear, Verdict: "confirmed", Known: at,
		},
	}
	w, err := dataset.NewTrainingWriter(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range append(want, dataset.TrainingRow{FeatureRow: dataset.FeatureRow{Time: at}}) { // the last is of no asset
		if err := w.Write(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	var got []dataset.TrainingRow
	if err := dataset.EachTraining(path, func(r dataset.TrainingRow) error { got = append(got, r); return nil }); err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || got[1].Value.Known() {
		t.Fatalf("rows %+v", got)
	}
	got[1].Value, want[1].Value = 0, 0 // NaN equals nothing
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("row %d: %+v, want %+v", i, got[i], want[i])
		}
	}
	stop := errors.New("stop")
	if err := dataset.EachTraining(path, func(dataset.TrainingRow) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("stopped: %v", err)
	}
}

func TestEachTrainingRefuses(t *testing.T) {
	dir := t.TempDir()
	none := func(dataset.TrainingRow) error { return nil }
	type unlabelled struct {
		Time  time.Time `parquet:"time,timestamp(microsecond)"`
		Asset string    `parquet:"asset"`
	}
	path := filepath.Join(dir, "features.parquet")
	if err := parquet.WriteFile(path, []unlabelled{{Asset: "T01"}}); err != nil {
		t.Fatal(err)
	}
	if err := dataset.EachTraining(path, none); err == nil || !strings.Contains(err.Error(), "no column known_at") {
		t.Errorf("without labels: %v", err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, whole[:len(whole)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	if err := dataset.EachTraining(path, none); err == nil || strings.Contains(err.Error(), "\n") {
		t.Errorf("half a file: %v", err)
	}
	if err := dataset.EachTraining(filepath.Join(dir, "none.parquet"), none); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}
