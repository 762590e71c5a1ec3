package features

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

// seriesPlate is a machine of one value every ten minutes.
func seriesPlate(rows int) asset.Nameplate {
	return asset.Nameplate{
		ID: "s-1", Kind: "rig", Learning: &asset.Learning{Rows: rows},
		Components: []asset.Component{{Name: "motor"}}, Metrics: []asset.Metric{{Name: "x", Unit: "A"}},
	}
}

// noises are healthy series of mean 0.
var noises = map[string]func(rng *rand.Rand) func() float64{
	"normal": func(rng *rand.Rand) func() float64 { return rng.NormFloat64 },
	"autocorrelated": func(rng *rand.Rand) func() float64 {
		x := 0.0
		return func() float64 { x = 0.6*x + 0.8*rng.NormFloat64(); return x }
	},
	"heavy": func(rng *rand.Rand) func() float64 { // Student t of 5 degrees
		return func() float64 {
			c := 0.0
			for range 5 {
				v := rng.NormFloat64()
				c += v * v
			}
			return rng.NormFloat64() / math.Sqrt(c/5)
		}
	},
}

func seriesAt(i int, v float64) *Snapshot {
	return &Snapshot{Asset: "s-1", Time: monitorStart.Add(time.Duration(i) * 10 * time.Minute), Vectors: []Vector{{
		Quality: 100, Fields: []Field{{"x", "value", "A"}}, Values: []float64{v},
	}}}
}

// onsetTypes are the detectors that learn excursions, or a tail.
var onsetTypes = []string{"ewma", "cusum", "page-hinkley", "bocpd", "spot"}

// onsetMonitor judges x by one detector.
func onsetMonitor(t *testing.T, o DetectorOptions, rows int) *Monitor {
	t.Helper()
	o.Fields = []string{"x/value"}
	return mustMonitor(t, MonitorOptions{Detectors: []DetectorOptions{o}}, seriesPlate(rows))
}

// TestOnsetFalseAlarmsAgreeWithTheStatement counts the alarms that begin on healthy
// series of each kind: no more than two and a half times what is stated, also where
// values are not independent or not normal, and not so few that the limit is idle.
func TestOnsetFalseAlarmsAgreeWithTheStatement(t *testing.T) {
	if raceOn {
		t.Skip("long, and of one goroutine")
	}
	const p, rows, after, seeds = 1e-3, 2000, 4000, 10
	for _, typ := range onsetTypes {
		for _, name := range []string{"normal", "autocorrelated", "heavy"} {
			t.Run(typ+" "+name, func(t *testing.T) {
				alarms, n, stated := 0, 0, 0.0
				for seed := range uint64(seeds) {
					next := noises[name](rand.New(rand.NewPCG(seed, 7)))
					m := onsetMonitor(t, DetectorOptions{Type: typ, P: p, Hold: 1e-9}, rows)
					was := false
					for i := range rows + after {
						all := m.Observe(seriesAt(i, 10+next()))
						if i < rows || all[0].Trust == 0 {
							continue
						}
						n++
						if all[0].Abnormal && !was {
							alarms++
						}
						was = all[0].Abnormal
					}
					if b := m.Budget()[0]; !math.IsNaN(b.P) {
						if stated += b.P * after; b.P > p*1.0001 || math.Abs(b.PerDay-144) > 0.01 || math.Abs(b.PerYear-b.P*b.PerDay*365.25) > 1e-9 {
							t.Fatalf("statement %+v", b)
						}
					}
				}
				if r := float64(alarms) / stated; n < after*seeds/2 || r > 2.5 || r < 0.15 {
					t.Errorf("%d alarms in %d evaluations where %.1f are stated", alarms, n, stated)
				} else {
					t.Logf("%d alarms in %d evaluations, %.1f stated", alarms, n, stated)
				}
			})
		}
	}
}

func TestOnsetFindsWhatBegan(t *testing.T) {
	for name, tc := range map[string]struct {
		o     DetectorOptions
		shift float64
		soon  int // evaluations
	}{
		"ewma up":           {DetectorOptions{Type: "ewma"}, 2, 15},
		"cusum up":          {DetectorOptions{Type: "cusum"}, 1.5, 25},
		"cusum down":        {DetectorOptions{Type: "cusum"}, -1.5, 25},
		"page-hinkley up":   {DetectorOptions{Type: "page-hinkley"}, 1.5, 40},
		"page-hinkley down": {DetectorOptions{Type: "page-hinkley", Side: "low"}, -1.5, 40},
		"bocpd":             {DetectorOptions{Type: "bocpd"}, 3, 15},
		"spot":              {DetectorOptions{Type: "spot"}, 9, 1},
		"spot down":         {DetectorOptions{Type: "spot", Side: "both"}, -9, 1},
	} {
		t.Run(name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(21, 4))
			m := onsetMonitor(t, tc.o, 3000)
			first := -1
			var a asset.Assessment
			for i := range 3300 {
				v := 10 + rng.NormFloat64()
				if i >= 3200 {
					v += tc.shift
				}
				a = m.Observe(seriesAt(i, v))[0]
				if a.Abnormal && i < 3200 && i >= 3000 {
					t.Fatalf("row %d: %v", i, a.Evidence)
				}
				if a.Abnormal {
					first = i - 3200
					break
				}
			}
			if first < 0 || first > tc.soon {
				t.Fatalf("found after %d evaluations, want %d", first, tc.soon)
			}
			if len(a.Modes) != 0 || !(a.Score > a.Limit) || !(a.P < 0.01) || len(a.Evidence) != 1 {
				t.Fatalf("%+v", a)
			}
			e := a.Evidence[0]
			at := e.Text[strings.Index(e.Text, "2024-"):]
			since, err := time.Parse(time.RFC3339, at[:20])
			if err != nil {
				t.Fatalf("no time in %q: %v", e.Text, err)
			}
			if rows := since.Sub(monitorStart.Add(3200*10*time.Minute)).Minutes() / 10; rows < -12 || rows > float64(first) {
				t.Errorf("since row %+.0f after the change, found at %d: %s", rows, first, e.Text)
			}
			if !strings.Contains(e.Text, "false alarms: 0.0001 per evaluation") || !e.Limit.Known() || e.Name != "x/value" {
				t.Errorf("evidence %+v", e)
			}
		})
	}
}

