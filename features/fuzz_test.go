package features

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

// FuzzStatistics holds what describes samples of finite numbers and sets limits by them.
func FuzzStatistics(f *testing.F) {
	f.Add(uint64(1), 1.0, 0.0, 0.01, uint8(200))
	f.Add(uint64(2), 1e300, -1e300, 0.5, uint8(30))
	f.Add(uint64(3), 5e-324, 0.0, 1e-300, uint8(0))
	f.Add(uint64(4), 0.0, 1e6, 1.0, uint8(9))
	f.Fuzz(func(t *testing.T, seed uint64, size, offset, p float64, n uint8) {
		rng := rand.New(rand.NewPCG(seed, 1))
		x := make([]float64, n)
		for i := range x {
			if x[i] = offset + size*rng.ExpFloat64(); !finite(x[i]) {
				return
			}
		}
		s := Robust(x)
		if n > 0 && (!finite(s.Median, s.Min, s.Max) || math.IsNaN(s.MAD) || s.Median < s.Min || s.Median > s.Max) || n == 0 && !math.IsNaN(s.Median) {
			t.Errorf("%+v of %v", s, x)
		}
		s.Z(offset)
		slices.Sort(x)
		if v := ConformalP(x, offset); !(v > 0 && v <= 1) {
			t.Errorf("p %g", v)
		}
		if v := ConformalLimit(x, p); !math.IsNaN(v) && !slices.Contains(x, v) {
			t.Errorf("limit %g", v)
		}
		if g, ok := FitGPD(x, 0.5); ok && (!finite(g.T, g.Xi, g.Sigma, g.Share) || !(g.Sigma > 0)) {
			t.Errorf("%+v", g)
		}
		c := calibrate(x)
		if p > 0 && p < 1 && n > 0 {
			if v := c.P(offset); !(v >= 0 && v <= 1) {
				t.Errorf("P %g of %+v", v, c.Tail)
			}
		}
		if e, why := LearnExcursions(x); why == "" && (!finite(e.T, e.Sigma) || !(e.Sigma > 0)) {
			t.Errorf("%+v", e)
		}
		if why, _ := Sanity(x); n == 0 && why != ReasonEmpty {
			t.Errorf("sanity of nothing: %q", why)
		}
	})
}

// FuzzSequential holds the statistics that go on from value to value, and their rates.
func FuzzSequential(f *testing.F) {
	f.Add(0.5, 8.0, 0.3, 4, 6)
	f.Add(1e300, 5e-324, -1e300, 64, 64)
	f.Add(0.0, 0.0, 0.0, -1, 0)
	f.Fuzz(func(t *testing.T, k, h, z float64, m, n int) {
		if !finite(k, h, z) || n > 64 || math.Abs(z) > 1e6 || math.Abs(k) > 1e6 { // scores are clamped to that
			return
		}
		var c CUSUM
		var e EWMA
		lambda := math.Abs(math.Mod(h, 1))
		for range 50 {
			c, e = c.Step(z, k), e.Step(z, lambda)
			if !(c.Up >= 0 && c.Down >= 0) || !finite(c.Up, c.Down, e.Z) || lambda > 0 && !(e.Sigma(lambda) >= 0) {
				t.Fatalf("%+v %+v, σ %g", c, e, e.Sigma(lambda))
			}
		}
		var clock ClockFit
		for i := range 20 {
			clock.Add(math.Abs(h)*float64(i), k*float64(i%3))
		}
		if c := clock.Clock(); c.Reason == "" && !finite(c.PPM, c.StdErrPPM) {
			t.Errorf("%+v of %+v", c, clock)
		}
		if p := MOfN(m, n, lambda); !(p >= 0 && p <= 1+1e-12) {
			t.Errorf("%d of %d at %g: %g", m, n, lambda, p)
		}
		if k >= 0 && k < 5 && h > 0 && h < 20 && math.Abs(z) < 5 {
			if l := CusumARL(k, h, z, 20); !(l >= 1) {
				t.Errorf("ARL(%g, %g, %g) = %g", k, h, z, l)
			}
		}
	})
}

