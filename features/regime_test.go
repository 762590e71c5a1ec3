package features

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

var (
	regimeStart = time.Date(2024, 3, 1, 0, 0, 0, 0, time.UTC)
	regimeRated = RegimeOptions{RatedRPM: 12, RatedKW: 2000, Log: true}
)

// learnedRegime is a log-normal feature that grows with power, over n ten-minute
// values; powers between 700 and 1100 kW are never reached.
func learnedRegime(t *testing.T, n int) RegimeBaseline {
	t.Helper()
	var l RegimeLearner
	l.Options = regimeRated
	rng := rand.New(rand.NewPCG(13, 1))
	for i := range n {
		at := regimeStart.Add(time.Duration(i) * 10 * time.Minute)
		kw := 200 + 1600*rng.Float64()
		if kw > 700 && kw < 1100 {
			continue
		}
		if why := l.Learn(RegimePoint{RPM: 12, PowerKW: kw}, at, regimeLevel(kw)*math.Exp(0.1*rng.NormFloat64())); why != "" {
			t.Fatal(why)
		}
	}
	b, why := l.Freeze()
	if why != "" {
		t.Fatal(why)
	}
	return b
}

func regimeLevel(kw float64) float64 { return 0.5 * math.Pow(kw/1000, 0.7) }

func TestRegimeCenters(t *testing.T) {
	b := learnedRegime(t, 20000)
	for _, kw := range []float64{400, 600, 1200, 1400} {
		e, why := b.Expect(RegimePoint{RPM: 12, PowerKW: kw})
		want := math.Log(regimeLevel(kw))
		if why != "" || e.From != RegimeOwn || math.Abs(e.Center-want) > 0.05 || e.Scale < 0.09 || e.Scale > 0.2 {
			t.Errorf("%g kW: %+v %q, want a centre of %g", kw, e, why, want)
		}
	}
}

func TestRegimeFallbacks(t *testing.T) {
	b := learnedRegime(t, 20000)
	keep := func(powers ...int) RegimeBaseline {
		c := b
		c.Bins = nil
		for _, a := range b.Bins {
			for _, p := range powers {
				if a.Key.Power == p {
					c.Bins = append(c.Bins, a)
				}
			}
		}
		return c
	}
	at := RegimePoint{RPM: 12, PowerKW: 1400} // bin 7
	want := math.Log(regimeLevel(1400))
	for name, tc := range map[string]struct {
		b    RegimeBaseline
		from string
		tol  float64
	}{"own": {keep(6, 7, 8), RegimeOwn, 0.03}, "neighbours": {keep(6, 8), RegimeNeighbours, 0.03}, "regression": {keep(2, 3), RegimeRegression, 0.03}} {
		e, why := tc.b.Expect(at)
		if why != "" || e.From != tc.from || math.Abs(e.Center-want) > tc.tol || !(e.Scale > 0.05 && e.Scale < 0.2) {
			t.Errorf("%s: %+v %q, want %g from %s", name, e, why, want, tc.from)
		}
	}
	none := keep()
	none.Curve = nil
	if e, why := none.Expect(at); why != ReasonFew || !math.IsNaN(e.Center) {
		t.Errorf("nothing: %+v %q", e, why)
	}
	// The curve does not reach beyond the powers it was fitted on.
	far := keep(2)
	if e, why := far.Expect(RegimePoint{RPM: 12, PowerKW: 2600}); why != ReasonFew {
		t.Errorf("beyond the curve: %+v %q", e, why)
	}
	// An idle rotor shares no speed bin with what was learned, but its power does.
	if e, why := b.Expect(RegimePoint{RPM: 3, PowerKW: 1400}); why != "" || e.From != RegimeRegression {
		t.Errorf("other speed: %+v %q", e, why)
	}
}

