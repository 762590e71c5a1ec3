package physics_test

import (
	"encoding/csv"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/physics"
)

// TestVirkler follows real cracks in aluminium panels (Virkler et al. 1979) and
// compares the remaining life at 50 % and 70 % with what came.
func TestVirkler(t *testing.T) {
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
	panels := map[string][][2]float64{} // kilocycles, mm
	for _, r := range rows[1:] {
		k, _ := strconv.ParseFloat(r[1], 64)
		a, _ := strconv.ParseFloat(r[2], 64)
		panels[r[0]] = append(panels[r[0]], [2]float64{k, a})
	}
	opt := physics.CrackOptions{
		Paris:     physics.Paris{C: 8.7e-11, M: 2.9, Geometry: physics.CentreCrack, WidthM: 0.1524, R: 0.2, Gamma: 1},
		StressMPa: 48.3, CyclesPerH: 1000, CrackKey: "crack", CrackUnitM: 1e-3, MaxGapH: 1000,
	}
	for _, share := range []float64{0.5, 0.7} {
		var sum, inside float64
		for _, p := range panels {
			err, in := follow(opt, p, share)
			sum += err
			if in {
				inside++
			}
		}
		n := float64(len(panels))
		t.Logf("at %.0f %% of life: MAPE %.1f %%, in the 80 %% band %.0f of %.0f", 100*share, 100*sum/n, inside, n)
		if sum/n > 0.08 {
			t.Errorf("MAPE %.1f %% at %.0f %% of life", 100*sum/n, 100*share)
		}
	}
}

// follow steps the law up to a share of the panel's life and gives the relative
// error of the remaining life there.
func follow(opt physics.CrackOptions, p [][2]float64, share float64) (relative float64, inside bool) {
	end := p[len(p)-1]
	opt.EndM = end[1] * 1e-3
	law := physics.NewCrack(opt)
	var s physics.State
	var a asset.Assessment
	var now float64
	for _, m := range p {
		if m[0] > share*end[0] {
			break
		}
		now = m[0]
		s, a = law.Step(s, at(now, map[string]float64{"crack": m[1]}))
	}
	left := end[0] - now
	return math.Abs(float64(a.RUL.P50)/left - 1), float64(a.RUL.P10) <= left && left <= float64(a.RUL.P90)
}
