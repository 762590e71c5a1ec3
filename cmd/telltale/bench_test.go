package main

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestBenchWritesOneObjectALine(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	code, stdout, stderr := tell("bench", "decode", "store", "--runs", "2", "--json")
	if code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	cases := map[string]bool{}
	for line := range strings.Lines(stdout) {
		var m measured
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		cases[m.Stage+"/"+m.Case] = true
		if !(m.Min > 0 && m.Min <= m.Value && m.Value <= m.Max) || m.N != 2 || m.Unit == "" || m.Better != "higher" {
			t.Errorf("%s", line)
		}
	}
	for _, want := range []string{"decode/dataset", "decode/mqtt-wave-int16", "decode/mqtt-telemetry-json", "store/keep"} {
		if !cases[want] {
			t.Errorf("no case %s in %v", want, cases)
		}
	}
}

func TestBenchNamesItsStages(t *testing.T) {
	code, _, stderr := tell("bench", "everything")
	if code != 2 || !strings.Contains(stderr, "fft, features, decode, ingest, flow, store, gateway, models, scale, physics, pipeline, kafka, queries") {
		t.Errorf("exit %d: %s", code, stderr)
	}
}

func TestBenchOfIngest(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	code, stdout, stderr := tell("bench", "ingest", "--runs", "1", "--json")
	if code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	cases := map[string]float64{}
	for line := range strings.Lines(stdout) {
		var m measured
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		cases[m.Case] = m.Value
	}
	for _, name := range []string{"wave-raw", "wave-packed", "wave-packed-encode", "json", "protobuf", "cloudevents-json", "cloudevents-protobuf", "protobuf-encode"} {
		if !(cases[name] > 0) {
			t.Errorf("%s: %g", name, cases[name])
		}
	}
	if n, ok := cases["wave-raw-allocations"]; !ok || n != 0 {
		t.Errorf("%g allocations for a raw waveform, want 0", n)
	}
	if raw, packed := cases["wave-raw-size"], cases["wave-packed-size"]; !(raw > 2 && raw <= 2.05 && packed > 0.5 && packed < 0.7*raw) {
		t.Errorf("a sample takes %g bytes raw and %g packed", raw, packed)
	}
}

func TestBenchOfPhysics(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	code, stdout, stderr := tell("bench", "physics", "--runs", "1", "--json")
	if code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	cases := map[string]measured{}
	for line := range strings.Lines(stdout) {
		var m measured
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		cases[m.Case] = m
	}
	if m := cases["rom-real-time/200 turbines"]; !(m.Value > 1) || m.Better != "higher" {
		t.Errorf("200 turbines are slower than real time: %+v", m)
	}
	for _, name := range []string{"rom-share-of-core/200 turbines", "law-step/bearing-life", "law-step/growth", "law-step/thermal", "law-step/crack", "law-step/structure-loads", "law-step/structure-frequencies"} {
		if m := cases[name]; !(m.Value > 0) || m.Better != "lower" {
			t.Errorf("%s: %+v", name, m)
		}
	}
}
