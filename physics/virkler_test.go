package physics

import (
	"encoding/csv"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
)

// virkler reads crack lengths of aluminium panels (Virkler, Hillberry & Goel 1979):
// 2024-T3, centre crack, 152.4 mm wide, 48.3 MPa at R = 0.2.
func virkler(t *testing.T) (names []string, cracks map[string]CrackHistory) {
	t.Helper()
	dir := os.Getenv("TELLTALE_DATA")
	if dir == "" {
		t.Skip("skipped: TELLTALE_DATA is not set")
	}
	f, err := os.Open(filepath.Join(dir, "virkler", "virkler.csv"))
	if err != nil {
		t.Skip("skipped: no data at " + dir)
	}
	rows, err := csv.NewReader(f).ReadAll()
	_ = f.Close() // only read
	if err != nil {
		t.Fatal(err)
	}
	cracks = map[string]CrackHistory{}
	for _, r := range rows[1:] {
		k, err1 := strconv.ParseFloat(r[1], 64)
		a, err2 := strconv.ParseFloat(r[2], 64)
		if err1 != nil || err2 != nil {
			t.Fatal(r)
		}
		h, seen := cracks[r[0]]
		if !seen {
			names = append(names, r[0])
		}
		h.StressMPa = 48.3
		h.Cycles, h.LengthM = append(h.Cycles, k*1e3), append(h.LengthM, a*1e-3)
		cracks[r[0]] = h
	}
	return names, cracks
}

// virklerErr is the microscope's 0.001 mm on the shortest cracks, as a share.
const virklerErr = 1e-4

// virklerPlate is the geometry, with C and m of an aluminium as a handbook has them.
func virklerPlate() Paris {
	return Paris{C: 8.7e-11, M: 2.9, Geometry: CentreCrack, WidthM: 0.1524, R: 0.2, Gamma: 1}
}

// TestVirkler tells the remaining life of each panel at 50 % and 70 % of it, with what
// was learned from all the others, and compares with what came.
func TestVirkler(t *testing.T) {
	names, cracks := virkler(t)
	priors := map[string]CrackPrior{}
	for _, name := range names {
		var others []CrackHistory
		for _, other := range names {
			if other != name {
				others = append(others, cracks[other])
			}
		}
		q, ok := FitCrackPrior(virklerPlate(), virklerErr, others)
		if !ok {
			t.Fatal("no prior")
		}
		priors[name] = q
	}
	t.Logf("prior without %s: %+v", names[0], priors[names[0]])
	for _, goal := range []struct{ share, mape float64 }{{0.5, 0.035}, {0.7, 0.025}} {
		var sum, bias, in90, in80, handbook float64
		for _, name := range names {
			o := CrackOptions{Paris: virklerPlate(), StressMPa: 48.3, CyclesPerH: 1000, CrackKey: "x", CrackUnitM: 1e-3, CrackErr: virklerErr, MaxGapH: 1000}
			plain, _, _ := told(o, cracks[name], goal.share)
			handbook += math.Abs(plain)
			o.Prior = priors[name]
			wrong, a, b := told(o, cracks[name], goal.share)
			sum, bias = sum+math.Abs(wrong), bias+wrong
			if a {
				in90++
			}
			if b {
				in80++
			}
		}
		n := float64(len(names))
		t.Logf("at %.0f %% of life: MAPE %.2f %% (goal %.1f %%), mean error %+.2f %%, %.0f %% in the 90 %% interval (goal 85–95 %%), %.0f %% in P10–P90; from a handbook alone MAPE %.2f %%",
			100*goal.share, 100*sum/n, 100*goal.mape, 100*bias/n, 100*in90/n, 100*in80/n, 100*handbook/n)
		if sum/n > goal.mape {
			t.Errorf("MAPE %.2f %% at %.0f %% of life", 100*sum/n, 100*goal.share)
		}
		if in90/n < 0.85 || in90/n > 0.95+1e-9 {
			t.Errorf("the 90 %% interval holds %.0f %% at %.0f %% of life", 100*in90/n, 100*goal.share)
		}
		if handbook/n > 0.08 {
			t.Errorf("MAPE %.1f %% from a handbook's C and m", 100*handbook/n)
		}
	}
}

