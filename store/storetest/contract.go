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

// Committer is the side of a store that the flow uses.
type Committer interface {
	pipeline.Keeper
	Claim(ctx context.Context, shard int32) (store.Checkpoint, error)
	Parts(ctx context.Context, id asset.ID) (map[string][]byte, error)
}

// Exporter is the side of a store that the report uses.
type Exporter interface {
	EachRisk(ctx context.Context, f func(asset.Risk) error) error
	EachFrame(ctx context.Context, f func(pipeline.Frame) error) error
	Counts(ctx context.Context) (map[string]int64, error)
}

// Keeping is what a store remembers of a run, and how long.
type Keeping interface {
	Facts
	Answers
	Prune(ctx context.Context, before time.Time) (int64, error)
}

// History is the side of a store that the page uses.
type History interface {
	LatestRisks(ctx context.Context) ([]asset.Risk, error)
	Risks(ctx context.Context, id asset.ID, component string, from, to time.Time, limit int) ([]asset.Risk, error)
	Trend(ctx context.Context, id asset.ID, keys []string, from, to time.Time, limit int) ([]store.Series, error)
}

// Evidence is the side of a store that the page's details use.
type Evidence interface {
	Spectra(ctx context.Context, id asset.ID, channel string, at time.Time) ([]features.Spectrum, time.Time, error)
	TwinEvents(ctx context.Context, id asset.ID, limit int) ([]pipeline.TwinEvent, error)
}

// Cases is the side of a store that people work with.
type Cases interface {
	Alerts(ctx context.Context, f store.AlertFilter) ([]asset.Alert, error)
	Alert(ctx context.Context, id string) (asset.Alert, error)
}

// Desk is the outbox and its reader.
type Desk interface {
	workorders.Outbox
	Orders(ctx context.Context, f store.OrderFilter) ([]workorders.Order, error)
	Order(ctx context.Context, id string) (workorders.Order, error)
}

// Facts are what is known of the run, and its end.
type Facts interface {
	Meta(ctx context.Context, key string) (string, error)
	SetMeta(ctx context.Context, key, value string) error
	Close() error
}

// Flow is what a run needs.
type Flow interface {
	Committer
	Exporter
	Keeping
}

// Page is what people see.
type Page interface {
	History
	Evidence
	Cases
}

// Answers is the side of a store that compares versions of models.
type Answers interface {
	EachScore(ctx context.Context, filter store.ScoreFilter, f func(asset.Score) error) error
	NewestScore(ctx context.Context, digest string) (time.Time, error)
	ScoreCounts(ctx context.Context, from, to time.Time) ([]store.ScoreCount, error)
}

// Store is all of it.
type Store interface {
	Flow
	Page
	Desk
}

// Core is the side of a store that decides what a crash leaves: the flow's and the
// forwarder's, with what it takes to look at it.
type Core interface {
	Committer
	Exporter
	CoreRest
}

// CoreRest is the rest of Core.
type CoreRest interface {
	Cases
	Desk
	Facts
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
	} {
		t.Run(name, func(t *testing.T) { f(t, open(t, t.TempDir(), Plan)) })
	}
}

// RunCore holds the part of a store that the flow and the forwarder rely on to its part
// of the contract.
func RunCore(t *testing.T, open func(t *testing.T, dir string, plan store.Planner) Core) {
	t.Helper()
	for name, f := range map[string]func(*testing.T, Core){
		"a replayed batch changes nothing":    replay,
		"a stale epoch writes nothing":        fenced,
		"a batch that fails leaves no trace":  atomic,
		"carried state is replaced, removed":  carried,
		"an alert is updated in place":        alerts,
		"an alert orders once":                orders,
		"an order is leased to one at a time": leases,
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

func claim(t *testing.T, s Committer) int64 {
	t.Helper()
	c, err := s.Claim(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	return c.Epoch
}

func keep(t *testing.T, s Committer, fx pipeline.Effects) {
	t.Helper()
	if err := s.Keep(t.Context(), fx); err != nil {
		t.Fatal(err)
	}
}

// Frames reads all frames.
func Frames(t *testing.T, s Exporter) []pipeline.Frame {
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

func atomic(t *testing.T, s Core) {
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
