package physics

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/features"
)

// scada is a snapshot of named values at so many hours.
func scada(h, rpm float64, values map[string]float64) features.Snapshot {
	in := features.Snapshot{Asset: "a", Time: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(h * float64(time.Hour))), SpeedRpm: asset.Number(rpm), LoadN: asset.Missing()}
	for _, name := range []string{"wind_speed", "generator_power", "ambient_temperature", "f1", "f2", "e1", "b1", "b2", "c1", "c2"} {
		if v, ok := values[name]; ok {
			in.Vectors = append(in.Vectors, features.Vector{Fields: []features.Field{{Channel: name, Name: "value"}}, Values: []float64{v}})
		}
	}
	return in
}

func structure(tb testing.TB, o StructureOptions) *Structure {
	tb.Helper()
	l, err := NewStructure(o)
	if err != nil {
		tb.Fatal(err)
	}
	return l
}

// TestThrustOfTheNREL5MW compares with the published curve of the turbine (Jonkman 2009,
// figure 9-1: some 370 kN at 8 m/s, 740–810 at 11.4, 480 at 15, 370 at 20).
func TestThrustOfTheNREL5MW(t *testing.T) {
	area := math.Pi * 63 * 63
	for _, c := range [][3]float64{{8, 1.86e6, 370e3}, {11.4, 5.297e6, 770e3}, {15, 5.297e6, 480e3}, {20, 5.297e6, 370e3}} {
		if got := thrust(c[1], c[0], area); math.Abs(got/c[2]-1) > 0.3 {
			t.Errorf("%g m/s: %.0f kN, want %.0f kN within 30 %%", c[0], got/1e3, c[2]/1e3)
		} else {
			t.Logf("%g m/s: %.0f kN, published %.0f kN", c[0], got/1e3, c[2]/1e3)
		}
	}
	if thrust(-5, 10, area) != 0 || thrust(1e6, 0, area) != 0 || math.IsNaN(thrust(1e12, 3, area)) {
		t.Error("thrust without power or wind, or beyond Betz")
	}
}

// TestTurnRepeatsItself holds the motion to one that was stepped for an hour, and its mean to
// the static solution.
func TestTurnRepeatsItself(t *testing.T) {
	l := structure(t, StructureOptions{})
	const omega = 1.2
	for p := range l.planes {
		r := l.planes[p]
		at := func(psi float64, sizes []float64) {
			for j := range sizes {
				sizes[j] = 1e4 * math.Cos(float64(j+1)*psi)
			}
			sizes[0] += 1e5
		}
		got := r.turn(omega, 0, at, nil)
		dt := 2 * math.Pi / omega / azimuths
		want := make([]float64, azimuths)
		sizes := make([]float64, len(r.loads))
		for i, m := range r.modes {
			o := newOscillator(m.Omega, r.zeta, dt)
			var q, v float64
			for s := range 1000 * azimuths {
				at((float64(s%azimuths)+0.5)*2*math.Pi/azimuths, sizes)
				var f float64
				for j := range sizes {
					f += r.loads[j][i] * sizes[j]
				}
				before := q
				if q, v = o.step(q, v, f); s >= 999*azimuths {
					want[s%azimuths] += (before + q) / 2 * r.strain[i]
				}
			}
		}
		var mean, static float64
		for s := range want {
			at((float64(s)+0.5)*2*math.Pi/azimuths, sizes)
			for j := range sizes {
				want[s] += r.residual[j] * sizes[j]
			}
			if math.Abs(got[s]-want[s]) > 1e-6*math.Abs(want[s])+1e-12 {
				t.Fatalf("plane %d, step %d: %g, want %g", p, s, got[s], want[s])
			}
			mean += got[s] / azimuths
		}
		static = r.residual[0]
		for i, m := range r.modes {
			static += r.loads[0][i] / (m.Omega * m.Omega) * r.strain[i]
		}
		if math.Abs(mean/(static*1e5)-1) > 1e-6 {
			t.Errorf("plane %d: mean %g, static %g", p, mean, static*1e5)
		}
	}
}

