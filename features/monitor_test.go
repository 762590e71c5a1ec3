package features

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
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
		{Channel: "vib", Quality: 100, WindowS: 1, Fields: []Field{{"vib", "rms", "m/s²"}, {"vib", "kurtosis", "1"}, {"vib", "velocity_rms", "mm/s"}, {"vib", "defect_bpfo", "dB"}, {"vib", "found_bpfo", "1"}},
			Values: []float64{x.rms, x.kurtosis, x.velocity, x.bpfo, x.found}},
		{Quality: 100, Fields: []Field{{"temperature", "value", "°C"}, {"power", "value", "kW"}, {"ambient", "value", "°C"}},
			Values: []float64{x.temperature, x.power, x.ambient}},
	}}
}

func newRig(seed uint64) *rig { return &rig{rng: rand.New(rand.NewPCG(seed, 1))} }

func mustMonitor(t testing.TB, o MonitorOptions, p asset.Nameplate) *Monitor {
	t.Helper()
	m, err := NewMonitor(o, p)
	if err != nil {
		t.Fatal(err)
	}
	return m
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
		"vibration doubles":       {func(_ int, x *reading) { x.rms *= 2 }, "level", "", "rms of vib"},
		"vibration drifts":        {func(_ int, x *reading) { x.rms *= 1.15 }, "drift", "", "rms of vib"},
		"outer race":              {func(_ int, x *reading) { x.bpfo, x.found = 22, 3 }, "defect", asset.OuterRace, "BPFO"},
		"velocity in zone C":      {func(_ int, x *reading) { x.velocity = 3 }, "zone", "", "zone C"},
		"bearing runs hot":        {func(_ int, x *reading) { x.temperature += 4 }, "residual", asset.Overheating, "temperature"},
		"metrics fall apart":      {func(_ int, x *reading) { x.temperature += 15; x.power /= 2 }, "multivariate", "", "other metrics"},
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

func TestMonitorResumesBitForBit(t *testing.T) {
	broken := func(row int, x *reading) {
		switch {
		case row%17 == 3:
			x.temperature = math.NaN()
		case row%23 == 5:
			x.power, x.rms = math.NaN(), math.NaN()
		case row > 500 && row < 530:
			x.ambient = 14
		case row > 560:
			x.rms, x.temperature, x.bpfo, x.found = x.rms*2, x.temperature+5, 20, 3
		}
	}
	run := func(cuts map[int]bool) string {
		o, p := rigOptions(), rigPlate(400)
		m, r, store := mustMonitor(t, o, p), newRig(4), map[string][]byte{}
		var out strings.Builder
		for i := range 650 {
			s := r.next(broken)
			all := m.Observe(s)
			for k := range all {
				fmt.Fprintf(&out, "%d %s %x %x %x %v %x %v %v\n", i, all[k].Source, float64(all[k].Score), float64(all[k].Limit), float64(all[k].P), all[k].Abnormal, all[k].Trust, all[k].Modes, all[k].Evidence)
			}
			for _, v := range s.Vectors {
				fmt.Fprintf(&out, "%x %v\n", v.Values, v.Reasons)
			}
			if !cuts[i] {
				continue
			}
			for part, body := range m.Save() {
				store[part] = bytes.Clone(body)
				if len(body) == 0 {
					delete(store, part)
				}
			}
			m = mustMonitor(t, o, p)
			if err := m.Load(store); err != nil {
				t.Fatal(err)
			}
		}
		return out.String()
	}
	want := run(nil)
	rng := rand.New(rand.NewPCG(9, 9))
	for round := range 8 {
		cuts := map[int]bool{}
		for range 1 + 5*round {
			cuts[rng.IntN(650)] = true
		}
		for _, near := range []int{126, 127, 128, 398, 399, 400, 401} {
			cuts[near] = cuts[near] || rng.IntN(3) == 0
		}
		if got := run(cuts); got != want {
			a, b := strings.Split(got, "\n"), strings.Split(want, "\n")
			for i := range a {
				if a[i] != b[i] {
					t.Fatalf("round %d, cuts %v: line %d:\n got %s\nwant %s", round, cuts, i, a[i], b[i])
				}
			}
		}
	}
}

func TestMonitorWritesOnlyTheLastChunk(t *testing.T) {
	m, r := mustMonitor(t, rigOptions(), rigPlate(300)), newRig(5)
	for i := range 301 {
		m.Observe(r.next(nil))
		parts := m.Save()
		for part, body := range parts {
			if i < 300 && strings.HasPrefix(part, "learn/") && part != chunkName(i/chunkRows) {
				t.Fatalf("row %d writes %s", i, part)
			}
			if i == 300 && strings.HasPrefix(part, "learn/") && len(body) != 0 {
				t.Errorf("%s is kept after learning", part)
			}
		}
		if i == 300 && (len(parts) != 5 || len(parts["baseline"]) == 0 || len(parts["state"]) > 2048) {
			t.Errorf("after learning: %d parts, baseline %d bytes, state %d bytes", len(parts), len(parts["baseline"]), len(parts["state"]))
		}
	}
	if parts := m.Save(); len(parts) != 0 {
		t.Errorf("nothing happened, yet %d parts are saved", len(parts))
	}
}

func TestMonitorLongSpanIsThinned(t *testing.T) {
	var d diary
	store := map[string][]byte{}
	for i := range 3 * maxRows {
		d.add(row{ns: int64(i), idx: []uint64{0}, val: []float64{float64(i)}})
		if i%1000 == 0 || i == 3*maxRows-1 {
			for _, step := range []func(){func() { d.save(store) }} {
				step()
			}
		}
	}
	var got diary
	for k, v := range store {
		if len(v) == 0 {
			delete(store, k)
		}
	}
	if err := got.load(store); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got.rows, d.rows) || len(d.rows) >= maxRows {
		t.Errorf("%d rows loaded of %d", len(got.rows), len(d.rows))
	}
	for i, x := range d.rows {
		if x.ns != int64(4*i) {
			t.Fatalf("row %d is of instant %d, want every fourth", i, x.ns)
		}
	}
}

