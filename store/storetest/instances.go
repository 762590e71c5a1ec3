package storetest

import (
	"errors"
	"fmt"
	"reflect"
	"sync/atomic"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/features"
	"github.com/telltale-iot/telltale/pipeline"
	"github.com/telltale-iot/telltale/store"
)

// fencedElsewhere lets a second instance take a shard over while the first one writes.
func fencedElsewhere(t *testing.T, open Opener) {
	t.Helper()
	dir := t.TempDir()
	first, second := open(t, dir, Plan), open(t, dir, Plan)
	epoch := claim(t, first)
	var kept atomic.Int64
	ended := make(chan error, 1)
	go func() {
		for k := int64(1); ; k++ {
			if err := first.Keep(t.Context(), Batch(epoch, k)); err != nil {
				ended <- err
				return
			}
			kept.Store(k)
		}
	}()
	for kept.Load() < 5 {
		time.Sleep(time.Millisecond)
	}
	taken, err := second.Claim(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		if !errors.Is(err, store.ErrFenced) {
			t.Errorf("the instance that lost its shard ended with %v, want ErrFenced", err)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("the instance that lost its shard writes on")
	}
	if n := kept.Load(); n != taken.Next || int64(len(Frames(t, second))) != n {
		t.Errorf("%d batches were kept, %d frames, the claim says %d", n, len(Frames(t, second)), taken.Next)
	}
	keep(t, second, Batch(taken.Epoch, taken.Next+1))
}

// sideBySide lets two instances write two shards of assets with the same channels,
// counters and models: neither may stop or lose by the other.
func sideBySide(t *testing.T, open Opener) {
	t.Helper()
	const batches = 60
	dir := t.TempDir()
	ended := make(chan error, 2)
	stores := []Store{open(t, dir, Plan), open(t, dir, Plan)}
	for shard, s := range stores {
		go func() {
			c, err := s.Claim(t.Context(), int32(shard)) //nolint:gosec // 0 and 1
			for k := int64(1); k <= batches && err == nil; k++ {
				err = s.Keep(t.Context(), ofShard(shard, c.Epoch, k))
			}
			ended <- err
		}()
	}
	for range stores {
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
	}
	counts, err := stores[0].Counts(t.Context())
	if want := map[string]int64{"in": 2 * batches, "out": 2 * batches}; err != nil || !reflect.DeepEqual(counts, want) {
		t.Errorf("counts %v, %v; want %v", counts, err, want)
	}
	if n := len(Frames(t, stores[1])); n != 2*batches {
		t.Errorf("%d frames, want %d", n, 2*batches)
	}
	if n := len(Scores(t, stores[0], store.ScoreFilter{})); n != 4*batches {
		t.Errorf("%d scores, want %d", n, 4*batches)
	}
	if latest, err := stores[1].LatestRisks(t.Context()); err != nil || len(latest) != 2 {
		t.Errorf("latest risks %v, %v; want one of each asset", latest, err)
	}
}

// ofShard is a batch of one asset, with lists in an order that differs between shards.
func ofShard(shard int, epoch, k int64) pipeline.Effects {
	id, other := asset.ID(fmt.Sprintf("T%02d", shard)), int64(shard)
	fx := Batch(epoch, k)
	fx.Shard, fx.Frames[0].Asset, fx.Events[0].Asset = int32(shard), id, id //nolint:gosec // 0 and 1
	fx.Frames[0].Vectors = nil
	for c := range int64(10) {
		channel := fmt.Sprintf("channel-%d-%d", k, (c+5*other)%10)
		fx.Frames[0].Vectors = append(fx.Frames[0].Vectors, Vector(fx.Through, channel, 1))
	}
	fx.Risks[0].Asset = id
	fx.State = map[pipeline.StateKey][]byte{{Asset: id, Part: "test/position"}: {1}}
	fx.Counts = map[string]int64{"in": 1, "out": 1}
	for m := range int64(2) {
		fx.Scores = append(fx.Scores, Score(fx.Through, id, fmt.Sprintf("m:%d", (m+other)%2), 1))
	}
	return fx
}

// confirmed repeats a batch whose answer was lost by way of another connection.
func confirmed(t *testing.T, open Opener) {
	t.Helper()
	dir := t.TempDir()
	first, second := open(t, dir, Plan), open(t, dir, Plan)
	epoch := claim(t, first)
	fx := Batch(epoch, 1)
	fx.Alerts = []asset.Alert{Alert("a", 1)}
	keep(t, first, fx)
	keep(t, second, fx)
	keep(t, first, Batch(epoch, 2))
	keep(t, second, fx)
	checkCounts(t, second, map[string]int{"frames": 2, "in": 2, "orders": 1})
}

func checkCounts(t *testing.T, s Store, want map[string]int) {
	t.Helper()
	counts, err := s.Counts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	orders, err := s.Orders(t.Context(), store.OrderFilter{})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int{"frames": len(Frames(t, s)), "in": int(counts["in"]), "orders": len(orders)}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the store holds %v, want %v", got, want)
	}
}

// replaced keeps rows a second time, in a later batch and twice in one: the last stays.
func replaced(t *testing.T, s Store) {
	t.Helper()
	epoch := claim(t, s)
	keep(t, s, Batch(epoch, 1))
	again := Batch(epoch, 1)
	again.Next = 2
	again.Risks[0].Risk, again.Frames[0].Vectors[0].Values[0] = 0.25, 5
	again.Frames[0].Vectors = append(again.Frames[0].Vectors, Vector(again.Through, "gearbox", 7))
	for range 2 {
		again.Frames[0].Spectra = append(again.Frames[0].Spectra, features.Spectrum{Channel: "gearbox", Kind: "envelope", Bins: []float32{1}})
	}
	keep(t, s, again)
	frames := Frames(t, s)
	if len(frames) != 1 || len(frames[0].Vectors) != 1 || frames[0].Vectors[0].Values[0] != 7 {
		t.Errorf("frames %+v; want one with the last value, 7", frames)
	}
	if risks, err := s.LatestRisks(t.Context()); err != nil || len(risks) != 1 || risks[0].Risk != 0.25 {
		t.Errorf("latest risks %+v, %v; want one of 0.25", risks, err)
	}
	if risks, err := s.Risks(t.Context(), "T01", "gearbox", Epoch, Epoch.Add(time.Hour), 0); err != nil || len(risks) != 1 || risks[0].Risk != 0.25 {
		t.Errorf("risks %+v, %v; want one of 0.25", risks, err)
	}
}

// texts are such as machines send: a batch that cannot be kept would stop its shard.
func texts(t *testing.T, s Store) {
	t.Helper()
	epoch := claim(t, s)
	const odd = "zero \x00 and \xff\xfe"
	fx := Batch(epoch, 1)
	fx.Events = []pipeline.TwinEvent{
		{Asset: "T01", Time: fx.Through, Kind: "metadata", Payload: odd},
		{Asset: "T01", Time: fx.Through, Kind: "metadata", Payload: string(make([]byte, 20_000)) + "long"},
	}
	fx.Frames[0].Vectors[0].Reasons = []asset.Reason{"", odd}
	fx.Counts = map[string]int64{odd: 1}
	fx.Risks[0].Evidence[0].Text = odd
	a := Alert("a", 1)
	a.Component = odd
	fx.Alerts = []asset.Alert{a}
	keep(t, s, fx)
	if events, err := s.TwinEvents(t.Context(), "T01", 0); err != nil || len(events) != 2 {
		t.Errorf("%d events, %v; want 2", len(events), err)
	}
}
