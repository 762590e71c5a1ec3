package models_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/models"
)

var monday = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

// normal is the standard normal distribution as a reference.
func normal() models.Reference {
	r := models.Reference{N: 2000, Quantiles: make([]float64, 41)}
	for i := range r.Quantiles {
		u := min(max(float64(i)/40, 1e-3), 1-1e-3)
		r.Quantiles[i] = math.Sqrt2 * math.Erfinv(2*u-1)
	}
	return r
}

func only(name string) []models.Watched { return []models.Watched{{Name: name, All: normal()}} }

// Correlated values of no change raise nothing, and a shift by one standard
// deviation is found. What PSI alone would raise is counted beside.
func TestDriftOfCorrelatedValues(t *testing.T) {
	if raceOn {
		t.Skip("long, and of one goroutine")
	}
	const perDay, assets, change = 144, 60, 20 // a row every ten minutes; the day of the shift
	for _, tc := range []struct{ phi, days float64 }{{0.95, 9}, {0.8, 3}, {0, 2.5}} {
		raised, reports, psi := 0, 0, 0
		var found []float64
		for a := range assets {
			m := models.NewDriftMonitor("a", only("x"), models.DriftOptions{})
			days := math.Inf(1)
			for i, v := range ar1(rand.New(rand.NewPCG(uint64(a), 7)), 35*perDay, tc.phi) {
				at := monday.Add(time.Duration(i) * 10 * time.Minute)
				if i > change*perDay {
					v++
				}
				m.Observe(at, "", []float64{v})
				if i%(perDay/2) != 0 || i <= 7*perDay {
					continue
				}
				d := m.Report(at)[0]
				switch {
				case i > change*perDay:
					if d.Verdict == models.DriftAct {
						days = min(days, float64(i)/perDay-change)
					}
				default:
					reports++
					if d.PSI >= 0.1 {
						psi++
					}
					if d.Cause != "" {
						raised++
					}
				}
			}
			found = append(found, days)
		}
		slices.Sort(found)
		t.Logf("φ = %g: %d of %d reports watch or act (%d would watch by PSI alone); a shift by 1 σ acts after %.1f d (median), %.1f d (nine of ten)",
			tc.phi, raised, reports, psi, found[assets/2], found[assets*9/10])
		if float64(raised) >= 0.01*float64(reports) {
			t.Errorf("φ = %g: %d false alarms in %d reports, want less than 1 %%", tc.phi, raised, reports)
		}
		if tc.phi == 0.95 && psi < reports/5 {
			t.Errorf("PSI alone would watch in %d of %d reports: this test no longer shows why KS has to agree", psi, reports)
		}
		if found[assets/2] > tc.days {
			t.Errorf("φ = %g: half of the shifts are found after %.1f d, want %g", tc.phi, found[assets/2], tc.days)
		}
	}
}

// In each regime its own reference counts: a change of the mix alone is no drift.
func TestDriftByRegime(t *testing.T) {
	high := normal()
	for i := range high.Quantiles {
		high.Quantiles[i] += 5
	}
	w := models.Watched{Name: "x", All: normal(), Regimes: map[string]models.Reference{"low": normal(), "high": high}}
	m := models.NewDriftMonitor("a", []models.Watched{w}, models.DriftOptions{})
	pooled := models.NewDriftMonitor("a", only("x"), models.DriftOptions{})
	r := rand.New(rand.NewPCG(3, 4))
	at := monday
	for i := range 1000 {
		regime, v := "low", r.NormFloat64()
		if i%4 != 0 {
			regime, v = "high", v+5
		}
		if i%10 == 9 {
			regime, v = "storm", 50 // which nobody has a reference of
		}
		at = monday.Add(time.Duration(i) * 20 * time.Minute)
		m.Observe(at, regime, []float64{v})
		pooled.Observe(at, regime, []float64{v})
	}
	got := m.Report(at)
	if len(got) != 2 || got[0].Regime != "high" || got[1].Regime != "low" || got[0].Verdict != models.DriftNone || got[1].Verdict != models.DriftNone {
		t.Errorf("by regime: %+v, want ok in both", got)
	}
	if got[0].N < 2*got[1].N || got[0].N+got[1].N > 460 {
		t.Errorf("%d and %d values, want two and a bit to one, without the storm", got[0].N, got[1].N)
	}
	if d := pooled.Report(at)[0]; d.Verdict != models.DriftAct || d.Shift < 2 {
		t.Errorf("pooled: %+v, want act", d)
	}
}

