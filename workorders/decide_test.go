package workorders

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

func TestReferenceMaintenanceDecision(t *testing.T) {
	dir := os.Getenv("TELLTALE_REFERENCE_DIR")
	if dir == "" {
		dir = "../testdata/reference"
	}
	body, err := os.ReadFile(filepath.Join(dir, "maintenance_decision.json"))
	if err != nil {
		t.Fatal(err)
	}
	var ref struct {
		Tolerance struct{ Rel float64 }
		Cases     []struct {
			ID     string
			Inputs struct {
				PM      float64 `json:"cost_PM"`
				CM      float64 `json:"cost_CM"`
				Scale   float64
				Shape   float64
				Windows []struct {
					Fail  float64 `json:"p_fail_before"`
					Extra float64 `json:"extra_cost"`
				}
			}
			Outputs struct {
				Expected []float64 `json:"expected_cost_per_window"`
				Best     int       `json:"best_window_index"`
				T        *float64  `json:"T_opt"`
				Rate     *float64  `json:"cost_rate"`
			}
		}
	}
	if err := json.Unmarshal(body, &ref); err != nil || len(ref.Cases) == 0 {
		t.Fatalf("%v, %d cases", err, len(ref.Cases))
	}
	near := func(got, want float64) bool { return math.Abs(got-want) <= ref.Tolerance.Rel*math.Abs(want) }
	for _, c := range ref.Cases {
		var got []float64
		for i, w := range c.Inputs.Windows {
			got = append(got, ExpectedCost(w.Fail, c.Inputs.CM, c.Inputs.PM, w.Extra))
			if !near(got[i], c.Outputs.Expected[i]) {
				t.Errorf("%s: window %d costs %g, want %g", c.ID, i, got[i], c.Outputs.Expected[i])
			}
		}
		if b := BestWindow(got); b != c.Outputs.Best {
			t.Errorf("%s: best window %d, want %d", c.ID, b, c.Outputs.Best)
		}
		age, rate, ok := ReplacementAge(c.Inputs.PM, c.Inputs.CM, c.Inputs.Shape, c.Inputs.Scale)
		if ok != (c.Outputs.T != nil) || ok && (!near(age, *c.Outputs.T) || !near(rate, *c.Outputs.Rate)) {
			t.Errorf("%s: age %.12g, %.12g an hour, %v; want %v", c.ID, age, rate, ok, c.Outputs)
		}
	}
}

func TestNoAgeIsBestForPartsThatDoNotAge(t *testing.T) {
	for _, shape := range []float64{0.5, 1, math.NaN()} {
		if age, _, ok := ReplacementAge(25, 300, shape, 2e4); ok || !math.IsNaN(age) {
			t.Errorf("shape %g: %g", shape, age)
		}
	}
}

func scheduled(risk, p10, p50, p90 float64, change func(*Policy)) Order {
	a := asset.Alert{
		ID: "e", Asset: "T", Component: "gearbox-bearing", Mode: asset.OuterRace, Severity: 3, Opened: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC),
		Risk: asset.Number(risk), HorizonH: 2160, RUL: asset.RUL{P10: asset.Number(p10), P50: asset.Number(p50), P90: asset.Number(p90)},
	}
	p := Policy{Costs: Costs{Failure: 300, Planned: 25, Inspection: 2, Rush: 5, CrewH: 24, PartsH: 168, WorkH: 36, OutageH: 400}, Site: Site{RatedKW: 3000, EURPerMWh: 60}}
	if change != nil {
		change(&p)
	}
	o, _ := Plan(a, asset.Nameplate{}, p)
	return o
}

func TestTheWindowIsWhereWorkCostsLeast(t *testing.T) {
	sure := func(p *Policy) { p.Costs.Inspection = 0 }
	o := scheduled(0.6, 1000, 2000, 4000, sure)
	if h := o.Window.Start.Sub(o.Created).Hours(); h != 168 || o.Activity != Repair {
		t.Errorf("%s in %g h, want a repair as soon as the parts are there", o.Activity, h)
	}
	if !o.RequiredEnd.Equal(o.Window.End) || !strings.Contains(o.Text, "- in 7 d:") || !strings.Contains(o.Text, "no work within") {
		t.Errorf("end %s, window %v, text\n%s", o.RequiredEnd, o.Window, o.Text)
	}
	soon := scheduled(1, 60, 120, 300, nil)
	if h := soon.Window.Start.Sub(soon.Created).Hours(); h != 24 {
		t.Errorf("in %g h, want at once: the failure costs more than the haste", h)
	}
	windy := scheduled(0.6, 1000, 2000, 4000, func(p *Policy) { p.Costs.Inspection, p.Costs.WindMS, p.Site.WindScale = 0, 8, 9 })
	if windy.Window.ExpectedKEUR <= o.Window.ExpectedKEUR {
		t.Errorf("%g kEUR with weather, %g without", windy.Window.ExpectedKEUR, o.Window.ExpectedKEUR)
	}
}

func TestALookComesFirstWhereEvidenceIsThin(t *testing.T) {
	unknown := math.NaN()
	if o := scheduled(0.2, unknown, unknown, unknown, nil); o.Activity != Inspection || !strings.Contains(o.Text, "Inspect before any repair") {
		t.Errorf("%s\n%s", o.Activity, o.Text)
	}
	if o := scheduled(0.2, unknown, unknown, unknown, func(p *Policy) { p.Costs.Inspection = 100 }); strings.Contains(o.Text, "Inspect before any repair") {
		t.Errorf("an inspection for 100 kEUR is worth it:\n%s", o.Text)
	}
	if o := scheduled(0.99, 300, 500, 900, nil); o.Activity != Repair {
		t.Errorf("%s although the fault is sure", o.Activity)
	}
	if o := scheduled(1, 1000, 2000, 4000, func(p *Policy) { p.Costs = Costs{} }); o.Window != nil {
		t.Errorf("window %v without costs", o.Window)
	}
}
