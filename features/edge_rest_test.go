package features

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

// TestEdgeMatrixOfGaps: samples lost exactly at the border of two windows belong to
// the second. Blocks in all other disorder are in TestJoin and TestJoinRefuses.
func TestEdgeMatrixOfGaps(t *testing.T) {
	const rate = testRate
	x := strikes(2*25600, rate, 90, 4300, 4, 1)
	var blocks []Block[float32]
	for at := 0; at < len(x); at += 2560 {
		blocks = append(blocks, Block[float32]{recordStart.Add(time.Duration(at) * time.Second / 25600), uint64(at), x[at : at+2560]})
	}
	border := recordStart.Add(time.Second)
	whole := Join(blocks[:10], rate, JoinOptions{From: recordStart, To: border})
	e := NewExtractor(ExtractorOptions{}, testPlate(), nil)
	for _, lost := range []int{0, 1, 2, 3, 100} {
		later := slices.Clone(blocks[10:])
		later[0] = Block[float32]{border.Add(time.Duration(lost) * time.Second / 25600), later[0].Seq, later[0].Samples[lost:]}
		first := Join(append(slices.Clone(blocks[:10]), later...)[:10], rate, JoinOptions{From: recordStart, To: border})
		second := Join(later, rate, JoinOptions{From: border, To: border.Add(time.Second)})
		if !slices.Equal(first.Samples, whole.Samples) || first.Lost != 0 || first.Spectral != "" {
			t.Errorf("%d lost: the first window lacks %g, %q", lost, first.Lost, first.Spectral)
		}
		want := asset.Reason("")
		if lost > 25 { // 0.1 % of the record
			want = ReasonGap
		}
		if second.Spectral != want || second.Lost != float64(lost) || len(second.Samples) != 25600-lost {
			t.Errorf("%d lost: the second has %d samples, lacks %g, %q", lost, len(second.Samples), second.Lost, second.Spectral)
		}
		for _, j := range []Joined[float32]{first, second} {
			v, spectra, _ := e.Extract(testWindow(j.Samples, 1500), true)
			sound(t, "joined", v, spectra)
		}
	}
}

// TestEdgeMatrixOfUnits: a sensor that was swapped for one in g shows in all bands.
// The rest is in TestUnitSwap.
func TestEdgeMatrixOfUnits(t *testing.T) {
	e := NewExtractor(ExtractorOptions{}, testPlate(), nil)
	bands := func(scale float32, seed uint64) []float64 {
		x := strikes(25600, testRate, 90, 4300, 4, seed)
		for i := range x {
			x[i] *= scale
		}
		v, _, _ := e.Extract(testWindow(x, 1500), false)
		var out []float64
		for _, name := range []string{"rms", "band_rms_100_1000", "band_rms_1000_5000", "band_rms_5000_10000"} {
			b, _ := value(t, v, name)
			out = append(out, b)
		}
		return out
	}
	before := bands(1, 1)
	for name, tc := range map[string]struct {
		scale  float32
		factor float64
		why    asset.Reason
	}{
		"as before": {1, 1, ""}, "now in g": {1 / standardGravity, standardGravity, ReasonUnitSwap}, "now in m/s²": {standardGravity, 1 / standardGravity, ReasonUnitSwap}, "twice as loud": {2, 1, ""},
	} {
		k, why := UnitSwap(bands(tc.scale, 2), before)
		if why != tc.why || math.Abs(k-tc.factor) > 1e-12 {
			t.Errorf("%s: factor %g, %q; want %g, %q", name, k, why, tc.factor, tc.why)
		}
	}
}