// TestPageHinkleyBeginsAnew: after an alarm the new level is the mean, the verdict
// stands for a share of the span and goes.
func TestPageHinkleyBeginsAnew(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	m := onsetMonitor(t, DetectorOptions{Type: "page-hinkley"}, 1000)
	first, last, n := 0, 0, 0
	for i := range 2000 {
		v := 10 + rng.NormFloat64()
		if i >= 1100 {
			v += 3
		}
		if a := m.Observe(seriesAt(i, v))[0]; a.Abnormal {
			if n++; n == 1 {
				first = i
			}
			last = i
			if !(a.Score > a.Limit) || !(a.P < 0.01) || len(a.Evidence) != 1 {
				t.Fatalf("row %d: %+v", i, a)
			}
		}
	}
	if first < 1100 || first > 1130 || n < 95 || n > 105 || last-first != n-1 {
		t.Errorf("%d abnormal rows from %d to %d", n, first, last)
	}
}

func TestOnsetRefuses(t *testing.T) {
	for name, tc := range map[string]struct {
		typ  string
		rows int
		x    func(i int, rng *rand.Rand) float64
		why  asset.Reason
	}{
		"spot of a short span":  {"spot", 400, func(_ int, rng *rand.Rand) float64 { return rng.NormFloat64() }, ReasonFew},
		"spot of a heavy tail":  {"spot", 1500, func(_ int, rng *rand.Rand) float64 { return math.Pow(1e-2+rng.Float64(), -4) }, ReasonTail},
		"cusum of a trend":      {"cusum", 1500, func(i int, _ *rand.Rand) float64 { return float64(i) }, ReasonFew},
		"ewma of nothing":       {"ewma", 1500, func(int, *rand.Rand) float64 { return 3 }, ReasonFew},
		"page-hinkley likewise": {"page-hinkley", 1500, func(int, *rand.Rand) float64 { return 3 }, ReasonFew},
		"bocpd likewise":        {"bocpd", 1500, func(int, *rand.Rand) float64 { return 3 }, ReasonFew},
		"hardly a span":         {"cusum", 5, func(_ int, rng *rand.Rand) float64 { return rng.NormFloat64() }, "no-baseline"},
	} {
		t.Run(name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(1, 1))
			m := onsetMonitor(t, DetectorOptions{Type: tc.typ}, tc.rows)
			for i := range tc.rows {
				m.Observe(seriesAt(i, tc.x(i, rng)))
			}
			a := m.Observe(seriesAt(tc.rows, 100))[0]
			if a.Trust != 0 || a.Abnormal || a.Reason != tc.why {
				t.Errorf("%+v, want reason %q", a, tc.why)
			}
			if b := m.Budget()[0]; !math.IsNaN(b.P) || b.Method == "" {
				t.Errorf("statement %+v", b)
			}
		})
	}
}

func TestExcursions(t *testing.T) {
	if _, why := LearnExcursions(nil); why != ReasonFew {
		t.Error(why)
	}
	var s []float64 // 100 excursions of two values, of 1 to 100
	for i := range 100 {
		s = append(s, float64(i)/2, float64(i+1), 0, math.NaN(), -3)
	}
	e, why := LearnExcursions(s)
	if why != "" || e.N != 400 || e.Peaks != 30 || e.T != 70 || e.Sigma != 15.5 {
		t.Errorf("%+v %q", e, why)
	}
	for _, p := range []float64{1e-2, 1e-4, 1e-9} {
		within(t, "rate at the limit", e.Rate(e.Limit(p)), asset.Number(p), 0, 1e-12)
	}
	if e.Limit(0.5) != e.T || e.Rate(0) != 30.0/400 {
		t.Errorf("below the tail: limit %g, rate %g", e.Limit(0.5), e.Rate(0))
	}
	for _, k := range []float64{0.25, 0.5, 1} {
		for _, p := range []float64{1e-2, 1e-3, 1e-4} {
			h := siegmundLimit(k, p)
			within(t, "ARL by Siegmund", CusumARL(k, h, 0, 200)*p, 1, 0, 0.08)
		}
	}
}
