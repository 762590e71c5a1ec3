package physics_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/physics"
)

func count(x []float64) (out []physics.Cycle) {
	var r physics.Rainflow
	for _, v := range x {
		out = r.Push(v, out)
	}
	return r.Close(out)
}

func TestRainflowAtItsEdges(t *testing.T) {
	for name, tc := range map[string]struct {
		x    []float64
		want int
	}{
		"empty":             {nil, 0},
		"one value":         {[]float64{3}, 0},
		"constant":          {[]float64{3, 3, 3, 3}, 0},
		"all missing":       {[]float64{math.NaN(), math.NaN()}, 0},
		"one missing":       {[]float64{0, math.NaN(), 1}, 1},
		"infinite":          {[]float64{0, math.Inf(1), 1, math.Inf(-1)}, 1},
		"huge":              {[]float64{-1e300, 1e300, -1e300}, 2},
		"denormal":          {[]float64{0, 5e-324, 0}, 2},
		"on a large offset": {[]float64{1e6, 1e6 + 1e-3, 1e6}, 2},
		"all negative":      {[]float64{-1, -2, -1}, 2},
		"rising":            {[]float64{1, 2, 3}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			got := count(tc.x)
			if len(got) != tc.want {
				t.Errorf("%d cycles, want %d: %v", len(got), tc.want, got)
			}
			for _, y := range got {
				if !(y.Range > 0) || math.IsInf(y.Range, 0) || math.IsNaN(y.Mean) || math.IsInf(y.Mean, 0) {
					t.Errorf("cycle %v", y)
				}
			}
		})
	}
}

// TestRainflowIsBounded pushes ranges that shrink for ever: nothing closes, and yet
// little is kept, and what is counted too much is the smallest.
func TestRainflowIsBounded(t *testing.T) {
	var r physics.Rainflow
	var got []physics.Cycle
	for i := range 1000 {
		got = r.Push(math.Pow(0.99, float64(i))*float64(1-2*(i%2)), got)
		if len(r.Points) > 64 {
			t.Fatalf("%d points kept", len(r.Points))
		}
	}
	for _, y := range got {
		if y.Range > 2*math.Pow(0.99, 60) {
			t.Errorf("counted %v early", y)
		}
	}
	got = r.Close(got)
	var most float64
	for _, y := range got {
		most = math.Max(most, y.Range)
	}
	if math.Abs(most-1.99) > 1e-12 {
		t.Errorf("largest range %v, want 1.99", most)
	}
}

// TestRainflowGoesOn compares a count that was saved after each value with one that
// was not, and an early end with none.
func TestRainflowGoesOn(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var whole, kept physics.Rainflow
	var a, b []physics.Cycle
	for range 5000 {
		v := r.NormFloat64()
		a = whole.Push(v, a)
		kept = physics.Rainflow{Points: append([]float64(nil), kept.Points...)}
		b = kept.Push(v, b)
		kept.Close(nil)
	}
	if physics.DEL(a, 3, 1) != physics.DEL(b, 3, 1) || len(a) != len(b) {
		t.Error("saving a counter changed its count")
	}
}

func TestSNCurve(t *testing.T) {
	c := physics.SN{StrengthMPa: 1000, M: 4, KneeN: 1e6, UltimateMPa: 500}
	knee := 1000 * math.Pow(1e6, -0.25)
	for name, tc := range map[string]struct{ sa, sm, want float64 }{
		"above the knee": {100, 0, 1e4},
		"at the knee":    {knee, 0, 1e6},
		"below the knee": {knee / 2, 0, 1e6 * 128}, // 2^7, slope 2m−1
		"tension":        {50, 250, 1e4},           // Goodman doubles it
		"compression":    {100, -250, 1e4},
		"mean too high":  {1, 500, 0},
		"no amplitude":   {0, 0, math.Inf(1)},
	} {
		if got := c.Cycles(tc.sa, tc.sm); got != tc.want && !(math.Abs(got/tc.want-1) < 1e-9) {
			t.Errorf("%s: %v, want %v", name, got, tc.want)
		}
	}
	if d := c.Damage(physics.Cycle{Range: 2, Mean: 600, Count: 0.5}); d != 0.5 {
		t.Errorf("a mean beyond the ultimate strength uses %v", d)
	}
}

