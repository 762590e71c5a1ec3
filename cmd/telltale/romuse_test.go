package main

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/class"
	"github.com/telltale-iot/telltale/features"
	"github.com/telltale-iot/telltale/models"
	"github.com/telltale-iot/telltale/physics"
	"github.com/telltale-iot/telltale/twin"
)

// bladed is a turbine with three blades, a strain gauge on each, and a tower.
func bladed() asset.Nameplate {
	p := asset.Nameplate{ID: "WTG-01", Kind: "wind-turbine", Components: []asset.Component{{Name: "tower", Type: "tower"}}}
	for _, name := range []string{"blade-a", "blade-b", "blade-c"} {
		p.Components = append(p.Components, asset.Component{Name: name, Type: "blade"})
		p.Channels = append(p.Channels, asset.Channel{Name: "strain-" + name, Kind: "strain", Unit: "µm/m", RateHz: 20, Component: name})
	}
	for name, unit := range map[string]string{"wind_speed": "m/s", "generator_power": "kW", "rotor_speed": "rpm", "ambient_temperature": "°C"} {
		p.Metrics = append(p.Metrics, asset.Metric{Name: name, Unit: unit})
	}
	return p
}

func shippedTurbine(t *testing.T) class.Class {
	t.Helper()
	set, err := class.Shipped()
	if err != nil {
		t.Fatal(err)
	}
	return set.Of("wind-turbine")
}

func structuresOf(t *testing.T, w *works, c class.Class) map[string]twin.Placed {
	t.Helper()
	placed, err := w.laws(c, bladed())
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]twin.Placed{}
	for _, p := range placed {
		if p.Law.Name() == "structure/1" {
			out[p.Component] = p
		}
	}
	return out
}

func TestBladesAndTowerGetTheirLaw(t *testing.T) {
	w := newWorks(class.Set{}, nil)
	laws := structuresOf(t, w, shippedTurbine(t))
	if len(laws) != 4 {
		t.Fatalf("%d laws: %v", len(laws), laws)
	}
	in := features.Snapshot{Asset: "WTG-01", Time: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), SpeedRpm: 12}
	put := func(channel, name string, v float64) {
		in.Vectors = append(in.Vectors, features.Vector{Fields: []features.Field{{Channel: channel, Name: name}}, Values: []float64{v}})
	}
	put("wind_speed", "value", 11)
	put("generator_power", "value", 4500)
	for _, name := range []string{"a", "b", "c"} {
		put("strain-blade-"+name, "resonance_hz", 0.7)
	}
	for component, p := range laws {
		s, _ := p.Law.Step(physics.State{}, in)
		in.Time = in.Time.Add(10 * time.Minute)
		s, a := p.Law.Step(s, in)
		if a.Trust == 0 || a.Abnormal || !strings.Contains(a.Evidence[0].Text, "thrust") {
			t.Errorf("%s: %+v", component, a)
		}
		var healthy bool
		for _, q := range p.Law.(*physics.Structure).Quantities(s) {
			healthy = healthy || q.Name == "healthy strain-"+component+"/resonance_hz"
		}
		if healthy != strings.HasPrefix(component, "blade") {
			t.Errorf("%s: quantities %v", component, p.Law.(*physics.Structure).Quantities(s))
		}
	}
	bare := bladed()
	bare.Metrics, bare.Channels = nil, nil
	if placed, err := w.laws(shippedTurbine(t), bare); err != nil || len(placed) != 0 {
		t.Errorf("a turbine that measures nothing has %d laws: %v", len(placed), err)
	}
}

// TestALawTakesAModelOfTheRepository imports a model with a frequency of its own and has the
// blade follow it.
func TestALawTakesAModelOfTheRepository(t *testing.T) {
	repo := t.TempDir()
	path := snapshotFile(t, "npy 1.0, C order, f8")
	if code, out, errs := tell("rom", "import", path, "--dt", "0.05", "--method", "era", "--repo", repo, "--name", "blade"); code != 0 {
		t.Fatal(out, errs)
	}
	c := shippedTurbine(t)
	for i := range c.Laws {
		if c.Laws[i].Name == "blade-structure" {
			c.Laws[i].Options = class.Section{"rom": "blade:1", "keys": []any{"*/resonance_hz"}}
		}
	}
	w := newWorks(class.Set{"wind-turbine": c, class.Generic: c}, []asset.Nameplate{bladed()})
	if _, err := w.laws(c, bladed()); err == nil || !strings.Contains(err.Error(), "no repository") {
		t.Errorf("without a repository: %v", err)
	}
	r, err := openRepository(t.Context(), modelsConfig{Repository: repo}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if w.learned, err = useLearned(t.Context(), r, w.plates, w.classes); err != nil {
		t.Fatal(err)
	}
	if got := w.learned.roms["wind-turbine/blade:1"].Modes; len(got) != 2 || math.Abs(got[0].Hz-0.7) > 1e-3 || len(w.learned.refs) != 1 {
		t.Errorf("modes %+v of %v", got, w.learned.refs)
	}
	if laws := structuresOf(t, w, c); len(laws) != 4 {
		t.Errorf("%d laws", len(laws))
	}
	for i := range c.Laws {
		if c.Laws[i].Name == "blade-structure" {
			c.Laws[i].Options = class.Section{"rom": "nothing"}
		}
	}
	if _, err := useLearned(t.Context(), r, w.plates, class.Set{"wind-turbine": c}); err == nil || !strings.Contains(err.Error(), models.ErrNotFound.Error()) {
		t.Errorf("a model that is not there: %v", err)
	}
}

// TestWindowsOfStructures are as long as a natural frequency takes, within what memory holds.
func TestWindowsOfStructures(t *testing.T) {
	plate := bladed()
	plate.Components = append(plate.Components, asset.Component{Name: "nacelle", Type: "nacelle"})
	plate.Channels = append(plate.Channels, asset.Channel{Name: "fast", Kind: "acceleration", Unit: "m/s²", RateHz: 25600, Component: "nacelle"})
	got := windows(shippedTurbine(t), plate).Longer
	if got["strain-blade-a"] != 600 || got["fast"] != 40 {
		t.Errorf("windows of %v s", got)
	}
}
