package physics

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/features"
)

// reference is a file of cases computed by independent libraries.
type reference struct {
	Tolerance struct {
		Rel float64 `json:"rel"`
		Abs float64 `json:"abs"`
	} `json:"tolerance"`
	Cases []struct {
		ID      string          `json:"id"`
		Inputs  json.RawMessage `json:"inputs"`
		Outputs json.RawMessage `json:"outputs"`
	} `json:"cases"`
}

func readReference(t *testing.T, name string) reference {
	t.Helper()
	dir := os.Getenv("TELLTALE_REFERENCE_DIR")
	if dir == "" {
		dir = "../testdata/reference"
	}
	b, err := os.ReadFile(filepath.Join(dir, name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var r reference
	if err := json.Unmarshal(b, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// decode reads inputs and outputs; a missing number (null) becomes NaN where the
// field is a pointer.
func decode(t *testing.T, b json.RawMessage, into any) {
	t.Helper()
	if err := json.Unmarshal(b, into); err != nil {
		t.Fatal(err)
	}
}

func (r reference) check(t *testing.T, what string, got float64, want *float64) {
	t.Helper()
	if want == nil {
		if !math.IsNaN(got) && !math.IsInf(got, 0) {
			t.Errorf("%s = %v, want missing", what, got)
		}
		return
	}
	if !(math.Abs(got-*want) <= r.Tolerance.Abs+r.Tolerance.Rel*math.Abs(*want)) {
		t.Errorf("%s = %.12g, want %.12g", what, got, *want)
	}
}

func TestReferenceISO281(t *testing.T) {
	r := readReference(t, "iso281")
	for _, c := range r.Cases {
		switch c.ID {
		case "grid":
			checkLifeFactors(t, r, c.Inputs, c.Outputs)
		case "variable_load":
			checkVariableLoad(t, r, c.Inputs, c.Outputs)
		default:
			checkBearing(t, r, c.ID, c.Inputs, c.Outputs)
		}
	}
}

func checkLifeFactors(t *testing.T, r reference, inputs, outputs json.RawMessage) {
	t.Helper()
	var in struct {
		Grid []struct {
			Kind  Rolling
			Kappa float64
			ECU   float64 `json:"ecu_p"`
		}
	}
	var out struct {
		AISO []*float64 `json:"aISO"`
	}
	decode(t, inputs, &in)
	decode(t, outputs, &out)
	for i, g := range in.Grid {
		r.check(t, string(g.Kind), g.Kind.lifeFactor(g.Kappa, g.ECU), out.AISO[i])
	}
}

func checkBearing(t *testing.T, r reference, id string, inputs, outputs json.RawMessage) {
	t.Helper()
	var in struct {
		Kind          Rolling
		C             float64 `json:"C_kN"`
		Cu            float64 `json:"Cu_kN"`
		P             float64 `json:"P_kN"`
		N             float64 `json:"n_rpm"`
		Nu            float64 `json:"nu_mm2_s"`
		Dpw           float64 `json:"Dpw_mm"`
		Contamination string
		A1            float64 `json:"a1"`
	}
	var out struct {
		Nu1   *float64 `json:"nu1"`
		Kappa *float64 `json:"kappa"`
		EC    *float64 `json:"eC"`
		AISO  *float64 `json:"aISO"`
		L10   *float64 `json:"L10_Mrev"`
		L10h  *float64 `json:"L10h"`
		Lnmh  *float64 `json:"Lnmh"`
	}
	decode(t, inputs, &in)
	decode(t, outputs, &out)
	law := NewBearingLife(BearingOptions{
		Kind: in.Kind, CN: in.C * 1e3, CuN: in.Cu * 1e3, PitchMM: in.Dpw, Nu: in.Nu, Cleanliness: in.Contamination,
	})
	rate, kappa, factor := law.damageRate(nil, in.P*1e3, in.N)
	l10 := in.Kind.LifeMrev(in.C, in.P)
	r.check(t, id+" nu1", referenceViscosity(in.N, in.Dpw), out.Nu1)
	r.check(t, id+" kappa", kappa, out.Kappa)
	r.check(t, id+" eC", contamination(in.Contamination, math.Min(kappa, 4), in.Dpw), out.EC)
	r.check(t, id+" aISO", factor, out.AISO)
	r.check(t, id+" L10", l10, out.L10)
	r.check(t, id+" L10h", lifeHours(l10, in.N), out.L10h)
	r.check(t, id+" Lnmh", in.A1/rate, out.Lnmh)
}

// checkVariableLoad runs the law through each load for its share of 1000 h.
func checkVariableLoad(t *testing.T, r reference, inputs, outputs json.RawMessage) {
	t.Helper()
	var in struct {
		P        []float64 `json:"P_kN"`
		N        []float64 `json:"n_rpm"`
		Fraction []float64
		Exponent float64 `json:"p"`
		C        float64 `json:"C_kN"`
	}
	var out struct {
		L10h *float64 `json:"L10h"`
		Rate *float64 `json:"miner_rate_per_h"`
		Mean *float64 `json:"n_mean"`
		PEq  *float64 `json:"P_eq"`
	}
	decode(t, inputs, &in)
	decode(t, outputs, &out)
	kind := Ball
	if math.Abs(in.Exponent-10.0/3) < 1e-6 {
		kind = Roller
	}
	law := NewBearingLife(BearingOptions{Kind: kind, CN: in.C * 1e3, LifeFactor: 1, MaxGapH: 1000})
	at := func(i int, h float64) features.Snapshot {
		s := instant(h, 0)
		s.SpeedRpm, s.LoadN = asset.Number(in.N[i]), asset.Number(in.P[i]*1e3)
		return s
	}
	s, _ := law.Step(State{}, at(0, 0))
	var h float64
	for i, share := range in.Fraction {
		h += 1000 * share
		s, _ = law.Step(s, at(i, h))
	}
	rate := quantity(t, law, s, "life used") / h
	r.check(t, "rate", rate, out.Rate)
	r.check(t, "L10h", 1/rate, out.L10h)
	r.check(t, "P_eq", quantity(t, law, s, "equivalent load")/1e3, out.PEq)
	if out.Mean != nil {
		r.check(t, "n_mean", s.X[bearingTurns]/h, out.Mean)
	}
}

// TestBearingSurvival holds population, set and reliability against the closed
// forms: L50/L10 = (ln 2/ln(1/0.9))^(1/e), and for k equal lives
// L_sys = L·k^(−1/e).
func TestBearingSurvival(t *testing.T) {
	for kind, e := range map[Rolling]float64{Ball: 10.0 / 9, Roller: 9.0 / 8} {
		if got := kind.survival(1); math.Abs(got-0.9) > 1e-12 {
			t.Errorf("%s: S(L10) = %v", kind, got)
		}
		if got := kind.survival(math.Pow(math.Ln2/-math.Log(0.9), 1/e)); math.Abs(got-0.5) > 1e-12 {
			t.Errorf("%s: S(L50) = %v", kind, got)
		}
		if got, want := 1/kind.systemRate([]float64{1e-4, 1e-4, 1e-4}), 1e4*math.Pow(3, -1/e); math.Abs(got/want-1) > 1e-12 {
			t.Errorf("%s: three bearings live %v, want %v", kind, got, want)
		}
		if got := 1 / kind.systemRate([]float64{1e-4, 0}); math.Abs(got/1e4-1) > 1e-12 {
			t.Errorf("%s: an idle bearing shortens the life to %v", kind, got)
		}
	}
	one := NewBearingLife(BearingOptions{CN: 50e3, LifeFactor: 1})
	two := NewBearingLife(BearingOptions{CN: 50e3, LifeFactor: 1, LoadShares: []float64{0.5, 0.5}})
	a, _, _ := one.damageRate(nil, 2500, 1000)
	b, _, _ := two.damageRate(nil, 5000, 1000)
	if want := a * math.Pow(2, 0.9); math.Abs(b/want-1) > 1e-12 {
		t.Errorf("a pair uses %v, want %v", b, want)
	}
	if r, k, _ := NewBearingLife(BearingOptions{CN: 50e3, Nu: 0.5}).damageRate(nil, 2500, 1000); !math.IsNaN(r) {
		t.Errorf("κ %v below 0.1 gives a life", k)
	}
	if _, a := NewBearingLife(BearingOptions{CN: 50e3, Reliability: 99}).Step(State{}, func() features.Snapshot {
		s := instant(0, 0)
		s.SpeedRpm, s.LoadN = 1000, 2500
		return s
	}()); a.Limit != 0.25 {
		t.Errorf("the limit for 99 %% is %v", a.Limit)
	}
}

func TestReferenceKalmanRUL(t *testing.T) {
	r := readReference(t, "kalman_rul")
	for _, c := range r.Cases {
		var in struct {
			Z         []*float64
			DT        float64
			X0        [2]float64
			P0        [2]float64 `json:"P0_diag"`
			Q         float64
			R         float64
			Threshold float64
		}
		var out struct {
			X      [][2]float64
			P      [][3]float64 `json:"P_00_01_11"`
			Loglik *float64
			P10    *float64 `json:"rul_p10"`
			P50    *float64 `json:"rul_p50"`
			P90    *float64 `json:"rul_p90"`
		}
		decode(t, c.Inputs, &in)
		decode(t, c.Outputs, &out)
		k := Trend{Level: in.X0[0], Slope: in.X0[1], P00: in.P0[0], P11: in.P0[1]}
		var loglik float64
		for i, z := range in.Z {
			k.predict(in.DT, in.Q)
			if z != nil {
				loglik += k.update(*z, in.R)
			}
			for j, got := range []float64{k.Level, k.Slope, k.P00, k.P01, k.P11} {
				want := append(out.X[i][:], out.P[i][:]...)[j]
				r.check(t, c.ID, got, &want)
			}
		}
		r.check(t, c.ID+" loglik", loglik, out.Loglik)
		for p, want := range map[float64]*float64{0.1: out.P10, 0.5: out.P50, 0.9: out.P90} {
			r.check(t, c.ID+" quantile", k.until(in.Threshold-k.Level, p), want)
		}
	}
}

func TestReferenceWienerRUL(t *testing.T) {
	r := readReference(t, "wiener_rul")
	for _, c := range r.Cases {
		var in struct {
			D     float64 `json:"distance"`
			Mu    float64 `json:"drift_per_h"`
			Sigma float64 `json:"sigma_per_sqrt_h"`
			H     float64 `json:"horizon_h"`
		}
		var out struct {
			P10  *float64
			P50  *float64
			P90  *float64
			Fail *float64     `json:"p_fail_48h"`
			CDF  [][2]float64 `json:"cdf_grid"`
		}
		decode(t, c.Inputs, &in)
		decode(t, c.Outputs, &out)
		m := mixture{{slope: in.Mu, distance: in.D, weight: 1}}
		cdf := func(x float64) float64 { return m.cdf(in.Sigma, x) }
		r.check(t, c.ID+" fail", cdf(in.H), out.Fail)
		for _, g := range out.CDF {
			r.check(t, c.ID+" cdf", cdf(g[0]), &g[1])
		}
		for p, want := range map[float64]*float64{0.1: out.P10, 0.5: out.P50, 0.9: out.P90} {
			r.check(t, c.ID+" quantile", quantileOf(cdf, p, 1e-6, 1e9), want)
		}
	}
}
