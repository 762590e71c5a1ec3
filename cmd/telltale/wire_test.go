package main

import (
	"strings"
	"testing"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/class"
	"github.com/telltale-iot/telltale/features"
)

// TestClassReachesTheMonitor builds a line from a class that asks for all that the
// monitor derives, and names what cannot be.
func TestClassReachesTheMonitor(t *testing.T) {
	const file = `
kind: x
title: y
horizon_h: 1
regimes: {wind: wind, min_days: 1}
thermal: [{metric: oil, kind: gearbox-oil}]
phases: [i1, i2]
power_curve: {power: power, wind: wind}
zones: [{name: own, source: agreed, quantity: velocity_rms, low_hz: 10, high_hz: 1000, bc: 2, cd: 3}]
detectors:
  - {name: jump, use: page-hinkley, options: {fields: [oil/gradient]}}
  - {name: regime, use: bocpd, options: {fields: [power/power_residual_z], recent: 30}}
  - {name: tail, use: spot, options: {fields: [phases/unbalance]}}
  - {name: zone, use: zone, options: {zones: own, period_h: 24, power: power, rated_kw: 2000}}
`
	plate := asset.Nameplate{ID: "a", Kind: "x", Components: []asset.Component{{Name: "gearbox"}}, Learning: &asset.Learning{Rows: 10}}
	for name, unit := range map[string]string{"oil": "°C", "power": "kW", "wind": "m/s", "i1": "A", "i2": "A"} {
		plate.Metrics = append(plate.Metrics, asset.Metric{Name: name, Unit: unit})
	}
	build := func(file string) (*features.Monitor, error) {
		c, err := class.Parse([]byte(file))
		if err != nil {
			t.Fatal(err)
		}
		w := newWorks(class.Set{"x": c}, []asset.Nameplate{plate})
		if err := w.check(); err != nil {
			return nil, err
		}
		return w.monitor(c, plate)
	}
	m, err := build(file)
	if err != nil {
		t.Fatal(err)
	}
	if rows := budgetOf("a", m); len(rows) != 4 || rows[0].Detector != "jump" || rows[0].Method == "" || rows[0].P.Known() {
		t.Errorf("statements %+v", rows)
	}
	for from, to := range map[string]string{
		"kind: gearbox-oil": "kind: brake", "min_days": "min_dais", "wind: wind}\nzones": "wind: storm}\nzones", "zones: own": "zones: none", "recent: 30": "recent: 3000",
	} {
		if _, err := build(strings.Replace(file, from, to, 1)); err == nil || !strings.Contains(err.Error(), "class x") {
			t.Errorf("%s: %v", to, err)
		}
	}
}

func TestTheSpeedIsTheClasssMetricOrTheOnlyOneInRpm(t *testing.T) {
	rpm := func(names ...string) (p asset.Nameplate) {
		p.Metrics = append(p.Metrics, asset.Metric{Name: "temperature", Unit: "°C"})
		for _, n := range names {
			p.Metrics = append(p.Metrics, asset.Metric{Name: n, Unit: "rpm"})
		}
		return p
	}
	for name, tc := range map[string]struct {
		class class.Class
		plate asset.Nameplate
		want  string
	}{
		"declared":           {class.Class{Kind: "wind-turbine", Speed: "rotor_speed"}, rpm("generator_speed", "rotor_speed"), "rotor_speed"},
		"another shaft":      {class.Class{Kind: "wind-turbine", Speed: "rotor_speed"}, rpm("generator_speed"), "rotor_speed"},
		"no name, one":       {class.Class{Kind: "bearing-rig"}, rpm("drive_speed"), "drive_speed"},
		"no name, two":       {class.Class{Kind: "bearing-rig"}, rpm("a", "b"), ""},
		"generic, other one": {class.Class{Kind: class.Generic, Speed: "shaft_speed"}, rpm("n"), "n"},
		"nothing declared":   {class.Class{Kind: class.Generic, Speed: "shaft_speed"}, asset.Nameplate{}, "shaft_speed"},
	} {
		if got := speedMetric(tc.class, tc.plate); got != tc.want {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
}
