package features

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/telltale-iot/telltale/asset"
)

// The stream's first fit and limit are the reference's; its rows state a limit for
// several q of one fit.
func TestReferenceSPOTStream(t *testing.T) {
	r := readSignalReference[spotInput, spotOutput](t, "spot_evt")
	for _, c := range r.Cases {
		if len(c.Inputs.X) == 0 {
			for i, xi := range c.Inputs.Xi {
				s := SPOT{Options: SPOTOptions{Q: c.Inputs.Q.(float64)}, Tail: GPD{T: c.Inputs.T, Xi: xi, Sigma: c.Inputs.Sigma}, N: c.Inputs.N, Clusters: c.Inputs.Peaks}
				if why := s.rate(); why != "" {
					t.Fatal(why)
				}
				within(t, c.ID+" z_q", s.Limit, c.Outputs.ZQ[i], 0, 1e-9)
			}
			continue
		}
		for i, q := range c.Inputs.Q.([]any) {
			o := SPOTOptions{Level: c.Inputs.Level, Q: q.(float64), Run: -1, MinScores: len(c.Inputs.X)}
			s, why := LearnSPOT(c.Inputs.X, o)
			if why != "" {
				t.Fatalf("%s: %s", c.ID, why)
			}
			if s.Clusters != c.Outputs.Peaks || math.Abs(s.Tail.T-c.Outputs.T) > 1e-9 {
				t.Errorf("%s: %d peaks above %g, want %d above %g", c.ID, s.Clusters, s.Tail.T, c.Outputs.Peaks, c.Outputs.T)
			}
			var peaks []float64
			for _, x := range c.Inputs.X {
				if x > s.Tail.T {
					peaks = append(peaks, x-s.Tail.T)
				}
			}
			if l := gpdLogLik(peaks, s.Tail.Xi, s.Tail.Sigma); l < c.Outputs.LogLik-1e-3 {
				t.Errorf("%s: log likelihood %g, want at least %g", c.ID, l, c.Outputs.LogLik-1e-3)
			}
			within(t, c.ID+" z_q", s.Limit, c.Outputs.ZQ[i], 0, 0.01)
			f, why := LearnSPOT(narrow(c.Inputs.X), o)
			if why != "" {
				t.Fatalf("%s float32: %s", c.ID, why)
			}
			near(t, c.ID+" z_q", []float64{f.Limit}, []asset.Number{asset.Number(s.Limit)})
		}
	}
}

func TestFitExcesses(t *testing.T) {
	for _, want := range []float64{-0.3, 0, 1e-12, 0.2, 0.4} {
		rng := rand.New(rand.NewPCG(3, 9))
		e := make([]float64, 4000)
		for i := range e {
			u := 1 - rng.Float64()
			if e[i] = -2 * math.Log(u); math.Abs(want) > 1e-9 {
				e[i] = 2 / want * (math.Pow(u, -want) - 1)
			}
		}
		xi, sigma, why := FitExcesses(e)
		if why != "" || math.Abs(xi-want) > 0.06 || math.Abs(sigma-2) > 0.15 {
			t.Errorf("ξ = %g: %g, σ %g, %q; want σ 2", want, xi, sigma, why)
		}
		// The moments need more values for the same certainty; 25 of them are a
		// quantile sample without scatter.
		few := make([]float64, 25)
		for i := range few {
			u := 1 - (float64(i)+0.65)/25
			if few[i] = -2 * math.Log(u); math.Abs(want) > 1e-9 {
				few[i] = 2 / want * (math.Pow(u, -want) - 1)
			}
		}
		xi, sigma, why = FitExcesses(few)
		if why != "" || math.Abs(xi-want) > 0.15 || math.Abs(sigma-2) > 0.4 {
			t.Errorf("25 excesses of ξ = %g: %g, σ %g, %q", want, xi, sigma, why)
		}
	}
	heavy := make([]float64, 200)
	for i := range heavy {
		heavy[i] = math.Pow((float64(i)+0.5)/200, -1.5)
	}
	many := func(v float64) []float64 {
		return append(heavy[:0:0], v, v, v, v, v, v, v, v, v, v, v, v, v, v, v, v, v, v, v, v)
	}
	for name, tc := range map[string]struct {
		e    []float64
		want asset.Reason
	}{
		"empty": {nil, ReasonFew}, "19": {heavy[:19], ReasonFew}, "heavy": {heavy, ReasonTail}, "zero": {many(0), ReasonUndefined},
		"NaN": {many(math.NaN()), ReasonUndefined}, "Inf": {many(math.Inf(1)), ReasonUndefined}, "negative": {many(-1), ReasonUndefined},
		"equal": {many(3), ReasonTail},
	} {
		if xi, sigma, why := FitExcesses(tc.e); why != tc.want || !math.IsNaN(xi) || !math.IsNaN(sigma) {
			t.Errorf("%s: ξ %g σ %g %q, want %q", name, xi, sigma, why, tc.want)
		}
	}
	for _, size := range []float64{1e-300, 1e300} {
		e := make([]float64, 50)
		for i := range e {
			e[i] = -size * math.Log(1-(float64(i)+0.5)/50)
		}
		if xi, sigma, why := FitExcesses(e); why != "" || math.Abs(sigma/size-1) > 0.1 || math.Abs(xi) > 0.1 {
			t.Errorf("size %g: ξ %g σ %g %q", size, xi, sigma, why)
		}
	}
}

