package features

import (
	"encoding/json"
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/telltale-iot/telltale/asset"
)

func TestReferenceButterworthSOS(t *testing.T) {
	type in struct {
		X     []float64
		FS    float64
		Order int
		Kind  string
		Edge  json.RawMessage `json:"fc_hz"`
		Freqs []float64       `json:"freqs_hz"`
	}
	type out struct {
		Gain     []asset.Number `json:"gain_abs"`
		Causal   []asset.Number `json:"sosfilt"`
		FiltFilt []asset.Number `json:"sosfiltfilt"`
	}
	r := readSignalReference[in, out](t, "butterworth_sos")
	for _, c := range r.Cases {
		s := designOf(t, c.Inputs.Kind, c.Inputs.Order, c.Inputs.Edge, c.Inputs.FS)
		for i, f := range c.Inputs.Freqs {
			r.agree(t, c.ID+" gain", s.Gain(f, c.Inputs.FS), c.Outputs.Gain[i])
		}
		var wide, short FilterState
		r.agreeAll(t, c.ID+" causal", Causal(nil, s, &wide, c.Inputs.X), c.Outputs.Causal)
		near(t, c.ID+" causal", Causal(nil, s, &short, narrow(c.Inputs.X)), c.Outputs.Causal)
		y, why := ZeroPhase(nil, s, c.Inputs.X)
		if why != "" {
			t.Errorf("%s: %s", c.ID, why)
		}
		r.agreeAll(t, c.ID+" zero phase", y, c.Outputs.FiltFilt)
		y, _ = ZeroPhase(nil, s, narrow(c.Inputs.X))
		near(t, c.ID+" zero phase", y, c.Outputs.FiltFilt)
	}
}

