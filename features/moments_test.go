package features

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/telltale-iot/telltale/asset"
)

func TestMomentsAtTheEdges(t *testing.T) {
	sine := make([]float64, 1000)
	small := make([]float64, 1000)
	for i := range sine {
		sine[i] = math.Sin(2 * math.Pi * float64(i) / 100)
		small[i] = 1e6 + 1e-3*sine[i]
	}
	scaled := func(k float64) []float64 {
		out := make([]float64, len(sine))
		for i, v := range sine {
			out[i] = k * v
		}
		return out
	}
	nan := math.NaN()
	for name, tc := range map[string]struct {
		x                   []float64
		rms, kurtosis, skew float64
		why                 asset.Reason
	}{
		"empty":            {nil, nan, nan, nan, ReasonEmpty},
		"all NaN":          {[]float64{nan, nan}, nan, nan, nan, ReasonNonFinite},
		"single NaN":       {[]float64{1, nan, 2}, nan, nan, nan, ReasonNonFinite},
		"infinite":         {[]float64{1, math.Inf(-1)}, nan, nan, nan, ReasonNonFinite},
		"one sample":       {[]float64{-3}, 3, nan, nan, ""},
		"constant":         {slices.Repeat([]float64{0.1}, 997), 0.1, nan, nan, ""},
		"sine":             {sine, math.Sqrt2 / 2, 1.5, 0, ""},
		"huge":             {scaled(1e300), 1e300 * math.Sqrt2 / 2, 1.5, 0, ""},
		"denormal":         {scaled(1e-310), 1e-310 * math.Sqrt2 / 2, 1.5, 0, ""},
		"small on offset":  {small, 1e6, 1.5, 0, ""},
		"all negative":     {[]float64{-1, -2, -3, -4}, math.Sqrt(7.5), 1.64, 0, ""},
		"two, far apart":   {[]float64{-math.MaxFloat64, math.MaxFloat64}, math.MaxFloat64, 1, 0, ""},
		"equal & opposite": {[]float64{-3, 3}, 3, 1, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			m, why := MomentsOf(tc.x)
			if why != tc.why {
				t.Fatalf("reason %q, want %q", why, tc.why)
			}
			within(t, "rms", m.RMS, asset.Number(tc.rms), 0, 1e-9)
			within(t, "kurtosis", m.Kurtosis, asset.Number(tc.kurtosis), 0, 1e-5)
			within(t, "skewness", m.Skewness, asset.Number(tc.skew), 1e-5, 0)
		})
	}
}

func TestMomentsKeepASmallSpread(t *testing.T) {
	x := make([]float64, 1000)
	for i := range x {
		x[i] = 1e6 + 1e-3*math.Sin(2*math.Pi*float64(i)/100)
	}
	m, _ := MomentsOf(x)
	within(t, "std", m.Std, asset.Number(1e-3*math.Sqrt2/2), 0, 1e-6)
}

func TestSanity(t *testing.T) {
	wave := make([]float32, 4096)
	for i := range wave {
		wave[i] = float32(math.Round(100 * math.Sin(2*math.Pi*float64(i)/37)))
	}
	cut := slices.Clone(wave)
	for i := range cut {
		cut[i] = max(-80, min(80, cut[i]))
	}
	for name, tc := range map[string]struct {
		x       []float32
		why     asset.Reason
		clipped bool
	}{
		"empty":             {nil, ReasonEmpty, false},
		"coarse but whole":  {wave, "", false},
		"clipped":           {cut, "", true},
		"flat":              {make([]float32, 10), ReasonFlat, false},
		"flat on an offset": {[]float32{1e6, 1e6, 1e6, 1e6}, ReasonFlat, false},
		"not a number":      {[]float32{1, float32(math.NaN())}, ReasonNonFinite, false},
	} {
		t.Run(name, func(t *testing.T) {
			if why, clipped := Sanity(tc.x); why != tc.why || clipped != tc.clipped {
				t.Errorf("%q, clipped %v, want %q, %v", why, clipped, tc.why, tc.clipped)
			}
		})
	}
}

func FuzzMoments(f *testing.F) {
	f.Add(1.0, 2.0, 3.0, uint8(5))
	f.Add(1e308, -1e308, 5e-324, uint8(9))
	f.Add(0.0, 0.0, 0.0, uint8(1))
	f.Fuzz(func(t *testing.T, a, b, c float64, n uint8) {
		x := make([]float64, n)
		rng := rand.New(rand.NewPCG(uint64(n), 3))
		for i := range x {
			x[i] = [...]float64{a, b, c}[rng.IntN(3)]
		}
		m, why := MomentsOf(x)
		if why != "" {
			return
		}
		for _, v := range []float64{m.Mean, m.RMS, m.Std, m.Peak, m.MeanAbs} {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				t.Errorf("%g of finite %g %g %g: %+v", v, a, b, c, m)
			}
		}
		for _, v := range []float64{m.P2P, m.Crest, m.Shape, m.Impulse, m.Clearance, m.Skewness, m.Kurtosis} {
			if math.IsInf(v, 0) {
				t.Errorf("infinite in %+v", m)
			}
		}
		if m.RMS > m.Peak*(1+1e-9) {
			t.Errorf("RMS %g above peak %g", m.RMS, m.Peak)
		}
	})
}
