package models_test

import (
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/telltale-iot/telltale/models"
)

// TestReferenceCalibration calls FitPlatt, FitIsotonic and Assess.
func TestReferenceCalibration(t *testing.T) {
	var f struct {
		Tolerance struct{ Rel float64 }
		Cases     []struct {
			ID      string
			Inputs  struct{ Score, Y, Grid []float64 }
			Outputs struct {
				A        float64   `json:"platt_a"`
				B        float64   `json:"platt_b"`
				Isotonic []float64 `json:"isotonic_on_grid"`
				Brier    float64
				LogLoss  float64
				ECE      float64 `json:"ece10"`
				AUC      float64
				AP       float64 `json:"average_precision"`
			}
		}
	}
	reference(t, "calibration", &f)
	for _, c := range f.Cases {
		t.Run(c.ID, func(t *testing.T) {
			label := make([]bool, len(c.Inputs.Y))
			for i, y := range c.Inputs.Y {
				label[i] = y == 1
			}
			fit, err := models.FitPlatt(c.Inputs.Score, label)
			if err != nil {
				t.Fatal(err)
			}
			p := make([]float64, len(label))
			for i, s := range c.Inputs.Score {
				p[i] = fit.P(s)
			}
			q, err := models.Assess(p, label)
			if err != nil {
				t.Fatal(err)
			}
			want := c.Outputs
			for name, v := range map[string][2]float64{
				"a": {fit.A, want.A}, "b": {fit.B, want.B}, "Brier": {q.Brier, want.Brier}, "log loss": {q.LogLoss, want.LogLoss},
				"ECE": {q.ECE, want.ECE}, "AUC": {q.AUC, want.AUC}, "average precision": {q.AP, want.AP},
			} {
				if !near(v[0], v[1], f.Tolerance.Rel) {
					t.Errorf("%s = %.12g, want %.12g", name, v[0], v[1])
				}
			}
			iso, err := models.FitIsotonic(c.Inputs.Score, label)
			if err != nil {
				t.Fatal(err)
			}
			for i, x := range c.Inputs.Grid {
				if got := iso.P(x); math.Abs(got-want.Isotonic[i]) > f.Tolerance.Rel {
					t.Errorf("isotonic at %g = %g, want %g", x, got, want.Isotonic[i])
				}
			}
		})
	}
}

func TestCalibrationRefuses(t *testing.T) {
	for name, tc := range map[string]struct {
		score []float64
		label []bool
	}{
		"one kind of label":   {[]float64{1, 2, 3}, []bool{true, true, true}},
		"nothing":             {nil, nil},
		"other lengths":       {[]float64{1, 2}, []bool{true}},
		"no number":           {[]float64{1, math.NaN()}, []bool{true, false}},
		"complete separation": {[]float64{1, 2, 3, 4}, []bool{false, false, true, true}},
		"scores alike":        {[]float64{2, 2, 2}, []bool{false, true, true}},
	} {
		if fit, err := models.FitPlatt(tc.score, tc.label); !errors.Is(err, models.ErrUncalibrated) {
			t.Errorf("%s: %+v, %v; want ErrUncalibrated", name, fit, err)
		}
	}
	if _, err := models.Assess([]float64{0.2, 1.2}, []bool{false, true}); !errors.Is(err, models.ErrUncalibrated) {
		t.Errorf("a probability of 1.2: %v", err)
	}
}

// Scores on any scale give the same probabilities; ties are one knot.
func TestCalibrationClosedForms(t *testing.T) {
	label := []bool{false, true, false, true, true, false}
	small := []float64{1, 2, 3, 4, 5, 1}
	large := make([]float64, len(small))
	for i, s := range small {
		large[i] = 1e9 + 1e6*s
	}
	a, err := models.FitPlatt(small, label)
	b, err2 := models.FitPlatt(large, label)
	if err != nil || err2 != nil || math.Abs(a.P(2.5)-b.P(1e9+2.5e6)) > 1e-6 {
		t.Errorf("%+v, %+v, %v, %v: want the same probabilities", a, b, err, err2)
	}
	iso, err := models.FitIsotonic(small, label)
	// 1: 0 of 2; 2 and 3: pooled, 1 of 2; 4 and 5: 1 each.
	if err != nil || !slices.Equal(iso.X, []float64{1, 2, 3, 4, 5}) || !slices.Equal(iso.Y, []float64{0, 0.5, 0.5, 1, 1}) {
		t.Errorf("isotonic %+v, %v", iso, err)
	}
	if got := iso.P(1.5); got != 0.25 {
		t.Errorf("halfway between two knots: %g, want 0.25", got)
	}
	q, err := models.Assess([]float64{0.5, 0.5, 0.5, 0.5}, []bool{true, false, true, false})
	if want := (models.Quality{Brier: 0.25, LogLoss: math.Ln2, AUC: 0.5, AP: 0.5}); err != nil || math.Abs(q.LogLoss-want.LogLoss) > 1e-12 || q.Brier != want.Brier || q.AUC != want.AUC || q.AP != want.AP || q.ECE != 0 {
		t.Errorf("a coin: %+v, %v; want %+v", q, err, want)
	}
}
