package pipeline

import (
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/features"
)

// ragged makes blocks as field devices do: of any size, as floats and as counts, with
// holes, repeats, clocks that drift and step, records that open and close, and changes
// of scale and rate.
func ragged(seed uint64, n int) []Arrival {
	rng := rand.New(rand.NewPCG(seed, 9))
	var all []asset.Reading
	for _, id := range []asset.ID{"a", "b"} {
		for _, channel := range []string{"x", "y"} {
			ppm := []float64{0, 40, -250, 1500}[rng.IntN(4)]
			rate, scale, shift, counts := 1000.0, 0.125, 0.0, channel == "y"
			first := false
			at := 0
			for range n / 4 {
				size := 1 + rng.IntN(400)
				switch event := rng.IntN(100); {
				case event < 6:
					at += 1 + rng.IntN(2)
				case event < 8:
					at += 3 + rng.IntN(500)
				case event < 13:
					at -= min(at, 1+rng.IntN(2))
				case event < 15:
					at -= min(at, 3+rng.IntN(200))
				case event < 17:
					shift += (rng.Float64() - 0.3) * 0.02 // the clock steps
				case event < 18:
					scale *= 1 + float64(rng.IntN(2))
				case event < 19:
					counts = !counts
				case event < 20:
					rate = []float64{1000, 1005}[rng.IntN(2)]
				}
				stamp := float64(at)/1000*(1+ppm*1e-6) + shift
				if rng.IntN(30) == 0 {
					stamp += 1e-3 * (rng.Float64() - 0.5) * 4 // so does a single stamp
				}
				w := blockOf(at, size, rate, stamp, counts)
				w.Channel, w.First, w.Last, w.Quality = channel, first, rng.IntN(40) == 0, 50+50*rng.Float64()
				if counts {
					w.Scale = scale
				}
				first = w.Last && rng.IntN(2) == 0
				at += size
				newest := w.Start.Add(time.Duration(float64(size-1) / rate * 1e9)).Round(time.Microsecond)
				r := asset.Reading{Asset: id, Time: newest, Wave: w}
				if rng.IntN(8) == 0 {
					r.Points = []asset.Point{{Metric: "speed", Value: 1500 + 10*rng.NormFloat64(), Quality: 100}}
				}
				all = append(all, r)
				if rng.IntN(50) == 0 {
					all = append(all, r) // delivered twice
				}
			}
		}
	}
	slices.SortStableFunc(all, func(a, b asset.Reading) int { return a.Time.Compare(b.Time) })
	out := make([]Arrival, len(all))
	for i, r := range all {
		out[i] = Arrival{Reading: r, From: int64(i), Next: int64(i + 1)}
	}
	return out
}

// wholly is an extractor that shows every bit of a window beside its features.
type wholly struct{ *features.WaveExtractor }

func (e wholly) Extract(w asset.Window, spectra bool) (features.Vector, []features.Spectrum, error) {
	v, s, err := e.WaveExtractor.Extract(w, spectra)
	for i, x := range v.Values {
		if math.IsNaN(x) {
			v.Values[i] = -12345 // JSON has none
		}
	}
	if w.Channel == "" {
		return v, s, err
	}
	sum := 0.0
	for i := range w.Len() {
		sum = math.Mod(sum*31+float64(valueAt(w, i)), 1e9+7)
	}
	v.Fields, v.Reasons = slices.Clone(v.Fields), slices.Clone(v.Reasons)
	for _, extra := range [...]struct {
		name  string
		value float64
	}{
		{"n", float64(w.Len())},
		{"sum", sum},
		{"scale", w.Scale},
		{"ppm", w.ClockPPM},
		{"rate", w.RateHz},
		{"end", float64(w.End.UnixNano() % 1e12)},
		{"quality", w.Quality},
	} {
		v.Fields = append(v.Fields, features.Field{Channel: w.Channel, Name: extra.name})
		v.Values = append(v.Values, extra.value)
		if v.Reasons != nil {
			v.Reasons = append(v.Reasons, "")
		}
	}
	return v, s, err
}

