package sqlite_test

import (
	"context"
	"fmt"
	"math"
	"path/filepath"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/features"
	"github.com/telltale-iot/telltale/pipeline"
	"github.com/telltale-iot/telltale/store"
	"github.com/telltale-iot/telltale/store/sqlite"
	"github.com/telltale-iot/telltale/store/storetest"
)

func open(tb testing.TB, dir string, plan store.Planner) *sqlite.Store {
	tb.Helper()
	s, err := sqlite.Open(context.Background(), filepath.Join(dir, "tell tale?.db"), sqlite.Options{Plan: plan})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
	})
	return s
}

func TestContract(t *testing.T) {
	storetest.Run(t, func(t *testing.T, dir string, plan store.Planner) storetest.Store {
		t.Helper()
		return open(t, dir, plan)
	})
}

func TestNumbersThatAreNone(t *testing.T) {
	s := open(t, t.TempDir(), storetest.Plan)
	if _, err := s.Claim(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	nan := math.NaN()
	r := storetest.Risk(storetest.Epoch, "T01", "gearbox", nan)
	r.HorizonH, r.Modes = nan, map[asset.Mode]float64{asset.Wear: math.Inf(1)}
	a := storetest.Alert("a", 1)
	a.HorizonH = nan
	at := storetest.Epoch
	sp := features.Spectrum{Channel: "c", StepHz: nan, Bins: []float32{1}, Marks: []features.Mark{{Name: "BPFO", Hz: nan}}}
	fx := pipeline.Effects{
		Epoch: 1, Next: 1, Risks: []asset.Risk{r}, Alerts: []asset.Alert{a},
		Frames: []pipeline.Frame{{Asset: "T01", Time: at, Spectra: []features.Spectrum{sp}}},
	}
	if err := s.Keep(t.Context(), fx); err != nil {
		t.Fatalf("numbers that are none must not stop a shard: %v", err)
	}
	got, err := s.LatestRisks(t.Context())
	if err != nil || len(got) != 1 || got[0].Risk.Known() || len(got[0].Modes) != 0 {
		t.Errorf("risks %+v, %v", got, err)
	}
}

func TestOpenRefuses(t *testing.T) {
	if _, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "none", "x.db"), sqlite.Options{}); err == nil {
		t.Error("a store in a folder that is not there was opened")
	}
}

// bulk is a micro-batch as a busy farm makes it: 20 assets, 8 channels, 60 features.
func bulk(k int64) pipeline.Effects {
	at := storetest.Epoch.Add(time.Duration(k) * time.Minute)
	fx := pipeline.Effects{Epoch: 1, Next: k, Counts: map[string]int64{"in": 160}, State: map[pipeline.StateKey][]byte{}}
	for a := range 20 {
		id := asset.ID(fmt.Sprintf("T%02d", a))
		f := pipeline.Frame{Asset: id, Time: at}
		for c := range 8 {
			v := features.Vector{Channel: bulkChannels[c], WindowS: 10, Start: at, Quality: 100, Fields: bulkFields[c], Values: make([]float64, 60)}
			for i := range v.Values {
				v.Values[i] = float64(k) + float64(i)
			}
			f.Vectors = append(f.Vectors, v)
			fx.Risks = append(fx.Risks, storetest.Risk(at, id, bulkChannels[c], 0.2))
		}
		fx.Frames = append(fx.Frames, f)
		fx.State[pipeline.StateKey{Asset: id, Part: "features/monitor"}] = make([]byte, 2000)
	}
	return fx
}

var bulkChannels, bulkFields = func() (channels []string, fields [][]features.Field) {
	for c := range 8 {
		channels = append(channels, fmt.Sprintf("channel-%d", c))
		var list []features.Field
		for i := range 60 {
			list = append(list, features.Field{Channel: channels[c], Name: fmt.Sprintf("feature_%d", i), Unit: "m/s²"})
		}
		fields = append(fields, list)
	}
	return channels, fields
}()

// BenchmarkKeep measures feature values written a second, with a risk for every vector.
func BenchmarkKeep(b *testing.B) {
	s := open(b, b.TempDir(), storetest.Plan)
	if _, err := s.Claim(b.Context(), 0); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	k := int64(0)
	for b.Loop() {
		k++
		if err := s.Keep(b.Context(), bulk(k)); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(k)*20*8*60/b.Elapsed().Seconds(), "values/s")
}

func BenchmarkEachFrame(b *testing.B) {
	s := open(b, b.TempDir(), storetest.Plan)
	if _, err := s.Claim(b.Context(), 0); err != nil {
		b.Fatal(err)
	}
	for k := int64(1); k <= 100; k++ {
		if err := s.Keep(b.Context(), bulk(k)); err != nil {
			b.Fatal(err)
		}
	}
	n := 0
	for b.Loop() {
		if err := s.EachFrame(b.Context(), func(f pipeline.Frame) error { n += len(f.Vectors) * 60; return nil }); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "values/s")
}

// BenchmarkReaders measures what the page asks of a store of 160,000 vectors and risks.
func BenchmarkReaders(b *testing.B) {
	s := open(b, b.TempDir(), storetest.Plan)
	if _, err := s.Claim(b.Context(), 0); err != nil {
		b.Fatal(err)
	}
	for k := int64(1); k <= 1000; k++ {
		if err := s.Keep(b.Context(), bulk(k)); err != nil {
			b.Fatal(err)
		}
	}
	from, to := storetest.Epoch, storetest.Epoch.Add(1000*time.Minute)
	for name, f := range map[string]func() error{
		"latest": func() error { _, err := s.LatestRisks(b.Context()); return err },
		"risks":  func() error { _, err := s.Risks(b.Context(), "T07", "channel-3", from, to, 500); return err },
		"trend": func() error {
			_, err := s.Trend(b.Context(), "T07", []string{"channel-3/feature_7", "channel-4/feature_7"}, from, to, 500)
			return err
		},
		"parts": func() error { _, err := s.Parts(b.Context(), "T07"); return err },
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if err := f(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
