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

// The cases that a machine brings to its features at the edges of what can be: records
// and their time here, everything else in edge_rest_test.go.

// edgePlates are machines whose channels have every field there is.
func edgePlates() []asset.Nameplate {
	groups := groupPlate()
	groups.Kinematics.Shafts = append(groups.Kinematics.Shafts, asset.Shaft{Name: "lss", Ratio: 0.5})
	groups.Kinematics.Gears = append(groups.Kinematics.Gears, asset.Gear{Shaft: "lss", Teeth: 42}, asset.Gear{Shaft: "hss", Teeth: 13})
	groups.Kinematics.Planetary = []asset.Planetary{{Ring: 96, Sun: 21, Planet: 37, Planets: 3}}
	groups.Channels = append(groups.Channels, asset.Channel{Name: "tacho", Kind: "tacho", Unit: "V", RateHz: 25600, Component: "gearbox"})
	return []asset.Nameplate{testPlate(), groups}
}

// edgeCase is one record. RMS and kurtosis are those of its samples without their
// mean; why is the reason for which there is no rms.
type edgeCase struct {
	name          string
	x             []float64
	rpm           float64 // default 1500
	rms, kurtosis float64 // 0: not checked
	why           asset.Reason
	narrow        asset.Reason // of the same in float32; "same" by default
	fields        map[string]asset.Reason
}

const sameWhy asset.Reason = "same"