// TestStaticStrain compares with a beam's textbook strain: a tower under a force at its top,
// ε = F·h·y/EI, and a blade's root under its own weight.
func TestStaticStrain(t *testing.T) {
	table := [][]float64{{0, 100, 2e9, 2e9, 3, 3}, {10, 100, 2e9, 2e9, 3, 3}, {20, 100, 2e9, 2e9, 3, 3}, {30, 100, 2e9, 2e9, 3, 3}}
	l := structure(t, StructureOptions{Part: "tower", Table: table, TipKg: 5000, DiameterM: 40, HubM: 30})
	r := l.planes[0]
	static := r.residual[0]
	for i, m := range r.modes {
		static += r.loads[0][i] / (m.Omega * m.Omega) * r.strain[i]
	}
	if want := (30 - r.atM) * 1.5 / 2e9; math.Abs(static/want-1) > 1e-6 || r.atM != 5 {
		t.Errorf("strain per newton %g at %g m, want %g", static, r.atM, want)
	}
}

// TestLoadsAddUpDamage drives a blade through steady winds.
func TestLoadsAddUpDamage(t *testing.T) {
	for _, part := range []string{"blade", "tower"} {
		l := structure(t, StructureOptions{Part: part})
		damage := map[float64]float64{}
		for _, wind := range []float64{6, 11.4, 20} {
			power := math.Min(5000, 0.5*airDensity*l.rotor.area()*wind*wind*wind*0.482*0.944/1e3)
			rpm := math.Min(12.1, 7.55*wind/63*30/math.Pi)
			var s State
			var a asset.Assessment
			for i := range 145 {
				s, a = l.Step(s, scada(float64(i)/6, rpm, map[string]float64{"wind_speed": wind, "generator_power": power}))
			}
			damage[wind] = math.Max(s.X[structDamage], s.X[structDamage+1])
			if math.Abs(s.X[structHours]-24) > 1e-6 || a.Trust == 0 || a.Abnormal || !a.RUL.P50.Known() && damage[wind] > 1e-5 {
				t.Errorf("%s, %g m/s: %+v, %g h", part, wind, a, s.X[structHours])
			}
			t.Logf("%s at %g m/s: %s; RUL %v", part, wind, a.Evidence[0].Text, a.RUL)
		}
		if !(damage[11.4] > damage[6]) || !(damage[11.4] > 0) || damage[11.4] > 0.1 {
			t.Errorf("%s: damage of a day by wind: %v", part, damage)
		}
		still, _ := l.Step(State{}, scada(0, 0, map[string]float64{"wind_speed": 5, "generator_power": -3}))
		if next, _ := l.Step(still, scada(1, 0, map[string]float64{"wind_speed": 5, "generator_power": -3})); next.X[structDamage] != 0 {
			t.Errorf("%s: damage at a standstill", part)
		}
	}
}

// TestDamageCountsTurns holds the edgewise damage of a day to one cycle of strain a turn, by
// Basquin and Goodman, however the day is cut.
func TestDamageCountsTurns(t *testing.T) {
	l := structure(t, StructureOptions{})
	for _, steps := range []int{24, 144} {
		var s State
		for i := range steps + 1 {
			s, _ = l.Step(s, scada(24*float64(i)/float64(steps), 12, map[string]float64{"wind_speed": 11, "generator_power": 4500}))
		}
		amplitude, mean := s.X[structAmplitude+1], s.X[structMean+1]
		n := math.Pow(amplitude/(1-mean/0.022)/0.018, -10)
		if got, want := s.X[structDamage+1], 12*60*24/n; !(math.Abs(got/want-1) < 0.02) {
			t.Errorf("%d steps: damage %g, want %g", steps, got, want)
		}
	}
}

// rotorRun is what 40 days of frequencies of three blades look like, one a 2 h.
type rotorRun struct {
	loss   float64 // of element 10 of this blade from day 20 on
	grows  bool    // up to the loss at the last day
	other  float64 // of a sibling's
	ice    float64 // share of the mass, on all blades, from day 30 on
	warm   bool
	alone  bool // no siblings measured
	single bool // and one mode only
	loose  float64
	noise  float64 // of f; default 0.002
}

