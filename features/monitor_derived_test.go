package features

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

// plantPlate is a wind turbine with one vibration channel.
func plantPlate(rows int) asset.Nameplate {
	p := asset.Nameplate{
		ID: "wtg-1", Kind: "turbine", Learning: &asset.Learning{Rows: rows},
		Components: []asset.Component{{Name: "bearing", Type: "rolling-bearing"}},
		Channels:   []asset.Channel{{Name: "vib", Kind: "acceleration", Unit: "g", RateHz: 1000, Component: "bearing"}},
	}
	for name, unit := range map[string]string{"oil": "°C", "power": "kW", "speed": "rpm", "wind": "m/s", "ambient": "°C", "i1": "A", "i2": "A", "i3": "A"} {
		p.Metrics = append(p.Metrics, asset.Metric{Name: name, Unit: unit})
	}
	slices.SortFunc(p.Metrics, func(a, b asset.Metric) int { return strings.Compare(a.Name, b.Name) })
	return p
}

// plantOptions asks for everything that is derived, and every onset.
func plantOptions() MonitorOptions {
	o := MonitorOptions{
		Regimes:      RegimesOptions{Speed: "speed", Power: "power", RatedRPM: 15, RatedKW: 2000, MinDays: 2, Adapt: true},
		Temperatures: []TemperatureOptions{{Metric: "oil", Kind: "gearbox-oil"}},
		Phases:       []string{"i1", "i2", "i3"},
		PowerCurve:   PowerCurveOptions{Power: "power", Wind: "wind", Ambient: "ambient"},
		Normal:       []NormalOptions{{Target: "oil", Inputs: []string{"power", "ambient"}}},
		Detectors: []DetectorOptions{
			{Type: "sensor"},
			{Type: "level", Name: "vibration", Fields: []string{"vib/rms"}},
			{Type: "level", Name: "unbalance", Fields: []string{"phases/unbalance"}, Limit: 5},
			{Type: "level", Name: "yield", Fields: []string{"power/power_residual_z"}, Side: "low", Limit: 2, Smooth: 0.1},
			{Type: "zone", PeriodH: 6, Power: "power", RatedKW: 2000, Speed: "speed"},
		},
	}
	for _, typ := range onsetTypes {
		d := DetectorOptions{Type: typ}
		if typ == "spot" {
			d.Fields = []string{"vib/rms"}
		}
		o.Detectors = append(o.Detectors, d)
	}
	return o
}

// plant makes snapshots of the turbine at ten-minute steps.
type plant struct {
	rng       *rand.Rand
	row       int
	wind, oil float64
}

type state struct{ rms, velocity, oil, power, speed, wind, ambient, i1, i2, i3 float64 }

func newPlant(seed uint64) *plant {
	return &plant{rng: rand.New(rand.NewPCG(seed, 2)), wind: 8, oil: 40}
}

func (p *plant) next(change func(int, *state)) *Snapshot {
	p.wind += 0.05*(8-p.wind) + 0.5*p.rng.NormFloat64()
	p.wind = math.Min(math.Max(p.wind, 3), 16)
	power := math.Min(2000, 3.9*p.wind*p.wind*p.wind) + 15*p.rng.NormFloat64()
	power = math.Max(power, 1)
	p.oil += 0.1 * (40 + 15*power/2000 - p.oil)
	u := (power - 800) / 250 // a resonance that no quadratic follows
	x := state{
		rms: math.Exp(2*math.Exp(-u*u) + 0.1*p.rng.NormFloat64()), velocity: 1 + 0.05*p.rng.NormFloat64(),
		oil: p.oil + 0.3*p.rng.NormFloat64(), power: power, speed: 6 + 9*math.Min(1, p.wind/11), wind: p.wind,
		ambient: 10 + 3*math.Sin(float64(p.row)*2*math.Pi/144) + 0.2*p.rng.NormFloat64(),
	}
	for _, i := range []*float64{&x.i1, &x.i2, &x.i3} {
		*i = power * (1 + 0.01*p.rng.NormFloat64())
	}
	if change != nil {
		change(p.row, &x)
	}
	at := monitorStart.Add(time.Duration(p.row) * 10 * time.Minute)
	p.row++
	telemetry := Vector{Quality: 100}
	for _, m := range []struct {
		name, unit string
		v          float64
	}{{"oil", "°C", x.oil}, {"power", "kW", x.power}, {"speed", "rpm", x.speed}, {"wind", "m/s", x.wind}, {"ambient", "°C", x.ambient}, {"i1", "A", x.i1}, {"i2", "A", x.i2}, {"i3", "A", x.i3}} {
		telemetry.add(Field{m.name, "value", m.unit}, m.v, "absent")
	}
	return &Snapshot{Asset: "wtg-1", Time: at, Vectors: []Vector{
		{Channel: "vib", Quality: 100, WindowS: 1, Fields: []Field{{"vib", "rms", "m/s²"}, {"vib", "velocity_rms", "mm/s"}}, Values: []float64{x.rms, x.velocity}},
		telemetry,
	}}
}

