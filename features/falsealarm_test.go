package features

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/telltale-iot/telltale/asset"
)

func TestFalseAlarmStatements(t *testing.T) {
	within(t, "one score in ten minutes at 1e-4", daysPerYear/LimitFalseAlarms(1e-4, 144).PerYear, 69.4, 0.1, 0)
	within(t, "one-sided CUSUM", 1/CUSUMFalseAlarms(0.5, 5, false, 1).P, 931, 0, 5e-3)
	within(t, "two-sided CUSUM", 1/CUSUMFalseAlarms(0.5, 5, true, 1).P, 465, 0, 5e-3)
	within(t, "4 of 6", MOfNFalseAlarms(4, 6, 0.01, 1).P, asset.Number(MOfN(4, 6, 0.01)), 0, 1e-12)
	within(t, "fleet", FleetQ(1, 200, 40, 144), 8.68e-7, 1e-9, 0)
	s := SPOT{Options: SPOTOptions{Q: 1e-4, Level: 0.98, Run: 6}, N: 5000, Clusters: 60, Limit: 3}
	if f := s.FalseAlarms(144); f.P != 1e-4 || f.PerDay != 144 || math.Abs(f.PerYear-1e-4*144*365.25) > 1e-9 || !strings.Contains(f.Method, "60 of 5000") {
		t.Errorf("SPOT: %+v", f)
	}
	b := Budget{Method: "absolute limits: not a probability", P: math.NaN()}
	if f := b.FalseAlarms(144); f.Method != b.Method || !math.IsNaN(f.P) || !math.IsNaN(f.PerYear) || f.PerDay != 144 {
		t.Errorf("budget of nobody knows: %+v", f)
	}
}

// The statements against seeded simulation: how often an alarm begins.
func TestFalseAlarmsSimulated(t *testing.T) {
	const n = 2_000_000
	rng := rand.New(rand.NewPCG(16, 1))
	for _, tc := range []struct {
		m, n int
		p    float64
	}{{1, 1, 0.01}, {1, 3, 0.003}, {2, 3, 0.03}, {4, 6, 0.1}, {8, 10, 0.4}} {
		var past persistence
		begins, bad, was := 0, 0, false
		for range n {
			is := past.step(rng.Float64() < tc.p, tc.m, tc.n)
			if is {
				bad++
			}
			if is && !was {
				begins++
			}
			was = is
		}
		f := MOfNFalseAlarms(tc.m, tc.n, tc.p, 1)
		within(t, "verdicts", float64(bad)/n, asset.Number(f.P), 6*math.Sqrt(float64(tc.n)*f.P/n), 0)
		begin := f.PerYear / daysPerYear
		within(t, "alarms", float64(begins)/n, asset.Number(begin), 5*math.Sqrt(begin/n), 0)
		within(t, "score's q", MOfNScoreQ(tc.m, tc.n, begin), asset.Number(tc.p), 0, 1e-6)
	}
	var c CUSUM
	alarms := 0
	for range n {
		if c = c.Step(rng.NormFloat64(), 0.5); math.Max(c.Up, c.Down) > 4 {
			alarms, c = alarms+1, CUSUM{}
		}
	}
	f := CUSUMFalseAlarms(0.5, 4, true, 1)
	within(t, "CUSUM alarms", float64(alarms)/n, asset.Number(f.PerYear/daysPerYear), 5*math.Sqrt(f.P/n), 0.01)
}

func TestFalseAlarmEdges(t *testing.T) {
	for name, f := range map[string]FalseAlarms{
		"p NaN": LimitFalseAlarms(math.NaN(), 1), "p 2": LimitFalseAlarms(2, 1), "rate": LimitFalseAlarms(0.1, -1), "rate NaN": LimitFalseAlarms(0.1, math.NaN()),
		"0 of 3": MOfNFalseAlarms(0, 3, 0.1, 1), "4 of 3": MOfNFalseAlarms(4, 3, 0.1, 1), "h 0": CUSUMFalseAlarms(0.5, 0, true, 1), "h NaN": CUSUMFalseAlarms(0.5, math.NaN(), false, 1),
		"unlearned": new(SPOT).FalseAlarms(144),
	} {
		if !math.IsNaN(f.PerYear) || f.Method == "" {
			t.Errorf("%s: %+v, want a missing rate with its method", name, f)
		}
	}
	if f := LimitFalseAlarms(0, 144); f.PerYear != 0 {
		t.Errorf("p = 0: %+v", f)
	}
	for name, q := range map[string]float64{
		"no assets": FleetQ(1, 0, 1, 1), "no evaluations": FleetQ(1, 1, 1, 0), "NaN": FleetQ(math.NaN(), 1, 1, 1),
		"too often": MOfNScoreQ(1, 1, 0.3), "q 0": MOfNScoreQ(4, 6, 0), "m 0": MOfNScoreQ(0, 6, 0.1),
	} {
		if !math.IsNaN(q) {
			t.Errorf("%s: %g, want missing", name, q)
		}
	}
}

func FuzzFalseAlarms(f *testing.F) {
	f.Add(4, 6, 0.01, 144.0, 0.5, 8.0)
	f.Add(64, 64, 1.0, 1e308, 0.0, 1e-300)
	f.Fuzz(func(t *testing.T, m, n int, p, perDay, k, h float64) {
		if n > 200 {
			return
		}
		for _, s := range []FalseAlarms{LimitFalseAlarms(p, perDay), MOfNFalseAlarms(m, n, p, perDay), CUSUMFalseAlarms(k, h, m%2 == 0, perDay), (&SPOT{Options: SPOTOptions{Q: p}, N: n, Limit: h}).FalseAlarms(perDay)} {
			if s.P < 0 || s.P > 1 || math.IsInf(s.PerDay, 0) || math.IsInf(s.PerYear, 0) || s.PerYear < 0 {
				t.Errorf("%+v", s)
			}
		}
		if q := FleetQ(perDay, m, n, h); q < 0 || q > 1 {
			t.Errorf("fleet q %g", q)
		}
		if q := MOfNScoreQ(m, n, p); q < 0 || q > 1 {
			t.Errorf("q %g of %d of %d", q, m, n)
		}
	})
}
