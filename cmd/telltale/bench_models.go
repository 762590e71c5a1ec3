package main

import (
	"context"
	"embed"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/features"
	"github.com/telltale-iot/telltale/models"
	"github.com/telltale-iot/telltale/models/onnx"
)

// benchModels are two LSTM forecasters of 64 steps of 16 features with 64 hidden
// units; models/bench/make.py makes them.
//
//go:embed bench/*.onnx
var benchModels embed.FS

// What the load on models is: each asset has one sequence a second.
const (
	loadAssets  = 2000
	loadShards  = 2
	loadSwaps   = 200
	loadSeconds = 5.0
)

// models measures the learned view: what a version costs alone, what the whole way
// through the scorer costs, and a farm's load without and with swaps.
func (b *benchmark) models(ctx context.Context) error {
	if _, _, err := onnx.Library(b.onnx); err != nil {
		fmt.Fprintln(b.stderr, "models: left out:", err)
		return nil
	}
	l, err := newModelLoad(b.onnx)
	if err != nil {
		return err
	}
	defer l.live.Close() //nolint:errcheck // releases memory only
	for _, rows := range []int{1, 16, 64, 256} {
		if err := b.scoring(ctx, l, rows); err != nil {
			return err
		}
	}
	if err := b.steady(ctx, l); err != nil {
		return err
	}
	return b.swapping(ctx, l)
}

// scoring is closed loop: the runner alone, then the scorer with all that it does.
func (b *benchmark) scoring(ctx context.Context, l *modelLoad, rows int) error {
	m, err := l.open("1")
	if err != nil {
		return err
	}
	alone := models.NewLive() // no other shard to wait for
	if err := alone.Set([]models.Placement{benched("1")}, func(models.Placement) (models.Model, error) { return m, nil }); err != nil {
		return err
	}
	defer alone.Close() //nolint:errcheck // releases memory only
	scorer := models.NewScorer(map[models.Key]*models.Live{{}: alone}, models.Options{})
	in := make([]models.Row, rows)
	for i := range in {
		in[i].Values = l.batch[i].Values
	}
	calls := max(256/rows, 1)
	times := func(name string, call func() error) error {
		return b.rate(ctx, "models", fmt.Sprintf("lstm64 %s, batch %d", name, rows), "sequences", func() (float64, error) {
			for range calls {
				if err := call(); err != nil {
					return 0, err
				}
			}
			return float64(calls * rows), nil
		})
	}
	if err := times("runner", func() error { _, err := m.Runner.Run(ctx, in); return err }); err != nil {
		return err
	}
	return times("scorer", func() error { _, err := scorer.Score(ctx, l.batch[:rows]); return err })
}

// steady is the farm's load on one line-up.
func (b *benchmark) steady(ctx context.Context, l *modelLoad) error {
	var late, cores []float64
	for range max(b.runs/2, 1) {
		t, err := l.run(ctx, time.Duration(loadSeconds*float64(time.Second)), 0)
		if err != nil {
			return err
		}
		late, cores = append(late, t.p99()), append(cores, t.cores)
	}
	if err := b.values(ctx, measured{Case: "2000 assets, 1 sequence/s each: load", Unit: "cores", Better: "lower"}, cores...); err != nil {
		return err
	}
	return b.values(ctx, measured{Case: "2000 assets, 1 sequence/s each: p99 latency", Unit: "ms", Better: "lower"}, late...)
}

// values reports what was measured already.
func (b *benchmark) values(ctx context.Context, m measured, values ...float64) error {
	m.Stage = "models"
	at := -1
	return b.report(ctx, m, len(values), func() (float64, error) { at++; return values[at], nil })
}

// swapping is the same load while the version in production changes all the time:
// every swap opens a file, proves it and frees the one before.
func (b *benchmark) swapping(ctx context.Context, l *modelLoad) error {
	if _, err := l.run(ctx, 2*time.Second, 20); err != nil { // pools and arenas have their size
		return err
	}
	before := resident()
	t, err := l.run(ctx, 40*time.Second, loadSwaps)
	if err != nil {
		return err
	}
	grown := resident() - before
	for _, m := range []struct {
		name, unit string
		value      float64
	}{
		{"swaps", "swaps", float64(t.swaps)},
		{"sequences lost", "sequences", float64(t.lost)},
		{"sequences scored twice", "sequences", float64(t.twice)},
		{"scores that mix versions", "sequences", float64(t.mixed)},
		{"least throughput of a second", "share", t.least()},
		{"p99 latency", "ms", t.p99()},
		{"memory growth", "MB", grown},
	} {
		better := "lower"
		if m.name == "swaps" || m.unit == "share" {
			better = "higher"
		}
		if err := b.values(ctx, measured{Case: "200 swaps under that load: " + m.name, Unit: m.unit, Better: better}, m.value); err != nil {
			return err
		}
	}
	return nil
}

// modelLoad is a farm's sequences, a line-up, and what each version answers to each
// sequence when it is alone.
type modelLoad struct {
	library string
	live    *models.Live
	scorer  *models.Scorer
	batch   []features.Sequence
	alone   map[string][]float64 // by digest: the score of each sequence
	opened  atomic.Int64
}

