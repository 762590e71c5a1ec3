//go:build accept

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/simulate"
	"github.com/telltale-iot/telltale/store/sqlite"
	"github.com/telltale-iot/telltale/workorders"
	"github.com/telltale-iot/telltale/workorders/sandbox"
)

// running is a demo in a process of its own.
type running struct {
	t     *testing.T
	cmd   *exec.Cmd
	url   string
	since time.Time
	said  *bytes.Buffer // stderr, complete once the process has ended
}

// startDemo starts a demo and waits until it listens.
func startDemo(t *testing.T, data string) *running {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	r := &running{t: t, url: "http://" + addr, since: time.Now(), said: &bytes.Buffer{}}
	r.cmd = exec.Command(made(t, shop.program), "demo", "--data", data, "--listen", addr, "--speed", "3600")
	r.cmd.Stderr = r.said
	out, err := r.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.cmd.Process.Kill() }) //nolint:errcheck // it may have ended
	first := make(chan string, 1)
	go func() {
		text, _ := bufio.NewReader(out).ReadString('\n')
		first <- text
	}()
	select {
	case text := <-first:
		if !strings.Contains(text, "listening on "+r.url) {
			r.kill()
			t.Fatalf("demo said %q, and %s", text, r.said)
		}
	case <-time.After(60 * time.Second):
		r.kill()
		t.Fatalf("no listening line within 60 s: %s", r.said)
	}
	return r
}

func (r *running) kill() {
	r.cmd.Process.Kill() //nolint:errcheck,gosec // it may have ended
	r.cmd.Wait()         //nolint:errcheck,gosec // killed
}

// fetched reads a JSON answer.
func fetched[T any](r *running, path string) T {
	r.t.Helper()
	var v T
	answer, err := http.Get(r.url + path)
	if err != nil {
		r.t.Fatal(err)
	}
	defer answer.Body.Close() //nolint:errcheck // read to its end
	body, err := io.ReadAll(answer.Body)
	if err == nil {
		err = json.Unmarshal(body, &v)
	}
	if err != nil || answer.StatusCode != http.StatusOK {
		r.t.Fatalf("%s: %s: %v: %.300s", path, answer.Status, err, body)
	}
	return v
}

func (r *running) clock() time.Time {
	return fetched[struct {
		EventTime time.Time `json:"event_time"`
	}](r, "/api/v1/status").EventTime
}

func (r *running) alerts() []asset.Alert {
	list := fetched[struct{ Alerts []asset.Alert }](r, "/api/v1/alerts?state=all&limit=1000").Alerts
	slices.SortFunc(list, func(a, b asset.Alert) int {
		return compare(a.Opened, b.Opened, a.Asset, b.Asset, a.Component, b.Component)
	})
	return list
}

func (r *running) outbox() []workorders.Order {
	return fetched[struct{ Orders []workorders.Order }](r, "/api/v1/orders?limit=1000").Orders
}

func (r *running) erp() []sandbox.Order { return fetched[[]sandbox.Order](r, "/erp/orders") }

// demoTruth is the faults of the demo's farm by turbine.
func demoTruth(t *testing.T) map[asset.ID]simulate.Label {
	t.Helper()
	farm, err := simulate.New((&demo{turbines: 12, seed: 1}).farm())
	if err != nil {
		t.Fatal(err)
	}
	out := map[asset.ID]simulate.Label{}
	for _, l := range farm.Labels() {
		if l.Kind != "healthy" {
			out[l.Asset] = l
		}
	}
	if len(out) == 0 {
		t.Fatal("the demo has no faults")
	}
	return out
}

// named reports whether an order tells which part suffers from what, and why.
func named(o sandbox.Order, l simulate.Label) bool {
	spaced := func(s string) string { return strings.ToLower(strings.NewReplacer("-", " ", "_", " ").Replace(s)) }
	_, evidence, ok := strings.Cut(o.Text, "Evidence")
	text := spaced(o.Title + "\n" + o.Text)
	return ok && strings.ContainsAny(evidence, "0123456789") && o.Component == l.Component &&
		strings.Contains(text, spaced(l.Component)) && strings.Contains(spaced(o.Title), spaced(string(l.Mode)))
}

func TestAcceptDemo(t *testing.T) {
	faults := demoTruth(t)
	data := t.TempDir()
	began := time.Now()
	whole := startDemo(t, data)
	var orders []sandbox.Order
	good := func(o sandbox.Order) bool { return named(o, faults[o.Asset]) }
	for orders = whole.erp(); !slices.ContainsFunc(orders, good); orders = whole.erp() {
		if time.Since(began) > 90*time.Second {
			t.Fatalf("no order within 90 s names the part and the mode of a true fault: %+v", orders)
		}
		time.Sleep(500 * time.Millisecond)
	}
	t.Logf("first good order after %v", time.Since(began).Round(time.Second))
	t.Run("page", func(t *testing.T) { walk(t, whole.url) })
	time.Sleep(time.Until(began.Add(45 * time.Second)))
	for _, o := range whole.erp() {
		l, ok := faults[o.Asset]
		if !ok {
			t.Errorf("order for a healthy turbine: %+v", o)
		}
		t.Logf("order %s %s: %s (truth: %s %s)", o.Number, o.Asset, o.Title, l.Component, l.Mode)
	}
	reached, seen := whole.clock(), whole.alerts()
	stopped(t, whole, data)
	t.Run("kills", func(t *testing.T) { killedDemo(t, reached, seen) })
}

