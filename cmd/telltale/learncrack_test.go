package main

import (
	"encoding/csv"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/class"
	"github.com/telltale-iot/telltale/dataset"
	"github.com/telltale-iot/telltale/features"
	"github.com/telltale-iot/telltale/physics"
)

// panelClass is a panel with a centre crack under one stress range: geometry, stress and
// the microscope's error are declared, C and m are a handbook's.
const panelClass = `
kind: panel
title: Panel with a centre crack
horizon_h: 2160
laws:
  - name: centre-crack
    use: crack
    options:
      paris: {c: 0.000000000087, m: 2.9, geometry: centre, width_m: 0.1524, r: 0.2, gamma: 1}
      stress_mpa: 48.3
      cycles_per_h: 1000
      crack_key: crack/value
      crack_unit_m: 0.001
      crack_err: 0.0001
      max_gap_h: 1000
`

// panelStart is when every panel's life begins; a thousand cycles are an hour.
var panelStart = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// measuredCrack is a crack's length in mm at a number of hours.
type measuredCrack struct {
	name   string
	hours  []float64
	length []float64
}

// panelsOf writes a dataset folder of panels that fail at their last length.
func panelsOf(t *testing.T, cracks []measuredCrack) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "panels")
	set := dataset.Set{Name: "panels"}
	for _, c := range cracks {
		set.Assets = append(set.Assets, asset.Nameplate{
			ID: asset.ID(c.name), Kind: "panel", Components: []asset.Component{{Name: "plate"}}, Metrics: []asset.Metric{{Name: "crack", Unit: "1"}},
		})
	}
	w, err := dataset.NewWriter(dir, set)
	if err != nil {
		t.Fatal(err)
	}
	var labels []dataset.Label
	for _, c := range cracks {
		at := func(h float64) time.Time { return panelStart.Add(time.Duration(h * float64(time.Hour))) }
		for i, h := range c.hours {
			if err := w.Points(asset.ID(c.name), at(h), []asset.Point{{Metric: "crack", Unit: "1", Quality: 100, Value: c.length[i]}}); err != nil {
				t.Fatal(err)
			}
		}
		labels = append(labels, dataset.Label{Asset: asset.ID(c.name), Component: "plate", Mode: asset.Crack, Kind: "failure", End: at(c.hours[len(c.hours)-1])})
	}
	if err := w.Close(labels, "panels\n"); err != nil {
		t.Fatal(err)
	}
	return dir
}

