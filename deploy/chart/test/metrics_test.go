package deploytest

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql/parser"
)

// rare are metrics that are not there before something went wrong, or without a database or
// a topic; that the program has them is looked up where it makes them.
var rare = map[string]string{
	"telltale_partition_committed":   filepath.Join(root, "cmd", "telltale", "process.go"),
	"telltale_partition_end":         filepath.Join(root, "cmd", "telltale", "process.go"),
	"telltale_store_away":            filepath.Join(root, "cmd", "telltale", "servicestore.go"),
	"telltale_model_rollbacks_total": filepath.Join(root, "cmd", "telltale", "guard.go"),
}

// ofPrometheus are series that Prometheus makes itself.
var ofPrometheus = []string{"up", "ALERTS"}

// TestEveryMetricThatIsAskedForIsTold scrapes a service, a demo and a gateway.
func TestEveryMetricThatIsAskedForIsTold(t *testing.T) {
	wanted := askedFor(t)
	if len(wanted) < 15 {
		t.Fatalf("asked for: %v", wanted)
	}
	broker, service, gateway, demo := free(t), free(t), free(t), free(t)
	dir := t.TempDir()
	start(t, dir, "simulate", "--live", "mqtt://"+broker, "--serve", "--config", "try.yaml", "--turbines", "1", "--speed", "36000", "--wave-every", "1h")
	var conf []byte
	eventually(t, "the configuration is written", func() (err error) {
		conf, err = os.ReadFile(filepath.Join(dir, "try.yaml"))
		return err
	})
	write := func(name, more string) {
		body := strings.Replace(string(conf), "\ndata: data\n", "\ndata: "+name+"\n", 1) + more
		body = strings.ReplaceAll(body, "client_id: telltale", "client_id: "+name)
		if err := os.WriteFile(filepath.Join(dir, name+".yaml"), []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("service", "listen: "+service+"\n")
	conf = []byte(strings.Replace(string(conf), "\n  mqtt:\n", "\n  mqtt:\n    assets: [other-*]\n", 1)) // so that messages are refused
	write("gateway", "listen: "+gateway+"\ngateway: {drain: 1s, kafka: {brokers: ['"+free(t)+"'], topic: telemetry}}\n")
	start(t, dir, "run", "-c", "service.yaml")
	start(t, dir, "run", "-c", "gateway.yaml", "--role", "gateway")
	start(t, dir, "demo", "--data", "demo", "--turbines", "1", "--listen", demo)
	eventually(t, "every metric is told", func() error {
		told := map[string]bool{}
		for _, at := range []string{service, gateway, demo} {
			if _, err := get("http://" + at + "/api/v1/sources"); err != nil { // so that requests are counted
				return err
			}
			if err := scrape(at, told); err != nil {
				return err
			}
		}
		for name, in := range wanted {
			if source := rare[name]; source != "" {
				body, err := os.ReadFile(source)
				if err != nil || !strings.Contains(string(body), `"`+name+`"`) {
					t.Fatalf("%s, in %s, is not made in %s", name, in, source)
				}
			} else if !told[name] {
				return fmt.Errorf("%s, asked for in %s, is told by nobody: they tell %v", name, in, slices.Sorted(maps.Keys(told)))
			}
		}
		return nil
	})
}

// askedFor are the metrics that alerts and dashboard name, each with the place.
func askedFor(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	look := func(expr, in string) {
		tree, err := parser.NewParser(parser.Options{}).ParseExpr(expr)
		if err != nil {
			t.Fatalf("%s: %s: %v", in, expr, err)
		}
		parser.Inspect(tree, func(n parser.Node, _ []parser.Node) error {
			if s, ok := n.(*parser.VectorSelector); ok {
				for _, m := range s.LabelMatchers {
					if m.Name == model.MetricNameLabel && !slices.Contains(ofPrometheus, m.Value) {
						all[m.Value] = in
					}
				}
			}
			return nil
		})
	}
	for _, r := range alerts(t) {
		look(r.Expr, r.Alert)
	}
	for _, expr := range dashboardQueries(t) {
		look(strings.ReplaceAll(expr, "$__rate_interval", "5m"), "the dashboard")
	}
	return all
}

// dashboardQueries are what the panels and variables ask Prometheus.
func dashboardQueries(t *testing.T) (all []string) {
	t.Helper()
	body, err := os.ReadFile(filepath.Join(chartDir, "files", "dashboard.json"))
	if err != nil {
		t.Fatal(err)
	}
	var d struct {
		Panels []struct {
			ID      int
			Title   string
			GridPos struct{ X, Y, W, H int }
			Targets []struct{ Expr string }
		}
		Templating struct {
			List []struct{ Type, Definition string }
		}
	}
	if err := json.Unmarshal(body, &d); err != nil {
		t.Fatal(err)
	}
	ids := map[int]bool{}
	for _, p := range d.Panels {
		if ids[p.ID] || p.GridPos.X+p.GridPos.W > 24 {
			t.Errorf("panel %q: its ID is another's, or it is too wide", p.Title)
		}
		ids[p.ID] = true
		for _, q := range p.Targets {
			all = append(all, q.Expr)
		}
	}
	for _, v := range d.Templating.List {
		if v.Type == "query" {
			selector, _, ok := strings.Cut(strings.TrimPrefix(v.Definition, "label_values("), ", ")
			if !ok {
				t.Errorf("variable: %s", v.Definition)
			}
			all = append(all, selector)
		}
	}
	return all
}

// scrape adds the names that a process tells, with those that a histogram stands for.
func scrape(at string, told map[string]bool) error {
	body, err := get("http://" + at + "/metrics")
	if err != nil {
		return err
	}
	p := expfmt.NewTextParser(model.UTF8Validation)
	families, err := p.TextToMetricFamilies(strings.NewReader(body))
	if err != nil {
		return err
	}
	for name, f := range families {
		told[name] = true
		if f.GetType().String() == "HISTOGRAM" {
			told[name+"_bucket"], told[name+"_count"], told[name+"_sum"] = true, true, true
		}
	}
	return nil
}

func get(url string) (string, error) {
	r, err := http.Get(url)
	if err != nil {
		return "", err
	}
	defer r.Body.Close() //nolint:errcheck // only read
	body, err := io.ReadAll(r.Body)
	if err == nil && r.StatusCode >= http.StatusInternalServerError {
		err = fmt.Errorf("%s: %s", url, r.Status)
	}
	return string(body), err
}

// free is an address of this machine that nobody listens on.
func free(t *testing.T) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // to be used again
	return l.Addr().String()
}

func eventually(t *testing.T, what string, ok func() error) {
	t.Helper()
	var err error
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		if err = ok(); err == nil {
			return
		}
	}
	t.Fatalf("%s: %v", what, err)
}