func edgeCases() []edgeCase {
	rng := rand.New(rand.NewPCG(1, 2))
	sine := func(n int, size, offset float64) []float64 { // of 25 Hz, whole turns where n allows
		x := make([]float64, n)
		for i := range x {
			x[i] = offset + size*math.Sin(2*math.Pi*25*float64(i)/testRate)
		}
		return x
	}
	rough := func(n int) []float64 {
		x := make([]float64, n)
		for i := range x {
			x[i] = rng.NormFloat64()
		}
		return x
	}
	with := func(x []float64, at int, v float64) []float64 {
		x[at] = v
		return x
	}
	nan, root := math.NaN(), math.Sqrt2/2
	none := func(why asset.Reason) map[string]asset.Reason {
		return map[string]asset.Reason{"peak": why, "kurtosis": why, "velocity_rms": why, "centroid": why, "harmonic_1x": why, "envelope_rms": why, "defect_bpfo": why, "comb_ftf": why}
	}
	cases := []edgeCase{
		{name: "empty", why: ReasonEmpty, fields: none(ReasonEmpty)},
		{name: "one sample", x: []float64{-3}, why: ReasonFlat, fields: none(ReasonFlat)},
		{name: "constant", x: slices.Repeat([]float64{2.5}, 4096), why: ReasonFlat, fields: none(ReasonFlat)},
		{name: "zero", x: make([]float64, 4096), why: ReasonFlat, fields: none(ReasonFlat)},
		{name: "all NaN", x: slices.Repeat([]float64{nan}, 4096), why: ReasonNonFinite, fields: none(ReasonNonFinite)},
		{name: "single NaN", x: with(rough(4096), 77, nan), why: ReasonNonFinite, fields: none(ReasonNonFinite)},
		{name: "Inf", x: with(rough(4096), 0, math.Inf(1)), why: ReasonNonFinite, fields: none(ReasonNonFinite)},
		{name: "−Inf", x: with(rough(4096), 4095, math.Inf(-1)), why: ReasonNonFinite, fields: none(ReasonNonFinite)},
		{name: "huge 1e300", x: sine(10240, 1e300, 0), rms: 1e300 * root, kurtosis: 1.5, narrow: ReasonNonFinite},
		{name: "nearly float64's largest", x: sine(10240, 1.7e308, 0), rms: 1.7e308 * root, kurtosis: 1.5, narrow: ReasonNonFinite},
		{name: "nearly float32's largest", x: sine(10240, 3.4e38, 0), rms: 3.4e38 * root, kurtosis: 1.5},
		{name: "denormal", x: sine(10240, 1e-310, 0), rms: 1e-310 * root, kurtosis: 1.5, narrow: ReasonFlat},
		{name: "denormal in float32", x: sine(10240, 1e-41, 0), rms: 1e-41 * root, kurtosis: 1.5},
		{name: "1e6 and a signal of 1e-3", x: sine(10240, 1e-3, 1e6), rms: 1e-3 * root, kurtosis: 1.5, narrow: ReasonFlat},
		{name: "1e3 and a signal of 1", x: sine(10240, 1, 1e3), rms: root, kurtosis: 1.5},
		{name: "all negative", x: sine(10240, 1, -7), rms: root, kurtosis: 1.5},
		{name: "two samples", x: []float64{1, -1}, rms: 1, kurtosis: 1, fields: map[string]asset.Reason{"centroid": ReasonShort, "velocity_rms": ReasonShort, "defect_bpfo": ReasonShort}},
		{name: "fifteen samples", x: rough(15), fields: map[string]asset.Reason{"centroid": ReasonShort, "defect_bpfo": ReasonShort}},
		{name: "sixteen samples", x: rough(16), fields: map[string]asset.Reason{"velocity_rms": ReasonShort, "harmonic_1x": ReasonShort, "defect_bpfo": ReasonShort}},
		{name: "defect beyond half the rate", x: rough(4096), rpm: 400000, fields: map[string]asset.Reason{"defect_bpfi": ReasonAlias, "found_bpfi": ReasonAlias, "sidebands_bpfi": ReasonAlias, "comb_bpfi": ReasonAlias}},
		{name: "shaft beyond half the rate", x: rough(4096), rpm: 800000, fields: map[string]asset.Reason{"harmonic_1x": ReasonAlias}},
		{name: "rpm 0", x: rough(4096), rpm: -0.0000001, fields: map[string]asset.Reason{"harmonic_1x": ReasonStandstill, "defect_bpfo": ReasonStandstill, "comb_bsf": ReasonStandstill}},
		{name: "rpm below 0", x: rough(4096), rpm: -1500, fields: map[string]asset.Reason{"harmonic_3x": ReasonStandstill, "defect_ftf": ReasonStandstill}},
		{name: "rpm NaN", x: rough(4096), rpm: nan, fields: map[string]asset.Reason{"harmonic_1x": ReasonNoSpeed, "defect_bpfo": ReasonNoSpeed}},
		{name: "rpm infinite", x: rough(4096), rpm: math.Inf(1), fields: map[string]asset.Reason{"harmonic_1x": ReasonNoSpeed, "defect_bpfo": ReasonNoSpeed}},
		{name: "half of the samples equal (MAD = 0)", x: append(make([]float64, 3000), rough(1096)...)},
		{name: "single spikes", x: with(with(rough(4096), 1000, 400), 3000, -400), fields: map[string]asset.Reason{"peak": ReasonSpikes, "crest": ReasonSpikes, "kurtosis": ReasonSpikes, "skewness": ReasonSpikes, "clearance": ReasonSpikes, "rms": ""}},
	}
	for name, n := range map[string]int{"odd": 10001, "prime": 10007, "2^13−1": 8191, "2^13": 8192, "2^13+1": 8193, "small prime": 127, "2^7+1": 129, "prime of 16 bits": 65521} {
		why := asset.Reason("")
		if n < 2000 {
			why = ReasonShort
		}
		cases = append(cases, edgeCase{name: fmt.Sprintf("%d samples, %s", n, name), x: rough(n), rms: 1, kurtosis: 3, fields: map[string]asset.Reason{"centroid": "", "entropy": "", "envelope_kurtosis": "", "harmonic_1x": why}})
	}
	for i := range cases {
		c := &cases[i]
		if c.rpm == 0 {
			c.rpm = 1500
		}
		if c.narrow == "" {
			c.narrow = sameWhy
		}
	}
	slices.SortFunc(cases, func(a, b edgeCase) int { return len(a.x) - len(b.x) })
	return cases
}

// countsOf quantises finite samples to a converter's counts; ok is false where they
// are none.
func countsOf(x []float64) (counts []int16, scale float64, ok bool) {
	top := 0.0
	for _, v := range x {
		if v-v != 0 {
			return nil, 0, false
		}
		top = max(top, math.Abs(v))
	}
	if scale = top / 32000; !(scale > 1e-300) {
		return nil, 0, false
	}
	for _, v := range x {
		counts = append(counts, int16(math.Round(v/scale)))
	}
	return counts, scale, true
}

