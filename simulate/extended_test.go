package simulate

import (
	"math"
	"slices"
	"testing"

	"github.com/telltale-iot/telltale/asset"
)

func TestEveryGrowthLawLeadsFromOnsetToFailure(t *testing.T) {
	for _, g := range []Growth{{Law: Exponential, Shape: 5}, {Law: Paris, Shape: 0.04}, {Law: Power, Shape: 2.5}, {Law: Steps, Shape: 6, Key: 3}, {Law: Rest, Shape: 3, Key: 7}} {
		if err := g.validate(); err != nil {
			t.Fatal(err)
		}
		last, still := -1.0, 0
		for u := 0.0; u <= 1; u += 1e-3 {
			s := g.severity(u)
			if s < last {
				t.Fatalf("%s: falls from %g to %g at %g", g.Law, last, s, u)
			}
			if s == last {
				still++
			}
			last = s
		}
		if at := g.severity(1); math.Abs(at-1) > 1e-12 {
			t.Errorf("%s: ends at %g", g.Law, at)
		}
		if moves := g.Law != Steps && g.Law != Rest; moves != (still == 0) {
			t.Errorf("%s: stands still over %d thousandths of its life", g.Law, still)
		}
		if u := g.lifeAt(0.5); math.Abs(g.severity(u)-0.5) > 1e-6 && !(g.Law == Steps && g.severity(u) >= 0.5 && g.severity(u-1e-6) < 0.5) {
			t.Errorf("%s: severity %g at the life %g of 0.5", g.Law, g.severity(u), u)
		}
	}
	if err := (Growth{Law: "linear", Shape: 1}).validate(); err == nil {
		t.Error("an unknown law is taken")
	}
}

// extendedRun has one fault on the first turbine and a healthy twin of it.
func extendedRun(t *testing.T, x Fault) (ill, well []asset.Reading) {
	t.Helper()
	opt := Options{Turbines: 1, Seed: 5, Start: testStart, Duration: 2 * day, WaveEvery: 6 * 3600e9, WaveSeconds: 1, Extended: true, Healthy: true}
	well = all(mustFarm(t, opt))
	opt.Healthy, opt.Faults = false, []Fault{x}
	return all(mustFarm(t, opt)), well
}

func meanOf(readings []asset.Reading, metric string) float64 {
	sum, n := 0.0, 0.0
	for _, r := range readings {
		for _, p := range r.Points {
			if p.Metric == metric {
				sum, n = sum+p.Value, n+1
			}
		}
	}
	return sum / n
}

func TestACrackLowersTheFrequencyOfItsBladeAlone(t *testing.T) {
	x := Fault{Component: "blade-2", Mode: asset.Crack, Onset: testStart.Add(-8 * day), Failure: testStart.Add(8 * day), Growth: Growth{Law: Power, Shape: 1}}
	ill, well := extendedRun(t, x)
	drop := func(m string) float64 { return meanOf(ill, m)/meanOf(well, m) - 1 }
	// d = 0.9·0.56, so that 1/ω² grows by 0.02·1.02: one percent of the frequency, less
	// what the rotor's stiffening holds against it.
	if d := drop("blade_2_flap_frequency"); d > -0.008 || d < -0.0115 {
		t.Errorf("flap of the cracked blade moved by %.3g", d)
	}
	for _, m := range []string{"blade_1_flap_frequency", "blade_3_edge_frequency"} {
		if d := drop(m); d != 0 {
			t.Errorf("%s moved by %g", m, d)
		}
	}
}

func TestTheMainBearingIsHeardAndFelt(t *testing.T) {
	x := Fault{Component: "main-bearing", Mode: asset.Wear, Onset: testStart.Add(-8 * day), Failure: testStart.Add(8 * day), Growth: Growth{Law: Power, Shape: 1}}
	ill, well := extendedRun(t, x)
	level := func(readings []asset.Reading) (sum float64) {
		for _, r := range readings {
			if r.Wave != nil && r.Wave.Channel == "main-bearing" {
				if r.Wave.RateHz != slowRateHz || len(r.Wave.Samples) != slowRateHz*slowRecordS {
					t.Fatalf("%d samples at %g Hz", len(r.Wave.Samples), r.Wave.RateHz)
				}
				sum += rms(r.Wave.Samples)
			}
		}
		return sum
	}
	if up := level(ill) / level(well); !(up > 1.8) {
		t.Errorf("level × %g", up)
	}
	if up := meanOf(ill, "front_bearing_temperature") - meanOf(well, "front_bearing_temperature"); !(up > 2) {
		t.Errorf("front bearing %g K warmer", up)
	}
}

func TestAnExtendedFarmKeepsTheReadingsThatAreThereAnyway(t *testing.T) {
	opt := Options{Turbines: 2, Seed: 5, Start: testStart, Duration: day, WaveEvery: 6 * 3600e9, WaveSeconds: 1, Healthy: true}
	plain := all(mustFarm(t, opt))
	opt.Extended = true
	var kept []asset.Reading
	last := testStart
	for _, r := range all(mustFarm(t, opt)) {
		if r.Time.Before(last) {
			t.Fatalf("%s after %s", r.Time, last)
		}
		if last = r.Time; r.Wave != nil && r.Wave.Channel == "main-bearing" {
			continue
		}
		r.Points = r.Points[:min(len(r.Points), len(metrics))]
		kept = append(kept, r)
	}
	if len(kept) != len(plain) {
		t.Fatalf("%d readings, want %d", len(kept), len(plain))
	}
	for i := range plain {
		same := slices.Equal(plain[i].Points, kept[i].Points) && plain[i].Time.Equal(kept[i].Time) && (plain[i].Wave == nil) == (kept[i].Wave == nil)
		if !same || plain[i].Wave != nil && !slices.Equal(plain[i].Wave.Samples, kept[i].Wave.Samples) {
			t.Fatalf("reading %d differs: %+v, want %+v", i, kept[i], plain[i])
		}
	}
}

func TestSwappedTemperaturesChangePlaces(t *testing.T) {
	x := Fault{Mode: asset.SensorFault, Signal: "front_bearing_temperature", Sensor: Swapped, Onset: testStart.Add(-day)}
	ill, well := extendedRun(t, x)
	if meanOf(ill, "front_bearing_temperature") != meanOf(well, "rear_bearing_temperature") {
		t.Error("the front does not show what the rear has")
	}
}

func TestYearScenarioHasEveryGroupAndLaw(t *testing.T) {
	opt := Options{Turbines: 400, Seed: 1, Start: testStart, Extended: true}
	groups, laws := map[string]int{}, map[Law]int{}
	for _, x := range YearScenario(opt) {
		if err := x.validate(400, true); err != nil {
			t.Fatal(err)
		}
		if x.Mode != asset.SensorFault {
			groups[Group(x.Component, x.Mode)]++
			laws[x.Growth.Law]++
		}
	}
	if len(groups) != 5 || len(laws) != 5 {
		t.Errorf("groups %v, laws %v", groups, laws)
	}
}