// told steps the law up to a share of the crack's life and gives the relative error of
// the remaining life there, and whether the 90 % and the 80 % interval hold it.
func told(o CrackOptions, h CrackHistory, share float64) (wrong float64, in90, in80 bool) {
	last := len(h.Cycles) - 1
	o.EndM = h.LengthM[last]
	law := NewCrack(o)
	var s State
	var now float64
	a := spoken("", instant(0, 0).Time)
	for i, n := range h.Cycles {
		if n > share*h.Cycles[last]+1e-9 {
			break
		}
		now = n
		s, a = law.Step(s, instant(now/1000, h.LengthM[i]*1e3))
	}
	left := h.Cycles[last] - now
	p := law.life(s.X, o.EndM).within(left)
	return float64(a.RUL.P50)*1000/left - 1, p >= 0.05 && p <= 0.95, float64(a.RUL.P10)*1000 <= left && left <= float64(a.RUL.P90)*1000
}

// TestCrackPriorOfSimulatedFleet learns what the fleet was drawn from, and that ln C
// and m go together.
func TestCrackPriorOfSimulatedFleet(t *testing.T) {
	truth := Paris{C: 6.89e-12, M: 3, Geometry: EdgeCrack, WidthM: 0.1}
	var fleet []CrackHistory
	draw := func(k int) float64 { return normalQuantile(uniform(7, uint64(k))) }
	for i := range 40 {
		u, v := draw(2*i), draw(2*i+1)
		p := truth
		p.C *= math.Exp(0.4 * u)
		p.M += 0.1 * (-0.95*u + math.Sqrt(1-0.95*0.95)*v)
		h := CrackHistory{StressMPa: 80}
		a, n := 0.002, 0.0
		for j := range 25 {
			h.Cycles, h.LengthM = append(h.Cycles, n), append(h.LengthM, a)
			b := a * 1.1
			n += p.Cycles(a, b, 80) * math.Exp(0.05*draw(1000+100*i+j))
			a = b
		}
		fleet = append(fleet, h)
	}
	q, ok := FitCrackPrior(Paris{Geometry: EdgeCrack, WidthM: 0.1}, 1e-5, fleet)
	if !ok || math.Abs(q.LnC-math.Log(truth.C)) > 0.3 || math.Abs(q.M-3) > 0.1 ||
		q.Rho > -0.8 || q.LnCSd < 0.25 || q.LnCSd > 0.6 || q.MSd < 0.06 || q.MSd > 0.16 || q.RateSd < 0.04 || q.RateSd > 0.06 || q.Bend != 0 {
		t.Errorf("%v: %+v", ok, q)
	}
	for i := range fleet { // every curve bends
		h := &fleet[i]
		p := truth
		p.Bend, p.KRef, p.KLow, p.KHigh = -0.5, 12, 6, 30
		for j := 1; j < len(h.Cycles); j++ {
			h.Cycles[j] = h.Cycles[j-1] + p.Cycles(h.LengthM[j-1], h.LengthM[j], 80)*math.Exp(0.05*draw(9000+100*i+j))
		}
	}
	if q, ok = FitCrackPrior(Paris{Geometry: EdgeCrack, WidthM: 0.1}, 1e-5, fleet); !ok || math.Abs(q.Bend+0.5) > 0.15 {
		t.Errorf("%v: bend %v, want −0.5", ok, q.Bend)
	}
	bad := []CrackHistory{{}, {Cycles: []float64{1}, LengthM: []float64{1}}, {Cycles: []float64{1, 1, 0, math.NaN(), 9, 10}, LengthM: []float64{1, 2, -3, 4, math.Inf(1), 7}}}
	if _, ok := FitCrackPrior(truth, 0.005, append(bad, fleet[:2]...)); ok {
		t.Error("two cracks are a fleet")
	}
	many := slices.Concat(bad, fleet)
	if q2, ok := FitCrackPrior(Paris{Geometry: EdgeCrack, WidthM: 0.1}, 1e-5, many); !ok || q2 != q {
		t.Errorf("histories that say nothing changed the prior: %+v", q2)
	}
}
