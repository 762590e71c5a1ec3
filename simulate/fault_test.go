package simulate

import (
	"fmt"
	"math"
	"math/cmplx"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

const day = 24 * time.Hour

// windy is the first instant from t on at which a turbine runs at half load or more.
func windy(f *Farm, turbine int, t time.Time) time.Time {
	for f.operation(turbine, t).load() < 0.5 {
		t = t.Add(f.opt.TelemetryEvery)
	}
	return t
}

// record is five seconds of a channel at an instant.
func record(f *Farm, turbine, channel int, at time.Time) []float32 {
	x := make([]float32, 128000)
	f.newSynth(turbine, channel, at).fill(x)
	return x
}

func rms(x []float32) float64 {
	sum := 0.0
	for _, v := range x {
		sum += float64(v) * float64(v)
	}
	return math.Sqrt(sum / float64(len(x)))
}

// prominence is the squared envelope around hz: the largest line within 0.5 % of
// f over the median of those within 10 %, in dB. The band is a pole pair.
func prominence(x []float32, carrierHz, f float64) float64 {
	const rate = 25600
	pole := cmplx.Rect(math.Exp(-0.08*2*math.Pi*carrierHz/rate), 2*math.Pi*carrierHz/rate)
	const thin = 16
	env, z, mean := make([]float64, len(x)/thin), complex(0, 0), 0.0
	for i, v := range x {
		z = z*pole + complex(float64(v), 0)
		e := real(z)*real(z) + imag(z)*imag(z)
		env[i/thin] += e
		mean += e / float64(len(env))
	}
	line := func(hz float64) float64 {
		w, turn, sum := complex(1, 0), cmplx.Rect(1, -2*math.Pi*hz*thin/rate), complex(0, 0)
		for _, e := range env {
			sum += complex(e-mean, 0) * w
			w *= turn
		}
		return cmplx.Abs(sum)
	}
	best, floor := 0.0, []float64{}
	for share := -0.005; share <= 0.005; share += 0.0002 {
		best = max(best, line(f*(1+share)))
	}
	for share := 0.02; share <= 0.1; share += 0.004 {
		floor = append(floor, line(f*(1+share)), line(f*(1-share)))
	}
	sum := 0.0
	for _, v := range floor {
		sum += math.Log(v) / float64(len(floor))
	}
	return 20 * (math.Log10(best) - sum/math.Ln10)
}

func TestBearingFaultsShowAtTheirFrequencies(t *testing.T) {
	for channel, v := range voices[:fastVoices] {
		inner, outer, element, _ := orders(bearings[v.component])
		for _, tc := range []struct {
			mode  asset.Mode
			order float64
		}{{asset.InnerRace, inner}, {asset.OuterRace, outer}, {asset.RollingElement, element}} {
			for _, severity := range []float64{0.45, 1} {
				t.Run(fmt.Sprint(v.name, " ", tc.mode, " ", severity), func(t *testing.T) {
					x := Fault{Component: v.component, Mode: tc.mode, Failure: testStart.Add(1000 * day)}
					f := mustFarm(t, Options{Turbines: 2, Start: testStart, Faults: []Fault{x.grown(min(severity, 0.999), testStart)}})
					at := windy(f, 0, testStart)
					s := f.newSynth(0, channel, at)
					hz := tc.order * s.rotHz * (1 - f.builds[0].slip[channel])
					faulty := prominence(record(f, 0, channel, at), v.ringHz, hz)
					g := mustFarm(t, Options{Turbines: 2, Start: testStart, Healthy: true})
					healthy := prominence(record(g, 0, channel, at), v.ringHz, hz)
					t.Logf("%.1f Hz: %.1f dB, healthy %.1f dB", hz, faulty, healthy)
					if faulty < 15 || healthy > 12 {
						t.Errorf("line at %.1f Hz: %.1f dB, healthy %.1f dB", hz, faulty, healthy)
					}
				})
			}
		}
	}
}

func TestSeverityOneIsFiveDecibelOverTheHealthyChannel(t *testing.T) {
	for _, mode := range []asset.Mode{asset.OuterRace, asset.InnerRace, asset.RollingElement} {
		x := Fault{Component: "gearbox-bearing", Mode: mode, Failure: testStart.Add(1000 * day)}
		f := mustFarm(t, Options{Turbines: 1, Start: testStart, Faults: []Fault{x.grown(0.999, testStart)}})
		g := mustFarm(t, Options{Turbines: 1, Start: testStart, Healthy: true})
		at := testStart
		for f.operation(0, at).load() < 0.999 {
			at = at.Add(f.opt.TelemetryEvery)
		}
		a, b := record(f, 0, 0, at), record(g, 0, 0, at)
		snr := 20 * math.Log10(math.Sqrt(rms(a)*rms(a)-rms(b)*rms(b))/voices[0].ratedRMS())
		if math.Abs(snr-snrAtOneDB) > 1.5 {
			t.Errorf("%s: %.2f dB, want %g", mode, snr, snrAtOneDB)
		}
	}
}

func TestSeverityGrowsFromOnsetToFailure(t *testing.T) {
	for _, mode := range []asset.Mode{asset.OuterRace, asset.GearTooth} {
		x := Fault{Mode: mode, Onset: testStart, Failure: testStart.Add(10 * day)}
		last := 0.0
		for at := testStart; at.Before(x.Failure); at = at.Add(time.Hour) {
			s := x.Severity(at)
			if s < last || s > 1 {
				t.Fatalf("%s: severity %g after %g", mode, s, last)
			}
			last = s
		}
		if got := x.Severity(x.Failure); math.Abs(got-1) > 1e-9 {
			t.Errorf("%s: severity %g at failure", mode, got)
		}
		if got := x.Severity(x.reached(0.3)); math.Abs(got-0.3) > 1e-6 {
			t.Errorf("%s: severity %g where it should reach 0.3", mode, got)
		}
		if a, b := x.Severity(testStart.Add(-1)), x.Severity(x.repaired()); a != 0 || b != 0 {
			t.Errorf("%s: severity %g before onset, %g after the repair", mode, a, b)
		}
	}
}

// series is every metric of turbine 0 over a run of ten days with one fault from day 5.
func series(t *testing.T, x Fault) map[string][]float64 {
	t.Helper()
	values := map[string][]float64{}
	x.Onset, x.Failure = testStart.Add(5*day), testStart.Add(9*day)
	f := mustFarm(t, Options{Turbines: 1, Seed: 2, Start: testStart, Duration: 9 * day, WaveEvery: -1, Faults: []Fault{x}})
	for _, r := range all(f) {
		for _, p := range r.Points {
			values[p.Metric] = append(values[p.Metric], p.Value)
		}
	}
	return values
}

func TestFaultsShowInTheirTelemetry(t *testing.T) {
	healthy := series(t, Fault{Component: "gearbox", Mode: asset.GearTooth})
	for _, tc := range []struct {
		component, metric string
		mode              asset.Mode
		least             float64 // largest change against the healthy twin
	}{
		{"main-bearing", "front_bearing_temperature", asset.Overheating, 20},
		{"gearbox", "gearbox_oil_temperature", asset.Overheating, 10},
		{"gearbox", "gearbox_oil_temperature", asset.Lubrication, 4},
		{"generator", "generator_winding_temperature", asset.Overheating, 10},
		{"generator", "generator_winding_temperature", asset.Electrical, 10},
		{"rotor", "generator_power", asset.Icing, -500},
	} {
		sick, sound := series(t, Fault{Component: tc.component, Mode: tc.mode})[tc.metric], healthy[tc.metric]
		extreme := 0.0
		for i := range sick {
			if d := sick[i] - sound[i]; math.Abs(d) > math.Abs(extreme) {
				extreme = d
			}
			if i < 5*144 && sick[i] != sound[i] {
				t.Fatalf("%s %s: differs before the onset", tc.component, tc.mode)
			}
		}
		if extreme/tc.least < 1 {
			t.Errorf("%s %s: %s changes by %.1f, want %.1f or more", tc.component, tc.mode, tc.metric, extreme, tc.least)
		}
	}
}

func TestVibrationFaultsShowInTheirChannel(t *testing.T) {
	for _, x := range catalogue() {
		var channel int
		switch {
		case x.Component == "gearbox" && x.Mode != asset.Overheating:
			channel = 0
		case x.Mode == asset.Imbalance || x.Mode == asset.Misalignment || x.Mode == asset.Looseness:
			channel = 1
		default:
			continue
		}
		x.Failure = testStart.Add(1000 * day)
		f := mustFarm(t, Options{Turbines: 1, Start: testStart, Faults: []Fault{x.grown(0.9, testStart)}})
		g := mustFarm(t, Options{Turbines: 1, Start: testStart, Healthy: true})
		at := windy(f, 0, testStart)
		if a, b := rms(record(f, 0, channel, at)), rms(record(g, 0, channel, at)); a < 1.15*b {
			t.Errorf("%s: RMS %.2f, healthy %.2f", x.Mode, a, b)
		}
	}
}

func TestSensorFaultsOfAMetric(t *testing.T) {
	const metric = "gearbox_oil_temperature"
	sound := series(t, Fault{Component: "gearbox", Mode: asset.GearTooth})[metric]
	for kind, check := range map[Sensor]func(got, want []float64) bool{
		Stuck:   func(got, _ []float64) bool { return got[0] == got[100] && got[0] == got[500] },
		Drift:   func(got, want []float64) bool { return got[500]-want[500] > 10 && got[1]-want[1] < 1 },
		Bias:    func(got, want []float64) bool { return math.Abs(got[9]-want[9]-biasScale*5) < 1e-9 },
		Spikes:  func(got, want []float64) bool { n := differing(got, want); return n > 10 && n < 60 },
		Dropout: func(got, want []float64) bool { n := differing(got, want); return n > 200 && n < 376 },
		Gap:     func(got, _ []float64) bool { return len(got) == 0 },
	} {
		got := series(t, Fault{Mode: asset.SensorFault, Signal: metric, Sensor: kind})[metric]
		for i := range 5 * 144 {
			if got[i] != sound[i] {
				t.Fatalf("%s: instant %d differs before the onset", kind, i)
			}
		}
		if !check(got[5*144:], sound[5*144:]) {
			t.Errorf("%s: does not show", kind)
		}
	}
}

func differing(a, b []float64) (n int) {
	for i := range a {
		if a[i] != b[i] {
			n++
		}
	}
	return n
}

func TestSensorFaultsOfAChannel(t *testing.T) {
	blocks := func(kind Sensor) (out []asset.Waveform) {
		opt := Options{Turbines: 1, Seed: 2, Start: testStart, Duration: time.Hour, WaveEvery: 30 * time.Minute, WaveSeconds: 1, Healthy: kind == ""}
		if kind != "" {
			opt.Faults = []Fault{{Mode: asset.SensorFault, Signal: voices[0].name, Sensor: kind, Onset: testStart.Add(-day)}}
		}
		for _, r := range all(mustFarm(t, opt)) {
			if r.Wave != nil && r.Wave.Channel == voices[0].name {
				out = append(out, *r.Wave)
			}
		}
		return out
	}
	sound := blocks("")
	for kind, check := range map[Sensor]func(got, want []float32) bool{
		Stuck:   func(got, _ []float32) bool { return got[0] == got[9999] && got[0] == got[25599] },
		Drift:   func(got, want []float32) bool { return math.Abs(rms(got)/rms(want)-math.Exp(-waveDriftDay)) < 0.01 },
		Bias:    func(got, want []float32) bool { return math.Abs(float64(got[9]-want[9]-waveBiasMS2)) < 1e-4 },
		Spikes:  func(got, want []float32) bool { return rms(got) > rms(want) && got[1] == want[1] },
		Dropout: func(got, want []float32) bool { return rms(got) < 0.05*rms(want) },
	} {
		if got := blocks(kind); len(got) != len(sound) || !check(got[0].Samples, sound[0].Samples) {
			t.Errorf("%s: does not show", kind)
		}
	}
	if got := blocks(Gap); len(got) != 0 {
		t.Errorf("gap: %d blocks arrived", len(got))
	}
}

func TestLabelsAreConsistent(t *testing.T) {
	opt := Options{Turbines: 60, Seed: 5, Start: testStart, Duration: 100 * day, WaveEvery: -1}
	f := mustFarm(t, opt)
	end, kinds := testStart.Add(opt.Duration), map[string]int{}
	for _, l := range f.Labels() {
		kinds[l.Kind]++
		if l.Start.Before(testStart) || !l.End.After(l.Start) || l.End.After(end) {
			t.Errorf("%+v: outside of the run", l)
		}
		if (l.Kind == "healthy") != (l.Mode == "") {
			t.Errorf("%+v: kind and mode disagree", l)
		}
		if (l.Kind == "failure" || l.Kind == "fault") && !l.Start.Equal(later(l.Onset, testStart)) {
			t.Errorf("%+v: does not start at its onset", l)
		}
		if l.Kind == "failure" && (!l.End.Equal(l.Failure) || l.Detectable.Before(l.Onset) || l.Severity != 1) {
			t.Errorf("%+v: instants disagree", l)
		}
	}
	for _, k := range []string{"failure", "fault", "healthy", "maintenance"} {
		if kinds[k] == 0 {
			t.Errorf("no label of kind %s in %v", k, kinds)
		}
	}
	trips := 0
	for _, e := range f.events {
		if e.Event.Code == "trip" {
			trips++
		}
	}
	if trips != kinds["failure"] {
		t.Errorf("%d trips, %d failures", trips, kinds["failure"])
	}
}

func TestATurbineStandsFromFailureToRepair(t *testing.T) {
	x := Fault{Component: "gearbox", Mode: asset.GearTooth, Onset: testStart, Failure: testStart.Add(2 * day)}
	f := mustFarm(t, Options{Turbines: 1, Start: testStart, Duration: 7 * day, WaveEvery: -1, Faults: []Fault{x}})
	ran := false
	for _, r := range all(f) {
		if r.Event != nil {
			continue
		}
		rpm := r.Points[1].Value
		if x.stops(r.Time) && rpm != 0 {
			t.Fatalf("%g rpm at %s", rpm, r.Time)
		}
		ran = ran || rpm > 0 && r.Time.After(x.repaired())
	}
	if !ran {
		t.Error("never ran again")
	}
}

func TestDemoScenarioFitsTheFarm(t *testing.T) {
	for n := range 14 {
		for _, x := range DemoScenario(n, 1, testStart) {
			if err := x.validate(n, false); err != nil {
				t.Errorf("%d turbines: %v", n, err)
			}
			if s := x.Severity(testStart); x.Mode != asset.SensorFault && (s < 0.4 || s > 0.55) {
				t.Errorf("%d turbines: %s starts at severity %g", n, x.Mode, s)
			}
		}
	}
	if got := len(DemoScenario(12, 1, testStart)); got != 4 {
		t.Errorf("%d faults in a farm of 12", got)
	}
}
