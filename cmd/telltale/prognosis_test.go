package main

import (
	"math"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/dataset"
)

// toldTo makes lives of 100 h in which tell says what is told at an age.
func toldTo(n int, tell func(life int, age float64) asset.RUL) map[asset.ID][]*toldLife {
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var labels []dataset.Label
	for range n {
		begin = begin.Add(200 * time.Hour)
		labels = append(labels, dataset.Label{Asset: "a", Component: "c", Kind: "failure", End: begin.Add(100 * time.Hour)})
	}
	lives := toldLives(labels)
	for i, l := range lives["a"] {
		for h := 0.0; h <= 110; h++ { // what is told after the end belongs to nobody
			r := asset.Risk{Asset: "a", Component: "c", Time: l.end.Add(time.Duration((h - 100) * float64(time.Hour))), RUL: tell(i, h)}
			l.hear(&r)
			r.Component = "other"
			r.RUL = asset.RUL{P10: 0, P50: 0, P90: 0, Soon: 1}
			l.hear(&r)
		}
	}
	return lives
}

func TestPrognosisJudgesKnownForecasts(t *testing.T) {
	none := asset.Missing()
	exact := func(_ int, age float64) asset.RUL {
		r := asset.Number(100 - age)
		return asset.RUL{P10: r * 0.999, P50: r, P90: r * 1.001, Soon: none}
	}
	for name, tc := range map[string]struct {
		tell                                          func(int, float64) asset.RUL
		answered                                      int
		alpha, horizon, cra, coverage, late, logScore float64
		pit                                           int // the heaviest tenth
	}{
		"exact": {exact, 57, 1, 95, 1, 1, 0, 0.000182, 4},
		"twice as long": {func(i int, age float64) asset.RUL {
			r := exact(i, age)
			return asset.RUL{P10: 2 * r.P10, P50: 2 * r.P50, P90: 2 * r.P90, Soon: none}
		}, 57, 0, 0, 0.5, 0, 1, math.Ln2, 0},
		"half as long": {func(i int, age float64) asset.RUL {
			r := exact(i, age)
			return asset.RUL{P10: r.P10 / 2, P50: r.P50 / 2, P90: r.P90 / 2, Soon: none}
		}, 57, 0, 0, 0.75, 0, 0, math.Ln2, 9},
		"only late in life": {func(i int, age float64) asset.RUL {
			if age < 79.5 {
				return asset.NoRUL()
			}
			return exact(i, age)
		}, 12, 4.0 / 19, 20, 1, 1, 0, 0.000182, 4},
		"as long again": {func(_ int, age float64) asset.RUL {
			a := asset.Number(age)
			return asset.RUL{P10: a / 9, P50: a, P90: 9 * a, Soon: none}
		}, 57, 0, 0, 10.0 / 19, 17.0 / 19, 9.0 / 19, 0.85, 4},
		"nothing is known":  {func(int, float64) asset.RUL { return asset.NoRUL() }, 0, 0, 0, math.NaN(), math.NaN(), math.NaN(), math.NaN(), 0},
		"beyond is allowed": {func(int, float64) asset.RUL { return asset.RUL{P10: 1, P50: 3, P90: none, Soon: none} }, 57, 0, 0, 0.53, 1, 0, 2.12, 9},
	} {
		t.Run(name, func(t *testing.T) {
			p := prognosis(toldTo(3, tc.tell))
			if p.Lives != 3 || p.Instants != 57 || p.Answered != tc.answered {
				t.Fatalf("%d lives, %d of %d instants answered; want 3, %d of 57", p.Lives, p.Answered, p.Instants, tc.answered)
			}
			for what, v := range map[string][3]float64{
				"alpha-lambda": {float64(p.AlphaLambda), tc.alpha, 1e-9}, "horizon": {float64(p.HorizonH), tc.horizon, 1e-9},
				"accuracy": {float64(p.CRA), tc.cra, 0.01}, "coverage": {float64(p.Coverage), tc.coverage, 0.06},
				"late": {float64(p.Late), tc.late, 1e-9}, "score": {float64(p.CRPSLog), tc.logScore, 0.02*tc.logScore + 1e-9},
			} {
				if !(math.Abs(v[0]-v[1]) <= v[2]) && !(math.IsNaN(v[0]) && math.IsNaN(v[1])) {
					t.Errorf("%s %v, want %v", what, v[0], v[1])
				}
			}
			most := 0
			for i, n := range p.PIT {
				if n > p.PIT[most] {
					most = i
				}
			}
			if name != "as long again" && name != "beyond is allowed" && most != tc.pit {
				t.Errorf("most answers are in tenth %d of %v, want %d", most, p.PIT, tc.pit)
			}
		})
	}
	if p := prognosis(toldLives(nil)); p != nil {
		t.Errorf("without a failure: %+v", p)
	}
}
