//go:build accept

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

const notifications = "/sap/opu/odata/sap/API_MAINTNOTIFICATION/MaintenanceNotification"

// startSAP copies the stand-in that TELLTALE_SAP_SANDBOX names, installs what it
// needs and starts it; it returns its address.
func startSAP(t *testing.T) string {
	t.Helper()
	from := os.Getenv("TELLTALE_SAP_SANDBOX")
	if from == "" {
		t.Skip("skipped: no SAP stand-in at TELLTALE_SAP_SANDBOX")
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("chmod", "-R", "u+w", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if _, err := os.Stat(filepath.Join(dir, "node_modules")); err != nil {
		install := exec.CommandContext(t.Context(), "npm", "install", "--ignore-scripts", "--no-audit", "--no-fund")
		install.Dir = dir
		if out, err := install.CombinedOutput(); err != nil {
			t.Fatalf("npm install: %v\n%s", err, out)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil || l.Close() != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	c := exec.Command("npm", "start")
	c.Dir, c.Env = dir, append(os.Environ(), "PORT="+port)
	c.Stdout, c.Stderr = &said, &said
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // npm starts node, which has to end as well
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		syscall.Kill(-c.Process.Pid, syscall.SIGKILL) //nolint:errcheck // its own group
		c.Wait()                                      //nolint:errcheck // killed
	})
	address := "http://127.0.0.1:" + port
	for began := time.Now(); ; time.Sleep(300 * time.Millisecond) {
		if answer, err := http.Get(address + notifications + "/$count"); err == nil {
			answer.Body.Close() //nolint:errcheck,gosec // only whether it answers
			return address
		}
		if time.Since(began) > 90*time.Second {
			t.Fatalf("the stand-in does not answer: %s", said.String())
		}
	}
}

// sapCount is how many notifications have a key, or how many there are.
func sapCount(t *testing.T, address, key string) string {
	t.Helper()
	path := address + notifications + "/$count"
	if key != "" {
		path += "?$filter=" + url.PathEscape("MaintNotifExtReferenceNumber eq '"+key+"'")
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth("PDM_COMM", "Secret123")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close() //nolint:errcheck // read to its end
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s %s %v", path, answer.Status, body, err)
	}
	return strings.TrimSpace(string(body))
}

// TestAcceptSAP sends the orders of a backtest to the stand-in: one notification
// each, whatever is sent again from wherever, and whatever answer is lost.
func TestAcceptSAP(t *testing.T) {
	address := startSAP(t)
	out, spare, lost := t.TempDir(), t.TempDir(), t.TempDir()
	for _, to := range []string{out, spare} {
		if err := os.CopyFS(to, os.DirFS(made(t, shop.whole))); err != nil {
			t.Fatal(err)
		}
	}
	conf := filepath.Join(t.TempDir(), "telltale.yaml")
	secret := conf + ".secret"
	text := "data: data\nsource:\n  mqtt:\n    url: tcp://127.0.0.1:1883\nassets:\n- id: wt01\n  kind: wind-turbine\n  components: [{name: gearbox}]\n" + fmt.Sprintf("erp:\n  kind: sap\n  url: %s\n  user: PDM_COMM\n  password_file: %s\n  hold_unknown: 2s\n  sap:\n    planning_plant: \"1010\"\n    equipment: {wt01: \"210100094\"}\n", address, secret)
	for path, body := range map[string]string{conf: text, secret: "Secret123\n"} {
		if err := os.WriteFile(path, []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	before := sapCount(t, address, "")
	first := forwarded(t, out, conf)
	if len(first) == 0 {
		t.Fatal("the backtest has no orders")
	}
	for what, from := range map[string]string{"again": out, "from a copy that knows nothing": spare} {
		for key, number := range forwarded(t, from, conf) {
			if first[key] != number {
				t.Errorf("%s: order %s is %s, was %s", what, key, number, first[key])
			}
		}
	}
	once := func() {
		t.Helper()
		for key := range first {
			if n := sapCount(t, address, key); n != "1" {
				t.Errorf("%s notifications with key %s, want 1", n, key)
			}
		}
	}
	once()
	t.Logf("%d orders, %s notifications before, %s after", len(first), before, sapCount(t, address, ""))

	// Other orders, the first of which loses its answer after the commit.
	farm := filepath.Join(lost, "farm")
	if e := telltale(t, "simulate", "--out", farm, "--turbines", "3", "--for", "120h", "--learning", "24h", "--wave-every", "4h", "--seed", "2", "--start", "2027-01-01T00:00:00Z"); e.code != 0 {
		t.Fatal(e.stderr)
	}
	other := backtested(t, farm)
	answer, err := http.Post(address+"/mock/fault", "application/json", strings.NewReader(`{"n":1,"after":true}`))
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close() //nolint:errcheck,gosec // nothing to read
	first = forwarded(t, other, conf)
	once()
}

// forwarded sends the orders of an OUT until none waits, and returns their
// numbers in the ERP by key.
func forwarded(t *testing.T, out, conf string) map[string]string {
	t.Helper()
	waited := 0
	for began := time.Now(); ; time.Sleep(time.Second) {
		e := telltale(t, "orders", "forward", "--out", out, "-c", conf, "--json")
		var sent []sentOrder
		if err := json.Unmarshal([]byte(e.stdout), &sent); err != nil {
			t.Fatalf("exit %d: %s%s", e.code, e.stdout, e.stderr)
		}
		if e.code == 0 {
			numbers := map[string]string{}
			for _, o := range sent {
				if o.ERPNumber == "" || o.Status != "sent" {
					t.Errorf("order %+v", o)
				}
				numbers[o.Key] = o.ERPNumber
			}
			t.Logf("%d orders, %d runs in which one waited, %v", len(numbers), waited, time.Since(began).Round(time.Second))
			return numbers
		}
		if e.code != 1 || time.Since(began) > time.Minute {
			t.Fatalf("exit %d: %s", e.code, e.stderr)
		}
		waited++
	}
}