func TestRegimeValidity(t *testing.T) {
	at := RegimePoint{WindMS: 8, PowerKW: math.NaN()}
	freeze := func(n int, every time.Duration, o RegimeOptions, v func(int) float64) (RegimeBaseline, asset.Reason) {
		l := RegimeLearner{Options: o}
		for i := range n {
			l.Learn(at, regimeStart.Add(time.Duration(i)*every), v(i))
		}
		return l.Freeze()
	}
	ramp := func(i int) float64 { return float64(i) }
	for name, tc := range map[string]struct {
		n     int
		every time.Duration
		want  asset.Reason
	}{"none": {0, time.Hour, ReasonFew}, "29": {29, 4 * time.Hour, ReasonFew}, "two days": {47, time.Hour, ReasonFew}, "enough": {49, time.Hour, ""}} {
		if b, why := freeze(tc.n, tc.every, RegimeOptions{}, ramp); why != tc.want {
			t.Errorf("%s: %+v %q, want %q", name, b, why, tc.want)
		}
	}
	// MAD = 0 but for one outlier: the floor is 1 % of the range.
	b, _ := freeze(100, time.Hour, RegimeOptions{}, func(i int) float64 { return float64(i / 99 * 50) })
	if z, e, why := b.Z(at, 1); why != "" || e.Scale != 0.5 || z != 2 {
		t.Errorf("quantised: z %g, %+v %q, want 2 of a scale 0.5", z, e, why)
	}
	b, _ = freeze(100, time.Hour, RegimeOptions{Range: 200}, ramp)
	if b.Floor != 2 {
		t.Errorf("floor %g of a declared range of 200, want 2", b.Floor)
	}
	// A constant has no scale and so no score.
	b, _ = freeze(100, time.Hour, RegimeOptions{}, func(int) float64 { return 3 })
	if z, _, why := b.Z(at, 4); why != ReasonFlat || !math.IsNaN(z) {
		t.Errorf("constant: z %g %q", z, why)
	}
	for name, tc := range map[string]struct {
		p    RegimePoint
		v    float64
		want asset.Reason
	}{
		"NaN": {at, math.NaN(), ReasonUndefined}, "Inf": {at, math.Inf(1), ReasonUndefined}, "huge": {at, 1e300, ReasonUndefined},
		"no wind": {RegimePoint{WindMS: math.NaN()}, 1, ReasonAbsent}, "storm": {RegimePoint{WindMS: 1e300}, 1, ReasonRange},
	} {
		var l RegimeLearner
		if why := l.Learn(tc.p, regimeStart, tc.v); why != tc.want || len(l.Bins) != 0 {
			t.Errorf("learn %s: %q, want %q", name, why, tc.want)
		}
		if z, _, why := b.Z(tc.p, tc.v); why != tc.want || !math.IsNaN(z) {
			t.Errorf("score %s: %g %q, want %q", name, z, why, tc.want)
		}
	}
	l := RegimeLearner{Options: RegimeOptions{Log: true}}
	for _, v := range []float64{0, -1} {
		if why := l.Learn(at, regimeStart, v); why != ReasonUndefined {
			t.Errorf("logarithm of %g: %q", v, why)
		}
	}
}

// What is stored in the middle of learning goes on alike, in bounded memory, and
// the same values give the same version.
func TestRegimeState(t *testing.T) {
	whole, parts := RegimeLearner{Options: regimeRated}, RegimeLearner{Options: regimeRated}
	rng := rand.New(rand.NewPCG(5, 5))
	for i := range 30000 {
		p, v := RegimePoint{RPM: 6 + 6*rng.Float64(), PowerKW: 2200*rng.Float64() - 50}, rng.ExpFloat64()
		at := regimeStart.Add(time.Duration(i) * 10 * time.Minute)
		whole.Learn(p, at, v)
		parts.Learn(p, at, v)
		if i%7001 == 0 {
			kept, err := json.Marshal(parts)
			if err != nil {
				t.Fatal(err)
			}
			parts = RegimeLearner{}
			if err := json.Unmarshal(kept, &parts); err != nil {
				t.Fatal(err)
			}
		}
	}
	a, why := whole.Freeze()
	b, _ := parts.Freeze()
	if why != "" || a.ID == "" || !reflect.DeepEqual(a, b) {
		t.Errorf("whole %s, in parts %s, %q", a.ID, b.ID, why)
	}
	seen := 0
	for _, v := range whole.Bins {
		seen += v.N
		if len(v.X) > 256 || len(v.X) != len(v.LogKW) || v.N >= 256 && len(v.X) < 100 || len(v.Days) > 3 {
			t.Errorf("bin %+v: %d seen, %d kept, %d days", v.Key, v.N, len(v.X), len(v.Days))
		}
	}
	if seen != 30000 {
		t.Errorf("%d values seen", seen)
	}
	whole.Learn(RegimePoint{RPM: 12, PowerKW: 1}, regimeStart, 1e6)
	if c, _ := whole.Freeze(); c.ID == a.ID {
		t.Error("other values, same version")
	}
	kept, _ := json.Marshal(a)
	var c RegimeBaseline
	if err := json.Unmarshal(kept, &c); err != nil || !reflect.DeepEqual(a, c) {
		t.Errorf("stored baseline differs: %v", err)
	}
}

