package main

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/dataset"
	"github.com/telltale-iot/telltale/pipeline"
)

// fewestEvents is how many labelled failures and faults a calibration needs. A verdict
// of an engineer is one too: a line of labels.csv.
const fewestEvents = 20

// blockRows is how many rows speak for one event, or for one asset's healthy time: a
// long fault is no more events than a short one.
const blockRows = 32

// calibrationRow is one verdict of which history says what became of it.
type calibrationRow struct {
	total  float64                 // log likelihood ratio of all views
	groups map[asset.Group]float64 // how far each moved it
}

// calibrationBlock is the verdicts of one event, or of a component's healthy time.
type calibrationBlock struct {
	asset   asset.ID
	failing bool
	rows    []calibrationRow
	every   int // one row in so many is kept
	seen    int
}

// mostBlockRows is how many rows a block keeps before it is thinned.
const mostBlockRows = 16 * blockRows

func (b *calibrationBlock) add(r calibrationRow) {
	b.every = max(b.every, 1)
	if b.seen++; (b.seen-1)%b.every != 0 {
		return
	}
	if b.rows = append(b.rows, r); len(b.rows) < mostBlockRows {
		return
	}
	for i := range mostBlockRows / 2 {
		b.rows[i] = b.rows[2*i]
	}
	b.rows, b.every = b.rows[:mostBlockRows/2], 2*b.every
}

// spread are the block's rows, blockRows of them, evenly taken.
func (b *calibrationBlock) spread() []calibrationRow {
	out := make([]calibrationRow, blockRows)
	for i := range out {
		out[i] = b.rows[i*len(b.rows)/blockRows]
	}
	return out
}

// blockKey names a block: its event is the label's index, −1 while healthy.
type blockKey struct {
	part
	event int
}

// calibrationKeeper takes the verdicts of a run in; what else it caused is dropped. The
// shards call it at once, but an asset's verdicts come in their order.
type calibrationKeeper struct {
	labels []dataset.Label
	mu     sync.Mutex
	blocks map[blockKey]*calibrationBlock
}

// Keep notes the verdicts.
func (k *calibrationKeeper) Keep(_ context.Context, fx pipeline.Effects) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, r := range fx.Risks {
		event, known := k.truth(r)
		if !known || !r.Risk.Known() {
			continue
		}
		at := blockKey{part{r.Asset, r.Component}, event}
		if k.blocks[at] == nil {
			k.blocks[at] = &calibrationBlock{asset: r.Asset, failing: event >= 0}
		}
		row := calibrationRow{groups: map[asset.Group]float64{}}
		for _, l := range r.LLR.Views() {
			if l.Known() {
				row.total += float64(l)
			}
		}
		for _, s := range r.Sources {
			if s.Weight != 0 {
				row.groups[s.Group] += float64(s.Weight)
			}
		}
		k.blocks[at].add(row)
	}
	return nil
}

// truth is the event that a verdict belongs to, −1 for none; known is false where
// history leaves it open.
func (k *calibrationKeeper) truth(r asset.Risk) (event int, known bool) {
	event = -1
	for i, l := range k.labels {
		if l.Asset != r.Asset {
			continue
		}
		known = true
		switch {
		case failsIn(l, r):
			return i, true
		case l.Kind == "fault" || l.Kind == "maintenance":
			if !r.Time.Before(l.Start.Add(-aroundFault)) && (l.End.IsZero() || !r.Time.After(l.End.Add(aroundFault))) {
				return -1, false
			}
		case l.Kind == "failure" && !l.End.IsZero() && r.Time.After(l.End) && r.Time.Sub(l.End) < aroundFault:
			return -1, false
		}
	}
	return event, known
}

// sorted are the blocks in a fixed order.
func (k *calibrationKeeper) sorted() []*calibrationBlock {
	keys := slices.SortedFunc(maps.Keys(k.blocks), func(a, b blockKey) int {
		return compare(time.Time{}, time.Time{}, a.asset, b.asset, a.component+string(rune(a.event+1)), b.component+string(rune(b.event+1)))
	})
	out := make([]*calibrationBlock, len(keys))
	for i, key := range keys {
		out[i] = k.blocks[key]
	}
	return out
}

// calibrate sends the history of one class through the flow again, each asset with
// what was learned without it, and returns what fits the verdicts to what became of
// them, with an asset left out or with none. The learned view is not asked: its models
// may have seen this history, and would look better than they are.
func (l *learning) calibrate(ctx context.Context, kind string, fleet []*historian) (func(without asset.ID) *calibrationLearn, error) {
	events := 0
	for _, r := range fleet {
		for _, label := range r.labels {
			if label.Kind == "failure" || label.Kind == "fault" {
				events++
			}
		}
	}
	if events < fewestEvents {
		c := calibrationLearn{Method: byHand, Events: events, Why: "too few events: at least 20 labelled failures or faults are needed"}
		return func(asset.ID) *calibrationLearn { return &c }, nil
	}
	known := &learned{sets: map[string]parameterSet{kind: l.set(kind, fleet, "")}}
	ours := map[asset.ID]bool{}
	for _, r := range fleet {
		ours[r.plate.ID] = true
		if len(r.labels) > 0 {
			known.sets[kind+"/"+string(r.plate.ID)] = l.set(kind, fleet, r.plate.ID)
		}
	}
	works := *l.works
	works.learned = known
	keeper := &calibrationKeeper{labels: l.labels, blocks: map[blockKey]*calibrationBlock{}}
	replay, err := l.source.Replay(l.span)
	if err != nil {
		return nil, err
	}
	defer replay.Close()
	var shards []*pipeline.Shard
	for i := range int32(backtestShards) {
		lines := works.plant()
		s, err := pipeline.NewShard(i, 0, 0, func(id asset.ID) (*pipeline.Line, bool) {
			if !ours[id] {
				return nil, false
			}
			return lines(id)
		}, nil, nil)
		if err != nil {
			return nil, err
		}
		shards = append(shards, s)
	}
	f := pipeline.Flow{Source: replay, Keeper: keeper, Shards: shards, Batch: pipeline.Batch{Span: 24 * time.Hour}, Kept: l.progress.kept}
	err = f.Run(ctx)
	l.progress.done()
	if err != nil {
		return nil, err
	}
	blocks := keeper.sorted()
	chosen := chooseCalibration(blocks)
	return func(without asset.ID) *calibrationLearn {
		if without == "" || chosen.Method == byHand {
			return &chosen
		}
		return refitCalibration(chosen, slices.DeleteFunc(slices.Clone(blocks), func(b *calibrationBlock) bool { return b.asset == without }))
	}, nil
}
