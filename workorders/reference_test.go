package workorders

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"
)

// TestReferenceMaintenanceDecision calls cheapest and replacementAge, by which Plan
// chooses the window of an order and tells the age for replacement.
func TestReferenceMaintenanceDecision(t *testing.T) {
	dir := os.Getenv("TELLTALE_REFERENCE_DIR")
	if dir == "" {
		dir = "../testdata/reference"
	}
	b, err := os.ReadFile(filepath.Join(dir, "maintenance_decision.json"))
	if err != nil {
		t.Fatal(err)
	}
	var r struct {
		Tolerance struct {
			Rel float64 `json:"rel"`
			Pkg float64 `json:"T_pkg_rel"`
		} `json:"tolerance"`
		Cases []struct {
			ID     string `json:"id"`
			Inputs struct {
				PM      float64 `json:"cost_PM"`
				CM      float64 `json:"cost_CM"`
				Scale   float64 `json:"scale"`
				Shape   float64 `json:"shape"`
				Windows []struct {
					FailP float64 `json:"p_fail_before"`
					Extra float64 `json:"extra_cost"`
				} `json:"windows"`
			} `json:"inputs"`
			Outputs struct {
				T        *float64  `json:"T_opt"`
				Rate     *float64  `json:"cost_rate"`
				Pkg      *float64  `json:"T_opt_reliability_pkg"`
				Expected []float64 `json:"expected_cost_per_window"`
				Best     int       `json:"best_window_index"`
			} `json:"outputs"`
		} `json:"cases"`
	}
	if err := json.Unmarshal(b, &r); err != nil || len(r.Cases) == 0 {
		t.Fatalf("%d cases: %v", len(r.Cases), err)
	}
	for _, c := range r.Cases {
		near := func(what string, got, want, rel float64) {
			if !(math.Abs(got-want) <= rel*math.Abs(want)) {
				t.Errorf("%s: %s = %.12g, want %.12g", c.ID, what, got, want)
			}
		}
		d := decision{costs: Costs{FailureKEUR: c.Inputs.CM, PlannedKEUR: c.Inputs.PM}, life: lifeCurve{real: 1}}
		for _, w := range c.Inputs.Windows {
			d.slots = append(d.slots, slot{given: w.FailP, extra: w.Extra})
		}
		for i, want := range c.Outputs.Expected {
			near("expected cost", d.window(i).ExpectedKEUR, want, r.Tolerance.Rel)
		}
		best, cost := cheapest(d.slots, 1, 1, c.Inputs.CM, c.Inputs.PM)
		if best != c.Outputs.Best {
			t.Errorf("%s: window %d, want %d", c.ID, best, c.Outputs.Best)
		}
		near("cost of the best", cost, c.Outputs.Expected[c.Outputs.Best], r.Tolerance.Rel)
		h, rate, ok := AgeLaw{c.Inputs.Scale, c.Inputs.Shape}.replacementAge(c.Inputs.PM, c.Inputs.CM)
		if ok != (c.Outputs.T != nil) {
			t.Errorf("%s: an age for replacement: %v", c.ID, ok)
		}
		if c.Outputs.T != nil {
			near("T", h, *c.Outputs.T, r.Tolerance.Rel)
			near("cost rate", rate, *c.Outputs.Rate, r.Tolerance.Rel)
		}
		if c.Outputs.Pkg != nil {
			near("T of the other library", h, *c.Outputs.Pkg, r.Tolerance.Pkg)
		}
	}
}

func TestReplacementAgeNeedsAgeing(t *testing.T) {
	for name, tc := range map[string]struct {
		law             AgeLaw
		planned, failed float64
		ok              bool
	}{
		"ages":                   {AgeLaw{1000, 2}, 10, 100, true},
		"does not age":           {AgeLaw{1000, 1}, 10, 100, false},
		"gets better":            {AgeLaw{1000, 0.7}, 10, 100, false},
		"hardly ages":            {AgeLaw{1000, 1.01}, 10, 11, false},
		"a failure as cheap":     {AgeLaw{1000, 2}, 10, 10, false},
		"no law":                 {AgeLaw{}, 10, 100, false},
		"not a number":           {AgeLaw{math.NaN(), math.NaN()}, 10, 100, false},
		"very steep":             {AgeLaw{1000, 40}, 10, 1000, true},
		"costs are not a number": {AgeLaw{1000, 2}, math.NaN(), math.NaN(), false},
	} {
		t.Run(name, func(t *testing.T) {
			h, rate, ok := tc.law.replacementAge(tc.planned, tc.failed)
			if ok != tc.ok || ok && (!(h > 0) || math.IsInf(h, 0) || !(rate > 0)) {
				t.Errorf("age %v, rate %v, %v", h, rate, ok)
			}
		})
	}
}