// sound fails on a value that is no number without a documented reason, and on a
// reason with a value.
func sound(t *testing.T, way string, v Vector, spectra []Spectrum) {
	t.Helper()
	if len(v.Values) != len(v.Fields) || v.Reasons != nil && len(v.Reasons) != len(v.Fields) {
		t.Fatalf("%s: %d fields, %d values, %d reasons", way, len(v.Fields), len(v.Values), len(v.Reasons))
	}
	for i, x := range v.Values {
		why := asset.Reason("")
		if v.Reasons != nil {
			why = v.Reasons[i]
		}
		if math.IsInf(x, 0) || math.IsNaN(x) != (why != "") || why != "" && !documented(why) {
			t.Errorf("%s: %s = %g, reason %q", way, v.Fields[i].Key(), x, why)
		}
	}
	for _, s := range spectra {
		for _, b := range s.Bins {
			if b-b != 0 {
				t.Fatalf("%s: the %s spectrum holds %g", way, s.Kind, b)
			}
		}
	}
}

// TestEdgeMatrixOfWindows runs records at the edges through the way of production, on
// every kind of channel: in float32, as counts, and in float64 for what float32 does
// not hold. Of Moments alone they are in TestMomentsAtTheEdges.
func TestEdgeMatrixOfWindows(t *testing.T) {
	if raceOn {
		t.Skip("long, and of one goroutine")
	}
	space := NewWorkspace()
	for _, tc := range edgeCases() {
		t.Run(tc.name, func(t *testing.T) {
			for _, plate := range edgePlates() {
				e := NewExtractor(ExtractorOptions{}, plate, space)
				for _, c := range plate.Channels {
					w := groupWindow(plate, c.Name, 0, nil, tc.rpm)
					if c.Kind != tachoKind { // pulses are read in float64 as it is
						wide, spectra, _ := e.Exact(w, tc.x)
						sound(t, "float64", wide, spectra)
						tc.hold(t, "float64", wide, tc.why, 1e-6)
					}
					w.Samples = narrow(tc.x)
					single, spectra, _ := e.Extract(w, true)
					sound(t, "float32", single, spectra)
					why := tc.why
					if tc.narrow != sameWhy {
						why = tc.narrow
					}
					tc.hold(t, "float32", single, why, 1e-4)
					if counts, scale, ok := countsOf(tc.x); ok {
						w.Samples, w.Counts, w.Scale = nil, counts, scale
						v, spectra, _ := e.Extract(w, true)
						sound(t, "counts", v, spectra)
						if tc.narrow == sameWhy {
							tc.hold(t, "counts", v, tc.why, 0.05)
						}
					}
				}
			}
		})
	}
}

// hold compares what one way gave with the case.
func (tc edgeCase) hold(t *testing.T, way string, v Vector, why asset.Reason, rel float64) {
	t.Helper()
	if len(v.Fields) == 4 { // a tacho has none of these
		return
	}
	if got, r := value(t, v, "rms"); r != why {
		t.Errorf("%s: rms = %g, reason %q, want %q", way, got, r, why)
	}
	if why != "" {
		return
	}
	random := tc.kurtosis == 3 // of a sample
	for name, want := range map[string]float64{"rms": tc.rms, "kurtosis": tc.kurtosis} {
		tol := rel
		if random {
			tol = 10 / math.Sqrt(float64(len(tc.x)))
		}
		if got, r := value(t, v, name); want > 0 && !(math.Abs(got-want) <= tol*want) {
			t.Errorf("%s: %s = %g (%q), want %g", way, name, got, r, want)
		}
	}
	if v.Channel != "a" {
		return
	}
	for name, want := range tc.fields {
		if got, r := value(t, v, name); r != want {
			t.Errorf("%s: %s = %g, reason %q, want %q", way, name, got, r, want)
		}
	}
}

