package features

import (
	"math"
	"testing"

	"github.com/telltale-iot/telltale/asset"
)

var ball6205 = asset.Bearing{RollingElements: 9, ElementDiameterMM: 7.94, PitchDiameterMM: 39.04}

func windTurbine() asset.Nameplate {
	return asset.Nameplate{
		SpeedRpm: 12,
		Components: []asset.Component{
			{Name: "generator bearing", Bearing: &ball6205},
			{Name: "housing"},
		},
		Kinematics: &asset.Kinematics{
			Shafts:    []asset.Shaft{{Name: "low", Ratio: 1}, {Name: "mid", Ratio: 5}, {Name: "high", Ratio: 25}},
			Gears:     []asset.Gear{{Shaft: "mid", Teeth: 105}, {Shaft: "high", Teeth: 21}, {Shaft: "nowhere", Teeth: 9}},
			Planetary: []asset.Planetary{{Ring: 72, Sun: 18, Planet: 27, Planets: 3}},
			Bearings:  []asset.BearingShaft{{Component: "generator bearing", Shaft: "high"}},
		},
	}
}

func TestLinesOfAWindTurbine(t *testing.T) {
	got := map[string]Line{}
	for _, l := range LinesOf(windTurbine()) {
		got[l.Part+" "+l.Name] = l
	}
	for name, want := range map[string][2]float64{ // order, sideband
		"low ½×":                   {0.5, 0},
		"low 1×":                   {1, 0},
		"high 5×":                  {125, 0},
		"mid mesh":                 {525, 5},
		"high mesh":                {525, 25},
		"planetary 1 mesh":         {72, 3},
		"planetary 1 sun pass":     {3 * 4, 5}, // f_s = 5, f_s − f_c = 4
		"planetary 1 planet fault": {2 * 72. / 27, 1},
		"planetary 1 ring fault":   {3, 0},
		"generator bearing BPFO":   {25 * 3.58478, 0},
		"generator bearing BPFI":   {25 * 5.41522, 25},
		"generator bearing 2×BSF":  {25 * 4.713495, 25 * 0.39831},
		"generator bearing FTF":    {25 * 0.39831, 0},
	} {
		l, ok := got[name]
		if !ok {
			t.Errorf("%s is not listed", name)
			continue
		}
		within(t, name, l.Order, asset.Number(want[0]), 0, 1e-5)
		within(t, name+" sideband", l.Sideband, asset.Number(want[1]), 1e-12, 1e-4)
	}
	if want := 3*6 + 2 + 4 + 4; len(got) != want {
		t.Errorf("%d lines, want %d", len(got), want)
	}
	two := LinesOf(asset.Nameplate{Kinematics: &asset.Kinematics{Planetary: []asset.Planetary{{Ring: 72, Sun: 18}, {Ring: 80, Sun: 20, Planets: 4}}}})
	within(t, "mesh of the second stage", lineNamed(t, two, "planetary 2", "mesh").Order, 400, 0, 1e-12)
	if n := len(LinesOf(asset.Nameplate{})); n != 6 {
		t.Errorf("an asset of which nothing is known has %d lines, want those of its shaft", n)
	}
}

func lineNamed(t *testing.T, lines []Line, part, name string) Line {
	t.Helper()
	for _, l := range lines {
		if l.Part == part && l.Name == name {
			return l
		}
	}
	t.Fatalf("no %s of %s", name, part)
	return Line{}
}

func TestRingsThatTurn(t *testing.T) {
	o := OrdersOf(ball6205)
	outer := o.Between(0, 1) // inner fixed: BPFO and BPFI unchanged, FTF ½(1+γ)
	within(t, "BPFO", outer.BPFO, asset.Number(o.BPFO), 0, 1e-12)
	within(t, "BPFI", outer.BPFI, asset.Number(o.BPFI), 0, 1e-12)
	within(t, "FTF", outer.FTF, asset.Number(1-o.FTF), 0, 1e-12)
	counter := o.Between(1, -0.5)
	within(t, "BPFO of rings against each other", counter.BPFO, asset.Number(1.5*o.BPFO), 0, 1e-12)
	together := o.Between(2, 2)
	within(t, "FTF of rings together", together.FTF, 2, 0, 1e-12)
	if lines := BearingLines("b", ball6205, 2, 2); len(lines) != 1 || lines[0].Name != "FTF" {
		t.Errorf("nothing rolls, yet %v", lines)
	}
	for _, l := range BearingLines("b", ball6205, 0, 1) { // the outer ring turns through the load
		if (l.Name == "BPFO") != (l.Sideband == 1) {
			t.Errorf("%s has sidebands of %g", l.Name, l.Sideband)
		}
	}
}

