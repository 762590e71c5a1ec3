package workorders

import (
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

var dawn = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

// priced is a policy that weighs costs: parts in two weeks, at once for 15 kEUR more.
func priced() Policy {
	return Policy{
		Lead: 48 * time.Hour,
		Costs: Costs{
			FailureKEUR: 300, PlannedKEUR: 40, InspectionKEUR: 2, ExpressKEUR: 15, CalloutKEUR: 1, StandbyKEUR: 1.5,
			LostKEURPerH: 0.05, FailureDownH: 600, PlannedDownH: 48, InspectDownH: 4, PartsLead: 14 * 24 * time.Hour,
			Age: AgeLaw{ScaleH: 60000, Shape: 3},
		},
	}
}

func ill(risk, p10, p50, p90 float64) asset.Alert {
	return asset.Alert{
		ID: "3f0c", Asset: "T07", Component: "gearbox", Mode: asset.GearTooth, Severity: 3, Opened: dawn, Risk: asset.Number(risk), HorizonH: 2160,
		RUL: asset.RUL{P10: asset.Number(p10), P50: asset.Number(p50), P90: asset.Number(p90), Soon: asset.Missing()},
	}
}

func plan(t *testing.T, a asset.Alert, p Policy) Order {
	t.Helper()
	o, ok := Plan(a, asset.Nameplate{}, p)
	if !ok || o.Window == nil {
		t.Fatalf("no order, or none with a window: %+v", o)
	}
	if !o.RequiredEnd.Equal(o.Window.End) || !o.Window.Start.Before(o.Window.End) || o.Window.Start.Before(o.Created) {
		t.Errorf("window %+v, required end %v", o.Window, o.RequiredEnd)
	}
	return o
}

func TestPlanChoosesTheCheapestActivity(t *testing.T) {
	for name, tc := range map[string]struct {
		alert asset.Alert
		with  func(*Policy)
		want  Activity
		start [2]float64 // hours after the alert
		says  string
	}{
		"sure of it, parts can wait":          {ill(0.95, 900, 1200, 1600), nil, Repair, [2]float64{336, 420}, "Repair without a look"},
		"sure of it, parts cannot wait":       {ill(0.95, 150, 300, 500), nil, Repair, [2]float64{24, 54}, "surcharges 1"},
		"a failure is cheap: parts wait":      {ill(0.95, 250, 700, 1500), func(p *Policy) { p.Costs.FailureKEUR, p.Costs.FailureDownH = 60, 0 }, Repair, [2]float64{336, 400}, ""},
		"doubtful":                            {ill(0.3, 150, 300, 500), nil, Inspection, [2]float64{24, 54}, "Inspect before repair: looking"},
		"doubtful, but looking is dear":       {ill(0.6, 150, 300, 500), func(p *Policy) { p.Costs.InspectionKEUR = 60 }, Repair, [2]float64{24, 54}, ""},
		"doubtful, but looking tells nothing": {ill(0.6, 150, 300, 500), func(p *Policy) { p.Costs.Sensitivity, p.Costs.Specificity = 0.5, 0.5 }, Repair, [2]float64{24, 54}, ""},
		"hardly a risk":                       {ill(0.004, 1000, 1500, 2000), nil, Inspection, [2]float64{0, 4320}, "No repair is worth its cost"},
		"no remaining life is known":          {ill(0.9, math.NaN(), math.NaN(), math.NaN()), nil, Repair, [2]float64{24, 400}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := priced()
			if tc.with != nil {
				tc.with(&p)
			}
			o := plan(t, tc.alert, p)
			start := o.Window.Start.Sub(dawn).Hours()
			if o.Activity != tc.want || start < tc.start[0] || start > tc.start[1] {
				t.Errorf("%s after %v h, want %s within %v\n%s", o.Activity, start, tc.want, tc.start, o.Text)
			}
			if !strings.Contains(o.Text, tc.says) || !strings.Contains(o.Text, "nothing before") || !strings.Contains(o.Text, "By age alone") {
				t.Errorf("text without %q:\n%s", tc.says, o.Text)
			}
		})
	}
}

func TestAnUnnamedModeIsInspected(t *testing.T) {
	a := ill(1, 150, 300, 500)
	a.Mode = asset.Unknown
	if o := plan(t, a, priced()); o.Activity != Inspection || !strings.Contains(o.Text, "no mode is named") {
		t.Errorf("%s:\n%s", o.Activity, o.Text)
	}
	a.Mode = asset.SensorFault
	if o, _ := Plan(a, asset.Nameplate{}, priced()); o.Activity != Inspection || o.Window != nil {
		t.Errorf("a sensor's fault: %+v", o)
	}
}