// On autocorrelated noise the episodes per score are what q says, on average over
// streams that each learn their own limit.
func TestSPOTFalseAlarms(t *testing.T) {
	const q, phi, learn, watch, streams = 1e-3, 0.8, 10000, 30000, 20
	rng := rand.New(rand.NewPCG(5, 11))
	episodes, naive, refused := 0, 0, 0
	for range streams {
		x, v := make([]float64, learn+watch), 0.0
		for i := range x {
			v = phi*v + math.Sqrt(1-phi*phi)*rng.NormFloat64()
			x[i] = v
		}
		for _, run := range []int{0, -1} {
			s, why := LearnSPOT(x[:learn], SPOTOptions{Q: q, Run: run})
			if why != "" {
				refused++
				continue
			}
			last := -100
			for i, v := range x[learn:] {
				if alarm, _ := s.Step(v); alarm {
					if i-last > 6 {
						if run == 0 {
							episodes++
						} else {
							naive++
						}
					}
					last = i
				}
			}
		}
	}
	if refused > 2 {
		t.Errorf("%d of %d fits refused", refused, 2*streams)
	}
	per := float64(episodes) / (streams * watch)
	t.Logf("%.2e episodes per score with declustering, %.2e without, q = %g", per, float64(naive)/(streams*watch), q)
	if per < 0.7*q || per > 1.4*q {
		t.Errorf("%g episodes per score, want about %g", per, q)
	}
}

func TestSPOTState(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 3))
	x := make([]float64, 6000)
	for i := range x {
		x[i] = rng.ExpFloat64()
	}
	x[2500], x[3001], x[4000] = 40, math.NaN(), math.Inf(1)
	whole, why := LearnSPOT(x[:2000], SPOTOptions{})
	if why != "" {
		t.Fatal(why)
	}
	within(t, "limit", whole.Limit, asset.Number(-math.Log(1e-4)), 2.5, 0)
	alarms := 0
	kept, _ := json.Marshal(whole)
	var parts SPOT
	if err := json.Unmarshal(kept, &parts); err != nil {
		t.Fatal(err)
	}
	for i, v := range x[2000:] {
		a, why := whole.Step(v)
		if finite(v) != (why == "") {
			t.Errorf("%g: %q", v, why)
		}
		if a {
			alarms++
		}
		if b, _ := parts.Step(v); a != b {
			t.Fatalf("score %d: alarm %v whole, %v in parts", i, a, b)
		}
		if i%97 == 0 {
			kept, _ := json.Marshal(parts)
			parts = SPOT{}
			if err := json.Unmarshal(kept, &parts); err != nil {
				t.Fatal(err)
			}
		}
	}
	if !reflect.DeepEqual(whole, parts) {
		t.Errorf("whole %+v, in parts %+v", whole, parts)
	}
	if alarms < 1 || alarms > 4 {
		t.Errorf("%d alarms", alarms)
	}
	// A lasting fault must not teach its own level.
	before := whole.Limit
	for range 5000 {
		whole.Step(30)
	}
	if whole.Limit != before {
		t.Errorf("limit moved from %g to %g in a lasting alarm", before, whole.Limit)
	}
}