func TestDriftOfWhatIsMissing(t *testing.T) {
	for share, want := range map[int]models.DriftVerdict{2: models.DriftNone, 7: models.DriftWatch, 20: models.DriftAct, 100: models.DriftAct} {
		m := models.NewDriftMonitor("a", only("x"), models.DriftOptions{})
		r := rand.New(rand.NewPCG(5, 6))
		at := monday
		for i := range 500 {
			v := r.NormFloat64()
			if i%100 < share {
				v = math.NaN()
			}
			at = monday.Add(time.Duration(i) * 20 * time.Minute)
			m.Observe(at, "", []float64{v})
		}
		d := m.Report(at)[0]
		if d.Verdict != want || math.Abs(float64(d.Missing)-float64(share)/100) > 0.01 {
			t.Errorf("%d %% missing: %+v, want %s", share, d, want)
		}
		if (d.Cause == "missing") != (share > 5) {
			t.Errorf("%d %% missing: cause %q", share, d.Cause)
		}
	}
}

// A year of values every second costs what 512 slots cost.
func TestDriftMonitorIsBounded(t *testing.T) {
	m := models.NewDriftMonitor("a", only("x"), models.DriftOptions{Span: time.Hour})
	if d := m.Report(monday)[0]; d.Verdict != models.DriftUnknown || d.N != 0 || d.P.Known() {
		t.Errorf("before the first row: %+v", d)
	}
	i := 0
	row := []float64{0}
	step := func() {
		row[0] = float64(i % 7)
		m.Observe(monday.Add(time.Duration(i)*time.Second), "", row)
		i++
	}
	for range 100_000 {
		step()
	}
	if got := testing.AllocsPerRun(50_000, step); got > 0 {
		t.Errorf("%g allocations a row once it is full", got)
	}
	last := monday.Add(time.Duration(i-1) * time.Second)
	d := m.Report(last)[0]
	if d.N < 450 || d.N > 513 || last.Sub(d.To) > 10*time.Second || d.To.Sub(d.From) > time.Hour {
		t.Errorf("%d values of %v to %v, want about 512 of the last hour", d.N, d.From, d.To)
	}
	m.Observe(monday, "", []float64{1e6}) // out of order
	if again := m.Report(last)[0]; again != d {
		t.Errorf("a late row changed the report: %+v", again)
	}
	defer func() {
		if recover() == nil {
			t.Error("a row of another length was taken")
		}
	}()
	m.Observe(last.Add(time.Hour), "", []float64{1, 2})
}

// Channels whose windows end at different instants, and some less often, miss nothing.
func TestDriftOfChannelsThatEndApart(t *testing.T) {
	watched := []models.Watched{{Name: "a/x", Period: time.Hour, All: normal()}, {Name: "b/y", Period: time.Hour, All: normal()}}
	m := models.NewDriftMonitor("a", watched, models.DriftOptions{})
	r := rand.New(rand.NewPCG(7, 8))
	nan := math.NaN()
	at := monday
	for i := range 8 * 144 { // one every ten minutes, the other every hour and a little later
		at = monday.Add(time.Duration(i) * 10 * time.Minute)
		m.Observe(at, "", []float64{r.NormFloat64(), nan})
		if i%6 == 0 {
			at = at.Add(time.Minute)
			m.Observe(at, "", []float64{nan, r.NormFloat64()})
		}
	}
	for _, d := range m.Report(at) {
		if d.Verdict != models.DriftNone || d.Missing != 0 || d.N < 150 {
			t.Errorf("%+v, want ok and nothing missing", d)
		}
	}
}

