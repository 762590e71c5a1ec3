package features

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/dsp"
)

// signalReference is a reference file; its cases' inputs and outputs are of
// types I and O. A null number is missing and reads as NaN.
type signalReference[I, O any] struct {
	Tolerance struct {
		Rel, Abs     float64
		PublishedRel float64 `json:"published_rel"`
		PeakBins     float64 `json:"peak_hz_abs_bins"`
	} `json:"tolerance"`
	Cases []struct {
		ID      string `json:"id"`
		Inputs  I      `json:"inputs"`
		Outputs O      `json:"outputs"`
	} `json:"cases"`
}

func readSignalReference[I, O any](t *testing.T, name string) signalReference[I, O] {
	t.Helper()
	dir := os.Getenv("TELLTALE_REFERENCE_DIR")
	if dir == "" {
		dir = filepath.Join("..", "testdata", "reference")
	}
	b, err := os.ReadFile(filepath.Join(dir, name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var r signalReference[I, O]
	if err := json.Unmarshal(b, &r); err != nil {
		t.Fatal(err)
	}
	if len(r.Cases) == 0 {
		t.Fatalf("%s has no cases", name)
	}
	return r
}

// agree compares a value with the reference: |got−want| ≤ abs + rel·|want|.
func (r signalReference[I, O]) agree(t *testing.T, what string, got float64, want asset.Number) {
	t.Helper()
	within(t, what, got, want, r.Tolerance.Abs, r.Tolerance.Rel)
}

func within(t *testing.T, what string, got float64, want asset.Number, abs, rel float64) {
	t.Helper()
	w := float64(want)
	if math.IsNaN(got) && math.IsNaN(w) {
		return
	}
	if !(math.Abs(got-w) <= abs+rel*math.Abs(w)) {
		t.Errorf("%s = %.12g, want %.12g", what, got, w)
	}
}

func (r signalReference[I, O]) agreeAll(t *testing.T, what string, got []float64, want []asset.Number) {
	t.Helper()
	if len(got) < len(want) {
		t.Fatalf("%s: %d values, want %d", what, len(got), len(want))
	}
	for i := range want {
		r.agree(t, what, got[i], want[i])
	}
}

func narrow(x []float64) []float32 {
	out := make([]float32, len(x))
	for i, v := range x {
		out[i] = float32(v)
	}
	return out
}

// single runs a case a second time with samples as production gets them.
func single(x []float64) []float64 {
	out := make([]float64, len(x))
	for i, v := range narrow(x) {
		out[i] = float64(v)
	}
	return out
}

// near compares within 1e-5 of the largest reference value.
func near(t *testing.T, what string, got []float64, want []asset.Number) {
	t.Helper()
	top := 0.0
	for _, v := range want {
		top = max(top, math.Abs(float64(v)))
	}
	for i := range want {
		within(t, what+" float32", got[i], want[i], 1e-5*top, 0)
	}
}

func TestReferenceTimeFeatures(t *testing.T) {
	type in struct{ X []float64 }
	r := readSignalReference[in, map[string]asset.Number](t, "time_features")
	byName := func(m Moments) map[string]float64 {
		return map[string]float64{
			"mean": m.Mean, "rms": m.RMS, "std": m.Std, "peak": m.Peak, "p2p": m.P2P, "mean_abs": m.MeanAbs,
			"crest": m.Crest, "shape": m.Shape, "impulse": m.Impulse, "clearance": m.Clearance,
			"skewness": m.Skewness, "kurtosis_pearson": m.Kurtosis, "kurtosis_excess": m.Kurtosis - 3,
		}
	}
	for _, c := range r.Cases {
		wide, _ := MomentsOf(c.Inputs.X)
		short, _ := MomentsOf(narrow(c.Inputs.X))
		for name, want := range c.Outputs {
			got, ok := byName(wide)[name]
			if !ok {
				t.Errorf("%s: unknown output %s", c.ID, name)
				continue
			}
			r.agree(t, c.ID+" "+name, got, want)
			within(t, c.ID+" float32 "+name, byName(short)[name], want, 1e-5, 1e-5)
		}
	}
}

func TestReferenceWelchHann(t *testing.T) {
	type in struct {
		X                 []float64
		FS                float64
		Nperseg, Noverlap int
		Detrend           string
	}
	type out struct {
		Freq         []asset.Number `json:"freq_hz"`
		Density      []asset.Number `json:"psd_density"`
		Spectrum     []asset.Number `json:"psd_spectrum"`
		Segments     int            `json:"n_segments"`
		ENBW         asset.Number   `json:"enbw_bins"`
		RMS          asset.Number   `json:"rms_from_psd"`
		LineFromPeak asset.Number   `json:"amp_peak_from_spectrum"`
	}
	r := readSignalReference[in, out](t, "welch_hann")
	how := map[string]detrend{"constant": removeMean, "none": removeNothing, "linear": removeLine}
	for _, c := range r.Cases {
		d, ok := how[c.Inputs.Detrend]
		if !ok {
			t.Fatalf("%s: unknown detrend %q", c.ID, c.Inputs.Detrend)
		}
		p, k := newWelcher[float64]().welch(c.Inputs.X, c.Inputs.FS, c.Inputs.Nperseg, c.Inputs.Noverlap, d, hann)
		if k != c.Outputs.Segments {
			t.Errorf("%s: %d segments, want %d", c.ID, k, c.Outputs.Segments)
		}
		r.agreeAll(t, c.ID+" density", densities(p), c.Outputs.Density)
		freq, spectrum, sum, top := make([]float64, len(p.Density)), make([]float64, len(p.Density)), 0.0, 0.0
		for i, v := range densities(p) {
			freq[i], spectrum[i] = float64(i)*p.StepHz, v*p.ENBW*p.StepHz
			sum += v * p.StepHz
			top = max(top, p.Density[i])
		}
		r.agreeAll(t, c.ID+" frequency", freq, c.Outputs.Freq)
		r.agreeAll(t, c.ID+" spectrum", spectrum, c.Outputs.Spectrum)
		r.agree(t, c.ID+" ENBW", p.ENBW, c.Outputs.ENBW)
		r.agree(t, c.ID+" RMS", math.Sqrt(sum), c.Outputs.RMS)
		r.agree(t, c.ID+" line", p.lineAmplitude(top), c.Outputs.LineFromPeak)
		single, _ := newWelcher[float32]().welch(narrow(c.Inputs.X), c.Inputs.FS, c.Inputs.Nperseg, c.Inputs.Noverlap, d, hann)
		near(t, c.ID+" density", densities(single), c.Outputs.Density)
	}
}

func TestReferenceSpectralFeatures(t *testing.T) {
	type in struct {
		X                 []float64
		FS, RPM           float64
		Nperseg, Noverlap int
		Bands             [][2]float64 `json:"bands_hz"`
		Width             int          `json:"harm_halfwidth_bins"`
	}
	type out struct {
		Centroid, Spread asset.Number
		CentroidHz       asset.Number   `json:"centroid_hz"`
		SpreadHz         asset.Number   `json:"spread_hz"`
		Entropy          asset.Number   `json:"entropy_norm"`
		Flatness         asset.Number   `json:"flatness"`
		Rolloff          asset.Number   `json:"rolloff95_hz"`
		Floor            asset.Number   `json:"noise_floor_psd"`
		Bands            []asset.Number `json:"band_rms"`
		Harmonics        []asset.Number `json:"harmonic_rms"`
		Truth            []asset.Number `json:"harmonic_amp_truth"`
	}
	r := readSignalReference[in, out](t, "spectral_features")
	for _, c := range r.Cases {
		p, _ := newWelcher[float64]().welch(c.Inputs.X, c.Inputs.FS, c.Inputs.Nperseg, c.Inputs.Noverlap, removeMean, hann)
		s := p.shape()
		r.agree(t, c.ID+" centroid", s.CentroidHz, c.Outputs.CentroidHz)
		r.agree(t, c.ID+" spread", s.SpreadHz, c.Outputs.SpreadHz)
		r.agree(t, c.ID+" entropy", s.Entropy, c.Outputs.Entropy)
		r.agree(t, c.ID+" flatness", s.Flatness, c.Outputs.Flatness)
		r.agree(t, c.ID+" rolloff", s.Rolloff95, c.Outputs.Rolloff)
		r.agree(t, c.ID+" floor", p.floor(), c.Outputs.Floor)
		for i, b := range c.Inputs.Bands {
			r.agree(t, c.ID+" band", p.bandRMS(b[0], b[1]), c.Outputs.Bands[i])
		}
		for i, want := range c.Outputs.Harmonics {
			got := p.harmonicRMS(float64(i+1)*c.Inputs.RPM/60, c.Inputs.Width, 0)
			r.agree(t, c.ID+" harmonic", got, want)
			within(t, c.ID+" amplitude", got*math.Sqrt2, c.Outputs.Truth[i], 0.02, 0.03)
		}
		q, _ := newWelcher[float32]().welch(narrow(c.Inputs.X), c.Inputs.FS, c.Inputs.Nperseg, c.Inputs.Noverlap, removeMean, hann)
		s = q.shape()
		for i, want := range c.Outputs.Harmonics {
			near(t, c.ID+" harmonic", []float64{q.harmonicRMS(float64(i+1)*c.Inputs.RPM/60, c.Inputs.Width, 0)}, []asset.Number{want})
		}
		for i, b := range c.Inputs.Bands {
			near(t, c.ID+" band", []float64{q.bandRMS(b[0], b[1])}, c.Outputs.Bands[i:i+1])
		}
		near(t, c.ID+" floor", []float64{q.floor()}, []asset.Number{c.Outputs.Floor})
		for name, v := range map[string][2]float64{
			"centroid": {s.CentroidHz, float64(c.Outputs.CentroidHz)}, "entropy": {s.Entropy, float64(c.Outputs.Entropy)},
			"flatness": {s.Flatness, float64(c.Outputs.Flatness)}, "spread": {s.SpreadHz, float64(c.Outputs.SpreadHz)},
			"rolloff": {s.Rolloff95, float64(c.Outputs.Rolloff)},
		} {
			near(t, c.ID+" "+name, v[:1], []asset.Number{asset.Number(v[1])})
		}
	}
}

func TestReferenceVelocityIntegration(t *testing.T) {
	type in struct {
		FS    float64
		N     int
		Tones [][3]float64 `json:"tones_amp_mps2_hz_rad"`
		Band  [2]float64   `json:"band_hz"`
	}
	type out struct {
		Truth asset.Number `json:"v_rms_mm_s_truth"`
		FFT   asset.Number `json:"v_rms_mm_s_fft"`
		RMS   asset.Number `json:"a_rms"`
	}
	r := readSignalReference[in, out](t, "velocity_integration")
	for _, c := range r.Cases {
		x := make([]float64, c.Inputs.N)
		for i := range x {
			for _, tone := range c.Inputs.Tones {
				x[i] += tone[0] * math.Sin(2*math.Pi*tone[1]*float64(i)/c.Inputs.FS+tone[2])
			}
		}
		m, _ := MomentsOf(x)
		r.agree(t, c.ID+" acceleration", m.RMS, c.Outputs.RMS)
		w, inverse := newWelcher[float64](), []float64(nil)
		p, _ := w.welch(x, c.Inputs.FS, len(x), 0, removeMean, boxcar)
		v := p.velocityRMS(c.Inputs.Band[0], c.Inputs.Band[1], &inverse)
		r.agree(t, c.ID+" truth", v, c.Outputs.Truth)
		r.agree(t, c.ID+" fft", v, c.Outputs.FFT)
		single, _ := newWelcher[float32]().welch(narrow(x), c.Inputs.FS, len(x), 0, removeMean, boxcar)
		near(t, c.ID, []float64{single.velocityRMS(c.Inputs.Band[0], c.Inputs.Band[1], new([]float32))}, []asset.Number{c.Outputs.Truth})
		// With the window that production uses the lines are wider by a bin, and the band's edge cuts some.
		p, _ = w.welch(x, c.Inputs.FS, len(x), 0, removeMean, hann)
		within(t, c.ID+" Hann", p.velocityRMS(c.Inputs.Band[0], c.Inputs.Band[1], &inverse), c.Outputs.Truth, 0, 0.02)
	}
}

func TestReferenceEnvelope(t *testing.T) {
	type in struct {
		X     []float64
		FS    float64
		Band  [2]float64 `json:"band_hz"`
		Fault float64    `json:"fault_hz"`
		Tol   float64    `json:"tol_rel"`
	}
	type out struct {
		Hilbert  []asset.Number `json:"hilbert_env_first64"`
		Spectrum []asset.Number `json:"sq_env_spectrum_first200"`
		StepHz   asset.Number   `json:"df_hz"`
		PeakHz   float64        `json:"peak_hz"`
		SNR      []asset.Number `json:"snr_h123"`
		Score    asset.Number   `json:"defect_score"`
		RMS      asset.Number   `json:"env_rms_butter_band"`
	}
	r := readSignalReference[in, out](t, "envelope")
	for _, c := range r.Cases {
		n := len(c.Inputs.X)
		stepHz := c.Inputs.FS / float64(n)
		r.agree(t, c.ID+" step", stepHz, c.Outputs.StepHz)
		lo, hi := binsOf(Band{c.Inputs.Band[0], c.Inputs.Band[1]}, stepHz, n)
		wide := transformed(c.Inputs.X, n)
		if even, odd := wide.ofReal(n).Packed(); n%2 == 0 { // the whole band at the full rate: the envelope itself, sample by sample
			wide.env.moments(wide.re, wide.im, n, 1, n/2+1, n)
			amplitude := make([]float64, n)
			for i := range even {
				amplitude[2*i], amplitude[2*i+1] = math.Sqrt(even[i])*2/float64(n)*wide.unit, math.Sqrt(odd[i])*2/float64(n)*wide.unit
			}
			r.agreeAll(t, c.ID+" analytic", amplitude, c.Outputs.Hilbert)
		}
		s, env := envelopeSpectrum(wide, n, lo, hi)
		r.agreeAll(t, c.ID+" spectrum", s, c.Outputs.Spectrum)
		k := comb[float64]{slip: c.Inputs.Tol}
		for h, want := range c.Outputs.SNR {
			r.agree(t, c.ID+" snr", k.snr(s, stepHz, float64(h+1)*c.Inputs.Fault, 0.3*c.Inputs.Fault, 0), want)
		}
		score, _ := k.score(s, stepHz, c.Inputs.Fault, 0, 1, len(c.Outputs.SNR))
		r.agree(t, c.ID+" score", score, c.Outputs.Score)
		// The reference's band is a Butterworth's, −6 dB at its edges; ours is cut straight.
		within(t, c.ID+" RMS", math.Sqrt(env.Mean)*wide.unit, c.Outputs.RMS, 0, 0.08)
		s, _ = envelopeSpectrum(transformed(narrow(c.Inputs.X), n), n, lo, hi)
		near(t, c.ID+" spectrum", s, c.Outputs.Spectrum)
		score, _ = k.score(s, stepHz, c.Inputs.Fault, 0, 1, len(c.Outputs.SNR))
		within(t, c.ID+" score float32", score, c.Outputs.Score, 1e-3, 0)
	}
}

// transformed is the analysis of x up to its transform, as the extractor makes it.
func transformed[T dsp.Float](x []T, n int) *analysis[T] {
	a := newAnalysis[T]()
	b := block[T]{values: x, scale: 1}
	a.look(b)
	a.centre(b, n)
	a.transform()
	return a
}

// envelopeSpectrum is the boxcar spectrum of the squared envelope in x's unit.
func envelopeSpectrum[T dsp.Float](a *analysis[T], n, lo, hi int) ([]float64, envelope) {
	s, env := a.env.spectrum(nil, a.re, a.im, n, lo, hi, n/6, boxcar)
	out := make([]float64, len(s))
	for i, v := range s {
		out[i] = float64(v) * a.unit * a.unit
	}
	return out, env
}

func newWelcher[T dsp.Float]() *welcher[T] {
	t := newTransforms[T]()
	return &welcher[T]{transforms: &t}
}

func densities[T dsp.Float](p power[T]) []float64 {
	out := make([]float64, len(p.Density))
	for i, v := range p.Density {
		out[i] = float64(v) * p.Amp * p.Amp
	}
	return out
}

func TestReferenceBearingFrequencies(t *testing.T) {
	type in struct {
		N       int
		Ball    float64 `json:"ball_d"`
		Pitch   float64 `json:"pitch_D"`
		Contact float64 `json:"contact_deg"`
		RPM     float64
	}
	type out struct {
		Orders, Hz, Published map[string]asset.Number
	}
	r := readSignalReference[in, out](t, "bearing_frequencies")
	for _, c := range r.Cases {
		b := asset.Bearing{RollingElements: c.Inputs.N, ElementDiameterMM: c.Inputs.Ball, PitchDiameterMM: c.Inputs.Pitch, ContactAngleDeg: c.Inputs.Contact}
		o := OrdersOf(b)
		got := map[string]float64{"FTF": o.FTF, "BPFO": o.BPFO, "BPFI": o.BPFI, "BSF": o.BSF, "BSF2x": 2 * o.BSF}
		for name, want := range c.Outputs.Orders {
			r.agree(t, c.ID+" "+name, got[name], want)
		}
		for name, want := range c.Outputs.Hz {
			r.agree(t, c.ID+" Hz "+name, got[name]*c.Inputs.RPM/60, want)
		}
		for name, want := range c.Outputs.Published {
			if order, ok := got[name]; ok {
				within(t, c.ID+" published "+name, order, want, 0, r.Tolerance.PublishedRel)
			}
		}
	}
}

func TestReferenceKurtogram(t *testing.T) {
	type in struct {
		X      []float64
		FS     float64
		Nlevel int
	}
	type out struct {
		Levels    []asset.Number
		Rows      [][]asset.Number `json:"kurt_rows"`
		Max       asset.Number     `json:"max_kurt"`
		Level     asset.Number
		Bandwidth float64 `json:"bandwidth_hz"`
		Center    float64 `json:"center_hz"`
	}
	r := readSignalReference[in, out](t, "kurtogram")
	for _, c := range r.Cases {
		var k kurtogram
		rows := k.rows(c.Inputs.X, c.Inputs.Nlevel)
		if len(rows) != len(c.Outputs.Rows) {
			t.Fatalf("%s: %d rows, want %d", c.ID, len(rows), len(c.Outputs.Rows))
		}
		for i, row := range rows {
			r.agree(t, c.ID+" level", row.Level, c.Outputs.Levels[i])
			r.agreeAll(t, c.ID+" row", row.Kurt, c.Outputs.Rows[i])
		}
		b := k.choose(c.Inputs.X, c.Inputs.FS, 0)
		within(t, c.ID+" centre", (b.Lo+b.Hi)/2, asset.Number(c.Outputs.Center), c.Outputs.Bandwidth/2, 0)
	}
}