func TestMonitorStartsFromABaseline(t *testing.T) {
	a, r := mustMonitor(t, rigOptions(), rigPlate(400)), newRig(6)
	for range 401 {
		a.Observe(r.next(nil))
	}
	o := rigOptions()
	o.Baseline = a.Export()
	p := rigPlate(400)
	p.ID = "rig-2"
	b := mustMonitor(t, o, p)
	s := r.next(nil)
	all := b.Observe(s)
	if s.Learning || math.IsNaN(s.Value("vib", "rms_z")) {
		t.Errorf("learning %v, rms_z %g", s.Learning, s.Value("vib", "rms_z"))
	}
	if m, _ := of(all, "multivariate"); m.Trust != 1 || m.Digest == "" {
		t.Errorf("multivariate %+v", m)
	}
	if !bytes.Equal(b.Export(), o.Baseline) {
		t.Error("export of an adopted baseline differs")
	}
	p.Kind = "pump"
	if _, err := NewMonitor(o, p); !errors.Is(err, ErrBaseline) || !strings.Contains(err.Error(), "pump") {
		t.Errorf("other kind: %v", err)
	}
	o.Baseline = bytes.Replace(o.Baseline, []byte(`"features":"`+Version), []byte(`"features":"x`), 1)
	if _, err := NewMonitor(o, rigPlate(400)); !errors.Is(err, ErrBaseline) || !strings.Contains(err.Error(), "version") {
		t.Errorf("other version: %v", err)
	}
}