// TestEdgeMatrixOfSegments: a segment longer than the record shrinks to it.
func TestEdgeMatrixOfSegments(t *testing.T) {
	for _, n := range []int{2, 15, 16, 17, 127, 128, 1009} {
		x := steadyNoise(n, 3)
		tr := newTransforms[float64]()
		w := &welcher[float64]{transforms: &tr}
		p, blocks := w.welch(x, 1000, 4096, 2048, removeMean, hann)
		if p.N != n || blocks != 1 || !allFinite(p.Density) {
			t.Errorf("%d samples in segments of 4096: %d of %d, %v", n, blocks, p.N, p.Density[:min(3, len(p.Density))])
		}
	}
	plate := groupPlate()
	v := extracted(t, NewExtractor(ExtractorOptions{}, plate, nil), groupWindow(plate, "tower", 0, oscillator(200, 25.6, 0.32, 0.02, 1), 12))
	wantMissing(t, v, ReasonShort, "rotor_1p", "acceleration_rms_low", "velocity_rms_low")
}

// TestEdgeMatrixOfStatistics are the cases of what has no window: spreads of zero,
// tails that become exponential, and limits from nothing.
func TestEdgeMatrixOfStatistics(t *testing.T) {
	if s := Robust([]float64{1, 1, 1, 1, 9}); s.MAD != 0 || !math.IsNaN(s.Z(9)) {
		t.Errorf("MAD = 0: %+v, z %g", s, s.Z(9))
	}
	if _, why := Spikes(nil, []float64{0, 0, 0, 0, 9, 0}); why != ReasonFlat {
		t.Errorf("spikes over MAD = 0: %q", why)
	}
	f := learnField(tracked{Field: Field{"a", "x", "1"}, wave: true}, []float64{1, 1, 1, 1, 1, 1, 1, 1, 1, 2}, nil)
	if z := f.z(2, nil); !finite(z) || !(z > 0) { // the field's floor takes the place of the MAD
		t.Errorf("z over MAD = 0: %g of %+v", z, f)
	}
	exponential := GPD{T: 3, Sigma: 2, Share: 0.02}
	for _, xi := range []float64{1e-300, 1e-12, 1.1e-9, 1e-7, -1e-7, -1.1e-9, -1e-12} {
		g := exponential
		g.Xi = xi
		within(t, fmt.Sprintf("quantile at ξ = %g", xi), g.Quantile(1e-6), asset.Number(exponential.Quantile(1e-6)), 0, 1e-5)
	}
	rng := rand.New(rand.NewPCG(5, 5))
	peaks, scores := make([]float64, 4000), make([]float64, 200000)
	for i := range peaks {
		peaks[i] = rng.ExpFloat64()
	}
	for i := range scores {
		scores[i] = rng.ExpFloat64()
	}
	xi, sigma, why := FitExcesses(peaks)
	if why != "" || math.Abs(xi) > 0.05 || math.Abs(sigma-1) > 0.06 {
		t.Errorf("exponential excesses: ξ %g, σ %g, %q", xi, sigma, why)
	}
	if g, ok := FitGPD(scores, 0.98); !ok || math.Abs(g.Xi) > 0.06 || math.Abs(g.Quantile(1e-5)-math.Log(1e5)) > 1 {
		t.Errorf("exponential scores: %+v, %v", g, ok)
	}
	if p, limit := ConformalP(nil, 1), ConformalLimit(nil, 0.01); p != 1 || !math.IsNaN(limit) {
		t.Errorf("calibrated on nothing: p %g, limit %g", p, limit)
	}
	if c := calibrate(nil); !math.IsNaN(c.Limit(0.01)) || !math.IsNaN(c.P(1)) {
		t.Errorf("calibrated on nothing: %+v", c)
	}
	for n, want := range map[int]float64{98: math.NaN(), 99: 99, 100: 100} {
		sorted := make([]float64, n)
		for i := range sorted {
			sorted[i] = float64(i + 1)
		}
		within(t, fmt.Sprintf("limit of %d scores", n), ConformalLimit(sorted, 0.01), asset.Number(want), 0, 0)
	}
}

