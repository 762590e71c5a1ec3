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
	if code != 2 || !strings.Contains(stderr, "fft, features, decode, flow, store, models, scale") {
		t.Errorf("exit %d: %s", code, stderr)
	}
}
