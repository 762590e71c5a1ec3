package features

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

// emission is noise of 1 µV at the sensor behind a preamplifier of 40 dB, in V, with hits
// at random instants: cosines of 100 kHz whose amplitudes in dB/20 have the slope b from
// 45 dB on (Aki 1965, Bull. Earthq. Res. Inst. 43:237).
func emission(n int, rng *rand.Rand, hits int, b float64) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(rng.NormFloat64() * 1e-4)
	}
	slot := n / hits
	for k := range hits { // one in each slot, so that none falls into another's lockout
		at := k*slot + rng.IntN(max(slot-1600, 1))
		size := math.Pow(10, (45+20/math.Ln10/b*rng.ExpFloat64())/20) * 1e-4
		for i := range min(200, n-at) {
			x[at+i] += float32(size * math.Cos(2*math.Pi*0.1*float64(i)))
		}
	}
	return x
}

// TestAcousticEmissionNamesAGrowingCrack: a class that names a mode for hits gets a
// candidate mode from them, once the rate of hits grows as a crack does and their
// b-value falls, and nothing on a sound machine.
func TestAcousticEmissionNamesAGrowingCrack(t *testing.T) {
	const learning, sound, end, n = 60, 160, 220, 50000
	plate := groupPlate()
	plate.Learning = &asset.Learning{Rows: learning}
	m, err := NewMonitor(MonitorOptions{Detectors: []DetectorOptions{
		{Type: "level", Name: "emission", Component: "shell", Fields: []string{"ae/hits_per_min", "ae/energy_per_min"}, Mode: asset.Crack},
		// b of 200 hits is known to b/√n, 7 %: a fall by a third is more than four errors.
		{Type: "level", Name: "b-value", Component: "shell", Fields: []string{"ae/b_value"}, Side: "low", Limit: 4, Mode: asset.Crack},
	}}, plate)
	if err != nil {
		t.Fatal(err)
	}
	e, rng := NewExtractor(behind40(), plate, nil), rand.New(rand.NewPCG(4, 4))
	named := map[string]int{}
	for row := range end {
		grown := max(0, float64(row-sound)/(end-sound)) // of the crack's way
		hits := 5 + rng.IntN(3) + int(14*grown)
		w := groupWindow(plate, "ae", float64(row)*600, emission(n, rng, hits, 1.8-0.9*grown), math.NaN())
		v := extracted(t, e, w)
		s := &Snapshot{Asset: plate.ID, Time: w.Start.Add(50 * time.Millisecond), Vectors: []Vector{v}}
		for _, a := range m.Observe(s) {
			switch {
			case row < sound && a.Abnormal:
				t.Errorf("row %d of a sound machine: %s is abnormal: %+v", row, a.Source, a.Evidence)
			case row >= sound && a.Abnormal && a.Modes[asset.Crack] > 0:
				named[a.Source]++
			}
		}
	}
	for _, source := range []string{"emission", "b-value"} {
		if named[source] < 5 {
			t.Errorf("%s named the crack %d times of %d", source, named[source], end-sound)
		}
	}
}