// reason is why a field is missing.
func reasonOf(s *Snapshot, channel, name string) asset.Reason {
	for _, v := range s.Vectors {
		for i, f := range v.Fields {
			if f.Channel == channel && f.Name == name && v.Reasons != nil {
				return v.Reasons[i]
			}
		}
	}
	return ""
}

// TestMonitorDerivedResumesBitForBit saves and loads the monitor of everything in the
// middle of spans, alarms and periods.
func TestMonitorDerivedResumesBitForBit(t *testing.T) {
	const rows, all = 1200, 1900
	broken := func(row int, x *state) {
		switch {
		case row%29 == 4:
			x.i2, x.wind = math.NaN(), math.NaN()
		case row%31 == 7:
			x.oil = math.NaN()
		case row > 1500 && row < 1520:
			x.rms, x.velocity, x.i1 = x.rms*9, 6, x.i1*1.2
		case row > 1700:
			x.oil, x.power, x.rms = x.oil+4, 0.8*x.power, x.rms*1.4
		}
	}
	run := func(cuts map[int]bool) string {
		m, r, store := mustMonitor(t, plantOptions(), plantPlate(rows)), newPlant(4), map[string][]byte{}
		var out strings.Builder
		for i := range all {
			s := r.next(broken)
			for _, a := range m.Observe(s) {
				fmt.Fprintf(&out, "%d %s %x %x %x %v %x %v %v %v\n", i, a.Source, float64(a.Score), float64(a.Limit), float64(a.P), a.Abnormal, a.Trust, a.Modes, a.Reason, a.Evidence)
			}
			for _, v := range s.Vectors {
				fmt.Fprintf(&out, "%x %v\n", v.Values, v.Reasons)
			}
			if !cuts[i] {
				continue
			}
			for part, body := range m.Save() {
				if store[part] = bytes.Clone(body); len(body) == 0 {
					delete(store, part)
				}
			}
			m = mustMonitor(t, plantOptions(), plantPlate(rows))
			if err := m.Load(store); err != nil {
				t.Fatal(err)
			}
		}
		return out.String()
	}
	want := run(nil)
	rng := rand.New(rand.NewPCG(9, 9))
	for round := range 3 {
		cuts := map[int]bool{}
		for range 2 + 12*round {
			cuts[rng.IntN(all)] = true
		}
		for _, near := range []int{1199, 1200, 1201, 1510, 1720} {
			cuts[near] = cuts[near] || rng.IntN(2) == 0
		}
		got := run(cuts)
		a, b := strings.Split(got, "\n"), strings.Split(want, "\n")
		for i := range min(len(a), len(b)) {
			if a[i] != b[i] {
				t.Fatalf("round %d, cuts %v: line %d:\n got %s\nwant %s", round, cuts, i, a[i], b[i])
			}
		}
		if len(a) != len(b) {
			t.Fatalf("%d lines, want %d", len(a), len(b))
		}
	}
}

