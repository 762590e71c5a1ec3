package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/class"
	"github.com/telltale-iot/telltale/features"
	"github.com/telltale-iot/telltale/models"
	"github.com/telltale-iot/telltale/models/onnx"
)

// inUse is the learned models of a run.
type inUse struct {
	live map[models.Key]*models.Live
}

// Close lets the models go after their last batch.
func (u inUse) Close() {
	for _, l := range u.live {
		l.Close() //nolint:errcheck,gosec // a model that cannot be closed is gone all the same
	}
}

// useModels opens the model of each component that a class names and the
// repository has in production, or that refs name instead. Without ONNX Runtime
// the flow goes on without a learned view, unless a class requires it.
func (w *works) useModels(ctx context.Context, repo *models.Repository, refs []string, library string, log *slog.Logger) (inUse, error) {
	u := inUse{live: map[models.Key]*models.Live{}}
	w.contracts = map[models.Key]models.Contract{}
	if repo == nil {
		if len(refs) > 0 {
			return u, fmt.Errorf("%w: --model %s needs --repo, the repository that holds it", errUsage, refs[0])
		}
		return u, w.missing(nil)
	}
	var bad []error
	for _, want := range w.wanted() {
		if err := w.use(ctx, &u, repo, refs, library, want, log); err != nil {
			bad = append(bad, err)
		}
	}
	if err := errors.Join(bad...); err != nil {
		u.Close()
		return inUse{}, err
	}
	if len(u.live) > 0 {
		w.scorer = models.NewScorer(u.live, models.Options{
			ClassOf:  func(id asset.ID) string { return w.classes.Of(w.plates[id].Kind).Kind },
			HorizonH: func(kind string) float64 { return w.classes.Of(kind).HorizonH },
			Report: func(k models.Key, err error) {
				log.Warn("model failed", "class", k.Class, "component", k.Component, "error", err)
			},
		})
	}
	return u, nil
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

// use puts one model in use.
func (w *works) use(ctx context.Context, u *inUse, repo *models.Repository, refs []string, library string, m want, log *slog.Logger) error {
	ref := m.name
	for _, r := range refs {
		if strings.HasPrefix(r, m.name+":") || !strings.Contains(r, ":") {
			ref = r
		}
	}
	if ref == m.name {
		stands, err := repo.Lineup(ctx, m.name)
		if err != nil {
			return fmt.Errorf("model %s: %w", ref, err)
		}
		if s, ok := stands.In(models.Production, m.key.Class, ""); ok {
			ref = s.Ref()
		}
	}
	v, file, err := repo.Get(ctx, ref)
	if errors.Is(err, models.ErrNotFound) && !m.required && ref == m.name {
		log.Info("no model in production", "model", m.name, "class", m.key.Class, "component", m.key.Component)
		return nil
	}
	if err != nil {
		return fmt.Errorf("model %s: %w", ref, err)
	}
	runner, err := onnx.OpenBytes(file, onnx.Options{Library: library, Produced: w.produced(m.key)})
	if errors.Is(err, models.ErrNoRuntime) && !m.required {
		log.Warn("no learned view", "model", ref, "error", err)
		return nil
	}
	if err != nil {
		return fmt.Errorf("model %s for %s/%s: %w", ref, m.key.Class, m.key.Component, err)
	}
	contract := runner.Contract()
	contract.Name = v.Ref()
	u.live[m.key] = models.NewLive(models.Model{Contract: contract, Runner: runner})
	w.contracts[m.key] = contract
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

func (w *works) modelDigests() []string {
	out := []string{}
	for _, c := range w.contracts {
		out = append(out, c.Name+"@"+c.Digest)
	}
	slices.Sort(out)
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
