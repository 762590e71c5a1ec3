package physics

import (
	"encoding/json"
	"errors"
	"math"
	"testing"
)

// beamCase is a case of fe_beam.json.
type beamCase struct {
	Length   float64      `json:"length_m"`
	Mass     float64      `json:"mass_per_m"`
	EI       float64      `json:"EI"`
	N        int          `json:"n_elements"`
	TipKg    float64      `json:"tip_mass_kg"`
	Table    [][5]float64 `json:"blade_table"`
	Dir      string       `json:"direction"`
	Factor   float64      `json:"mass_factor"`
	Omega    float64      `json:"omega_rad_s"`
	Crack    *[2]float64  `json:"crack_element_and_stiffness_factor"`
	HubM     float64      `json:"hub_radius_m"`
	Property string       `json:"element_property"`
}

// bladeOf is the beam of a table of fraction, twist, mass, EI flapwise and edgewise.
func bladeOf(table [][5]float64, length, factor, hub float64, edgewise bool) Beam {
	var sections []Section
	for _, row := range table {
		s := Section{AtM: row[0] * length, MassKgPerM: row[2], EI: row[3]}
		if edgewise {
			s.EI = row[4]
		}
		sections = append(sections, s)
	}
	b := NewBeam(sections, factor)
	b.RootM, b.InPlane = hub, edgewise
	return b
}

func uniformBeam(length, mass, ei float64, n int) Beam {
	return NewBeam(evenly(length, mass, ei, n), 1)
}

func evenly(length, mass, ei float64, n int) []Section {
	out := make([]Section, n+1)
	for i := range out {
		out[i] = Section{AtM: length * float64(i) / float64(n), MassKgPerM: mass, EI: ei}
	}
	return out
}

func TestReferenceFEBeam(t *testing.T) {
	r := readReference(t, "fe_beam")
	var table [][5]float64
	for _, c := range r.Cases {
		var in beamCase
		var out struct {
			Hz       []float64 `json:"fe_hz"`
			Analytic []float64 `json:"analytic_hz"`
			Mass     *float64  `json:"mass_kg"`
			Moment   *float64  `json:"first_moment_kg_m_about_root"`
		}
		decode(t, c.Inputs, &in)
		decode(t, c.Outputs, &out)
		if in.Table != nil {
			table = in.Table
		}
		var b Beam
		if in.Dir == "" {
			b = uniformBeam(in.Length, in.Mass, in.EI, in.N)
			b.TipKg = in.TipKg
		} else {
			b = bladeOf(table, in.Length, in.Factor, in.HubM, in.Dir == "edge")
			mass, moment := b.MassKg()
			r.check(t, c.ID+" mass", mass, out.Mass)
			r.check(t, c.ID+" first moment", moment, out.Moment)
		}
		modes, err := b.Modes(in.Omega, len(out.Hz))
		if err != nil {
			t.Fatal(err)
		}
		hz := make([]float64, len(modes))
		for i, m := range modes {
			hz[i] = m.HZ()
		}
		if in.Crack != nil {
			if hz, err = b.SoftenedHz(modes, in.Omega, int(in.Crack[0]), 1-in.Crack[1]); err != nil {
				t.Fatal(err)
			}
		}
		for i, got := range hz {
			r.check(t, c.ID, got, &out.Hz[i])
			if out.Analytic != nil && math.Abs(got/out.Analytic[i]-1) > 0.002 {
				t.Errorf("%s: mode %d at %g Hz, analytic %g Hz", c.ID, i+1, got, out.Analytic[i])
			}
		}
	}
}

