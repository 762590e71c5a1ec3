package features

import (
	"maps"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

// groupPlate is a machine with a channel of every kind that has a group.
func groupPlate() asset.Nameplate {
	return asset.Nameplate{
		ID: "wtg",
		Components: []asset.Component{
			{Name: "blade-1", Type: "blade"},
			{Name: "tower", Type: "tower"},
			{Name: "gearbox", Type: "gearbox"},
			{Name: "generator", Type: "generator"},
			{Name: "shell", Type: "blade"},
		},
		Channels: []asset.Channel{
			{Name: "ae", Kind: "acoustic-emission", Unit: "V", RateHz: 1e6, Component: "shell"},
			{Name: "ae-uv", Kind: "acoustic-emission", Unit: "µV", RateHz: 1e6, Component: "shell"},
			{Name: "ae-g", Kind: "acoustic-emission", Unit: "g", RateHz: 1e6, Component: "shell"},
			{Name: "i", Kind: "current", Unit: "A", RateHz: 1000, Component: "generator"},
			{Name: "strain", Kind: "strain", Unit: "1", RateHz: 25.6, Component: "blade-1"},
			{Name: "tower", Kind: "acceleration", Unit: "m/s²", RateHz: 25.6, Component: "tower"},
			{Name: "gear", Kind: "acceleration", Unit: "m/s²", RateHz: 25600, Component: "gearbox"},
		},
		Kinematics: &asset.Kinematics{
			Shafts: []asset.Shaft{{Name: "hss", Ratio: 1}},
			Gears:  []asset.Gear{{Shaft: "hss", Teeth: 21}},
		},
	}
}

var groupStart = time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC)

// groupWindow is a window of one of the plate's channels, so many seconds after the
// start.
func groupWindow(plate asset.Nameplate, channel string, after float64, x []float32, rpm float64) asset.Window {
	w := asset.Window{Asset: plate.ID, Channel: channel, SpeedRpm: asset.Number(rpm), Quality: 100, Samples: x}
	for _, c := range plate.Channels {
		if c.Name == channel {
			w.Component, w.Kind, w.Unit, w.RateHz = c.Component, c.Kind, c.Unit, c.RateHz
		}
	}
	w.Start = groupStart.Add(time.Duration(after * 1e9))
	return w
}

func extracted(t *testing.T, e *WaveExtractor, w asset.Window) Vector {
	t.Helper()
	v, _, err := e.Extract(w, false)
	if err != nil {
		t.Fatal(err)
	}
	for i, x := range v.Values {
		missing := v.Reasons != nil && v.Reasons[i] != ""
		if math.IsInf(x, 0) || math.IsNaN(x) != missing {
			t.Errorf("%s = %g with reason %v", v.Fields[i].Key(), x, v.Reasons)
		}
	}
	return v
}

func wantMissing(t *testing.T, v Vector, why asset.Reason, names ...string) {
	t.Helper()
	for _, name := range names {
		if got, r := value(t, v, name); !math.IsNaN(got) || r != why {
			t.Errorf("%s = %g, %q; want missing, %q", name, got, r, why)
		}
	}
}

func wantNear(t *testing.T, v Vector, name string, want, rel float64) {
	t.Helper()
	if got, why := value(t, v, name); !(math.Abs(got-want) <= rel*math.Abs(want)) {
		t.Errorf("%s = %.6g (%q), want %.6g within %g", name, got, why, want, rel)
	}
}

// tones is a sum of cosines of frequency, amplitude and phase, with noise.
func tones(n int, rate, noise float64, seed uint64, lines ...[3]float64) []float32 {
	rng := rand.New(rand.NewPCG(seed, 7))
	x := make([]float32, n)
	for i := range x {
		v := noise * rng.NormFloat64()
		for _, l := range lines {
			v += l[1] * math.Cos(2*math.Pi*l[0]*float64(i)/rate+l[2])
		}
		x[i] = float32(v)
	}
	return x
}

// A restart between any two windows changes nothing that follows.
func TestGroupsGoOnAfterARestart(t *testing.T) {
	plate := groupPlate()
	var stream []asset.Window
	for k := range 8 {
		at := float64(k)
		stream = append(stream,
			groupWindow(plate, "ae", at*0.05, bursts(50000, uint64(k), 900+k), math.NaN()),
			groupWindow(plate, "tower", at*120, oscillator(3072, 25.6, 0.32, 0.02, uint64(k)), 12),
			groupWindow(plate, "gear", at*2, meshing(51200, 25600, 25, 21, 0, uint64(k)), 1500))
	}
	run := func(restart int) []Vector {
		e := NewExtractor(behind40(), plate, nil)
		kept := map[string][]byte{}
		var out []Vector
		for i, w := range stream {
			if i == restart {
				e = NewExtractor(behind40(), plate, nil)
				if err := e.Load(kept); err != nil {
					t.Fatal(err)
				}
			}
			out = append(out, extracted(t, e, w))
			maps.Copy(kept, e.Save())
		}
		return out
	}
	plain := run(-1)
	for _, at := range []int{1, 7, 12, 23} {
		for i, v := range run(at) {
			if !sameVector(v, plain[i]) {
				t.Errorf("restart at %d: window %d differs:\n%v\n%v", at, i, v, plain[i])
			}
		}
	}
}