func (c rotorRun) run(t *testing.T, l *Structure, seed uint64) (a asset.Assessment, s State, spoke int) {
	t.Helper()
	keys, siblings := []string{"f1/value", "e1/value", "f2/value"}, []string{"b1/value", "b2/value", "c1/value", "c2/value"}
	if c.alone {
		siblings = nil
	}
	if c.single {
		keys = keys[:1]
	}
	l = l.With(keys, siblings)
	r := rand.New(rand.NewPCG(seed, 3))
	noise := def(c.noise, 0.002)
	for i := range 40 * 12 {
		h := float64(i) * 2
		temp, rpm := 12+8*math.Sin(2*math.Pi*h/24)+6*math.Sin(h/300), 7+5*r.Float64()
		if !c.warm {
			temp -= 14
		}
		values := map[string]float64{"ambient_temperature": temp}
		for j, name := range []string{"f1", "e1", "f2", "b1", "b2", "c1", "c2"} {
			plane, mode, mine := []int{0, 1, 0, 0, 0, 0, 0}[j], []int{0, 0, 1, 0, 1, 0, 1}[j], j < 3
			b := l.tables[plane]
			square := math.Pow(b.modes[mode].HZ()*1.02, 2)
			if h >= 480 {
				loss := c.other
				if mine {
					loss = c.loss
				}
				if c.grows {
					loss *= (h - 480) / 480
				}
				square *= 1 - dropAt(b, 10, loss, mode)
				if mine {
					square *= 1 + c.loose
				}
			}
			if h >= 720 {
				square *= 1 - c.ice*b.ice[mode]*(1+0.1*r.NormFloat64())
			}
			square = square*(1-3.5e-4*(temp-20)) + b.spin[mode]*(rpm/60)*(rpm/60)
			values[name] = math.Sqrt(square) * (1 + noise*r.NormFloat64())
		}
		in := scada(h, rpm, values)
		in.Learning = h < 240
		s, a = l.Step(s, in)
		if a.Abnormal {
			spoke++
		}
	}
	return a, s, spoke
}

// dropAt is the fall of ω² for any loss of an element.
func dropAt(t lossTable, e int, loss float64, mode int) float64 {
	for d := range lossSteps {
		if loss <= lossSteps[d] {
			before, from := 0.0, 0.0
			if d > 0 {
				before, from = t.drop[e][d-1][mode], lossSteps[d-1]
			}
			return before + (t.drop[e][d][mode]-before)*(loss-from)/(lossSteps[d]-from)
		}
	}
	return t.drop[e][len(lossSteps)-1][mode]
}

func TestFrequenciesTellCrackFromIce(t *testing.T) {
	l := structure(t, StructureOptions{})
	for name, tc := range map[string]struct {
		run      rotorRun
		abnormal bool
		mode     asset.Mode
		says     string
	}{
		"healthy":             {rotorRun{}, false, "", "no stiffness lost"},
		"healthy and warm":    {rotorRun{warm: true}, false, "", "no stiffness lost"},
		"crack":               {rotorRun{loss: 0.5}, true, asset.Crack, "stiffness of one section lower by"},
		"crack, warm, alone":  {rotorRun{loss: 0.5, warm: true, alone: true}, true, asset.Crack, "probability of a crack"},
		"crack of another":    {rotorRun{other: 0.5}, false, "", "another one beside it"},
		"ice":                 {rotorRun{ice: 0.03}, false, asset.Icing, "ice of about"},
		"one mode, one blade": {rotorRun{loss: 0.5, alone: true, single: true}, false, "", "cannot tell"},
		"sensor moved":        {rotorRun{loose: 0.02, warm: true}, false, "", "neither a crack"},
	} {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(3) {
				a, _, spoke := tc.run.run(t, l, seed)
				last := a.Evidence[len(a.Evidence)-1]
				if a.Abnormal != tc.abnormal || !tc.abnormal && spoke > 0 || !strings.Contains(last.Text, tc.says) || tc.mode != "" && a.Modes[tc.mode] < 0.5 {
					t.Errorf("seed %d: abnormal %v (%d times), modes %v: %s", seed, a.Abnormal, spoke, a.Modes, last.Text)
				}
				if seed == 0 {
					t.Logf("score %.2f: %s", float64(a.Score), last.Text)
				}
			}
		})
	}
}

// TestLossIsInsideItsRange checks the 80 % range of the loss over seeds.
func TestLossIsInsideItsRange(t *testing.T) {
	l := structure(t, StructureOptions{})
	inside, near := 0, 0
	const n = 10
	for seed := range uint64(n) {
		c := rotorRun{loss: 0.6, warm: true}
		_, s, _ := c.run(t, l, 100+seed)
		part := l.With([]string{"f1/value", "e1/value", "f2/value"}, []string{"b1/value", "b2/value", "c1/value", "c2/value"})
		seen, _ := part.shifts(s.X)
		v := judge(part.tables, seen, false)
		if v.LossP10 <= 0.6 && 0.6 <= v.LossP90 {
			inside++
		}
		if at := part.tables[0].middle[10]; v.FromM <= at && at <= v.ToM {
			near++
		}
	}
	if inside < n*6/10 || near < n*6/10 {
		t.Errorf("loss inside %d, place inside %d of %d", inside, near, n)
	}
	t.Logf("loss inside its 80 %% range %d of %d times, place %d", inside, n, near)
}

