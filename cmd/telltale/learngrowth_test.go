package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/class"
	"github.com/telltale-iot/telltale/dataset"
	"github.com/telltale-iot/telltale/physics"
)

// rigLives are bearings on a rig whose vibration grows tenfold with the cube of the
// share of life; those whose end is not labelled are censored.
func rigLives(t *testing.T, hours []float64, failed int, plate asset.Nameplate) []growthLife {
	t.Helper()
	shipped, err := class.Shipped()
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	rng := rand.New(rand.NewPCG(5, 6))
	var out []growthLife
	for i, h := range hours {
		plate.ID = asset.ID(fmt.Sprintf("b%d", i))
		labels := []dataset.Label{{Asset: plate.ID, Component: "bearing", Kind: "healthy"}}
		if i < failed {
			labels[0] = dataset.Label{Asset: plate.ID, Component: "bearing", Kind: "failure", End: begin.Add(time.Duration(h * float64(time.Hour)))}
		}
		r, err := newHistorian(shipped["bearing-rig"], plate, labels)
		if err != nil {
			t.Fatal(err)
		}
		const n = 150
		for k := range n {
			u := (float64(k) + 0.5) / n
			v := math.Exp(math.Ln10*u*u*u + 0.05*rng.NormFloat64())
			r.rows = append(r.rows, recordedRow{time: begin.Add(time.Duration(u * h * float64(time.Hour))), learning: u < 0.1, values: []float64{v}})
		}
		out = append(out, growthLife{r, r.growths[0]})
	}
	return out
}

func rigPlate(rpm, load float64) asset.Nameplate {
	return asset.Nameplate{
		Kind: "bearing-rig", SpeedRpm: rpm, LoadN: load, Components: []asset.Component{{Name: "bearing", Type: "rolling-bearing"}},
		Channels: []asset.Channel{{Name: "x", Kind: "acceleration", Unit: "g", RateHz: 25600, Component: "bearing"}},
	}
}

func TestLikenessIsToldWhereItHelps(t *testing.T) {
	hours := []float64{3, 40, 8, 25, 5, 60, 12, 18}
	g := learnGrowth(rigLives(t, hours, len(hours), rigPlate(0, 0)))
	if !strings.Contains(g.Told, "likeness") && !strings.Contains(g.Told, "paths") || g.Lives != len(hours) {
		t.Errorf("of lives along one way %q is told: %+v", g.Told, g.Judged)
	}
	for _, j := range g.Judged {
		if j.Told == "none" && j.Lead <= 0 {
			t.Errorf("nothing at all does as well: %+v", g.Judged)
		}
	}
}

func TestHardlyAnyFailure(t *testing.T) {
	hours := []float64{3, 40, 8, 25}
	for failed, note := range map[int]string{0: "no failure", 1: "1 failure(s)", 2: "2 failure(s)", 3: ""} {
		lives := rigLives(t, hours, failed, rigPlate(1500, 4000))
		g := learnGrowth(lives)
		if g.Lives != failed || (g.FailAt != 0) != (failed > 0 && (g.Told == "" || strings.Contains(g.Told, "level"))) {
			t.Errorf("%d failed: %+v", failed, g)
		}
		if known := g.Life.Scale > 0; known != (failed > 1) || failed < 3 && (len(g.Kernel.Lives) > 0 || len(g.Earlier) > 0 || len(g.Paths) > 0) {
			t.Errorf("%d failed: life %+v, kernel %+v", failed, g.Life, g.Kernel)
		}
		var fleet []*historian
		for _, l := range lives {
			fleet = append(fleet, l.historian)
		}
		if got := lacking(fleet, ""); note == "" && got != "" || !strings.HasPrefix(got, note) {
			t.Errorf("%d failed: said %q, want %q", failed, got, note)
		}
	}
	if got := lacking([]*historian{{}}, ""); got != "" {
		t.Errorf("of no law: %q", got)
	}
}

// TestLivesCountUnderOneDuty: by ISO 281 a ball bearing under twice the load lives
// an eighth as long, and at twice the speed half as long.
func TestLivesCountUnderOneDuty(t *testing.T) {
	light := rigLives(t, []float64{16, 24, 32}, 3, rigPlate(1000, 2000))
	heavy := rigLives(t, []float64{1, 1.5, 2}, 3, rigPlate(2000, 4000))
	g := taughtBy(append(light, heavy...))
	if g.Duty == 0 || math.Abs(g.Life.Scale-taughtBy(light).Life.Scale) > 0.5 {
		t.Fatalf("life %+v under duty %v, want that of the light ones, %+v", g.Life, g.Duty, taughtBy(light).Life)
	}
	half := rigPlate(1000, 4000)
	o := g.under(dutyOf(half, "bearing")).into(physics.GrowthOptions{})
	if math.Abs(o.Life.Scale*8/g.Life.Scale-1) > 1e-9 || math.Abs(o.Kernel.Lives[0]*8/g.Kernel.Lives[0]-1) > 1e-9 {
		t.Errorf("under twice the load: %+v of %+v", o.Life, g.Life)
	}
	for name, plate := range map[string]asset.Nameplate{"no load": rigPlate(1000, 0), "no speed": rigPlate(0, 2000), "another part": rigPlate(1000, 2000)} {
		part := "bearing"
		if name == "another part" {
			part = "gearbox"
		}
		if d := dutyOf(plate, part); d != 0 {
			t.Errorf("%s: duty %v, want none", name, d)
		}
	}
	if g := taughtBy(append(rigLives(t, []float64{16, 24, 32}, 3, rigPlate(0, 0)), heavy...)); g.Duty != 0 {
		t.Errorf("where some declare none, lives are counted under duty %v", g.Duty)
	}
}
