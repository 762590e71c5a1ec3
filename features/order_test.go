package features

import (
	"math"
	"testing"

	"github.com/telltale-iot/telltale/asset"
)

func TestReferenceOrderTracking(t *testing.T) {
	type in struct {
		X      []float64
		FS     float64
		Tacho  []float64    `json:"tach_times_s"`
		PerRev int          `json:"samples_per_rev"`
		Pulses float64      `json:"pulses_per_rev"`
		Orders [][2]float64 `json:"orders_amp"`
	}
	type out struct {
		Rpm   []asset.Number `json:"inst_rpm_mid"`
		Amp   []asset.Number `json:"order_amp"`
		Step  float64        `json:"order_resolution"`
		Times []asset.Number `json:"t_resample_first64"`
		Y     []asset.Number `json:"y_first64"`
	}
	r := readSignalReference[in, out](t, "order_tracking")
	for _, c := range r.Cases {
		turns, why := TurnsOfPulses(c.Inputs.Tacho, TachoOptions{PulsesPerRev: c.Inputs.Pulses})
		if why != "" || turns.Doubled+turns.Missing != 0 {
			t.Fatalf("%s: %q, %d doubled, %d missing", c.ID, why, turns.Doubled, turns.Missing)
		}
		if c.Inputs.Pulses == 1 {
			r.agreeAll(t, c.ID+" rpm", turns.Speed().Rpm, c.Outputs.Rpm)
		}
		when, seg := naturalSpline(turns.Revs, turns.Times), 0
		for k, want := range c.Outputs.Times {
			angle := float64(k) / float64(c.Inputs.PerRev)
			seg = when.segment(seg, angle)
			r.agree(t, c.ID+" time", when.at(seg, angle), want)
		}
		y, first, why := Resample(nil, c.Inputs.X, c.Inputs.FS, turns, c.Inputs.PerRev)
		if why != "" || first != 0 {
			t.Fatalf("%s: %q from turn %d", c.ID, why, first)
		}
		r.agreeAll(t, c.ID+" samples", y, c.Outputs.Y)
		revs := int(math.Round(1 / c.Outputs.Step))
		amps := func(y []float64) []float64 {
			a, step, why := OrderSpectrum(nil, y[:revs*c.Inputs.PerRev], c.Inputs.PerRev)
			if why != "" {
				t.Fatalf("%s: %s", c.ID, why)
			}
			within(t, c.ID+" step", step, asset.Number(c.Outputs.Step), 0, 1e-9)
			var out []float64
			for _, o := range c.Inputs.Orders {
				out = append(out, a[int(math.RoundToEven(o[1]*float64(revs)))])
			}
			return out
		}
		r.agreeAll(t, c.ID+" amplitude", amps(y), c.Outputs.Amp)
		short, _, _ := Resample(nil, narrow(c.Inputs.X), c.Inputs.FS, turns, c.Inputs.PerRev)
		near(t, c.ID+" samples", short, c.Outputs.Y)
		near(t, c.ID+" amplitude", amps(short), c.Outputs.Amp)
		for i, o := range c.Inputs.Orders { // between two bins the window reads up to 16 % low
			within(t, c.ID+" truth", amps(y)[i], asset.Number(o[0]), 0, 0.16)
		}
	}
}

// runUp is a shaft that starts at f0 Hz and gains a Hz each second.
type runUp struct{ f0, a float64 }

func (r runUp) angle(t float64) float64 { return r.f0*t + r.a*t*t/2 }

func (r runUp) time(angle float64) float64 {
	if r.a == 0 {
		return angle / r.f0
	}
	return (math.Sqrt(r.f0*r.f0+2*r.a*angle) - r.f0) / r.a
}

func (r runUp) pulses(perRev int, seconds float64) []float64 {
	var p []float64
	for k := 0; r.time(float64(k)/float64(perRev)) < seconds; k++ {
		p = append(p, r.time(float64(k)/float64(perRev)))
	}
	return p
}

// signal has lines at orders, with amplitudes.
func (r runUp) signal(rate, seconds float64, orders map[float64]float64) []float64 {
	x := make([]float64, int(rate*seconds))
	for i := range x {
		for o, a := range orders {
			x[i] += a * math.Cos(2*math.Pi*o*r.angle(float64(i)/rate))
		}
	}
	return x
}

