package physics

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestFirstPassageAgainstPaths draws Wiener paths; within a step the bridge between
// its ends crosses with exp(−2ab/σ²dt), a and b being what is left at either end.
func TestFirstPassageAgainstPaths(t *testing.T) {
	const distance, drift, sigma, dt, n = 1.0, 0.02, 0.08, 0.5, 6000
	r := rand.New(rand.NewPCG(11, 12))
	at := []float64{20, 35, 50, 80, 140}
	crossed := make([]float64, len(at))
	for range n {
		x, passed := 0.0, math.Inf(1)
		for now := 0.0; now < at[len(at)-1]; now += dt {
			next := x + drift*dt + sigma*math.Sqrt(dt)*r.NormFloat64()
			if next >= distance || r.Float64() < math.Exp(-2*(distance-x)*(distance-next)/(sigma*sigma*dt)) {
				passed = now + dt
				break
			}
			x = next
		}
		for i, h := range at {
			if passed <= h {
				crossed[i] += 1.0 / n
			}
		}
	}
	m := mixture{{slope: drift, distance: distance, weight: 1}}
	for i, h := range at {
		want := m.cdf(sigma, h)
		if sd := math.Sqrt(want * (1 - want) / n); math.Abs(crossed[i]-want) > 4*sd+0.002 {
			t.Errorf("by %v h %.4f of the paths passed, want %.4f", h, crossed[i], want)
		}
	}
}