func TestCommonDrift(t *testing.T) {
	report := func(n int, feature string, v models.DriftVerdict, cause string, shift float64) models.Drift {
		return models.Drift{Asset: asset.ID(fmt.Sprintf("T%02d", n)), Feature: feature, Verdict: v, Cause: cause, Shift: asset.Number(shift)}
	}
	farm := func(up, down, missing, ok, unknown int) []models.Drift {
		var all []models.Drift
		for _, g := range []struct {
			n     int
			v     models.DriftVerdict
			cause string
			shift float64
		}{{up, models.DriftAct, "values", 1}, {down, models.DriftWatch, "values", -1}, {missing, models.DriftAct, "missing", 1}, {ok, models.DriftNone, "", 0}, {unknown, models.DriftUnknown, "", 0}} {
			for range g.n {
				all = append(all, report(len(all), "x", g.v, g.cause, g.shift))
			}
		}
		return all
	}
	for name, tc := range map[string]struct {
		reports []models.Drift
		want    string
	}{
		"one machine":           {farm(1, 0, 0, 9, 0), ""},
		"two of four":           {farm(2, 0, 0, 2, 0), ""},
		"three of ten":          {farm(3, 0, 0, 7, 0), "x values up 3 of 10"},
		"three of eleven":       {farm(3, 0, 0, 8, 0), ""},
		"not the same way":      {farm(3, 3, 0, 6, 0), ""},
		"both ways":             {farm(4, 4, 0, 2, 0), "x values down 4 of 10;x values up 4 of 10"},
		"three of those judged": {farm(3, 0, 0, 7, 50), "x values up 3 of 10"},
		"nothing comes":         {farm(0, 0, 5, 5, 0), "x missing  5 of 10"},
		"a little is missing": {[]models.Drift{
			report(1, "x", models.DriftWatch, "missing", 0), report(2, "x", models.DriftWatch, "missing", 0), report(3, "x", models.DriftWatch, "missing", 0),
		}, ""},
		"regimes of one asset": {[]models.Drift{
			report(1, "x", models.DriftAct, "values", 1), report(1, "x", models.DriftAct, "values", 2), report(1, "x", models.DriftAct, "values", 3),
		}, ""},
	} {
		var got []string
		for _, f := range models.CommonDrift(tc.reports, models.DriftOptions{}) {
			got = append(got, fmt.Sprintf("%s %s %s %d of %d", f.Feature, f.Cause, f.Side, len(f.Assets), f.Of))
		}
		if s := strings.Join(got, ";"); s != tc.want {
			t.Errorf("%s: %q, want %q", name, s, tc.want)
		}
	}
}

func TestWatches(t *testing.T) {
	c := models.Contract{
		Features:  []models.Input{{Name: "a/b"}, {Name: "c/d"}, {Name: "e/f"}},
		Reference: []models.Reference{normal(), {}, normal()},
		Calibration: models.Calibration{
			N: 3, Quantiles: []float64{1, 2, 3}, Regimes: map[string]models.Calibration{"low": {N: 2, Quantiles: []float64{1, 2}}},
		},
	}
	list, at := c.Watches()
	if len(list) != 2 || list[1].Name != "e/f" || !slices.Equal(at, []int{0, 2}) {
		t.Errorf("watched %+v at %v", list, at)
	}
	if w, ok := c.WatchesScore(); !ok || w.All.N != 3 || w.Regimes["low"].N != 2 {
		t.Errorf("score watched: %+v, %t", w, ok)
	}
	if _, ok := (models.Contract{}).WatchesScore(); ok {
		t.Error("a score without calibration is watched")
	}
}
