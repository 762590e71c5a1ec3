package features

import (
	"math"
	"slices"
	"testing"

	"github.com/telltale-iot/telltale/asset"
)

func plain(x []asset.Number) []float64 {
	out := make([]float64, len(x))
	for i, v := range x {
		out[i] = float64(v)
	}
	return out
}

// The field baselines of learnField come from Robust.
func TestReferenceRobustStats(t *testing.T) {
	type in struct{ X []asset.Number }
	type out struct {
		N      int            `json:"n_valid"`
		Median asset.Number   `json:"median"`
		MAD    asset.Number   `json:"mad_normal"`
		IQR    asset.Number   `json:"iqr"`
		Z      []asset.Number `json:"z"`
	}
	r := readSignalReference[in, out](t, "robust_stats")
	for _, c := range r.Cases {
		s := Robust(plain(c.Inputs.X))
		if s.N != c.Outputs.N {
			t.Errorf("%s: n = %d, want %d", c.ID, s.N, c.Outputs.N)
		}
		r.agree(t, c.ID+" median", s.Median, c.Outputs.Median)
		r.agree(t, c.ID+" MAD", s.MAD, c.Outputs.MAD)
		r.agree(t, c.ID+" IQR", s.IQR, c.Outputs.IQR)
		for i, x := range plain(c.Inputs.X) {
			within(t, c.ID+" z", s.Z(x), c.Outputs.Z[i], 1e-9, r.Tolerance.Rel)
		}
	}
}

// The level detector steps CUSUM and EWMA.
func TestReferenceSequentialDetectors(t *testing.T) {
	type in struct {
		X      []float64
		K      float64 `json:"cusum_k"`
		H      float64 `json:"cusum_h"`
		Lambda float64 `json:"ewma_lambda"`
		L      float64 `json:"ewma_L"`
	}
	type out struct {
		Cusum      [][2]asset.Number `json:"cusum_pos_neg"`
		CusumAlarm *int              `json:"cusum_first_alarm"`
		Ewma       []asset.Number    `json:"ewma"`
		EwmaAlarm  *int              `json:"ewma_first_alarm"`
	}
	same := func(what string, got int, want *int) {
		if want == nil && got >= 0 || want != nil && got != *want {
			t.Errorf("%s: first alarm at %d, want %v", what, got, want)
		}
	}
	r := readSignalReference[in, out](t, "sequential_detectors")
	for _, c := range r.Cases {
		var s CUSUM
		var e EWMA
		cusum, ewma := -1, -1
		for i, x := range c.Inputs.X {
			s, e = s.Step(x, c.Inputs.K), e.Step(x, c.Inputs.Lambda)
			within(t, c.ID+" S⁺", s.Up, c.Outputs.Cusum[i][0], 1e-9, r.Tolerance.Rel)
			within(t, c.ID+" S⁻", s.Down, c.Outputs.Cusum[i][1], 1e-9, r.Tolerance.Rel)
			within(t, c.ID+" EWMA", e.Z, c.Outputs.Ewma[i], 1e-9, r.Tolerance.Rel)
			if cusum < 0 && math.Max(s.Up, s.Down) > c.Inputs.H {
				cusum = i
			}
			if ewma < 0 && math.Abs(e.Z) > c.Inputs.L*e.Sigma(c.Inputs.Lambda) {
				ewma = i
			}
		}
		same(c.ID+" CUSUM", cusum, c.Outputs.CusumAlarm)
		same(c.ID+" EWMA", ewma, c.Outputs.EwmaAlarm)
	}
}

// The multivariate detector learns by LedoitWolf and judges by distance.
func TestReferenceMahalanobis(t *testing.T) {
	type in struct {
		X [][]float64
		Z [][]float64
	}
	type out struct {
		Mean         []asset.Number
		Shrinkage    asset.Number
		Covariance   [][]asset.Number
		D2           []asset.Number   `json:"d2"`
		Contribution [][]asset.Number `json:"contribution"`
	}
	r := readSignalReference[in, out](t, "mahalanobis")
	for _, c := range r.Cases {
		mean, cov, shrink := LedoitWolf(c.Inputs.X)
		r.agreeAll(t, c.ID+" mean", mean, c.Outputs.Mean)
		r.agree(t, c.ID+" shrinkage", shrink, c.Outputs.Shrinkage)
		for a := range mean {
			for b := range mean {
				r.agree(t, c.ID+" covariance", cov.At(a, b), c.Outputs.Covariance[a][b])
			}
		}
		e := ellipsoid{mean, cov}
		for i, z := range c.Inputs.Z {
			d2, parts, n := e.distance(z)
			if n != len(z) {
				t.Errorf("%s: %d known coordinates, want %d", c.ID, n, len(z))
			}
			r.agree(t, c.ID+" d²", d2, c.Outputs.D2[i])
			for j := range parts {
				within(t, c.ID+" contribution", parts[j], c.Outputs.Contribution[i][j], 1e-9, r.Tolerance.Rel)
			}
		}
	}
}

