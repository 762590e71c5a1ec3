//go:build accept

package main

import (
	"io"
	"path/filepath"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/simulate"
)

// A farm without a machine fault, one turbine for each way in which a thermometer lies.
// A constant offset and a slow drift within the range of the machine look like heat from
// a single thermometer: they are not among them.
func TestAcceptSensorFaultsBlameNoMachine(t *testing.T) {
	kinds := []simulate.Sensor{simulate.Stuck, simulate.Dropout, simulate.Spikes, simulate.Gap}
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	opt := simulate.Options{
		Turbines: len(kinds), Seed: 7, Start: start, Duration: 35 * 24 * time.Hour, WaveEvery: -1,
		Learning: asset.Learning{DurationS: 21 * 24 * 3600},
	}
	for i, k := range kinds {
		opt.Faults = append(opt.Faults, simulate.Fault{Turbine: i, Mode: asset.SensorFault, Signal: "gearbox_oil_temperature", Sensor: k, Onset: start.Add(26 * 24 * time.Hour)})
	}
	farm, err := simulate.New(opt)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "farm")
	if err := (&simulation{out: dir, name: "sensors"}).write(t.Context(), farm, io.Discard, io.Discard); err != nil {
		t.Fatal(err)
	}
	told := map[asset.ID]bool{}
	for _, a := range readLines[asset.Alert](t, filepath.Join(backtested(t, dir), "alerts.ndjson")) {
		mode, _ := a.Current()
		if mode != asset.SensorFault {
			t.Errorf("%s: %s of %s at %v, and nothing was wrong with the machine", a.Asset, mode, a.Component, a.Opened)
		}
		told[a.Asset] = true
	}
	for i, p := range farm.Nameplates() {
		if k := kinds[i]; (k == simulate.Stuck || k == simulate.Spikes) && !told[p.ID] {
			t.Errorf("%s: a sensor fault of kind %s was not told", p.ID, k)
		}
	}
}
