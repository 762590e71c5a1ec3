package features

import (
	"math"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

// The harmonics of a shaft are the same whether its speed stands or moves.
func TestHarmonicsFollowTheSpeed(t *testing.T) {
	amplitudes := [3]float64{2, 0.7, 0.3}
	for name, swing := range map[string]float64{"steady": 0, "a little": 0.01, "ramp": 0.2} {
		t.Run(name, func(t *testing.T) {
			w := testWindow(make([]float32, int(testRate)), math.NaN())
			rng := noise(len(w.Samples), 4)
			angle := 0.0
			for i := range w.Samples {
				at := float64(i) / testRate
				angle += 25 * (1 + swing*(at-0.5)) / testRate
				x := 0.2 * float64(rng[i])
				for k, a := range amplitudes {
					x += a * math.Sin(2*math.Pi*float64(k+1)*angle)
				}
				w.Samples[i] = float32(x)
			}
			for at := 0.0; at <= 1; at += 0.1 {
				w.Speeds = append(w.Speeds, asset.SpeedAt{Time: w.Start.Add(time.Duration(at * 1e9)), Rpm: 60 * 25 * (1 + swing*(at-0.5))})
			}
			v, _, _ := NewExtractor(ExtractorOptions{}, testPlate(), nil).Extract(w, false)
			for k, name := range []string{"harmonic_1x", "harmonic_2x", "harmonic_3x"} {
				got, why := value(t, v, name)
				if why != "" {
					t.Fatalf("%s: %s", name, why)
				}
				within(t, name, got, asset.Number(amplitudes[k]/math.Sqrt2), 0.01, 0.03)
			}
		})
	}
}