func TestMonitorOptionsAreChecked(t *testing.T) {
	for name, tc := range map[string]struct {
		o    MonitorOptions
		word string
	}{
		"type":             {MonitorOptions{Detectors: []DetectorOptions{{Type: "magic"}}}, `"magic"`},
		"channel":          {MonitorOptions{Detectors: []DetectorOptions{{Type: "level", Fields: []string{"nose/rms"}}}}, "nose/rms"},
		"pattern":          {MonitorOptions{Detectors: []DetectorOptions{{Type: "level", Fields: []string{"rms"}}}}, "Fields"},
		"share":            {MonitorOptions{Detectors: []DetectorOptions{{Type: "level", P: 2}}}, "P = 2"},
		"m over n":         {MonitorOptions{Detectors: []DetectorOptions{{Type: "level", M: 5, N: 4}}}, "M = 5"},
		"side":             {MonitorOptions{Detectors: []DetectorOptions{{Type: "level", Side: "up"}}}, "Side"},
		"zones":            {MonitorOptions{Detectors: []DetectorOptions{{Type: "zone", Zones: "iso1"}}}, "iso1"},
		"twice":            {MonitorOptions{Detectors: []DetectorOptions{{Type: "zone"}, {Type: "zone"}}}, "two detectors"},
		"target":           {MonitorOptions{Normal: []NormalOptions{{Target: "mood", Inputs: []string{"power"}}}}, "mood"},
		"input":            {MonitorOptions{Normal: []NormalOptions{{Target: "temperature", Inputs: []string{"moon"}}}}, "moon"},
		"damaged baseline": {MonitorOptions{Baseline: []byte("{")}, "baseline"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := NewMonitor(tc.o, rigPlate(10)); err == nil || !strings.Contains(err.Error(), tc.word) || !strings.Contains(err.Error(), "rig-1") {
				t.Errorf("error %v, want one that names %s", err, tc.word)
			}
		})
	}
	o := MonitorOptions{
		Detectors: []DetectorOptions{{Type: "level", Fields: []string{"nose/rms"}, Optional: true}},
		Normal:    []NormalOptions{{Target: "mood", Inputs: []string{"power"}, Optional: true}, {Target: "temperature", Inputs: []string{"power", "moon"}, Optional: true}},
	}
	if m := mustMonitor(t, o, rigPlate(10)); len(m.detectors) != 0 || len(m.normals) != 1 || len(m.normals[0].inputs) != 1 {
		t.Errorf("optional parts: %d detectors, %d models", len(m.detectors), len(m.normals))
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

func TestMonitorEdges(t *testing.T) {
	for name, change := range map[string]func(int, *reading){
		"all missing": func(_ int, x *reading) {
			n := math.NaN()
			*x = reading{n, n, n, n, n, n, n, n}
		},
		"constant": func(_ int, x *reading) { *x = reading{1, 3, 1, 4, 0, 20, 500, 10} },
		"zero":     func(_ int, x *reading) { *x = reading{} },
		"huge":     func(row int, x *reading) { v := 1e300 * float64(row%2*2-1); *x = reading{v, v, v, v, v, v, v, v} },
		"denormal": func(row int, x *reading) { v := 5e-324 * float64(row%3); *x = reading{v, v, v, v, v, v, v, v} },
		"infinite": func(_ int, x *reading) { v := math.Inf(1); *x = reading{v, v, v, v, v, v, v, v} },
		"MAD zero": func(row int, x *reading) { *x = reading{1, 3, 1, 4, 0, 20, 500 + float64(row%10/9), 10} },
		"starts later": func(row int, x *reading) {
			if row < 100 {
				x.temperature, x.rms = math.NaN(), math.NaN()
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			m, r := mustMonitor(t, rigOptions(), rigPlate(100)), newRig(10)
			for range 300 {
				s := r.next(change)
				before := len(s.Vectors[0].Fields)
				for _, a := range m.Observe(s) {
					for _, v := range []asset.Number{a.Score, a.Limit, a.P, asset.Number(a.Trust)} {
						if math.IsInf(float64(v), 0) || a.Trust > 0 && !a.Score.Known() {
							t.Fatalf("%+v", a)
						}
					}
				}
				for i, v := range s.Vectors[0].Values[before:] {
					if math.IsInf(v, 0) || math.IsNaN(v) && s.Vectors[0].Reasons[before+i] == "" {
						t.Fatalf("field %v = %g without a reason", s.Vectors[0].Fields[before+i], v)
					}
				}
			}
			if name == "constant" {
				s := r.next(change)
				for _, a := range m.Observe(s) {
					if a.Abnormal {
						t.Errorf("a constant machine is abnormal: %+v", a)
					}
				}
			}
		})
	}
}

func TestSensorFaultIsNotTheMachine(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(int, *reading)
		word   string
		hidden string
	}{
		"stuck":        {func(_ int, x *reading) { x.temperature = 70 }, "never repeated", "temperature/value_z"},
		"out of range": {func(_ int, x *reading) { x.temperature = -200 }, "cannot be", "temperature/value_z"},
		"step":         {func(row int, x *reading) { x.temperature += 300 + float64(row%7) }, "faster than", "temperature/value_z"},
		"dropout":      {func(_ int, x *reading) { x.rms *= 0.01; x.velocity = 30 }, "loose cable", "vib/rms_z"},
	} {
		t.Run(name, func(t *testing.T) {
			m, r := mustMonitor(t, rigOptions(), rigPlate(600)), newRig(11)
			found, machine := 0, 0
			for i := range 800 {
				s := r.next(func(row int, x *reading) {
					if row >= 700 && row < 780 {
						tc.change(row, x)
					}
				})
				all := m.Observe(s)
				a, ok := of(all, "sensor")
				if i < 600 {
					continue
				}
				if i >= 715 && i < 780 {
					if ok && a.Abnormal && a.Modes[asset.SensorFault] == 1 && strings.Contains(a.Evidence[0].Text, tc.word) {
						found++
					}
					channel, field, _ := strings.Cut(tc.hidden, "/")
					if !math.IsNaN(s.Value(channel, field)) {
						t.Fatalf("row %d: %s is shown", i, tc.hidden)
					}
					for _, b := range all {
						if b.Abnormal && b.Source != "sensor" {
							machine++
						}
					}
				} else if ok && a.Abnormal && i < 700 {
					t.Fatalf("row %d: false sensor fault %v", i, a.Evidence)
				}
			}
			if found != 65 || machine > 12 {
				t.Errorf("sensor fault at %d of 65 rows, machine blamed %d times", found, machine)
			}
		})
	}
}

