package simulate

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"
)

// reference reads one file of independently computed numbers.
func reference(t *testing.T, name string, into any) {
	t.Helper()
	dir := os.Getenv("TELLTALE_REFERENCE_DIR")
	if dir == "" {
		dir = filepath.Join("..", "testdata", "reference")
	}
	b, err := os.ReadFile(filepath.Join(dir, name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, into); err != nil {
		t.Fatal(err)
	}
}

func near(t *testing.T, what string, got, want, rel float64) {
	t.Helper()
	if !(math.Abs(got-want) <= rel*math.Abs(want)+1e-12) {
		t.Errorf("%s = %.12g, want %.12g", what, got, want)
	}
}

// TestReferenceSimulatorStats calls windQuantile, powerAt and rpmAt, which
// weather.at and operate call, and the weights of the process behind the wind.
func TestReferenceSimulatorStats(t *testing.T) {
	var ref struct {
		Tolerance struct{ Rel float64 }
		Cases     []struct {
			ID     string
			Inputs struct {
				K   float64 `json:"weibull_k"`
				C   float64 `json:"weibull_c"`
				Phi float64 `json:"ar1_phi"`
				U   []float64
				V   []float64
			}
			Outputs struct {
				Mean, Std      float64
				Quantiles      []float64
				Power          []float64 `json:"power_W"`
				Rpm            []float64 `json:"rotor_rpm"`
				MeanPower      float64   `json:"mean_power_W"`
				CapacityFactor float64   `json:"capacity_factor"`
				ACF            []float64 `json:"ar1_acf"`
				Innovation     float64   `json:"ar1_innov_std_for_unit_var"`
			}
		}
	}
	reference(t, "simulator_stats", &ref)
	for _, c := range ref.Cases {
		if c.Inputs.K != weibullK || c.Inputs.C != weibullC || c.Inputs.Phi != windPhi {
			t.Skipf("case %s has other constants than the frozen farm: k %g, c %g, φ %g", c.ID, c.Inputs.K, c.Inputs.C, c.Inputs.Phi)
		}
		rel := ref.Tolerance.Rel
		for i, u := range c.Inputs.U {
			near(t, "quantile", windQuantile(u), c.Outputs.Quantiles[i], rel)
		}
		for i, v := range c.Inputs.V {
			near(t, "power", powerAt(v), c.Outputs.Power[i], rel)
			near(t, "rotor speed", rpmAt(v), c.Outputs.Rpm[i], rel)
		}
		var mean, square, power float64
		const n = 2_000_000
		for i := range n {
			v := windQuantile((float64(i) + 0.5) / n)
			mean, square, power = mean+v/n, square+v*v/n, power+powerAt(v)/n
		}
		near(t, "mean wind", mean, c.Outputs.Mean, rel)
		near(t, "standard deviation", math.Sqrt(square-mean*mean), c.Outputs.Std, rel)
		near(t, "mean power", power, c.Outputs.MeanPower, rel)
		near(t, "capacity factor", power/ratedW, c.Outputs.CapacityFactor, rel)
		w := newAR(c.Inputs.Phi).weights
		near(t, "innovation", w[0], c.Outputs.Innovation, rel)
		for lag, want := range c.Outputs.ACF {
			got := 0.0
			for i := lag; i < len(w); i++ {
				got += w[i] * w[i-lag]
			}
			near(t, "autocorrelation", got, want, rel)
		}
	}
}

// TestReferenceThermalRC calls thermal.step, which build.warm calls.
func TestReferenceThermalRC(t *testing.T) {
	var ref struct {
		Tolerance struct{ Rel float64 }
		Cases     []struct {
			ID     string
			Inputs struct {
				C     []float64 `json:"C_J_per_K"`
				R     []float64 `json:"R_K_per_W"`
				T0    []float64 `json:"T0_C"`
				Air   float64   `json:"T_amb_C"`
				Loss  float64   `json:"P_loss_W"`
				From  int       `json:"P_on_from_step"`
				Dt    float64   `json:"dt_s"`
				Steps int       `json:"n"`
			}
			Outputs struct {
				T1, T2 []float64
				Every  int
			}
		}
	}
	reference(t, "thermal_rc", &ref)
	for _, c := range ref.Cases {
		t.Run(c.ID, func(t *testing.T) {
			n := thermal{c1: c.Inputs.C[0], c2: c.Inputs.C[1], r12: c.Inputs.R[0], r2a: c.Inputs.R[1]}
			m, at := masses{c.Inputs.T0[0], c.Inputs.T0[1]}, 0
			for k := range c.Inputs.Steps {
				if k%c.Outputs.Every == 0 && at < len(c.Outputs.T1) {
					near(t, "T1", m.t1, c.Outputs.T1[at], ref.Tolerance.Rel)
					near(t, "T2", m.t2, c.Outputs.T2[at], ref.Tolerance.Rel)
					at++
				}
				loss := 0.0
				if k >= c.Inputs.From {
					loss = c.Inputs.Loss
				}
				m = n.step(m, loss, 0, c.Inputs.Air, c.Inputs.Dt)
			}
			if at < 2 {
				t.Errorf("compared %d instants", at)
			}
		})
	}
}