// TestEdgeMatrixOfTelemetry runs scalars at the edges through a monitor of everything
// that is derived, while it learns and after. Of baselines and residuals alone they
// are in TestMonitorEdges; what never gets so far in TestCheckRefuses of ingest.
func TestEdgeMatrixOfTelemetry(t *testing.T) {
	all := func(x *state, v float64) { *x = state{v, v, v, v, v, v, v, v, v, v} }
	const learn, rows = 320, 420 // regimes ask for two days
	for name, tc := range map[string]struct {
		change func(int, *state)
		stamp  func(int) int // in minutes
	}{
		"all NaN":       {change: func(_ int, x *state) { all(x, math.NaN()) }},
		"single NaN":    {change: func(row int, x *state) { x.wind = []float64{x.wind, math.NaN()}[row%2] }},
		"Inf":           {change: func(row int, x *state) { all(x, math.Inf(row%2*2-1)) }},
		"huge 1e300":    {change: func(row int, x *state) { all(x, 1e300*float64(row%2*2-1)) }},
		"denormal":      {change: func(row int, x *state) { all(x, 5e-324*float64(row%3)) }},
		"constant":      {change: func(_ int, x *state) { all(x, 7) }},
		"zero":          {change: func(_ int, x *state) { all(x, 0) }},
		"all negative":  {change: func(row int, x *state) { all(x, -1-float64(row%5)) }},
		"1e6 and 1e-3":  {change: func(row int, x *state) { all(x, 1e6+1e-3*math.Sin(float64(row))) }},
		"MAD = 0":       {change: func(row int, x *state) { all(x, 500+float64(row%10/9)) }},
		"standstill":    {change: func(_ int, x *state) { x.speed, x.power = 0, 0 }},
		"turning back":  {change: func(_ int, x *state) { x.speed, x.power = -x.speed, -x.power }},
		"rpm jumps":     {change: func(row int, x *state) { x.speed = []float64{6, 15}[row/3%2] }},
		"begins late":   {change: func(row int, x *state) { x.oil = []float64{math.NaN(), x.oil}[min(row/200, 1)] }},
		"ends early":    {change: func(row int, x *state) { x.oil = []float64{x.oil, math.NaN()}[min(row/learn, 1)] }},
		"swapped units": {change: func(row int, x *state) { x.rms /= []float64{1, standardGravity}[min(row/learn, 1)] }},
		"same stamps":   {stamp: func(row int) int { return row / 2 * 10 }},
		"back by a day": {stamp: func(row int) int { return 10*row - 1440*min(row/350, 1) }},
		"leap second":   {stamp: func(row int) int { return 10*row - min(row/350, 1) }},
		"a gap of days": {stamp: func(row int) int { return 10*row + 14400*min(row/350, 1) }},
		"one instant":   {stamp: func(int) int { return 0 }},
	} {
		t.Run(name, func(t *testing.T) {
			m, r := mustMonitor(t, plantOptions(), plantPlate(learn)), newPlant(3)
			for row := range rows {
				s := r.next(tc.change)
				if tc.stamp != nil {
					s.Time = monitorStart.Add(time.Duration(tc.stamp(row)) * time.Minute)
				}
				for i := range s.Vectors { // as the extractor hands them on
					v := &s.Vectors[i]
					for j, x := range v.Values {
						if x-x != 0 {
							if v.Reasons == nil {
								v.Reasons = make([]asset.Reason, len(v.Fields))
							}
							v.Values[j], v.Reasons[j] = math.NaN(), ReasonNonFinite
						}
					}
				}
				for _, a := range m.Observe(s) {
					for _, v := range []asset.Number{a.Score, a.Limit, a.P, asset.Number(a.Trust)} {
						if math.IsInf(float64(v), 0) || a.Trust > 0 && !a.Score.Known() {
							t.Fatalf("row %d: %+v", row, a)
						}
					}
				}
				for _, v := range s.Vectors {
					sound(t, fmt.Sprintf("row %d", row), v, nil)
				}
			}
			for _, b := range m.Budget() {
				if math.IsInf(b.PerYear, 0) || b.P < 0 || b.P > 1 {
					t.Errorf("%+v", b)
				}
			}
		})
	}
}
