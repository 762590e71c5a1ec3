package pipeline

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/telltale-iot/telltale/asset"
)

// Batch says when a micro-batch is complete: by count, by samples and by event
// time, never by the wall clock.
type Batch struct {
	Readings int           // default 256
	Samples  int           // default 4,194,304
	Span     time.Duration // of event time; default 10 min
	Eager    bool          // also when nothing more is waiting: for live sources, whose batches need no fixed borders
}

func (b Batch) withDefaults() Batch {
	if b.Readings == 0 {
		b.Readings = 256
	}
	if b.Samples == 0 {
		b.Samples = 4 << 20
	}
	if b.Span == 0 {
		b.Span = 10 * time.Minute
	}
	return b
}

// Flow runs a source through shards into a keeper.
type Flow struct {
	Source Source
	Keeper Keeper
	Shards []*Shard
	Batch  Batch
	// Kept is called after a batch is durable, by the goroutine of its shard; may be nil.
	Kept func(Effects)
}

// Run goes on until the source is exhausted, ctx ends or a stage cannot go on.
// When ctx ends, what has been read is committed first and Run returns nil.
func (f *Flow) Run(ctx context.Context) error {
	f.Batch = f.Batch.withDefaults()
	g, inner := errgroup.WithContext(context.WithoutCancel(ctx))
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	context.AfterFunc(inner, stop) // a shard that cannot go on ends the reading too
	queues := make([]chan Arrival, len(f.Shards))
	ended := new(int64) // position at the source's end; written before the queues close
	acks := NewAcks(f.Source, len(f.Shards))
	for i, s := range f.Shards {
		queues[i] = make(chan Arrival, f.Batch.Readings)
		g.Go(func() error { return f.drive(inner, s, queues[i], ended, acks, i) })
	}
	g.Go(func() error {
		defer func() {
			for _, q := range queues {
				close(q)
			}
		}()
		return f.read(ctx, inner, queues, ended, acks)
	})
	return g.Wait()
}

// read hands each reading to the shard of its asset; a full queue holds it up.
func (f *Flow) read(ctx, inner context.Context, queues []chan Arrival, ended *int64, acks *Acks) error {
	last := int64(-1)
	for {
		r, p, err := f.Source.Next(ctx)
		switch {
		case errors.Is(err, io.EOF):
			*ended = last
			return nil
		case ctx.Err() != nil:
			*ended = -1 // drained, not finished
			return nil  //nolint:nilerr // a source that was told to stop has not failed
		case err != nil:
			return fmt.Errorf("source: %w", err)
		}
		last = p.Offset
		i := ShardOf(r.Asset, len(queues))
		acks.Sent(i, p)
		select {
		case queues[i] <- Arrival{Reading: r, From: p.Offset - 1, Next: p.Offset}:
		case <-inner.Done():
			return inner.Err()
		}
	}
}

// drive is one shard's goroutine.
func (f *Flow) drive(ctx context.Context, s *Shard, queue <-chan Arrival, ended *int64, acks *Acks, i int) error {
	b := batcher{opt: f.Batch, queue: queue, begun: s.begun}
	for {
		batch, more := b.next(ctx)
		if len(batch) > 0 {
			fx, err := s.Step(ctx, batch)
			if err == nil {
				err = f.keep(ctx, fx, acks, i)
			}
			if err != nil {
				return fmt.Errorf("shard %d: %w", s.id, err)
			}
		}
		if more {
			continue
		}
		if ctx.Err() != nil || *ended < 0 {
			return ctx.Err()
		}
		// One beyond the last reading: what the end causes is not what its batch caused,
		// which a keeper has stored already when that batch was full.
		fx, err := s.Finish(ctx, *ended+1)
		if err == nil {
			err = f.keep(ctx, fx, acks, i)
		}
		return err
	}
}

func (f *Flow) keep(ctx context.Context, fx Effects, acks *Acks, i int) error {
	if err := f.Keeper.Keep(ctx, fx); err != nil {
		return err
	}
	if f.Kept != nil {
		f.Kept(fx)
	}
	acks.Kept(i, fx.Low, fx.Next)
	return nil
}

// ShardOf is the shard of an asset among n.
func ShardOf(id asset.ID, n int) int {
	h := fnv.New32a()
	_, _ = io.WriteString(h, string(id))
	return int(h.Sum32() % uint32(n))
}

// batcher cuts a queue into micro-batches.
type batcher struct {
	opt   Batch
	queue <-chan Arrival
	begun int64    // readings before it only rebuild: they ride along and do not count
	held  *Arrival // opened the next batch
}

// next blocks for a whole batch; more is false when the queue has ended.
func (b *batcher) next(ctx context.Context) (batch []Arrival, more bool) {
	fresh, samples, opened := 0, 0, time.Time{}
	take := func(a Arrival) (full bool) {
		if a.From < b.begun {
			batch = append(batch, a)
			return false
		}
		if fresh == 0 {
			opened = a.Reading.Time
		} else if a.Reading.Time.Sub(opened) >= b.opt.Span {
			b.held = &a
			return true
		}
		batch = append(batch, a)
		fresh++
		if a.Reading.Wave != nil {
			samples += a.Reading.Wave.Len()
		}
		return fresh >= b.opt.Readings || samples >= b.opt.Samples
	}
	if b.held != nil {
		a := *b.held
		b.held = nil
		if take(a) {
			return batch, true
		}
	}
	for {
		if b.opt.Eager && fresh > 0 && len(b.queue) == 0 {
			return batch, true
		}
		select {
		case a, ok := <-b.queue:
			if !ok {
				return batch, b.held != nil
			}
			if take(a) {
				return batch, true
			}
		case <-ctx.Done():
			return nil, false
		}
	}
}
