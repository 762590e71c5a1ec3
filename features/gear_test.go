package features

import (
	"math"
	"testing"

	"github.com/telltale-iot/telltale/asset"
)

func TestReferenceGearTSA(t *testing.T) {
	type in struct {
		X         []float64
		PerRev    int `json:"samples_per_rev"`
		Revs      int `json:"n_rev"`
		Teeth     int
		Harmonics int   `json:"mesh_harmonics"`
		Removed   []int `json:"shaft_orders_removed"`
	}
	type out struct {
		TSA        []asset.Number
		Mesh       []asset.Number `json:"mesh_amp"`
		NA4        []asset.Number `json:"na4_series"`
		FM0, FM4   asset.Number
		Residual   asset.Number `json:"residual_std"`
		Difference asset.Number `json:"difference_std"`
		Index      asset.Number `json:"sideband_index"`
		Level      asset.Number `json:"sideband_level_factor"`
	}
	r := readSignalReference[in, out](t, "gear_tsa")
	for _, c := range r.Cases {
		opt := GearOptions{Teeth: c.Inputs.Teeth, Harmonics: c.Inputs.Harmonics, ShaftOrders: c.Inputs.Removed}
		wide := gearCase(t, c.Inputs.X, c.Inputs.PerRev, len(c.Outputs.NA4), opt)
		short := gearCase(t, narrow(c.Inputs.X), c.Inputs.PerRev, len(c.Outputs.NA4), opt)
		if wide.revs != c.Inputs.Revs {
			t.Errorf("%s: %d turns, want %d", c.ID, wide.revs, c.Inputs.Revs)
		}
		r.agreeAll(t, c.ID+" tsa", wide.tsa, c.Outputs.TSA)
		near(t, c.ID+" tsa", short.tsa, c.Outputs.TSA)
		r.agreeAll(t, c.ID+" mesh", wide.MeshAmplitude, c.Outputs.Mesh)
		near(t, c.ID+" mesh", short.MeshAmplitude, c.Outputs.Mesh)
		r.agreeAll(t, c.ID+" NA4", wide.na4, c.Outputs.NA4)
		near(t, c.ID+" NA4", short.na4, c.Outputs.NA4)
		want := []asset.Number{c.Outputs.FM0, c.Outputs.FM4, c.Outputs.Residual, c.Outputs.Difference, c.Outputs.Index, c.Outputs.Level}
		for i, name := range []string{"FM0", "FM4", "residual", "difference", "index", "level"} {
			r.agree(t, c.ID+" "+name, wide.figures()[i], want[i])
			near(t, c.ID+" "+name, short.figures()[i:i+1], want[i:i+1])
		}
	}
}

type gearRun struct {
	Gear
	tsa, na4 []float64
	revs     int
}

func (g gearRun) figures() []float64 {
	return []float64{g.FM0, g.FM4, g.ResidualStd, g.DifferenceStd, g.SidebandIndex, g.SidebandLevel}
}

// gearCase averages all of x, and NA4 over equal parts of it.
func gearCase[T float32 | float64](t *testing.T, x []T, perRev, parts int, opt GearOptions) gearRun {
	t.Helper()
	var g gearRun
	var why asset.Reason
	g.tsa, g.revs, why = TSA(nil, x, perRev)
	if why != "" {
		t.Fatal(why)
	}
	if g.Gear, why = GearOf(g.tsa, opt); why != "" {
		t.Fatal(why)
	}
	var state NA4
	for each := g.revs / parts * perRev; len(g.na4) < parts; x = x[each:] {
		part, _, _ := TSA(nil, x[:each], perRev)
		one, _ := GearOf(part, opt)
		v, why := state.Step(one.Residual)
		if why != "" {
			t.Fatal(why)
		}
		g.na4 = append(g.na4, v)
	}
	return g
}

// wheel is turns of a 23-tooth wheel with a once-a-turn modulation, and a strike
// of that size at one tooth.
func wheel(revs, perRev int, strike float64, seed uint64) []float64 {
	x := steadyNoise(revs*perRev, seed)
	for i := range x {
		a := float64(i%perRev) / float64(perRev)
		x[i] = 0.3*x[i] + (1+0.1*math.Cos(2*math.Pi*a))*math.Cos(2*math.Pi*23*a) + 0.4*math.Cos(2*math.Pi*46*a)
		if d := a - 0.4; d > 0 {
			x[i] += strike * math.Exp(-200*d) * math.Sin(2*math.Pi*90*d)
		}
	}
	return x
}

func TestACrackedToothRaisesFM4(t *testing.T) {
	for name, tc := range map[string]struct{ strike, lo, hi float64 }{
		"well":    {0, 2, 4.5},
		"cracked": {1.5, 7, 100},
	} {
		mean, _, _ := TSA(nil, narrow(wheel(64, 512, tc.strike, 5)), 512)
		g, why := GearOf(mean, GearOptions{Teeth: 23})
		if why != "" || !(g.FM4 >= tc.lo && g.FM4 <= tc.hi) {
			t.Errorf("%s: FM4 = %g (%q), want %g–%g", name, g.FM4, why, tc.lo, tc.hi)
		}
		within(t, name+" mesh", g.MeshAmplitude[0], 1, 0.05, 0)
		within(t, name+" index", g.SidebandIndex, 0.05, 0.02, 0)
	}
}

