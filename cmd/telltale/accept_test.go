package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/models/onnx"
)

// shop is what the tests share that run the program as its users do: a folder
// of their own, the program in it, and a simulated farm. Each is made once.
var shop struct {
	dir     string
	program func() (string, error)
	farm    func() (string, error)
	whole   func() (string, error)
}

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == onnx.ProbeCommand { // the child of a prover
		os.Exit(run(context.Background(), os.Args[1:], os.Stdout, os.Stderr))
	}
	dir, err := os.MkdirTemp("", "telltale-accept")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	shop.dir = dir
	shop.program = sync.OnceValues(func() (string, error) {
		path := filepath.Join(dir, "telltale")
		out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput()
		if err != nil {
			return "", fmt.Errorf("go build: %w\n%s", err, out)
		}
		return path, nil
	})
	shop.farm = sync.OnceValues(func() (string, error) {
		path := filepath.Join(dir, "farm")
		return path, ran("simulate", "--out", path, "--turbines", "3", "--for", "120h", "--learning", "24h", "--wave-every", "4h", "--seed", "2")
	})
	shop.whole = sync.OnceValues(func() (string, error) {
		farm, err := shop.farm()
		if err != nil {
			return "", err
		}
		path := filepath.Join(dir, "whole")
		return path, ran("backtest", farm, "--out", path, "--quiet")
	})
	code := m.Run()
	os.RemoveAll(dir) //nolint:errcheck,gosec // a temporary folder
	os.Exit(code)
}

