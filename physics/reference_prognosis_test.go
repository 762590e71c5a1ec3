package physics

import "testing"

// The functions are those that learn and the report of a backtest call.
func TestReferenceSurvival(t *testing.T) {
	r := readReference(t, "survival")
	for _, c := range r.Cases {
		var in struct {
			T     []float64 `json:"t_h"`
			Event []int
			Eval  []float64 `json:"eval_h"`
			Age   float64   `json:"age_h"`
			H     float64   `json:"horizon_h"`
		}
		var out struct {
			Scale  *float64 `json:"weibull_scale"`
			Shape  *float64 `json:"weibull_shape"`
			Loglik *float64
			KM     []*float64
			NA     []*float64 `json:"nelson_aalen"`
			Fail   *float64   `json:"cond_fail_prob_horizon"`
		}
		decode(t, c.Inputs, &in)
		decode(t, c.Outputs, &out)
		lives := make([]Lifetime, len(in.T))
		for i, h := range in.T {
			lives[i] = Lifetime{h, in.Event[i] == 1}
		}
		w, ok := FitWeibull(lives, 0.05, 200)
		if !ok {
			t.Fatalf("%s: no fit", c.ID)
		}
		r.check(t, c.ID+" scale", w.Scale, out.Scale)
		r.check(t, c.ID+" shape", w.Shape, out.Shape)
		r.check(t, c.ID+" log likelihood", w.LogLikelihood(lives), out.Loglik)
		r.check(t, c.ID+" fails soon", w.failWithin(in.Age, in.H), out.Fail)
		table := LifeTable(lives)
		for i, h := range in.Eval {
			survival, hazard := SurvivalAt(table, h)
			r.check(t, c.ID+" Kaplan-Meier", survival, out.KM[i])
			r.check(t, c.ID+" Nelson-Aalen", hazard, out.NA[i])
		}
	}
}

func TestReferencePrognosticMetrics(t *testing.T) {
	r := readReference(t, "prognostic_metrics")
	for _, c := range r.Cases {
		var in struct {
			EOL         float64
			Times       []float64
			TOE         [][]float64 `json:"toe_samples"`
			Alpha, Beta float64
		}
		var out struct {
			Accurate  []bool   `json:"alpha_lambda"`
			Horizon   *float64 `json:"prognostic_horizon"`
			CRA       *float64
			CRPS      []*float64 `json:"crps_ensemble"`
			PIT       []*float64
			Quantiles [][3]*float64 `json:"p10_p50_p90"`
		}
		decode(t, c.Inputs, &in)
		decode(t, c.Outputs, &out)
		var accurate []bool
		var forecast []float64
		for i, now := range in.Times {
			e := NewEnsemble(in.TOE[i])
			accurate = append(accurate, Accurate(e, now, in.EOL, in.Alpha, in.Beta))
			if accurate[i] != out.Accurate[i] {
				t.Errorf("%s at %v: accurate %v, want %v", c.ID, now, accurate[i], out.Accurate[i])
			}
			r.check(t, c.ID+" CRPS", e.CRPS(in.EOL), out.CRPS[i])
			r.check(t, c.ID+" PIT", e.Below(in.EOL), out.PIT[i])
			for j, p := range []float64{0.1, 0.5, 0.9} {
				r.check(t, c.ID+" quantile", e.Quantile(p), out.Quantiles[i][j])
			}
			forecast = append(forecast, e.Mean())
		}
		r.check(t, c.ID+" horizon", PrognosticHorizon(in.Times, accurate, in.EOL), out.Horizon)
		r.check(t, c.ID+" CRA", CumulativeRelativeAccuracy(forecast, in.EOL), out.CRA)
	}
}

func TestReferenceCRPSGaussian(t *testing.T) {
	r := readReference(t, "crps_gaussian")
	for _, c := range r.Cases {
		var in struct{ Mu, Sigma, Y []float64 }
		var out struct{ CRPS []*float64 }
		decode(t, c.Inputs, &in)
		decode(t, c.Outputs, &out)
		for i, y := range in.Y {
			r.check(t, c.ID, CRPSGaussian(in.Mu[i], in.Sigma[i], y), out.CRPS[i])
		}
	}
}
