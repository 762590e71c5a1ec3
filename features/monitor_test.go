package features

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/class"
)

var monitorStart = time.Date(2024, 3, 1, 0, 0, 0, 0, time.UTC)

// rigPlate is a machine with one bearing, one channel and three metrics.
func rigPlate(rows int) asset.Nameplate {
	return asset.Nameplate{
		ID: "rig-1", Kind: "rig", Learning: &asset.Learning{Rows: rows},
		Components: []asset.Component{{Name: "bearing", Type: "rolling-bearing"}},
		Channels:   []asset.Channel{{Name: "vib", Kind: "acceleration", Unit: "g", RateHz: 1000, Component: "bearing"}},
		Metrics:    []asset.Metric{{Name: "temperature", Unit: "°C"}, {Name: "power", Unit: "kW"}, {Name: "ambient", Unit: "°C"}},
	}
}

func rigOptions() MonitorOptions {
	return MonitorOptions{
		Operating: []string{"power"},
		Detectors: []DetectorOptions{
			{Type: "level"},
			{Type: "level", Name: "drift", Drift: 0.5, Limit: 8, Fields: []string{"vib/rms"}},
			{Type: "defect"},
			{Type: "zone"},
			{Type: "residual"},
			{Type: "multivariate"},
			{Type: "novelty", Fields: []string{"power/value"}},
			{Type: "sensor"},
		},
		Normal: []NormalOptions{{Target: "temperature", Inputs: []string{"power", "ambient"}, Squares: []string{"power"}, LagsH: []float64{0.5}}},
	}
}

// rig makes snapshots of a machine at ten-minute steps; change alters what a row brings.
type rig struct {
	rng  *rand.Rand
	heat float64
	row  int
}

type reading struct{ rms, kurtosis, velocity, bpfo, found, temperature, power, ambient float64 }

func (r *rig) next(change func(int, *reading)) *Snapshot {
	power := 500 + 300*math.Sin(float64(r.row)/20) + 20*r.rng.NormFloat64()
	ambient := 15 + 5*math.Sin(float64(r.row)*2*math.Pi/144) + 0.2*r.rng.NormFloat64()
	r.heat += 0.28 * (power*power*4e-5 - r.heat)
	x := reading{
		rms: math.Exp(0.1 * r.rng.NormFloat64()), kurtosis: 3 + 0.1*r.rng.NormFloat64(), velocity: 1 + 0.05*r.rng.NormFloat64(),
		bpfo: 4 + r.rng.NormFloat64(), found: 0, temperature: ambient + 20 + r.heat + 0.3*r.rng.NormFloat64(), power: power, ambient: ambient,
	}
	if change != nil {
		change(r.row, &x)
	}
	at := monitorStart.Add(time.Duration(r.row) * 10 * time.Minute)
	r.row++
	return &Snapshot{Asset: "rig-1", Time: at, Vectors: []Vector{
		{
			Channel: "vib", Quality: 100, WindowS: 1, Fields: []Field{{"vib", "rms", "m/s²"}, {"vib", "kurtosis", "1"}, {"vib", "velocity_rms", "mm/s"}, {"vib", "defect_bpfo", "dB"}, {"vib", "found_bpfo", "1"}},
			Values: []float64{x.rms, x.kurtosis, x.velocity, x.bpfo, x.found},
		},
		{
			Quality: 100, Fields: []Field{{"temperature", "value", "°C"}, {"power", "value", "kW"}, {"ambient", "value", "°C"}},
			Values: []float64{x.temperature, x.power, x.ambient},
		},
	}}
}

func newRig(seed uint64) *rig { return &rig{rng: rand.New(rand.NewPCG(seed, 1))} }

