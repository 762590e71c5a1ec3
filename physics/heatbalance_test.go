package physics_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/physics"
)

// TestHeatBalanceTellsFoulingFromFriction runs a plant whose network is not the guessed
// one, through heat-ups and cool-downs, and changes one thing in it.
func TestHeatBalanceTellsFoulingFromFriction(t *testing.T) {
	truth := physics.Network{C1: 4e5, C2: 2.5e6, R12: 6e-4, R2a: 4e-4}
	guess := physics.Network{C1: 3e5, C2: 3.5e6, R12: 7.5e-4, R2a: 3.2e-4}
	for name, tc := range map[string]struct {
		housing        bool
		r2a, loss      float64 // at the end: factor, W more
		fouled, rubbed bool
	}{
		"healthy":                      {},
		"healthy, housing measured":    {housing: true},
		"fouling":                      {r2a: 1.4, fouled: true},
		"fouling, housing measured":    {housing: true, r2a: 1.4, fouled: true},
		"friction, housing measured":   {housing: true, loss: 12000, rubbed: true},
		"friction, housing unmeasured": {loss: 12000, rubbed: true},
	} {
		t.Run(name, func(t *testing.T) {
			o := physics.HeatBalanceOptions{TempKey: "temp", AmbientKey: "ambient", PowerKey: "power", Network: guess, LossW: 10000}
			if tc.housing {
				o.HousingKey = "x"
			}
			law, r := physics.NewHeatBalance(o), rand.New(rand.NewPCG(3, 4))
			var s physics.State
			var a asset.Assessment
			early, late, right := 0, 0, 0
			t1, t2, before := 30.0, 20.0, 0.0
			for i := range 9000 { // 10 minutes each
				h := float64(i) / 6
				power := 2000.0
				if int(h/9)%3 == 0 { // stands still now and then
					power = 0
				} else {
					power *= 0.6 + 0.4*math.Sin(h/5)
				}
				ambient := 10 + 5*math.Sin(h*2*math.Pi/24)
				n, extra := truth, 0.0
				if share := math.Min(math.Max(0, float64(i-4000)/3000), 1); share > 0 {
					extra = tc.loss * share
					if tc.r2a > 0 {
						n.R2a *= 1 + (tc.r2a-1)*share
					}
				}
				for k := range 10 { // the power ramps from instant to instant
					p := before + (power-before)*(float64(k)+0.5)/10
					t1, t2 = n.Step(t1, t2, 10000+30*p+extra, ambient, 60)
				}
				before = power
				in := at(h, map[string]float64{
					"temp": t1 + 0.3*r.NormFloat64(), "x": t2 + 0.3*r.NormFloat64(), "power": power, "ambient": ambient,
				})
				in.Learning = i < 3000
				s, a = law.Step(s, in)
				switch {
				case i < 4000 && a.Abnormal:
					early++
				case i >= 7500 && a.Abnormal:
					late++
					if (a.Modes[asset.Overheating] > 0) == tc.fouled {
						right++
					}
				}
			}
			if early > 0 {
				t.Errorf("%d alarms while healthy", early)
			}
			if tc.fouled || tc.rubbed {
				if late < 1000 || right < late*9/10 {
					t.Errorf("%d of 1500 alarms, %d with the right mode; last %+v", late, right, a)
				}
			} else if late > 0 {
				t.Errorf("%d alarms on a healthy plant; last %+v", late, a)
			}
			q := map[string]float64{}
			for _, v := range law.Quantities(s) {
				q[v.Name] = float64(v.Value)
			}
			if tc.housing {
				for what, want := range map[string]float64{
					"heat capacity of the part": truth.C1, "heat capacity of the housing": truth.C2,
					"resistance to the housing": truth.R12, "resistance to the surroundings": truth.R2a * math.Max(1, tc.r2a),
				} {
					if math.Abs(q[what]/want-1) > 0.15 {
						t.Errorf("%s %.3g, want %.3g", what, q[what], want)
					}
				}
			}
		})
	}
}