// Calibration.P and Calibration.Limit answer with these inside the learned scores.
func TestReferenceConformal(t *testing.T) {
	type in struct {
		Calibration, Scores, Alphas []float64
	}
	type out struct {
		P          []asset.Number `json:"p_values"`
		Thresholds []asset.Number `json:"thresholds"`
	}
	r := readSignalReference[in, out](t, "conformal")
	for _, c := range r.Cases {
		cal := slices.Clone(c.Inputs.Calibration)
		slices.Sort(cal)
		for i, s := range c.Inputs.Scores {
			r.agree(t, c.ID+" p", ConformalP(cal, s), c.Outputs.P[i])
		}
		for i, a := range c.Inputs.Alphas {
			r.agree(t, c.ID+" threshold", ConformalLimit(cal, a), c.Outputs.Thresholds[i])
		}
	}
}

// spotInput and spotOutput are a case of the reference of peaks over a threshold:
// without X one of a given tail.
type spotInput struct {
	X     []float64
	Level float64
	Q     any
	T     float64
	Xi    []float64
	Sigma float64
	N     int
	Peaks int `json:"n_peaks"`
}

type spotOutput struct {
	T      float64
	Peaks  int `json:"n_peaks"`
	LogLik float64
	ZQ     []asset.Number `json:"z_q"`
}

// calibrate fits the tail with FitGPD and Calibration.Limit extrapolates with Quantile.
func TestReferenceSpotEVT(t *testing.T) {
	r := readSignalReference[spotInput, spotOutput](t, "spot_evt")
	for _, c := range r.Cases {
		if len(c.Inputs.X) == 0 {
			for i, xi := range c.Inputs.Xi {
				g := GPD{c.Inputs.T, xi, c.Inputs.Sigma, float64(c.Inputs.Peaks) / float64(c.Inputs.N)}
				within(t, c.ID+" z_q", g.Quantile(c.Inputs.Q.(float64)), c.Outputs.ZQ[i], 0, 1e-9)
			}
			continue
		}
		g, ok := FitGPD(c.Inputs.X, c.Inputs.Level)
		var e []float64
		for _, x := range c.Inputs.X {
			if x > g.T {
				e = append(e, x-g.T)
			}
		}
		if !ok || len(e) != c.Outputs.Peaks || math.Abs(g.T-c.Outputs.T) > 1e-9 {
			t.Fatalf("%s: fit %+v, ok %v, %d peaks over it; want t = %g and %d peaks", c.ID, g, ok, len(e), c.Outputs.T, c.Outputs.Peaks)
		}
		if l := gpdLogLik(e, g.Xi, g.Sigma); l < c.Outputs.LogLik-1e-3 {
			t.Errorf("%s: log likelihood %g, want at least %g", c.ID, l, c.Outputs.LogLik-1e-3)
		}
		for i, q := range c.Inputs.Q.([]any) {
			within(t, c.ID+" z_q", g.Quantile(q.(float64)), c.Outputs.ZQ[i], 0, 0.01)
		}
	}
}

// The zone detector asks ZoneTable.Zone, on the rows that are shipped.
func TestReferenceISOZones(t *testing.T) {
	type in struct {
		Industrial []struct {
			Table string
			V     float64 `json:"v_rms_mm_s"`
		}
		Wind []struct {
			Component, Quantity string
			Band                [2]float64
			Value               float64
		}
	}
	type out struct {
		Industrial []string `json:"industrial_zone"`
		Wind       []string `json:"wind_zone"`
	}
	find := func(name, quantity string, lo, hi float64) ZoneTable {
		for _, z := range shippedZones(t) {
			if z.Name == name && z.Quantity == quantity && z.LowHz == lo && z.HighHz == hi {
				return z
			}
		}
		t.Fatalf("no table %s %s %g–%g Hz", name, quantity, lo, hi)
		return ZoneTable{}
	}
	quantity := map[string]string{"acc_m_s2": accelRMS, "vel_mm_s": velocityRMS}
	r := readSignalReference[in, out](t, "iso_zones")
	for _, c := range r.Cases {
		for i, q := range c.Inputs.Industrial {
			if got := find(q.Table, velocityRMS, 10, 1000).Zone(q.V); got != c.Outputs.Industrial[i] {
				t.Errorf("%s %g mm/s: zone %s, want %s", q.Table, q.V, got, c.Outputs.Industrial[i])
			}
		}
		for i, q := range c.Inputs.Wind {
			if got := find(q.Component, quantity[q.Quantity], q.Band[0], q.Band[1]).Zone(q.Value); got != c.Outputs.Wind[i] {
				t.Errorf("%s %s %g: zone %s, want %s", q.Component, q.Quantity, q.Value, got, c.Outputs.Wind[i])
			}
		}
	}
}

// Monitor.Budget states its figures with MOfN and CusumARL.
func TestReferenceFalseAlarmBudget(t *testing.T) {
	type in struct {
		Grid []struct {
			K, H, Mu float64
			M, N     int
			P        float64
		}
	}
	type out struct {
		ARL []asset.Number `json:"arl"`
		P   []asset.Number `json:"p_window"`
	}
	r := readSignalReference[in, out](t, "false_alarm_budget")
	for _, c := range r.Cases {
		for i, g := range c.Inputs.Grid {
			if g.N > 0 {
				r.agree(t, "m of n", MOfN(g.M, g.N, g.P), c.Outputs.P[i])
				continue
			}
			r.agree(t, "CUSUM ARL", CusumARL(g.K, g.H, g.Mu, 100), c.Outputs.ARL[i])
		}
	}
}
