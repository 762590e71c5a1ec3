package features

import (
	"math"
	"math/rand/v2"
	"testing"
)

// oscillator is a structure of one mode that noise shakes, of deviation 1: an exact
// discretisation of its free decay.
func oscillator(n int, rate, hz, zeta float64, seed uint64) []float32 {
	rng := rand.New(rand.NewPCG(seed, 3))
	w := 2 * math.Pi * hz / rate
	r, c := math.Exp(-zeta*w), math.Cos(w*math.Sqrt(1-zeta*zeta))
	a1, a2 := 2*r*c, -r*r
	// Variance of the second-order autoregression.
	k := math.Sqrt((1 - a2*a2 - a1*a1*(1+a2)/(1-a2)))
	var y1, y2 float64
	x := make([]float32, n)
	for i := range n + 4000 {
		y := a1*y1 + a2*y2 + k*rng.NormFloat64()
		y1, y2 = y, y1
		if i >= 4000 {
			x[i-4000] = float32(y)
		}
	}
	return x
}

func TestModalGroupFindsTheResonance(t *testing.T) {
	plate := groupPlate()
	opt := ExtractorOptions{}
	for _, hz := range []float64{0.71, 1.55} {
		var zeta, worst, n float64
		for seed := range uint64(20) {
			x := oscillator(15360, 25.6, hz, 0.04, seed)
			for i := range x { // 3P, as loud as the blade
				x[i] += float32(2 * math.Cos(2*math.Pi*0.6*float64(i)/25.6))
			}
			v := extracted(t, NewExtractor(opt, plate, nil), groupWindow(plate, "strain", 0, x, 12))
			f, why := value(t, v, "resonance_hz")
			if why != "" {
				t.Fatal(why)
			}
			worst = max(worst, math.Abs(f/hz-1))
			if z, why := value(t, v, "damping"); why == "" {
				zeta, n = zeta+z, n+1
			}
			wantNear(t, v, "rotor_3p", 2, 0.2)
		}
		zeta /= n
		t.Logf("%g Hz: worst error %.2g %%, mean damping %.3f of %g", hz, 100*worst, zeta, n)
		if n < 10 || worst > 0.04 || math.Abs(zeta-0.04) > 0.015 {
			t.Errorf("%g Hz: off by up to %.2g %%, damping %.3f", hz, 100*worst, zeta)
		}
	}
}

func TestModalGroupOfRotorLines(t *testing.T) {
	plate := groupPlate()
	x := tones(15360, 25.6, 0.01, 1, [3]float64{0.2, 1, 1}, [3]float64{0.6, 0.5, 2}, [3]float64{1.2, 0.25, 3})
	v := extracted(t, NewExtractor(ExtractorOptions{}, plate, nil), groupWindow(plate, "strain", 0, x, 12))
	for name, want := range map[string]float64{"rotor_1p": 1, "rotor_3p": 0.5, "rotor_6p": 0.25} {
		wantNear(t, v, name, want, 2e-3)
	}
	// A mode on 3P cannot be told from it.
	v = extracted(t, NewExtractor(ExtractorOptions{Modal: ModalOptions{Band: Band{0.5, 0.7}}}, plate, nil), groupWindow(plate, "strain", 0, oscillator(15360, 25.6, 0.6, 0.01, 1), 12))
	if _, why := value(t, v, "resonance_hz"); why != ReasonAmbiguous && why != ReasonFlat {
		t.Errorf("a mode on 3P: %q", why)
	}
	// Lines of a rotor whose speed moves, by angle.
	w := groupWindow(plate, "strain", 0, nil, 12)
	angle := 0.0
	for i := range 15360 {
		at := float64(i) / 25.6
		rpm := 12 + 0.5*math.Sin(2*math.Pi*at/200)
		if i%256 == 0 {
			w.Speeds = append(w.Speeds, asSpeed(w.Start, at, rpm))
		}
		w.Samples = append(w.Samples, float32(math.Cos(angle)+0.5*math.Cos(3*angle)))
		angle += 2 * math.Pi * rpm / 60 / 25.6
	}
	v = extracted(t, NewExtractor(ExtractorOptions{}, plate, nil), w)
	wantNear(t, v, "rotor_1p", 1, 0.02)
	wantNear(t, v, "rotor_3p", 0.5, 0.05)
}