func raggedPlant(opt WindowOptions) Plant {
	room := features.NewWorkspace()
	return func(id asset.ID) (*Line, bool) {
		l, ok := plant(opt)(id)
		l.Plate.Components = append(l.Plate.Components, asset.Component{Name: "gearbox", Type: "gearbox"})
		l.Plate.Channels = []asset.Channel{
			{Name: "x", Kind: "acceleration", Unit: "m/s²", Component: "gearbox"},
			{Name: "y", Kind: "acoustic-emission", Unit: "µV", Component: "bearing"},
		}
		l.Plate.Kinematics = &asset.Kinematics{Shafts: []asset.Shaft{{Name: "hss", Ratio: 1}}, Gears: []asset.Gear{{Shaft: "hss", Teeth: 7}}}
		l.Extractor = wholly{features.NewExtractor(features.ExtractorOptions{}, l.Plate, room)}
		return l, ok
	}
}

// Whatever comes, in any batching and however often it is stopped, windows and their
// vectors are those of one batch.
func TestAnyBatchingOfRaggedBlocksGivesTheSameWindows(t *testing.T) {
	seen, seeds := map[string]int64{}, uint64(12)
	if raceOn {
		seeds = 4
	}
	for seed := range seeds {
		rng := rand.New(rand.NewPCG(seed, 2))
		opt := []WindowOptions{
			{Seconds: 1, Speed: "speed"}, {Seconds: 0.7, Hop: 0.35, Speed: "speed"}, {Speed: "speed"}, {Seconds: 1, Lateness: 0.5, Speed: "speed"},
		}[seed%4]
		h := ragged(seed, 800)
		whole := newDisk()
		playOn(t, whole, raggedPlant(opt), h, func() int { return len(h) }, -1)
		for k, n := range whole.counts {
			seen[k] += n
		}
		for run := range 6 {
			broken := newDisk()
			size, stop := func() int { return 1 + rng.IntN(60) }, -1
			if run > 0 {
				stop = 1 + rng.IntN(12)
			}
			for !playOn(t, broken, raggedPlant(opt), h, size, stop) {
				stop = 1 + rng.IntN(12)
			}
			for what, pair := range map[string][2]any{
				"frames": {whole.frames, broken.frames}, "risks": {whole.risks, broken.risks},
				"counts": {whole.counts, broken.counts}, "state": {whole.state, broken.state},
			} {
				if !reflect.DeepEqual(pair[0], pair[1]) {
					t.Fatalf("seed %d, run %d: %s differ: %s", seed, run, what, firstDifference(pair[0], pair[1]))
				}
			}
		}
	}
	t.Log(seen)
	for _, k := range []string{"samples-filled", "samples-repeated", "samples-abandoned", "clock-drift", "vectors", "missing/clock"} {
		if seen[k] == 0 && !raceOn {
			t.Errorf("no %s: the histories are too dull", k)
		}
	}
}

// speeds notes the speed that each window of a channel was handed.
type speeds struct{ seen *[]asset.Number }

func (e speeds) Extract(w asset.Window, _ bool) (features.Vector, []features.Spectrum, error) {
	if w.Channel != "" {
		*e.seen = append(*e.seen, w.SpeedRpm)
	}
	return features.Vector{Channel: w.Channel}, nil, nil
}

// A window has the speed that was measured; what the nameplate says the extractor
// knows by itself. A restart does not forget which it was.
func TestAWindowHasTheMeasuredSpeed(t *testing.T) {
	var h []Arrival
	for k := range 6 {
		w := blockOf(100*k, 100, 100, float64(k), false)
		r := asset.Reading{Asset: "a", Time: w.Start.Add(990 * time.Millisecond), Wave: w}
		if k == 2 {
			r.Points = []asset.Point{{Metric: "speed", Value: 1480, Quality: 100}}
		}
		h = append(h, Arrival{Reading: r, From: int64(k), Next: int64(k + 1)})
	}
	for _, stop := range []int{-1, 1, 4} {
		var seen []asset.Number
		d := newDisk()
		lined := func(id asset.ID) (*Line, bool) {
			l, ok := plant(WindowOptions{Seconds: 1, Speed: "speed"})(id)
			l.Plate.SpeedRpm, l.Plate.Channels, l.Extractor = 1500, l.Plate.Channels[:1], speeds{&seen}
			return l, ok
		}
		for !playOn(t, d, lined, h, func() int { return 1 }, stop) {
			stop = -1
		}
		for k, rpm := range seen {
			if k < 2 && rpm.Known() || k >= 2 && rpm != 1480 {
				t.Errorf("stop %d: window %d has %g rpm", stop, k, rpm)
			}
		}
		if len(seen) != len(h) {
			t.Errorf("stop %d: %d windows", stop, len(seen))
		}
	}
}
