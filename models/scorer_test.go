package models_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/features"
	"github.com/telltale-iot/telltale/models"
)

// echo answers with what it got.
type echo struct{}

func (echo) Run(_ context.Context, batch []models.Row) ([]models.Result, error) {
	rows := make([]models.Result, len(batch))
	for i := range batch {
		rows[i].Values = slices.Clone(batch[i].Values)
	}
	return rows, nil
}
func (echo) Close() error { return nil }

func scorer(tb testing.TB, c models.Contract, r models.Runner) *models.Scorer {
	tb.Helper()
	return models.NewScorer(map[models.Key]*models.Live{{}: nil, {Component: "bearing"}: in(tb, c, r)}, models.Options{})
}

// score1 scores one sequence that is cut as the model wants it.
func score1(t *testing.T, c models.Contract, r models.Runner, q features.Sequence) features.Answer {
	t.Helper()
	q.Reads = c.Reads(q.Component).Key()
	got, err := scorer(t, c, r).Score(context.Background(), []features.Sequence{q})
	if err != nil || len(got) != 1 {
		t.Fatalf("Score = %v, %v", got, err)
	}
	return got[0]
}

func TestScoreIsTheMeanSquareWithItsContributions(t *testing.T) {
	q := steady(1)[0] // errors 1 and 2 throughout: (1 + 4) / 2
	q.Values[1], q.Values[3], q.Values[5], q.Values[7] = -2, -2, -2, -2
	a := score1(t, contract("d"), echo{}, q)
	if a.Score != 2.5 || a.Limit != 1.5 || !a.Abnormal || a.P != 0.2 || a.Trust != 1 || a.Digest != "d" || a.View != asset.Learned || a.Source != "ae" || !a.Time.Equal(q.Time) {
		t.Errorf("got %+v", a)
	}
	if len(a.Evidence) != 2 || a.Evidence[0].Name != "b/rms" || a.Evidence[0].Weight != 0.8 || a.Evidence[0].Value != -2 ||
		!strings.Contains(a.Evidence[0].Text, "2 σ below") || !strings.Contains(a.Evidence[1].Text, "1 σ above") {
		t.Errorf("evidence %+v", a.Evidence)
	}
}

func TestThresholdNoneNeverSpeaksUp(t *testing.T) {
	c := contract("d")
	c.Threshold = 0
	if a := score1(t, c, &fake{value: 1000}, steady(1)[0]); a.Abnormal || a.Limit.Known() || a.Score != 1e6 {
		t.Errorf("got %+v", a)
	}
}

// Missing input is held within a tenth of the window and never becomes zero.
func TestMissingInput(t *testing.T) {
	nan := float32(math.NaN())
	long := contract("d")
	long.Window = 10
	values := func(holes ...int) features.Sequence {
		q := features.Sequence{Asset: "p1", Component: "bearing", Steps: 10, Width: 2}
		for i := range 20 {
			q.Values = append(q.Values, float32(1+i%2))
		}
		for _, i := range holes {
			q.Values[i] = nan
		}
		return q
	}
	for name, tc := range map[string]struct {
		q      features.Sequence
		trust  float64
		score  float64
		reason asset.Reason
	}{
		"complete":           {values(), 1, 2.5, ""},
		"hole in the middle": {values(9, 10), 1, 2.5, ""},
		"hole at the start":  {values(0, 1), 1, 2.5, ""},
		"more than a tenth":  {values(3, 9, 10), 0, math.NaN(), "input-missing"},
		"wrong length":       {features.Sequence{Component: "bearing", Steps: 2, Width: 2, Values: make([]float32, 4)}, 0, math.NaN(), "input-shape"},
	} {
		t.Run(name, func(t *testing.T) {
			before := slices.Clone(tc.q.Values)
			a := score1(t, long, echo{}, tc.q)
			same := float64(a.Score) == tc.score || math.IsNaN(tc.score) && !a.Score.Known()
			if a.Trust != tc.trust || !same || a.Reason != tc.reason {
				t.Errorf("trust %v, score %v, reason %q; want %v, %v, %q", a.Trust, a.Score, a.Reason, tc.trust, tc.score, tc.reason)
			}
			for i := range before {
				if math.Float32bits(before[i]) != math.Float32bits(tc.q.Values[i]) {
					t.Errorf("the caller's value %d changed", i)
				}
			}
		})
	}
	one := contract("d")
	one.Window = 1
	one.Features = append(one.Features, make([]models.Input, 18)...)
	q := features.Sequence{Component: "bearing", Steps: 1, Width: 20, Values: make([]float32, 20)}
	q.Values[4] = nan
	if a := score1(t, one, echo{}, q); a.Reason != "input-missing" {
		t.Errorf("a feature that was never seen: reason %q, want input-missing", a.Reason)
	}
}

