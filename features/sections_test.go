package features

import (
	"math"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

// A record of minutes gives the values of its sections, in memory that does not grow
// with it.
func TestLongRecordsAreTakenInSections(t *testing.T) {
	if raceOn {
		t.Skip("long, and of one goroutine")
	}
	const seconds = 120
	const strike = 107.5
	n := seconds * int(testRate)
	x := strikes(n, testRate, strike, 5000, 6, 3)
	for i := range x {
		x[i] += float32(2 * math.Sin(2*math.Pi*50*float64(i)/testRate))
	}
	plate := testPlate()
	o := OrdersOf(*plate.Components[0].Bearing)
	rpm := 60 * strike / o.BPFO
	e := NewExtractor(ExtractorOptions{}, plate, nil)
	long, spectra, _ := e.Extract(testWindow(x, rpm), true)
	short, _, _ := NewExtractor(ExtractorOptions{}, plate, nil).Extract(testWindow(x[:mostTransformed], rpm), false)
	for name, share := range map[string]float64{"rms": 0.01, "kurtosis": 0.03, "velocity_rms": 0.02, "band_rms_10_100": 0.02, "band_rms_1000_5000": 0.02, "centroid": 0.02, "envelope_rms": 0.02} {
		got, _ := value(t, long, name)
		want, _ := value(t, short, name)
		within(t, name, got, asset.Number(want), 0, share)
	}
	for _, name := range []string{"comb_bpfo", "defect_bpfo"} {
		got, _ := value(t, long, name)
		want, _ := value(t, short, name)
		if !(got > 0.7*want && got > 8) {
			t.Errorf("%s = %.1f, of one section %.1f", name, got, want)
		}
	}
	for size := range e.space.single.real {
		if size > mostTransformed {
			t.Errorf("a transform of %d samples", size)
		}
	}
	if len(spectra) != 2 || long.WindowS != seconds {
		t.Errorf("%d spectra of %g s", len(spectra), long.WindowS)
	}
}

// The averages are over time, not over angle: a section whose speed differs puts a
// line of the same order in the same place.
func TestSectionsFollowASpeedThatVaries(t *testing.T) {
	n := 2*mostTransformed + 1000
	seconds := float64(n) / testRate
	w := testWindow(make([]float32, n), math.NaN())
	rng := noise(n, 9)
	o := OrdersOf(*testPlate().Components[0].Bearing)
	since, angle := 1e9, 0.0
	for i := range w.Samples {
		at := float64(i) / testRate
		rps := 20 + 8*at/seconds
		angle += rps / testRate * o.BPFI
		if since++; angle >= 1 {
			angle, since = angle-1, 0
		}
		w.Samples[i] = rng[i] + float32(8*math.Exp(-since/40)*math.Sin(since*1.2))
	}
	for at := 0.0; at <= seconds; at += 0.5 {
		w.Speeds = append(w.Speeds, asset.SpeedAt{Time: w.Start.Add(time.Duration(at * 1e9)), Rpm: 60 * (20 + 8*at/seconds)})
	}
	v, _, _ := NewExtractor(ExtractorOptions{}, testPlate(), nil).Extract(w, false)
	if got, why := value(t, v, "comb_bpfi"); !(got > 10) {
		t.Errorf("comb_bpfi = %.1f (%s)", got, why)
	}
	if got, _ := value(t, v, "comb_bpfo"); !(got < 6) {
		t.Errorf("comb_bpfo = %.1f", got)
	}
}