func newModelLoad(library string) (*modelLoad, error) {
	l := &modelLoad{library: library, live: models.NewLive(), alone: map[string][]float64{}}
	l.live.Gather(loadShards, gatherFor)
	l.scorer = models.NewScorer(map[models.Key]*models.Live{{}: l.live}, models.Options{})
	m, err := l.open("1")
	if err != nil {
		return nil, err
	}
	reads := m.Contract.Reads("bench")
	if err := m.Runner.Close(); err != nil {
		return nil, err
	}
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range loadAssets {
		q := features.Sequence{
			Asset: asset.ID("wt" + strconv.Itoa(i)), Component: "bench", Reads: reads.Key(), Steps: reads.Steps, Width: len(reads.Inputs),
			Values: make([]float32, reads.Steps*len(reads.Inputs)),
		}
		for k := range q.Values {
			q.Values[k] = float32(rng.NormFloat64())
		}
		l.batch = append(l.batch, q)
	}
	for _, version := range []string{"2", "1"} {
		if err := l.place(version); err != nil {
			return nil, err
		}
		got, err := l.scorer.Score(context.Background(), l.batch)
		if err != nil {
			return nil, err
		}
		for _, a := range got {
			l.alone[a.Digest] = append(l.alone[a.Digest], float64(a.Score))
		}
	}
	return l, nil
}

// open reads a version's file and proves it, as an activation does.
func (l *modelLoad) open(version string) (models.Model, error) {
	file, err := benchModels.ReadFile("bench/lstm64-" + version + ".onnx")
	if err != nil {
		return models.Model{}, err
	}
	r, err := onnx.OpenBytes(file, onnx.Options{Library: l.library})
	if err != nil {
		return models.Model{}, err
	}
	l.opened.Add(1)
	return models.Model{Contract: r.Contract(), Runner: r}, nil
}

func benched(version string) models.Placement {
	return models.Placement{Staged: models.Staged{Name: "bench-lstm64", Version: version, Digest: version, Place: models.Place{Stage: models.Production}}}
}

// place puts a version in production.
func (l *modelLoad) place(version string) error {
	return l.live.Set([]models.Placement{benched(version)},
		func(models.Placement) (models.Model, error) { return l.open(version) })
}

// modelTally is what a run of the load saw.
type modelTally struct {
	cores                     float64
	late                      []float64 // ms, of each sequence
	seconds                   []int     // answers in each second
	swaps, lost, twice, mixed int
}

func (t *modelTally) p99() float64 {
	slices.Sort(t.late)
	return t.late[len(t.late)*99/100]
}

// least is the share of its sequences that the worst whole second answered.
func (t *modelTally) least() float64 {
	return float64(slices.Min(t.seconds[:len(t.seconds)-1])) / loadAssets
}

// run offers each asset's sequence once a second for a time, spread evenly, to as
// many shards as a service has; swaps of them change the version meanwhile.
func (l *modelLoad) run(ctx context.Context, lasts time.Duration, swaps int) (*modelTally, error) {
	began, cpu := time.Now(), cpuSeconds()
	tallies := make([]modelTally, loadShards)
	g, ctx := errgroup.WithContext(ctx)
	for i := range tallies {
		g.Go(func() error { return l.shard(ctx, i, began, lasts, &tallies[i]) })
	}
	g.Go(func() error {
		for k := range swaps {
			if err := l.place(strconv.Itoa(1 + (k+1)%2)); err != nil {
				return err
			}
			if err := wait(ctx, time.Until(began.Add(lasts*time.Duration(k+1)/time.Duration(swaps)))); err != nil {
				return err
			}
		}
		return nil
	})
	if err := g.Wait(); err != nil {
		return nil, err
	}
	sum := modelTally{swaps: swaps, cores: (cpuSeconds() - cpu) / time.Since(began).Seconds(), seconds: make([]int, int(lasts.Seconds())+1)}
	for _, t := range tallies {
		sum.late = append(sum.late, t.late...)
		sum.lost, sum.twice, sum.mixed = sum.lost+t.lost, sum.twice+t.twice, sum.mixed+t.mixed
		for s, n := range t.seconds {
			sum.seconds[min(s, len(sum.seconds)-1)] += n
		}
	}
	return &sum, nil
}

// shard scores what is due for every second asset, as soon as it is due.
func (l *modelLoad) shard(ctx context.Context, i int, began time.Time, lasts time.Duration, t *modelTally) error {
	t.seconds = make([]int, int(lasts.Seconds())+2)
	due := func(n int) time.Time {
		return began.Add(time.Duration(n) * time.Second / (loadAssets / loadShards))
	}
	for done, all := 0, int(lasts.Seconds()*loadAssets/loadShards); done < all; {
		if err := wait(ctx, time.Until(due(done))); err != nil {
			return err
		}
		var batch []features.Sequence
		var which []int
		for n := done; n < all && len(batch) < 256 && !due(n).After(time.Now()); n++ {
			at := n%(loadAssets/loadShards)*loadShards + i
			batch, which = append(batch, l.batch[at]), append(which, at)
		}
		got, err := l.scorer.Score(ctx, batch)
		if err != nil {
			return err
		}
		now := time.Now()
		for k, a := range got {
			t.late = append(t.late, now.Sub(due(done+k)).Seconds()*1e3)
			l.hold(a, which[k], t)
		}
		t.seconds[min(int(now.Sub(began).Seconds()), len(t.seconds)-1)] += len(got)
		done += len(batch)
	}
	return nil
}

// hold compares an answer with what its version says to that sequence alone.
func (l *modelLoad) hold(a features.Answer, which int, t *modelTally) {
	serves := 0
	for _, s := range a.Scores {
		if s.Serves {
			serves++
		}
		if s.Digest != a.Digest {
			t.mixed++
		}
	}
	switch alone := l.alone[a.Digest]; {
	case a.Reason != "" || serves == 0 || math.IsNaN(float64(a.Score)):
		t.lost++
	case serves > 1:
		t.twice++
	case alone == nil || alone[which] != float64(a.Score):
		t.mixed++
	}
}