func TestAFailingModelCostsItsOwnSequencesOnly(t *testing.T) {
	broken, other := contract("broken"), contract("other")
	other.Component = "gearbox"
	for name, tc := range map[string]struct {
		runner *fake
		reason asset.Reason
	}{
		"error":        {&fake{err: errors.New("boom")}, "model-failed"},
		"not a number": {&fake{value: 1, nan: true}, "model-output"},
		"wrong shape":  {&fake{value: 1, size: 3}, "model-output"},
	} {
		t.Run(name, func(t *testing.T) {
			var told []string
			s := models.NewScorer(map[models.Key]*models.Live{
				{Class: "pump", Component: "bearing"}: in(t, broken, tc.runner),
				{Class: "pump"}:                       in(t, other, &fake{value: 1}),
			}, models.Options{
				PartsOf: func(asset.ID) (string, []string) { return "pump", []string{"bearing", "gearbox"} },
				Report:  func(ref string, err error) { told = append(told, ref+err.Error()) },
			})
			batch := steady(4)
			for _, i := range []int{1, 3} {
				batch[i].Component, batch[i].Reads = "gearbox", other.Reads("gearbox").Key()
			}
			got, err := s.Score(context.Background(), batch)
			if err != nil {
				t.Fatal(err)
			}
			for i, a := range got {
				if i%2 == 0 && (a.Trust != 0 || a.Reason != tc.reason || a.Score.Known()) {
					t.Errorf("broken: %+v", a)
				}
				if i%2 == 1 && (a.Trust != 1 || a.Digest != "other" || a.Component != "gearbox") {
					t.Errorf("other: %+v", a)
				}
			}
			if len(told) != 1 {
				t.Errorf("reported %q, want one report", told)
			}
		})
	}
}

// hours answers with the first values of each sequence.
type hours struct{ n int }

func (h hours) Run(_ context.Context, batch []models.Row) ([]models.Result, error) {
	rows := make([]models.Result, len(batch))
	for i := range batch {
		rows[i].Values = batch[i].Values[:h.n]
	}
	return rows, nil
}
func (hours) Close() error { return nil }

func TestRemainingLife(t *testing.T) {
	c := contract("d")
	c.Output, c.Threshold, c.CapH, c.Calibration = models.OutputRUL, 24, 125, models.Calibration{}
	nan := math.NaN()
	for name, tc := range map[string]struct {
		y                       []float32
		p10, p50, p90, fail, at float64
		abnormal                bool
	}{
		"three quantiles":      {[]float32{24, 48, 96}, 24, 48, 96, 0.5, -48, false},
		"near the end":         {[]float32{2, 10, 20}, 2, 10, 20, 0.9, -10, true},
		"beyond the cap":       {[]float32{96, 125, 125}, 96, 125, nan, 0.05, -125, false},
		"quantiles that cross": {[]float32{48, 24, 96}, 24, 48, 96, 0.5, -48, false},
		"below zero":           {[]float32{-5, -1, 4}, 0, 0, 4, 0.9, 0, true},
		"the median alone":     {[]float32{30}, nan, 30, nan, nan, -30, false},
	} {
		t.Run(name, func(t *testing.T) {
			q := steady(1)[0]
			copy(q.Values, tc.y)
			a := score1(t, c, hours{len(tc.y)}, q)
			got := []asset.Number{a.RUL.P10, a.RUL.P50, a.RUL.P90, a.FailP, a.Score, a.RUL.Soon}
			for i, want := range []float64{tc.p10, tc.p50, tc.p90, tc.fail, tc.at, tc.fail} { // the horizon is 48 h here
				if !(math.Abs(float64(got[i])-want) < 1e-9) && !(math.IsNaN(want) && !got[i].Known()) {
					t.Errorf("got %v, want %v", got, []float64{tc.p10, tc.p50, tc.p90, tc.fail, tc.at})
					break
				}
			}
			if a.Abnormal != tc.abnormal || a.Abnormal != (len(a.Evidence) == 1) {
				t.Errorf("abnormal %v with %v, want %v", a.Abnormal, a.Evidence, tc.abnormal)
			}
		})
	}
}