func mustMonitor(tb testing.TB, o MonitorOptions, p asset.Nameplate) *Monitor {
	tb.Helper()
	if o.Zones == nil {
		o.Zones = shippedZones(tb)
	}
	m, err := NewMonitor(o, p)
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

var readZones = sync.OnceValues(class.Zones)

// shippedZones are the zone tables as cmd hands them in.
func shippedZones(tb testing.TB) []ZoneTable {
	tb.Helper()
	rows, err := readZones()
	if err != nil {
		tb.Fatal(err)
	}
	var out []ZoneTable
	for _, r := range rows {
		out = append(out, ZoneTable(r))
	}
	return out
}

// of picks a source's assessment.
func of(all []asset.Assessment, source string) (asset.Assessment, bool) {
	for _, a := range all {
		if a.Source == source {
			return a, true
		}
	}
	return asset.Assessment{}, false
}

func TestMonitorSaysNothingWhileLearning(t *testing.T) {
	m, r := mustMonitor(t, rigOptions(), rigPlate(300)), newRig(1)
	for i := range 301 {
		s := r.next(func(_ int, x *reading) { x.velocity = 50 }) // zone D from the start
		all := m.Observe(s)
		if s.Learning != (i < 300) {
			t.Fatalf("row %d: Learning = %v", i, s.Learning)
		}
		for _, a := range all {
			if i < 300 && (a.Trust != 0 || a.Abnormal || a.Reason != "learning") {
				t.Fatalf("row %d: %+v while learning", i, a)
			}
		}
		if z, _ := of(all, "zone"); i == 300 && !z.Abnormal {
			t.Errorf("zone D after learning: %+v", z)
		}
	}
}

func TestMonitorFindsWhatChanged(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(int, *reading)
		source string
		mode   asset.Mode
		word   string
	}{
		"vibration triples":       {func(_ int, x *reading) { x.rms *= 3 }, "level", "", "rms of vib"},
		"vibration drifts":        {func(_ int, x *reading) { x.rms *= 1.15 }, "drift", "", "rms of vib"},
		"outer race":              {func(_ int, x *reading) { x.bpfo, x.found = 22, 3 }, "defect", asset.OuterRace, "BPFO"},
		"velocity in zone C":      {func(_ int, x *reading) { x.velocity = 3 }, "zone", "", "zone C"},
		"bearing runs hot":        {func(_ int, x *reading) { x.temperature += 4 }, "residual", asset.Overheating, "temperature"},
		"metrics fall apart":      {func(row int, x *reading) { x.temperature += math.Min(15, float64(row-900)/2); x.power /= 2 }, "multivariate", "", "other metrics"},
		"series leaves its level": {func(_ int, x *reading) { x.power += 2500 }, "novelty", "", "power"},
	} {
		t.Run(name, func(t *testing.T) {
			m, r := mustMonitor(t, rigOptions(), rigPlate(600)), newRig(2)
			early, late := 0, 0
			var a asset.Assessment
			for i := range 1100 {
				s := r.next(func(row int, x *reading) {
					if row >= 900 {
						tc.change(row, x)
					}
				})
				got, ok := of(m.Observe(s), tc.source)
				if ok && got.Abnormal && i < 900 {
					early++
				}
				if ok && got.Abnormal && i >= 950 {
					late++
					a = got
				}
			}
			if early > 6 || late < 120 {
				t.Fatalf("%s abnormal at %d of 300 healthy and %d of 150 faulty rows", tc.source, early, late)
			}
			if a.View != asset.Ruled || a.Component != "bearing" || !a.Score.Known() || !a.Limit.Known() || a.Trust <= 0 {
				t.Errorf("assessment %+v", a)
			}
			if tc.mode != "" && a.Modes[tc.mode] < 0.5 {
				t.Errorf("modes %v, want %s", a.Modes, tc.mode)
			}
			if len(a.Evidence) == 0 || !strings.Contains(a.Evidence[0].Text, tc.word) || !strings.HasPrefix(a.Evidence[0].Source, "rule/") {
				t.Errorf("evidence %+v, want a text with %q", a.Evidence, tc.word)
			}
		})
	}
}

func TestLevelFollowsTheOperatingPoint(t *testing.T) {
	loaded := func(row int, x *reading) {
		x.rms *= math.Exp(x.power / 200)
		if row >= 900 {
			x.rms *= 2.7
		}
	}
	found := func(o MonitorOptions) (late int) {
		m, r := mustMonitor(t, o, rigPlate(600)), newRig(20)
		for i := range 1100 {
			if a, _ := of(m.Observe(r.next(loaded)), "level"); a.Abnormal && i >= 920 {
				late++
			} else if a.Abnormal && i < 900 {
				t.Fatalf("row %d: %v", i, a.Evidence)
			}
		}
		return late
	}
	o := rigOptions()
	if n := found(o); n < 170 {
		t.Errorf("with the operating point: %d of 180 rows", n)
	}
	o.Operating = nil
	if n := found(o); n > 100 {
		t.Errorf("without it the load hides the change, yet %d of 180 rows are found", n)
	}
}

