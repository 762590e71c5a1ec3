package dataset_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/dataset"
)

// A window that was written is a file of waveforms/: its replay gives the same samples.
func TestWindowIsReadAsAFileOfTheDataset(t *testing.T) {
	start := time.Date(2026, 1, 2, 3, 4, 5, 678000, time.UTC)
	wave := asset.Waveform{Channel: "DE", Start: start, RateHz: 1000, Unit: "m/s²", Quality: 97}
	counted, sampled := wave, wave
	counted.Counts, counted.Scale = []int16{math.MinInt16, -1, 0, 1, 2, math.MaxInt16}, 0.5
	sampled.Samples = []float32{-1.5, 0, math.SmallestNonzeroFloat32, math.MaxFloat32}
	for name, tc := range map[string]struct {
		w    asset.Waveform
		want []float32
	}{
		"counts":  {counted, []float32{-16384, -0.5, 0, 0.5, 1, 16383.5}},
		"samples": {sampled, sampled.Samples},
	} {
		t.Run(name, func(t *testing.T) {
			var body bytes.Buffer
			if err := dataset.WriteWindow(&body, "pump 7", tc.w); err != nil {
				t.Fatal(err)
			}
			got := replayed(t, body.Bytes())
			w := got.Wave
			if got.Asset != "pump 7" || w.Channel != "DE" || !w.Start.Equal(start) || w.RateHz != 1000 || w.Unit != "m/s²" || w.Quality != 97 || !w.First || !w.Last {
				t.Errorf("read as %s %+v", got.Asset, w)
			}
			if !slices.Equal(w.Samples, tc.want) {
				t.Errorf("samples %v, want %v", w.Samples, tc.want)
			}
		})
	}
	wave.RateHz = math.Inf(1)
	if err := dataset.WriteWindow(io.Discard, "pump 7", wave); err == nil {
		t.Error("a rate without end was written")
	}
}

// replayed reads the one waveform of a file.
func replayed(t *testing.T, body []byte) asset.Reading {
	t.Helper()
	dir := t.TempDir()
	plate := "name: x\nassets: [{id: pump 7, kind: generic, components: [{name: pump}]}]\n"
	for name, content := range map[string][]byte{"dataset.yaml": []byte(plate), "waveforms/one.parquet": body} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, content, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	set, err := dataset.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	r, err := set.Replay(dataset.ReplayOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	got, _, err := r.Next(context.Background())
	if err != nil || got.Wave == nil {
		t.Fatalf("%+v, %v", got, err)
	}
	return got
}