func TestLossThatGrowsHasALife(t *testing.T) {
	l := structure(t, StructureOptions{FailLoss: 0.8})
	a, _, _ := rotorRun{loss: 0.65, grows: true, warm: true}.run(t, l, 1)
	if !a.RUL.P50.Known() || a.RUL.P10 > a.RUL.P50 || !strings.Contains(a.Evidence[len(a.Evidence)-1].Text, "grows by") {
		t.Errorf("%+v: %s", a.RUL, a.Evidence[len(a.Evidence)-1].Text)
	}
	t.Logf("%+v: %s", a.RUL, a.Evidence[len(a.Evidence)-1].Text)
}

func TestStructureTakesAnImportedModel(t *testing.T) {
	plain := structure(t, StructureOptions{})
	tuned := structure(t, StructureOptions{ROMHz: []float64{0.2, 0.74, 5}, ROMDamping: []float64{0.1, 0.02, 0.1}})
	if got := tuned.tables[0].modes[0].HZ(); math.Abs(got-0.74) > 1e-6 || tuned.planes[0].zeta != 0.02 {
		t.Errorf("first flap at %g Hz with ζ %g", got, tuned.planes[0].zeta)
	}
	if a, b := plain.tables[1].modes[0].HZ(), tuned.tables[1].modes[0].HZ(); a != b {
		t.Errorf("edge moved from %g to %g Hz", a, b)
	}
}

func TestStructureRefuses(t *testing.T) {
	for want, o := range map[string]StructureOptions{
		"blade or tower":  {Part: "hub"},
		"row 2":           {Table: [][]float64{{0, 1, 1, 1, 1, 1}, {0, 1, 1, 1, 1, 1}}},
		"hub above":       {HubM: 10},
		"mass per metre":  {Table: [][]float64{{0, 0, 1, 1, 1, 1}, {1, 0, 1, 1, 1, 1}, {2, 0, 1, 1, 1, 1}}},
		"rotor of -1":     {DiameterM: -1, HubM: 90},
		"distance that r": {Table: [][]float64{{0, 1}}},
	} {
		if _, err := NewStructure(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", o, err, want)
		}
	}
}

// TestStructureOnWildInput holds the state to numbers whatever comes.
func TestStructureOnWildInput(t *testing.T) {
	l := structure(t, StructureOptions{}).With([]string{"f1/value"}, []string{"b1/value"})
	r := rand.New(rand.NewPCG(1, 1))
	odd := []float64{math.NaN(), math.Inf(1), math.Inf(-1), 0, -1, 1e300, 5e-324, 1e6, 0.7, 10, 3000}
	pick := func() float64 { return odd[r.IntN(len(odd))] }
	var s State
	h := 0.0
	for i := range 3000 {
		in := scada(h, pick(), map[string]float64{"wind_speed": pick(), "generator_power": pick(), "ambient_temperature": pick(), "f1": pick(), "b1": pick()})
		in.Learning = i < 500
		before := fmt.Sprint(s)
		next, a := l.Step(s, in)
		if again, b := l.Step(s, in); fmt.Sprintf("%v%+v", again, b) != fmt.Sprintf("%v%+v", next, a) || fmt.Sprint(s) != before {
			t.Fatalf("step %d: not pure", i)
		}
		if !next.Finite() {
			t.Fatalf("step %d: %v", i, next.X)
		}
		var sum float64
		for _, w := range a.Modes {
			sum += w
		}
		if sum > 1+1e-9 || (a.Trust == 0) != (a.Reason != "") || math.IsInf(float64(a.Score), 0) {
			t.Fatalf("step %d: %+v", i, a)
		}
		s = next
		h += []float64{0, 1.0 / 6, 1.0 / 6, 50, -0.05}[r.IntN(5)]
	}
}

func BenchmarkStructureStep(b *testing.B) {
	l := structure(b, StructureOptions{})
	in := scada(0, 12.1, map[string]float64{"wind_speed": 11, "generator_power": 4800})
	var s State
	b.ReportAllocs()
	for b.Loop() {
		s, _ = l.Step(s, in)
	}
}