// TestFatigueFindsTheEnd runs a constant amplitude, for which the life is known.
func TestFatigueFindsTheEnd(t *testing.T) {
	law := physics.NewFatigue(physics.FatigueOptions{Key: "x", Ranges: true, StrengthMPa: 1000, M: 4, CyclesPerH: 100})
	var s physics.State
	var a asset.Assessment
	const life = 1e4 / 100 // h at an amplitude of 100 MPa
	for h := 0.0; h <= 0.5*life; h++ {
		s, a = law.Step(s, at(h, map[string]float64{"x": 200}))
	}
	if got := s.X[0]; math.Abs(got-0.5) > 1e-9 {
		t.Errorf("Miner sum %v, want 0.5", got)
	}
	if a.Abnormal || a.FailP.Known() {
		t.Errorf("half of the life is an alarm: %+v", a)
	}
	p10, p50, p90 := float64(a.RUL.P10), float64(a.RUL.P50), float64(a.RUL.P90)
	if !(p10 < 50 && math.Abs(p50-50) < 5 && p90 > 60) || p10 < 10 || p90 > 150 {
		t.Errorf("RUL %v %v %v, want about 50", p10, p50, p90)
	}
	for h := 0.5 * life; h <= 1.2*life; h++ {
		s, a = law.Step(s, at(h, map[string]float64{"x": 200}))
	}
	if !a.Abnormal || !(a.FailP > 0.9) || a.Modes[asset.Crack] == 0 {
		t.Errorf("beyond its life: %+v", a)
	}
	gap, _ := law.Step(s, at(500, map[string]float64{"x": 200}))
	if gap.X[0] != s.X[0] {
		t.Error("a silence loaded the part")
	}
}

func TestFatigueCountsTheSignal(t *testing.T) {
	law := physics.NewFatigue(physics.FatigueOptions{Key: "x", MPaPerUnit: 2, StrengthMPa: 1000, M: 5})
	var s physics.State
	for i := range 2001 { // 1000 cycles of amplitude 100 MPa
		s, _ = law.Step(s, at(float64(i)/100, map[string]float64{"x": 50 * float64(1-2*(i%2))}))
	}
	if got, want := s.X[0], 1000*1e-5; math.Abs(got/want-1) > 1e-9 {
		t.Errorf("Miner sum %v, want %v", got, want)
	}
}

func TestAgeingLives(t *testing.T) {
	for name, tc := range map[string]struct {
		o    physics.AgeingOptions
		c, w float64
		want float64 // share used in 1000 h
	}{
		"class F":         {physics.AgeingOptions{}, 155, 0, 1000.0 / 20000},
		"10 K less":       {physics.AgeingOptions{}, 145, 0, 500.0 / 20000},
		"hot spot":        {physics.AgeingOptions{HotSpotK: 10}, 145, 0, 1000.0 / 20000},
		"class H":         {physics.AgeingOptions{RefC: 180, LifeH: 40000}, 180, 0, 1000.0 / 40000},
		"kraft":           {physics.AgeingOptions{Model: physics.Kraft}, 104, 0, 2000.0 / 150000},
		"oil at 60 °C":    {physics.AgeingOptions{Model: physics.Lubricant}, 60, 0, 1000.0 / 30000},
		"oil at 80 °C":    {physics.AgeingOptions{Model: physics.Lubricant}, 80, 0, 4000.0 / 30000},
		"wet oil":         {physics.AgeingOptions{Model: physics.Lubricant, WaterKey: "y"}, 60, 3200, 1000.0 / 30000 * 8},
		"aged before":     {physics.AgeingOptions{HoursBefore: 10000}, 155, 0, 0.55},
		"room, Arrhenius": {physics.AgeingOptions{Model: physics.Arrhenius}, 25, 0, 1000.0 / 20000 * math.Exp(1/8.617333262e-5*(1/428.15-1/298.15))},
	} {
		t.Run(name, func(t *testing.T) {
			tc.o.TempKey = "temp"
			law := physics.NewAgeing(tc.o)
			var s physics.State
			for h := 0.0; h <= 1000; h++ {
				s, _ = law.Step(s, at(h, map[string]float64{"temp": tc.c, "y": tc.w}))
			}
			if got := s.X[0]; math.Abs(got/tc.want-1) > 1e-9 {
				t.Errorf("used %v, want %v", got, tc.want)
			}
		})
	}
}

