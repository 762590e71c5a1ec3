package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/features"
	"github.com/telltale-iot/telltale/pipeline"
	"github.com/telltale-iot/telltale/store"
	"github.com/telltale-iot/telltale/store/postgres"
)

// place is a store to be measured.
type place struct {
	name string
	use  func(ctx context.Context, f func(store.Store) error) error // an empty one
}

// places are the embedded store and, where --postgres names a server, PostgreSQL.
func (b *benchmark) places() ([]place, error) {
	file := b.file("pipeline")
	all := []place{{"embedded", func(ctx context.Context, f func(store.Store) error) error {
		db, err := openFile(ctx, file(), nil)
		if err != nil {
			return err
		}
		defer db.Close() //nolint:errcheck // nobody reads it again
		return f(db)
	}}}
	if b.postgres == "" {
		fmt.Fprintln(b.stderr, "skipped: PostgreSQL: no server named by --postgres")
		return all, nil
	}
	if err := storeURL(b.postgres); err != nil {
		return nil, fmt.Errorf("%w: --postgres: %w", errUsage, err)
	}
	return append(all, place{"PostgreSQL", func(ctx context.Context, f func(store.Store) error) error {
		return postgres.Scratch(ctx, b.postgres, "telltale_bench_"+strconv.Itoa(os.Getpid()), func(db *postgres.Store) error { return f(db) })
	}}), nil
}

// pipeline measures what a plant is sized by.
func (b *benchmark) pipeline(ctx context.Context) error {
	if err := b.inEach(ctx, b.whole, b.assets, b.overload); err != nil {
		return err
	}
	return b.written(ctx)
}

// inEach runs each part in every store.
func (b *benchmark) inEach(ctx context.Context, parts ...func(context.Context, place) error) error {
	places, err := b.places()
	if err != nil {
		return err
	}
	for _, part := range parts {
		for _, p := range places {
			if err := part(ctx, p); err != nil {
				return fmt.Errorf("%s: %w", p.name, err)
			}
		}
	}
	return nil
}

// whole measures decoded waveforms to committed risks beside the features of the same
// windows alone, in turn. What learning costs is left out.
func (b *benchmark) whole(ctx context.Context, at place) error {
	s, err := newStream(benchTurbines, streamLearns+8)
	if err != nil {
		return err
	}
	alone, err := newFeatureStage(s)
	if err != nil {
		return err
	}
	var flow, stage, share []float64
	for range b.runs {
		f, err := alone.rate(s)
		if err != nil {
			return err
		}
		t := &taken{from: int64((streamLearns + 2) * s.perSecond() * benchRate)}
		if err := at.use(ctx, func(db store.Store) error { return t.of(ctx, s, db) }); err != nil {
			return err
		}
		flow, stage, share = append(flow, t.perCPU), append(stage, f), append(share, t.perCPU/f)
	}
	return b.lists(ctx,
		list{"features alone, " + at.name, "samples/cpu-s", "higher", stage},
		list{"waveforms to risks, " + at.name, "samples/cpu-s", "higher", flow},
		list{"waveforms to risks beside features, " + at.name, "share", "higher", share})
}

// of sends the stream into a store and holds it to have judged every turbine.
func (t *taken) of(ctx context.Context, s *stream, db store.Store) error {
	if err := s.through(ctx, db, t.add); err != nil {
		return err
	}
	t.perCPU = t.rate()
	if n := t.readings(); n != int64(s.length()) {
		return fmt.Errorf("%d readings were committed of %d: %v", n, s.length(), t.counts)
	}
	if want := len(s.works.ids) * (s.seconds - streamLearns - 1); t.risks < want {
		return fmt.Errorf("%d risks were committed, want %d: %v", t.risks, want, t.counts)
	}
	return nil
}

// featureStage is the feature stage alone, as a shard runs it.
type featureStage struct {
	of map[asset.ID]*features.WaveExtractor
}

func newFeatureStage(s *stream) (*featureStage, error) {
	space := features.NewWorkspace()
	e := &featureStage{of: map[asset.ID]*features.WaveExtractor{}}
	for _, id := range s.works.ids {
		p := s.works.plates[id]
		one, err := newExtractor(s.works.classes.Of(p.Kind), p, space)
		if err != nil {
			return nil, err
		}
		e.of[id] = one
	}
	return e, nil
}

