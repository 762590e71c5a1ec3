package storetest

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/features"
	"github.com/telltale-iot/telltale/pipeline"
	"github.com/telltale-iot/telltale/store"
)

// Score is an answer of a version, whose digest is made of its name.
func Score(at time.Time, id asset.ID, model string, score float64) asset.Score {
	return asset.Score{
		Time: at, Asset: id, Component: "gearbox", Model: model, Digest: "sha-" + model, Inputs: "00ff00ff00ff00ff", Stage: "production",
		Serves: true, Regime: "3/2", Score: asset.Number(score), P: 0.25, Abnormal: score > 5,
	}
}

// Scores reads the scores that the filter selects.
func Scores(t *testing.T, s store.Answers, filter store.ScoreFilter) []asset.Score {
	t.Helper()
	var all []asset.Score
	if err := s.EachScore(t.Context(), filter, func(r asset.Score) error { all = append(all, r); return nil }); err != nil {
		t.Fatal(err)
	}
	return all
}

func scored(t *testing.T, s Store) {
	t.Helper()
	epoch := claim(t, s)
	at := func(k int) time.Time { return Epoch.Add(time.Duration(k) * time.Minute) }
	shadow := Score(at(1), "T01", "m:2", 1)
	shadow.Stage, shadow.Serves = "shadow", false
	failed := Score(at(2), "T02", "m:1", 0)
	failed.Score, failed.P, failed.Reason = asset.Missing(), asset.Missing(), "model-failed"
	rear := Score(at(2), "T01", "m:1", 9)
	rear.Component = "generator"
	in := []asset.Score{failed, rear, Score(at(2), "T01", "m:1", 6), shadow, Score(at(1), "T01", "m:1", 2)}
	keep(t, s, pipeline.Effects{Epoch: epoch, Next: 1, Scores: in})
	keep(t, s, pipeline.Effects{Epoch: epoch, Next: 2, Scores: []asset.Score{Score(at(3), "T01", "m:1", 7), in[4]}}) // the last a second time

	all := Scores(t, s, store.ScoreFilter{})
	want := []asset.Score{in[4], in[3], in[2], in[1], in[0], Score(at(3), "T01", "m:1", 7)}
	if len(all) != len(want) || all[4].Score.Known() || all[4].P.Known() {
		t.Fatalf("scores %+v, want %+v", all, want)
	}
	all[4].Score, all[4].P, want[4].Score, want[4].P = 0, 0, 0, 0 // NaN equals nothing
	if !reflect.DeepEqual(all, want) {
		t.Errorf("scores %+v\nwant %+v", all, want)
	}
	for name, tc := range map[string]struct {
		filter store.ScoreFilter
		want   int
	}{
		"asset":     {store.ScoreFilter{Asset: "T02"}, 1},
		"component": {store.ScoreFilter{Component: "generator"}, 1},
		"model":     {store.ScoreFilter{Models: []string{"m:2", "m:3"}}, 1},
		"digests":   {store.ScoreFilter{Digests: []string{"sha-m:1", "sha-m:2"}}, 6},
		"from":      {store.ScoreFilter{From: at(2)}, 4},
		"to":        {store.ScoreFilter{To: at(2)}, 5},
		"both":      {store.ScoreFilter{From: at(2), To: at(2), Asset: "T01"}, 2},
		"none":      {store.ScoreFilter{Models: []string{"m"}}, 0},
	} {
		if got := len(Scores(t, s, tc.filter)); got != tc.want {
			t.Errorf("by %s: %d scores, want %d", name, got, tc.want)
		}
	}
	if at3, err := s.NewestScore(t.Context(), "sha-m:1"); err != nil || !at3.Equal(at(3)) {
		t.Errorf("newest score at %v, %v; want %v", at3, err, at(3))
	}
	if never, err := s.NewestScore(t.Context(), "sha-m:9"); err != nil || !never.IsZero() {
		t.Errorf("newest score of a model that never scored: %v, %v", never, err)
	}
	stop := errors.New("stop")
	if err := s.EachScore(t.Context(), store.ScoreFilter{}, func(asset.Score) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("EachScore that was stopped: %v", err)
	}
}

func scoresCounted(t *testing.T, s Store) {
	t.Helper()
	epoch := claim(t, s)
	fx := pipeline.Effects{Epoch: epoch, Next: 1}
	for k := range 10 {
		at := Epoch.Add(time.Duration(k) * time.Minute)
		old, canary := Score(at, "T01", "m:1", float64(k)), Score(at, "T01", "m:2", 9)
		canary.Stage = "canary"
		if reason := map[int]asset.Reason{2: "input-missing", 3: "model-output", 4: "model-failed"}[k]; reason != "" {
			canary.Score, canary.Abnormal, canary.Reason = asset.Missing(), false, reason
		}
		fx.Scores = append(fx.Scores, old, canary)
	}
	keep(t, s, fx)
	got, err := s.ScoreCounts(t.Context(), Epoch.Add(time.Minute), Epoch.Add(8*time.Minute))
	want := []store.ScoreCount{
		{Model: "m:1", Digest: "sha-m:1", Stage: "production", N: 8, Abnormal: 3},
		{Model: "m:2", Digest: "sha-m:2", Stage: "canary", N: 8, Abnormal: 5, Missing: 1, Failed: 2},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("counts %+v, %v\nwant %+v", got, err, want)
	}
	if got, err := s.ScoreCounts(t.Context(), time.Time{}, time.Time{}); err != nil || len(got) != 2 || got[0].N != 10 {
		t.Errorf("counts of all time %+v, %v", got, err)
	}
}

func scoresAtomic(t *testing.T, s Store) {
	t.Helper()
	epoch := claim(t, s)
	fx := Batch(epoch, 1)
	fx.Scores = []asset.Score{Score(fx.Through, "T01", "m:1", 1)}
	vector := Vector(Epoch, "other", 1)
	vector.Values = vector.Values[:1] // does not fit its fields
	bad := fx
	bad.Frames = append(bad.Frames[:1:1], pipeline.Frame{Asset: "T01", Time: Epoch, Vectors: []features.Vector{vector}})
	if err := s.Keep(t.Context(), bad); err == nil {
		t.Fatal("a vector that does not fit its fields was kept")
	}
	if got := Scores(t, s, store.ScoreFilter{}); len(got) != 0 {
		t.Errorf("scores of a batch that failed: %+v", got)
	}
	for k := int64(1); k <= 4; k++ {
		fx := Batch(epoch, k)
		fx.Scores = []asset.Score{Score(fx.Through, "T01", "m:1", 1)}
		keep(t, s, fx)
		keep(t, s, fx) // a replay
	}
	if got := Scores(t, s, store.ScoreFilter{}); len(got) != 4 {
		t.Errorf("%d scores, want 4", len(got))
	}
	if n, err := s.Prune(t.Context(), Epoch.Add(3*time.Minute)); err != nil || n != 6 {
		t.Errorf("%d rows forgotten, %v; want 2 of frames, risks and scores", n, err)
	}
	if got := Scores(t, s, store.ScoreFilter{}); len(got) != 2 || !got[0].Time.Equal(Epoch.Add(3*time.Minute)) {
		t.Errorf("scores left: %+v", got)
	}
}