// What VDI 3834-1 judges: a tone has its closed form, ten minutes at once or in
// sections, whether or not they overlap.
func TestModalGroupBelowTenHertz(t *testing.T) {
	plate := groupPlate()
	x := tones(25600, 25.6, 1e-3, 1, [3]float64{1, 0.8, 1}, [3]float64{11, 5, 0}) // 11 Hz is not in it
	check := func(v Vector) {
		t.Helper()
		wantNear(t, v, "acceleration_rms_low", 0.8/math.Sqrt2, 2e-3)
		wantNear(t, v, "velocity_rms_low", 800/(2*math.Pi)/math.Sqrt2, 2e-3)
	}
	check(extracted(t, NewExtractor(ExtractorOptions{}, plate, nil), groupWindow(plate, "tower", 0, x[:15360], 12)))
	for _, hop := range []int{3072, 1536} {
		e := NewExtractor(ExtractorOptions{}, plate, nil)
		for at := 0; at+3072 <= 7*3072; at += hop {
			v := extracted(t, e, groupWindow(plate, "tower", float64(at)/25.6, x[at:at+3072], 12))
			if at < 4*3072 {
				wantMissing(t, v, ReasonShort, "acceleration_rms_low", "velocity_rms_low")
			} else {
				check(v)
			}
		}
	}
	e := NewExtractor(ExtractorOptions{}, plate, nil)
	for k := range 8 { // a day apart: nothing joins
		v := extracted(t, e, groupWindow(plate, "tower", 86400*float64(k), x[:3072], 12))
		wantMissing(t, v, ReasonShort, "acceleration_rms_low")
	}
}

func TestModalGroupWhenItCannot(t *testing.T) {
	plate := groupPlate()
	x := oscillator(15360, 25.6, 0.71, 0.04, 1)
	get := func(channel string, x []float32, rpm float64, opt ModalOptions) Vector {
		return extracted(t, NewExtractor(ExtractorOptions{Modal: opt}, plate, nil), groupWindow(plate, channel, 0, x, rpm))
	}
	wantMissing(t, get("strain", x, math.NaN(), ModalOptions{}), ReasonNoSpeed, "rotor_1p", "rotor_6p")
	wantMissing(t, get("strain", x, 0, ModalOptions{}), ReasonStandstill, "rotor_1p")
	short := get("tower", x[:256], 12, ModalOptions{Band: Band{0.2, 2}})
	wantMissing(t, short, ReasonShort, "resonance_hz", "damping", "rotor_1p", "rotor_3p", "rotor_6p", "acceleration_rms_low", "velocity_rms_low")
	wantMissing(t, get("strain", x, 300, ModalOptions{}), ReasonAlias, "rotor_6p")
	wantMissing(t, get("strain", x, 12, ModalOptions{Band: Band{20, 40}}), ReasonAlias, "resonance_hz")
	slow := groupWindow(plate, "undeclared", 0, x, 12)
	slow.Kind, slow.Unit, slow.RateHz, slow.Component = "acceleration", "m/s²", 15, "tower"
	wantMissing(t, extracted(t, NewExtractor(ExtractorOptions{}, plate, nil), slow), ReasonAlias, "acceleration_rms_low", "velocity_rms_low")
	sharp := get("strain", oscillator(15360, 25.6, 2, 0.001, 1), math.NaN(), ModalOptions{})
	wantNear(t, sharp, "resonance_hz", 2, 0.01)
	wantMissing(t, sharp, ReasonBiased, "damping")
}
