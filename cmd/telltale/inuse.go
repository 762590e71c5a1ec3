package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/class"
	"github.com/telltale-iot/telltale/features"
	"github.com/telltale-iot/telltale/models"
	"github.com/telltale-iot/telltale/models/onnx"
)

// inUse is the learned models of a run: for each class and component that asks for
// one, what scores it now.
type inUse struct {
	w       *works
	repo    *models.Repository
	refs    []string // versions that are named instead of those in production
	library string
	stages  []models.Stage // that are put in use
	shards  int            // that wait for each other to share a run; 0: nobody waits
	log     *slog.Logger
	live    map[models.Key]*models.Live
	took    func(ref string, rows int, t time.Duration)
}

// The stages that are put in use: a backtest judges as production does.
var (
	inProduction = []models.Stage{models.Production}
	inService    = []models.Stage{models.Production, models.Canary, models.Shadow}
)

// gatherFor is how long a shard waits for the others' sequences, so that they share
// a run of the model: the latency that the learned view adds at most by it.
const gatherFor = 5 * time.Millisecond

// Close lets the models go after their last batch.
func (u *inUse) Close() {
	for _, l := range u.live {
		l.Close() //nolint:errcheck,gosec // a model that cannot be closed is gone all the same
	}
}

// useModels puts in use, for each component that a class names a model for, what the
// repository has at the given stages, or what refs name instead. Without ONNX Runtime
// the flow goes on without a learned view, unless a class requires it.
func (w *works) useModels(ctx context.Context, u inUse) (*inUse, error) {
	u.w, u.live = w, map[models.Key]*models.Live{}
	w.use = &u
	if u.repo == nil {
		if len(u.refs) > 0 {
			return &u, fmt.Errorf("%w: --model %s needs --repo, the repository that holds it", errUsage, u.refs[0])
		}
		return &u, w.missing(nil)
	}
	for _, want := range w.wanted() {
		u.live[want.key] = models.NewLive()
		u.live[want.key].Gather(u.shards, gatherFor)
	}
	if err := u.refresh(ctx, true); err != nil {
		u.Close()
		return &u, err
	}
	if len(u.live) > 0 {
		w.scorer = models.NewScorer(u.live, models.Options{
			PartsOf: w.parts, HorizonH: func(kind string) float64 { return w.classes.Of(kind).HorizonH },
			Took: func(ref string, rows int, t time.Duration) {
				if u.took != nil {
					u.took(ref, rows, t)
				}
			},
			Report: func(ref string, err error) { u.log.Warn("model failed", "model", ref, "error", err) },
		})
	}
	return &u, nil
}

// parts are an asset's class and components.
func (w *works) parts(id asset.ID) (kind string, components []string) {
	plate := w.plates[id]
	for _, c := range plate.Components {
		components = append(components, c.Name)
	}
	return w.classes.Of(plate.Kind).Kind, components
}

// refresh puts in use what the repository says now; first is true at the start, when
// whatever is missing or does not fit is an error. Later the old models stay in use.
func (u *inUse) refresh(ctx context.Context, first bool) error {
	var bad []error
	for _, m := range u.w.wanted() {
		where, err := u.placements(ctx, m)
		if err == nil {
			err = u.live[m.key].Set(where, func(p models.Placement) (models.Model, error) { return u.open(ctx, p, m.key) })
		}
		switch {
		case err == nil && first && len(where) == 0:
			u.log.Info("no model in production", "model", m.name, "class", m.key.Class, "component", m.key.Component)
		case errors.Is(err, models.ErrNoRuntime) && !m.required:
			if first {
				u.log.Warn("no learned view", "model", m.name, "error", err)
			}
		case err != nil:
			bad = append(bad, fmt.Errorf("for %s/%s: %w", m.key.Class, m.key.Component, err))
		}
	}
	return errors.Join(bad...)
}

// placements are the versions of a model that are to score, and for whom.
func (u *inUse) placements(ctx context.Context, m want) ([]models.Placement, error) {
	for _, r := range u.refs {
		v, _, err := u.repo.Get(ctx, r)
		if err != nil {
			return nil, fmt.Errorf("model %s: %w", r, err)
		}
		if v.Name == m.name {
			return []models.Placement{{Class: m.key.Class, Staged: models.Staged{
				Name: v.Name, Version: v.Version, Kind: v.Kind, Digest: v.Digest, Manifest: v.Manifest, Place: models.Place{Stage: models.Production},
			}}}, nil
		}
	}
	all, err := u.repo.Lineup(ctx, m.name)
	if err != nil {
		return nil, err
	}
	var out []models.Placement
	for _, s := range all {
		if slices.Contains(u.stages, s.Stage) {
			out = append(out, models.Placement{Staged: s, Class: m.key.Class})
		}
	}
	if len(out) == 0 && m.required {
		return nil, fmt.Errorf("model %s: %w: the class requires it", m.name, models.ErrNotFound)
	}
	return out, nil
}

