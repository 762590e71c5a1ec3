package simulate

import (
	"math"
	"testing"
	"time"
)

func TestWindAndPowerOverManyYears(t *testing.T) {
	f := mustFarm(t, Options{Turbines: 1, Start: testStart, WaveEvery: -1, Healthy: true})
	var wind, square, power, neighbours float64
	const n = 4000
	gauss := func(v float64) float64 {
		u := -math.Expm1(-math.Pow(v/weibullC, weibullK))
		return math.Sqrt2 * math.Erfinv(2*u-1)
	}
	for i := range n { // two days apart: practically independent
		at := testStart.Add(time.Duration(i) * 48 * time.Hour)
		v, _ := f.weather.at(0, at)
		next, _ := f.weather.at(0, at.Add(10*time.Minute))
		wind, square, power = wind+v/n, square+v*v/n, power+powerAt(v)/n
		neighbours += gauss(v) * gauss(next) / n
	}
	near(t, "mean wind", wind, 7.976, 0.03)
	near(t, "standard deviation", math.Sqrt(square-wind*wind), 4.169, 0.04)
	near(t, "mean power", power, 2.117e6, 0.05)
	near(t, "autocorrelation over 10 min", neighbours, windPhi, 0.06)
}

func TestATurbineStandsOutsideOfItsWind(t *testing.T) {
	f := mustFarm(t, Options{Turbines: 1, Start: testStart, WaveEvery: -1, Healthy: true})
	for _, tc := range []struct {
		windMS  float64
		running bool
	}{{0, false}, {2.9, false}, {3.1, true}, {24.9, true}, {25.1, false}} {
		rnd := newStream(f.tab, 1, 0, "gusts", 0)
		o := operate(&rnd, tc.windMS, 10, 600)
		if o.running != tc.running || (o.rpm > 0) != tc.running || (o.powerW > 0) != tc.running {
			t.Errorf("at %g m/s: %+v", tc.windMS, o)
		}
		if tc.running && (o.rpm < minRpm-1e-9 || o.rpm > maxRpm+1e-9 || o.powerW > ratedW+1e-3) {
			t.Errorf("at %g m/s: outside of its limits: %+v", tc.windMS, o)
		}
	}
}

func TestWeatherIsTheSameWhateverCameBefore(t *testing.T) {
	opt := Options{Turbines: 3, Seed: 9, Start: testStart, WaveEvery: -1, Healthy: true}
	early := mustFarm(t, opt)
	opt.Start = testStart.Add(30 * 24 * time.Hour)
	late := mustFarm(t, opt)
	for i := range 50 {
		at := opt.Start.Add(time.Duration(i) * 10 * time.Minute)
		if a, b := early.operation(i%3, at), late.operation(i%3, at); a != b {
			t.Fatalf("at %s: %+v and %+v", at, a, b)
		}
	}
}