// FuzzCovariance holds the shrunk covariance of rows that are no larger than scores are.
func FuzzCovariance(f *testing.F) {
	f.Add(uint64(1), 1.0, uint8(20), uint8(3))
	f.Add(uint64(2), 1e6, uint8(1), uint8(1))
	f.Add(uint64(3), 0.0, uint8(2), uint8(5))
	f.Fuzz(func(t *testing.T, seed uint64, size float64, n, p uint8) {
		if !(math.Abs(size) <= 1e6) {
			return
		}
		rng := rand.New(rand.NewPCG(seed, 1))
		x := make([][]float64, 1+n%50)
		for i := range x {
			x[i] = make([]float64, 1+p%8)
			for j := range x[i] {
				x[i][j] = size * rng.NormFloat64()
			}
		}
		mean, cov, shrinkage := LedoitWolf(x)
		if !finite(mean...) || !(shrinkage >= 0 && shrinkage <= 1) {
			t.Fatalf("mean %v, shrinkage %g", mean, shrinkage)
		}
		for a := range x[0] {
			for b := range x[0] {
				if v := cov.At(a, b); !finite(v) || a == b && v < 0 {
					t.Fatalf("cov[%d, %d] = %g", a, b, v)
				}
			}
		}
	})
}

// FuzzDiagnose holds that weights sum to one, whatever the scores are.
func FuzzDiagnose(f *testing.F) {
	f.Add(12.0, 3.0, math.NaN(), 0.0)
	f.Add(1e300, -1e300, 5e-324, 1e300)
	f.Fuzz(func(t *testing.T, a, b, c, d float64) {
		v := Vector{Values: []float64{a, b, c, d, a}}
		for _, name := range []string{"defect_bpfo", "defect_bpfi", "defect_bsf", "defect_ftf", "found_bpfo"} {
			v.Fields = append(v.Fields, Field{Channel: "a", Name: name})
		}
		for _, x := range v.Values {
			if math.IsInf(x, 0) {
				return
			}
		}
		mode, weights := Diagnose(DefectScoresOf(v))
		sum := 0.0
		for _, w := range weights {
			sum += w
		}
		if weights == nil && mode != asset.Healthy || weights != nil && math.Abs(sum-1) > 1e-9 {
			t.Errorf("%q, %v sum to %g", mode, weights, sum)
		}
	})
}

// FuzzWindowSeconds holds that a window is a multiple of base that nothing makes endless.
func FuzzWindowSeconds(f *testing.F) {
	f.Add(12.0, 1.0, 4.0, 0.4, 96)
	f.Add(5e-324, 1e-300, 1e300, 1e300, -1)
	f.Add(math.NaN(), 0.0, math.Inf(1), -1.0, 0)
	f.Fuzz(func(t *testing.T, rpm, base, longest, ratio float64, teeth int) {
		plate := asset.Nameplate{
			Components: []asset.Component{{Name: "b", Bearing: &asset.Bearing{FTFOrder: ratio}}, {Name: "g", Type: "gearbox"}},
			Kinematics: &asset.Kinematics{
				Shafts: []asset.Shaft{{Name: "s", Ratio: ratio}}, Gears: []asset.Gear{{Shaft: "s", Teeth: teeth}},
				Planetary: []asset.Planetary{{Ring: teeth, Sun: 21, Planet: 37, Planets: 3}}, Bearings: []asset.BearingShaft{{Component: "b", Shaft: "s"}},
			},
		}
		OrdersOf(*plate.Components[0].Bearing)
		for _, c := range []string{"b", "g", ""} {
			got := WindowSeconds(plate, asset.Channel{Name: "a", Component: c}, rpm, base, longest)
			if !(base > 0) && got != base && !math.IsNaN(base) || base > 0 && !(got >= base && (got <= longest || got == base)) {
				t.Errorf("%g s of base %g, longest %g", got, base, longest)
			}
		}
	})
}