// TestReferenceMahalanobis scores one row whose errors are z; the covariance of
// the file is inverted here, since models carry the inverse.
func TestReferenceMahalanobis(t *testing.T) {
	var f struct {
		Tolerance struct{ Rel float64 }
		Cases     []struct {
			ID     string
			Inputs struct {
				Z [][]float64 `json:"z"`
			}
			Outputs struct {
				Mean         []float64
				Covariance   [][]float64
				D2           []float64
				Contribution [][]float64
			}
		}
	}
	reference(t, "mahalanobis", &f)
	for _, c := range f.Cases {
		t.Run(c.ID, func(t *testing.T) {
			width := len(c.Outputs.Mean)
			k := models.Contract{Window: 1, Threshold: 1e-9, Features: make([]models.Input, width), Calibration: models.Calibration{
				Mean: c.Outputs.Mean, Precision: inverse(c.Outputs.Covariance),
			}}
			for j := range k.Features {
				k.Features[j].Name = fmt.Sprint("c/", j)
			}
			for i, z := range c.Inputs.Z {
				q := features.Sequence{Component: "bearing", Steps: 1, Width: width}
				for _, v := range z {
					q.Values = append(q.Values, float32(v))
				}
				a := score1(t, k, echo{}, q)
				// A model's answer is float32: 1e-7 of its inputs is all that can be asked for.
				if want := c.Outputs.D2[i]; math.Abs(float64(a.Score)-want) > 1e-5*want {
					t.Errorf("d² of %v = %v, want %v", z, a.Score, want)
				}
				for _, e := range a.Evidence {
					var j int
					if _, err := fmt.Sscanf(e.Name, "c/%d", &j); err != nil {
						t.Fatal(err)
					}
					if want := c.Outputs.Contribution[i][j]; math.Abs(float64(e.Weight*a.Score)-want) > 1e-5*c.Outputs.D2[i] {
						t.Errorf("contribution %d of %v = %v, want %v", j, z, e.Weight*a.Score, want)
					}
				}
			}
		})
	}
}

// inverse is Gauss and Jordan's, for a small, well-conditioned matrix.
func inverse(m [][]float64) [][]float64 {
	n := len(m)
	a := make([][]float64, n)
	for i := range a {
		a[i] = append(slices.Clone(m[i]), make([]float64, n)...)
		a[i][n+i] = 1
	}
	for i := range a {
		p := a[i][i]
		for j := range a[i] {
			a[i][j] /= p
		}
		for k := range a {
			if k == i {
				continue
			}
			f := a[k][i]
			for j := range a[k] {
				a[k][j] -= f * a[i][j]
			}
		}
	}
	for i := range a {
		a[i] = a[i][n:]
	}
	return a
}

// BenchmarkScore is the cost around the model: 64 steps of 16 features.
func BenchmarkScore(b *testing.B) {
	c := contract("d")
	c.Window, c.Features = 64, make([]models.Input, 16)
	s := scorer(b, c, silent{make([]float32, 64*16)})
	batch := make([]features.Sequence, 32)
	for i := range batch {
		batch[i] = features.Sequence{Component: "bearing", Reads: c.Reads("bearing").Key(), Steps: 64, Width: 16, Values: make([]float32, 64*16)}
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Score(context.Background(), batch); err != nil {
			b.Fatal(err)
		}
	}
}

// silent answers with the same row for every sequence.
type silent struct{ row []float32 }

func (s silent) Run(_ context.Context, batch []models.Row) ([]models.Result, error) {
	rows := make([]models.Result, len(batch))
	for i := range rows {
		rows[i].Values = s.row
	}
	return rows, nil
}
func (silent) Close() error { return nil }

// A score that is no number is no score, wherever it comes from.
func TestAScoreThatOverflowsIsNoScore(t *testing.T) {
	c := contract("d")
	c.Calibration.Mean = []float64{0, 0}
	c.Calibration.Precision = [][]float64{{math.MaxFloat64, -math.MaxFloat64}, {-math.MaxFloat64, math.MaxFloat64}}
	q := steady(1)[0]
	for i := range q.Values {
		q.Values[i] = 9
	}
	a := score1(t, c, echo{}, q)
	if a.Trust != 0 || a.Reason != "model-output" {
		t.Errorf("score %v with trust %v, reason %q", a.Score, a.Trust, a.Reason)
	}
}