func TestReferenceTowerROM(t *testing.T) {
	r := readReference(t, "tower_rom")
	for _, c := range r.Cases {
		var in struct {
			H   float64 `json:"height_m"`
			DB  float64 `json:"d_base"`
			DT  float64 `json:"d_top"`
			TB  float64 `json:"t_base"`
			TT  float64 `json:"t_top"`
			E   float64 `json:"E"`
			Rho float64 `json:"rho"`
			N   int     `json:"n_elements"`
			Top float64 `json:"top_mass_kg"`
		}
		var out struct {
			Hz   []float64 `json:"fe_hz"`
			Mass *float64  `json:"tower_mass_kg"`
		}
		decode(t, c.Inputs, &in)
		decode(t, c.Outputs, &out)
		b := Tube{in.H, in.DB, in.DT, in.TB, in.TT, in.E, in.Rho}.Beam(in.N)
		b.TipKg = in.Top
		mass, _ := b.MassKg()
		r.check(t, c.ID+" mass", mass, out.Mass)
		modes, err := b.Modes(0, len(out.Hz))
		if err != nil {
			t.Fatal(err)
		}
		for i, m := range modes {
			r.check(t, c.ID, m.HZ(), &out.Hz[i])
		}
	}
}

// TestShippedTurbine holds what ships to the files that it was taken from.
func TestShippedTurbine(t *testing.T) {
	r := readReference(t, "fe_beam")
	var in beamCase
	if err := json.Unmarshal(r.Cases[0].Inputs, &in); err != nil {
		t.Fatal(err)
	}
	for _, edgewise := range []bool{false, true} {
		want, got := bladeOf(in.Table, 61.5, 1.04536, 1.5, edgewise), nrel5MWBlade(edgewise)
		for i := range want.Elements {
			w := want.Elements[i]
			if w.FibreM = got.Elements[i].FibreM; w != got.Elements[i] || w.FibreM < 0.1 {
				t.Errorf("edgewise %v, element %d: %+v, want %+v", edgewise, i, got.Elements[i], w)
			}
		}
	}
	modes, err := nrel5MWTower().Modes(0, 1)
	if err != nil || math.Abs(modes[0].HZ()-0.336181358261) > 1e-6 {
		t.Errorf("tower: %v, %v", modes, err)
	}
	inertia := nrel5MWTower()
	inertia.TipKgM2 = 2.5e7 // of nacelle and rotor about the top, roughly
	if with, err := inertia.Modes(0, 1); err != nil || !(with[0].HZ() < modes[0].HZ()) {
		t.Errorf("rotary inertia did not lower %g Hz: %v", modes[0].HZ(), err)
	}
}

// TestCantileverConverges holds the elements to (βL)²·√(EI/mL⁴) from above, with errors
// that fall with the fourth power of the length of an element.
func TestCantileverConverges(t *testing.T) {
	const length, mass, ei = 7.0, 30.0, 4e6
	for i, bl := range []float64{1.8751040687, 4.6940911330, 7.8547574382} {
		exact := bl * bl * math.Sqrt(ei/(mass*math.Pow(length, 4)))
		last := math.NaN()
		for _, n := range []int{6, 12, 24} {
			modes, err := uniformBeam(length, mass, ei, n).Modes(0, 3)
			if err != nil {
				t.Fatal(err)
			}
			wrong := modes[i].Omega/exact - 1
			if wrong < -1e-8 || wrong > last/14 && wrong > 1e-8 {
				t.Errorf("mode %d, %d elements: wrong by %g after %g", i+1, n, wrong, last)
			}
			last = wrong
		}
	}
}

