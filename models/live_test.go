package models_test

import (
	"context"
	"errors"
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

func steady(n int) []features.Sequence {
	batch := make([]features.Sequence, n)
	for i := range batch {
		batch[i] = features.Sequence{Asset: "p1", Component: "bearing", Time: time.Unix(int64(i), 0).UTC(), Steps: 4, Width: 2, Values: []float32{1, 2, 1, 2, 1, 2, 1, 2}}
	}
	return batch
}

// A score's digest and value come from one and the same model, and no model is
// closed while a batch runs on it.
func TestSwapNeitherDropsNorMixesABatch(t *testing.T) {
	first := &fake{value: 1}
	live := models.NewLive(models.Model{Contract: contract("1"), Runner: first})
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
					if a.Trust != 1 || a.Digest != got[0].Digest || (a.Digest == "1") != (a.Score == 1) {
						t.Errorf("digest %q scored %v with trust %v in a batch of %q", a.Digest, a.Score, a.Trust, got[0].Digest)
						return
					}
				}
			}
		})
	}
	for i := range 300 {
		f := &fake{value: float32(1 + i%2)}
		fakes = append(fakes, f)
		digest := "1"
		if f.value == 2 {
			digest = "2"
		}
		if err := live.Swap(models.Model{Contract: contract(digest), Runner: f}); err != nil {
			t.Fatal(err)
		}
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

func TestSwapRefusesAModelThatReadsSomethingElse(t *testing.T) {
	old := &fake{value: 1}
	live := models.NewLive(models.Model{Contract: contract("1"), Runner: old})
	for name, change := range map[string]func(*models.Contract){
		"window":    func(c *models.Contract) { c.Window = 5 },
		"features":  func(c *models.Contract) { c.Features = c.Features[:1] },
		"unit":      func(c *models.Contract) { c.Features = []models.Input{c.Features[0], {Name: "b/rms", Unit: "mm/s"}} },
		"component": func(c *models.Contract) { c.Component = "gearbox" },
		"output":    func(c *models.Contract) { c.Output = models.OutputRUL },
	} {
		t.Run(name, func(t *testing.T) {
			c := contract("2")
			change(&c)
			if err := live.Swap(models.Model{Contract: c, Runner: &fake{}}); !errors.Is(err, models.ErrContract) {
				t.Errorf("Swap = %v, want ErrContract", err)
			}
		})
	}
	if live.Contract().Digest != "1" || old.closed.Load() != 0 {
		t.Errorf("in use: %q, closed %d times; the old one should go on", live.Contract().Digest, old.closed.Load())
	}
	if err := live.Close(); err != nil || old.closed.Load() != 1 {
		t.Errorf("Close = %v, closed %d times", err, old.closed.Load())
	}
	if err := live.Swap(models.Model{Contract: contract("2"), Runner: &fake{}}); err == nil {
		t.Error("a closed Live took a model")
	}
}