// ran runs the program before there is a test to fail.
func ran(args ...string) error {
	program, err := shop.program()
	if err != nil {
		return err
	}
	if out, err := exec.Command(program, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("telltale %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}

func made(t *testing.T, what func() (string, error)) string {
	t.Helper()
	path, err := what()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// ended is how a command line ended.
type ended struct {
	code           int
	stdout, stderr string
}

// telltale runs the program.
func telltale(t *testing.T, args ...string) ended {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, made(t, shop.program), args...)
	var out, bad bytes.Buffer
	c.Stdout, c.Stderr = &out, &bad
	err := c.Run()
	var failed *exec.ExitError
	if err != nil && !errors.As(err, &failed) {
		t.Fatalf("telltale %s: %v", strings.Join(args, " "), err)
	}
	return ended{c.ProcessState.ExitCode(), out.String(), bad.String()}
}

// backtested runs a backtest that has to succeed, and returns OUT.
func backtested(t *testing.T, dir string, args ...string) string {
	t.Helper()
	out := t.TempDir()
	if e := telltale(t, append([]string{"backtest", dir, "--out", out, "--quiet"}, args...)...); e.code != 0 {
		t.Fatalf("backtest %s %q: exit %d: %s", dir, args, e.code, e.stderr)
	}
	return out
}

// summed is what the tests read of summary.json.
type summed struct {
	In       map[string]int64 `json:"in"`
	Refused  map[string]int64 `json:"refused"`
	Alerts   int              `json:"alerts"`
	Orders   int              `json:"work_orders"`
	Resumed  bool             `json:"resumed"`
	Truth    json.RawMessage  `json:"truth"`
	Ablation json.RawMessage  `json:"ablation"`
}

func readSummary(t *testing.T, out string) summed {
	t.Helper()
	var s summed
	if err := json.Unmarshal(bytesOf(t, filepath.Join(out, "summary.json")), &s); err != nil {
		t.Fatal(err)
	}
	return s
}

func bytesOf(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// resultFiles are those whose bytes depend on input and build alone.
var resultFiles = []string{"features.parquet", "risks.parquet", "alerts.ndjson", "workorders.ndjson", "baselines.json", "false_alarms.ndjson"}

// sameResults compares two OUTs byte by byte.
func sameResults(t *testing.T, what, want, got string) {
	t.Helper()
	for _, name := range resultFiles {
		a, b := bytesOf(t, filepath.Join(want, name)), bytesOf(t, filepath.Join(got, name))
		if !bytes.Equal(a, b) {
			t.Errorf("%s: %s has %d bytes and %d, not the same", what, name, len(a), len(b))
		}
	}
	a, b := readSummary(t, want), readSummary(t, got)
	for _, pair := range [][2]any{{a.In, b.In}, {a.Refused, b.Refused}, {a.Alerts, b.Alerts}, {a.Orders, b.Orders}, {string(a.Truth), string(b.Truth)}} {
		if x, y := fmt.Sprint(pair[0]), fmt.Sprint(pair[1]); x != y {
			t.Errorf("%s: summary.json says %s and %s", what, x, y)
		}
	}
}

func TestAcceptTheSameBacktestGivesTheSameBytes(t *testing.T) {
	first := made(t, shop.whole)
	t.Setenv("GOMAXPROCS", "1") // nor do the processors show
	sameResults(t, "run twice", first, backtested(t, made(t, shop.farm)))
	s := readSummary(t, first)
	if s.Alerts == 0 || s.Orders == 0 || s.In["samples"] == 0 || s.In["points"] == 0 {
		t.Errorf("the farm is too dull to prove anything: %+v", s)
	}
	if info, err := os.Stat(filepath.Join(first, "report.html")); err != nil || info.Size() == 0 {
		t.Errorf("report.html: %v, %v", info, err)
	}
}

func TestAcceptAFinishedOutIsKept(t *testing.T) {
	farm := made(t, shop.farm)
	to := "2026-01-02T00:00:00Z"
	out := backtested(t, farm, "--to", to)
	before := bytesOf(t, filepath.Join(out, "risks.parquet"))
	for name, args := range map[string][]string{
		"finished":     {"--to", to},
		"another span": {"--to", "2026-01-01T12:00:00Z"},
		"another set":  {},
	} {
		t.Run(name, func(t *testing.T) {
			dir := farm
			if name == "another set" {
				dir = filepath.Join(t.TempDir(), "other")
				if e := telltale(t, "simulate", "--out", dir, "--turbines", "1", "--for", "24h", "--wave-every", "-1s"); e.code != 0 {
					t.Fatal(e.stderr)
				}
			}
			e := telltale(t, append([]string{"backtest", dir, "--out", out}, args...)...)
			oneError(t, e, 1, "--force")
			if !bytes.Equal(before, bytesOf(t, filepath.Join(out, "risks.parquet"))) {
				t.Error("a refused run changed OUT")
			}
		})
	}
	if e := telltale(t, "backtest", farm, "--out", out, "--to", to, "--force", "--quiet"); e.code != 0 {
		t.Fatalf("--force: exit %d: %s", e.code, e.stderr)
	}
	if !bytes.Equal(before, bytesOf(t, filepath.Join(out, "risks.parquet"))) {
		t.Error("--force gave other bytes")
	}
}

// oneError wants an exit code and a single line on stderr with every word in it.
func oneError(t *testing.T, e ended, code int, words ...string) {
	t.Helper()
	line := strings.TrimSuffix(e.stderr, "\n")
	if e.code != code || e.stdout != "" || !strings.HasPrefix(line, "telltale: ") || strings.Contains(line, "\n") {
		t.Errorf("exit %d, stdout %q, stderr %q; want exit %d and one line", e.code, e.stdout, e.stderr, code)
	}
	for _, w := range words {
		if !strings.Contains(line, w) {
			t.Errorf("%q does not say %q", line, w)
		}
	}
}

func TestAcceptCommandLines(t *testing.T) {
	farm := made(t, shop.farm)
	empty := t.TempDir()
	for name, tc := range map[string]struct {
		args  []string
		code  int
		words []string
	}{
		"no such command":      {[]string{"guess"}, 2, []string{`"guess"`}},
		"no such flag":         {[]string{"backtest", farm, "--guess"}, 2, []string{"--guess", "--help"}},
		"no folder":            {[]string{"backtest"}, 2, []string{"DIR"}},
		"two folders":          {[]string{"backtest", farm, farm, "--out", empty}, 2, []string{"DIR"}},
		"no OUT":               {[]string{"backtest", farm}, 2, []string{"--out"}},
		"a time of no form":    {[]string{"backtest", farm, "--out", empty, "--to", "noon"}, 2, []string{"--to", "noon", "RFC 3339"}},
		"a model, no shelf":    {[]string{"backtest", farm, "--out", empty, "--model", "x:1"}, 2, []string{"--repo"}},
		"no dataset":           {[]string{"backtest", empty, "--out", empty}, 1, []string{"dataset.yaml"}},
		"no such dataset":      {[]string{"backtest", farm + "x", "--out", empty}, 1, []string{farm + "x"}},
		"no such baseline":     {[]string{"backtest", farm, "--out", empty, "--baseline", empty}, 1, []string{"baselines.json"}},
		"no such config":       {[]string{"backtest", farm, "--out", empty, "-c", empty + "/x.yaml"}, 1, []string{"x.yaml"}},
		"simulate to nowhere":  {[]string{"simulate"}, 2, []string{"--out"}},
		"simulate over a set":  {[]string{"simulate", "--out", farm}, 1, []string{"--force"}},
		"a demo of none":       {[]string{"demo", "--turbines", "0"}, 2, []string{"--turbines"}},
		"a demo that is stuck": {[]string{"demo", "--speed", "0"}, 2, []string{"--speed"}},
	} {
		t.Run(name, func(t *testing.T) {
			oneError(t, telltale(t, tc.args...), tc.code, tc.words...)
			if left, err := os.ReadDir(empty); err != nil || len(left) > 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
	for _, args := range [][]string{{"--help"}, {"backtest", "--help"}, {"simulate", "--help"}, {"demo", "--help"}, {"version"}} {
		if e := telltale(t, args...); e.code != 0 || e.stdout == "" || e.stderr != "" {
			t.Errorf("telltale %q: exit %d, stderr %q", args, e.code, e.stderr)
		}
	}
}
