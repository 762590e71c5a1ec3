package features

import (
	"math"
	"strings"
	"testing"

	"github.com/telltale-iot/telltale/asset"
)

// zonePlant judges velocity over six hours of running; change alters every row after
// the span.
func zonePlant(t *testing.T, o DetectorOptions, rows int, change func(int, *state)) []asset.Assessment {
	t.Helper()
	o.Type = "zone"
	m, r := mustMonitor(t, MonitorOptions{Detectors: []DetectorOptions{o}}, plantPlate(300)), newPlant(41)
	var out []asset.Assessment
	for i := range 300 + rows {
		all := m.Observe(r.next(func(row int, x *state) {
			x.velocity, x.power, x.speed = 1, 1000, 12
			if row >= 300 {
				change(row, x)
			}
		}))
		if a, ok := of(all, "zone"); ok && i >= 300 {
			out = append(out, a)
		}
	}
	return out
}

func TestZonePeriod(t *testing.T) {
	load := DetectorOptions{PeriodH: 6, Power: "power", RatedKW: 2000, Speed: "speed"}
	for name, tc := range map[string]struct {
		o        DetectorOptions
		change   func(int, *state)
		score    float64
		abnormal bool
		reason   asset.Reason
		word     string
	}{
		"on the boundary":     {load, func(_ int, x *state) { x.velocity = 2.8 }, 2.8, true, "", "zone C"},
		"below it":            {load, func(_ int, x *state) { x.velocity = 2.79 }, 2.79, false, "", "ALERT"},
		"as ever":             {load, func(_ int, x *state) {}, 1, false, "", ""},
		"changed inside":      {load, func(_ int, x *state) { x.velocity = 1.71 }, 1.71, false, "", "ALERT"},
		"severe":              {load, func(_ int, x *state) { x.velocity = 5 }, 5, true, "", "zone D"},
		"a peak":              {load, func(row int, x *state) { x.velocity = 1 + 19*float64(row%36/35) }, math.Sqrt((35 + 400) / 36.0), true, "", "zone C"},
		"loud at idle":        {load, func(row int, x *state) { x.velocity, x.power = 1+9*float64(row%2), 1000-900*float64(row%2) }, 1, false, "", ""},
		"loud at a change":    {load, func(row int, x *state) { x.velocity, x.speed = 9, 12-3*float64(row%2) }, math.NaN(), false, "no-load", ""},
		"never under load":    {load, func(_ int, x *state) { x.power = 100; x.velocity = 9 }, math.NaN(), false, "no-load", ""},
		"load is not known":   {load, func(_ int, x *state) { x.power, x.velocity = math.NaN(), 9 }, math.NaN(), false, "no-load", ""},
		"load does not count": {DetectorOptions{PeriodH: 6}, func(_ int, x *state) { x.power, x.velocity = 100, 9 }, 9, true, "", "zone D"},
		"each by itself":      {DetectorOptions{}, func(_ int, x *state) { x.power, x.velocity = 100, 9 }, 9, true, "", "zone D"},
	} {
		t.Run(name, func(t *testing.T) {
			all := zonePlant(t, tc.o, 36*5, tc.change)
			a := all[len(all)-1]
			if a.Abnormal != tc.abnormal || a.Reason != tc.reason {
				t.Fatalf("%+v", a)
			}
			within(t, "severity", float64(a.Score), asset.Number(tc.score), 1e-9, 0)
			text := ""
			for _, e := range a.Evidence {
				text += e.Text + "; "
			}
			if tc.word == "" && text != "" || !strings.Contains(text, tc.word) {
				t.Errorf("evidence %q, want %q", text, tc.word)
			}
		})
	}
}

func TestZoneTablesAreData(t *testing.T) {
	own := append(shippedZones(t),
		ZoneTable{Name: "iso10816-3_g2_rigid", Source: "agreed with the maker", Quantity: velocityRMS, LowHz: 10, HighHz: 1000, AB: 1, BC: 8, CD: 9},
		ZoneTable{Name: "mine", Source: "house", Quantity: velocityRMS, LowHz: 2, HighHz: 1000, BC: 0.5, CD: 9})
	for name, want := range map[string]float64{"": 8, "mine": 0.5, "iso10816-3_g1_rigid": 4.5} {
		m := mustMonitor(t, MonitorOptions{Zones: own, Detectors: []DetectorOptions{{Type: "zone", Zones: name}}}, rigPlate(0))
		a, _ := of(m.Observe(newRig(1).next(func(_ int, x *reading) { x.velocity = 3 })), "zone")
		if float64(a.Limit) != want || a.Abnormal != (want == 0.5) {
			t.Errorf("%q: %+v, want limit %g", name, a, want)
		}
	}
}
