package models_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/features"
	"github.com/telltale-iot/telltale/models"
)

// summer answers with the sum of everything that it has read since its state was
// zero: its state is that sum.
type summer struct{}

func (summer) Run(_ context.Context, batch []models.Row) ([]models.Result, error) {
	out := make([]models.Result, len(batch))
	for i, r := range batch {
		var sum float32
		if len(r.State) > 0 {
			sum = r.State[0]
		}
		for _, v := range r.Values {
			sum += v
		}
		out[i] = models.Result{Values: make([]float32, len(r.Values)), State: []float32{sum}}
		out[i].Values[0] = sum
	}
	return out, nil
}
func (summer) Close() error { return nil }

// stateful reads one row of two features at a time, every minute.
func stateful(digest string) models.Contract {
	c := contract(digest)
	c.Window, c.Stride, c.Threshold = 1, 1, 0
	c.State = &models.State{In: []string{"h"}, Out: []string{"hn"}, OnSwap: models.StateReset}
	return c
}

// feed makes sequences of one row each, minutes after the epoch, of one memory.
func feed(c models.Contract, m *features.Memory, minutes ...int) []features.Sequence {
	var out []features.Sequence
	for _, at := range minutes {
		out = append(out, features.Sequence{
			Asset: "p1", Component: "bearing", Reads: c.Reads("bearing").Key(), Time: time.Unix(60*int64(at), 0).UTC(),
			Steps: 1, Width: 2, Values: []float32{1, 0}, Memory: m,
		})
	}
	return out
}

// sums scores and gives back the running sums: the score is half their square.
func sums(t *testing.T, s *models.Scorer, batch []features.Sequence) []float64 {
	t.Helper()
	got, err := s.Score(context.Background(), batch)
	if err != nil {
		t.Fatal(err)
	}
	var out []float64
	for _, a := range got {
		if a.Reason != "" {
			out = append(out, -1)
			continue
		}
		out = append(out, 2*float64(a.Score))
	}
	return out
}

func squares(n ...float64) (out []float64) {
	for _, v := range n {
		if v >= 0 {
			v *= v
		}
		out = append(out, v)
	}
	return out
}

// What a stateful model remembers goes from one sequence to the next, in one batch
// or in several, and is void after a gap of more than three periods.
func TestAStatefulModelReadsOn(t *testing.T) {
	minutes := []int{1, 2, 3, 4, 6, 10, 11}
	want := squares(1, 2, 3, 4, 5, 1, 2)
	c := stateful("1")
	for _, size := range []int{1, 2, 3, 7} {
		m := &features.Memory{}
		s := models.NewScorer(map[models.Key]*models.Live{{Component: "bearing"}: in(t, c, summer{})}, models.Options{})
		var got []float64
		for batch := range slices.Chunk(feed(c, m, minutes...), size) {
			got = append(got, sums(t, s, batch)...)
		}
		if !slices.Equal(got, want) {
			t.Errorf("in batches of %d: %v, want %v", size, got, want)
		}
	}
}

func TestWhatVoidsAMemory(t *testing.T) {
	c := stateful("1")
	c.State.Regime = true
	c.State.WarmUp = 1
	m := &features.Memory{}
	s := models.NewScorer(map[models.Key]*models.Live{{Component: "bearing"}: in(t, c, summer{})}, models.Options{})
	batch := feed(c, m, 1, 2, 3, 4, 5, 6)
	batch[2].Fresh = true                           // the flow says that rows are missing
	batch[4].Regime, batch[5].Regime = "2/1", "2/1" // another regime
	if got, want := sums(t, s, batch), squares(-1, 2, -1, 2, -1, 2); !slices.Equal(got, want) {
		t.Errorf("%v, want %v (-1: warming up)", got, want)
	}
}

// Versions side by side remember on their own; at a swap the new one keeps or resets
// as it declares.
func TestMemoryAtASwap(t *testing.T) {
	for _, rule := range []string{models.StateReset, models.StateKeep} {
		one, two := stateful("1"), stateful("2")
		two.State.OnSwap = rule
		on := map[string]models.Model{"1": {Contract: one, Runner: summer{}}, "2": {Contract: two, Runner: summer{}}}
		live, m := models.NewLive(), &features.Memory{}
		s := models.NewScorer(map[models.Key]*models.Live{{Component: "bearing"}: live}, models.Options{})
		set(t, live, on, place("1", models.Production))
		sums(t, s, feed(one, m, 1, 2, 3))
		set(t, live, on, place("2", models.Production))
		want := squares(1, 2)
		if rule == models.StateKeep {
			want = squares(4, 5)
		}
		if got := sums(t, s, feed(two, m, 4, 5)); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", rule, got, want)
		}
	}
	one, two := stateful("1"), stateful("2")
	on := map[string]models.Model{"1": {Contract: one, Runner: summer{}}, "2": {Contract: two, Runner: summer{}}}
	live, m := models.NewLive(), &features.Memory{}
	s := models.NewScorer(map[models.Key]*models.Live{{Component: "bearing"}: live}, models.Options{})
	set(t, live, on, place("1", models.Production))
	sums(t, s, feed(one, m, 1, 2))
	set(t, live, on, place("1", models.Production), place("2", models.Shadow))
	got, err := s.Score(context.Background(), feed(one, m, 3, 4))
	if err != nil || got[1].Scores[0].Score != 8 || got[1].Scores[1].Score != 2 || len(m.States) != 2 {
		t.Errorf("beside each other: %+v, %v, %d memories", got[1].Scores, err, len(m.States))
	}
	set(t, live, on, place("2", models.Production))
	if sums(t, s, feed(two, m, 9)); len(m.States) != 1 {
		t.Errorf("%d memories are kept, the old version's is of no use any more", len(m.States))
	}
}

