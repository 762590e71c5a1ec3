package simulate_test

import (
	"fmt"
	"time"

	"github.com/telltale-iot/telltale/simulate"
)

// A farm of three turbines with the demo's faults, one hour of it.
func Example() {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	farm, err := simulate.New(simulate.Options{
		Turbines: 3, Seed: 7, Start: start, Duration: time.Hour, WaveEvery: time.Hour,
		Faults: simulate.DemoScenario(3, 7, start),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	instants, samples := 0, 0
	for r, ok := farm.Next(); ok; r, ok = farm.Next() {
		if r.Wave != nil {
			samples += len(r.Wave.Samples)
		} else {
			instants++
		}
	}
	fmt.Println(len(farm.Nameplates()), "turbines,", instants, "telemetry instants,", samples, "samples")
	for _, l := range farm.Labels() {
		if l.Kind == "fault" {
			fmt.Println(l.Asset, l.Component, l.Mode)
		}
	}
	// Output:
	// 3 turbines, 18 telemetry instants, 153600 samples
	// wt01 gearbox-bearing outer-race
	// wt02 main-bearing overheating
	// wt03 generator-bearing inner-race
}
