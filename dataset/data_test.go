package dataset_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/dataset"
)

// TestData replays every folder of real data that is at hand.
func TestData(t *testing.T) {
	dir := os.Getenv("TELLTALE_DATA")
	if dir == "" {
		t.Skip("skipped: TELLTALE_DATA is not set")
	}
	plates, err := filepath.Glob(filepath.Join(dir, "*", "dataset.yaml"))
	if err != nil || len(plates) == 0 {
		t.Skipf("skipped: no data at %s", dir)
	}
	for _, plate := range plates {
		folder := filepath.Dir(plate)
		t.Run(filepath.Base(folder), func(t *testing.T) {
			set, err := dataset.Open(folder)
			if err != nil {
				t.Fatal(err)
			}
			refused := map[asset.Reason]int{}
			start := time.Now()
			r, err := set.Replay(dataset.ReplayOptions{Refuse: func(e *asset.Invalid) { refused[e.Reason]++; t.Log(e) }})
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			index := time.Since(start)
			var readings, points, samples, blocks, records int
			var last time.Time
			for {
				x, p, err := r.Next(context.Background())
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				readings++
				if p.Offset != int64(readings) {
					t.Fatalf("position %d after %d readings", p.Offset, readings)
				}
				if x.Time.Before(last) {
					t.Fatalf("reading %d at %s comes after %s", readings, x.Time, last)
				}
				last = x.Time
				points += len(x.Points)
				if x.Wave != nil {
					blocks++
					samples += len(x.Wave.Samples)
					if x.Wave.Last {
						records++
					}
				}
			}
			t.Logf("%d readings, %d points, %d records in %d blocks, %d samples, refused %v; index %s, %.1f Msamples/s, %.2f Mpoints/s", readings, points, records, blocks, samples, refused, index.Round(time.Millisecond), float64(samples)/time.Since(start).Seconds()/1e6, float64(points)/time.Since(start).Seconds()/1e6)
		})
	}
}
