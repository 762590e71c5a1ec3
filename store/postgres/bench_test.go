package postgres_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/features"
	"github.com/telltale-iot/telltale/pipeline"
	"github.com/telltale-iot/telltale/store/postgres"
	"github.com/telltale-iot/telltale/store/postgres/postgrestest"
	"github.com/telltale-iot/telltale/store/storetest"
)

// bulk are micro-batches as a busy farm makes them: 32 assets, 8 channels, 60 features.
func bulk(n int) []pipeline.Effects {
	var out []pipeline.Effects
	fields := make([][]features.Field, 8)
	for c := range fields {
		for i := range 60 {
			fields[c] = append(fields[c], features.Field{Channel: fmt.Sprintf("channel-%d", c), Name: fmt.Sprintf("feature_%d", i), Unit: "m/s²"})
		}
	}
	for k := range n {
		at := storetest.Epoch.Add(time.Duration(k) * time.Minute)
		fx := pipeline.Effects{Through: at}
		for a := range 32 {
			f := pipeline.Frame{Asset: asset.ID(fmt.Sprintf("T%02d", a)), Time: at}
			for _, list := range fields {
				v := features.Vector{Channel: list[0].Channel, WindowS: 10, Start: at, Quality: 100, Fields: list}
				for i := range list {
					v.Values = append(v.Values, float64(k)+1/float64(i+1))
				}
				f.Vectors = append(f.Vectors, v)
			}
			fx.Frames = append(fx.Frames, f)
		}
		out = append(out, fx)
	}
	return out
}

func BenchmarkKeepBesideCopy(b *testing.B) {
	server := postgrestest.Shared(b)
	batches := bulk(101)
	for b.Loop() {
		keep, raw, err := postgres.Measure(b.Context(), server.URL(), batches)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(keep, "keep-rows/s")
		b.ReportMetric(raw, "copy-rows/s")
		b.ReportMetric(keep/raw, "ratio")
	}
}