func sameVector(a, b Vector) bool {
	for i := range a.Values {
		if a.Values[i] != b.Values[i] && !(math.IsNaN(a.Values[i]) && math.IsNaN(b.Values[i])) {
			return false
		}
	}
	return reflect.DeepEqual(a.Fields, b.Fields) && reflect.DeepEqual(a.Reasons, b.Reasons)
}

// Counts of a converter and float64 give what their values in float32 give.
func TestGroupsOfCounts(t *testing.T) {
	plate := groupPlate()
	for channel, x := range map[string][]float32{
		"ae":     bursts(100000, 3, 4000),
		"i":      tones(20000, 1000, 0.01, 1, [3]float64{50, 10, 0}, [3]float64{48, 0.1, 1}, [3]float64{52, 0.1, 2}),
		"strain": oscillator(15360, 25.6, 0.9, 0.03, 1),
		"gear":   meshing(102400, 25600, 25, 21, 0, 1),
	} {
		top := float32(0)
		for _, v := range x {
			top = max(top, v, -v)
		}
		scale := float64(top) / 32000
		w := groupWindow(plate, channel, 0, nil, 1470)
		values := w
		for _, v := range x {
			c := int16(math.Round(float64(v) / scale))
			w.Counts, values.Samples = append(w.Counts, c), append(values.Samples, float32(float64(c)*scale))
		}
		w.Scale = scale
		a := extracted(t, NewExtractor(behind40(), plate, nil), w)
		b := extracted(t, NewExtractor(behind40(), plate, nil), values)
		wide := make([]float64, len(values.Samples))
		for i, v := range values.Samples {
			wide[i] = float64(v)
		}
		exact, _, _ := NewExtractor(behind40(), plate, nil).Exact(values, wide)
		for i, v := range exact.Values {
			if d := math.Abs(v - b.Values[i]); d > 1e-3*math.Abs(v)+1e-6 || math.IsNaN(v) != math.IsNaN(b.Values[i]) {
				t.Errorf("%s = %g in float64, %g in float32", a.Fields[i].Key(), v, b.Values[i])
			}
		}
		for i, v := range a.Values {
			if d := math.Abs(v - b.Values[i]); d > 2e-3*math.Abs(v)+1e-6 || math.IsNaN(v) != math.IsNaN(b.Values[i]) {
				t.Errorf("%s = %g of counts, %g of values", a.Fields[i].Key(), v, b.Values[i])
			}
		}
	}
}

func TestGroupOptionsAreChecked(t *testing.T) {
	for _, o := range []ExtractorOptions{
		{Acoustic: AcousticOptions{ThresholdDB: math.NaN()}},
		{Acoustic: AcousticOptions{PreampDB: 1e3}},
		{Acoustic: AcousticOptions{Keep: 3}},
		{Acoustic: AcousticOptions{HDTUs: -1}},
		{Current: CurrentOptions{LineHz: math.Inf(1)}},
		{Current: CurrentOptions{PolePairs: -2}},
		{Modal: ModalOptions{Band: Band{2, 1}}},
		{Modal: ModalOptions{Segments: 65}},
	} {
		if o.Validate() == nil {
			t.Errorf("accepted %+v", o)
		}
		extracted(t, NewExtractor(o, groupPlate(), nil), groupWindow(groupPlate(), "i", 0, tones(2000, 1000, 1, 1), 1470))
	}
}

// partsOf names what the groups of the plate's channels carry.
func partsOf(plate asset.Nameplate, rateHz float64) (names []string) {
	e := NewExtractor(ExtractorOptions{}, plate, nil)
	for _, c := range plate.Channels {
		w := groupWindow(plate, c.Name, 0, nil, 0)
		w.RateHz = rateHz
		e.layout(w)
	}
	for key, l := range e.layouts {
		for i := range l.groups {
			names = append(names, key.part(i))
		}
	}
	return names
}

