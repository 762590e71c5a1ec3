package simulate

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
	"reflect"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

var testStart = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

func mustFarm(tb testing.TB, opt Options) *Farm {
	tb.Helper()
	f, err := New(opt)
	if err != nil {
		tb.Fatal(err)
	}
	return f
}

func all(f *Farm) (out []asset.Reading) {
	for r, ok := f.Next(); ok; r, ok = f.Next() {
		out = append(out, r)
	}
	return out
}

// digest of the bits of all readings.
func digest(readings []asset.Reading) (sum [32]byte) {
	h := sha256.New()
	put := func(v any) { _ = binary.Write(h, binary.LittleEndian, v) }
	for _, r := range readings {
		h.Write([]byte(r.Asset))
		put(r.Time.UnixNano())
		for _, p := range r.Points {
			h.Write([]byte(p.Metric))
			put(p.Value)
		}
		if r.Wave != nil {
			h.Write([]byte(r.Wave.Channel))
			put(r.Wave.Samples)
		}
	}
	copy(sum[:], h.Sum(nil))
	return sum
}

func shortRun(turbines int, seed uint64) Options {
	return Options{
		Turbines: turbines, Seed: seed, Start: testStart, Duration: 3 * time.Hour, WaveEvery: time.Hour,
		Faults: DemoScenario(4, 7, testStart),
	}
}

func TestSameSeedSameBytes(t *testing.T) {
	a, b := digest(all(mustFarm(t, shortRun(4, 7)))), digest(all(mustFarm(t, shortRun(4, 7))))
	if a != b {
		t.Error("two runs of the same seed differ")
	}
	if c := digest(all(mustFarm(t, shortRun(4, 8)))); a == c {
		t.Error("another seed gave the same bytes")
	}
}

func TestAddingATurbineLeavesTheOthers(t *testing.T) {
	few, more := all(mustFarm(t, shortRun(4, 7))), all(mustFarm(t, shortRun(5, 7)))
	var old []asset.Reading
	for _, r := range more {
		if r.Asset != assetID(4) {
			old = append(old, r)
		}
	}
	if digest(few) != digest(old) {
		t.Error("a fifth turbine changed the data of the first four")
	}
	opt := Options{Turbines: 40, Seed: 3, Start: testStart, Duration: 30 * 24 * time.Hour}
	forty := DefaultScenario(opt)
	opt.Turbines = 41
	if got := DefaultScenario(opt)[:len(forty)]; !reflect.DeepEqual(forty, got) {
		t.Error("a 41st turbine changed the scenario of the first forty")
	}
}

func TestReadingsComeInEventTimeOrder(t *testing.T) {
	opt := shortRun(4, 7)
	opt.WaveEvery, opt.WaveSeconds, opt.Duration = 30*time.Minute, 2.5, 65*time.Minute
	readings, last := all(mustFarm(t, opt)), time.Time{}
	blocks := map[asset.ID]int{}
	for i, r := range readings {
		if r.Time.Before(last) {
			t.Fatalf("reading %d at %s follows one at %s", i, r.Time, last)
		}
		last = r.Time
		w := r.Wave
		if w == nil {
			continue
		}
		blocks[r.Asset]++
		if n := len(w.Samples); float64(n) > w.RateHz {
			t.Errorf("block of %d samples: want at most a second", n)
		}
		if end := w.Start.Add(time.Duration(float64(len(w.Samples)-1) / w.RateHz * 1e9)); !end.Equal(r.Time) {
			t.Errorf("reading at %s, newest sample at %s", r.Time, end)
		}
		since := w.Start.Sub(testStart) % opt.WaveEvery
		if w.First != (since == 0) || w.Last != (since == 2*time.Second) {
			t.Errorf("block %s into its record: first %v, last %v", since, w.First, w.Last)
		}
	}
	for i := range 4 {
		if got := blocks[assetID(i)]; got != 3*3*fastVoices {
			t.Errorf("%s: %d blocks, want 3 records of 3 on each channel", assetID(i), got)
		}
	}
}

func TestSkipGoesOnWhereNextWould(t *testing.T) {
	opt := shortRun(4, 7)
	opt.WaveEvery, opt.WaveSeconds, opt.Duration = 30*time.Minute, 2.5, 65*time.Minute
	want := all(mustFarm(t, opt))
	for _, n := range []int{5, 20} {
		f := mustFarm(t, opt)
		if got := f.Skip(int64(n)); got != int64(n) {
			t.Fatalf("skipped %d of %d", got, n)
		}
		if digest(all(f)) != digest(want[n:]) {
			t.Errorf("after skipping %d readings the rest differs", n)
		}
	}
	if got := mustFarm(t, opt).Skip(1 << 40); got != int64(len(want)) {
		t.Errorf("skipped %d of %d", got, len(want))
	}
}

func TestEveryValueIsFinite(t *testing.T) {
	opt := Options{Turbines: 20, Seed: 1, Start: testStart, Duration: 2 * 24 * time.Hour, WaveEvery: 12 * time.Hour, WaveSeconds: 0.1}
	for _, r := range all(mustFarm(t, opt)) {
		for _, p := range r.Points {
			if math.IsNaN(p.Value) || math.IsInf(p.Value, 0) || p.Unit == "" {
				t.Fatalf("%s %s %s = %g %q", r.Asset, r.Time, p.Metric, p.Value, p.Unit)
			}
		}
		if r.Wave == nil {
			continue
		}
		for i, x := range r.Wave.Samples {
			if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
				t.Fatalf("%s %s sample %d = %g", r.Asset, r.Time, i, x)
			}
		}
	}
}

func TestOptionsNameWhatIsWrong(t *testing.T) {
	for name, opt := range map[string]Options{
		"turbines":  {Turbines: -1, Healthy: true},
		"duration":  {Duration: -time.Hour, Healthy: true},
		"telemetry": {TelemetryEvery: time.Second, Healthy: true},
		"rate":      {RateHz: 1000, Healthy: true},
		"wave":      {WaveSeconds: 3600, Healthy: true},
		"turbine":   {Faults: []Fault{{Turbine: 99}}},
		"mode":      {Faults: []Fault{{Component: "rotor", Mode: asset.OuterRace}}},
		"signal":    {Faults: []Fault{{Mode: asset.SensorFault, Signal: "colour"}}},
		"failure":   {Faults: []Fault{{Component: "rotor", Mode: asset.Icing}}},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := New(opt); err == nil {
				t.Error("accepted")
			}
		})
	}
}

func BenchmarkWaveform(b *testing.B) {
	f := mustFarm(b, Options{Turbines: 2, Start: testStart, Faults: DemoScenario(2, 7, testStart)})
	at := testStart
	for f.operation(0, at).load() < 0.5 {
		at = at.Add(10 * time.Minute)
	}
	b.ReportAllocs()
	dst, n := make([]float32, 25600), 0
	for b.Loop() {
		f.newSynth(0, 0, at).fill(dst)
		n += len(dst)
	}
	b.ReportMetric(float64(n)/1e6/b.Elapsed().Seconds(), "Msamples/s")
}

func BenchmarkTelemetry(b *testing.B) {
	f := mustFarm(b, Options{Turbines: 12, Start: testStart, WaveEvery: -1, Healthy: true})
	b.ReportAllocs()
	for b.Loop() {
		f.Next()
	}
}
