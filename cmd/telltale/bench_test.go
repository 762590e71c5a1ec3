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
	if code != 2 || !strings.Contains(stderr, "fft, features, decode, flow, store, models, scale, physics") {
		t.Errorf("exit %d: %s", code, stderr)
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
