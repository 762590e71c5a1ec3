package models_test

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/features"
	"github.com/telltale-iot/telltale/models"
)

// place is a placement of a version whose digest is its number.
func place(digest string, stage models.Stage) models.Placement {
	return models.Placement{Staged: models.Staged{Name: "ae", Version: digest, Digest: digest, Place: models.Place{Stage: stage}}}
}

// shelf holds models whose every error is their number.
func shelf(digests ...string) map[string]models.Model {
	out := map[string]models.Model{}
	for i, d := range digests {
		out[d] = models.Model{Contract: contract(d), Runner: &fake{value: float32(i + 1)}}
	}
	return out
}

// Production, canary and shadow read the same sequences; one of them is heard, and
// every answer is kept with the version that gave it.
func TestVersionsRunSideBySide(t *testing.T) {
	canary, pinned := place("2", models.Canary), place("4", models.Production)
	canary.Share, pinned.Scope = 0.3, models.ForAsset("pinned")
	live := models.NewLive()
	set(t, live, shelf("1", "2", "3", "4"), place("1", models.Production), canary, place("3", models.Shadow), pinned)
	s := models.NewScorer(map[models.Key]*models.Live{{Component: "bearing"}: live}, models.Options{})
	batch := steady(1000)
	for i := range batch {
		batch[i].Asset = asset.ID(fmt.Sprintf("wt%04d", i))
	}
	batch[7].Asset = "pinned"
	got, err := s.Score(context.Background(), batch)
	if err != nil {
		t.Fatal(err)
	}
	canaries := 0
	for i, a := range got {
		var who []string
		for _, sc := range a.Scores {
			who = append(who, fmt.Sprint(sc.Stage, sc.Digest, sc.Serves))
			if float64(sc.Score) != math.Pow(float64(sc.Digest[0]-'0'), 2) {
				t.Fatalf("version %s is said to have scored %v", sc.Digest, sc.Score)
			}
			if sc.Inputs != a.Scores[0].Inputs || len(sc.Inputs) != 16 {
				t.Fatalf("versions of one sequence read %q and %q", sc.Inputs, a.Scores[0].Inputs)
			}
		}
		want := []string{"production1true", "shadow3false"}
		switch {
		case i == 7:
			want = []string{"production4true", "shadow3false"}
		case canary.Serves(batch[i].Asset):
			canaries++
			want = []string{"canary2true", "production1false", "shadow3false"}
		}
		if slices.Sort(who); !slices.Equal(who, want) {
			t.Fatalf("asset %s was scored by %v, want %v", batch[i].Asset, who, want)
		}
		if a.Digest != want[0][len(want[0])-5:len(want[0])-4] {
			t.Fatalf("asset %s hears version %s of %v", batch[i].Asset, a.Digest, want)
		}
	}
	if canaries < 250 || canaries > 350 {
		t.Errorf("%d of 1000 assets are canaries at a share of 0.3", canaries)
	}
}

// A version that reads something else asks for sequences of its own and leaves the
// others as they are.
func TestAVersionMayReadSomethingElse(t *testing.T) {
	wide := contract("2")
	wide.Window = 6
	models1 := map[string]models.Model{"1": {Contract: contract("1"), Runner: &fake{value: 1}}, "2": {Contract: wide, Runner: &fake{value: 2}}}
	live := models.NewLive()
	s := models.NewScorer(map[models.Key]*models.Live{{Component: "bearing"}: live}, models.Options{
		PartsOf: func(asset.ID) (string, []string) { return "pump", []string{"bearing", "gearbox"} },
	})
	if in, edition := s.Reads("p1", 0); len(in) != 0 || edition == 0 {
		t.Errorf("no model reads %v, edition %d", in, edition)
	}
	set(t, live, models1, place("1", models.Production))
	first, edition := s.Reads("p1", 0)
	if len(first) != 1 || first[0].Steps != 4 || first[0].Component != "bearing" {
		t.Errorf("one model reads %v", first)
	}
	if again, same := s.Reads("p1", edition); again != nil || same != edition {
		t.Errorf("known: %v, %d", again, same)
	}
	set(t, live, models1, place("1", models.Production), place("2", models.Shadow))
	both, later := s.Reads("p1", edition)
	if len(both) != 2 || both[1].Steps != 6 || later == edition {
		t.Errorf("two models read %v, edition %d after %d", both, later, edition)
	}
	long := features.Sequence{Asset: "p1", Component: "bearing", Reads: wide.Reads("bearing").Key(), Steps: 6, Width: 2, Values: make([]float32, 12)}
	got, err := s.Score(context.Background(), append(steady(1), long))
	if err != nil {
		t.Fatal(err)
	}
	if len(got[0].Scores) != 1 || got[0].Digest != "1" || len(got[1].Scores) != 1 || got[1].Scores[0].Digest != "2" || got[1].View != "" {
		t.Errorf("answers %+v", got)
	}
}

