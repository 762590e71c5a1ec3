package features

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/telltale-iot/telltale/asset"
)

func hitsOf[T float32 | float64](t *testing.T, o HitOptions, x []T, block int) []Hit {
	t.Helper()
	d, why := NewHitDetector(o)
	if why != "" {
		t.Fatal(why)
	}
	var out []Hit
	for b := range slices.Chunk(x, max(block, 1)) {
		out = Hits(out, &d, b)
		// What is stored between two blocks is the whole state.
		kept, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		d = HitDetector{}
		if err := json.Unmarshal(kept, &d); err != nil {
			t.Fatal(err)
		}
	}
	return d.Flush(out)
}

func TestReferenceAcousticEmission(t *testing.T) {
	type in struct {
		V         []float64 `json:"v_uV"`
		FS        float64
		Threshold float64 `json:"threshold_db"`
		HDT       float64 `json:"hdt_s"`
		HLT       float64 `json:"hlt_s"`
	}
	type hit struct {
		Start, End, Counts int64
		Peak               int64        `json:"peak_index"`
		Duration           asset.Number `json:"duration_us"`
		Rise               asset.Number `json:"rise_us"`
		Amplitude          asset.Number `json:"amplitude_db"`
		Energy             asset.Number `json:"energy_uV2s"`
	}
	type out struct {
		Hits []hit
		N    int `json:"n_hits"`
	}
	r := readSignalReference[in, out](t, "acoustic_emission")
	for _, c := range r.Cases {
		o := HitOptions{RateHz: c.Inputs.FS, ThresholdDB: c.Inputs.Threshold, HDTs: c.Inputs.HDT, HLTs: c.Inputs.HLT}
		got := hitsOf(t, o, c.Inputs.V, len(c.Inputs.V))
		if len(got) != c.Outputs.N {
			t.Fatalf("%s: %d hits, want %d", c.ID, len(got), c.Outputs.N)
		}
		for i, want := range c.Outputs.Hits {
			h := got[i]
			if h.Start != want.Start || h.End != want.End || h.Peak != want.Peak || int64(h.Counts) != want.Counts {
				t.Errorf("%s: hit %+v, want %+v", c.ID, h, want)
			}
			r.agree(t, c.ID+" duration", h.DurationS*1e6, want.Duration)
			r.agree(t, c.ID+" rise", h.RiseS*1e6, want.Rise)
			r.agree(t, c.ID+" amplitude", h.AmplitudeDB, want.Amplitude)
			r.agree(t, c.ID+" energy", h.EnergyUV2S, want.Energy)
		}
		for _, block := range []int{1, 7, 512} {
			if part := hitsOf(t, o, c.Inputs.V, block); !slices.Equal(part, got) {
				t.Errorf("%s: in blocks of %d %+v, whole %+v", c.ID, block, part, got)
			}
		}
		single := hitsOf(t, o, narrow(c.Inputs.V), 512)
		if len(single) != len(got) {
			t.Fatalf("%s: %d hits from float32, want %d", c.ID, len(single), len(got))
		}
		column := func(h []Hit, f func(Hit) float64) (v []float64) {
			for _, a := range h {
				v = append(v, f(a))
			}
			return v
		}
		for what, f := range map[string]func(Hit) float64{
			"amplitude": func(h Hit) float64 { return h.AmplitudeDB }, "energy": func(h Hit) float64 { return h.EnergyUV2S },
			"duration": func(h Hit) float64 { return h.DurationS }, "rise": func(h Hit) float64 { return h.RiseS },
		} {
			var want []asset.Number
			for _, v := range column(got, f) {
				want = append(want, asset.Number(v))
			}
			near(t, c.ID+" "+what, column(single, f), want)
		}
	}
}

