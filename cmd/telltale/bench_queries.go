package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/features"
	"github.com/telltale-iot/telltale/pipeline"
	"github.com/telltale-iot/telltale/simulate"
	"github.com/telltale-iot/telltale/store"
)

const (
	historyEvery  = 10 * time.Minute // rows of a turbine
	historyFields = 10               // values of a row
	historyMonth  = 30 * 24 * time.Hour
)

// pastRows is so many rows of features, of 200 turbines every ten minutes.
type pastRows struct {
	begins time.Time
	steps  int
	fields []features.Field
}

func newPastRows(rows int) pastRows {
	h := pastRows{begins: time.Date(2025, 1, 6, 0, 0, 0, 0, time.UTC), steps: rows / benchTurbines}
	for i := range historyFields {
		h.fields = append(h.fields, features.Field{Channel: "gearbox", Name: "feature_" + strconv.Itoa(i), Unit: "m/s²"})
	}
	return h
}

func (h pastRows) time(step int) time.Time { return h.begins.Add(time.Duration(step) * historyEvery) }

// fill keeps the rows, twenty instants of every turbine at a time.
func (h pastRows) fill(ctx context.Context, db store.Store) error {
	at, err := db.Claim(ctx, 0)
	if err != nil {
		return err
	}
	for step := 0; step < h.steps; {
		fx := pipeline.Effects{Epoch: at.Epoch}
		for range min(20, h.steps-step) {
			for a := range benchTurbines {
				v := features.Vector{Channel: "gearbox", WindowS: 10, Start: h.time(step), Quality: 100, Fields: h.fields}
				for i := range h.fields {
					v.Values = append(v.Values, h.value(a, step, i))
				}
				fx.Frames = append(fx.Frames, pipeline.Frame{Asset: turbine(a), Time: h.time(step), Vectors: []features.Vector{v}})
			}
			step++
		}
		fx.Next, fx.Low, fx.Through = int64(step), int64(step), h.time(step-1)
		if err := db.Keep(ctx, fx); err != nil {
			return err
		}
	}
	return nil
}

func turbine(a int) asset.ID { return asset.ID(fmt.Sprintf("WTG-%03d", a)) }

// value is what the row of a step holds.
func (h pastRows) value(a, step, field int) float64 {
	return float64(a) + float64(step)/1000 + 1/float64(field+1)
}

// queries measures reading a value and a month of one among many rows, any turbine's and at
// any time. Each answer is held to what was kept.
func (b *benchmark) queries(ctx context.Context) error {
	h := newPastRows(b.rows)
	if span := h.time(h.steps).Sub(h.begins); span < 2*historyMonth {
		return fmt.Errorf("%w: --rows %d: want at least %d, two months of %d turbines", errUsage, b.rows, 2*int(historyMonth/historyEvery)*benchTurbines, benchTurbines)
	}
	return b.inEach(ctx, func(ctx context.Context, p place) error {
		return p.use(ctx, func(db store.Store) error { return b.ask(ctx, h, p, db) })
	})
}

func (b *benchmark) ask(ctx context.Context, h pastRows, at place, db store.Store) error {
	began := time.Now()
	if err := h.fill(ctx, db); err != nil {
		return err
	}
	filling := float64(h.steps*benchTurbines) / time.Since(began).Seconds()
	r := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // which are asked for
	month := int(historyMonth / historyEvery)
	lasts, err := h.times(ctx, db, r, func() (from, to int) { return h.steps - 6, h.steps - 1 }, 1)
	if err != nil {
		return err
	}
	points, err := h.times(ctx, db, r, func() (from, to int) { k := r.IntN(h.steps); return k, k }, 0)
	if err != nil {
		return err
	}
	months, err := h.times(ctx, db, r, func() (from, to int) { k := r.IntN(h.steps - month); return k, k + month - 1 }, 0)
	if err != nil {
		return err
	}
	name := fmt.Sprintf("%.0e rows of %d values, %s", float64(h.steps*benchTurbines), historyFields, at.name)
	return b.lists(ctx,
		list{"filling, " + name, "rows/s", "higher", []float64{filling}},
		list{"last value, p95, " + name, "ms", "lower", []float64{lasts}},
		list{"any value, p95, " + name, "ms", "lower", []float64{points}},
		list{"month of a feature, p95, " + name, "ms", "lower", []float64{months}})
}

// times is the p95 of two hundred questions, in ms. A limit asks for the newest rows alone.
func (h pastRows) times(ctx context.Context, db store.Store, r *rand.Rand, span func() (from, to int), limit int) (float64, error) {
	const questions = 200
	var took []float64
	for range questions {
		from, to := span()
		a, field := r.IntN(benchTurbines), r.IntN(historyFields)
		began := time.Now()
		got, err := db.Trend(ctx, turbine(a), []string{"gearbox/" + h.fields[field].Name}, h.time(from), h.time(to), limit)
		took = append(took, 1e3*time.Since(began).Seconds())
		if err != nil {
			return 0, err
		}
		want := to - from + 1
		if limit > 0 {
			want = limit
		}
		if len(got) != 1 || len(got[0].Points) != want {
			return 0, fmt.Errorf("%s from %s to %s: %d series, want 1 of %d points", turbine(a), h.time(from), h.time(to), len(got), want)
		}
		if last := got[0].Points[want-1]; float64(last.Value) != h.value(a, to, field) {
			return 0, fmt.Errorf("%s at %s is %g, kept was %g", turbine(a), last.Time, last.Value, h.value(a, to, field))
		}
	}
	slices.Sort(took)
	return took[questions*95/100], nil
}

// written measures what a turbine of the simulated farm leaves in the embedded store in a
// day, with points every ten minutes and waveforms four times a day, and what one does that
// is measured without a break.
func (b *benchmark) written(ctx context.Context) error {
	const turbines, days = 4, 2
	f, err := newFarmRun(simulate.Options{Turbines: turbines, Duration: days * 24 * time.Hour, WaveEvery: 6 * time.Hour})
	if err != nil {
		return err
	}
	file, t := b.file("written")(), &taken{}
	if err := f.run(ctx, file, nil, t.add); err != nil {
		return err
	}
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	s, err := newStream(benchTurbines, 15)
	if err != nil {
		return err
	}
	steady, path := &taken{}, b.file("steady")()
	db, err := openFile(ctx, path, nil)
	if err != nil {
		return err
	}
	if err := errors.Join(steady.of(ctx, s, db), db.Close()); err != nil {
		return err
	}
	large, err := os.Stat(path)
	if err != nil {
		return err
	}
	perDay := 86400 / float64(benchTurbines*s.seconds) / 1e6
	return b.lists(ctx,
		list{"state written, simulated farm", "MB/turbine-day", "lower", []float64{float64(t.state) / (turbines * days) / 1e6}},
		list{"store grown, simulated farm", "MB/turbine-day", "lower", []float64{float64(info.Size()) / (turbines * days) / 1e6}},
		list{"state written, without a break", "MB/turbine-day", "lower", []float64{float64(steady.state) * perDay}},
		list{"store grown, without a break", "MB/turbine-day", "lower", []float64{float64(large.Size()) * perDay}})
}
