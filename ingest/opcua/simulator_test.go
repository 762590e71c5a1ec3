package opcua

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

// farm is a nameplate of a simulated turbine with two metrics and a channel.
var farm = asset.Nameplate{
	ID: "wt01", Metrics: []asset.Metric{{Name: "power", Unit: "kW"}, {Name: "oil", Unit: "°C"}},
	Channels: []asset.Channel{{Name: "gearbox", Kind: "acceleration", Unit: "m/s²", RateHz: 25600}},
}

func simulator(t *testing.T, endpoint string) *Simulator {
	t.Helper()
	s, err := Simulate(t.Context(), endpoint, SimulatedNodes(farm, 0.001))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func put(t *testing.T, s *Simulator, name string, at time.Time, value any) {
	t.Helper()
	if err := s.Put(SimulatedID("wt01", name), at, value); err != nil {
		t.Error(err)
	}
}

func TestASimulatedServerIsReadWhole(t *testing.T) {
	s := simulator(t, "opc.tcp://127.0.0.1:0")
	src, _ := read(t, Server{Endpoint: s.Endpoint(), Security: "None/None", Publish: 100 * time.Millisecond, Queue: 10, Nodes: SimulatedNodes(farm, 0.001)})
	begun := time.Now().Truncate(time.Millisecond).UTC()
	counts := make([]int16, 25600) // most of a message
	counts[7] = 1000
	put(t, s, "power", begun, 1.0)
	next(t, src, isPoint)
	for i := range 30 { // more than the queue holds, so that a gap is told as well
		put(t, s, "oil", begun.Add(time.Duration(i)*time.Millisecond), float64(i))
	}
	for i := range 5 { // more than a message holds
		put(t, s, "gearbox", begun.Add(time.Duration(i+1)*time.Second), counts)
		put(t, s, "power", begun.Add(time.Duration(i+1)*time.Second), float64(i+2))
	}
	got, waves, gaps, power := 0, 0, 0, 1.0
	for got < 10 || waves < 5 || power < 6 {
		r := next(t, src, func(asset.Reading) bool { return true })
		switch {
		case isGap(r):
			gaps++
		case r.Wave != nil:
			waves++
			if r.Wave.Len() != 25600 || r.Wave.Counts[7] != 1000 || r.Wave.Scale != 0.001 {
				t.Fatalf("a waveform of %d samples, the 8th is %d × %g", r.Wave.Len(), r.Wave.Counts[7], r.Wave.Scale)
			}
		}
		for _, p := range r.Points {
			switch p.Metric {
			case "power":
				if power++; p.Value != power || p.Unit != "kW" {
					t.Fatalf("power is %g %s, want %g", p.Value, p.Unit, power)
				}
			case "oil":
				if got++; p.Value != float64(19+got) {
					t.Fatalf("oil is %g, want the last ten values", p.Value)
				}
			}
		}
	}
	if gaps > 1 {
		t.Errorf("%d gaps of a queue that ran over once", gaps)
	}
}

func TestASimulatedServerIsBrowsed(t *testing.T) {
	s := simulator(t, "opc.tcp://127.0.0.1:0")
	found, err := Browse(t.Context(), Server{Endpoint: s.Endpoint(), Security: "None/None"})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(found), "[{ns=2;s=wt01.power [wt01 power] false kW} {ns=2;s=wt01.oil [wt01 oil] false °C} {ns=2;s=wt01.gearbox [wt01 gearbox] true m/s²}]"; got != want {
		t.Errorf("found %s, want %s", got, want)
	}
}

func TestASimulatedServerThatComesBackIsReadAgain(t *testing.T) {
	s := simulator(t, "opc.tcp://127.0.0.1:0")
	src, _ := read(t, Server{Endpoint: s.Endpoint(), Security: "None/None", Publish: 100 * time.Millisecond, Nodes: SimulatedNodes(farm, 0.001)})
	put(t, s, "power", time.Now(), 1.0)
	next(t, src, isPoint)
	s.Close()
	s = simulator(t, s.Endpoint())
	put(t, s, "power", time.Now(), 2.0)
	next(t, src, isGap)
	if r := next(t, src, isPoint); r.Points[0].Value != 2 {
		t.Errorf("read %+v, want 2", r.Points)
	}
}

func TestASimulatedServerSaysWhatItDoesNotTake(t *testing.T) {
	s := simulator(t, "opc.tcp://127.0.0.1:0")
	for want, err := range map[string]error{
		"is not here":            s.Put("ns=2;s=wt01.none", time.Now(), 1.0),
		"what one message holds": s.Put(SimulatedID("wt01", "gearbox"), time.Now(), make([]int16, 40000)),
		"a type that it is not":  s.Put(SimulatedID("wt01", "power"), time.Now(), struct{}{}),
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	for want, bad := range map[string]string{"want opc.tcp": "http://h:1", "in use": s.Endpoint()} {
		if _, err := Simulate(t.Context(), bad, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", bad, err, want)
		}
	}
	if _, err := Simulate(t.Context(), "opc.tcp://127.0.0.1:0", append(SimulatedNodes(farm, 1), SimulatedNodes(farm, 1)...)); err == nil {
		t.Error("a node twice was taken")
	}
}

// TestAForeignClientReadsASimulatedServer has asyncua browse, read, subscribe and try to write.
func TestAForeignClientReadsASimulatedServer(t *testing.T) {
	s := simulator(t, "opc.tcp://127.0.0.1:0")
	begun := time.Now()
	put(t, s, "power", begun, 0.0)
	put(t, s, "gearbox", begun, []int16{1, 2, 3})
	c := exec.CommandContext(t.Context(), python(t), filepath.Join("testdata", "client.py"), s.Endpoint()) //nolint:gosec // the tester's own
	ended := make(chan struct{})
	var putting sync.WaitGroup
	putting.Go(func() {
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for i := 1; ; i++ {
			select {
			case <-ended:
				return
			case <-tick.C:
				put(t, s, "power", begun.Add(time.Duration(i)*time.Second), float64(i))
			}
		}
	})
	out, err := c.CombinedOutput()
	close(ended)
	putting.Wait()
	if err != nil {
		t.Fatalf("asyncua: %v: %s", err, out)
	}
	want := "objects ['wt01'] variables ['power', 'oil', 'gearbox'] unit kW wave [1, 2, 3] write refused in order True status Good"
	if got := strings.TrimSpace(string(out)); got != want {
		t.Errorf("asyncua says\n%s\nwant\n%s", got, want)
	}
}