// FuzzExact runs float64 samples, their counts and their pulses through the extractor,
// with carried pulses of any kind.
func FuzzExact(f *testing.F) {
	f.Add([]byte("\x3f\xf0\x00\x00\x00\x00\x00\x00\x40\x00\x00\x00\x00\x00\x00\x00abc"), 25600.0, 1500.0, uint16(400), []byte(nil))
	f.Add([]byte("\x7e\x37\xe4\x3c\x88\x00\x75\x9c\x00\x00\x00\x00\x00\x00\x00\x01"), 1e9, 1.0, uint16(2000), []byte(`{"Start":"2026-03-01T12:00:00Z","Turns":{"Times":[0,1],"Revs":[0]}}`))
	f.Add([]byte{9, 9, 9, 200}, 100.0, 60.0, uint16(900), []byte(`{"Start":"2026-03-01T12:00:00Z","Turns":{"Times":[0,4,9],"Revs":[0,3,1e300]}}`))
	f.Fuzz(func(t *testing.T, b []byte, rate, rpm float64, n uint16, carried []byte) {
		seed := samplesOf(b)
		x := make([]float64, int(n)%3000)
		for i := range x {
			if len(seed) > 0 {
				x[i] = seed[i*i%len(seed)]
			}
		}
		plate := testPlate()
		plate.Channels = append(plate.Channels, asset.Channel{Name: "p", Kind: "tacho", Unit: "V", Component: "bearing"})
		e := NewExtractor(ExtractorOptions{}, plate, nil)
		_ = e.Load(map[string][]byte{pulsesPart: carried}) // what it refuses begins afresh
		w := testWindow(nil, rpm)
		w.RateHz, w.Start = rate, time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
		v, spectra, _ := e.Exact(w, x)
		sound(t, "float64", v, spectra)
		p := w
		p.Channel, p.Kind, p.Unit, p.Samples = "p", "tacho", "V", narrow(x)
		v, _, _ = e.Extract(p, true)
		sound(t, "pulses", v, nil)
		counts, scale, ok := countsOf(x)
		if !ok {
			return
		}
		w.Counts, w.Scale = counts, scale
		v, spectra, _ = e.Extract(w, true) // now with these pulses
		sound(t, "counts", v, spectra)
		p.Samples, p.Counts, p.Scale = nil, counts, scale
		v, _, _ = e.Extract(p, true)
		sound(t, "pulses of counts", v, nil)
	})
}

// FuzzMonitorObserve runs instants of any values, qualities and stamps through an
// extractor of telemetry and a monitor of everything that is derived.
func FuzzMonitorObserve(f *testing.F) {
	f.Add(uint64(1), 1.0, 600.0, 100.0)
	f.Add(uint64(2), 1e300, -600.0, 79.0)
	f.Add(uint64(3), math.Inf(1), 1e9, 49.0)
	f.Add(uint64(4), 5e-324, 0.0, math.NaN())
	f.Fuzz(func(t *testing.T, seed uint64, size, step, quality float64) {
		if !(math.Abs(step) < 1e8) {
			return
		}
		rng := rand.New(rand.NewPCG(seed, 1))
		plate := plantPlate(40)
		m, e := mustMonitor(t, plantOptions(), plate), NewExtractor(ExtractorOptions{}, plate, nil)
		at := monitorStart
		for range 80 {
			at = at.Add(time.Duration(step * (1 + 0.2*rng.NormFloat64()) * 1e9))
			w := asset.Window{Asset: plate.ID, Start: at, Quality: 100}
			for _, c := range plate.Metrics {
				if rng.IntN(8) > 0 {
					w.Points = append(w.Points, asset.Point{Metric: c.Name, Value: []float64{size, 1, 500}[rng.IntN(3)] * rng.NormFloat64(), Unit: c.Unit, Quality: []float64{quality, 100, 85}[rng.IntN(3)]})
				}
			}
			v, _, _ := e.Extract(w, false)
			rms := math.Abs(size * rng.NormFloat64())
			vib := Vector{Channel: "vib", Quality: 100, Fields: []Field{{"vib", "rms", "m/s²"}}, Values: []float64{rms}}
			if !finite(rms) {
				vib.Values[0], vib.Reasons = math.NaN(), []asset.Reason{ReasonNonFinite}
			}
			s := &Snapshot{Asset: plate.ID, Time: at, Vectors: []Vector{vib, v}}
			for _, a := range m.Observe(s) {
				if math.IsInf(float64(a.Score), 0) || math.IsInf(float64(a.Limit), 0) || math.IsInf(float64(a.P), 0) {
					t.Fatalf("%+v", a)
				}
			}
			for _, v := range s.Vectors {
				sound(t, "observed", v, nil)
			}
		}
		if body := m.Export(); body != nil {
			o := plantOptions()
			o.Baseline = body
			mustMonitor(t, o, plate)
		}
	})
}