// stopped ends a demo by SIGTERM: exit 0, and what was shown is on disk.
func stopped(t *testing.T, r *running, data string) {
	t.Helper()
	at := r.clock()
	if err := r.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	err := r.cmd.Wait()
	if took := time.Since(began); err != nil || took > 15*time.Second {
		t.Errorf("SIGTERM: %v after %v: %s", err, took, r.said)
	}
	db, err := sqlite.Open(t.Context(), storePath(data), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // only read
	var through time.Time
	for i := range int32(2) {
		c, err := db.Claim(t.Context(), i)
		if err != nil {
			t.Fatal(err)
		}
		if c.Through.After(through) {
			through = c.Through
		}
	}
	if through.Before(at) {
		t.Errorf("%s was shown, %s is committed", at, through)
	}
}

// killedDemo kills a demo three times within a minute and compares it with one
// that ran undisturbed up to reached.
func killedDemo(t *testing.T, reached time.Time, undisturbed []asset.Alert) {
	t.Helper()
	rng := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 3))
	data := t.TempDir()
	known := map[string]asset.Alert{}
	var clock time.Time
	for life := range 4 {
		r := startDemo(t, data)
		if at := r.clock(); at.Before(clock.Add(-time.Hour)) {
			t.Errorf("life %d: the event clock went from %s back to %s", life, clock, at)
		}
		end := time.Now().Add(time.Duration(5+rng.IntN(15)) * time.Second)
		for life == 3 && r.clock().Before(reached.Add(time.Hour)) {
			if end = time.Now(); end.Sub(r.since) > 3*time.Minute {
				t.Fatalf("the event clock stands at %s", r.clock())
			}
			time.Sleep(500 * time.Millisecond)
		}
		time.Sleep(time.Until(end))
		time.Sleep(time.Duration(rng.IntN(1000)) * time.Millisecond)
		r.consistent(known, life == 3)
		if now := r.clock(); !now.After(clock) {
			t.Errorf("life %d: the event clock stands at %s", life, now)
		} else {
			clock = now
		}
		if life == 3 {
			sameEpisodes(t, reached, undisturbed, r.alerts())
			stopped(t, r, data)
			return
		}
		r.kill()
		t.Logf("killed at event time %s with %d alerts", clock, len(known))
	}
}

// consistent compares what a demo shows with what it showed before.
func (r *running) consistent(known map[string]asset.Alert, settled bool) {
	t := r.t
	t.Helper()
	if settled { // the forwarder looks every second
		time.Sleep(3 * time.Second)
	}
	list := r.alerts()
	latest := map[string]asset.Alert{}
	for _, a := range list {
		part := string(a.Asset) + "/" + a.Component
		if before, ok := latest[part]; ok && (before.Cleared == nil || before.Cleared.After(a.Opened)) {
			t.Errorf("%s has two alerts at once: %s and %s", part, before.ID, a.ID)
		}
		latest[part] = a
		if before, ok := known[a.ID]; ok && (!before.Opened.Equal(a.Opened) || before.Mode != a.Mode || before.Severity != a.Severity) {
			t.Errorf("alert %s was %s of %s, is %s of %s", a.ID, before.Mode, before.Opened, a.Mode, a.Opened)
		}
	}
	for id := range known {
		if !slices.ContainsFunc(list, func(a asset.Alert) bool { return a.ID == id }) {
			t.Errorf("alert %s is lost", id)
		}
	}
	for _, a := range list {
		known[a.ID] = a
	}
	keys := map[string]int{}
	numbers := map[string]string{}
	for _, o := range r.erp() {
		keys[o.Key]++
		numbers[o.Key] = o.Number
	}
	for key, n := range keys {
		if n != 1 {
			t.Errorf("the ERP has order %s %d times", key, n)
		}
	}
	for _, o := range r.outbox() {
		if _, ok := known[o.Alert]; !ok {
			t.Errorf("order %s of no alert", o.ID)
		}
		if o.Status != workorders.Open && o.ERPNumber != numbers[o.Key] || settled && keys[o.Key] != 1 {
			t.Errorf("order %s is %s as %q, the ERP has %q", o.Key, o.Status, o.ERPNumber, numbers[o.Key])
		}
	}
}

// sameEpisodes wants the alerts that were opened up to an instant to be the same.
func sameEpisodes(t *testing.T, at time.Time, want, got []asset.Alert) {
	t.Helper()
	names := func(list []asset.Alert) (out []string) {
		for _, a := range list {
			if !a.Opened.After(at) {
				out = append(out, fmt.Sprintf("%s %s %s %s severity %d %s", stamped(a.Opened), a.Asset, a.Component, a.Mode, a.Severity, a.ID))
			}
		}
		return out
	}
	if a, b := names(want), names(got); !slices.Equal(a, b) {
		t.Errorf("alerts differ from those of a demo that was left alone:\n%s\nafter kills:\n%s", strings.Join(a, "\n"), strings.Join(b, "\n"))
	}
}

// walk runs the browser's test of the page against a running demo.
func walk(t *testing.T, url string) {
	t.Helper()
	if _, err := os.Stat("/usr/bin/chromium"); err != nil && os.Getenv("TELLTALE_CHROMIUM") == "" {
		t.Skip("skipped: no browser")
	}
	shots := os.Getenv("TELLTALE_SHOTS")
	if shots == "" {
		shots = t.TempDir()
	}
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, "go", "test", "-count=1", "-tags", "browser", "-run", "TestBrowser", "./web")
	c.Dir = filepath.Join("..", "..")
	c.Env = append(os.Environ(), "TELLTALE_URL="+url, "TELLTALE_SHOTS="+shots)
	if out, err := c.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
