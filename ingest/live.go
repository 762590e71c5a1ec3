package ingest

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

// Live is a source of what goroutines hear from devices that keep nothing to be read
// again: what was heard and not committed is lost with the process, so Ack has no effect.
// Next is used by one goroutine.
type Live struct {
	queue  chan asset.Reading
	offset int64
	ctx    context.Context //nolint:containedctx // the life of its goroutines, ended by Close
	stop   context.CancelFunc
	heard  sync.WaitGroup
}

// NewLive counts offsets on from base: what the store has committed in earlier lives.
// When its queue is full those who deliver wait.
func NewLive(ctx context.Context, base int64, queue int) *Live {
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	return &Live{queue: make(chan asset.Reading, queue), offset: base, ctx: ctx, stop: stop}
}

// Go runs f until it returns; its context ends with Close.
func (l *Live) Go(f func(ctx context.Context)) { l.heard.Go(func() { f(l.ctx) }) }

// Deliver waits for room and reports whether there was some before Close.
func (l *Live) Deliver(r asset.Reading) bool {
	select {
	case l.queue <- r:
		return true
	case <-l.ctx.Done():
		return false
	}
}

// Next waits for the next reading of any device.
func (l *Live) Next(ctx context.Context) (asset.Reading, asset.Position, error) {
	select {
	case r := <-l.queue:
		l.offset++
		return r, asset.Position{Offset: l.offset}, nil
	case <-ctx.Done():
		return asset.Reading{}, asset.Position{}, ctx.Err()
	}
}

// Ack has no effect.
func (*Live) Ack(asset.Position) {}

// Queued counts the readings heard and not taken. It is safe for concurrent use.
func (l *Live) Queued() int { return len(l.queue) }

// Close ends the goroutines and waits for them.
func (l *Live) Close() {
	l.stop()
	l.heard.Wait()
}

// Backoff is how long to wait between attempts: from First, doubled up to Last, each
// shortened by a random part, so that many who lost one peer do not come back together.
type Backoff struct {
	First, Last time.Duration
	next        time.Duration
}

// Reset begins with First again.
func (b *Backoff) Reset() { b.next = 0 }

// Wait waits for the next attempt and reports whether ctx outlived it.
func (b *Backoff) Wait(ctx context.Context) bool {
	b.next = min(max(2*b.next, b.First), b.Last)
	return Sleep(ctx, b.next-rand.N(b.next/2)) //nolint:gosec // spreads attempts, guards nothing
}

// Sleep reports whether ctx outlived d.
func Sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