// FuzzGroups holds that no channel gives a value without number or a gap without
// reason, whatever comes and whatever was carried.
func FuzzGroups(f *testing.F) {
	f.Add(uint64(1), uint16(3000), 1.0, 1e6, 1500.0, 0.0, []byte(nil))
	f.Add(uint64(2), uint16(700), 1e38, 25.6, 12.0, 1e-3, []byte(`{"detector":{"Open":true,"Index":-5},"amplitudes":[1e38]}`))
	f.Add(uint64(3), uint16(16), 1e-40, 1e9, 1e9, 100.0, []byte(`{"na4":{"":{"Count":-1,"MeanM2":1e308}}}`))
	f.Add(uint64(4), uint16(4000), 5.0, 1000.0, 1470.0, 1.0, []byte(`{"sections":[{"start":1,"velocity":{"Seconds":1e300,"RMS":1e300}}]}`))
	f.Fuzz(func(t *testing.T, seed uint64, n uint16, size, rate, rpm, gap float64, state []byte) {
		plate := groupPlate()
		plate.Kinematics.Shafts = append(plate.Kinematics.Shafts, asset.Shaft{Name: "lss", Ratio: 0.1})
		plate.Kinematics.Gears = append(plate.Kinematics.Gears, asset.Gear{Shaft: "lss", Teeth: 90}, asset.Gear{Shaft: "lss", Teeth: 7})
		plate.Kinematics.Planetary = []asset.Planetary{{Ring: 96, Sun: 21, Planet: 37, Planets: 3}}
		for i := range plate.Channels {
			plate.Channels[i].RateHz = 0
		}
		rng := rand.New(rand.NewPCG(seed, 1))
		e := NewExtractor(ExtractorOptions{Modal: ModalOptions{Segments: 1 + rng.IntN(8)}}, plate, nil)
		parts := map[string][]byte{}
		for _, name := range partsOf(plate, rate) {
			parts[name] = state
		}
		_ = e.Load(parts) // what it refuses begins afresh
		at := 0.0
		for range 3 {
			x := make([]float32, int(n)%5000)
			for i := range x {
				x[i] = float32(size * (math.Sin(float64(i)*rng.Float64()) + 0.1*rng.NormFloat64()))
			}
			for _, c := range plate.Channels {
				w := groupWindow(plate, c.Name, min(max(at, -1e6), 1e6), x, rpm)
				w.RateHz = rate
				if rng.IntN(2) == 0 {
					for k := range 5 {
						w.Speeds = append(w.Speeds, asset.SpeedAt{Time: w.Start.Add(time.Duration(float64(k) / 4 * w.Seconds() * 1e9)), Rpm: rpm * (1 + 0.02*rng.Float64())})
					}
				}
				extracted(t, e, w)
			}
			at += gap
		}
		for name, body := range e.Save() {
			if len(body) == 0 {
				t.Errorf("%s saved nothing", name)
			}
		}
	})
}

// BenchmarkGroups is what a window costs with and without its group.
func BenchmarkGroups(b *testing.B) {
	plate := groupPlate()
	geared := groupPlate()
	geared.Kinematics.Planetary = []asset.Planetary{{Ring: 96, Sun: 21, Planet: 37, Planets: 3}}
	for _, c := range []struct {
		name  string
		plate asset.Nameplate
		w     asset.Window
	}{
		{"acoustic/1s-1MHz", plate, groupWindow(plate, "ae", 0, bursts(1000000, 1, 20000), math.NaN())},
		{"current/10s-1kHz", plate, groupWindow(plate, "i", 0, tones(10000, 1000, 0.01, 1, [3]float64{50, 10, 0}), 1470)},
		{"modal/600s-25.6Hz", plate, groupWindow(plate, "tower", 0, oscillator(15360, 25.6, 0.32, 0.02, 1), 12)},
		{"gear/1s-25.6kHz", plate, groupWindow(plate, "gear", 0, meshing(25600, 25600, 25, 21, 0, 1), 1500)},
		{"gear/10s-25.6kHz", plate, groupWindow(plate, "gear", 0, meshing(256000, 25600, 25, 21, 0, 1), 1500)},
		{"gear+stage/10s-25.6kHz", geared, groupWindow(geared, "gear", 0, meshing(256000, 25600, 25, 21, 0, 1), 1500)},
	} {
		for _, with := range []bool{false, true} {
			name := c.name + "/without"
			if with {
				name = c.name + "/with"
			}
			b.Run(name, func(b *testing.B) {
				e := NewExtractor(ExtractorOptions{}, c.plate, nil)
				if l := e.layout(c.w); !with {
					n := 0
					for _, g := range l.groups {
						n += len(g.fields(l))
					}
					l.groups, l.fields = nil, l.fields[:len(l.fields)-n]
				}
				b.ReportAllocs()
				for b.Loop() {
					_, _, _ = e.Extract(c.w, false)
				}
			})
		}
	}
}