func TestReferenceAEBValue(t *testing.T) {
	type in struct {
		Amplitude []float64 `json:"amplitude_db"`
		MC        float64
	}
	type out struct {
		B      asset.Number `json:"b_aki"`
		StdErr asset.Number `json:"b_std_err"`
		Truth  float64      `json:"b_truth"`
	}
	r := readSignalReference[in, out](t, "ae_bvalue")
	for _, c := range r.Cases {
		b, why := BValueOf(c.Inputs.Amplitude, c.Inputs.MC)
		if why != "" {
			t.Fatalf("%s: %s", c.ID, why)
		}
		r.agree(t, c.ID+" b", b.B, c.Outputs.B)
		r.agree(t, c.ID+" error", b.StdErr, c.Outputs.StdErr)
		if math.Abs(b.B-c.Outputs.Truth) > 4*b.StdErr {
			t.Errorf("%s: b = %g ± %g, true %g", c.ID, b.B, b.StdErr, c.Outputs.Truth)
		}
		b, _ = BValueOf(narrow(c.Inputs.Amplitude), c.Inputs.MC)
		near(t, c.ID+" b", []float64{b.B}, []asset.Number{c.Outputs.B})
		near(t, c.ID+" error", []float64{b.StdErr}, []asset.Number{c.Outputs.StdErr})
	}
}

func TestHitTimings(t *testing.T) {
	// Threshold 0 dB is written as a small number, since 0 asks for the default: 1 µV.
	o := HitOptions{RateHz: 1e6, ThresholdDB: 1e-12, HDTs: 5e-6, HLTs: 10e-6}
	x := make([]float64, 100)
	for i, v := range map[int]float64{10: 2, 15: -4, 20: 3, 28: 9, 35: 9, 36: -9, 37: 9, 90: -2} {
		x[i] = v
	}
	// 20 is within the definition time of 15; the hit ends at 26, and 28 to 35 are locked out.
	got := hitsOf(t, o, x, 100)
	want := [][4]int64{{10, 20, 15, 2}, {36, 37, 36, 1}, {90, 90, 90, 0}}
	if len(got) != len(want) {
		t.Fatalf("hits %+v, want %v", got, want)
	}
	for i, w := range want {
		if h := got[i]; [4]int64{h.Start, h.End, h.Peak, int64(h.Counts)} != w {
			t.Errorf("hit %+v, want %v", h, w)
		}
	}
	within(t, "RA", got[0].RASPerV, 5e-6/4e-6, 1e-12, 0)
	within(t, "frequency", got[0].FrequencyHz, 2/10e-6, 1e-6, 0)
	if !math.IsNaN(got[2].FrequencyHz) {
		t.Errorf("frequency %g of a hit of one sample, want missing", got[2].FrequencyHz)
	}
	o.HLTs = -1
	if got = hitsOf(t, o, x, 3); len(got) != 4 {
		t.Errorf("%d hits without lockout, want 4", len(got))
	}
	// A larger value that comes later than the peak definition time is another arrival.
	o.PDTs, o.HDTs = 5e-6, 20e-6
	x = make([]float64, 50)
	x[5], x[9], x[20] = 2, 3, 50
	if got = hitsOf(t, o, x, 50); len(got) != 1 || got[0].Peak != 9 || got[0].End != 20 {
		t.Errorf("hits %+v, want one with its peak at 9 and its end at 20", got)
	}
	if c := (HitOptions{RateHz: 1e6}).CompositeTiming(); c.HDTs != 150e-6 || c.RateHz != 1e6 {
		t.Errorf("composite timings %+v", c)
	}
}

