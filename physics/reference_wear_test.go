package physics

import (
	"math"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/features"
)

// instant is a snapshot h hours after the epoch with one metric "x".
func instant(h, x float64) features.Snapshot {
	return features.Snapshot{
		Time: time.Unix(0, 0).Add(time.Duration(h * float64(time.Hour))), SpeedRpm: asset.Missing(), LoadN: asset.Missing(),
		Vectors: []features.Vector{{Fields: []features.Field{{Channel: "x", Name: "value"}}, Values: []float64{x}}},
	}
}

// quantity is one that the law shows of a state.
func quantity(t *testing.T, l interface{ Quantities(s State) []Quantity }, s State, name string) float64 {
	t.Helper()
	for _, q := range l.Quantities(s) {
		if q.Name == name {
			return float64(q.Value)
		}
	}
	t.Fatalf("no quantity %q", name)
	return 0
}

// TestReferenceRainflow pushes each signal through the counter and through the
// fatigue law, which counts with it.
func TestReferenceRainflow(t *testing.T) {
	r := readReference(t, "rainflow")
	for _, c := range r.Cases {
		var in struct {
			X      []float64
			Wohler []float64
			NRef   float64 `json:"n_ref"`
			Su     float64
			Sf     float64 `json:"sf_amplitude_at_N1"`
			M      float64 `json:"m"`
		}
		var out struct {
			Cycles []Cycle
			DEL    map[string]*float64 `json:"del"`
			Miner  *float64            `json:"miner_goodman"`
		}
		decode(t, c.Inputs, &in)
		decode(t, c.Outputs, &out)
		var counter Rainflow
		var got []Cycle
		for _, v := range in.X {
			got = counter.Push(v, got)
		}
		got = counter.Close(got)
		order := func(a, b Cycle) int { return int(math.Copysign(1, a.Range+1e-6*a.Mean-b.Range-1e-6*b.Mean)) }
		want := slices.DeleteFunc(out.Cycles, func(y Cycle) bool { return y.Range == 0 })
		slices.SortFunc(got, order)
		slices.SortFunc(want, order)
		if len(got) != len(want) {
			t.Fatalf("%s: %d cycles, want %d", c.ID, len(got), len(want))
		}
		for i, w := range want {
			for j, g := range []float64{got[i].Range, got[i].Count} {
				r.check(t, c.ID+" cycle", g, &[]float64{w.Range, w.Count}[j])
			}
			if math.Abs(got[i].Mean-w.Mean) > 1e-9*math.Max(1, math.Abs(w.Mean)) {
				t.Errorf("%s: mean %v, want %v", c.ID, got[i].Mean, w.Mean)
			}
		}
		for m, w := range out.DEL {
			slope, err := strconv.ParseFloat(m, 64)
			if err != nil {
				t.Fatal(err)
			}
			r.check(t, c.ID+" DEL "+m, DEL(got, slope, in.NRef), w)
		}
		law := NewFatigue(FatigueOptions{Key: "x", StrengthMPa: in.Sf, M: in.M, UltimateMPa: in.Su, RefN: in.NRef})
		var s State
		for i, v := range in.X {
			s, _ = law.Step(s, instant(float64(i)/60, v))
		}
		r.check(t, c.ID+" Miner sum", quantity(t, law, s, "life used"), out.Miner)
	}
}

// TestReferenceInsulationAgeing runs the law at each temperature for the hours.
func TestReferenceInsulationAgeing(t *testing.T) {
	r := readReference(t, "insulation_ageing")
	for _, c := range r.Cases {
		var in struct {
			T     []float64 `json:"T_C"`
			Hours float64   `json:"hours_each"`
		}
		var out struct {
			Kraft      []*float64 `json:"V_iec60076_7_kraft_98C_6K"`
			Upgraded   []*float64 `json:"V_iec60076_7_upgraded_110C"`
			Montsinger []*float64 `json:"V_montsinger_10K_ref155C"`
			Arrhenius  []*float64 `json:"V_arrhenius_Ea1eV_ref155C"`
			Life       *float64   `json:"life_hours_consumed_montsinger10"`
		}
		decode(t, c.Inputs, &in)
		decode(t, c.Outputs, &out)
		for model, want := range map[AgeingModel][]*float64{Kraft: out.Kraft, Upgraded: out.Upgraded, Montsinger: out.Montsinger, Arrhenius: out.Arrhenius} {
			law := NewAgeing(AgeingOptions{Model: model, TempKey: "x", MaxGapH: in.Hours})
			s, _ := law.Step(State{}, instant(0, in.T[0]))
			for i, temp := range in.T {
				s, _ = law.Step(s, instant(float64(i+1)*in.Hours, temp))
				r.check(t, string(model), quantity(t, law, s, "relative ageing rate"), want[i])
			}
			if model == Montsinger {
				r.check(t, "life consumed", quantity(t, law, s, "life consumed"), out.Life)
			}
		}
	}
}
