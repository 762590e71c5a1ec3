package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/class"
	"github.com/telltale-iot/telltale/pipeline"
	"github.com/telltale-iot/telltale/simulate"
)

// farmRun is the readings of a simulated farm, and what is known of it.
type farmRun struct {
	w        *works
	readings []asset.Reading
	samples  float64 // of waveforms
	points   float64
}

// newFarmRun simulates a farm; that is not part of what is measured.
func newFarmRun(opt simulate.Options) (*farmRun, error) {
	opt.Healthy, opt.Seed = true, 1
	farm, err := simulate.New(opt)
	if err != nil {
		return nil, err
	}
	classes, err := class.Shipped()
	if err != nil {
		return nil, err
	}
	f := &farmRun{w: newWorks(classes, farm.Nameplates())}
	if f.w.baselines, err = shippedBaselines(); err != nil {
		return nil, err
	}
	if err := f.w.check(); err != nil {
		return nil, err
	}
	for {
		r, ok := farm.Next()
		if !ok {
			return f, nil
		}
		if f.points += float64(len(r.Points)); r.Wave != nil {
			f.samples += float64(r.Wave.Len())
		}
		f.readings = append(f.readings, r)
	}
}

// listed is a source of readings that are in memory.
type listed struct {
	readings []asset.Reading
	next     int64
}

// Next returns the next reading.
func (l *listed) Next(context.Context) (asset.Reading, asset.Position, error) {
	if l.next == int64(len(l.readings)) {
		return asset.Reading{}, asset.Position{Offset: l.next}, io.EOF
	}
	l.next++
	return l.readings[l.next-1], asset.Position{Offset: l.next}, nil
}

// Ack does nothing: memory keeps its rows.
func (l *listed) Ack(asset.Position) {}

// run sends the readings through the flow into a new store at path. With half
// given, it calls that when the first half is committed, before the second.
func (f *farmRun) run(ctx context.Context, path string, half func(), kept func(pipeline.Effects)) error {
	db, err := openFile(ctx, path, f.w.order)
	if err != nil {
		return err
	}
	defer db.Close() //nolint:errcheck // nobody reads it again
	var shards []*pipeline.Shard
	for i := range int32(backtestShards) {
		at, err := db.Claim(ctx, i)
		if err != nil {
			return err
		}
		s, err := pipeline.NewShard(i, at.Epoch, at.Next, f.w.plant(), nil, func(id asset.ID) (map[string][]byte, error) { return db.Parts(ctx, id) })
		if err != nil {
			return err
		}
		shards = append(shards, s)
	}
	source := &listed{readings: f.readings}
	flow := pipeline.Flow{Source: source, Keeper: db, Shards: shards, Batch: pipeline.Batch{Span: 24 * time.Hour}, Kept: kept}
	if half != nil {
		source.readings = f.readings[:len(f.readings)/2]
		if err := flow.Run(ctx); err != nil {
			return err
		}
		source.readings = f.readings
		half()
	}
	return flow.Run(ctx)
}

// file names a new store.
func (b *benchmark) file(what string) func() string {
	n := 0
	return func() string {
		n++
		return filepath.Join(b.dir, fmt.Sprintf("%s-%d.db", what, n))
	}
}

// flow measures readings to committed risks, with telemetry alone and with
// waveforms beside it, and the carried state that is written for them.
func (b *benchmark) flow(ctx context.Context) error {
	for _, c := range []struct {
		name, unit string
		opt        simulate.Options
	}{
		{"telemetry", "points", simulate.Options{Turbines: 4, Duration: 24 * time.Hour, WaveEvery: -1}},
		{"waveforms", "samples", simulate.Options{Turbines: 2, Duration: 4 * time.Hour, WaveEvery: time.Hour}},
	} {
		f, err := newFarmRun(c.opt)
		if err != nil {
			return err
		}
		file := b.file("flow-" + c.name)
		err = b.rate(ctx, "flow", c.name, c.unit, func() (float64, error) {
			return f.points + f.samples, f.run(ctx, file(), nil, nil)
		})
		if err != nil {
			return err
		}
		m := measured{Stage: "flow", Case: c.name + " state", Unit: "bytes/asset-day", Better: "lower"}
		if err := b.report(ctx, m, 1, func() (float64, error) {
			n, err := f.state(ctx, file())
			return float64(n) / (float64(c.opt.Turbines) * c.opt.Duration.Hours() / 24), err
		}); err != nil {
			return err
		}
	}
	return nil
}

// state is how many bytes of carried state a run writes.
func (f *farmRun) state(ctx context.Context, path string) (int64, error) {
	var n atomic.Int64
	err := f.run(ctx, path, nil, func(fx pipeline.Effects) {
		for _, part := range fx.State {
			n.Add(int64(len(part)))
		}
	})
	return n.Load(), err
}

// store measures keeping the effects of a flow: rows of features and verdicts.
func (b *benchmark) store(ctx context.Context) error {
	f, err := newFarmRun(simulate.Options{Turbines: 4, Duration: 24 * time.Hour, WaveEvery: 6 * time.Hour})
	if err != nil {
		return err
	}
	var mu sync.Mutex
	var effects []pipeline.Effects
	if err := f.run(ctx, b.file("effects")(), nil, func(fx pipeline.Effects) {
		mu.Lock()
		defer mu.Unlock()
		effects = append(effects, fx)
	}); err != nil {
		return err
	}
	file := b.file("store")
	err = b.rate(ctx, "store", "keep", "rows", func() (float64, error) {
		db, err := openFile(ctx, file(), f.w.order)
		if err != nil {
			return 0, err
		}
		defer db.Close() //nolint:errcheck // nobody reads it again
		epochs := map[int32]int64{}
		rows := 0
		for _, fx := range effects {
			if _, ok := epochs[fx.Shard]; !ok {
				at, err := db.Claim(ctx, fx.Shard)
				if err != nil {
					return 0, err
				}
				epochs[fx.Shard] = at.Epoch
			}
			fx.Epoch = epochs[fx.Shard]
			if err := db.Keep(ctx, fx); err != nil {
				return 0, err
			}
			rows += len(fx.Frames) + len(fx.Risks)
		}
		return float64(rows), nil
	})
	if err != nil {
		return err
	}
	return b.featureRows(ctx)
}

// scale measures whether a sample costs more when there are more assets: as many
// records and telemetry instants, spread over more of them. The first half makes
// the lines, plans and buffers of every asset; the second is measured.
func (b *benchmark) scale(ctx context.Context) error {
	if err := b.parks(ctx); err != nil {
		return err
	}
	for _, assets := range []int{10, 200} {
		records := 400 / assets
		f, err := newFarmRun(simulate.Options{
			Turbines: assets, Duration: time.Duration(records) * 10 * time.Minute, WaveEvery: 10 * time.Minute, WaveSeconds: 0.5,
		})
		if err != nil {
			return err
		}
		file := b.file(fmt.Sprintf("scale-%d", assets))
		m := measured{Stage: "scale", Case: fmt.Sprintf("stored assets=%d", assets), Unit: "cpu-ns/sample", Better: "lower"}
		err = b.report(ctx, m, min(b.runs, 2), func() (float64, error) {
			var began float64
			err := f.run(ctx, file(), func() { began = cpuSeconds() }, nil)
			return 1e9 * (cpuSeconds() - began) / ((f.points + f.samples) / 2), err
		})
		if err != nil {
			return err
		}
	}
	return nil
}
