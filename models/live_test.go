package models_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/features"
	"github.com/telltale-iot/telltale/models"
)

// fake answers with the same number everywhere.
type fake struct {
	value  float32
	size   int
	nan    bool
	err    error
	closed atomic.Int32
	in     atomic.Int32 // runs in flight
	wrong  atomic.Int32 // closed while in flight, or run after it
}

func (f *fake) Run(_ context.Context, batch []models.Row) ([]models.Result, error) {
	f.in.Add(1)
	defer f.in.Add(-1)
	if f.closed.Load() > 0 {
		f.wrong.Add(1)
	}
	if f.err != nil {
		return nil, f.err
	}
	rows := make([]models.Result, len(batch))
	for i, q := range batch {
		n := f.size
		if n == 0 {
			n = len(q.Values)
		}
		rows[i].Values = make([]float32, n)
		for j := range rows[i].Values {
			rows[i].Values[j] = f.value
			if f.nan {
				rows[i].Values[j] /= 0 * f.value
				rows[i].Values[j] -= rows[i].Values[j]
			}
		}
	}
	return rows, nil
}

func (f *fake) Close() error {
	if f.in.Load() > 0 {
		f.wrong.Add(1)
	}
	f.closed.Add(1)
	return nil
}

func contract(digest string) models.Contract {
	return models.Contract{
		Name: "ae", Class: "pump", Component: "bearing", Window: 4, Stride: 1, PeriodS: 60, Output: models.OutputError,
		Features: []models.Input{{Name: "a/value", Unit: "°C"}, {Name: "b/rms", Unit: "m/s²"}}, Threshold: 1.5, Digest: digest,
		Calibration: models.Calibration{N: 4, Quantiles: []float64{0.5, 1, 1.5, 2}},
	}
}

// in puts one model in production.
func in(tb testing.TB, c models.Contract, r models.Runner) *models.Live {
	tb.Helper()
	l := models.NewLive()
	set(tb, l, map[string]models.Model{c.Digest: {Contract: c, Runner: r}}, place(c.Digest, models.Production))
	return l
}

// set puts placements in use, whose models are taken from the shelf by digest.
func set(tb testing.TB, l *models.Live, shelf map[string]models.Model, p ...models.Placement) {
	tb.Helper()
	if err := l.Set(p, func(p models.Placement) (models.Model, error) { return shelf[p.Digest], nil }); err != nil {
		tb.Fatal(err)
	}
}

func steady(n int) []features.Sequence {
	batch := make([]features.Sequence, n)
	for i := range batch {
		batch[i] = features.Sequence{Asset: "p1", Component: "bearing", Reads: contract("").Reads("bearing").Key(), Time: time.Unix(int64(i), 0).UTC(), Steps: 4, Width: 2, Values: []float32{1, 2, 1, 2, 1, 2, 1, 2}}
	}
	return batch
}

// A score's digest and value come from one and the same model, and no model is
// closed while a batch runs on it.
func TestSwapNeitherDropsNorMixesABatch(t *testing.T) {
	first := &fake{value: 1}
	live := in(t, contract("1"), first)
	scorer := models.NewScorer(map[models.Key]*models.Live{{Component: "bearing"}: live}, models.Options{})
	fakes := []*fake{first}
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				got, err := scorer.Score(context.Background(), steady(8))
				if err != nil {
					t.Error(err)
					return
				}
				for _, a := range got {
					if a.Trust != 1 || len(a.Scores) != 1 || a.Scores[0].Digest != a.Digest || a.Digest != got[0].Digest || (a.Digest == "1") != (a.Score == 1) {
						t.Errorf("digest %q scored %v with trust %v in a batch of %q", a.Digest, a.Score, a.Trust, got[0].Digest)
						return
					}
				}
			}
		})
	}
	for i := range 300 {
		f := &fake{value: float32(2 - i%2)}
		fakes = append(fakes, f)
		digest := fmt.Sprint(2 - i%2)
		set(t, live, map[string]models.Model{digest: {Contract: contract(digest), Runner: f}}, place(digest, models.Production))
	}
	close(stop)
	wg.Wait()
	if err := live.Close(); err != nil {
		t.Fatal(err)
	}
	for i, f := range fakes {
		if f.closed.Load() != 1 || f.wrong.Load() != 0 {
			t.Errorf("model %d was closed %d times, %d times at the wrong moment", i, f.closed.Load(), f.wrong.Load())
		}
	}
}

func TestAModelThatCannotBeOpenedChangesNothing(t *testing.T) {
	old, other := &fake{value: 1}, &fake{value: 2}
	live := in(t, contract("1"), old)
	was := live.Placements()
	err := live.Set([]models.Placement{place("2", models.Production), place("3", models.Shadow)}, func(p models.Placement) (models.Model, error) {
		if p.Digest == "3" {
			return models.Model{}, models.ErrContract
		}
		return models.Model{Contract: contract("2"), Runner: other}, nil
	})
	if !errors.Is(err, models.ErrContract) || !strings.Contains(err.Error(), "ae:3") {
		t.Errorf("Set = %v, want ErrContract of ae:3", err)
	}
	if now := live.Placements(); !slices.Equal(was, now) || old.closed.Load() != 0 || other.closed.Load() != 1 {
		t.Errorf("in use %v, old closed %d, the one that could be opened closed %d", now, old.closed.Load(), other.closed.Load())
	}
	if err := live.Close(); err != nil || old.closed.Load() != 1 {
		t.Errorf("Close = %v, closed %d times", err, old.closed.Load())
	}
}

// The same version in two places is opened once, and closed when it has left both.
func TestAVersionInTwoPlacesIsOneModel(t *testing.T) {
	f := &fake{value: 1}
	live := models.NewLive()
	opened := 0
	open := func(models.Placement) (models.Model, error) {
		opened++
		return models.Model{Contract: contract("1"), Runner: f}, nil
	}
	everywhere := place("1", models.Production)
	pinned := everywhere
	pinned.Scope = models.ForAsset("p1")
	for _, p := range [][]models.Placement{{everywhere, pinned}, {pinned}, {everywhere}} {
		if err := live.Set(p, open); err != nil {
			t.Fatal(err)
		}
	}
	if opened != 1 || f.closed.Load() != 0 {
		t.Errorf("opened %d times, closed %d", opened, f.closed.Load())
	}
	if err := live.Set(nil, open); err != nil || f.closed.Load() != 1 {
		t.Errorf("nothing placed: %v, closed %d times", err, f.closed.Load())
	}
}