func TestPriorityOneIsLookedAtInTime(t *testing.T) {
	a, p := ill(0.95, 900, 1200, 1600), priced()
	a.Severity = 1
	p.Costs.Sensitivity, p.Costs.Specificity = 0.5, 0.5 // nothing to learn by looking
	o := plan(t, a, p)
	if o.Activity != Inspection || o.RequiredEnd.Sub(dawn) > 48*time.Hour || !strings.Contains(o.Text, "later than priority 1 allows") {
		t.Errorf("%s until %v:\n%s", o.Activity, o.RequiredEnd, o.Text)
	}
}

// TestAShortHorizonIsNotWaitedOut: what survives it with a real fault still has the
// planned work ahead, so that doing nothing for an hour is not cheap.
func TestAShortHorizonIsNotWaitedOut(t *testing.T) {
	a, p := ill(0.3, 0.5, 4, 20), Policy{Lead: time.Hour, Costs: Costs{FailureKEUR: 2, PlannedKEUR: 0.5, InspectionKEUR: 0.05}}
	a.HorizonH = 2
	p.Access = Access{Every: time.Hour, First: time.Hour, Length: 30 * time.Minute}
	if o := plan(t, a, p); o.RequiredEnd.Sub(dawn) > 2*time.Hour {
		t.Errorf("%s until %v:\n%s", o.Activity, o.RequiredEnd, o.Text)
	}
}

// TestTheChoiceIsTheLeast holds what is chosen against every window, weighed here.
func TestTheChoiceIsTheLeast(t *testing.T) {
	p := priced()
	for _, risk := range []float64{0.05, 0.2, 0.4, 0.7, 1} {
		for _, scale := range []float64{0.3, 1, 3, 8} {
			a := ill(risk, 150*scale, 300*scale, 500*scale)
			s := state{a.Opened, a.Mode, a.Severity, a.Risk, a.RUL}
			d := decide(s, a.HorizonH, spans[2], p.Lead, p.Costs, p.Access)
			least := d.life.real * (d.nothing*d.costs.failure() + (1-d.nothing)*d.costs.planned())
			for i, w := range d.slots {
				if i > 0 && w.given < d.slots[i-1].given {
					t.Errorf("failure becomes less probable with time: %+v", d.slots[i-1:i+1])
				}
				least = min(least, d.window(i).ExpectedKEUR)
			}
			if math.Abs(d.cost-least) > 1e-9 || d.perfect < d.worth-1e-9 || d.perfect < -1e-9 {
				t.Errorf("risk %v, life × %v: cost %v, least %v, EVSI %v, EVPI %v", risk, scale, d.cost, least, d.worth, d.perfect)
			}
		}
	}
}

func TestWeatherMakesWorkDearer(t *testing.T) {
	a, p := ill(0.95, 900, 1200, 1600), priced()
	calm := plan(t, a, p)
	p.Access.Wind, p.Access.RepairMPS = Wind{MeanMPS: 9}, 8
	windy := plan(t, a, p)
	if windy.Window.ExpectedKEUR <= calm.Window.ExpectedKEUR || windy.Window.FailP <= calm.Window.FailP {
		t.Errorf("calm %+v, windy %+v", calm.Window, windy.Window)
	}
}

func TestWindBelow(t *testing.T) {
	rayleigh := 1 - math.Exp(-math.Pi/4*(10/7.5)*(10/7.5)) // IEC 61400-1: F(v) = 1 − exp(−π/4·(v/mean)²)
	for name, tc := range map[string]struct {
		wind   Wind
		limit  float64
		length time.Duration
		want   float64
	}{
		"an instant":             {Wind{MeanMPS: 7.5}, 10, 0, rayleigh},
		"a shift in a calm day":  {Wind{MeanMPS: 7.5, CalmH: 8}, 10, 8 * time.Hour, rayleigh / math.E},
		"indoors":                {Wind{}, 10, 8 * time.Hour, 1},
		"no wind to speak of":    {Wind{MeanMPS: 0.1}, 10, 0, 1},
		"a place without a calm": {Wind{MeanMPS: 1e6}, 10, 0, rarest},
	} {
		if got := tc.wind.below(tc.limit, tc.length); math.Abs(got-tc.want) > 1e-6 {
			t.Errorf("%s: %v, want %v", name, got, tc.want)
		}
	}
}

