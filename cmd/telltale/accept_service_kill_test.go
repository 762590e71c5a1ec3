//go:build accept

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// A service that reads a broker is killed while windows are open, three times. What it had
// taken from the broker and not used yet lies in its journal: nothing is missing and
// nothing counted twice afterwards.
func TestAcceptKilledServiceLosesNothing(t *testing.T) {
	const step, second = 10 * time.Minute, 25600 // of the farm's telemetry and records; samples
	address := "127.0.0.1:" + freePort(t)
	file := filepath.Join(t.TempDir(), "farm.yaml")
	farm := exec.Command(made(t, shop.program), "simulate", "--live", "mqtt://"+address, "--serve", "--turbines", "1", "--healthy",
		"--speed", "1200", "--telemetry-every", step.String(), "--wave-every", step.String(), "--config", file)
	farm.Stderr = os.Stderr
	if err := farm.Start(); err != nil {
		t.Fatal(err)
	}
	defer farm.Wait()         //nolint:errcheck // it is killed
	defer farm.Process.Kill() //nolint:errcheck // as above
	plate := writtenConfig(t, file).Assets[0]
	s := runService(t, plate, map[string]any{"mqtt": map[string]any{"url": "tcp://" + address, "client_id": "flow"}})
	for i := range 3 {
		s.flows(s.committed(), 30*time.Second)
		time.Sleep(2*time.Second + time.Duration(i)*130*time.Millisecond)
		s.kill()
		s.start()
	}
	s.flows(s.committed(), 30*time.Second)
	time.Sleep(2 * time.Second)
	s.stop()
	left := s.kept(plate.ID)
	kept, counts := left.readings, left.counts
	n := int64(len(kept))
	if n < 15 || len(left.gaps) > 0 || counts["points"] != n*int64(len(plate.Metrics)) {
		t.Errorf("%d points are counted of %d instants, with %d gaps; want %d of each and no gap", counts["points"], n, len(left.gaps), len(plate.Metrics))
	}
	for i := 1; i < len(kept); i++ {
		if d := kept[i].at.Sub(kept[i-1].at); d != step {
			t.Errorf("%s follows %s after %s, want %s", kept[i].at, kept[i-1].at, d, step)
		}
	}
	record := int64(second * len(plate.Channels))
	if k := counts["samples"] / record; counts["samples"]%record != 0 || k < n-1 || k > n+1 {
		t.Errorf("%d samples are counted, want those of a second of %d channels for each of %d instants", counts["samples"], len(plate.Channels), n)
	}
	for what, k := range counts {
		if k > 0 && (what == "late" || what == "samples-abandoned") {
			t.Errorf("%s: %d, want none", what, k)
		}
	}
	t.Logf("%d instants, %v", n, counts)
}