func TestRegimeAdapts(t *testing.T) {
	at := RegimePoint{RPM: 12, PowerKW: 1400}
	run := func(shift float64, open bool, o RegimeAgeing) (RegimeBaseline, float64) {
		b := learnedRegime(t, 20000)
		e, _ := b.Expect(at)
		for i := range 144 * 90 {
			b.Adapt(at, regimeStart.Add(time.Duration(i)*10*time.Minute), math.Exp(e.Center+shift*e.Scale), open, o)
		}
		after, _ := b.Expect(at)
		return b, (after.Center - e.Center) / e.Scale
	}
	b, moved := run(0.5, false, RegimeAgeing{})
	within(t, "90 days at z = 0.5", moved, asset.Number(0.5*(1-math.Exp(-1))), 1e-3, 0)
	if frozen := learnedRegime(t, 20000); b.ID != frozen.ID {
		t.Error("the version changed with a slow update")
	}
	if _, moved = run(1.9, false, RegimeAgeing{PerDay: 1, MaxZ: 9}); moved > 1.9*(1-math.Exp(-1))+1e-3 || moved > 1+1e-9 {
		t.Errorf("moved by %g scales, more than 1/90 per day or than the bound allows", moved)
	}
	for name, m := range map[string]float64{
		"alarm open": movedBy(run(0.5, true, RegimeAgeing{})), "z = 2": movedBy(run(2.0001, false, RegimeAgeing{MaxZ: 9})), "far below": movedBy(run(-30, false, RegimeAgeing{})),
	} {
		if m != 0 {
			t.Errorf("%s: moved by %g scales", name, m)
		}
	}
	// A long silence counts as a day; late values and the curve's regimes do nothing.
	b = learnedRegime(t, 20000)
	e, _ := b.Expect(at)
	v := math.Exp(e.Center + e.Scale)
	b.Adapt(at, regimeStart, v, false, RegimeAgeing{})
	if !b.Adapt(at, regimeStart.AddDate(1, 0, 0), v, false, RegimeAgeing{}) || b.Adapt(at, regimeStart, v, false, RegimeAgeing{}) {
		t.Error("a year's silence was not taken, or a late value was")
	}
	after, _ := b.Expect(at)
	within(t, "one day", (after.Center-e.Center)/e.Scale, 1.0/90, 1e-9, 0)
	if b.Adapt(RegimePoint{RPM: 3, PowerKW: 1400}, regimeStart.AddDate(2, 0, 0), v, false, RegimeAgeing{}) {
		t.Error("a regime without a bin was updated")
	}
}

func movedBy(_ RegimeBaseline, m float64) float64 { return m }

func FuzzRegime(f *testing.F) {
	f.Add(uint64(1), 12.0, 2000.0, 1.0, true)
	f.Add(uint64(2), 1e-300, 1e300, 1e300, false)
	f.Add(uint64(3), 0.0, 0.0, 5e-324, true)
	f.Fuzz(func(t *testing.T, seed uint64, rpm, kw, size float64, log bool) {
		rng := rand.New(rand.NewPCG(seed, 1))
		l := RegimeLearner{Options: RegimeOptions{RatedRPM: rpm, RatedKW: kw, Log: log, MinSamples: 5, MaxValues: 16}}
		point := func() RegimePoint {
			return RegimePoint{RPM: rpm * rng.Float64(), PowerKW: kw * (rng.Float64() - 0.1), WindMS: 30 * rng.Float64()}
		}
		for i := range 200 {
			l.Learn(point(), regimeStart.Add(time.Duration(i)*time.Hour), size*rng.ExpFloat64())
		}
		b, why := l.Freeze()
		if why != "" {
			return
		}
		for i := range 50 {
			p, v := point(), size*rng.ExpFloat64()
			if z, e, why := b.Z(p, v); why == "" && !finite(z, e.Center, e.Scale) {
				t.Fatalf("z %g %+v", z, e)
			}
			b.Adapt(p, regimeStart.Add(time.Duration(i)*time.Hour), v, false, RegimeAgeing{})
		}
		for _, a := range b.Bins {
			if !finite(a.Center, a.Scale, a.Shift) {
				t.Fatalf("%+v", a)
			}
		}
	})
}