// The hole of a stateful model is filled from the row before.
func TestAHoleIsFilledFromTheRowBefore(t *testing.T) {
	c := stateful("1")
	c.Features = slices.Repeat(c.Features, 6)
	live := in(t, c, summer{})
	s := models.NewScorer(map[models.Key]*models.Live{{Component: "bearing"}: live}, models.Options{})
	m := &features.Memory{}
	batch := feed(c, m, 1, 2)
	for i := range batch {
		batch[i].Width, batch[i].Values = 12, slices.Repeat([]float32{3}, 12)
	}
	batch[1].Values[5] = float32(asset.Missing())
	got, err := s.Score(context.Background(), batch)
	if err != nil || got[1].Reason != "" || m.States["1"].Values[0] != 72 {
		t.Errorf("%+v, %v: remembers %v, want 72", got[1], err, m.States)
	}
}

// A forecaster is held against the row that came; the mask says what was filled.
func TestForecastMaskModesAndRegimes(t *testing.T) {
	c := contract("1")
	c.Output, c.Scale = models.OutputForecast, []float64{2, 4}
	reads := c.Reads("bearing")
	q := features.Sequence{Asset: "p1", Component: "bearing", Steps: reads.Steps, Width: 2, Values: []float32{1, 1, 1, 1, 1, 1, 1, 1, 5, 9}}
	a := score1(t, c, silent{[]float32{1, 1}}, q) // misses by 4 and 8: two scales each
	if reads.Steps != 5 || a.Score != 4 || a.Trust != 1 || len(a.Evidence) != 2 || a.Evidence[0].Value != 5 && a.Evidence[0].Value != 9 {
		t.Errorf("forecast of %d steps: %+v", reads.Steps, a)
	}

	masked := contract("1")
	masked.Window, masked.Mask, masked.Features = 10, true, masked.Features[:1]
	q = features.Sequence{Component: "bearing", Steps: 10, Width: 1, Values: slices.Repeat([]float32{2}, 10)}
	q.Values[3] = float32(asset.Missing())
	a = score1(t, masked, &counter{}, q) // echoes 10 rows of value and mask
	if a.Score != asset.Number((10*4.0+9)/20) {
		t.Errorf("masked: score %v, want that of ten 2 and nine 1", a.Score)
	}

	k := contract("1")
	k.Kind, k.Output, k.Modes, k.Threshold = models.Classifier, models.OutputModes, []asset.Mode{asset.Healthy, asset.InnerRace, asset.Wear}, 0.5
	a = score1(t, k, silent{[]float32{0.125, 0.625, 0.25}}, steady(1)[0])
	if a.Score != 0.875 || !a.Abnormal || a.Modes[asset.InnerRace] != 0.625 || a.Modes[asset.Wear] != 0.25 || len(a.Modes) != 2 || a.Evidence[0].Name != "inner-race" {
		t.Errorf("classifier: %+v", a)
	}

	r := contract("1")
	r.Calibration = models.Calibration{N: 4, Alpha: 0.2, Quantiles: []float64{0.5, 1, 1.5, 2}, Regimes: map[string]models.Calibration{
		"3/1": {N: 4, Quantiles: []float64{5, 6, 7, 8}}, "few": {N: 2, Quantiles: []float64{5, 6}},
	}}
	q = steady(1)[0] // scores 2.5
	for regime, want := range map[string][3]float64{"": {0.2, 1.5, 1}, "3/1": {1, 8, 0}, "few": {0.2, 1.5, 1}, "unknown": {0.2, 1.5, 1}} {
		q.Regime = regime
		if a = score1(t, r, echo{}, q); float64(a.P) != want[0] || float64(a.Limit) != want[1] || a.Abnormal != (want[2] == 1) {
			t.Errorf("regime %q: p %v, limit %v, abnormal %v; want %v", regime, a.P, a.Limit, a.Abnormal, want)
		}
	}
}

// A version that would go on from what another remembers begins from nothing where
// that has another size: it would fail, and all that share the run with it.
func TestAMemoryOfAnotherSizeIsNotKept(t *testing.T) {
	m := &features.Memory{}
	old := stateful("old")
	sums(t, scorer(t, old, summer{}), feed(old, m, 0, 1))
	next := stateful("next")
	next.State.OnSwap, next.State.Dims = models.StateKeep, [][2]int{{1, 2}}
	if got := sums(t, scorer(t, next, summer{}), feed(next, m, 2)); !slices.Equal(got, squares(1)) {
		t.Errorf("sums %v, want %v", got, squares(1))
	}
}
