package main

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/class"
	"github.com/telltale-iot/telltale/features"
	"github.com/telltale-iot/telltale/models"
	"github.com/telltale-iot/telltale/models/oci"
	"github.com/telltale-iot/telltale/pipeline"
	"github.com/telltale-iot/telltale/store/sqlite"
)

// guarded is a service of ten machines without a source: two versions of one model,
// of which the first is in production.
type guardedFarm struct {
	*service
	repo *models.Repository
	next int64
	at   time.Time
	one  models.Version
	two  models.Version
}

func newGuardedFarm(t *testing.T) *guardedFarm {
	t.Helper()
	c, err := class.Parse([]byte("kind: x\ntitle: y\nhorizon_h: 1\nmodels: [{name: ae, for: {component: gearbox}}]\n"))
	if err != nil {
		t.Fatal(err)
	}
	var plates []asset.Nameplate
	for i := range 10 {
		plates = append(plates, asset.Nameplate{
			ID: asset.ID("wt" + strconv.Itoa(i)), Kind: "x", Group: "north", Components: []asset.Component{{Name: "gearbox"}},
			Metrics:  []asset.Metric{{Name: "oil_temperature", Unit: "°C"}},
			Channels: []asset.Channel{{Name: "de_acc", Kind: "acceleration", Unit: "m/s²", RateHz: 1000, Component: "gearbox"}},
		})
	}
	dir := t.TempDir()
	repo, err := oci.Open(t.Context(), filepath.Join(dir, "models"), oci.Options{})
	if err != nil {
		t.Fatal(err)
	}
	f := &guardedFarm{repo: repo, at: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)}
	for i, name := range []string{"good", "good2"} {
		v := []*models.Version{&f.one, &f.two}[i]
		if *v, err = repo.Push(t.Context(), filepath.Join("..", "..", "models", "testdata", name+".onnx"), "ae", models.By{Who: "test"}, nil); err != nil {
			t.Fatal(err)
		}
	}
	f.move(t, f.one, models.Production, 0)
	w := newWorks(class.Set{"x": c}, plates)
	use, err := w.useModels(t.Context(), inUse{repo: repo, stages: inService, log: slog.New(slog.DiscardHandler)})
	if errors.Is(err, models.ErrNoRuntime) || err == nil && !use.any() {
		t.Skip("no ONNX Runtime")
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(use.Close)
	db, err := sqlite.Open(t.Context(), filepath.Join(dir, "x.db"), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	f.service = newService(w, db, slog.New(slog.DiscardHandler))
	if _, err := db.Claim(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	f.guard = newGuard(f.service)
	return f
}

func (f *guardedFarm) move(t *testing.T, v models.Version, to models.Stage, share float64) {
	t.Helper()
	if _, err := f.repo.Promote(t.Context(), v.Ref(), to, share, "", models.By{Who: "test", Reason: "trial"}); err != nil {
		t.Fatal(err)
	}
}

// used lists what is in use: version and stage.
func (f *guardedFarm) used() (out []string) {
	for _, p := range f.w.use.live[models.Key{Class: "x", Component: "gearbox"}].Placements() {
		out = append(out, p.Version+" "+string(p.Stage))
	}
	return out
}

// lives lets time pass: every ten minutes each version in use answers for every asset
// as say tells, and the guard looks.
func (f *guardedFarm) lives(t *testing.T, hours float64, say func(v models.Placement, s *asset.Score)) {
	t.Helper()
	for end := f.at.Add(time.Duration(hours * float64(time.Hour))); f.at.Before(end); {
		f.at = f.at.Add(10 * time.Minute)
		f.next++
		fx := pipeline.Effects{Epoch: 1, Next: f.next, Through: f.at}
		placed := f.w.use.live[models.Key{Class: "x", Component: "gearbox"}].Placements()
		canary := slices.ContainsFunc(placed, func(p models.Placement) bool { return p.Stage == models.Canary })
		for _, id := range f.w.ids {
			for _, p := range placed {
				s := asset.Score{
					Time: f.at, Asset: id, Component: "gearbox", Model: p.Ref(), Digest: p.Digest, Stage: string(p.Stage), Score: 1, P: 0.5,
					Serves: p.Stage == models.Canary || p.Stage == models.Production && !canary,
				}
				say(p, &s)
				fx.Scores = append(fx.Scores, s)
			}
		}
		if err := f.db.Keep(t.Context(), fx); err != nil {
			t.Fatal(err)
		}
		f.reach.Store(f.at.UnixNano())
		f.guard.look(context.WithoutCancel(t.Context()))
	}
}

func quietVersion(models.Placement, *asset.Score) {}

// loud is a version that calls everything abnormal.
func loud(of models.Version) func(models.Placement, *asset.Score) {
	return func(p models.Placement, s *asset.Score) { s.Abnormal = p.Digest == of.Digest }
}

func TestAMovedTagIsASwap(t *testing.T) {
	f := newGuardedFarm(t)
	for _, step := range []struct {
		v     models.Version
		to    models.Stage
		share float64
		want  []string
	}{
		{f.two, models.Shadow, 0, []string{"1 production", "2 shadow"}},
		{f.two, models.Canary, 0.3, []string{"1 production", "2 canary"}},
		{f.two, models.Production, 0, []string{"2 production"}},
	} {
		f.move(t, step.v, step.to, step.share)
		f.guard.look(t.Context())
		if got := f.used(); !slices.Equal(got, step.want) {
			t.Errorf("after %s: in use %v, want %v", step.to, got, step.want)
		}
	}
	if f.guard.stuck != "" {
		t.Error(f.guard.stuck)
	}
}

func TestACanaryThatScreamsIsTakenBack(t *testing.T) {
	f := newGuardedFarm(t)
	f.lives(t, 6, quietVersion)
	f.move(t, f.two, models.Canary, 0.99)
	f.guard.look(t.Context())
	f.lives(t, 6, quietVersion)
	if got := f.used(); len(got) != 2 {
		t.Fatalf("a quiet canary was taken back: in use %v", got)
	}
	began := f.at
	for f.at.Sub(began) < 4*time.Hour && len(f.used()) == 2 {
		f.lives(t, 1.0/6, loud(f.two))
	}
	if took := f.at.Sub(began); len(f.used()) != 1 || took > 3*time.Hour {
		t.Fatalf("in use %v after %v", f.used(), took)
	}
	steps, err := f.repo.History(t.Context(), "ae")
	if err != nil {
		t.Fatal(err)
	}
	if last := steps[len(steps)-1]; last.To != models.Candidate || last.Who != "telltale" || !strings.Contains(last.Reason, "alarm rate") {
		t.Errorf("history ends with %+v", last)
	}
}

func TestAVersionInProductionIsRolledBack(t *testing.T) {
	for name, say := range map[string]func(models.Version) func(models.Placement, *asset.Score){
		"screams": loud,
		"gives no number": func(of models.Version) func(models.Placement, *asset.Score) {
			return func(p models.Placement, s *asset.Score) {
				if p.Digest == of.Digest {
					s.Score, s.P, s.Reason = asset.Missing(), asset.Missing(), "model-output"
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newGuardedFarm(t)
			f.lives(t, 6, loud(f.two)) // version 2 is not in use yet
			f.move(t, f.two, models.Production, 0)
			f.guard.look(t.Context())
			f.lives(t, 4, say(f.two))
			if got := f.used(); !slices.Equal(got, []string{"1 production"}) {
				t.Fatalf("in use %v, want version 1 again", got)
			}
			if v, err := f.repo.Rollback(t.Context(), "ae", "", models.By{Who: "test"}); err == nil {
				t.Errorf("the next rollback returns to %s, which has failed", v.Ref())
			}
		})
	}
}

// The first version has nothing to go back to: its alarms are for people to judge.
func TestTheFirstVersionStays(t *testing.T) {
	f := newGuardedFarm(t)
	f.lives(t, 6, loud(f.one))
	if got := f.used(); !slices.Equal(got, []string{"1 production"}) || f.guard.stuck != "" {
		t.Errorf("in use %v, %q", got, f.guard.stuck)
	}
}

// Machines whose inputs move together are not judged by the model; one that moves
// alone is.
func TestAFarmThatDriftsTogetherIsHeld(t *testing.T) {
	for name, tc := range map[string]struct{ moved, held int }{"one machine": {1, 0}, "six of ten": {6, 6}} {
		t.Run(name, func(t *testing.T) {
			f := newGuardedFarm(t)
			k := models.Key{Class: "x", Component: "gearbox"}
			d, l := f.guard.drift, f.w.use.live[k]
			c, _ := l.Contract()
			c.Features = c.Features[:1]
			ref := models.Reference{N: 2000}
			rng := rand.New(rand.NewPCG(1, 2))
			var sample []float64
			for range 2000 {
				sample = append(sample, 60+5*rng.NormFloat64())
			}
			slices.Sort(sample)
			for i := range 41 {
				ref.Quantiles = append(ref.Quantiles, sample[i*1999/40])
			}
			c.Reference = []models.Reference{ref}
			d.follow(k, c)
			at := f.at
			for range 14 * 24 * 3 {
				at = at.Add(20 * time.Minute)
				var fx pipeline.Effects
				for i, id := range f.w.ids {
					v := 60 + 5*rng.NormFloat64()
					if i < tc.moved {
						v += 12
					}
					fx.Frames = append(fx.Frames, pipeline.Frame{Asset: id, Time: at, Vectors: []features.Vector{{
						Fields: []features.Field{{Channel: "oil_temperature", Name: "value", Unit: "°C"}}, Values: []float64{v}, Quality: 100,
					}}})
				}
				f.guard.kept(fx)
			}
			d.apply(f.w.use, slog.New(slog.DiscardHandler), at)
			held := 0
			for i, id := range f.w.ids {
				q := features.Sequence{Asset: id, Component: "gearbox", Reads: mustContract(t, l).Reads("gearbox").Key(), Steps: 6, Width: 2, Values: slices.Repeat([]float32{60, 2}, 6)}
				a, err := f.w.scorer.Score(t.Context(), []features.Sequence{q})
				if err != nil {
					t.Fatal(err)
				}
				if a[0].Reason == farmDrift {
					held++
					if i >= tc.moved {
						t.Errorf("%s did not move and is held", id)
					}
				}
			}
			if held != tc.held || (len(f.now().Notes) > 0) != (tc.held > 0) {
				t.Errorf("%d machines are held, want %d; notes %q", held, tc.held, f.now().Notes)
			}
		})
	}
}

func mustContract(t *testing.T, l *models.Live) models.Contract {
	t.Helper()
	c, ok := l.Contract()
	if !ok {
		t.Fatal("nothing in production")
	}
	return c
}
