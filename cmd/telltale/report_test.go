package main

import (
	"bytes"
	"context"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// reportOf simulates a small farm, sends it through the flow and returns its report.
func reportOf(t *testing.T, labels bool, args ...string) string {
	t.Helper()
	dir := t.TempDir()
	farm, out := filepath.Join(dir, "farm"), filepath.Join(dir, "out")
	tell := func(args ...string) {
		t.Helper()
		var stdout, stderr bytes.Buffer
		if code := run(context.Background(), args, &stdout, &stderr); code != 0 {
			t.Fatalf("telltale %s: exit %d: %s", strings.Join(args, " "), code, stderr.String())
		}
	}
	tell(append([]string{"simulate", "--out", farm, "--turbines", "2", "--for", "36h", "--wave-every", "12h", "--learning", "12h"}, args...)...)
	if !labels {
		if err := os.Remove(filepath.Join(farm, "labels.csv")); err != nil {
			t.Fatal(err)
		}
	}
	tell("backtest", farm, "--out", out, "-q")
	body, err := os.ReadFile(filepath.Join(out, "report.html"))
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

var outside = regexp.MustCompile(`(?i)(src|href)="[^#"]|https?://|@import|url\(`)

func TestReportIsOnePageWithEveryAsset(t *testing.T) {
	page := reportOf(t, true, "--healthy")
	for _, want := range []string{`href="#a-`, "What these figures do not prove", "Against the labels", "Each view alone", "<td>fused</td>", "<td>physics</td>", "<td>rules</td>", "uPlot", "Permission is hereby granted", "No alert.", "</html>"} {
		if !strings.Contains(page, want) {
			t.Errorf("the report lacks %q", want)
		}
	}
	if at := outside.FindStringIndex(page); at != nil {
		t.Errorf("the report points outside itself: %q", page[max(0, at[0]-40):min(len(page), at[1]+60)])
	}
	if n := strings.Count(page, `<section class="asset"`); n != 2 {
		t.Errorf("%d sections of assets, want 2", n)
	}
	if len(page) > 2<<20 {
		t.Errorf("the report has %d bytes", len(page))
	}
	drawn := chartsOf(t, page)
	kinds := map[string]int{}
	for _, c := range drawn {
		kinds[c.Kind]++
		for _, s := range c.Series {
			if len(s.X) != len(s.Y) || len(s.X) > reportPoints {
				t.Errorf("chart %q: %d places, %d values", c.Title, len(s.X), len(s.Y))
			}
		}
	}
	for _, k := range []string{"risk", "trend", "spectrum"} {
		if kinds[k] == 0 {
			t.Errorf("no chart of kind %s", k)
		}
	}
}

func TestReportWithoutLabelsSaysSo(t *testing.T) {
	page := reportOf(t, false)
	if !strings.Contains(page, "There is no labels.csv") || strings.Contains(page, "Against the labels") {
		t.Error("the report judges alerts without a truth")
	}
}

// drawnChart is a chart as the page's script reads it.
type drawnChart struct {
	Kind, Title string
	Series      []struct{ X, Y []*float64 }
}

func chartsOf(t *testing.T, page string) []drawnChart {
	t.Helper()
	_, rest, ok := strings.Cut(page, `id="charts">`)
	body, _, end := strings.Cut(rest, "</script>")
	if !ok || !end {
		t.Fatal("the report has no data")
	}
	var out []drawnChart
	if err := json.Unmarshal([]byte(body), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestThinnedKeepsEveryPeak(t *testing.T) {
	for _, n := range []int{1, 2, 749, 750, 751, 100_003} {
		var s thinned
		for i := range n {
			v := math.Sin(float64(i))
			switch i {
			case n / 3:
				v = 50
			case n / 2:
				v = -50
			}
			s.add(dot{t: float64(i), v: v})
		}
		x, y := s.extremes(300)
		if len(x) > 300 && n > 300 {
			t.Errorf("%d dots: %d are left", n, len(x))
		}
		least, most := math.Inf(1), math.Inf(-1)
		for i := range y {
			least, most = min(least, y[i]), max(most, y[i])
			if i > 0 && x[i] <= x[i-1] {
				t.Fatalf("%d dots: time goes from %g to %g", n, x[i-1], x[i])
			}
		}
		if n > 2 && (least != -50 || most != 50) {
			t.Errorf("%d dots: from %g to %g, want the peaks at ±50", n, least, most)
		}
	}
}

func TestNumbersHoldNoInfinity(t *testing.T) {
	got, err := json.Marshal(numbers{1.0 / 3, math.NaN(), math.Inf(-1), 1293840000.25, 0})
	if want := "[0.33333,null,null,1293840000.3,0]"; err != nil || string(got) != want {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
}

func TestIntervals(t *testing.T) {
	lo, hi := wilson(6, 6)
	if math.Abs(lo-0.6097) > 1e-3 || hi != 1 {
		t.Errorf("6 of 6: %.4f to %.4f, want 0.6097 to 1", lo, hi)
	}
	for n, want := range map[int]float64{0: 2.996, 1: 4.744, 5: 10.51} { // exact Poisson limits
		if got := poissonUpper(n); math.Abs(got-want) > 0.02*want {
			t.Errorf("%d events: %.3f, want %.3f", n, got, want)
		}
	}
}