func TestAmbiguities(t *testing.T) {
	plate := windTurbine()
	lines := LinesOf(plate)
	for _, l := range BearingLines("b", ball6205, 25, 0) { // none of a 6205 is on its own shaft's harmonics
		for _, a := range Ambiguities(l, lines, AmbiguityOptions{}) {
			if a.With.Part == "high" && a.With.Kind == ShaftLine && a.K == 1 {
				t.Errorf("%s is not %d× of its shaft", l.Name, a.J)
			}
		}
	}
	race := Line{Kind: BearingLine, Name: "BPFO", Order: 26.3}
	shaft, mesh := false, false
	for _, a := range Ambiguities(race, []Line{{Kind: ShaftLine, Name: "1×", Part: "s", Order: 8.7}, {Kind: MeshLine, Name: "mesh", Part: "m", Order: 52}, {Kind: ShaftLine, Name: "2×", Order: 26.3}}, AmbiguityOptions{}) {
		shaft = shaft || (a.With.Part == "s" && a.K == 1 && a.J == 3 && math.Abs(a.Apart-0.2) < 1e-9)
		mesh = mesh || (a.With.Part == "m" && a.K == 2 && a.J == 1)
		if a.With.Name == "2×" {
			t.Error("a harmonic is compared twice")
		}
	}
	if !shaft || !mesh {
		t.Errorf("3 × shaft found %v, mesh found %v", shaft, mesh)
	}
	if got := Ambiguities(Line{Order: 5.5}, []Line{{Kind: ShaftLine, Name: "1×", Order: 1}}, AmbiguityOptions{Harmonics: 1}); len(got) != 0 {
		t.Errorf("5.5 is %v", got)
	}
	if got := Ambiguities(Line{Order: 5.5}, []Line{{Kind: ShaftLine, Name: "1×", Order: 1}}, AmbiguityOptions{Harmonics: 1, LeastOrder: 0.5}); len(got) != 2 {
		t.Errorf("with bins of ¼ order 5.5 is %v", got)
	}
	if got := Ambiguities(Line{Order: math.NaN()}, lines, AmbiguityOptions{}); got != nil {
		t.Errorf("a line that is not known is %v", got)
	}
}

func FuzzKinematics(f *testing.F) {
	f.Add(9, 7.94, 39.04, 0.0, 1.0, 20, 72, 18)
	f.Fuzz(func(t *testing.T, n int, d, pitch, angle, ratio float64, teeth, ring, sun int) {
		b := asset.Bearing{RollingElements: n, ElementDiameterMM: d, PitchDiameterMM: pitch, ContactAngleDeg: angle}
		plate := asset.Nameplate{
			Components: []asset.Component{{Name: "b", Bearing: &b}},
			Kinematics: &asset.Kinematics{
				Shafts: []asset.Shaft{{Name: "s", Ratio: ratio}}, Gears: []asset.Gear{{Shaft: "s", Teeth: teeth}},
				Planetary: []asset.Planetary{{Ring: ring, Sun: sun, Planet: teeth, Planets: n}, {Ring: ring, Sun: 1, Planet: sun, Planets: 1}},
				Bearings:  []asset.BearingShaft{{Component: "b", Shaft: "s"}},
			},
		}
		lines := append(LinesOf(plate), BearingLines("b", b, ratio, angle)...)
		for _, l := range lines {
			if !(l.Order > 0) || math.IsInf(l.Order, 0) || !(l.Sideband >= 0) || math.IsInf(l.Sideband, 0) {
				t.Fatalf("%+v", l)
			}
			for _, a := range Ambiguities(l, lines, AmbiguityOptions{}) {
				if math.IsNaN(a.Apart) {
					t.Fatalf("%+v", a)
				}
			}
		}
	})
}