func TestMonitorAppendsFields(t *testing.T) {
	m, r := mustMonitor(t, rigOptions(), rigPlate(400)), newRig(3)
	var s *Snapshot
	for range 500 {
		s = r.next(nil)
		m.Observe(s)
	}
	for _, key := range []string{"vib/rms_z", "vib/kurtosis_z", "temperature/value_z", "temperature/residual", "temperature/residual_z", "temperature/residual_z_24h"} {
		channel, name, _ := strings.Cut(key, "/")
		if v := s.Value(channel, name); math.IsNaN(v) || math.Abs(v) > 8 {
			t.Errorf("%s = %g", key, v)
		}
	}
	if !math.IsNaN(s.Value("power", "residual")) {
		t.Error("a metric without a model has a residual")
	}
	for _, v := range s.Vectors {
		if len(v.Fields) != len(v.Values) || v.Reasons != nil && len(v.Reasons) != len(v.Fields) {
			t.Errorf("%d fields, %d values, %d reasons", len(v.Fields), len(v.Values), len(v.Reasons))
		}
	}
}

func TestMonitorWithoutASpan(t *testing.T) {
	p := rigPlate(0)
	for name, l := range map[string]*asset.Learning{"none": nil, "zero rows": {}} {
		t.Run(name, func(t *testing.T) {
			p.Learning = l
			m, r := mustMonitor(t, rigOptions(), p), newRig(7)
			s := r.next(func(_ int, x *reading) { x.bpfo, x.found, x.velocity = 20, 3, 9 })
			all := m.Observe(s)
			for _, a := range all {
				spoke := a.Trust > 0
				if should := a.Source == "defect" || a.Source == "zone"; spoke != should {
					t.Errorf("%s: trust %g, reason %q", a.Source, a.Trust, a.Reason)
				}
			}
			if s.Learning || !math.IsNaN(s.Value("vib", "rms_z")) {
				t.Error("a machine without a span is judged against one")
			}
		})
	}
}

func TestMonitorSpanByDuration(t *testing.T) {
	p := rigPlate(0)
	p.Learning = &asset.Learning{DurationS: 3600}
	m, r := mustMonitor(t, rigOptions(), p), newRig(8)
	n := 0
	for range 20 {
		s := r.next(nil)
		if m.Observe(s); s.Learning {
			n++
		}
	}
	if n != 6 {
		t.Errorf("%d rows of 10 minutes in an hour", n)
	}
}

func TestBudgetStatesEveryDetector(t *testing.T) {
	m, r := mustMonitor(t, rigOptions(), rigPlate(400)), newRig(13)
	for range 401 {
		m.Observe(r.next(nil))
	}
	budget := m.Budget()
	if len(budget) != len(m.detectors) {
		t.Fatalf("%d statements for %d detectors", len(budget), len(m.detectors))
	}
	for _, b := range budget {
		if b.Method == "" || b.P > 0.05 {
			t.Errorf("%+v", b)
		}
	}
}

func BenchmarkMonitorObserve(b *testing.B) {
	m, r := mustMonitor(b, rigOptions(), rigPlate(100)), newRig(16)
	for range 200 {
		m.Observe(r.next(nil))
	}
	b.ReportAllocs()
	for b.Loop() {
		m.Observe(r.next(nil))
	}
}

func ExampleMonitor() {
	plate := asset.Nameplate{
		ID: "pump-7", Kind: "pump", Learning: &asset.Learning{Rows: 50},
		Components: []asset.Component{{Name: "motor"}}, Metrics: []asset.Metric{{Name: "current", Unit: "A"}},
	}
	m, err := NewMonitor(MonitorOptions{Detectors: []DetectorOptions{{Type: "level", Fields: []string{"current/value"}}}}, plate)
	if err != nil {
		fmt.Println(err)
		return
	}
	for i := range 60 {
		amperes := 10 + float64(i%5)/10
		if i >= 55 {
			amperes = 14
		}
		s := &Snapshot{Time: monitorStart.Add(time.Duration(i) * time.Minute), Vectors: []Vector{{
			Quality: 100, Fields: []Field{{"current", "value", "A"}}, Values: []float64{amperes},
		}}}
		for _, a := range m.Observe(s) {
			if a.Abnormal {
				fmt.Println(a.Component, a.Evidence[0].Text)
				return
			}
		}
	}
	// Output:
	// motor value of current is 14 A, 17.0 σ from the 10.2 A of commissioning (limit 7.0 σ)
}
