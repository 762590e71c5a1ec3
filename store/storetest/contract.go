// Package storetest is what every store has to hold, written as tests. A store's
// own test calls Run with a function that opens it.
package storetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/features"
	"github.com/telltale-iot/telltale/pipeline"
	"github.com/telltale-iot/telltale/store"
	"github.com/telltale-iot/telltale/workorders"
)

// Store is what is held to the contract.
type Store = store.Store

// Core is the side of a store that decides what a crash leaves: the flow's and the
// forwarder's, with what it takes to look at it.
type Core interface {
	store.Committer
	store.Exporter
	CoreRest
}

// CoreRest is the rest of Core.
type CoreRest interface {
	store.Cases
	store.Desk
	store.Facts
}

// Opener opens a store in the folder, which holds what an earlier one left.
type Opener func(t *testing.T, dir string, plan store.Planner) Store

// Run holds a store to the contract.
func Run(t *testing.T, open Opener) {
	t.Helper()
	RunCore(t, func(t *testing.T, dir string, plan store.Planner) Core {
		t.Helper()
		return open(t, dir, plan)
	})
	for name, f := range map[string]func(*testing.T, Store){
		"what is kept is read back":          readBack,
		"display is thinned from the newest": thinned,
		"export is sorted":                   sorted,
		"what is too old is forgotten":       pruned,
		"scores are read by version":         scored,
		"scores are counted by version":      scoresCounted,
		"scores come and go with the batch":  scoresAtomic,
		"a row that is there is replaced":    replaced,
		"no text stops a shard":              texts,
	} {
		t.Run(name, func(t *testing.T) { f(t, open(t, t.TempDir(), Plan)) })
	}
	for name, f := range map[string]func(*testing.T, Opener){
		"an instance that lost its shard is fenced": fencedElsewhere,
		"instances keep their shards side by side":  sideBySide,
		"another instance confirms what is kept":    confirmed,
	} {
		t.Run(name, func(t *testing.T) { f(t, open) })
	}
}

// RunCore holds the part of a store that the flow and the forwarder rely on to its part
// of the contract.
func RunCore(t *testing.T, open func(t *testing.T, dir string, plan store.Planner) Core) {
	t.Helper()
	for name, f := range map[string]func(*testing.T, Core){
		"a replayed batch changes nothing":    replay,
		"a stale epoch writes nothing":        fenced,
		"a batch that fails leaves no trace":  whole,
		"carried state is replaced, removed":  carried,
		"an alert is updated in place":        alerts,
		"an alert orders once":                orders,
		"an order is leased to one at a time": leases,
		"an order is taken from nobody":       taken,
	} {
		t.Run(name, func(t *testing.T) { f(t, open(t, t.TempDir(), Plan)) })
	}
	t.Run("a reopened store goes on", func(t *testing.T) { reopened(t, open) })
}

// Plan orders work for every alert but those of severity 4.
func Plan(a asset.Alert) (workorders.Order, bool) {
	key := workorders.KeyOf(a.ID)
	return workorders.Order{
		ID: "order-" + a.ID, Alert: a.ID, Asset: a.Asset, Component: a.Component, Key: key, Status: workorders.Open,
		Priority: a.Severity, Created: a.Opened, Title: "check " + a.Component,
	}, a.Severity < 4
}

// Epoch is when the test's event time begins.
var Epoch = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

// Batch is a micro-batch of shard 0 that ends at position k: for k instants it
// holds everything that a batch may hold.
func Batch(epoch, k int64) pipeline.Effects {
	at := Epoch.Add(time.Duration(k) * time.Minute)
	return pipeline.Effects{
		Epoch: epoch, Next: k, Low: k - 1, Through: at,
		Frames: []pipeline.Frame{{Asset: "T01", Time: at, Vectors: []features.Vector{Vector(at, "gearbox", float64(k))}}},
		Risks:  []asset.Risk{Risk(at, "T01", "gearbox", 0.5)},
		Counts: map[string]int64{"in": 1},
		State:  map[pipeline.StateKey][]byte{{Asset: "T01", Part: "test/position"}: {byte(k), byte(k >> 8)}},
		Events: []pipeline.TwinEvent{{Asset: "T01", Time: at, Kind: "step", Payload: "{}"}},
	}
}

// Vector has a value, and one that is missing.
func Vector(at time.Time, channel string, rms float64) features.Vector {
	return features.Vector{
		Channel: channel, Start: at.Add(-time.Second), WindowS: 1, Quality: 100,
		Fields:  []features.Field{{Channel: channel, Name: "rms", Unit: "m/s²"}, {Channel: channel, Name: "defect_bpfo", Unit: "1"}},
		Values:  []float64{rms, float64(asset.Missing())},
		Reasons: []asset.Reason{"", "alias"},
	}
}