func designOf(t *testing.T, kind string, order int, edge json.RawMessage, rateHz float64) Sections {
	t.Helper()
	var one float64
	var two [2]float64
	if json.Unmarshal(edge, &one) != nil {
		if err := json.Unmarshal(edge, &two); err != nil {
			t.Fatal(err)
		}
		one = two[0]
	}
	var s Sections
	var err error
	switch kind {
	case "lowpass":
		s, err = LowPass(order, one, rateHz)
	case "highpass":
		s, err = HighPass(order, one, rateHz)
	case "bandpass":
		s, err = BandPass(order, Band{two[0], two[1]}, rateHz)
	default:
		t.Fatalf("unknown kind %s", kind)
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// |H|² = 1/(1 + (tan(πf/fs)/tan(πfc/fs))^±2N), the squared Butterworth magnitude
// under the bilinear transform; a band-pass maps to (w² − lo·hi)/(w·(hi−lo)).
func TestGainIsTheClosedForm(t *testing.T) {
	const rate = 1000.0
	warp := func(f float64) float64 { return math.Tan(math.Pi * f / rate) }
	for order := 1; order <= 12; order++ {
		lp, _ := LowPass(order, 120, rate)
		hp, _ := HighPass(order, 120, rate)
		bp, _ := BandPass(order, Band{40, 310}, rate) // wide: real poles where the order is odd
		for _, f := range []float64{1, 39, 40, 90, 120, 200, 310, 444} {
			u, w, lo, hi := warp(f)/warp(120), warp(f), warp(40), warp(310)
			b := (w*w - lo*hi) / (w * (hi - lo))
			n := float64(2 * order)
			for name, v := range map[string][2]float64{
				"low-pass":  {lp.Gain(f, rate), 1 / math.Sqrt(1+math.Pow(u, n))},
				"high-pass": {hp.Gain(f, rate), 1 / math.Sqrt(1+math.Pow(u, -n))},
				"band-pass": {bp.Gain(f, rate), 1 / math.Sqrt(1+math.Pow(math.Abs(b), n))},
			} {
				if math.Abs(v[0]-v[1]) > 1e-9 {
					t.Errorf("%s of order %d at %g Hz = %.12g, want %.12g", name, order, f, v[0], v[1])
				}
			}
		}
	}
}

func TestFilterByBlocksIsFilterAtOnce(t *testing.T) {
	s, _ := BandPass(3, Band{20, 90}, 1000)
	x := steadyNoise(997, 1)
	x[500] = math.NaN()
	var whole, parts FilterState
	want := Causal(nil, s, &whole, x)
	var got []float64
	for at, n := 0, 1; at < len(x); at, n = at+n, n*2 {
		n = min(n, len(x)-at)
		got = append(got, Causal(nil, s, &parts, x[at:at+n])...)
	}
	for i := range want {
		if math.Float64bits(got[i]) != math.Float64bits(want[i]) {
			t.Fatalf("sample %d = %g, want %g", i, got[i], want[i])
		}
	}
	if !math.IsNaN(want[500]) || math.IsNaN(want[501]) {
		t.Errorf("around a lost sample: %g %g, want NaN and a number", want[500], want[501])
	}
}

func TestFilterOfDegenerateBlocks(t *testing.T) {
	lp, _ := LowPass(4, 100, 1000)
	hp, _ := HighPass(4, 100, 1000)
	for name, tc := range map[string]struct {
		x        []float64
		low, top float64 // what every sample of low-pass and high-pass is
		why      asset.Reason
	}{
		"empty":    {nil, 0, 0, ReasonEmpty},
		"one":      {[]float64{7}, 7, 0, ""},
		"constant": {[]float64{3, 3, 3, 3, 3}, 3, 0, ""},
		"NaN":      {[]float64{1, math.NaN()}, math.NaN(), math.NaN(), ReasonNonFinite},
		"Inf":      {[]float64{1, math.Inf(1)}, math.NaN(), math.NaN(), ReasonNonFinite},
		"huge":     {[]float64{1e300, 1e300, 1e300}, 1e300, 0, ""},
		"denormal": {[]float64{5e-320, 5e-320}, 5e-320, 0, ""},
	} {
		low, why := ZeroPhase(nil, lp, tc.x)
		high, _ := ZeroPhase(nil, hp, tc.x)
		if why != tc.why || len(low) != len(tc.x) {
			t.Errorf("%s: %d samples, %q; want %q", name, len(low), why, tc.why)
		}
		for i := range low {
			within(t, name+" low", low[i], asset.Number(tc.low), 5e-324, 1e-9)
			within(t, name+" high", high[i], asset.Number(tc.top), 1e-9*math.Abs(tc.low), 0)
		}
	}
	for _, f := range []float64{0, -1, 500, 600, math.NaN(), math.Inf(1), 1e-9} {
		if _, err := LowPass(2, f, 1000); !errors.Is(err, asset.ErrInvalid) {
			t.Errorf("low-pass at %g Hz: %v, want ErrInvalid", f, err)
		}
	}
	if _, err := BandPass(2, Band{200, 100}, 1000); !errors.Is(err, asset.ErrInvalid) {
		t.Error("a band upside down is a filter")
	}
}

func TestZeroPhaseKeepsACosine(t *testing.T) {
	s, _ := BandPass(2, Band{20, 80}, 1000)
	x := make([]float64, 4001)
	for i := range x {
		x[i] = math.Cos(2 * math.Pi * 40 * float64(i) / 1000)
	}
	y, _ := ZeroPhase(slices.Clone(x), s, x)
	gain := s.Gain(40, 1000)
	for i := 500; i < 3500; i++ {
		within(t, "cosine", y[i], asset.Number(gain*gain*x[i]), 1e-6, 0)
	}
}

// steadyNoise is a fixed sequence of nearly normal values.
func steadyNoise(n int, seed uint64) []float64 {
	x := make([]float64, n)
	s := seed*0x9e3779b97f4a7c15 + 1
	for i := range x {
		for range 12 {
			s ^= s << 13
			s ^= s >> 7
			s ^= s << 17
			x[i] += float64(s>>11) / (1 << 53)
		}
		x[i] -= 6
	}
	return x
}

// samplesOf reads float64 out of fuzzed bytes.
func samplesOf(b []byte) []float64 {
	x := make([]float64, 0, len(b)/8+1)
	for ; len(b) >= 8; b = b[8:] {
		bits := uint64(0)
		for _, v := range b[:8] {
			bits = bits<<8 | uint64(v)
		}
		x = append(x, math.Float64frombits(bits))
	}
	for _, v := range b { // the tail: small integers
		x = append(x, float64(int8(v)))
	}
	return x
}

func allFinite(x []float64) bool {
	for _, v := range x {
		if v-v != 0 {
			return false
		}
	}
	return true
}

// mustBeFinite fails where values are not finite and no reason is given.
func mustBeFinite(t *testing.T, what string, why asset.Reason, x ...float64) {
	t.Helper()
	if why == "" && !allFinite(x) {
		t.Fatalf("%s: %v without a reason", what, x)
	}
}

func FuzzFilter(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4, 5, 6, 7}, 4, 100.0, 200.0, 1000.0)
	f.Add([]byte{0x7e, 0x37, 0xe4, 0x3c, 0x88, 0, 0x75, 0x9c}, 2, 1e-3, 499.0, 1000.0)
	f.Fuzz(func(t *testing.T, b []byte, order int, lo, hi, rate float64) {
		x := samplesOf(b)
		finite := allFinite(x)
		designs := make([]Sections, 3)
		designs[0], _ = LowPass(order, lo, rate)
		designs[1], _ = HighPass(order, hi, rate)
		designs[2], _ = BandPass(order, Band{lo, hi}, rate)
		for _, s := range designs {
			if s == nil {
				continue
			}
			if g := s.Gain(hi, rate); !(g >= 0 && g < 1+1e-6) {
				t.Fatalf("gain %g", g)
			}
			y, why := ZeroPhase(nil, s, x)
			if finite {
				mustBeFinite(t, "zero phase", why, y...)
			}
			var state FilterState
			for i, v := range Causal(nil, s, &state, x) {
				if math.IsInf(v, 0) || (math.IsNaN(v) && finite && math.Abs(x[i]) < 1e290 && i == 0) {
					t.Fatalf("sample %d of %v is %g", i, x, v)
				}
			}
			ZeroPhase(nil, s, narrow(x))
		}
	})
}
