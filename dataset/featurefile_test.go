package dataset_test

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/dataset"
)

func TestReadFeaturesOfParquetAndCSV(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)
	want := []dataset.FeatureRow{
		{Time: at, Asset: "a", Channel: "acc", Feature: "rms", Value: 1.5, Quality: 100},
		{Time: at.Add(time.Minute), Asset: "b", Channel: "acc", Feature: "rms", Value: asset.Missing(), Quality: 60},
	}
	dir := t.TempDir()
	pq := filepath.Join(dir, "features.parquet")
	w, err := dataset.NewFeatureWriter(pq)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range want {
		if err := w.Write(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	table := filepath.Join(dir, "features.csv")
	text := "time,asset,channel,feature,value,quality\n2026-01-02T03:04:05.000006Z,a,acc,rms,1.5,\n2026-01-02T03:05:05.000006Z,b,acc,rms,,60\n"
	if err := os.WriteFile(table, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{pq, table} {
		var got []dataset.FeatureRow
		if err := dataset.ReadFeatures(path, func(r dataset.FeatureRow) error { got = append(got, r); return nil }); err != nil {
			t.Fatal(err)
		}
		if len(got) != len(want) {
			t.Fatalf("%s: %d rows, want %d", path, len(got), len(want))
		}
		for i, g := range got {
			w := want[i]
			same := g.Value == w.Value || math.IsNaN(float64(g.Value)) && math.IsNaN(float64(w.Value))
			if !g.Time.Equal(w.Time) || g.Asset != w.Asset || g.Channel != w.Channel || g.Feature != w.Feature || g.Quality != w.Quality || !same {
				t.Errorf("%s: row %d = %+v, want %+v", path, i, g, w)
			}
		}
	}
}

func TestReadFeaturesSaysWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	for name, tc := range map[string]struct{ file, text, want string }{
		"no column": {"a.csv", "time,asset,channel,value\n", "no column feature"},
		"no time":   {"b.csv", "time,asset,channel,feature,value\nnow,a,b,c,1\n", "line 2: time"},
		"no number": {"c.csv", "time,asset,channel,feature,value\n2026-01-02T03:04:05Z,a,b,c,much\n", "line 2: value"},
		"no table":  {"d.parquet", "PAR1 no table PAR1", "d.parquet"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(dir, tc.file)
			if err := os.WriteFile(path, []byte(tc.text), 0o600); err != nil {
				t.Fatal(err)
			}
			err := dataset.ReadFeatures(path, func(dataset.FeatureRow) error { return nil })
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("ReadFeatures = %v, want %q", err, tc.want)
			}
		})
	}
}