func TestNA4RisesWhereDamageSpreads(t *testing.T) {
	var s NA4
	first, last := 0.0, 0.0
	for k := range 20 {
		mean, _, _ := TSA(nil, wheel(32, 512, 0.2*float64(max(0, k-9)), uint64(k)), 512)
		g, _ := GearOf(mean, GearOptions{Teeth: 23})
		v, why := s.Step(g.Residual)
		if why != "" {
			t.Fatal(why)
		}
		if k == 9 {
			first = v
		}
		last = v
	}
	if !(last > 5*first) || s.Count != 20 {
		t.Errorf("NA4 went from %g to %g over %d averages", first, last, s.Count)
	}
	if _, why := s.Step(make([]float64, 9)); why != ReasonFlat || s.Count != 20 {
		t.Errorf("a constant: %q, %d averages", why, s.Count)
	}
}

func TestGearOfDegenerateAverages(t *testing.T) {
	pure := make([]float64, 256)
	for i := range pure {
		pure[i] = 2 * math.Cos(2*math.Pi*16*float64(i)/256)
	}
	g, why := GearOf(pure, GearOptions{Teeth: 16})
	if why != "" || !math.IsNaN(g.FM4) {
		t.Errorf("a pure mesh: FM4 = %g (%q), want NaN", g.FM4, why)
	}
	within(t, "FM0", g.FM0, 2, 0, 1e-9)
	huge := make([]float64, 256)
	for i, v := range wheel(1, 256, 1, 1) {
		huge[i] = v * 1e307
	}
	a, _ := GearOf(huge, GearOptions{Teeth: 23})
	b, _ := GearOf(wheel(1, 256, 1, 1), GearOptions{Teeth: 23})
	within(t, "FM4 of huge", a.FM4, asset.Number(b.FM4), 0, 1e-9)
	for name, tc := range map[string]struct {
		x    []float64
		z    int
		want asset.Reason
	}{
		"empty":      {nil, 5, ReasonEmpty},
		"one":        {[]float64{1}, 5, ReasonShort},
		"no teeth":   {pure, 0, ReasonUndefined},
		"many teeth": {pure, 127, ReasonShort},
		"NaN":        {[]float64{math.NaN()}, 5, ReasonNonFinite},
	} {
		if _, why := GearOf(tc.x, GearOptions{Teeth: tc.z}); why != tc.want {
			t.Errorf("%s: %q, want %q", name, why, tc.want)
		}
	}
	prime, _ := GearOf(steadyNoise(509, 2), GearOptions{Teeth: 20})
	flat, _ := GearOf(make([]float64, 64), GearOptions{Teeth: 5})
	if math.IsNaN(prime.FM4) || !math.IsNaN(flat.FM0) {
		t.Errorf("prime length FM4 = %g, silence FM0 = %g", prime.FM4, flat.FM0)
	}
	if _, _, why := TSA(nil, make([]float64, 65), 64); why != ReasonUndefined {
		t.Errorf("a turn and a bit: %q", why)
	}
}

// A planet with one bad tooth passes the sensor once a turn of the carrier; seen
// over the ring, its strike is somewhere else each time.
func TestEpicyclicAverageFindsThePlanetsFault(t *testing.T) {
	p := asset.Planetary{Ring: 99, Sun: 27, Planet: 35, Planets: 3}
	const perTooth, bad = 24, 11
	turn := p.Ring * perTooth
	x := steadyNoise(turn*35*6, 8)
	for i := range x {
		angle := float64(i) / float64(turn) // of the carrier
		x[i] *= 0.2
		for q := range p.Planets {
			off := math.Mod(angle+float64(q)/3, 1)
			off = min(off, 1-off)
			heard := math.Exp(-off * off * 200) // the sensor hears the planet that is near
			x[i] += heard * math.Cos(2*math.Pi*float64(i)/perTooth)
			if tooth := float64(i)/perTooth - bad; q == 1 {
				d := math.Mod(tooth+float64(p.Planet), float64(p.Planet))
				if d < 1 {
					x[i] += heard * 1.5 * math.Exp(-6*d) * math.Sin(2*math.Pi*6*d)
				}
			}
		}
	}
	fm4 := func(q int) (float64, int) {
		mean, passes, why := EpicyclicAverage(nil, narrow(x), perTooth, p, PlanetGear, q)
		if why != "" {
			t.Fatal(why)
		}
		g, _ := GearOf(mean, GearOptions{Teeth: p.Planet})
		at := 0
		for i, v := range g.Difference {
			if math.Abs(v) > math.Abs(g.Difference[at]) {
				at = i
			}
		}
		if q == 1 && at/perTooth != bad {
			t.Errorf("the strike is at tooth %d, want %d", at/perTooth, bad)
		}
		return g.FM4, passes
	}
	sick, passes := fm4(1)
	well, _ := fm4(0)
	plain, _, _ := TSA(nil, x, turn) // over turns of the carrier the strike averages out
	g, _ := GearOf(plain, GearOptions{Teeth: p.Ring})
	if !(sick > 7) || !(well < 4.5) || !(sick > 2*g.FM4) || passes < 6 {
		t.Errorf("FM4 %g of the bad planet, %g of a good one, %g of the carrier's average; %d passes", sick, well, g.FM4, passes)
	}
	same := p
	same.Planet = 33 // meets the same three teeth of the ring for ever
	if _, _, why := EpicyclicAverage(nil, x, perTooth, same, PlanetGear, 0); why != ReasonShort {
		t.Errorf("teeth that never pass: %q", why)
	}
}

