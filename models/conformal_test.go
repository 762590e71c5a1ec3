package models_test

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"testing"

	"github.com/telltale-iot/telltale/models"
)

// reference reads a file of independent results.
func reference(t *testing.T, name string, into any) {
	t.Helper()
	dir := os.Getenv("TELLTALE_REFERENCE_DIR")
	if dir == "" {
		dir = filepath.Join("..", "testdata", "reference")
	}
	b, err := os.ReadFile(filepath.Join(dir, name+".json"))
	if err != nil {
		t.Skip(err)
	}
	if err := json.Unmarshal(b, into); err != nil {
		t.Fatal(err)
	}
}

// TestReferenceConformal calls Calibration.P and Limit, which Scorer judges with.
func TestReferenceConformal(t *testing.T) {
	var f struct {
		Tolerance struct{ Abs float64 }
		Cases     []struct {
			ID     string
			Inputs struct {
				Calibration, Scores, Alphas []float64
				Level                       float64 `json:"bh_level"`
			}
			Outputs struct {
				P          []float64 `json:"p_values"`
				Thresholds []*float64
				Reject     []bool `json:"bh_reject"`
			}
		}
	}
	reference(t, "conformal", &f)
	for _, c := range f.Cases {
		t.Run(c.ID, func(t *testing.T) {
			sort.Float64s(c.Inputs.Calibration)
			k := models.Calibration{N: len(c.Inputs.Calibration), Quantiles: c.Inputs.Calibration}
			p := make([]float64, len(c.Inputs.Scores))
			for i, s := range c.Inputs.Scores {
				if p[i] = k.P(s); math.Abs(p[i]-c.Outputs.P[i]) > f.Tolerance.Abs {
					t.Errorf("P(%g) = %g, want %g", s, p[i], c.Outputs.P[i])
				}
			}
			for i, alpha := range c.Inputs.Alphas {
				got, want := k.Limit(alpha), math.Inf(1)
				if c.Outputs.Thresholds[i] != nil {
					want = *c.Outputs.Thresholds[i]
				}
				if got != want {
					t.Errorf("Limit(%g) = %g, want %g", alpha, got, want)
				}
			}
			if got := models.Reject(p, c.Inputs.Level); !slices.Equal(got, c.Outputs.Reject) {
				t.Errorf("Reject = %v, want %v", got, c.Outputs.Reject)
			}
		})
	}
}

func TestQuantilesNeverClaimMoreThanTheScoresThemselves(t *testing.T) {
	all := make([]float64, 2001)
	for i := range all {
		all[i] = math.Sqrt(float64(i))
	}
	exact := models.Calibration{N: len(all), Quantiles: all}
	few := models.Calibration{N: len(all)}
	for i := 0; i < len(all); i += 20 {
		few.Quantiles = append(few.Quantiles, all[i])
	}
	for s := -1.0; s < 50; s += 0.37 {
		if a, b := exact.P(s), few.P(s); b < a || b > a+0.021 {
			t.Errorf("P(%g) = %g from quantiles, %g from the scores", s, b, a)
		}
	}
	for _, alpha := range []float64{0.2, 0.05, 0.01, 0.001, 1e-5} {
		if a, b := exact.Limit(alpha), few.Limit(alpha); b < a {
			t.Errorf("Limit(%g) = %g from quantiles, %g from the scores", alpha, b, a)
		}
	}
	if p := (models.Calibration{}).P(1); !math.IsNaN(p) {
		t.Errorf("P without calibration = %g, want NaN", p)
	}
}
