package features

import (
	"bytes"
	"encoding/json"
	"math"
	"testing"
)

// vibration is the level detector on the RMS alone, with the options' operating point.
func vibration(o MonitorOptions) MonitorOptions {
	o.Detectors = []DetectorOptions{{Type: "level", Fields: []string{"vib/rms"}}}
	return o
}

// TestRegimesFollowWhatNoQuadraticDoes compares z on a healthy machine with a
// resonance: in bins it has the spread that it should, and finds a fault that the
// quadratic's spread hides.
func TestRegimesFollowWhatNoQuadraticDoes(t *testing.T) {
	run := func(o MonitorOptions) (spread float64, found int) {
		m, r := mustMonitor(t, vibration(o), plantPlate(3000)), newPlant(31)
		var z []float64
		for i := range 4500 {
			s := r.next(func(row int, x *state) {
				if row >= 4000 {
					x.rms *= 2.2
				}
			})
			all := m.Observe(s)
			if i >= 3000 && i < 4000 {
				z = append(z, s.Value("vib", "rms_z"))
			}
			if a, _ := of(all, "level"); a.Abnormal && i >= 4000 {
				found++
			} else if a.Abnormal {
				t.Fatalf("row %d: %v", i, a.Evidence)
			}
		}
		_, spread, _ = meanStd(z)
		return spread, found
	}
	bins := RegimesOptions{Speed: "speed", Power: "power", RatedRPM: 15, RatedKW: 2000}
	if spread, found := run(MonitorOptions{Regimes: bins}); spread > 1.8 || found < 350 {
		t.Errorf("in bins: z spreads by %.2f, %d of 500 faulty rows", spread, found)
	} else {
		t.Logf("in bins: z spreads by %.2f, %d of 500 faulty rows", spread, found)
	}
	if spread, found := run(MonitorOptions{Operating: []string{"power", "speed"}}); found > 100 {
		t.Errorf("the quadratic finds %d of 500 rows: the test shows nothing", found)
	} else {
		t.Logf("quadratic: z spreads by %.2f, %d of 500 faulty rows", spread, found)
	}
}

func TestRegimesAreFrozen(t *testing.T) {
	o := vibration(MonitorOptions{Regimes: RegimesOptions{Wind: "wind", MinDays: 2}})
	m, r := mustMonitor(t, o, plantPlate(1200)), newPlant(32)
	for range 1201 {
		m.Observe(r.next(nil))
	}
	before := m.Export()
	var b Baseline
	if err := json.Unmarshal(before, &b); err != nil {
		t.Fatal(err)
	}
	rms := b.field("vib", "rms")
	if rms.Bins == nil || rms.Bins.ID == "" || len(rms.Bins.Bins) < 3 || !rms.Bins.Options.Log || rms.Regime != nil {
		t.Fatalf("rms baseline %+v", rms)
	}
	if oil := b.field("oil", "value"); oil.Bins != nil {
		t.Error("telemetry has bins")
	}
	for range 2000 {
		m.Observe(r.next(func(_ int, x *state) { x.rms *= 1.05 }))
	}
	if !bytes.Equal(before, m.Export()) {
		t.Error("the baseline moved")
	}
	s := r.next(func(_ int, x *state) { x.wind = 60 })
	m.Observe(s)
	if z, why := s.Value("vib", "rms_z"), reasonOf(s, "vib", "rms_z"); !math.IsNaN(z) || why != ReasonFew {
		t.Errorf("in a storm never seen: z %g, reason %q", z, why)
	}
	o.Baseline = before
	other := mustMonitor(t, o, plantPlate(0))
	s, s2 := newPlant(33).next(nil), newPlant(33).next(nil)
	m.Observe(s)
	other.Observe(s2)
	if a, b := s.Value("vib", "rms_z"), s2.Value("vib", "rms_z"); a != b || math.IsNaN(a) {
		t.Errorf("z %g, and %g by the exported baseline", a, b)
	}
}

// TestRegimesOfTooLittleAreMissing: no bin and no curve is no baseline.
func TestRegimesOfTooLittleAreMissing(t *testing.T) {
	o := vibration(MonitorOptions{Regimes: RegimesOptions{Wind: "wind", MinSamples: 1000}})
	m, r := mustMonitor(t, o, plantPlate(300)), newPlant(34)
	for range 300 {
		m.Observe(r.next(nil))
	}
	s := r.next(nil)
	a := m.Observe(s)
	if why := reasonOf(s, "vib", "rms_z"); !math.IsNaN(s.Value("vib", "rms_z")) || why != ReasonFew || a[0].Trust != 0 {
		t.Errorf("z %g, reason %q, %+v", s.Value("vib", "rms_z"), why, a[0])
	}
}

// TestRegimesAdaptOnlyWhenAskedAndWell: a slow drift is followed by option, in whole no
// further than its bound, and not while a detector calls the machine abnormal.
func TestRegimesAdaptOnlyWhenAskedAndWell(t *testing.T) {
	run := func(adapt bool, sick float64) (shift float64, last float64) {
		o := vibration(MonitorOptions{Regimes: RegimesOptions{Wind: "wind", Adapt: adapt}})
		m, r := mustMonitor(t, o, plantPlate(1500)), newPlant(35)
		var z []float64
		for i := range 9000 {
			s := r.next(func(row int, x *state) {
				x.rms = math.Exp(0.1 * math.Log(x.rms)) // of the load no more than noise
				if row > 1500 {
					x.rms *= math.Exp(0.12*float64(row-1500)/7500) * sick
				}
			})
			if m.Observe(s); i > 8500 {
				z = append(z, s.Value("vib", "rms_z"))
			}
		}
		for _, f := range m.fields {
			if f.base.Bins != nil && f.Name == "rms" {
				for _, b := range f.base.Bins.Bins {
					shift = math.Max(shift, b.Shift/b.Scale)
				}
			}
		}
		return shift, Robust(z).Median
	}
	fixed, still := run(false, 1)
	moved, after := run(true, 1)
	ill, _ := run(true, 8)
	if fixed != 0 || moved < 0.1 || moved > 1 || after > still-0.05 || ill > 0.05 {
		t.Errorf("shift %.2f without, %.2f with (z %.2f, %.2f), %.2f while abnormal", fixed, moved, still, after, ill)
	} else {
		t.Logf("shift %.2f without, %.2f with (z %.2f, %.2f), %.2f while abnormal", fixed, moved, still, after, ill)
	}
}