// The sun's bad tooth is at the same sample of its turn whichever planet it
// meets under the sensor.
func TestEpicyclicAverageOfTheSun(t *testing.T) {
	p := asset.Planetary{Ring: 96, Sun: 27, Planet: 34, Planets: 3} // (ring + sun)/planets is whole
	const perTooth, bad = 16, 5
	turn := p.Ring * perTooth
	x := steadyNoise(turn*30, 4)
	for i := range x {
		x[i] *= 0.2
		for q := range p.Planets {
			off := math.Mod(float64(i)/float64(turn)+float64(q)/3, 1)
			off = min(off, 1-off)
			heard := math.Exp(-off * off * 200)
			// In the carrier's frame planet q sits at q/P of a turn, and the sun turns ring/sun as fast.
			tooth := float64(i)/perTooth - float64(p.Sun*q)/3 - bad
			d := math.Mod(math.Mod(tooth, float64(p.Sun))+float64(p.Sun), float64(p.Sun))
			if d < 1 {
				x[i] += heard * 2 * math.Exp(-6*d) * math.Sin(2*math.Pi*4*d)
			}
		}
	}
	mean, _, why := EpicyclicAverage(nil, x, perTooth, p, SunGear, 0)
	if why != "" {
		t.Fatal(why)
	}
	at := 0
	for i, v := range mean {
		if math.Abs(v) > math.Abs(mean[at]) {
			at = i
		}
	}
	if at/perTooth != bad || math.Abs(mean[at]) < 0.5 {
		t.Errorf("%g at tooth %d, want tooth %d", mean[at], at/perTooth, bad)
	}
}

func TestSidebandRatio(t *testing.T) {
	a := make([]float64, 1000)
	a[400], a[390], a[410], a[380], a[420] = 2, 0.3, 0.5, 0.1, 0.1
	for k, want := range map[int]float64{1: 0.2, 2: 0.05} {
		got, why := SidebandRatio(a, 0.5, 200, 5, k)
		within(t, "ratio", got, asset.Number(want), 0, 1e-12)
		if why != "" {
			t.Error(why)
		}
	}
	if _, why := SidebandRatio(a, 0.5, 498, 5, 1); why != ReasonAlias {
		t.Errorf("beyond the end: %q", why)
	}
	if _, why := SidebandRatio(a, 0.5, 200, 1, 1); why != ReasonShort {
		t.Errorf("too near: %q", why)
	}
	if v, why := SidebandRatio(make([]float32, 1000), 0.5, 200, 5, 1); why != ReasonUndefined || !math.IsNaN(v) {
		t.Errorf("silence: %g, %q", v, why)
	}
}

func FuzzGear(f *testing.F) {
	f.Add([]byte("a tooth that is broken strikes once a turn"), 14, 4, 2)
	f.Add(make([]byte, 64), 8, 3, 1)
	f.Fuzz(func(t *testing.T, b []byte, perRev, teeth, planets int) {
		x := samplesOf(b)
		mean, _, why := TSA(nil, x, perRev)
		mustBeFinite(t, "TSA", why, mean...)
		g, why := GearOf(x, GearOptions{Teeth: teeth})
		mustBeFinite(t, "gear", why, g.MeshAmplitude...)
		mustBeFinite(t, "gear", why, g.Residual...)
		for _, v := range []float64{g.FM0, g.FM4, g.SidebandIndex, g.SidebandLevel} {
			if math.IsInf(v, 0) {
				t.Fatalf("%+v", g)
			}
		}
		var s NA4
		for range 3 {
			v, why := s.Step(g.Residual)
			mustBeFinite(t, "NA4", why, v)
		}
		if !allFinite([]float64{s.MeanM2}) {
			t.Fatal(s)
		}
		p := asset.Planetary{Ring: perRev, Sun: teeth, Planet: teeth, Planets: planets}
		for _, part := range []EpicyclicPart{PlanetGear, SunGear} {
			mean, _, why := EpicyclicAverage(nil, x, 2, p, part, 0)
			mustBeFinite(t, "epicyclic", why, mean...)
		}
		v, why := SidebandRatio(g.Residual, 1, float64(teeth), float64(planets), 1)
		mustBeFinite(t, "ratio", why, v)
	})
}