// Risk has known and missing numbers.
func Risk(at time.Time, id asset.ID, component string, risk float64) asset.Risk {
	return asset.Risk{
		Time: at, Asset: id, Component: component, Risk: asset.Number(risk), HorizonH: 720, Anomaly: risk > 0.7, MLScore: asset.Missing(),
		MLP: 0.01, PhysicsScore: 2, RuleScore: asset.Missing(), RUL: asset.RUL{P10: 10, P50: 20, P90: asset.Missing(), Soon: 0.25}, Mode: asset.OuterRace,
		Modes:    map[asset.Mode]float64{asset.OuterRace: 0.75, asset.Wear: 0.25},
		Evidence: []asset.Evidence{{Source: "rule/zone", Name: component + "/rms", Value: 4, Limit: asset.Missing(), Weight: 1, Text: "zone C"}},

		Certainty: asset.Certainty{Low: 0.125, High: 0.875, Confidence: 0.5, Conflict: 0.25},
		LLR:       asset.ViewLLR{ML: asset.Missing(), Physics: -1.5, Rule: 3.5},
		Sources: []asset.Contribution{{
			Source: "rule/zone", Group: asset.GroupVibration, Value: 4, Limit: 2, LLR: 3.5, AgeH: 1, Trust: 0.5, Weight: 3.5, Share: 0.7,
		}, {Source: "physics/life", Value: 1, Limit: 1, LLR: -1.5, Weight: -1.5, Share: 0.3, Reason: "idle"}},
	}
}

// Alert is one that is open.
func Alert(id string, severity int) asset.Alert {
	return asset.Alert{
		ID: id, Asset: "T01", Component: "gearbox", Mode: asset.OuterRace, Severity: severity, Opened: Epoch, Changed: Epoch,
		Risk: 0.8, HorizonH: 720, RUL: asset.NoRUL(),
	}
}

func claim(t *testing.T, s store.Committer) int64 {
	t.Helper()
	c, err := s.Claim(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	return c.Epoch
}

func keep(t *testing.T, s store.Committer, fx pipeline.Effects) {
	t.Helper()
	if err := s.Keep(t.Context(), fx); err != nil {
		t.Fatal(err)
	}
}

// Frames reads all frames.
func Frames(t *testing.T, s store.Exporter) []pipeline.Frame {
	t.Helper()
	var all []pipeline.Frame
	if err := s.EachFrame(t.Context(), func(f pipeline.Frame) error { all = append(all, f); return nil }); err != nil {
		t.Fatal(err)
	}
	return all
}

func fenced(t *testing.T, s Core) {
	t.Helper()
	old := claim(t, s)
	keep(t, s, Batch(old, 1))
	now := claim(t, s)
	if err := s.Keep(t.Context(), Batch(old, 2)); !errors.Is(err, store.ErrFenced) {
		t.Fatalf("Keep with epoch %d after a claim of %d: %v, want ErrFenced", old, now, err)
	}
	if got := len(Frames(t, s)); got != 1 {
		t.Errorf("%d frames after a fenced batch, want 1", got)
	}
	keep(t, s, Batch(now, 2))
	if err := s.Keep(t.Context(), pipeline.Effects{Shard: 7, Epoch: 1, Next: 1}); !errors.Is(err, store.ErrFenced) {
		t.Errorf("Keep of a shard that nobody claimed: %v, want ErrFenced", err)
	}
}

func whole(t *testing.T, s Core) {
	t.Helper()
	epoch := claim(t, s)
	keep(t, s, Batch(epoch, 1))
	bad := Batch(epoch, 2)
	vector := Vector(Epoch, "other", 1)
	vector.Values = vector.Values[:1] // does not fit its fields
	bad.Frames = append(bad.Frames, pipeline.Frame{Asset: "T01", Time: Epoch, Vectors: []features.Vector{vector}})
	if err := s.Keep(t.Context(), bad); err == nil {
		t.Fatal("a vector that does not fit its fields was kept")
	}
	if got := len(Frames(t, s)); got != 1 {
		t.Errorf("%d frames after a batch that failed, want 1", got)
	}
	keep(t, s, Batch(epoch, 2))
	if got := len(Frames(t, s)); got != 2 {
		t.Errorf("%d frames after the batch was repeated, want 2", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Keep(ctx, Batch(epoch, 3)); !errors.Is(err, context.Canceled) {
		t.Errorf("Keep after cancellation: %v", err)
	}
}
