package features

import (
	"math"
	"strings"
	"testing"

	"github.com/telltale-iot/telltale/asset"
)

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
			tc.o.Zones = shippedZones(t)
			if _, err := NewMonitor(tc.o, rigPlate(10)); err == nil || !strings.Contains(err.Error(), tc.word) || !strings.Contains(err.Error(), "rig-1") {
				t.Errorf("error %v, want one that names %s", err, tc.word)
			}
		})
	}
	o := MonitorOptions{
		Detectors: []DetectorOptions{{Type: "level", Fields: []string{"nose/rms"}, Optional: true}, {Type: "residual", Fields: []string{"nose/residual_z_*", "temperature/residual_z_*"}, Optional: true}},
		Normal:    []NormalOptions{{Target: "mood", Inputs: []string{"power"}, Optional: true}, {Target: "temperature", Inputs: []string{"power", "moon"}, Optional: true}},
	}
	if m := mustMonitor(t, o, rigPlate(10)); len(m.detectors) != 1 || len(m.normals) != 1 || len(m.normals[0].inputs) != 1 {
		t.Errorf("optional parts: %d detectors, %d models", len(m.detectors), len(m.normals))
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
		"leap":         {func(_ int, x *reading) { x.temperature += 15 }, "leapt by", "temperature/value_z"},
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
