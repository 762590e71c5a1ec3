package opcua

import (
	"bufio"
	"context"
	"fmt"
	"math"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gopcua/opcua/ua"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/ingest"
)

// peer is a server of asyncua in a process of its own.
type peer struct {
	t    *testing.T
	port string
	args []string
	cmd  *exec.Cmd
}

// python runs asyncua; without it a test of a real server is skipped (make test-integration has it).
func python(t *testing.T) string {
	t.Helper()
	p := os.Getenv("TELLTALE_OPCUA_PYTHON")
	if p == "" {
		t.Skip("skipped: TELLTALE_OPCUA_PYTHON names no Python with asyncua")
	}
	return p
}

func startPeer(t *testing.T, args ...string) *peer {
	t.Helper()
	python(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	_ = l.Close()
	p := &peer{t: t, port: port, args: args}
	p.start()
	t.Cleanup(p.kill)
	return p
}

func (p *peer) start() {
	p.t.Helper()
	p.cmd = exec.CommandContext(p.t.Context(), python(p.t), append([]string{filepath.Join("testdata", "server.py"), p.port}, p.args...)...) //nolint:gosec // the tester's own
	p.cmd.Stderr = os.Stderr
	out, err := p.cmd.StdoutPipe()
	if err == nil {
		err = p.cmd.Start()
	}
	if err != nil {
		p.t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "ready\n" {
		p.t.Fatalf("the server says %q: %v", line, err)
	}
}

func (p *peer) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

func (p *peer) server(nodes ...Node) Server {
	if len(nodes) == 0 {
		nodes = []Node{{ID: "ns=2;s=WT01.Power", Asset: "wt01", Metric: "power", Unit: "kW"}}
	}
	return Server{Endpoint: "opc.tcp://127.0.0.1:" + p.port + "/", Security: "None/None", Publish: 200 * time.Millisecond, Sampling: 50 * time.Millisecond, Nodes: nodes}
}

func read(t *testing.T, s Server) (*Source, <-chan error) {
	t.Helper()
	lost := make(chan error, 100)
	src, err := Open(t.Context(), Options{Servers: []Server{s}, Lost: func(err error) { lost <- err }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(src.Close)
	return src, lost
}

// next waits for a reading that holds.
func next(t *testing.T, s *Source, holds func(asset.Reading) bool) asset.Reading {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		r, _, err := s.Next(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if holds(r) {
			return r
		}
	}
}

func isPoint(r asset.Reading) bool { return len(r.Points) > 0 }
func isGap(r asset.Reading) bool   { return r.Event != nil && r.Event.Kind == ingest.GapEvent }

func TestValuesStatusAndArraysArrive(t *testing.T) {
	p := startPeer(t)
	node := func(name, metric, unit string) Node {
		return Node{ID: "ns=2;s=WT01." + name, Asset: "wt01", Metric: metric, Unit: unit}
	}
	s, _ := read(t, p.server(node("Power", "power", "kW"), node("Oil", "oil", "°C"), node("Running", "running", "1"), node("Doubtful", "doubtful", "1"), node("Broken", "broken", "1"),
		Node{ID: "ns=2;s=WT01.Wave", Asset: "wt01", Channel: "gearbox", RateHz: 1000, Unit: "g"}))
	got := map[string]int{}
	var power []float64
	newest := time.Time{}
	for deadline := time.Now().Add(30 * time.Second); got["power"] < 60 || got["wave"] < 2; {
		if time.Now().After(deadline) {
			t.Fatalf("after 30 s there came %v", got)
		}
		r := next(t, s, func(asset.Reading) bool { return true })
		if r.Asset != "wt01" || time.Since(r.Time).Abs() > 10*time.Second {
			t.Fatalf("reading %+v", r)
		}
		if r.Wave != nil {
			got["wave"]++
			if w := r.Wave; w.Channel != "gearbox" || len(w.Counts) != 100 || w.Counts[1] != int16(1000*math.Sin(1)) || !w.Start.Equal(r.Time.Add(-99*time.Millisecond)) || !w.First || !w.Last {
				t.Fatalf("waveform %+v", w)
			}
		}
		for _, x := range r.Points {
			got[x.Metric]++
			want := 100.0
			if x.Metric == "doubtful" {
				want = 50
			}
			if x.Quality != want {
				t.Errorf("%s has quality %g, want %g", x.Metric, x.Quality, want)
			}
			if x.Metric == "power" {
				if !r.Time.After(newest) {
					t.Fatalf("%v after %v", r.Time, newest)
				}
				newest = r.Time
				power = append(power, x.Value)
			}
		}
	}
	for i := 2; i < len(power); i++ { // the first may be older
		if power[i] != power[i-1]+1 {
			t.Errorf("power %v lacks or repeats a value at %d", power, i)
			break
		}
	}
	if got["broken"] != 0 || got["oil"] == 0 || got["running"] == 0 || got["doubtful"] == 0 {
		t.Errorf("arrived: %v, want all but broken", got)
	}
}

func TestAServerThatIsKilledIsReadAgainWithTheGapRecorded(t *testing.T) {
	p := startPeer(t)
	s, _ := read(t, p.server())
	next(t, s, isPoint)
	for range 3 {
		p.kill()
		time.Sleep(time.Second)
		down := time.Now()
		p.start()
		back := time.Now()
		gap := next(t, s, isGap)
		after := next(t, s, isPoint)
		if took := time.Since(back); took > 10*time.Second {
			t.Errorf("data flows %s after the server's return, want 10 s at most", took)
		}
		if !gap.Time.After(down) || after.Time.Before(back.Add(-time.Second)) || !strings.Contains(gap.Event.Text, "nothing from") {
			t.Errorf("gap %+v, reading of %s, server back at %s", gap.Event, after.Time, back)
		}
	}
}

// TestASubscriptionThatDiedIsNoticed has a server that answers and publishes nothing.
func TestASubscriptionThatDiedIsNoticed(t *testing.T) {
	p := startPeer(t)
	s, lost := read(t, p.server())
	next(t, s, isPoint)
	if err := p.cmd.Process.Signal(syscall.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	silent := time.Now()
	select {
	case err := <-lost:
		if took := time.Since(silent); took > 3*time.Second || !strings.Contains(err.Error(), "nothing came for 600ms") {
			t.Errorf("%v after %s, want the silence after three publishings of 200 ms", err, took)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("nobody noticed that nothing arrives")
	}
	p.kill()
	p.start()
	next(t, s, isGap)
	next(t, s, isPoint)
}

func TestHistoryFillsWhatWasMissed(t *testing.T) {
	p := startPeer(t, "--history")
	server := p.server()
	server.History = true
	s, lost := read(t, server)
	before := next(t, s, isPoint)
	if err := p.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if err := <-lost; err == nil {
		t.Fatal("lost without a reason")
	}
	if err := p.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	last := before.Points[0].Value
	for last < before.Points[0].Value+60 {
		r := next(t, s, func(asset.Reading) bool { return true })
		if isGap(r) {
			t.Fatalf("a gap though the server has a history: %+v", r.Event)
		}
		if v := r.Points[0].Value; v != last+1 {
			t.Fatalf("%v after %v", v, last)
		}
		last = r.Points[0].Value
	}
}

func TestStatusIsQuality(t *testing.T) {
	for status, want := range map[ua.StatusCode]float64{ua.StatusOK: 100, 0x00000480: 100, ua.StatusUncertainInitialValue: 50, ua.StatusBadSensorFailure: 0, 0xC0000000: 0} {
		if got := quality(status); got != want {
			t.Errorf("%#x has quality %g, want %g", uint32(status), got, want)
		}
	}
}

func TestAQueueThatRanOverIsAGap(t *testing.T) {
	var got []asset.Reading
	server := Server{Endpoint: "opc.tcp://h:1", Security: "None/None", Nodes: []Node{{ID: "i=1", Asset: "a", Metric: "m", Unit: "1"}}}
	r, err := newReader(server.withDefaults(), func(x asset.Reading) bool { got = append(got, x); return true })
	if err != nil {
		t.Fatal(err)
	}
	at := time.Unix(1e9, 0).UTC()
	for i, status := range []ua.StatusCode{0, 0, overflow, 0} {
		v := &ua.DataValue{EncodingMask: ua.DataValueValue, Value: ua.MustVariant(float64(i)), Status: status, SourceTimestamp: at.Add(time.Duration(i) * time.Second)}
		for range 2 { // the same again is none
			if err := r.hear(notification(map[uint32]*ua.DataValue{0: v})); err != nil {
				t.Fatal(err)
			}
		}
	}
	if len(got) != 5 || got[2].Event == nil || !strings.Contains(got[2].Event.Text, "queue of i=1 was full") {
		t.Errorf("told %+v, want four values and a gap before the third", got)
	}
}

func TestBadServersSayWhatIsWrong(t *testing.T) {
	node := Node{ID: "ns=2;s=x", Asset: "a", Metric: "m", Unit: "°C"}
	good := Server{Endpoint: "opc.tcp://h:4840", Security: "None/None", Nodes: []Node{node}}
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	with := func(change func(*Server)) Server {
		s := good
		s.Nodes = []Node{node}
		change(&s)
		return s
	}
	for want, s := range map[string]Server{
		"endpoint:":                  with(func(s *Server) { s.Endpoint = "http://h" }),
		"security:":                  with(func(s *Server) { s.Security = "Basic128Rsa15/Sign" }),
		"trust: an empty list":       with(func(s *Server) { s.Security = "" }),
		"certificate and key:":       with(func(s *Server) { s.Security = "" }),
		"nodes: an empty list":       with(func(s *Server) { s.Nodes = nil }),
		"nodes[0].node: \"WT01\"":    with(func(s *Server) { s.Nodes[0].ID = "WT01" }),
		"nodes[0].metric:":           with(func(s *Server) { s.Nodes[0].Channel = "c" }),
		"nodes[0].rate_hz: 5":        with(func(s *Server) { s.Nodes[0].RateHz = 5 }),
		"nodes[0].unit: \"smoot\"":   with(func(s *Server) { s.Nodes[0].Unit = "smoot" }),
		"key: \"/nowhere\"":          with(func(s *Server) { s.Key = "/nowhere" }),
		"user: \"u\" is not allowed": with(func(s *Server) { s.User, s.UserCert = "u", "c" }),
	} {
		if err := s.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", fmt.Sprintf("%+v", s), err)
		}
	}
}

func TestBrowseListsWhatHoldsNumbers(t *testing.T) {
	p := startPeer(t)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	found, err := Browse(ctx, Server{Endpoint: p.server().Endpoint, Security: "None/None"})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, v := range found {
		got = append(got, fmt.Sprint(v.ID, " ", v.Path, " ", v.Array, " ", v.Unit))
	}
	if all := strings.Join(got, "\n"); !strings.HasPrefix(all, "ns=2;s=WT01.Power [WT01 Power] false kW") || !strings.Contains(all, "ns=2;s=WT01.Wave [WT01 Wave] true") || len(found) != 6 {
		t.Errorf("found\n%s", all)
	}
}
