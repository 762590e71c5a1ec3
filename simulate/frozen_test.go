package simulate

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"go/scanner"
	"go/token"
	"math"
	"os"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

var update = flag.Bool("update", false, "rewrite the golden file; raise Version first")

const goldenFile = "testdata/golden.json"

// golden is what the frozen model gives: a digest where the output is coarse
// (telemetry has a controller's resolution), values within a tolerance where
// processors with fused multiply-add may differ in the last bits.
type golden struct {
	Version    string
	Parameters string // SHA-256 of the tokens of params.go
	Telemetry  string // SHA-256 of all telemetry, rounded to 10⁻⁶ relative
	Waves      []goldenWave
}

type goldenWave struct {
	Asset   asset.ID
	Time    time.Time
	Channel string
	RMS     float64
	Samples []float32 // every 2500th
}

// frozenRun has every machine fault and every sensor fault of a channel and of a metric.
func frozenRun() Options {
	var faults []Fault
	for _, x := range catalogue() {
		x.Turbine, x.Failure = len(faults), testStart.Add(100*day)
		faults = append(faults, x.grown(0.8, testStart))
	}
	for _, kind := range []Sensor{Stuck, Drift, Dropout, Spikes, Bias, Gap} {
		for _, signal := range []string{voices[0].name, metrics[7].name} {
			faults = append(faults, Fault{Turbine: len(faults), Mode: asset.SensorFault, Signal: signal, Sensor: kind, Onset: testStart.Add(time.Hour)})
		}
	}
	return Options{
		Turbines: len(faults) + 1, Seed: 42, Start: testStart, Duration: 3 * time.Hour,
		WaveEvery: 90 * time.Minute, WaveSeconds: 1, Faults: faults,
	}
}

// parameters digests params.go without its comments and layout.
func parameters(t *testing.T) string {
	t.Helper()
	src, err := os.ReadFile("params.go")
	if err != nil {
		t.Fatal(err)
	}
	var s scanner.Scanner
	fset := token.NewFileSet()
	s.Init(fset.AddFile("params.go", fset.Base(), len(src)), src, nil, 0)
	h := sha256.New()
	for {
		_, tok, text := s.Scan()
		if tok == token.EOF {
			return hex.EncodeToString(h.Sum(nil))
		}
		if tok != token.SEMICOLON {
			_, _ = fmt.Fprintln(h, tok, text)
		}
	}
}

func produced(t *testing.T) golden {
	t.Helper()
	g, h := golden{Version: Version, Parameters: parameters(t)}, sha256.New()
	for _, r := range all(mustFarm(t, frozenRun())) {
		for _, p := range r.Points {
			_, _ = fmt.Fprintf(h, "%s %s %s %.6e %g\n", r.Asset, r.Time.Format(time.RFC3339), p.Metric, p.Value, p.Quality)
		}
		if r.Wave == nil {
			continue
		}
		w := goldenWave{Asset: r.Asset, Time: r.Time, Channel: r.Wave.Channel, RMS: rms(r.Wave.Samples)}
		for i := 0; i < len(r.Wave.Samples); i += 2500 {
			w.Samples = append(w.Samples, r.Wave.Samples[i])
		}
		g.Waves = append(g.Waves, w)
	}
	g.Telemetry = hex.EncodeToString(h.Sum(nil))
	return g
}

func TestTheModelIsFrozen(t *testing.T) {
	got := produced(t)
	if *update {
		b, err := json.MarshalIndent(got, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(goldenFile, append(b, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(goldenFile)
	if err != nil {
		t.Fatal(err)
	}
	var want golden
	if err := json.Unmarshal(b, &want); err != nil {
		t.Fatal(err)
	}
	if got.Version != want.Version || got.Parameters != want.Parameters || got.Telemetry != want.Telemetry {
		t.Errorf("version %s, parameters %s, telemetry %s\nwant %s, %s, %s: a change of the model needs a new Version and -update",
			got.Version, got.Parameters, got.Telemetry, want.Version, want.Parameters, want.Telemetry)
	}
	if len(got.Waves) != len(want.Waves) {
		t.Fatalf("%d records, want %d", len(got.Waves), len(want.Waves))
	}
	for i, w := range want.Waves {
		g := got.Waves[i]
		if g.Asset != w.Asset || !g.Time.Equal(w.Time) || g.Channel != w.Channel || math.Abs(g.RMS-w.RMS) > 1e-6*w.RMS {
			t.Fatalf("record %d: %s %s %s RMS %g, want %s %s %s RMS %g", i, g.Asset, g.Time, g.Channel, g.RMS, w.Asset, w.Time, w.Channel, w.RMS)
		}
		for k, x := range w.Samples {
			if math.Abs(float64(g.Samples[k]-x)) > 2e-6*(w.RMS+math.Abs(float64(x))) {
				t.Fatalf("record %d of %s %s: sample %d = %g, want %g", i, w.Asset, w.Channel, 2500*k, g.Samples[k], x)
			}
		}
	}
}
