//go:build accept

package main

import (
	"bufio"
	"context"
	"encoding/csv"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/simulate"
)

// protocolReadings are those of ten minutes, one a second. A shorter trial sends as many,
// faster.
const protocolReadings = 600

// trial is how long the protocols are tried (TELLTALE_PROTOCOL_SECONDS; 600 is the real
// speed), and the time from one reading to the next.
func trial(t *testing.T) (lasts, period time.Duration) {
	t.Helper()
	lasts = 90 * time.Second
	if text := os.Getenv("TELLTALE_PROTOCOL_SECONDS"); text != "" {
		s, err := strconv.Atoi(text)
		if err != nil || s < 60 {
			t.Fatalf("TELLTALE_PROTOCOL_SECONDS is %q, want a number of seconds from 60", text)
		}
		lasts = time.Duration(s) * time.Second
	}
	return lasts, lasts / protocolReadings
}

// protocolPython has pymodbus, asyncua and pysparkplug; .ci/protocols makes it.
func protocolPython(t *testing.T) string {
	t.Helper()
	p := os.Getenv("TELLTALE_PROTOCOLS_PYTHON")
	if p == "" {
		t.Skip("skipped: TELLTALE_PROTOCOLS_PYTHON names no Python with pymodbus, asyncua and pysparkplug")
	}
	return p
}

// turbineTable is what a simulated turbine shows in ten minutes of readings, and its
// nameplate without the channels.
func turbineTable(t *testing.T) (plate asset.Nameplate, rows [][]float64) {
	t.Helper()
	farm, err := simulate.New(simulate.Options{Turbines: 1, Seed: 3, Healthy: true, TelemetryEvery: 10 * time.Second, Duration: protocolReadings * 10 * time.Second, WaveEvery: -1})
	if err != nil {
		t.Fatal(err)
	}
	plate = farm.Nameplates()[0]
	plate.Channels, plate.Kinematics = nil, nil
	for r, ok := farm.Next(); ok; r, ok = farm.Next() {
		row := make([]float64, len(r.Points))
		for i, p := range r.Points {
			row[i] = float64(float32(p.Value)) // as registers have it
		}
		if len(row) != len(plate.Metrics) {
			t.Fatalf("%d points for %d metrics", len(row), len(plate.Metrics))
		}
		rows = append(rows, row)
	}
	if len(rows) != protocolReadings {
		t.Fatalf("the table has %d rows, want %d", len(rows), protocolReadings)
	}
	return plate, rows
}

func writeTable(t *testing.T, path string, rows [][]float64) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := csv.NewWriter(f)
	for _, r := range rows {
		line := make([]string, len(r))
		for i, v := range r {
			line[i] = strconv.FormatFloat(v, 'g', -1, 64)
		}
		if err := w.Write(line); err != nil {
			t.Fatal(err)
		}
	}
	w.Flush()
	if err := f.Close(); err != nil || w.Error() != nil {
		t.Fatal(err, w.Error())
	}
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // only to learn a port
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// peer is a server that is not ours, in a process of its own.
type peer struct {
	t    *testing.T
	name string
	args func(life int) []string // of the command, for its first, second, … life
	up   func() error            // waits until it answers; nil: it prints a line that says ready
	life int
	cmd  *exec.Cmd
}

func (p *peer) start() {
	p.t.Helper()
	args := p.args(p.life)
	p.life++
	p.cmd = exec.CommandContext(p.t.Context(), args[0], args[1:]...) //nolint:gosec // the tester's own
	p.cmd.Stderr = os.Stderr
	out, err := p.cmd.StdoutPipe()
	if err == nil {
		err = p.cmd.Start()
	}
	if err != nil {
		p.t.Fatalf("%s: %v", p.name, err)
	}
	if p.up == nil {
		if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "ready\n" {
			p.t.Fatalf("%s says %q: %v", p.name, line, err)
		}
		return
	}
	go io.Copy(io.Discard, out) //nolint:errcheck // ends with the process
	if err := p.up(); err != nil {
		p.t.Fatalf("%s: %v", p.name, err)
	}
}