func TestMonitorDerivesFields(t *testing.T) {
	m, r := mustMonitor(t, plantOptions(), plantPlate(1200)), newPlant(6)
	var s *Snapshot
	for i := range 1300 {
		s = r.next(func(row int, x *state) {
			switch row {
			case 3, 4:
				x.oil = 60 + 20*float64(row-3) // 60 °C, then 80 °C: 2 K/min, 2.5 min over 75 °C
			case 1297:
				x.i1, x.i2, x.i3 = 100, 110, 90
			case 1298:
				x.i3, x.wind = math.NaN(), 40
			case 1299:
				x.oil = -200
			}
		})
		m.Observe(s)
		switch i {
		case 0:
			if v := s.Value("oil", "gradient"); !math.IsNaN(v) || reasonOf(s, "oil", "gradient") != ReasonShort {
				t.Errorf("first gradient %g, reason %q", v, reasonOf(s, "oil", "gradient"))
			}
		case 4:
			within(t, "gradient", s.Value("oil", "gradient"), 2, 1e-12, 0)
			within(t, "minutes over warning", s.Value("oil", "minutes_warn"), 2.5, 1e-12, 0)
			within(t, "minutes over alarm", s.Value("oil", "minutes_alarm"), 0, 1e-12, 0)
		case 1200:
			for _, key := range []string{"oil/gradient_z", "phases/unbalance_z", "power/power_residual", "power/power_residual_z"} {
				channel, name, _ := strings.Cut(key, "/")
				if math.IsNaN(s.Value(channel, name)) {
					t.Errorf("%s is missing: %q", key, reasonOf(s, channel, name))
				}
			}
		case 1297:
			within(t, "unbalance", s.Value("phases", "unbalance"), 0.1, 1e-12, 0)
		case 1298:
			if v, why := s.Value("phases", "unbalance"), reasonOf(s, "phases", "unbalance"); !math.IsNaN(v) || why != "input-missing" {
				t.Errorf("unbalance of two phases: %g %q", v, why)
			}
			if v, why := s.Value("power", "power_residual"), reasonOf(s, "power", "power_residual"); !math.IsNaN(v) || why != ReasonRange {
				t.Errorf("residual beyond the curve: %g %q", v, why)
			}
		case 1299: // the sensor cannot be right
			if v := s.Value("oil", "gradient"); !math.IsNaN(v) || reasonOf(s, "oil", "gradient") == "" {
				t.Errorf("gradient of a sensor fault: %g %q", v, reasonOf(s, "oil", "gradient"))
			}
		}
		for _, v := range s.Vectors {
			if len(v.Fields) != len(v.Values) || v.Reasons != nil && len(v.Reasons) != len(v.Fields) {
				t.Fatalf("row %d: %d fields, %d values, %d reasons", i, len(v.Fields), len(v.Values), len(v.Reasons))
			}
		}
	}
}

func TestMonitorJudgesDerivedFields(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*state)
		source string
		word   string
	}{
		"a phase is weak":     {func(x *state) { x.i1 *= 0.8 }, "unbalance", "unbalance of phases"},
		"power is lost":       {func(x *state) { x.power *= 0.8 }, "yield", "power_residual_z of power"},
		"oil runs hot":        {func(x *state) { x.oil += 3 }, "cusum", "residual_z of oil"},
		"vibration is louder": {func(x *state) { x.rms *= 3 }, "vibration", "at this operating point"},
	} {
		t.Run(name, func(t *testing.T) {
			m, r := mustMonitor(t, plantOptions(), plantPlate(1200)), newPlant(8)
			early, late := 0, 0
			var a asset.Assessment
			for i := range 1700 {
				s := r.next(func(row int, x *state) {
					if row >= 1500 {
						tc.change(x)
					}
				})
				got, ok := of(m.Observe(s), tc.source)
				switch {
				case ok && got.Abnormal && i < 1500:
					early++
				case ok && got.Abnormal && i >= 1550:
					if late++; len(got.Evidence) > 0 {
						a = got
					}
				}
			}
			if early > 3 || late < 100 {
				t.Fatalf("abnormal at %d healthy and %d of 150 faulty rows", early, late)
			}
			if !strings.Contains(a.Evidence[0].Text, tc.word) {
				t.Errorf("evidence %q, want %q", a.Evidence[0].Text, tc.word)
			}
		})
	}
}