func TestLifeCurve(t *testing.T) {
	n := asset.Number(math.NaN())
	known := newLife(asset.RUL{P10: 100, P50: 200, P90: 400, Soon: n}, 0.45, 300)
	for h, want := range map[float64]float64{-1: 0, 0: 0, 50: 0.05, 100: 0.1, 150: 0.3, 200: 0.5, 300: 0.7, 400: 0.9} {
		if got := known.given(h); math.Abs(got-want) > 1e-12 {
			t.Errorf("F(%v) = %v, want %v", h, got, want)
		}
	}
	if math.Abs(known.real*known.given(300)-0.45) > 1e-12 {
		t.Errorf("risk over the horizon = %v, want 0.45", known.real*known.given(300))
	}
	if f := newLife(asset.RUL{P10: 100, P50: 200, P90: 400, Soon: 0.09}, n, 300); f.given(48) != 0.09 {
		t.Errorf("F(48) = %v, want 0.09", f.given(48))
	}
	if f := newLife(asset.RUL{P10: 20, P50: n, P90: n, Soon: n}, n, 300); math.Abs(f.given(300)-0.5) > 1e-9 || math.Abs(f.given(20)-0.1) > 1e-9 {
		t.Errorf("a median beyond the horizon: F(horizon) = %v", f.given(300))
	}
	if f := newLife(asset.NoRUL(), 0.5, 300); math.Abs(f.real*f.given(300)-0.5) > 1e-12 {
		t.Errorf("without a life: risk = %v, want 0.5", f.real*f.given(300))
	}
	for _, r := range []asset.RUL{{}, {P10: 1e300, P50: 1e301, P90: n}, {P10: -5, P50: -4, P90: -3}, {P10: 48, P50: 48, P90: 48, Soon: 2}} {
		f, before := newLife(r, 2, math.Inf(1)), 0.0
		for h := 0.0; h < 1e6; h = 2*h + 1 {
			p := f.given(h)
			if !(p >= before && p <= 1) {
				t.Errorf("%+v: F(%v) = %v after %v", r, h, p, before)
			}
			before = p
		}
	}
}

func TestPlanIsPure(t *testing.T) {
	a, p := ill(0.4, 150, 300, 500), priced()
	first, second := plan(t, a, p), plan(t, a, p)
	a.Changes = []asset.Change{{Time: dawn.Add(time.Hour), What: "severity", Mode: asset.GearTooth, Severity: 1, Risk: 1, RUL: asset.NoRUL()}}
	if third := plan(t, a, p); !reflect.DeepEqual(first, second) || !reflect.DeepEqual(first, third) {
		t.Errorf("one episode gave several orders:\n%+v\n%+v\n%+v", first, second, third)
	}
}

func FuzzPlanWithCosts(f *testing.F) {
	f.Add(0.5, 2160.0, 100.0, 200.0, 300.0, 0.1, 300.0, 40.0, 2, int64(time.Hour), 0.5)
	f.Add(math.NaN(), math.Inf(1), -1.0, math.NaN(), 1e300, 2.0, 1e-9, 1e9, 9, int64(-1), 1e-9)
	f.Fuzz(func(t *testing.T, risk, horizon, p10, p50, p90, soon, failure, planned float64, severity int, lead int64, wind float64) {
		if !(failure > 0 && failure < 1e12) || !(planned > 0 && planned < 1e12) {
			t.Skip("a configuration that the class refuses")
		}
		a := ill(risk, p10, p50, p90)
		a.RUL.Soon, a.HorizonH, a.Severity = asset.Number(soon), horizon, severity
		p := Policy{Mildest: math.MaxInt, Lead: time.Duration(lead) % (9000 * time.Hour), Costs: Costs{FailureKEUR: failure, PlannedKEUR: planned, Age: AgeLaw{1e5, 2}}}
		p.Access.Wind.MeanMPS = wind
		o, ok := Plan(a, asset.Nameplate{}, p)
		if !ok || o.Window == nil || math.IsNaN(o.Window.ExpectedKEUR) || math.IsInf(o.Window.ExpectedKEUR, 0) || o.Window.ExpectedKEUR < 0 {
			t.Fatalf("order %+v, window %+v", o, o.Window)
		}
		if !(o.Window.FailP >= 0 && o.Window.FailP <= 1) || o.Window.Start.Before(a.Opened) || !o.Window.Start.Before(o.Window.End) {
			t.Errorf("window %+v", o.Window)
		}
		if strings.Contains(o.Text, "NaN") || strings.Contains(o.Text, "Inf ") {
			t.Errorf("text with a number that is none: %s", o.Text)
		}
	})
}
