package features

import (
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/telltale-iot/telltale/asset"
)

const testRate = 25600.0

// testPlate is a rig with one bearing of nine elements on the channel "a".
func testPlate() asset.Nameplate {
	return asset.Nameplate{
		ID:         "rig",
		Components: []asset.Component{{Name: "bearing", Bearing: &asset.Bearing{RollingElements: 9, ElementDiameterMM: 7.94, PitchDiameterMM: 39.04}}},
		Channels:   []asset.Channel{{Name: "a", Kind: "acceleration", Unit: "g", RateHz: testRate, Component: "bearing"}},
		Metrics:    []asset.Metric{{Name: "temperature", Unit: "°C"}, {Name: "power", Unit: "MW"}},
	}
}

func testWindow(x []float32, rpm float64) asset.Window {
	return asset.Window{
		Asset: "rig", Component: "bearing", Channel: "a", Kind: "acceleration", Unit: "m/s²",
		RateHz: testRate, Samples: x, SpeedRpm: asset.Number(rpm), Quality: 100,
	}
}

// strikes is noise in which a resonance at carrier Hz rings at every strike.
func strikes(n int, rateHz, strikeHz, carrier, height float64, seed uint64) []float32 {
	rng := rand.New(rand.NewPCG(seed, 1))
	x := make([]float32, n)
	for i := range x {
		t := float64(i) / rateHz
		since := math.Mod(t, 1/strikeHz)
		ring := height * math.Exp(-since*800) * math.Sin(2*math.Pi*carrier*since)
		x[i] = float32(ring + rng.NormFloat64())
	}
	return x
}

func noise(n int, seed uint64) []float32 { return strikes(n, testRate, 1, 1, 0, seed) }

func value(t *testing.T, v Vector, name string) (float64, asset.Reason) {
	t.Helper()
	i := slices.IndexFunc(v.Fields, func(f Field) bool { return f.Name == name })
	if i < 0 {
		t.Fatalf("no field %s in %v", name, v.Fields)
	}
	if v.Reasons == nil {
		return v.Values[i], ""
	}
	return v.Values[i], v.Reasons[i]
}

func TestExtractNamesTheDefect(t *testing.T) {
	o := OrdersOf(*testPlate().Components[0].Bearing)
	e := NewExtractor(ExtractorOptions{}, testPlate(), nil)
	for name, tc := range map[string]struct {
		order float64
		want  asset.Mode
	}{
		"outer race": {o.BPFO, asset.OuterRace},
		"inner race": {o.BPFI, asset.InnerRace},
		"element":    {2 * o.BSF, asset.RollingElement},
	} {
		for _, slip := range []float64{0, -0.015} {
			t.Run(fmt.Sprintf("%s slip %g", name, slip), func(t *testing.T) {
				x := strikes(int(testRate), testRate, tc.order*25*(1+slip), 4300, 4, 7)
				v, _, _ := e.Extract(testWindow(x, 1500), true)
				mode, weights := Diagnose(DefectScoresOf(v))
				if mode != tc.want || weights[mode] < 0.5 {
					t.Errorf("mode %q weighs %.2f, want %q", mode, weights[mode], tc.want)
				}
			})
		}
	}
}

func TestExtractScoresNoiseLow(t *testing.T) {
	e := NewExtractor(ExtractorOptions{}, testPlate(), nil)
	for seed := range uint64(50) {
		v, _, _ := e.Extract(testWindow(noise(int(testRate), seed), 1500), true)
		for _, s := range DefectScoresOf(v) {
			if !(s.DB < 6) {
				t.Errorf("seed %d: %s scores %.1f dB on noise", seed, s.Mode, s.DB)
			}
		}
	}
}

func TestExtractFindsABandNobodyChose(t *testing.T) {
	o := OrdersOf(*testPlate().Components[0].Bearing)
	for name, opt := range map[string]ExtractorOptions{"merged": {}, "kurtogram": {Kurtogram: true}, "fixed": {Envelope: Band{8000, 10000}}} {
		t.Run(name, func(t *testing.T) {
			x := strikes(int(testRate), testRate, o.BPFO*25, 9000, 6, 3)
			for i := range x { // a loud line elsewhere
				x[i] += float32(20 * math.Sin(2*math.Pi*1234*float64(i)/testRate))
			}
			v, _, _ := NewExtractor(opt, testPlate(), nil).Extract(testWindow(x, 1500), true)
			if db, _ := value(t, v, "defect_bpfo"); db < 10 {
				t.Errorf("defect_bpfo = %.1f dB, want above 10", db)
			}
			if n, _ := value(t, v, "found_bpfo"); n != 3 {
				t.Errorf("found_bpfo = %g, want 3", n)
			}
		})
	}
}