func TestTwoSidedSPOT(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 8))
	x := make([]float64, 5000)
	for i := range x {
		x[i] = rng.NormFloat64()
	}
	s, why := LearnTwoSidedSPOT(narrow(x), SPOTOptions{})
	if why != "" {
		t.Fatal(why)
	}
	for v, want := range map[float64]int{0: 0, 9: 1, -9: -1} {
		if side, why := s.Step(v); side != want || why != "" {
			t.Errorf("%g: side %d %q, want %d", v, side, why, want)
		}
	}
	if side, why := s.Step(math.NaN()); side != 0 || why != ReasonNonFinite {
		t.Errorf("NaN: %d %q", side, why)
	}
}

func TestSPOTEdges(t *testing.T) {
	flat := make([]float64, 1000)
	ramp := make([]float64, 1000)
	for i := range ramp {
		ramp[i] = float64(i)
	}
	huge := append([]float64{-1.7e308, 1.7e308}, ramp...)
	for name, tc := range map[string]struct {
		x    []float64
		o    SPOTOptions
		want asset.Reason
	}{
		"empty": {nil, SPOTOptions{}, ReasonFew}, "999": {ramp[:999], SPOTOptions{}, ReasonFew}, "constant": {flat, SPOTOptions{}, ReasonFew},
		"one cluster": {ramp, SPOTOptions{}, ReasonFew}, "level": {ramp, SPOTOptions{Level: 2}, ReasonUndefined},
		"uniform tail": {ramp, SPOTOptions{Run: -1, Level: 0.9}, ReasonTail}, "huge": {huge, SPOTOptions{Run: -1}, ReasonTail},
	} {
		if s, why := LearnSPOT(tc.x, tc.o); why != tc.want {
			t.Errorf("%s: %+v %q, want %q", name, s, why, tc.want)
		}
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range ramp {
		ramp[i] = rng.ExpFloat64()
	}
	if _, why := LearnSPOT(ramp, SPOTOptions{Run: -1, Level: 0.9, Q: 0.2}); why != ReasonUndefined {
		t.Errorf("q below the tail's start: %q", why)
	}
}

func FuzzSPOT(f *testing.F) {
	f.Add(uint64(1), 1.0, 0.0, 1e-4, int8(0))
	f.Add(uint64(2), 1e300, -1e300, 1e-12, int8(-1))
	f.Add(uint64(3), 5e-324, 0.0, 0.01, int8(2))
	f.Fuzz(func(t *testing.T, seed uint64, size, shift, q float64, run int8) {
		rng := rand.New(rand.NewPCG(seed, 1))
		x := make([]float64, 400)
		for i := range x {
			x[i] = shift + size*rng.ExpFloat64()
		}
		s, why := LearnTwoSidedSPOT(x[:300], SPOTOptions{MinScores: 100, Level: 0.8, Q: q, Run: int(run)})
		if why != "" {
			return
		}
		for _, v := range x[300:] {
			s.Step(v)
			if !finite(s.Up.Limit, s.Down.Limit, s.Up.Tail.Xi, s.Up.Tail.Sigma, s.Up.Tail.Share) || s.Up.Limit < s.Up.Tail.T {
				t.Fatalf("%+v", s)
			}
		}
	})
}

func FuzzFitExcesses(f *testing.F) {
	f.Add(uint64(1), 1.0, 0.1, uint8(100))
	f.Add(uint64(2), 1e300, -0.4, uint8(25))
	f.Add(uint64(3), 5e-324, 3.0, uint8(20))
	f.Fuzz(func(t *testing.T, seed uint64, size, shape float64, n uint8) {
		rng := rand.New(rand.NewPCG(seed, 1))
		e := make([]float64, n)
		for i := range e {
			e[i] = size * math.Pow(1-rng.Float64(), -shape)
		}
		xi, sigma, why := FitExcesses(e)
		if why == "" && (!finite(xi, sigma) || !(sigma > 0) || math.Abs(xi) > 0.5) {
			t.Errorf("ξ %g σ %g", xi, sigma)
		}
	})
}
