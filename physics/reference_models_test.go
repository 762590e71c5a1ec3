package physics

import (
	"strconv"
	"strings"
	"testing"
)

func TestReferenceParis(t *testing.T) {
	r := readReference(t, "paris")
	for _, c := range r.Cases {
		var in struct {
			C      float64
			M      float64 `json:"m"`
			Stress float64 `json:"dsigma_MPa"`
			A0     float64 `json:"a0_m"`
			AF     float64 `json:"af_m"`
			Y      string
			W      float64 `json:"W_m"`
			R      float64
			Gamma  float64 `json:"walker_gamma"`
		}
		var out struct {
			N     *float64            `json:"N_cycles"`
			K0    *float64            `json:"dK_start"`
			K1    *float64            `json:"dK_end"`
			Rate  *float64            `json:"rate_start_m_per_cycle"`
			AtMap map[string]*float64 `json:"a_at_fraction"`
		}
		decode(t, c.Inputs, &in)
		decode(t, c.Outputs, &out)
		p := Paris{C: in.C, M: in.M, WidthM: in.W, R: in.R, Gamma: in.Gamma, Geometry: Geometry(in.Y)}
		if y, ok := strings.CutPrefix(in.Y, "const_"); ok {
			p.Geometry = ConstantY
			if p.Y, _ = strconv.ParseFloat(y, 64); p.Y == 0 {
				t.Fatalf("%s: Y %q", c.ID, in.Y)
			}
		}
		n := p.Cycles(in.A0, in.AF, in.Stress)
		r.check(t, c.ID+" N", n, out.N)
		r.check(t, c.ID+" dK", p.intensity(in.A0, in.Stress), out.K0)
		r.check(t, c.ID+" dK", p.intensity(in.AF, in.Stress), out.K1)
		r.check(t, c.ID+" rate", p.Rate(in.A0, in.Stress), out.Rate)
		for name, share := range map[string]float64{"0.2": 0.2, "0.4": 0.4, "0.6": 0.6, "0.8": 0.8} {
			if want, ok := out.AtMap[name]; ok {
				a, _ := p.Grow(in.A0, in.AF, in.Stress, share**out.N)
				r.check(t, c.ID+" a at "+name, a, want)
			}
		}
		a, used := p.Grow(in.A0, in.AF, in.Stress, 2**out.N)
		r.check(t, c.ID+" end", a, &in.AF)
		r.check(t, c.ID+" event", used, out.N)
	}
}

func TestReferenceThermalRC(t *testing.T) {
	r := readReference(t, "thermal_rc")
	for _, c := range r.Cases {
		var in struct {
			C    [2]float64 `json:"C_J_per_K"`
			R    [2]float64 `json:"R_K_per_W"`
			T0   [2]float64 `json:"T0_C"`
			Tamb float64    `json:"T_amb_C"`
			P    float64    `json:"P_loss_W"`
			From int        `json:"P_on_from_step"`
			DT   float64    `json:"dt_s"`
			N    int        `json:"n"`
		}
		var out struct {
			T1      []*float64
			T2      []*float64
			Every   int
			Ad      [2][2]*float64
			SteadyA *float64 `json:"steady_T1"`
			SteadyB *float64 `json:"steady_T2"`
		}
		decode(t, c.Inputs, &in)
		decode(t, c.Outputs, &out)
		n := Network{C1: in.C[0], C2: in.C[1], R12: in.R[0], R2a: in.R[1]}
		t1, t2 := in.T0[0], in.T0[1]
		for k := 0; k <= in.N; k++ {
			if i := k / out.Every; k%out.Every == 0 && i < len(out.T1) {
				r.check(t, c.ID+" T1", t1, out.T1[i])
				r.check(t, c.ID+" T2", t2, out.T2[i])
			}
			loss := 0.0
			if k >= in.From {
				loss = in.P
			}
			t1, t2 = n.Step(t1, t2, loss, in.Tamb, in.DT)
		}
		a, b, cc, d := n.matrix()
		e00, e01, e10, e11 := exp2(a, b, cc, d, in.DT)
		for i, got := range []float64{e00, e01, e10, e11} {
			r.check(t, c.ID+" Ad", got, out.Ad[i/2][i%2])
		}
		s1, s2 := n.Steady(in.P, in.Tamb)
		r.check(t, c.ID+" steady", s1, out.SteadyA)
		r.check(t, c.ID+" steady", s2, out.SteadyB)
	}
}