// rate extracts seconds of the stream.
func (e *featureStage) rate(s *stream) (float64, error) {
	began, samples := cpuSeconds(), 0
	for i := range 4 * s.perSecond() {
		r := s.at(i)
		w := asset.Window{
			Asset: r.Asset, Channel: r.Wave.Channel, Component: "bearing", Kind: "acceleration", RateHz: benchRate, Unit: r.Wave.Unit,
			Counts: r.Wave.Counts, Scale: r.Wave.Scale, SpeedRpm: 1800, LoadN: asset.Missing(), Quality: 100, Start: r.Wave.Start, End: r.Time,
		}
		if _, _, err := e.of[r.Asset].Extract(w, false); err != nil {
			return 0, err
		}
		samples += r.Wave.Len()
	}
	return float64(samples) / (cpuSeconds() - began), nil
}

// assets measures whether a sample costs more when there are more turbines.
func (b *benchmark) assets(ctx context.Context, at place) error {
	for _, n := range []int{10, 200, 2000} {
		seconds := streamLearns + 2 + max(1, 400/n)
		s, err := newStream(n, seconds)
		if err != nil {
			return err
		}
		m := measured{Stage: "pipeline", Case: fmt.Sprintf("assets=%d, %s", n, at.name), Unit: "cpu-ns/sample", Better: "lower"}
		err = b.report(ctx, m, min(b.runs, 3), func() (float64, error) {
			t := &taken{from: int64((streamLearns + 2) * s.perSecond() * benchRate)}
			err := at.use(ctx, func(db store.Store) error { return t.of(ctx, s, db) })
			return 1e9 / t.perCPU, err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// list is the values of a case that were measured in turn with others.
type list struct {
	name, unit, better string
	values             []float64
}

func (b *benchmark) lists(ctx context.Context, all ...list) error {
	for _, l := range all {
		next := 0
		m := measured{Stage: "pipeline", Case: l.name, Unit: l.unit, Better: l.better}
		if err := b.report(ctx, m, len(l.values), func() (float64, error) { next++; return l.values[next-1], nil }); err != nil {
			return err
		}
	}
	return nil
}

// overload lets a source that is at least ten times faster than the flow bring as much as
// is taken, and holds the flow to keep memory where it was and to count every reading.
func (b *benchmark) overload(ctx context.Context, at place) error {
	s, err := newStream(benchTurbines, 20)
	if err != nil {
		return err
	}
	s.own = true
	began := time.Now()
	for range s.length() {
		if _, _, err := s.Next(ctx); err != nil {
			return err
		}
	}
	offered := float64(s.length()) / time.Since(began).Seconds()
	heap, t := &heapWatch{}, &taken{}
	s.took = func() {
		if s.next%200 == 0 {
			heap.look()
		}
	}
	began = time.Now()
	if err := at.use(ctx, func(db store.Store) error { return t.of(ctx, s, db) }); err != nil {
		return err
	}
	times := offered / (float64(s.length()) / time.Since(began).Seconds())
	if times < 10 {
		return fmt.Errorf("the source is %.1f times as fast as the flow: want 10 for an overload", times)
	}
	early, most := slices.Max(heap.live[:len(heap.live)/3]), slices.Max(heap.live)
	if most > early+64e6 {
		return fmt.Errorf("memory grows under overload: %.0f MB, in the first third %.0f MB", most/1e6, early/1e6)
	}
	shed := float64(s.length()) - float64(t.readings())
	return b.lists(ctx,
		list{"overload, source to flow, " + at.name, "times", "higher", []float64{times}},
		list{"overload, heap in the first third, " + at.name, "MB", "lower", []float64{early / 1e6}},
		list{"overload, heap at most, " + at.name, "MB", "lower", []float64{most / 1e6}},
		list{"overload, readings lost, " + at.name, "readings", "lower", []float64{shed}})
}

var _ pipeline.Source = (*stream)(nil)
