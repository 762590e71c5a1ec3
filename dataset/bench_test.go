package dataset_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/telltale-iot/telltale/dataset"
)

// BenchmarkReplay measures the real folders named by TELLTALE_DATA.
func BenchmarkReplay(b *testing.B) {
	dir := os.Getenv("TELLTALE_DATA")
	for _, name := range []string{"femto", "hit_sm_spectraquest"} {
		b.Run(name, func(b *testing.B) {
			set, err := dataset.Open(filepath.Join(dir, name))
			if err != nil {
				b.Skipf("skipped: no data: %v", err)
			}
			b.ReportAllocs()
			samples := 0
			for b.Loop() {
				r, err := set.Replay(dataset.ReplayOptions{})
				if err != nil {
					b.Fatal(err)
				}
				for {
					x, _, err := r.Next(b.Context())
					if err != nil {
						break
					}
					if x.Wave != nil {
						samples += len(x.Wave.Samples)
					}
				}
				r.Close()
			}
			b.ReportMetric(float64(samples)/b.Elapsed().Seconds()/1e6, "Msamples/s")
		})
	}
}
