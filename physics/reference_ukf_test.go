package physics

import (
	"math"
	"testing"
)

// TestReferenceUKF runs the filter of the law exponential.
func TestReferenceUKF(t *testing.T) {
	r := readReference(t, "ukf_rul")
	for _, c := range r.Cases {
		var in struct {
			Z                         []*float64
			DT, Alpha, Beta, Kappa, R float64
			X0, P0, Q                 [2]float64
			Threshold                 float64
		}
		var out struct {
			X   [][2]float64
			P   [][3]float64 `json:"P_00_01_11"`
			RUL *float64     `json:"rul_deterministic"`
			Wm  []*float64
			Wc  []*float64
		}
		decode(t, c.Inputs, &in)
		decode(t, c.Outputs, &out)
		f := exponential(in.X0[0], in.X0[1], in.P0[0], 0, in.P0[1], in.Alpha, in.Beta, in.Kappa)
		m0, c0, w := f.weights()
		for i, got := range []float64{m0, w, w, w, w} {
			r.check(t, c.ID+" Wm", got, out.Wm[i])
		}
		for i, got := range []float64{c0, w, w, w, w} {
			r.check(t, c.ID+" Wc", got, out.Wc[i])
		}
		for i, z := range in.Z {
			if !f.predict(grow(in.DT), in.Q[:]) {
				t.Fatal("predict")
			}
			if z != nil {
				if _, ok := f.update(*z, levelOf, in.R, math.Inf(1)); !ok {
					t.Fatal("update")
				}
			}
			want := append(out.X[i][:], out.P[i][:]...)
			for j, got := range []float64{f.x[0], f.x[1], f.p[0], f.p[1], f.p[3]} {
				r.check(t, c.ID, got, &want[j])
			}
		}
		x := make([]float64, expSize) // the law on that state
		x[expMean], x[expLevel], x[expRate] = in.X0[0], f.x[0], f.x[1]
		rul, _ := NewExponential(ExponentialOptions{Key: "x", FailAt: in.Threshold, FailSd: 1e-9}).remaining(x)
		r.check(t, c.ID+" RUL", float64(rul.P50), out.RUL)
	}
}