// open loads a version for a class and component that can feed it.
func (u *inUse) open(ctx context.Context, p models.Placement, k models.Key) (models.Model, error) {
	_, file, err := u.repo.Get(ctx, p.Exactly())
	if err != nil {
		return models.Model{}, err
	}
	runner, err := onnx.OpenBytes(file, onnx.Options{Library: u.library, Produced: u.w.produced(k), Prover: prover(u.library)})
	if err != nil {
		return models.Model{}, err
	}
	contract := runner.Contract()
	contract.Name = p.Name
	return models.Model{Contract: contract, Runner: runner}, nil
}

// any is true while some version scores.
func (u *inUse) any() bool {
	if u == nil {
		return false
	}
	for _, l := range u.live {
		if len(l.Placements()) > 0 {
			return true
		}
	}
	return false
}

// digests name what is in use.
func (u *inUse) digests() []string {
	out := []string{}
	if u == nil {
		return out
	}
	for _, l := range u.live {
		for _, p := range l.Placements() {
			out = append(out, p.Ref()+"@"+p.Digest)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// want is a model that a class asks for, for one component.
type want struct {
	key      models.Key
	name     string
	required bool
}

// wanted lists what the classes of the assets at hand ask for.
func (w *works) wanted() []want {
	seen := map[models.Key]bool{}
	var out []want
	for _, id := range w.ids {
		plate := w.plates[id]
		c := w.classes.Of(plate.Kind)
		for _, m := range c.Models {
			for _, part := range m.For.Components(plate) {
				k := models.Key{Class: c.Kind, Component: part.Name}
				if !seen[k] {
					seen[k] = true
					out = append(out, want{k, m.Name, m.Required})
				}
			}
		}
	}
	slices.SortFunc(out, func(a, b want) int {
		return cmp.Or(cmp.Compare(a.key.Class, b.key.Class), cmp.Compare(a.key.Component, b.key.Component))
	})
	return out
}

func (w *works) missing(err error) error {
	for _, m := range w.wanted() {
		if m.required {
			return fmt.Errorf("class %s requires model %s: name a repository that holds it with --repo: %w", m.key.Class, m.name, cmp.Or(err, models.ErrNotFound))
		}
	}
	return nil
}

// produced is what the flow can feed a model of that class and component: nil
// when any feature may come, as from undeclared metrics.
func (w *works) produced(k models.Key) []models.Input {
	var out []models.Input
	seen := map[string]bool{}
	add := func(name, unit string) {
		if !seen[name] {
			seen[name] = true
			out = append(out, models.Input{Name: name, Unit: unit})
		}
	}
	for _, id := range w.ids {
		plate := w.plates[id]
		if w.classes.Of(plate.Kind).Kind != k.Class {
			continue
		}
		for _, m := range plate.Metrics {
			_, unit, _ := asset.Convert(0, m.Unit)
			add(m.Name+"/value", unit)
			add(m.Name+"/value_z", "1")
		}
		for _, s := range w.classes.Of(plate.Kind).Normal {
			if target, ok := s["target"].(string); ok {
				for _, suffix := range []string{"residual_z", "residual_z_24h"} {
					add(target+"/"+suffix, "1")
				}
			}
		}
		for _, f := range channelFields(w.classes.Of(plate.Kind), plate) {
			add(f.Key(), f.Unit)
			add(f.Key()+"_z", "1")
		}
	}
	return out
}

// channelFields lists the features of an asset's channels, by extracting them
// from a window of silence.
func channelFields(c class.Class, plate asset.Nameplate) []features.Field {
	extractor, err := newExtractor(c, plate, nil)
	if err != nil {
		return nil
	}
	var out []features.Field
	for _, ch := range plate.Channels {
		seconds := cmp.Or(c.Waveform.WindowS, 1)
		v, _, err := extractor.Extract(asset.Window{
			Asset: plate.ID, Channel: ch.Name, Component: ch.Component, Kind: ch.Kind, RateHz: ch.RateHz,
			Samples: make([]float32, int(seconds*ch.RateHz)), SpeedRpm: asset.Number(plate.SpeedRpm), LoadN: asset.Missing(), Quality: 100,
		}, false)
		if err == nil {
			out = append(out, v.Fields...)
		}
	}
	return out
}