func panelConfig(t *testing.T) string {
	t.Helper()
	classes, path := t.TempDir(), filepath.Join(t.TempDir(), "telltale.yaml")
	for name, text := range map[string]string{filepath.Join(classes, "panel.yaml"): panelClass, path: "classes: " + classes + "\n"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

// virklerPanels reads cracks in aluminium panels (Virkler, Hillberry & Goel 1979).
func virklerPanels(t *testing.T) (out []measuredCrack) {
	t.Helper()
	f, err := os.Open(filepath.Join(os.Getenv("TELLTALE_DATA"), "virkler", "virkler.csv"))
	if err != nil {
		t.Skip("skipped: no data under TELLTALE_DATA")
	}
	rows, err := csv.NewReader(f).ReadAll()
	_ = f.Close() // only read
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows[1:] {
		h, err1 := strconv.ParseFloat(r[1], 64)
		mm, err2 := strconv.ParseFloat(r[2], 64)
		if err1 != nil || err2 != nil {
			t.Fatal(r)
		}
		if name := "p" + r[0]; len(out) == 0 || out[len(out)-1].name != name {
			out = append(out, measuredCrack{name: name})
		}
		c := &out[len(out)-1]
		c.hours, c.length = append(c.hours, h), append(c.length, mm)
	}
	return out
}

// forecastError is the relative error of the remaining life that the crack's law, under
// what was learned without it, tells at a share of its life.
func forecastError(t *testing.T, law class.Law, l *learned, c class.Class, crack measuredCrack, share float64) float64 {
	t.Helper()
	o, err := options[physics.CrackOptions](law.Use, law.Options)
	if err != nil {
		t.Fatal(err)
	}
	last := len(crack.hours) - 1
	o = l.crack(c, asset.Nameplate{ID: asset.ID(crack.name), Kind: c.Kind}, law.Name, o)
	o.EndM = crack.length[last] * 1e-3
	if o.Prior.Cracks == 0 {
		t.Fatalf("nothing was learned for %s", crack.name)
	}
	crackLaw := physics.NewCrack(o)
	var state physics.State
	var said asset.Assessment
	now := 0.0
	for i, h := range crack.hours {
		if h > share*crack.hours[last]+1e-9 {
			break
		}
		now = h
		state, said = crackLaw.Step(state, features.Snapshot{
			Time: panelStart.Add(time.Duration(h * float64(time.Hour))), SpeedRpm: asset.Missing(), LoadN: asset.Missing(),
			Vectors: []features.Vector{{Fields: []features.Field{fieldOf("crack/value")}, Values: []float64{crack.length[i]}, Quality: 100}},
		})
	}
	return float64(said.RUL.P50)/(crack.hours[last]-now) - 1
}

// learnedPanels runs the command on a folder of panels and reads back what it stored.
func learnedPanels(t *testing.T, cracks []measuredCrack) (*learned, class.Class) {
	t.Helper()
	conf, err := readPartConfig(panelConfig(t))
	if err != nil {
		t.Fatal(err)
	}
	classes := class.Set{}
	if err := conf.addClasses(classes); err != nil {
		t.Fatal(err)
	}
	repo := t.TempDir()
	sets := parsed[[]learnedSet](t, "learn", panelsOf(t, cracks), "--repo", repo, "--config", conf.path, "--leave-one-out", "--json", "--quiet")
	if want := fmt.Sprintf("%d cracks", len(cracks)); sets[0].Told != want {
		t.Errorf("told %q, want %q", sets[0].Told, want)
	}
	shelf, err := openRepository(t.Context(), modelsConfig{Repository: repo}, nil)
	if err != nil {
		t.Fatal(err)
	}
	plates := map[asset.ID]asset.Nameplate{}
	for _, c := range cracks {
		plates[asset.ID(c.name)] = asset.Nameplate{ID: asset.ID(c.name), Kind: "panel"}
	}
	l, err := useLearned(t.Context(), shelf, plates, classes)
	if err != nil {
		t.Fatal(err)
	}
	return l, classes["panel"]
}

// TestLearnedCracksForecastTheOneLeftOut: what the command learns of the other panels
// tells the remaining life of one at 50 % and 70 % of it as well as lengths that are read
// without a folder (TestVirkler of physics).
func TestLearnedCracksForecastTheOneLeftOut(t *testing.T) {
	cracks := virklerPanels(t)
	l, c := learnedPanels(t, cracks)
	for _, goal := range []struct{ share, mape float64 }{{0.5, 0.016}, {0.7, 0.021}} {
		var wrong float64
		for _, crack := range cracks {
			wrong += math.Abs(forecastError(t, c.Laws[0], l, c, crack, goal.share)) / float64(len(cracks))
		}
		t.Logf("at %g of the life: MAPE %.2f %%", goal.share, 100*wrong)
		if wrong > goal.mape {
			t.Errorf("MAPE %.2f %% at %g of the life, want at most %.1f %%", 100*wrong, goal.share, 100*goal.mape)
		}
	}
}

// TestACrackTeachesNothingOfItself: the set that leaves out a crack of another steel
// knows only the others.
func TestACrackTeachesNothingOfItself(t *testing.T) {
	var cracks []measuredCrack
	for i := range 6 {
		p := physics.Paris{C: 8.7e-11 * math.Exp(0.1*float64(i)), M: 2.9, Geometry: physics.CentreCrack, WidthM: 0.1524, R: 0.2, Gamma: 1}
		if i == 5 {
			p.C *= 10
		}
		c := measuredCrack{name: fmt.Sprintf("p%d", i)}
		h, a := 1.0, 9e-3
		for range 12 {
			c.hours, c.length = append(c.hours, h), append(c.length, a*1e3)
			h, a = h+p.Cycles(a, 1.1*a, 48.3)/1000, 1.1*a
		}
		cracks = append(cracks, c)
	}
	l, c := learnedPanels(t, cracks)
	prior := func(id string) physics.CrackPrior {
		return l.crack(c, asset.Nameplate{ID: asset.ID(id), Kind: "panel"}, "centre-crack", physics.CrackOptions{}).Prior
	}
	others, all := prior("p5"), prior("another")
	if others.Cracks != 5 || all.Cracks != 6 || others.LnCSd > 0.6*all.LnCSd {
		t.Errorf("without the crack of another steel %+v, with it %+v", others, all)
	}
	if math.Abs(others.M-2.9) > 0.3 {
		t.Errorf("m %v, want 2.9", others.M)
	}
}