// TestConsumedLifeTellsWhatIsLeft holds the interval of what is left against
// futures drawn from the same loads.
func TestConsumedLifeTellsWhatIsLeft(t *testing.T) {
	inside, n := 0, 200
	for seed := range uint64(n) {
		r := rand.New(rand.NewPCG(seed, 9))
		law := physics.NewAgeing(physics.AgeingOptions{TempKey: "temp", RefC: 100, LifeH: 3000, MaxGapH: 24})
		life := math.Exp(0.3 * r.NormFloat64())
		var s physics.State
		var a asset.Assessment
		var told asset.RUL
		for d := 0; ; d++ {
			base := 95 + 10*r.NormFloat64()
			s, a = law.Step(s, at(float64(24*d), map[string]float64{"temp": base}))
			if d == 30 {
				if told = a.RUL; s.X[0] >= life { // failed already: not a case
					n--
					break
				}
			}
			if d > 30 && s.X[0] >= life {
				if left := float64(24 * (d - 30)); float64(told.P10) <= left && left <= float64(told.P90) {
					inside++
				}
				break
			}
		}
	}
	if share := float64(inside) / float64(n); share < 0.72 || share > 0.9 {
		t.Errorf("%.0f %% of %d lives inside the 80 %% interval", 100*share, n)
	}
}

func TestArchardLearnsItsCoefficient(t *testing.T) {
	o := physics.ArchardOptions{K: 1e-9, AreaM2: 1e-4, DepthM: 1e-3, DiameterM: 0.1, DepthKey: "x"}
	law := physics.NewArchard(o)
	v := math.Pi * 0.1 * 1500 / 60
	perHour := 1e-9 * 3000 * v * 3600 / 2e9 / 1e-4 // m
	var s physics.State
	var a asset.Assessment
	step := func(h float64, depth float64) {
		in := at(h, nil)
		if !math.IsNaN(depth) {
			in = at(h, map[string]float64{"x": depth * 1e6})
		}
		in.SpeedRpm, in.LoadN = 1500, 3000
		s, a = law.Step(s, in)
	}
	for h := 0.0; h <= 100; h++ {
		step(h, math.NaN())
	}
	if got := s.X[0] * 1e-3; math.Abs(got/(100*perHour)-1) > 1e-9 {
		t.Errorf("depth %v m, want %v", got, 100*perHour)
	}
	blind := a.RUL
	for h := 101.0; h <= 200; h++ { // it wears twice as fast
		step(h, 2*perHour*h)
	}
	left := (1e-3 - 2*perHour*200) / (2 * perHour)
	if math.Abs(float64(a.RUL.P50)/left-1) > 0.15 || float64(a.RUL.P10) > left || float64(a.RUL.P90) < left {
		t.Errorf("RUL %+v, want %.0f", a.RUL, left)
	}
	if float64(a.RUL.P90-a.RUL.P10)/float64(a.RUL.P50) > 0.5*float64(blind.P90-blind.P10)/float64(blind.P50) {
		t.Errorf("measured %+v is no sharper than %+v", a.RUL, blind)
	}
}

func BenchmarkRainflowPush(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	x := make([]float64, 4096)
	for i := range x {
		x[i] = r.NormFloat64()
	}
	b.ReportAllocs()
	var counter physics.Rainflow
	closed := make([]physics.Cycle, 0, 64)
	i := 0
	for b.Loop() {
		closed = counter.Push(x[i&4095], closed[:0])
		i++
	}
}

// TestAnAssumedLifeIsNoAlarm runs a winding beyond a life that nobody declared, and
// beyond one that was.
func TestAnAssumedLifeIsNoAlarm(t *testing.T) {
	for life, abnormal := range map[float64]bool{0: false, 20000: true} {
		law := physics.NewAgeing(physics.AgeingOptions{TempKey: "temp", LifeH: life, HoursBefore: 21000})
		var s physics.State
		var a asset.Assessment
		for h := 0.0; h < 50; h++ {
			s, a = law.Step(s, at(h, map[string]float64{"temp": 155}))
		}
		if a.Abnormal != abnormal || a.FailP.Known() != abnormal || !(a.Score > 1) || !a.RUL.P50.Known() {
			t.Errorf("life %v: %+v", life, a)
		}
	}
}
