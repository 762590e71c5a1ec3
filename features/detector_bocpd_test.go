package features

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/telltale-iot/telltale/asset"
)

func TestReferenceBOCPD(t *testing.T) {
	type in struct {
		X                                  []float64
		Hazard, Mu0, Kappa0, Alpha0, Beta0 float64
	}
	type out struct {
		Length []int          `json:"map_run_length"`
		Recent []asset.Number `json:"p_run_le_5"`
	}
	r := readSignalReference[in, out](t, "bocpd")
	run := func(x []float64, o BOCPDOptions) (length []int, recent []float64) {
		b, why := NewBOCPD(o)
		if why != "" {
			t.Fatal(why)
		}
		for _, v := range x {
			b.Step(v)
			length, recent = append(length, b.RunLength()), append(recent, b.RecentP(5))
		}
		return length, recent
	}
	for _, c := range r.Cases {
		o := BOCPDOptions{Hazard: c.Inputs.Hazard, Mu0: c.Inputs.Mu0, Kappa0: c.Inputs.Kappa0, Alpha0: c.Inputs.Alpha0, Beta0: c.Inputs.Beta0, Prune: -1, MaxRuns: len(c.Inputs.X) + 2}
		length, recent := run(c.Inputs.X, o)
		if !reflect.DeepEqual(length, c.Outputs.Length) {
			t.Errorf("%s: run lengths %v, want %v", c.ID, length, c.Outputs.Length)
		}
		r.agreeAll(t, c.ID+" P(run ≤ 5)", recent, c.Outputs.Recent)
		_, recent = run(single(c.Inputs.X), o)
		near(t, c.ID+" P(run ≤ 5)", recent, c.Outputs.Recent)
		// Pruning as in production changes the probabilities by little.
		o.Prune, o.MaxRuns = 0, 0
		_, recent = run(c.Inputs.X, o)
		for i, want := range c.Outputs.Recent {
			within(t, c.ID+" P(run ≤ 5) pruned", recent[i], want, 2e-4, 0)
		}
	}
}

// A change of mean is found within a few values and once; noise alone, with the
// hazard of one change in 1000 values, seldom reads as a change.
func TestBOCPDFindsChanges(t *testing.T) {
	if raceOn {
		t.Skip("long, and of one goroutine")
	}
	rng := rand.New(rand.NewPCG(7, 7))
	false0, values, delay := 0, 0, 0
	for range 20 {
		b, _ := NewBOCPD(BOCPDOptions{Hazard: 1e-3})
		for i := range 2000 {
			b.Step(rng.NormFloat64())
			if i > 50 {
				values++
				if b.RecentP(10) > 0.5 {
					false0++
				}
			}
		}
		k := 0
		for b.RunLength() > 30 && k < 100 {
			b.Step(3 + rng.NormFloat64())
			k++
		}
		delay += k
		if len(b.Runs) > 512 {
			t.Errorf("%d runs kept", len(b.Runs))
		}
	}
	t.Logf("%d of %d values falsely read as just after a change; mean delay %.1f", false0, values, float64(delay)/20)
	if share := float64(false0) / float64(values); share > 2e-3 {
		t.Errorf("share %g of healthy values with a change in the last ten, want below 0.002", share)
	}
	if delay > 20*6 {
		t.Errorf("mean delay %g, want at most 6", float64(delay)/20)
	}
}

func TestBOCPDEdges(t *testing.T) {
	for _, o := range []BOCPDOptions{{Hazard: 1}, {Hazard: math.NaN()}, {Kappa0: -1}, {Beta0: math.Inf(1)}, {Mu0: math.NaN()}, {MaxRuns: 1}, {Prune: math.NaN()}} {
		if _, why := NewBOCPD(o); why != ReasonUndefined {
			t.Errorf("%+v: %q", o, why)
		}
	}
	b, _ := NewBOCPD(BOCPDOptions{})
	if b.RunLength() != 0 || b.RecentP(0) != 1 {
		t.Errorf("before any value: length %d, P %g", b.RunLength(), b.RecentP(0))
	}
	b.Step(1)
	before, _ := json.Marshal(b)
	for x, want := range map[float64]asset.Reason{math.Inf(1): ReasonNonFinite, 1e300: ReasonRange, -1e300: ReasonRange} {
		if why := b.Step(x); why != want {
			t.Errorf("%g: %q, want %q", x, why, want)
		}
	}
	if why := b.Step(math.NaN()); why != ReasonNonFinite {
		t.Errorf("NaN: %q", why)
	}
	if after, _ := json.Marshal(b); string(before) != string(after) {
		t.Errorf("values left out changed the state: %s, before %s", after, before)
	}
	// The whole state is in its fields: stored in the middle, it goes on alike.
	var c BOCPD
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range 3000 {
		x := rng.NormFloat64() + float64(i/1500)*1e-3
		if i == 1000 {
			kept, _ := json.Marshal(b)
			if err := json.Unmarshal(kept, &c); err != nil {
				t.Fatal(err)
			}
		}
		b.Step(x)
		if i >= 1000 {
			c.Step(x)
		}
	}
	if !reflect.DeepEqual(b, c) {
		t.Error("a stored state goes on otherwise")
	}
	if len(b.Runs) > 512 {
		t.Errorf("%d runs kept, want at most 512", len(b.Runs))
	}
	constant, _ := NewBOCPD(BOCPDOptions{})
	for range 5000 {
		constant.Step(5e-324)
	}
	if p := constant.RecentP(10); p > 0.01 {
		t.Errorf("constant: P(change in the last ten) = %g", p)
	}
}

func FuzzBOCPD(f *testing.F) {
	f.Add(1.0, 1e139, 0.004, uint64(1), uint8(20))
	f.Add(-1e300, 5e-324, 1e-12, uint64(2), uint8(2))
	f.Fuzz(func(t *testing.T, a, c, hazard float64, seed uint64, most uint8) {
		b, why := NewBOCPD(BOCPDOptions{Hazard: hazard, MaxRuns: int(most)})
		if why != "" {
			return
		}
		rng := rand.New(rand.NewPCG(seed, 1))
		for range 150 {
			b.Step([...]float64{a, c, rng.NormFloat64()}[rng.IntN(3)])
			total := 0.0
			for _, r := range b.Runs {
				if !finite(r.P, r.Mu, r.Kappa, r.Alpha, r.Beta) {
					t.Fatalf("%+v", r)
				}
				total += r.P
			}
			if p := b.RecentP(b.RunLength()); !(p > 0 && p <= 1) {
				t.Fatalf("P(run ≤ %d) = %g", b.RunLength(), p)
			}
			if math.Abs(total-1) > 1e-9 || len(b.Runs) > b.Options.MaxRuns {
				t.Fatalf("%d runs of total probability %g", len(b.Runs), total)
			}
		}
	})
}
