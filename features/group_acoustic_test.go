package features

import (
	"math"
	"math/rand/v2"
	"testing"
)

// bursts is noise of 1 µV at the sensor behind a preamplifier of 40 dB, in V, with a
// burst of 200 samples every so many: cosines of 100 kHz whose amplitude, from 50 dB
// up, changes from one to the next.
func bursts(n int, seed uint64, every int) []float32 {
	rng := rand.New(rand.NewPCG(seed, 2))
	x := make([]float32, n)
	size := 0.0
	for i := range x {
		v := rng.NormFloat64()
		at := i % every
		if at == 100 {
			size = math.Pow(10, (50+8*rng.ExpFloat64())/20)
		}
		if at >= 100 && at < 300 {
			v += size * math.Cos(2*math.Pi*0.1*float64(at-100))
		}
		x[i] = float32(v * 1e-4)
	}
	return x
}

// behind40 are the options of what bursts makes.
func behind40() ExtractorOptions {
	return ExtractorOptions{Acoustic: AcousticOptions{PreampDB: 40}}
}

func TestAcousticGroupOfKnownBursts(t *testing.T) {
	const n, size = 200000, 1000.0 // 60 dB
	x, uv := make([]float32, n), make([]float32, n)
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range x {
		v := 0.1 * rng.NormFloat64()
		if at := i % 50000; at >= 1000 && at < 1200 {
			v += size * math.Cos(2*math.Pi*0.1*float64(at-1000))
		}
		x[i], uv[i] = float32(v*1e-4+2), float32(v*100-3e5) // on a bias
	}
	plate := groupPlate()
	e := NewExtractor(behind40(), plate, nil)
	v := extracted(t, e, groupWindow(plate, "ae", 0, x, math.NaN()))
	for name, want := range map[string]float64{
		"hits": 4, "hits_per_min": 4 / (0.2 / 60), "counts_per_min": 4 * 21 / (0.2 / 60), "amplitude_max": 60,
		"duration_us": 199, "energy_per_min": 4 * 0.5e6 * 200e-6 / (0.2 / 60), "average_frequency": 21 / 199e-6,
	} {
		wantNear(t, v, name, want, 3e-3)
	}
	wantMissing(t, v, ReasonFew, "b_value", "b_value_error")
	if rise, _ := value(t, v, "rise_us"); rise < 0 || rise > 199 {
		t.Errorf("rise = %g µs", rise)
	}
	rise, _ := value(t, v, "rise_us")
	wantNear(t, v, "ra", rise/(size*1e-6), 5e-3)
	u := extracted(t, e, groupWindow(plate, "ae-uv", 0, uv, math.NaN()))
	for _, name := range []string{"hits", "counts_per_min", "amplitude_max", "duration_us"} {
		want, _ := value(t, v, name)
		wantNear(t, u, name, want, 1e-3)
	}
	wantMissing(t, extracted(t, e, groupWindow(plate, "ae-g", 0, x, math.NaN())), ReasonCalibration, "hits", "b_value")
	quiet := extracted(t, e, groupWindow(plate, "ae", 9, tones(5000, 1e6, 1e-5, 1), math.NaN()))
	wantNear(t, quiet, "hits", 0, 0)
	wantNear(t, quiet, "energy_per_min", 0, 0)
	wantMissing(t, quiet, ReasonFew, "amplitude_max", "duration_us", "ra", "b_value")
}

// Windows of any length see the hits that the whole record has.
func TestAHitGoesOnInTheNextWindow(t *testing.T) {
	plate := groupPlate()
	x := bursts(300000, 5, 5000)
	whole := extracted(t, NewExtractor(behind40(), plate, nil), groupWindow(plate, "ae", 0, x, math.NaN()))
	want, _ := value(t, whole, "hits")
	for _, n := range []int{12650, 25150, 30200, 30800} { // bursts are cut, or end so late that only the next window knows
		e := NewExtractor(behind40(), plate, nil)
		hits := 0.0
		for at := 0; at < len(x); at += n {
			v := extracted(t, e, groupWindow(plate, "ae", float64(at)/1e6, x[at:min(at+n, len(x))], math.NaN()))
			h, _ := value(t, v, "hits")
			hits += h
		}
		if hits != want {
			t.Errorf("windows of %d: %g hits, want %g", n, hits, want)
		}
		if c := carried(e); len(c) != int(want) {
			t.Errorf("windows of %d: %d amplitudes carried, want %g", n, len(c), want)
		}
	}
	// A window that begins a millisecond late begins afresh: the cut hit is lost.
	e := NewExtractor(behind40(), plate, nil)
	extracted(t, e, groupWindow(plate, "ae", 0, x[:5150], math.NaN()))
	v := extracted(t, e, groupWindow(plate, "ae", 0.006150, x[6150:9000], math.NaN()))
	wantNear(t, v, "hits", 0, 0)
	if c := carried(e); len(c) != 1 {
		t.Errorf("%d amplitudes carried, want the one of the hit that ended", len(c))
	}
}

// carried are the amplitudes of an extractor's only channel.
func carried(e *WaveExtractor) (amplitudes []float32) {
	for _, l := range e.layouts {
		amplitudes = l.groups[0].(*acousticGroup).carry.Amplitudes
	}
	return amplitudes
}

// The slope of amplitudes that were drawn with a slope comes back.
func TestTheGroupsBValue(t *testing.T) {
	plate := groupPlate()
	const b = 1.4
	rng := rand.New(rand.NewPCG(8, 8))
	opt := behind40()
	opt.Acoustic.Keep = 400
	e := NewExtractor(opt, plate, nil)
	var v Vector
	for k := range 40 {
		x := make([]float32, 60000)
		for i := range x {
			x[i] = float32(1e-4 * rng.NormFloat64())
		}
		for at := 1000; at+200 < len(x); at += 5000 {
			m := CompleteMagnitude(40) + rng.ExpFloat64()/(b*math.Ln10)
			for i := range 100 {
				x[at+i] = float32(1e-4 * math.Pow(10, m) * math.Cos(2*math.Pi*0.1*float64(i)))
			}
		}
		v = extracted(t, e, groupWindow(plate, "ae", 0.06*float64(k), x, math.NaN()))
		_, why := value(t, v, "b_value")
		if few := (k+1)*12 < 50; few != (why == ReasonFew) {
			t.Errorf("window %d: %q", k, why)
		}
	}
	got, _ := value(t, v, "b_value")
	sigma, _ := value(t, v, "b_value_error")
	if math.Abs(got-b) > 3*sigma || math.Abs(sigma-got/20) > 1e-3 {
		t.Errorf("b = %g ± %g, want %g ± b/√400", got, sigma, b)
	}
}

// Windows that overlap give each amplitude once.
func TestOverlappingWindowsOfHits(t *testing.T) {
	plate := groupPlate()
	x := bursts(200000, 4, 4000)
	e := NewExtractor(behind40(), plate, nil)
	for at := 0; at+40000 <= len(x); at += 20000 {
		extracted(t, e, groupWindow(plate, "ae", float64(at)/1e6, x[at:at+40000], math.NaN()))
	}
	if n := len(carried(e)); n != 50 {
		t.Errorf("%d amplitudes of 50 bursts", n)
	}
}