func TestExtractWhenItCannot(t *testing.T) {
	good := noise(2560, 1)
	nan := slices.Clone(good)
	nan[17] = float32(math.NaN())
	for name, tc := range map[string]struct {
		samples []float32
		rate    float64
		rpm     float64
		field   string
		want    asset.Reason
	}{
		"empty":             {nil, testRate, 1500, "rms", ReasonEmpty},
		"one NaN":           {nan, testRate, 1500, "rms", ReasonNonFinite},
		"infinite":          {[]float32{1, float32(math.Inf(1))}, testRate, 1500, "rms", ReasonNonFinite},
		"constant":          {slices.Repeat([]float32{2.5}, 100), testRate, 1500, "rms", ReasonFlat},
		"one sample":        {[]float32{3}, testRate, 1500, "rms", ReasonFlat},
		"stuck":             {append(slices.Repeat([]float32{2.5}, 999), 2.6), testRate, 1500, "peak", ReasonFlat},
		"no rate":           {good, 0, 1500, "centroid", ReasonRate},
		"rate not a number": {good, math.NaN(), 1500, "centroid", ReasonRate},
		"few samples":       {good[:8], testRate, 1500, "centroid", ReasonShort},
		"standstill":        {good, testRate, 0, "defect_bpfo", ReasonStandstill},
		"turning back":      {good, testRate, -1500, "harmonic_1x", ReasonStandstill},
		"speed not known":   {good, testRate, math.NaN(), "harmonic_1x", ReasonNoSpeed},
		"too few strikes":   {good, testRate, 600, "defect_bpfo", ReasonShort},
		"defect beyond":     {good, testRate, 400000, "defect_bpfi", ReasonAlias},
		"shaft beyond":      {good, testRate, 500000, "harmonic_2x", ReasonAlias},
	} {
		t.Run(name, func(t *testing.T) {
			w := testWindow(tc.samples, tc.rpm)
			w.RateHz = tc.rate
			v, _, err := NewExtractor(ExtractorOptions{}, testPlate(), nil).Extract(w, true)
			if err != nil {
				t.Fatal(err)
			}
			if got, why := value(t, v, tc.field); !math.IsNaN(got) || why != tc.want {
				t.Errorf("%s = %g, %q, want missing, %q", tc.field, got, why, tc.want)
			}
		})
	}
}

func TestExtractStandstillKeepsTheRest(t *testing.T) {
	v, _, _ := NewExtractor(ExtractorOptions{}, testPlate(), nil).Extract(testWindow(noise(25600, 1), 0), true)
	for _, name := range []string{"rms", "kurtosis", "velocity_rms", "band_rms_10_100", "entropy", "envelope_rms"} {
		if got, why := value(t, v, name); math.IsNaN(got) {
			t.Errorf("%s is missing at standstill: %s", name, why)
		}
	}
}

func TestExtractFieldsAreFixed(t *testing.T) {
	e := NewExtractor(ExtractorOptions{}, testPlate(), nil)
	first, _, _ := e.Extract(testWindow(noise(2560, 1), 1500), true)
	odd := testWindow(nil, math.NaN())
	odd.RateHz, odd.Kind, odd.Unit = 100, "", "g"
	second, _, _ := e.Extract(odd, true)
	if !reflect.DeepEqual(first.Fields, second.Fields) {
		t.Errorf("fields differ:\n%v\n%v", first.Fields, second.Fields)
	}
	var names []string
	for _, f := range first.Fields {
		names = append(names, f.Name)
	}
	want := "rms peak crest kurtosis skewness shape impulse clearance velocity_rms band_rms_10_100 band_rms_100_1000 band_rms_1000_5000 band_rms_5000_10000 " +
		"centroid spread rolloff entropy flatness harmonic_1x harmonic_2x harmonic_3x envelope_rms envelope_kurtosis defect_bpfo defect_bpfi defect_bsf defect_ftf " +
		"found_bpfo found_bpfi found_bsf found_ftf sidebands_bpfi sidebands_bsf comb_bpfo comb_bpfi comb_bsf comb_ftf"
	if got := strings.Join(names, " "); got != want {
		t.Errorf("fields\n%s\nwant\n%s", got, want)
	}
}

func TestExtractIsTheSameTwice(t *testing.T) {
	w := testWindow(strikes(25600, testRate, 89.6, 4300, 4, 1), 1500)
	e := NewExtractor(ExtractorOptions{}, testPlate(), nil)
	a, as, _ := e.Extract(w, true)
	if _, _, err := e.Extract(testWindow(noise(5000, 9), 900), true); err != nil {
		t.Fatal(err)
	}
	b, bs, _ := e.Extract(w, true)
	if !reflect.DeepEqual(a, b) || !reflect.DeepEqual(as, bs) {
		t.Error("the same window gave different features after another one")
	}
}

