package features

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

func TestThermalLimits(t *testing.T) {
	for kind, want := range map[string][2]float64{"bearing": {80, 90}, "gearbox-oil": {75, 80}, "winding": {140, 155}} {
		if l, ok := ThermalLimitsOf(kind); !ok || l.WarnC != want[0] || l.AlarmC != want[1] {
			t.Errorf("%s: %+v %v, want %v", kind, l, ok, want)
		}
	}
	if _, ok := ThermalLimitsOf("tower"); ok {
		t.Error("a tower has thermal limits")
	}
}

// A ramp of 2 K/min from 70 °C for 15 minutes passes 80 °C after 5 minutes and
// 90 °C after 10, however densely it is sampled.
func TestExceedanceRamp(t *testing.T) {
	l, _ := ThermalLimitsOf("bearing")
	l.KPerMin = 1.9
	start := time.Unix(1_700_000_000, 0)
	for _, every := range []int{1, 7, 60, 300, 900} {
		var e Exceedance
		for s := 0; ; s += every {
			s = min(s, 900)
			var why asset.Reason
			if e, why = e.Step(start.Add(time.Duration(s)*time.Second), 70+float64(s)/30, l); why != "" {
				t.Fatal(why)
			}
			if s == 900 {
				break
			}
		}
		within(t, "minutes known", e.KnownMin, 15, 1e-9, 0)
		within(t, "minutes over warn", e.WarnMin, 10, 1e-9, 0)
		within(t, "minutes over alarm", e.AlarmMin, 5, 1e-9, 0)
		within(t, "gradient", float64(e.GradientKPerMin), 2, 1e-9, 0)
		if e.SteepMin < 13.5 || e.SteepMin > 15.1 {
			t.Errorf("every %d s: %g minutes steep, want about 14", every, e.SteepMin)
		}
	}
}

func TestExceedanceEdges(t *testing.T) {
	l, _ := ThermalLimitsOf("bearing")
	at := time.Unix(0, 0)
	var e Exceedance
	e, why := e.Step(at, 85, l)
	if why != "" || e.GradientKPerMin.Known() || e.WarnMin != 0 {
		t.Errorf("one value: %+v %q", e, why)
	}
	same := e
	same.GradientKPerMin = 0
	for name, tc := range map[string]struct {
		at   time.Time
		c    float64
		want asset.Reason
	}{
		"NaN": {at.Add(time.Minute), math.NaN(), ReasonNonFinite}, "Inf": {at.Add(time.Minute), math.Inf(1), ReasonNonFinite},
		"hot": {at.Add(time.Minute), 1000.1, ReasonRange}, "cold": {at.Add(time.Minute), -274, ReasonRange}, "huge": {at.Add(time.Minute), 1e300, ReasonRange},
		"duplicate": {at, 85, ReasonUndefined}, "backwards": {at.Add(-time.Second), 85, ReasonUndefined},
	} {
		got, why := e.Step(tc.at, tc.c, l)
		if got.GradientKPerMin = 0; why != tc.want || got != same {
			t.Errorf("%s: %+v %q, want it left out as %q", name, got, why, tc.want)
		}
	}
	// Nothing is known of a gap, neither its minutes nor its gradient.
	e, _ = e.Step(at.Add(2*time.Hour), 95, l)
	if e.KnownMin != 0 || e.AlarmMin != 0 || e.GradientKPerMin.Known() {
		t.Errorf("after a gap: %+v", e)
	}
	e, _ = e.Step(at.Add(2*time.Hour+10*time.Minute), 90, l)
	if e.AlarmMin != 10 || e.WarnMin != 10 || e.GradientKPerMin != -0.5 {
		t.Errorf("at the limit: %+v, want it to count", e)
	}
	none := Exceedance{}
	none, _ = none.Step(at, 500, ThermalLimits{})
	none, _ = none.Step(at.Add(time.Minute), 999, ThermalLimits{})
	if none.WarnMin != 0 || none.AlarmMin != 0 || none.SteepMin != 0 || none.GradientKPerMin != 499 {
		t.Errorf("no limits: %+v", none)
	}
	// Stored after any value, it goes on alike.
	rng := rand.New(rand.NewPCG(6, 6))
	var whole, parts Exceedance
	for range 500 {
		at = at.Add(time.Duration(rng.Int64N(int64(12 * time.Minute))))
		c := 80 + 10*rng.NormFloat64()
		whole, _ = whole.Step(at, c, l)
		parts, _ = parts.Step(at, c, l)
		kept, err := json.Marshal(parts)
		if err != nil {
			t.Fatal(err)
		}
		parts = Exceedance{}
		if err := json.Unmarshal(kept, &parts); err != nil {
			t.Fatal(err)
		}
	}
	if whole.WarnMin != parts.WarnMin || whole.AlarmMin != parts.AlarmMin || whole.SteepMin != parts.SteepMin || whole.KnownMin != parts.KnownMin {
		t.Errorf("whole %+v, in parts %+v", whole, parts)
	}
}

func FuzzExceedance(f *testing.F) {
	f.Add(uint64(1), 80.0, 90.0, 5.0, 60.0)
	f.Add(uint64(2), -1e300, 1e300, 5e-324, 5e-324)
	f.Fuzz(func(t *testing.T, seed uint64, warn, alarm, steep, base float64) {
		rng := rand.New(rand.NewPCG(seed, 1))
		l := ThermalLimits{WarnC: warn, AlarmC: alarm, KPerMin: steep, GradientS: base}
		var e Exceedance
		at := time.Unix(0, 0)
		for range 60 {
			at = at.Add(time.Duration(rng.Int64N(int64(40*time.Minute)) - int64(5*time.Minute)))
			e, _ = e.Step(at, 100*rng.NormFloat64(), l)
			if !finite(e.WarnMin, e.AlarmMin, e.SteepMin, e.KnownMin) || math.IsInf(float64(e.GradientKPerMin), 0) || e.WarnMin < 0 || e.WarnMin > e.KnownMin*(1+1e-12) {
				t.Fatalf("%+v", e)
			}
		}
	})
}