func TestAHeldViewScoresAndIsNotHeard(t *testing.T) {
	live := in(t, contract("1"), &fake{value: 2})
	s := models.NewScorer(map[models.Key]*models.Live{{Component: "bearing"}: live}, models.Options{})
	live.Hold(map[asset.ID]asset.Reason{"p1": "farm-drift", "p2": "farm-drift"})
	got, err := s.Score(context.Background(), steady(1))
	if err != nil || got[0].Trust != 0 || got[0].Reason != "farm-drift" || got[0].Scores[0].Score != 4 {
		t.Errorf("held: %+v, %v", got, err)
	}
	live.Hold(map[asset.ID]asset.Reason{"p2": "farm-drift"})
	if got, err = s.Score(context.Background(), steady(1)); err != nil || got[0].Trust != 1 {
		t.Errorf("let go: %+v, %v", got, err)
	}
}

// counter counts its runs and the rows of each.
type counter struct{ runs, rows atomic.Int64 }

func (c *counter) Run(_ context.Context, batch []models.Row) ([]models.Result, error) {
	c.runs.Add(1)
	c.rows.Add(int64(len(batch)))
	out := make([]models.Result, len(batch))
	for i := range batch {
		out[i].Values = batch[i].Values
	}
	return out, nil
}
func (*counter) Close() error { return nil }

// Callers that come together share a run, and each gets its own rows back.
func TestCallersShareARun(t *testing.T) {
	const callers = 4
	c := &counter{}
	live := models.NewLive()
	live.Gather(callers, time.Minute)
	set(t, live, map[string]models.Model{"1": {Contract: contract("1"), Runner: c}}, place("1", models.Production))
	s := models.NewScorer(map[models.Key]*models.Live{{Component: "bearing"}: live}, models.Options{})
	var wg sync.WaitGroup
	for k := range callers {
		wg.Go(func() {
			batch := steady(2)
			for i := range batch {
				batch[i].Values = slices.Repeat([]float32{float32(2*k + i)}, 8)
			}
			got, err := s.Score(context.Background(), batch)
			if err != nil {
				t.Error(err)
				return
			}
			for i, a := range got {
				if want := math.Pow(float64(2*k+i), 2); float64(a.Score) != want {
					t.Errorf("caller %d, row %d: %v, want %v", k, i, a.Score, want)
				}
			}
		})
	}
	wg.Wait()
	if c.runs.Load() != 1 || c.rows.Load() != 2*callers {
		t.Errorf("%d runs of %d rows, want one of %d", c.runs.Load(), c.rows.Load(), 2*callers)
	}
}

// Nobody waits longer than the bound for callers that do not come.
func TestACallerAloneWaitsForTheBound(t *testing.T) {
	live := models.NewLive()
	live.Gather(2, time.Millisecond)
	set(t, live, shelf("1"), place("1", models.Production))
	s := models.NewScorer(map[models.Key]*models.Live{{Component: "bearing"}: live}, models.Options{})
	if got, err := s.Score(context.Background(), steady(3)); err != nil || got[2].Trust != 1 {
		t.Errorf("%+v, %v", got, err)
	}
}

// The latency that is added is one bound, however many versions and rows there are.
func TestACallerWaitsOnceForAllVersions(t *testing.T) {
	const bound = 100 * time.Millisecond
	l := models.NewLive()
	l.Gather(2, bound)
	var placed []models.Placement
	for _, digest := range []string{"a", "b"} {
		placed = append(placed, models.Placement{Staged: models.Staged{Name: digest, Version: "1", Digest: digest, Place: models.Place{Stage: models.Shadow}}})
	}
	if err := l.Set(placed, func(p models.Placement) (models.Model, error) {
		return models.Model{Contract: stateful(p.Digest), Runner: summer{}}, nil
	}); err != nil {
		t.Fatal(err)
	}
	s := models.NewScorer(map[models.Key]*models.Live{{Component: "bearing"}: l}, models.Options{})
	began := time.Now()
	got, err := s.Score(t.Context(), feed(stateful("a"), &features.Memory{}, 0, 1, 2))
	if err != nil || len(got) != 3 || len(got[2].Scores) != 2 {
		t.Fatalf("got %+v, %v", got, err)
	}
	if took := time.Since(began); took > 3*bound {
		t.Errorf("two versions of three rows took %v, the bound is %v", took, bound)
	}
}