func TestExtractWithoutGeometry(t *testing.T) {
	plate := testPlate()
	plate.Components[0].Bearing = nil
	v, spectra, _ := NewExtractor(ExtractorOptions{}, plate, nil).Extract(testWindow(noise(25600, 1), 1500), true)
	for _, f := range v.Fields {
		if strings.HasPrefix(f.Name, "defect_") {
			t.Errorf("%s without geometry", f.Name)
		}
	}
	if len(spectra) != 2 {
		t.Errorf("%d spectra, want 2", len(spectra))
	}
}

func TestExtractSpectraKeepLines(t *testing.T) {
	x := noise(25600, 1)
	for i := range x {
		x[i] = x[i]/100 + float32(3*math.Sin(2*math.Pi*1000*float64(i)/testRate))
	}
	_, spectra, _ := NewExtractor(ExtractorOptions{SpectrumBins: 256}, testPlate(), nil).Extract(testWindow(x, 1500), true)
	s := spectra[0]
	if len(s.Bins) > 256 || s.Kind != "acceleration" || s.Unit != "m/s²" {
		t.Fatalf("%d bins of %s in %s", len(s.Bins), s.Kind, s.Unit)
	}
	if got := s.Bins[int(1000/s.StepHz)]; math.Abs(float64(got)-3) > 0.02 {
		t.Errorf("line of 3 m/s² shows as %g", got)
	}
	want := []string{"shaft 1×", "shaft 2×", "shaft 3×", "BPFO 1×"}
	for i, name := range want {
		if s.Marks[i].Name != name {
			t.Errorf("mark %d is %q, want %q", i, s.Marks[i].Name, name)
		}
	}
	if none, gone, _ := NewExtractor(ExtractorOptions{SpectrumBins: -1}, testPlate(), nil).Extract(testWindow(x, 1500), true); gone != nil || none.Values == nil {
		t.Errorf("%d spectra where none are kept", len(gone))
	}
}

func TestExtractClippedIsNotLearned(t *testing.T) {
	x := noise(2560, 1)
	for i := range x {
		x[i] = float32(math.Round(float64(max(-2, min(2, x[i])))*1000) / 1000)
	}
	for i := 100; i < 110; i++ {
		x[i] = 2
	}
	v, _, _ := NewExtractor(ExtractorOptions{}, testPlate(), nil).Extract(testWindow(x, 1500), true)
	if v.Quality != clippedQuality {
		t.Errorf("quality %g of a clipped record, want %d", v.Quality, clippedQuality)
	}
}

func TestExtractVelocityBandFollowsSpeed(t *testing.T) {
	x := make([]float32, 25600)
	for i := range x { // 5 Hz: inside 2–1000 Hz only
		x[i] = float32(0.1 * math.Sin(2*math.Pi*5*float64(i)/testRate))
	}
	e := NewExtractor(ExtractorOptions{}, testPlate(), nil)
	slow, _, _ := e.Extract(testWindow(x, 300), true)
	quick, _, _ := e.Extract(testWindow(x, 1500), true)
	want := 1000 * 0.1 / (2 * math.Pi * 5 * math.Sqrt2)
	if got, _ := value(t, slow, "velocity_rms"); math.Abs(got-want) > 0.05*want {
		t.Errorf("slow machine: %g mm/s, want %g", got, want)
	}
	if got, _ := value(t, quick, "velocity_rms"); got > 0.01*want {
		t.Errorf("quick machine: %g mm/s, want nearly none", got)
	}
}

func TestExtractTelemetry(t *testing.T) {
	w := asset.Window{Asset: "rig", Quality: 40, Points: []asset.Point{
		{Metric: "zeta", Value: 1, Unit: "A", Quality: 90},
		{Metric: "power", Value: 5, Unit: "kW", Quality: 40},
		{Metric: "alpha", Value: math.Inf(1), Unit: "V", Quality: 95},
		{Metric: "zeta", Value: 2, Unit: "A", Quality: 80},
	}}
	v, spectra, err := NewExtractor(ExtractorOptions{}, testPlate(), nil).Extract(w, true)
	if err != nil || spectra != nil {
		t.Fatal(err, spectra)
	}
	wantFields := []Field{{"temperature", "value", "°C"}, {"power", "value", "kW"}, {"alpha", "value", "V"}, {"zeta", "value", "A"}}
	if !reflect.DeepEqual(v.Fields, wantFields) {
		t.Errorf("fields %v, want %v", v.Fields, wantFields)
	}
	wantReasons := []asset.Reason{ReasonAbsent, ReasonQuality, ReasonNonFinite, ""}
	if !reflect.DeepEqual(v.Reasons, wantReasons) {
		t.Errorf("reasons %q, want %q", v.Reasons, wantReasons)
	}
	if v.Values[3] != 2 || v.Quality != 80 {
		t.Errorf("zeta = %g at quality %g, want 2 at 80", v.Values[3], v.Quality)
	}
}