func TestOrderTrackingThroughARunUp(t *testing.T) {
	r := runUp{10, 1}
	x := r.signal(8192, 10, map[float64]float64{1: 1, 3: 0.5, 17: 0.2, 80: 1}) // 80: an alias at the lowest speed, if it came through
	byPulse, _ := TurnsOfPulses(r.pulses(2, 10), TachoOptions{PulsesPerRev: 2})
	var at, rpm []float64
	for s := 0.0; s <= 10; s += 0.25 {
		at, rpm = append(at, s), append(rpm, 60*(r.f0+r.a*s))
	}
	bySpeed, _ := TurnsOfSpeed(at, rpm)
	for name, turns := range map[string]Turns{"pulses": byPulse, "speed": bySpeed} {
		o, why := TrackOrders(narrow(x), 8192, turns, OrderOptions{})
		if why != "" {
			t.Fatalf("%s: %s", name, why)
		}
		a, step, _ := OrderSpectrum(nil, o.Samples, o.PerRev)
		for order, want := range map[float64]float64{1: 1, 3: 0.5, 17: 0.2} {
			within(t, name+" order", a[int(math.Round(order/step))], asset.Number(want), 0, 0.01)
		}
		for k, v := range a {
			if f := float64(k) * step; f < 20 && math.Abs(f-1) > 0.2 && math.Abs(f-3) > 0.2 && math.Abs(f-17) > 0.2 && v > 2e-3 {
				t.Errorf("%s: %g at order %g, where nothing is", name, v, f)
			}
		}
		if o.Speed.State != SpeedTransient {
			t.Errorf("%s: a run-up to double speed is %s", name, o.Speed.State)
		}
	}
}

func TestAtConstantSpeedOrdersAreFrequencies(t *testing.T) {
	r := runUp{25, 0}
	x := r.signal(4096, 4, map[float64]float64{1: 0.3, 4.25: 0.7})
	turns, _ := TurnsOfPulses(r.pulses(1, 4), TachoOptions{})
	o, why := TrackOrders(x, 4096, turns, OrderOptions{MaxOrder: 10})
	if why != "" || o.Speed.State != SpeedSteady {
		t.Fatalf("%q, %s", why, o.Speed.State)
	}
	y := o.Samples[:48*o.PerRev] // a whole number of quarter turns
	a, step, _ := OrderSpectrum(nil, y, o.PerRev)
	within(t, "1×", a[int(math.Round(1/step))], 0.3, 0, 0.01)
	within(t, "4.25×", a[int(math.Round(4.25/step))], 0.7, 0, 0.01)
}

func TestOrderTrackingRefuses(t *testing.T) {
	r := runUp{20, 0}
	x := r.signal(2000, 2, map[float64]float64{2: 1})
	good, _ := TurnsOfPulses(r.pulses(1, 2), TachoOptions{})
	for name, tc := range map[string]struct {
		x     []float64
		rate  float64
		turns Turns
		opt   OrderOptions
		want  asset.Reason
	}{
		"empty":        {nil, 2000, good, OrderOptions{}, ReasonEmpty},
		"one sample":   {x[:1], 2000, good, OrderOptions{}, ReasonShort},
		"NaN":          {[]float64{1, 2, math.NaN(), 3}, 2000, good, OrderOptions{}, ReasonNonFinite},
		"no rate":      {x, 0, good, OrderOptions{}, ReasonRate},
		"no turns":     {x, 2000, Turns{}, OrderOptions{}, ReasonNoSpeed},
		"few turns":    {x[:900], 2000, good, OrderOptions{}, ReasonShort},
		"beyond rate":  {x, 2000, good, OrderOptions{MaxOrder: 60}, ReasonAlias},
		"falling time": {x, 2000, Turns{Revs: []float64{0, 1, 2}, Times: []float64{0, 1, 0.5}}, OrderOptions{}, ReasonNoSpeed},
		"standstill":   {x, 2000, Turns{Revs: []float64{0, 1}, Times: []float64{0, 100}}, OrderOptions{}, ReasonStandstill},
	} {
		if _, why := TrackOrders(tc.x, tc.rate, tc.turns, tc.opt); why != tc.want {
			t.Errorf("%s: %q, want %q", name, why, tc.want)
		}
	}
}

func TestResampleScalesWithHugeSamples(t *testing.T) {
	r := runUp{20, 0}
	x := r.signal(2000, 2, map[float64]float64{2: 1.5e308})
	turns, _ := TurnsOfPulses(r.pulses(1, 2), TachoOptions{})
	y, _, why := Resample(nil, x, 2000, turns, 64)
	a, step, why2 := OrderSpectrum(nil, y[:32*64], 64)
	if why+why2 != "" {
		t.Fatal(why, why2)
	}
	within(t, "amplitude", a[int(math.Round(2/step))]/1e308, 1.5, 0, 1e-3)
}