// TestEdgeMatrixOfTime holds windows whose time or speed is wrong.
func TestEdgeMatrixOfTime(t *testing.T) {
	if raceOn {
		t.Skip("long, and of one goroutine")
	}
	plate := testPlate()
	plate.Channels = append(plate.Channels, asset.Channel{Name: "p", Kind: "tacho", Unit: "V", RateHz: testRate, Component: "bearing"})
	at := groupStart
	window := func(start time.Time) asset.Window {
		w := testWindow(strikes(25600, testRate, 90, 4300, 4, 1), 1500)
		w.Start = start
		return w
	}
	tacho := func(start time.Time, x []float32) asset.Window {
		w := window(start)
		w.Channel, w.Kind, w.Unit, w.Samples = "p", "tacho", "V", x
		return w
	}
	get := func(t *testing.T, e *WaveExtractor, w asset.Window) Vector {
		t.Helper()
		v, spectra, _ := e.Extract(w, true)
		sound(t, "extract", v, spectra)
		return v
	}
	fresh := func() *WaveExtractor { return NewExtractor(ExtractorOptions{}, plate, nil) }
	t.Run("rpm jumps inside the window", func(t *testing.T) {
		e := fresh()
		w := window(at)
		for k := range 9 {
			w.Speeds = append(w.Speeds, asSpeed(at, float64(k)/8, []float64{1500, 2100}[k/5]))
		}
		v := get(t, e, w)
		for _, field := range []string{"rms", "velocity_rms", "harmonic_1x", "harmonic_3x", "defect_bpfo", "comb_bpfi"} { // over angle
			if x, why := value(t, v, field); why != "" {
				t.Errorf("%s = %g, %q", field, x, why)
			}
		}
	})
	t.Run("rpm jumps from window to window", func(t *testing.T) {
		e := fresh()
		for k, rpm := range []float64{1500, 3000, 12, 0, 1500} {
			w := window(at.Add(time.Duration(k) * time.Second))
			w.SpeedRpm = asset.Number(rpm)
			get(t, e, w)
		}
	})
	t.Run("a pulse is missing, another doubled", func(t *testing.T) {
		e := fresh()
		x := pulseTrain(25600, testRate, 25)
		for i := 5 * 1024; i < 6*1024; i++ {
			x[i] = 0
		}
		x[12*1024+900], x[12*1024+901] = 5, 5 // the pulse of turn 13 begins at 717, 102 wide
		v := get(t, e, tacho(at, x))
		wantNear(t, v, "speed", 1500, 1e-3)
		wantNear(t, v, "pulses_missing", 1, 0)
		wantNear(t, v, "pulses_doubled", 1, 0)
		if x, why := value(t, get(t, e, window(at)), "harmonic_1x"); why != "" {
			t.Errorf("harmonic_1x = %g, %q", x, why)
		}
	})
	t.Run("the tacho is silent", func(t *testing.T) {
		e := fresh()
		wantMissing(t, get(t, e, tacho(at, make([]float32, 25600))), ReasonFlat, "speed", "speed_spread", "pulses_missing", "pulses_doubled")
		v := get(t, e, window(at)) // the speed that is known otherwise
		if x, why := value(t, v, "harmonic_1x"); why != "" {
			t.Errorf("harmonic_1x = %g, %q", x, why)
		}
	})
	t.Run("the tacho is of another time", func(t *testing.T) {
		e := fresh()
		get(t, e, tacho(at.Add(-time.Hour), pulseTrain(25600, testRate, 40)))
		v := get(t, e, window(at))
		if !sameVector(v, get(t, fresh(), window(at))) {
			t.Error("pulses of an hour before moved the window's features")
		}
	})
	t.Run("the same stamp twice, the clock goes back, a leap second", func(t *testing.T) {
		e := fresh()
		first := get(t, e, window(at))
		leap := time.Date(2016, 12, 31, 23, 59, 59, 5e8, time.UTC) // 23:59:60 came as the second before or after
		for _, start := range []time.Time{at, at, at.Add(-time.Minute), at.Add(-10 * 365 * 24 * time.Hour), leap, leap.Add(time.Second), leap, {}} {
			v := get(t, e, window(start))
			v.Start, first.Start = time.Time{}, time.Time{}
			if !sameVector(first, v) {
				t.Errorf("%s moved the features", start)
			}
		}
	})
	// Groups carry something from window to window: time may do with it what it wants.
	plates := edgePlates()[1]
	e := NewExtractor(behind40(), plates, nil)
	for _, after := range []float64{0, 0, 0.05, 0.02, -5, 0.1, 0.1, 1e6, -1e6, 1e6} {
		for _, c := range plates.Channels {
			w := groupWindow(plates, c.Name, after, bursts(51200, 3, 4000), 1500)
			v, spectra, _ := e.Extract(w, true)
			sound(t, fmt.Sprintf("%s at %g s", c.Name, after), v, spectra)
		}
	}
}