// kill ends it with signal 9.
func (p *peer) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

// collector is a "telltale run" in a process of its own.
type collector struct {
	t    *testing.T
	dir  string
	file string   // of its configuration
	args []string // after those that name the file
	env  []string // beside what the tester has
	url  string
	cmd  *exec.Cmd
	said *os.File
}

// runService starts the program for an asset with the source section of a configuration.
func runService(t *testing.T, plate asset.Nameplate, source map[string]any, env ...string) *collector {
	t.Helper()
	s := &collector{t: t, dir: t.TempDir(), env: env}
	s.open(map[string]any{"assets": []asset.Nameplate{plate}, "source": source})
	return s
}

// open writes the configuration and starts the program.
func (s *collector) open(conf map[string]any) {
	t := s.t
	t.Helper()
	conf["data"], conf["listen"] = filepath.Join(s.dir, "data"), "127.0.0.1:0"
	body, err := yaml.Marshal(conf)
	if err != nil {
		t.Fatal(err)
	}
	s.file = filepath.Join(s.dir, "telltale.yaml")
	if err := os.WriteFile(s.file, body, 0o600); err != nil {
		t.Fatal(err)
	}
	if e := telltale(t, "check", "-c", s.file); e.code != 0 {
		t.Fatalf("check: %s", e.stderr)
	}
	if s.said, err = os.Create(filepath.Join(s.dir, "log")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if s.cmd != nil && s.cmd.Process != nil {
			_ = s.cmd.Process.Kill()
		}
		if t.Failed() {
			t.Logf("the service said:\n%s", bytesOf(t, s.said.Name()))
		}
	})
	s.start()
}

// start waits until the service listens.
func (s *collector) start() {
	s.t.Helper()
	s.cmd = exec.Command(made(s.t, shop.program), append([]string{"run", "-c", s.file}, s.args...)...) //nolint:gosec // the tester's own
	s.cmd.Stderr, s.cmd.Env = s.said, append(os.Environ(), s.env...)
	out, err := s.cmd.StdoutPipe()
	if err == nil {
		err = s.cmd.Start()
	}
	if err != nil {
		s.t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	at := regexp.MustCompile(`http://[^ ,]+`).FindString(line)
	if err != nil || at == "" {
		s.t.Fatalf("the service says %q: %v: %s", line, err, bytesOf(s.t, s.said.Name()))
	}
	s.url = at
}

// kill ends the service without a word.
func (s *collector) kill() {
	s.t.Helper()
	if err := s.cmd.Process.Kill(); err != nil {
		s.t.Fatalf("the service ended by itself: %v", err)
	}
	_ = s.cmd.Wait() // it was killed
}

// committed is how many points the service has committed.
func (s *collector) committed() int64 { return s.metric(`telltale_flow_total{what="points"}`) }

// metric is a figure of the process; 0 while it has none.
func (s *collector) metric(name string) int64 {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/metrics", nil)
	if err != nil {
		s.t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatalf("the service does not answer: %v", err)
	}
	defer res.Body.Close() //nolint:errcheck // read
	for lines := bufio.NewScanner(res.Body); lines.Scan(); {
		if v, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
			n, err := strconv.ParseFloat(v, 64)
			if err != nil {
				s.t.Fatal(err)
			}
			return int64(n)
		}
	}
	return 0
}

// flows waits until points are committed beyond before, and returns how long it took.
func (s *collector) flows(before int64, most time.Duration) time.Duration {
	s.t.Helper()
	began := time.Now()
	for s.committed() <= before {
		if time.Since(began) > most {
			s.t.Fatalf("no data within %s", most)
		}
		time.Sleep(50 * time.Millisecond)
	}
	return time.Since(began)
}

// stop has it drain, commit and end.
func (s *collector) stop() {
	s.t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		s.t.Fatalf("the service ended by itself: %v", err)
	}
	if err := s.cmd.Wait(); err != nil {
		s.t.Fatalf("the service: %v", err)
	}
}