func TestDerivedOptionsAreChecked(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*MonitorOptions)
		word   string
	}{
		"kind":         {func(o *MonitorOptions) { o.Temperatures[0].Kind = "brake" }, `"brake"`},
		"metric":       {func(o *MonitorOptions) { o.Temperatures[0].Metric = "mood" }, `"mood"`},
		"one phase":    {func(o *MonitorOptions) { o.Phases = []string{"i1"} }, "two at least"},
		"no wind":      {func(o *MonitorOptions) { o.PowerCurve.Wind = "" }, "Wind"},
		"other wind":   {func(o *MonitorOptions) { o.PowerCurve.Wind = "storm" }, `"storm"`},
		"no rating":    {func(o *MonitorOptions) { o.Regimes.RatedKW = 0 }, "RatedKW"},
		"no speed":     {func(o *MonitorOptions) { o.Regimes.Speed = "" }, "Speed"},
		"probability":  {func(o *MonitorOptions) { o.Detectors = []DetectorOptions{{Type: "bocpd", Limit: 2}} }, "below 1"},
		"recent":       {func(o *MonitorOptions) { o.Detectors = []DetectorOptions{{Type: "bocpd", Recent: 900}} }, "Recent"},
		"zone's load":  {func(o *MonitorOptions) { o.Detectors = []DetectorOptions{{Type: "zone", Power: "power"}} }, "RatedKW"},
		"zone's speed": {func(o *MonitorOptions) { o.Detectors = []DetectorOptions{{Type: "zone", Speed: "haste"}} }, `"haste"`},
		"zone": {func(o *MonitorOptions) {
			o.Zones = append(o.Zones, ZoneTable{Name: "own", Quantity: velocityRMS, BC: 2, CD: 1})
			o.Detectors = []DetectorOptions{{Type: "zone", Zones: "own"}}
		}, "must rise"},
	} {
		t.Run(name, func(t *testing.T) {
			o := plantOptions()
			o.Zones = shippedZones(t)
			tc.change(&o)
			if _, err := NewMonitor(o, plantPlate(10)); !errors.Is(err, ErrOptions) || !strings.Contains(err.Error(), tc.word) {
				t.Errorf("error %v, want one that names %s", err, tc.word)
			}
		})
	}
	o := plantOptions()
	o.Temperatures[0].Optional, o.PowerCurve.Optional = true, true
	for i := range o.Detectors {
		o.Detectors[i].Optional = true
	}
	o.Normal[0].Optional = true
	p := plantPlate(10)
	p.Metrics = []asset.Metric{{Name: "heat", Unit: "°C"}}
	m := mustMonitor(t, o, p)
	if len(m.measures) != 0 || m.power != nil || m.opt.Regimes.on() {
		t.Errorf("an asset without the metrics: %d measures, curve %v, regimes %v", len(m.measures), m.power, m.opt.Regimes)
	}
}

func TestBudgetStatesEveryDerivedDetector(t *testing.T) {
	m, r := mustMonitor(t, plantOptions(), plantPlate(1200)), newPlant(13)
	for range 1201 {
		m.Observe(r.next(nil))
	}
	if n := len(m.Budget()); n != len(m.detectors) {
		t.Fatalf("%d statements for %d detectors", n, len(m.detectors))
	}
	for _, b := range m.Budget() {
		absolute := b.Detector == "sensor" || b.Detector == "zone"
		if b.Method == "" || math.IsNaN(b.P) != absolute || math.IsNaN(b.PerYear) != absolute || b.P > 0.01 || math.Abs(b.PerDay-144) > 0.01 {
			t.Errorf("%+v", b)
		}
	}
}

func FuzzMonitorDerivedLoad(f *testing.F) {
	m, r := mustMonitor(f, plantOptions(), plantPlate(500)), newPlant(14)
	for range 300 {
		m.Observe(r.next(nil))
	}
	early := m.Save()
	f.Add(early["state"], early["fields"], early["learn/0000"], []byte{})
	for range 300 {
		m.Observe(r.next(nil))
	}
	late := m.Save()
	f.Add(late["state"], early["fields"], []byte{}, late["baseline"])
	f.Fuzz(func(t *testing.T, state, fields, learn, baseline []byte) {
		m := mustMonitor(t, plantOptions(), plantPlate(500))
		if m.Load(map[string][]byte{"state": state, "fields": fields, "learn/0000": learn, "baseline": baseline}) != nil {
			return
		}
		r := newPlant(15)
		for range 30 {
			m.Observe(r.next(nil))
		}
		m.Budget()
		m.Save()
	})
}

// FuzzMonitorDerivedState damages the running state alone: what loads must run on, and
// save as it was loaded.
func FuzzMonitorDerivedState(f *testing.F) {
	m, r := mustMonitor(f, plantOptions(), plantPlate(500)), newPlant(14)
	for range 600 {
		m.Observe(r.next(nil))
	}
	parts := m.Save()
	f.Add(parts["state"])
	f.Fuzz(func(t *testing.T, state []byte) {
		m := mustMonitor(t, plantOptions(), plantPlate(500))
		if m.Load(map[string][]byte{"state": state, "fields": parts["fields"], "baseline": parts["baseline"]}) != nil {
			return
		}
		r := newPlant(15)
		for range 30 {
			m.Observe(r.next(nil))
		}
		again := mustMonitor(t, plantOptions(), plantPlate(500))
		saved := m.Save()["state"]
		if err := again.Load(map[string][]byte{"state": saved, "fields": parts["fields"], "baseline": parts["baseline"]}); err != nil {
			t.Errorf("what was saved does not load: %v", err)
		}
	})
}