func TestModesAreOrthogonal(t *testing.T) {
	b := nrel5MWBlade(true)
	modes, err := b.Modes(1.2, 6)
	if err != nil {
		t.Fatal(err)
	}
	k, m := b.clamped(1.2)
	form := func(s interface{ At(i, j int) float64 }, x, y []float64) (sum float64) {
		for i := range x {
			for j := range y {
				sum += x[i] * s.At(i, j) * y[j]
			}
		}
		return sum
	}
	for i, a := range modes {
		for j, c := range modes {
			one := 0.0
			if i == j {
				one = 1
			}
			if got := form(m, a.Shape, c.Shape); math.Abs(got-one) > 1e-6 {
				t.Errorf("φ%d·M·φ%d = %g", i, j, got)
			}
			if got := form(k, a.Shape, c.Shape) / (a.Omega * c.Omega); math.Abs(got-one) > 1e-6 {
				t.Errorf("φ%d·K·φ%d = %g ω²", i, j, got)
			}
		}
		var sum float64
		for _, e := range nrel5MWBlade(false).Energies(a) { // of another beam: they need not sum to ω²
			sum += e
		}
		if sum < 0 {
			t.Errorf("mode %d has energy %g", i, sum)
		}
	}
}

// TestFirstOrderUpdate compares the update with the eigenproblem it stands in for.
func TestFirstOrderUpdate(t *testing.T) {
	b := nrel5MWBlade(false)
	healthy, err := b.Modes(0, 3)
	if err != nil {
		t.Fatal(err)
	}
	for i, m := range healthy {
		var sum float64
		for _, e := range b.Energies(m) {
			sum += e
		}
		if math.Abs(sum/(m.Omega*m.Omega)-1) > 1e-6 {
			t.Errorf("mode %d: element energies sum to %g of ω²", i, sum/(m.Omega*m.Omega))
		}
	}
	for _, e := range []int{2, 10, 20, 30} {
		for _, d := range []float64{0.05, 0.15, 0.3} {
			fast, err := b.SoftenedHz(healthy, 0, e, d)
			if err != nil {
				t.Fatal(err)
			}
			again, err := b.Softened(e, d).Modes(0, 3)
			if err != nil {
				t.Fatal(err)
			}
			for i := range fast {
				drop, want := healthy[i].HZ()-fast[i], healthy[i].HZ()-again[i].HZ()
				if d >= firstOrderLimit && fast[i] != again[i].HZ() || !(math.Abs(drop-want) <= 0.25*want+1e-9) {
					t.Errorf("element %d, loss %g, mode %d: −%g Hz, want −%g Hz", e, d, i, drop, want)
				}
			}
		}
	}
	if got := NotchStiffnessLoss(0.1, 1); math.Abs(got-0.271) > 1e-12 || NotchStiffnessLoss(-1, 1) != 0 || NotchStiffnessLoss(9, 1) != 1 {
		t.Errorf("loss of a notch of a tenth: %g", got)
	}
}

func TestScaledBeamKeepsItsMaterials(t *testing.T) {
	b := nrel5MWBlade(false)
	one, err := b.Modes(0, 1)
	if err != nil {
		t.Fatal(err)
	}
	two, err := b.Scaled(0.5).Modes(0, 1)
	if err != nil || math.Abs(two[0].HZ()/one[0].HZ()-2) > 1e-6 {
		t.Errorf("half the size: %v, %v", two[0].HZ(), err)
	}
	mass, _ := b.MassKg()
	if half, _ := b.Scaled(0.5).MassKg(); math.Abs(half*8/mass-1) > 1e-9 {
		t.Errorf("half the size weighs %g of %g kg", half, mass)
	}
}

func TestBeamRefuses(t *testing.T) {
	good := uniformBeam(1, 1, 1, 2)
	bad := good.Softened(0, 1)
	for name, f := range map[string]func() error{
		"no element":   func() error { _, err := (Beam{}).Modes(0, 1); return err },
		"no stiffness": func() error { _, err := bad.Modes(0, 1); return err },
		"NaN":          func() error { b := good.Softened(0, math.NaN()); _, err := b.Modes(0, 1); return err },
		"many modes":   func() error { _, err := good.Modes(0, 9); return err },
		"backwards":    func() error { _, err := good.Modes(-1, 1); return err },
		"element":      func() error { _, err := good.SoftenedHz(nil, 0, 7, 0.1); return err },
	} {
		if err := f(); !errors.Is(err, ErrBeam) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
