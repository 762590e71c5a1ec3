package main

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/simulate"
)

func near(a asset.Number, b float64) bool { return math.Abs(float64(a)-b) < 1e-4 }

func TestSharesAndRatesHaveExactIntervals(t *testing.T) {
	yes := func(float64) bool { return true }
	// 0 of 10: 1 − 0.025^{1/10}; 8 of 10: R binom.test.
	if f := share("", 0, 10, "", yes); !near(f.Lo, 0) || !near(f.Hi, 0.30850) {
		t.Errorf("0 of 10: %+v", f)
	}
	if f := share("", 8, 10, "", yes); !near(f.Lo, 0.44390) || !near(f.Hi, 0.97479) {
		t.Errorf("8 of 10: %+v", f)
	}
	if f := share("", 0, 0, "", yes); f.X.Known() || f.OK {
		t.Errorf("no case: %+v", f)
	}
	// 3 events: R poisson.test; none: −ln 0.025.
	if f := rate("", 3, 1, 5); !near(f.Lo, 0.61867) || !near(f.Hi, 8.76727) || !f.OK {
		t.Errorf("3: %+v", f)
	}
	if f := rate("", 0, 2, 0.5); !near(f.Lo, 0) || !near(f.Hi, 1.84444) {
		t.Errorf("none: %+v", f)
	}
}

// proved is a turbine with a fault and one without.
func proved() []proofTurbine {
	day := func(d int) time.Time { return time.Date(2026, 1, 1+d, 0, 0, 0, 0, time.UTC) }
	at := func(d int) *time.Time { x := day(d); return &x }
	fault := &proofFault{Component: "gearbox-bearing", Mode: asset.InnerRace, Group: "gearbox", Onset: day(100), Detectable: day(150), Failure: day(200)}
	return []proofTurbine{
		{Asset: "a", Begin: day(60), End: day(365), Fault: fault, RULRows: 10, RULWithn: 8, Alerts: []proofAlert{
			{Component: "gearbox", Mode: asset.GearTooth, Opened: day(160), Order: at(160), Work: at(168), Activity: "repair"},
			{Component: "rotor", Mode: asset.SensorFault, Opened: day(220), Order: at(220), Work: at(221), Activity: "inspection"},
		}},
		{Asset: "b", Begin: day(60), End: day(365), Alerts: []proofAlert{
			{Component: "generator", Mode: asset.Overheating, Opened: day(300), Cleared: at(310), Order: at(300), Work: at(301), Activity: "inspection"},
		}},
	}
}

func TestFiguresTellFoundFromFalse(t *testing.T) {
	by := map[string]proofFigure{}
	for _, f := range figures(proved()) {
		by[f.Name] = f
	}
	years := (305-(200+3+7-100))/365.25 + 305/365.25
	for name, want := range map[string]float64{
		"lead ≥ 48 h, all gradual faults": 1, "lead ≥ 48 h, gearbox": 1, "false alerts per turbine-year": 1 / years,
		"false orders per turbine-year": 1 / years, "80 % interval of remaining life, coverage": 0.8,
	} {
		if !near(by[name].X, want) {
			t.Errorf("%s: %g, want %g", name, float64(by[name].X), want)
		}
	}
	late := proved()
	late[0].Alerts[0].Opened = late[0].Fault.Failure.Add(-47 * time.Hour)
	if f := figures(late)[0]; f.K != 0 {
		t.Errorf("47 h before the failure counts as %+v", f)
	}
}

func TestABladeThatCracksIsFoundAndNoOther(t *testing.T) {
	day := func(d int) time.Time { return time.Date(2026, 1, 1+d, 0, 0, 0, 0, time.UTC) }
	opt := simulate.Options{
		Turbines: 1, Seed: 3, Duration: 90 * 24 * time.Hour, WaveEvery: -1, Extended: true, Learning: asset.Learning{DurationS: 30 * 86400},
		Faults: []simulate.Fault{{Component: "blade-2", Mode: asset.Crack, Onset: day(40), Failure: day(85), Growth: simulate.Growth{Law: simulate.Power, Shape: 1}}},
	}
	got, err := proveFarm(t.Context(), opt, proofModels{})
	if err != nil {
		t.Fatal(err)
	}
	lead, ok := got[0].lead()
	if !ok || lead < enoughLead {
		t.Errorf("lead %s, alerts %+v", lead, got[0].Alerts)
	}
	for _, a := range got[0].Alerts {
		if strings.HasPrefix(a.Component, "blade-") && a.Component != "blade-2" && a.Opened.Before(day(85)) {
			t.Errorf("%s is blamed: %+v", a.Component, a)
		}
		if a.Component == "blade-2" && a.Opened.Before(day(85)) && (a.Mode != asset.Crack || a.Opened.Before(day(40))) {
			t.Errorf("alert %+v", a)
		}
	}
}

func TestEconomicsRewardWhatIsPrevented(t *testing.T) {
	e, err := economicsOf(proved())
	if err != nil {
		t.Fatal(err)
	}
	years := 2 * 305 / 365.25
	// 40 kEUR and 120 h of 600 kW at 80 EUR/MWh; 10 kEUR and 24 h; a look at the generator for 1.5 and 4 h.
	if got, want := float64(e.Strategies[1].Cost.Mean), (40+120*0.048)/years; math.Abs(got-want) > 1e-9 {
		t.Errorf("run to failure %g, want %g", got, want)
	}
	if got, want := float64(e.Strategies[0].Cost.Mean), (10+24*0.048+1.5+4*0.048)/years; math.Abs(got-want) > 1e-9 {
		t.Errorf("predictive %g, want %g", got, want)
	}
	if f := float64(e.Strategies[2].Failures.Mean); !(f > 0 && f < 1/years) {
		t.Errorf("fixed intervals prevent %g", f)
	}
	early := proved() // looks on day 120 and 148 find nothing, the one on day 176 does
	early[0].Alerts[0] = proofAlert{Component: "gearbox", Mode: asset.Unknown, Opened: early[0].Fault.Onset, Order: early[1].Alerts[0].Order, Activity: "inspection"}
	early[0].Alerts[0].Work = new(early[0].Fault.Onset.Add(20 * 24 * time.Hour))
	again, err := economicsOf(early)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := float64(again.Strategies[0].Cost.Mean), (10+24*0.048+3*(1+4*0.048)+1.5+4*0.048)/years; math.Abs(got-want) > 1e-9 {
		t.Errorf("three looks and a repair %g, want %g", got, want)
	}
	missed := proved()
	missed[0].Alerts = nil
	worse, err := economicsOf(missed)
	if err != nil || worse.Strategies[0].Cost.Mean <= e.Strategies[0].Cost.Mean || worse.Strategies[0].Failures.Mean <= 0 {
		t.Errorf("%v: without the alert %+v", err, worse.Strategies[0])
	}
	path := filepath.Join(t.TempDir(), "report.html")
	if err := writeEconomics(path, proofReport{Seeds: 1, Turbines: 2, Figures: figures(proved()), Economics: e}); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(page), "<svg") || !strings.Contains(string(page), "run to failure") {
		t.Errorf("%v: %d bytes", err, len(page))
	}
	var table bytes.Buffer
	if err := e.print(&table); err != nil || !strings.Contains(table.String(), "fixed intervals") {
		t.Errorf("%v\n%s", err, table.String())
	}
}