func TestExtractorOptionsValidate(t *testing.T) {
	if err := (ExtractorOptions{}).Validate(); err != nil {
		t.Errorf("zero options: %v", err)
	}
	for want, o := range map[string]ExtractorOptions{
		"bands[1]":      {Bands: []Band{{1, 2}, {5, 3}}},
		"envelope":      {Envelope: Band{10, 10}},
		"harmonics":     {Harmonics: 6},
		"slip":          {Slip: math.NaN()},
		"spectrum bins": {SpectrumBins: 2000},
	} {
		if err := o.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want an error about %s", o, err, want)
		}
	}
}

func TestOrdersGivenWin(t *testing.T) {
	b := asset.Bearing{RollingElements: 9, ElementDiameterMM: 7.94, PitchDiameterMM: 39.04, BPFIOrder: 6}
	o := OrdersOf(b)
	if o.BPFI != 6 || math.Abs(o.BPFO-3.585) > 0.001 {
		t.Errorf("orders %+v, want BPFI as given and BPFO from the geometry", o)
	}
	if o := OrdersOf(asset.Bearing{}); !math.IsNaN(o.BPFO + o.BPFI + o.BSF + o.FTF) {
		t.Errorf("orders %+v of nothing", o)
	}
}

func TestDiagnoseKnowsNothing(t *testing.T) {
	if mode, w := Diagnose(DefectScoresOf(Vector{})); mode != asset.Healthy || w != nil {
		t.Errorf("%q, %v", mode, w)
	}
}

func BenchmarkExtract(b *testing.B) {
	for _, n := range []int{4096, 25600, 262144} {
		for name, opt := range map[string]ExtractorOptions{"merged": {}, "fixed": {Envelope: Band{2000, 10000}}} {
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				e := NewExtractor(opt, testPlate(), nil)
				w := testWindow(nil, 1800)
				w.Scale, w.Counts = 1e-3, make([]int16, n)
				for i, v := range noise(n, 1) {
					w.Counts[i] = int16(1000 * v)
				}
				b.ReportAllocs()
				b.SetBytes(int64(2 * n))
				for b.Loop() {
					if _, _, err := e.Extract(w, false); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func FuzzExtract(f *testing.F) {
	f.Add([]byte{0, 0, 128, 63, 0, 0, 0, 64}, 25600.0, 1500.0, uint16(300))
	f.Add([]byte{1, 0, 0, 0, 255, 255, 127, 127, 9}, 51200.0, 600.0, uint16(1021))
	f.Add([]byte("000001"), 400.0, 6000.0, uint16(375)) // a harmonic at half the rate of an odd length
	f.Add([]byte{}, 0.0, math.NaN(), uint16(0))
	f.Add([]byte("\x00\x00\x80\x7fabcdefgh"), 1e-300, 1e300, uint16(64))
	f.Fuzz(func(t *testing.T, b []byte, rate, rpm float64, n uint16) {
		x := make([]float32, int(n)%3000)
		for i := range x {
			if len(b) >= 4 {
				at := (i * 4) % (len(b) - 3)
				x[i] = math.Float32frombits(uint32(b[at]) | uint32(b[at+1])<<8 | uint32(b[at+2])<<16 | uint32(b[at+3])<<24)
			}
		}
		for _, opt := range []ExtractorOptions{{}, {Kurtogram: true}, {Envelope: Band{1, rate}}} {
			w := testWindow(x, rpm)
			w.RateHz = rate
			v, spectra, err := NewExtractor(opt, testPlate(), nil).Extract(w, true)
			if err != nil || len(v.Values) != len(v.Fields) {
				t.Fatal(err, len(v.Values), len(v.Fields))
			}
			for i, y := range v.Values {
				if math.IsInf(y, 0) || math.IsNaN(y) != (v.Reasons != nil && v.Reasons[i] != "") {
					t.Errorf("%s = %g for no reason", v.Fields[i].Name, y)
				}
			}
			for _, s := range spectra {
				for _, y := range s.Bins {
					if f := float64(y); math.IsNaN(f) || math.IsInf(f, 0) {
						t.Fatalf("%s spectrum holds %g", s.Kind, f)
					}
				}
			}
		}
	})
}