func TestRidgeFindsTheSpeedWithoutTacho(t *testing.T) {
	r := runUp{24, 0.2} // nominal 25 Hz; a mesh of 23 teeth
	x := r.signal(10240, 8, map[float64]float64{1: 0.3, 23: 1})
	for i, v := range steadyNoise(len(x), 3) {
		x[i] += 0.5 * v
	}
	ridge, why := SpeedRidge(narrow(x), 10240, 1500, RidgeOptions{Order: 23})
	if why != "" || !(ridge.Confidence > 0.5 && ridge.Confidence < 1) {
		t.Fatalf("%q, confidence %g", why, ridge.Confidence)
	}
	for i, s := range ridge.Times {
		within(t, "rpm", ridge.Rpm[i], asset.Number(60*(r.f0+r.a*s)), 0, 0.002)
	}
	turns, _ := TurnsOfSpeed(ridge.Times, ridge.Rpm)
	if len(turns.Revs) < 2 {
		t.Fatal("no turns from the ridge")
	}
	none, why := SpeedRidge(steadyNoise(81920, 9), 10240, 1500, RidgeOptions{Order: 23})
	if none.Confidence > 0.15 {
		t.Errorf("noise gives a speed with confidence %g (%q)", none.Confidence, why)
	}
	if _, why := SpeedRidge(x, 10240, 0, RidgeOptions{}); why != ReasonStandstill {
		t.Errorf("rpm 0: %q", why)
	}
	if _, why := SpeedRidge(x, 10240, -1500, RidgeOptions{}); why != ReasonStandstill {
		t.Errorf("rpm < 0: %q", why)
	}
	if _, why := SpeedRidge(make([]float64, 81920), 10240, 1500, RidgeOptions{Order: 23}); why != ReasonNoSpeed {
		t.Errorf("silence: %q", why)
	}
}

func FuzzOrder(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4, 5, 6, 7}, []byte{1, 1, 1, 1, 1}, 10.0, 16)
	f.Add(make([]byte, 300), []byte{9, 3, 3, 3, 40, 3, 3, 3, 3, 3, 3, 3, 1, 3, 3, 3}, 50.0, 8)
	f.Fuzz(func(t *testing.T, b, steps []byte, rate float64, perRev int) {
		x, times, at := samplesOf(b), []float64{0}, 0.0
		for _, s := range steps {
			at += float64(int8(s)) / 16
			times = append(times, at)
		}
		turns, _ := TurnsOfPulses(times, TachoOptions{})
		y, _, why := Resample(nil, x, rate, turns, perRev)
		mustBeFinite(t, "resampled", why, y...)
		if why == "" {
			a, _, why := OrderSpectrum(nil, y, perRev)
			mustBeFinite(t, "orders", why, a...)
		}
		if o, why := TrackOrders(narrow(x), rate, turns, OrderOptions{MaxOrder: float64(perRev)}); why == "" {
			mustBeFinite(t, "track", why, o.Samples...)
		}
		ridge, why := SpeedRidge(x, rate, at*60, RidgeOptions{Order: float64(perRev), Cycles: 8})
		mustBeFinite(t, "ridge", why, append(ridge.Rpm, ridge.Confidence)...)
	})
}

func BenchmarkResample(b *testing.B) {
	r := runUp{20, 0.1}
	x := narrow(r.signal(25600, 40, map[float64]float64{2: 1}))
	turns, _ := TurnsOfPulses(r.pulses(1, 40), TachoOptions{})
	b.ReportAllocs()
	b.ResetTimer()
	var y []float64
	for b.Loop() {
		y, _, _ = Resample(y, x, 25600, turns, 1024)
	}
}

func TestASmallLineOnALargeOffset(t *testing.T) {
	r := runUp{20, 0}
	x := r.signal(2003, 2, map[float64]float64{2: 1e-3})
	for i := range x {
		x[i] += 1e6
	}
	turns, _ := TurnsOfPulses(r.pulses(1, 2), TachoOptions{})
	y, _, why := Resample(nil, x, 2003, turns, 61)
	if why != "" {
		t.Fatal(why)
	}
	a, step, _ := OrderSpectrum(nil, y[:37*61], 61) // 2257 = 37·61: two primes
	within(t, "line", a[int(math.Round(2/step))], 1e-3, 0, 1e-3)
	hp, _ := HighPass(2, 5, 2003)
	z, _ := ZeroPhase(nil, hp, x)
	within(t, "filtered", z[2003]*1e3, asset.Number((x[2003]-1e6)*1e3), 0.01, 0)
	s := wheel(1, 256, 1, 1)
	want, _ := GearOf(s, GearOptions{Teeth: 23})
	for i := range s {
		s[i] = 1e6 + 1e-3*s[i]
	}
	got, _ := GearOf(s, GearOptions{Teeth: 23})
	within(t, "FM4", got.FM4, asset.Number(want.FM4), 0, 1e-4)
}
