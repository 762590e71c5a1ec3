package main

import (
	"context"
	"fmt"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/class"
	"github.com/telltale-iot/telltale/features"
	"github.com/telltale-iot/telltale/physics"
)

// benchTurbines is the farm whose models are stepped in time.
const benchTurbines = 200

// physics measures the derived view: a farm of turbine models in time, and a step of each law.
func (b *benchmark) physics(ctx context.Context) error {
	if err := b.farmROM(ctx); err != nil {
		return err
	}
	for _, l := range benchLaws() {
		if err := b.lawStep(ctx, l); err != nil {
			return err
		}
	}
	return nil
}

// farmROM steps 200 turbines, each at its own wind, and compares CPU time with the time they
// went through.
func (b *benchmark) farmROM(ctx context.Context) error {
	t, err := physics.NewTurbine(0)
	if err != nil {
		return err
	}
	states := make([][]float64, benchTurbines)
	const each = 10.0 // seconds
	var perTurbine []float64
	run := func() (float64, error) {
		var went float64
		began := cpuSeconds()
		for took := 0.0; took < benchLeast; took = cpuSeconds() - began {
			for i := range states {
				wind := 5 + 6*float64(i)/benchTurbines
				var err error
				if states[i], _, err = t.Turn(states[i], wind, 1.1*wind, 3.3*wind*wind*wind, each); err != nil {
					return 0, err
				}
			}
			went += each
		}
		factor := went / (cpuSeconds() - began)
		perTurbine = append(perTurbine, factor)
		return factor, nil
	}
	of := fmt.Sprintf("%d turbines", benchTurbines)
	if err := b.report(ctx, measured{Stage: "physics", Case: "rom-real-time/" + of, Unit: "s/cpu-s", Better: "higher"}, b.runs, run); err != nil {
		return err
	}
	at := 0
	return b.report(ctx, measured{Stage: "physics", Case: "rom-share-of-core/" + of, Unit: "%", Better: "lower"}, b.runs, func() (float64, error) {
		at++
		return 100 / perTurbine[at-1], nil // of the same runs
	})
}

// benchLaw is a law as a class would name it, and what it is stepped with.
type benchLaw struct {
	name   string
	law    class.Law
	values map[string]float64 // by metric
}

// benchLaws are the laws that need no history of other machines.
func benchLaws() []benchLaw {
	scada := map[string]float64{"wind_speed": 11, "generator_power": 4500, "ambient_temperature": 12, "temp": 60, "x": 1.2, "f": 0.7}
	of := func(name, use string, o class.Section) benchLaw {
		return benchLaw{name, class.Law{Name: name, Use: use, Options: o}, scada}
	}
	loads := of("structure-loads", "structure", nil)
	frequencies := of("structure-frequencies", "structure", class.Section{"keys": []any{"f/value"}, "baseline_n": 10})
	frequencies.values = map[string]float64{"ambient_temperature": 12, "f": 0.7}
	return []benchLaw{
		of("bearing-life", "bearing-life", class.Section{"cn": 50e3, "power_key": "generator_power/value", "load_per_kw": 2}),
		of("growth", "growth", class.Section{"keys": []any{"x/value"}, "baseline_n": 20}),
		of("thermal", "thermal", class.Section{"temp_key": "temp/value", "power_key": "generator_power/value", "ambient_key": "ambient_temperature/value"}),
		of("crack", "crack", class.Section{"stress_mpa": 80, "cycles_per_rev": 1}),
		loads, frequencies,
	}
}

// lawStep is the cost of one step, once the law has learned.
func (b *benchmark) lawStep(ctx context.Context, l benchLaw) error {
	plate := asset.Nameplate{ID: "bench", Kind: class.Generic, Components: []asset.Component{{Name: "part", Type: "part"}}}
	in := features.Snapshot{Asset: "bench", Time: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), SpeedRpm: 12, LoadN: 5000}
	for _, name := range sortedKeys(l.values) {
		plate.Metrics = append(plate.Metrics, asset.Metric{Name: name})
		in.Vectors = append(in.Vectors, features.Vector{Fields: []features.Field{{Channel: name, Name: "value"}}, Values: []float64{l.values[name]}})
	}
	law, err := newWorks(class.Set{}, nil).law(class.Class{Kind: class.Generic, HorizonH: 2160}, plate, plate.Components[0], l.law)
	if err != nil {
		return err
	}
	if law == nil {
		return fmt.Errorf("%s: nothing to work on", l.name)
	}
	var s physics.State
	step := func() {
		in.Time = in.Time.Add(10 * time.Minute)
		for i := range in.Vectors { // nothing stands quite still
			in.Vectors[i].Values[0] *= 1 + 1e-4*float64(in.Time.Minute()-25)/25
		}
		s, _ = law.Step(s, in)
	}
	for range 600 {
		step()
	}
	return b.report(ctx, measured{Stage: "physics", Case: "law-step/" + l.name, Unit: "cpu-µs", Better: "lower"}, b.runs, func() (float64, error) {
		began, n := cpuSeconds(), 0
		for took := 0.0; took < benchLeast; took = cpuSeconds() - began {
			for range 200 {
				step()
			}
			n += 200
		}
		return 1e6 * (cpuSeconds() - began) / float64(n), nil
	})
}
