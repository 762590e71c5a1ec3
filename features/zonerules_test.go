package features

import (
	"math"
	"testing"

	"github.com/telltale-iot/telltale/asset"
)

func TestZoneSpan(t *testing.T) {
	run := ZoneSection{V: 3, Seconds: 60, PowerShare: 0.2, SpeedSpread: 0.1}
	var z ZoneSpan
	if v, why := z.Mean(); why != ReasonEmpty || !math.IsNaN(v) {
		t.Errorf("nothing: %g %q", v, why)
	}
	z = z.Step(run)
	run.V, run.Seconds = 4, 180
	z = z.Step(run)
	want := math.Sqrt((60*9 + 180*16) / 240.0)
	for name, s := range map[string]ZoneSection{
		"idle":      {V: 99, Seconds: 10, PowerShare: 0.19, SpeedSpread: 0.01},
		"unsteady":  {V: 99, Seconds: 10, PowerShare: 1, SpeedSpread: 0.11},
		"NaN":       {V: math.NaN(), Seconds: 10, PowerShare: 1},
		"NaN power": {V: 99, Seconds: 10, PowerShare: math.NaN()},
		"NaN speed": {V: 99, Seconds: 10, PowerShare: 1, SpeedSpread: math.NaN()},
		"negative":  {V: -1, Seconds: 10, PowerShare: 1},
		"huge":      {V: 1e300, Seconds: 10, PowerShare: 1},
		"no time":   {V: 99, PowerShare: 1},
		"backwards": {V: 99, Seconds: -3, PowerShare: 1},
		"for ever":  {V: 99, Seconds: math.Inf(1), PowerShare: 1},
	} {
		before := z.Seconds
		z = z.Step(s)
		if v, _ := z.Mean(); math.Abs(v-want) > 1e-12 || z.Seconds != before {
			t.Errorf("%s counted: mean %g, want %g", name, v, want)
		}
	}
	if z.Skipped != 70 {
		t.Errorf("%g s skipped, want 70", z.Skipped)
	}
}

func TestZoneLimits(t *testing.T) {
	g2, _ := zoneTable(shippedZones(t), "iso10816-3_g2_rigid") // 1.4, 2.8, 4.5
	for _, tc := range []struct{ baseline, alert, alarm float64 }{
		{0, 0.7, 4.5}, {1, 1.7, 4.5}, {2.8, 3.5, 4.5}, {9, 3.5, 4.5}, {math.NaN(), 2.8, 4.5},
	} {
		l, why := g2.Limits(tc.baseline)
		if why != "" {
			t.Fatal(why)
		}
		within(t, "ALERT", l.Alert, asset.Number(tc.alert), 1e-12, 0)
		within(t, "ALARM", l.Alarm, asset.Number(tc.alarm), 1e-12, 0)
		within(t, "change", l.Change, 0.7, 1e-12, 0)
	}
	narrow := ZoneTable{BC: 1, CD: 1.1}
	if l, _ := narrow.Limits(1); l.Alarm != 1.25 || l.Alert != 1.25 {
		t.Errorf("narrow zone C: %+v, want ALARM no lower than ALERT", l)
	}
	for _, z := range []ZoneTable{{}, {BC: 2, CD: 1}, {BC: math.NaN(), CD: 1}, {BC: 1, CD: math.Inf(1)}} {
		if l, why := z.Limits(1); why != ReasonUndefined || !math.IsNaN(l.Alert) {
			t.Errorf("%+v: %+v %q", z, l, why)
		}
	}
	for _, tc := range []struct {
		v, baseline           float64
		zone                  string
		alert, alarm, changed bool
	}{
		{1.7, 1, "B", true, false, false},
		{1.69, 1, "B", false, false, false},
		{1.8, 1, "B", true, false, true},
		{0.2, 1, "A", false, false, true},
		{4.5, 4, "D", true, true, false},
		{2.9, math.NaN(), "C", true, false, false},
	} {
		z, why := g2.Judge(tc.v, tc.baseline)
		if why != "" || z.Zone != tc.zone || z.Alert != tc.alert || z.Alarm != tc.alarm || z.Changed != tc.changed {
			t.Errorf("%g over %g: %+v %q, want %+v", tc.v, tc.baseline, z, why, tc)
		}
	}
	if z, why := g2.Judge(math.NaN(), 1); why != ReasonNonFinite || z.Zone != "" || z.Alert {
		t.Errorf("missing: %+v %q", z, why)
	}
}

func FuzzZoneRules(f *testing.F) {
	f.Add(2.8, 4.5, 1.0, 3.0, 60.0, 1.0)
	f.Add(1e308, 1e308, 5e-324, 1e300, 1e300, 0.2)
	f.Fuzz(func(t *testing.T, bc, cd, baseline, v, seconds, power float64) {
		var z ZoneSpan
		for range 3 {
			z = z.Step(ZoneSection{V: v, Seconds: seconds, PowerShare: power})
		}
		m, why := z.Mean()
		if why == "" && !finite(m) || !finite(z.Square, z.Seconds, z.Skipped) {
			t.Errorf("%+v mean %g", z, m)
		}
		if l, why := (ZoneTable{BC: bc, CD: cd}).Judge(m, baseline); why == "" && (!finite(l.Limits.Alert, l.Limits.Alarm) || l.Limits.Alert > 1.25*bc || l.Limits.Alarm > 1.25*cd) {
			t.Errorf("%+v of %g, %g", l, bc, cd)
		}
	})
}