func TestLoadRefusesDamage(t *testing.T) {
	m, r := mustMonitor(t, rigOptions(), rigPlate(50)), newRig(12)
	for range 60 {
		m.Observe(r.next(nil))
	}
	good := m.Save()
	for part := range good {
		bad := map[string][]byte{}
		for k, v := range good {
			bad[k] = bytes.Clone(v)
		}
		bad[part] = bad[part][:len(bad[part])/2]
		if len(bad[part]) == 0 {
			continue
		}
		if err := mustMonitor(t, rigOptions(), rigPlate(50)).Load(bad); err == nil || !strings.Contains(err.Error(), "rig-1") {
			t.Errorf("half of %s: %v", part, err)
		}
	}
	o := rigOptions()
	o.Detectors = o.Detectors[1:]
	other := mustMonitor(t, o, rigPlate(50))
	if err := other.Load(good); err != nil || other.Export() == nil {
		t.Errorf("other detectors: %v", err)
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

func FuzzMonitorLoad(f *testing.F) {
	m, r := mustMonitor(f, rigOptions(), rigPlate(20)), newRig(14)
	for range 10 {
		m.Observe(r.next(nil))
	}
	early := m.Save()
	f.Add(early["state"], early["fields"], early["learn/0000"], []byte{})
	for range 20 {
		m.Observe(r.next(nil))
	}
	late := m.Save()
	f.Add(late["state"], early["fields"], []byte{}, late["baseline"])
	f.Fuzz(func(t *testing.T, state, fields, learn, baseline []byte) {
		m := mustMonitor(t, rigOptions(), rigPlate(20))
		if m.Load(map[string][]byte{"state": state, "fields": fields, "learn/0000": learn, "baseline": baseline}) != nil {
			return
		}
		r := newRig(15)
		for range 30 {
			m.Observe(r.next(nil))
		}
	})
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
	// motor value of current is 14 A, 17.0 σ from its commissioning median 10.2 A (limit 4.0 σ)
}
