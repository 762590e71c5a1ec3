package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/pipeline"
	"github.com/telltale-iot/telltale/store/sqlite"
	"github.com/telltale-iot/telltale/workorders"
	"github.com/telltale-iot/telltale/workorders/sandbox"
)

// typed runs one command line within the process.
func typed(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, bad bytes.Buffer
	code = run(t.Context(), args, &out, &bad)
	return code, out.String(), bad.String()
}

// parsed runs a command that prints JSON and has to succeed.
func parsed[T any](t *testing.T, args ...string) T {
	t.Helper()
	code, out, bad := typed(t, args...)
	if code != 0 {
		t.Fatalf("telltale %q: exit %d: %s", args, code, bad)
	}
	var v T
	if err := json.Unmarshal([]byte(out), &v); err != nil {
		t.Fatalf("telltale %q: %v in\n%s", args, err, out)
	}
	return v
}

// outboxOf makes a data folder whose outbox holds an order for each asset.
func outboxOf(t *testing.T, ids ...asset.ID) string {
	t.Helper()
	dir := t.TempDir()
	ctx := t.Context()
	db, err := sqlite.Open(ctx, storePath(dir), sqlite.Options{Plan: func(a asset.Alert) (workorders.Order, bool) {
		return workorders.Plan(a, asset.Nameplate{ID: a.Asset}, workorders.Policy{})
	}})
	if err != nil {
		t.Fatal(err)
	}
	at, err := db.Claim(ctx, 0)
	if err != nil {
		t.Fatal(err)
	}
	fx := pipeline.Effects{Epoch: at.Epoch, Next: 1, Through: time.Unix(1e9, 0)}
	for i, id := range ids {
		opened := time.Unix(1e9+int64(i), 0).UTC()
		fx.Alerts = append(fx.Alerts, asset.Alert{
			ID: fmt.Sprintf("alert-%s", id), Asset: id, Component: "bearing", Mode: asset.Wear, Severity: 1, Opened: opened, Changed: opened, Risk: 0.9, RUL: asset.NoRUL(),
		})
	}
	if err := db.Keep(ctx, fx); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

// erpConfigFile writes a configuration with a sandbox ERP, and returns its orders.
func erpConfigFile(t *testing.T) (path string, orders func() []sandbox.Order) {
	t.Helper()
	erp, err := sandbox.Open(filepath.Join(t.TempDir(), "erp.jsonl"), sandbox.Options{})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(erp)
	t.Cleanup(func() { server.Close(); erp.Close() }) //nolint:errcheck,gosec // a test's end
	path = filepath.Join(t.TempDir(), "telltale.yaml")
	body := "data: d\nassets:\n- {id: p1, kind: pump-rig, components: [{name: bearing}]}\nsource: {mqtt: {url: tcp://127.0.0.1:1, client_id: x}}\nerp: {kind: sandbox, url: '" + server.URL + "'}\n"
	if err := os.WriteFile(path, []byte(body), 0o600); err != nil {
		t.Fatal(err)
	}
	return path, erp.Orders
}

func TestForwardTwiceOrdersOnce(t *testing.T) {
	data := outboxOf(t, "p1", "p2")
	conf, erp := erpConfigFile(t)
	if code, _, bad := typed(t, "orders", "check", "-c", conf, "--data", data); code != 0 {
		t.Errorf("check of what was never sent: exit %d, %q; want 0", code, bad)
	}
	for turn := range 2 {
		sent := parsed[[]sentOrder](t, "orders", "forward", "-c", conf, "--data", data, "--json")
		if len(sent) != 2 || len(erp()) != 2 {
			t.Fatalf("turn %d: %d printed, %d in the ERP; want 2 and 2", turn, len(sent), len(erp()))
		}
		for _, o := range sent {
			if o.ERPNumber == "" || o.Status != workorders.Sent {
				t.Errorf("turn %d: %+v; want a number and sent", turn, o)
			}
		}
	}
	if code, out, bad := typed(t, "orders", "check", "-c", conf, "--data", data); code != 0 {
		t.Errorf("check after: exit %d: %s%s", code, out, bad)
	}
	other, _ := erpConfigFile(t)
	if code, _, bad := typed(t, "orders", "check", "-c", other, "--data", data); code != 1 || !strings.Contains(bad, "2 of 2") {
		t.Errorf("check with an ERP that has none: exit %d, %q; want 1 and 2 of 2", code, bad)
	}
}

func TestForwardSaysWhatWaits(t *testing.T) {
	data := outboxOf(t, "p1")
	conf, _ := erpConfigFile(t)
	body, err := os.ReadFile(conf)
	if err != nil {
		t.Fatal(err)
	}
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	at := bytes.Index(body, []byte("erp:"))
	body = append(body[:at:at], "erp: {kind: sandbox, url: '"+closed.URL+"'}\n"...)
	if err := os.WriteFile(conf, body, 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, bad := typed(t, "orders", "forward", "-c", conf, "--data", data)
	if code != 1 || !strings.Contains(bad, "1 of 1") || !strings.Contains(out, "open") {
		t.Errorf("exit %d\n%s%s\nwant 1, the order as open", code, out, bad)
	}
}

func TestParkAndRetry(t *testing.T) {
	data := outboxOf(t, "p1")
	conf, erp := erpConfigFile(t)
	db, err := sqlite.Open(t.Context(), storePath(data), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var id string
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	all := parsedOutbox(t, data)
	id = all[0].ID
	if o := parsed[workorders.Order](t, "orders", "park", id, "--data", data, "--why", "by telephone", "--json"); o.Status != workorders.Parked || o.Problem != "by telephone" {
		t.Errorf("parked: %+v", o)
	}
	if code, _, bad := typed(t, "orders", "forward", "-c", conf, "--data", data); code != 0 || len(erp()) != 0 {
		t.Errorf("forward of a parked order: exit %d %s, %d in the ERP; want 0 and none", code, bad, len(erp()))
	}
	if o := parsed[workorders.Order](t, "orders", "retry", id, "--data", data, "--json"); o.Status != workorders.Open {
		t.Errorf("retried: %+v", o)
	}
	if code, _, bad := typed(t, "orders", "retry", id, "--data", data); code != 1 {
		t.Errorf("retry of an open order: exit %d: %s; want 1", code, bad)
	}
}

func parsedOutbox(t *testing.T, data string) []workorders.Order {
	t.Helper()
	orders, err := (&client{}).outbox(t.Context(), outboxPlace{data: data})
	if err != nil || len(orders) == 0 {
		t.Fatalf("%d orders, %v", len(orders), err)
	}
	return orders
}

func TestCommandLinesThatCannotBeMeant(t *testing.T) {
	dir := t.TempDir()
	for name, tc := range map[string]struct {
		want int
		args []string
	}{
		"no verb":              {2, []string{"orders"}},
		"unknown verb":         {2, []string{"alerts", "eat"}},
		"no place":             {2, []string{"orders", "park", "x"}},
		"two places":           {2, []string{"orders", "park", "x", "--data", "a", "--out", "b"}},
		"no such folder":       {1, []string{"orders", "retry", "x", "--data", filepath.Join(dir, "none")}},
		"no configuration":     {2, []string{"orders", "forward", "--data", dir}},
		"bad address":          {2, []string{"orders", "list", "--api", "nonsense"}},
		"nobody there":         {1, []string{"twins", "list", "--api", "http://127.0.0.1:1"}},
		"no ID":                {2, []string{"twins", "show"}},
		"unknown flag":         {2, []string{"model", "list", "--eat"}},
		"no such version":      {1, []string{"model", "show", "x:1", "--repo", dir}},
		"unknown stage":        {2, []string{"model", "promote", "x:1", "prod", "--repo", dir}},
		"nothing to roll back": {1, []string{"model", "rollback", "x", "--repo", dir}},
		"no key":               {2, []string{"model", "sign", "x:1", "--repo", dir}},
		"pinned to nothing":    {2, []string{"model", "pin", "x:1", "--repo", dir}},
		"two scopes":           {2, []string{"model", "shadow", "x:1", "--asset", "a", "--class", "b", "--repo", dir}},
		"no such scheme":       {1, []string{"model", "list", "--repo", "https://registry.example.org/models"}},
		"a name in capitals":   {1, []string{"model", "push", filepath.Join("..", "..", "models", "testdata", "good.onnx"), "--name", "Big", "--repo", dir}},
		"no inputs":            {2, []string{"model", "export-training", dir, "--out", dir, "--class", "x"}},
		"no run":               {1, []string{"model", "export-training", dir, "--out", dir, "--class", "x", "--inputs", "a/b"}},
		"no repository":        {2, []string{"learn", dir}},
		"no data":              {1, []string{"learn", dir, "--repo", dir}},
	} {
		t.Run(name, func(t *testing.T) {
			code, out, bad := typed(t, tc.args...)
			if code != tc.want || strings.Count(strings.TrimSpace(bad), "\n") != 0 || bad == "" || out != "" {
				t.Errorf("telltale %q: exit %d, stdout %q, stderr %q; want %d and one line", tc.args, code, out, bad, tc.want)
			}
		})
	}
}

// TestLists holds the shell against a service's answers.
func TestLists(t *testing.T) {
	answers := map[string]string{
		"/api/v1/orders":    `{"orders":[{"id":"o1","alert":"a1","asset":"T1","component":"gearbox","status":"sent","erp_number":"10000001","priority":2,"created":"2026-01-01T00:00:00Z"}]}`,
		"/api/v1/alerts":    `{"alerts":[{"id":"a1","asset":"T1","component":"gearbox","risk":null,"rul_h":{"p10":null,"p50":null,"p90":null},"current":{"mode":"wear","severity":2,"open":true}}]}`,
		"/api/v1/assets":    `{"assets":[{"id":"T1","kind":"wind-turbine","state":"alert","risk":0.5,"rul_h":{"p10":1,"p50":2,"p90":null}}]}`,
		"/api/v1/assets/T1": `{"id":"T1","state":"alert","components":[{"name":"gearbox","physics":[{"name":"age","value":3,"unit":"h"}]}],"metrics":[{"name":"x/rms","value":null}]}`,
		"/api/v1/alerts/a1": `{"id":"a1","asset":"T1","orders":[{"id":"o1"}],"evidence":[{"source":"rule/level","text":"too loud"}]}`,
		"/api/v1/orders/o1": `{"id":"o1","status":"parked","problem":"no such equipment"}`,
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, ok := answers[r.URL.Path]
		if !ok {
			w.WriteHeader(http.StatusNotFound)
			body = `{"detail":"no such thing: try another"}`
		}
		_, _ = w.Write([]byte(body))
	}))
	defer server.Close()
	for what, tc := range map[string]struct{ args, want []string }{
		"orders":   {[]string{"orders", "list"}, []string{"o1", "a1", "T1", "gearbox", "sent", "10000001"}},
		"order":    {[]string{"orders", "show", "o1"}, []string{"parked", "no such equipment"}},
		"alerts":   {[]string{"alerts", "list", "--all"}, []string{"a1", "T1", "wear"}},
		"an alert": {[]string{"alerts", "show", "a1"}, []string{"too loud", "o1"}},
		"twins":    {[]string{"twins", "list"}, []string{"T1", "0.500", "2 (1 to )"}},
		"a twin":   {[]string{"twins", "show", "T1"}, []string{"gearbox", "age", "x/rms"}},
	} {
		t.Run(what, func(t *testing.T) {
			args := append(tc.args, "--api", server.URL)
			code, out, bad := typed(t, args...)
			if code != 0 {
				t.Fatalf("exit %d: %s", code, bad)
			}
			for _, w := range tc.want {
				if !strings.Contains(out, w) {
					t.Errorf("no %q in\n%s", w, out)
				}
			}
			parsed[any](t, append(args, "--json")...)
		})
	}
	if code, _, bad := typed(t, "orders", "show", "gone", "--api", server.URL); code != 1 || !strings.Contains(bad, "try another") {
		t.Errorf("exit %d, %q; want 1 and what the service says", code, bad)
	}
}