func TestAcousticEdges(t *testing.T) {
	for _, o := range []HitOptions{{}, {RateHz: math.NaN()}, {RateHz: -1}, {RateHz: math.Inf(1)}} {
		if _, why := NewHitDetector(o); why != ReasonRate {
			t.Errorf("%+v: %q, want %q", o, why, ReasonRate)
		}
	}
	if _, why := NewHitDetector(HitOptions{RateHz: 1, ThresholdDB: math.NaN()}); why != ReasonUndefined {
		t.Errorf("threshold NaN: %q", why)
	}
	o := HitOptions{RateHz: 1e6}
	for name, x := range map[string][]float64{
		"empty": nil, "one sample": {0}, "constant": slices.Repeat([]float64{5}, 9), "denormal": {5e-324, -5e-324},
		"all NaN": {math.NaN(), math.NaN()}, "infinite": {math.Inf(1)},
	} {
		if got := hitsOf(t, o, x, 4); len(got) != 0 {
			t.Errorf("%s: hits %+v", name, got)
		}
	}
	huge := hitsOf(t, o, []float64{1e300, math.NaN(), -1e300}, 1)
	if len(huge) != 1 || !math.IsNaN(huge[0].EnergyUV2S) || math.Abs(huge[0].AmplitudeDB-6000) > 1e-9 {
		t.Errorf("huge: %+v, want one hit of 6000 dB and missing energy", huge)
	}
	var a HitActivity
	if h, c, e := a.PerMinute(); !math.IsNaN(h) || !math.IsNaN(c) || !math.IsNaN(e) {
		t.Errorf("rates %g %g %g before any time, want missing", h, c, e)
	}
	a = a.Step(huge, 30).Step([]Hit{{Counts: 3, EnergyUV2S: 2}}, 0).Step(nil, math.NaN())
	if h, c, e := a.PerMinute(); h != 4 || c != 8 || e != 4 {
		t.Errorf("rates %g %g %g, want 4, 8 and 4", h, c, e)
	}
	loud := slices.Repeat([]float64{60}, 49)
	for name, tc := range map[string]struct {
		x    []float64
		mc   float64
		want asset.Reason
	}{
		"empty": {nil, 2, ReasonEmpty}, "49": {loud, 2, ReasonFew}, "NaN": {append(loud, math.NaN()), 2, ReasonNonFinite},
		"at M_c": {append(loud, 60), 3, ReasonFlat}, "below M_c": {append(loud, 60), 4, ReasonFew},
		"M_c NaN": {append(loud, 60), math.NaN(), ReasonNonFinite},
	} {
		if b, why := BValueOf(tc.x, tc.mc); why != tc.want || !math.IsNaN(b.B) {
			t.Errorf("%s: %+v %q, want %q", name, b, why, tc.want)
		}
	}
	within(t, "M_c", CompleteMagnitude(42), 2.25, 1e-12, 0)
}

func FuzzHits(f *testing.F) {
	f.Add(uint64(1), 200.0, 1e6, 40.0, 1e-5, 2e-5, uint8(7))
	f.Add(uint64(2), 1e300, 1e3, -5.0, 0.0, -1.0, uint8(1))
	f.Fuzz(func(t *testing.T, seed uint64, size, rate, threshold, hdt, hlt float64, block uint8) {
		o := HitOptions{RateHz: rate, ThresholdDB: threshold, HDTs: hdt, HLTs: hlt, PDTs: hdt / 3}
		whole, why := NewHitDetector(o)
		if why != "" {
			return
		}
		rng := rand.New(rand.NewPCG(seed, 1))
		x := make([]float64, 300)
		for i := range x {
			x[i] = size * rng.NormFloat64() * rng.Float64()
		}
		parts := whole
		a := whole.Flush(Hits(nil, &whole, x))
		var b []Hit
		for c := range slices.Chunk(x, int(block)+1) {
			b = Hits(b, &parts, c)
		}
		b = parts.Flush(b)
		if len(a) != len(b) {
			t.Fatalf("%d hits whole, %d in blocks", len(a), len(b))
		}
		last := int64(-1)
		db := make([]float64, len(a))
		for i, h := range a {
			if h != b[i] && !math.IsNaN(h.EnergyUV2S+h.FrequencyHz+h.RASPerV) {
				t.Errorf("whole %+v, in blocks %+v", h, b[i])
			}
			if h.Start <= last || h.Start > h.Peak || h.Peak > h.End || !finite(h.AmplitudeDB, h.DurationS, h.RiseS) {
				t.Errorf("hit %+v after %d", h, last)
			}
			if math.IsInf(h.EnergyUV2S, 0) || math.IsInf(h.FrequencyHz, 0) || math.IsInf(h.RASPerV, 0) {
				t.Errorf("infinite in %+v", h)
			}
			last, db[i] = h.End, h.AmplitudeDB
		}
		for _, v := range []float64{rate, hdt} {
			h, c, e := (HitActivity{}).Step(a, v).PerMinute()
			if math.IsInf(h, 0) || math.IsInf(c, 0) || math.IsInf(e, 0) {
				t.Errorf("rates %g %g %g", h, c, e)
			}
		}
		if v, why := BValueOf(db, threshold/20); why == "" && !finite(v.B, v.StdErr) {
			t.Errorf("b %+v", v)
		}
	})
}
