package features

import (
	"math"
	"testing"
)

// A blade that was stopped rings out: frequency and damping are those it rings with.
func TestAFreeDecayIsRead(t *testing.T) {
	plant := groupPlate()
	for _, zeta := range []float64{0.008, 0.02} {
		x := ringDown(15360, 25.6, 0.71, zeta, 0.01)
		v, _, _ := NewExtractor(ExtractorOptions{}, plant, nil).Extract(groupWindow(plant, "strain", 0, x, math.NaN()), false)
		wantNear(t, v, "decay_hz", 0.71, 0.003)
		wantNear(t, v, "decay_damping", zeta, 0.1)
	}
	for seed := range uint64(10) { // what the wind keeps moving
		x := oscillator(15360, 25.6, 0.71, 0.02, seed)
		v, _, _ := NewExtractor(ExtractorOptions{}, plant, nil).Extract(groupWindow(plant, "strain", 0, x, math.NaN()), false)
		if f, why := value(t, v, "decay_hz"); why == "" {
			t.Errorf("seed %d: a decay of %g Hz in a steady swing", seed, f)
		}
	}
}

// ringDown is a little noise, then struck after a quarter of the time, and rings out.
func ringDown(n int, rateHz, hz, zeta, noiseShare float64) []float32 {
	x := noise(n, 5)
	for i := range x {
		x[i] *= float32(noiseShare)
		if at := float64(i-n/4) / rateHz; at >= 0 {
			w := 2 * math.Pi * hz
			x[i] += float32(math.Exp(-zeta*w*at) * math.Cos(w*math.Sqrt(1-zeta*zeta)*at))
		}
	}
	return x
}
