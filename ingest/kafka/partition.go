package kafka

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/telltale-iot/telltale/ingest"
)

// partition is read by one goroutine for the time of one generation. The source's mutex
// guards what says so.
type partition struct {
	place
	s     *Source
	gen   *generation
	in    *inflater
	queue chan item
	among int   // of a Member: partitions of the topic; 0: an asset may be in any
	next  int64 // offset to be read
	doubt int64 // offset of a batch that came damaged, once
	void  map[int64]bool
	ends  []aborted // of the answer under way: transactions that come to nothing

	acked     int64 // offset after the last message that is durable; guarded, as the rest
	committed int64
	read      int64 // next, for others
	end       int64
	holes     int64
}

const (
	fetchWait     = 500 * time.Millisecond
	fetchBytes    = 1 << 20
	answerTimeout = 10 * time.Second // after which a connection counts as dead
	cutGrace      = 3                // times Stall, for a log to come back as far as it was
)

// errGone is data that is not there any more, or another log in its place. A person decides
// how to go on.
var errGone = errors.New("stopped")

func newPartition(s *Source, g *generation, at place, committed int64) *partition {
	p := &partition{place: at, s: s, gen: g, queue: s.queue, next: committed, committed: committed, read: committed, doubt: -1}
	p.in = &inflater{limit: s.opt.MaxBytes}
	return p
}

func (p *partition) over() bool { return p.gen.over() }

// run reads until ctx ends. What goes wrong is tried again; where data is gone it stops.
func (p *partition) run(ctx context.Context) {
	defer p.in.close()
	if !p.insist(ctx, p.begin) {
		return
	}
	p.insist(ctx, p.follow)
}

// insist does something until it succeeds or data turns out to be gone.
func (p *partition) insist(ctx context.Context, do func(context.Context) error) bool {
	wait := ingest.Backoff{First: 100 * time.Millisecond, Last: 2 * time.Second}
	begun := time.Now()
	for failures := 1; ; failures++ {
		err := do(ctx)
		switch {
		case ctx.Err() != nil:
			return false
		case err == nil:
			p.s.trouble(p.String(), nil)
			return true
		case errors.Is(err, errGone):
			p.gone(ctx, err)
			return false
		}
		if time.Since(begun) > time.Minute {
			failures = 1
			wait.Reset()
		}
		if begun = time.Now(); failures > 1 { // one failure is a leader that changed, or an idle connection that was closed
			p.s.trouble(p.String(), err)
		}
		if !wait.Wait(ctx) {
			return false
		}
	}
}

// begin finds out where to read from. A group that was never here commits it at once, so
// that it is no new one when retention has passed before its first message.
func (p *partition) begin(ctx context.Context) error {
	first, last, err := p.bounds(ctx)
	if err != nil {
		return err
	}
	switch p.next {
	case kafka.FirstOffset:
		p.next = first
	case kafka.LastOffset:
		p.next = last
	default:
		return p.inside(ctx, first, last)
	}
	p.s.mu.Lock()
	p.acked, p.committed, p.read = p.next, -1, p.next
	p.s.mu.Unlock()
	select {
	case p.gen.first <- struct{}{}:
	default:
	}
	return nil
}

// bounds are the offsets of the first message that is kept and after the last one.
func (p *partition) bounds(ctx context.Context) (first, last int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	r, err := p.s.connection().ListOffsets(ctx, &kafka.ListOffsetsRequest{
		Topics: map[string][]kafka.OffsetRequest{p.topic: {kafka.FirstOffsetOf(p.partition), kafka.LastOffsetOf(p.partition)}},
	})
	if err != nil {
		return 0, 0, err
	}
	for _, o := range r.Topics[p.topic] {
		switch {
		case o.Partition != p.partition:
		case o.Error != nil:
			return 0, 0, o.Error
		case o.FirstOffset >= 0 && o.LastOffset >= 0:
			return o.FirstOffset, o.LastOffset, nil
		}
	}
	return 0, 0, fmt.Errorf("the broker does not say where %s begins and ends", p.place)
}

// inside holds the offset to what the log has. A log that ends before it may be behind after
// a restart of the broker; it is given time.
func (p *partition) inside(ctx context.Context, first, last int64) error {
	since := time.Now()
	for p.next > last {
		if time.Since(since) > cutGrace*p.s.opt.Stall {
			return fmt.Errorf("the log ends at %d, %d messages before the one to be read: the topic was made anew, or a broker lost its end: %w", last, p.next-last, errGone)
		}
		p.s.trouble(p.String(), fmt.Errorf("the log ends at %d, to be read is %d", last, p.next))
		if !ingest.Sleep(ctx, p.s.opt.Stall/10) {
			return ctx.Err()
		}
		var err error
		if first, last, err = p.bounds(ctx); err != nil {
			return err
		}
	}
	if p.next < first {
		return fmt.Errorf("%d messages are gone, the log begins at %d, to be read was %d: %w", first-p.next, first, p.next, errGone)
	}
	p.s.trouble(p.String(), nil)
	return nil
}

// gone says that data is lost, to all who may wonder why there is none, and waits for the
// end of the generation.
func (p *partition) gone(ctx context.Context, why error) {
	if p.s.follow == nil {
		p.s.trouble(p.String(), fmt.Errorf("%w: reset the offsets of the group to go on without it", why))
		p.gap(ctx, why)
	} else {
		p.s.trouble(p.String(), fmt.Errorf("%w: telltale store positions shows where it stands, and moves it", why))
	}
	<-ctx.Done()
}

// gap records for the assets that were heard here that something is missing.
func (p *partition) gap(ctx context.Context, why error) {
	now := time.Now()
	for id, last := range p.s.lastHeard(p.place) {
		if !p.deliver(ctx, item{from: p, reading: ingest.Gap(id, last, now, p.s.meter.Name()+" "+p.String(), why), next: -1}) {
			return
		}
	}
}

// follow fetches until something is wrong.
func (p *partition) follow(ctx context.Context) error {
	moved := time.Now()
	for ctx.Err() == nil {
		a, err := p.fetch(ctx)
		if err != nil {
			return err
		}
		before := p.next
		if err := p.take(ctx, a); err != nil {
			return err
		}
		p.s.mu.Lock()
		p.read, p.end = p.next, a.stable
		p.s.mu.Unlock()
		if a.throttle > 0 && !ingest.Sleep(ctx, min(a.throttle, answerTimeout)) { // a quota
			return ctx.Err()
		}
		switch {
		case p.next > before || a.stable <= p.next:
			moved = time.Now()
			p.s.trouble(p.String(), nil)
		case time.Since(moved) > p.s.opt.Stall:
			if err := p.s.renew(); err != nil {
				return err
			}
			return fmt.Errorf("nothing is delivered from %d on, the log goes to %d: the connections are made anew", p.next, a.stable)
		}
	}
	return ctx.Err()
}

func (p *partition) fetch(ctx context.Context) (*fetched, error) {
	answer, cancel := context.WithTimeout(ctx, fetchWait+answerTimeout)
	defer cancel()
	client := p.s.connection()
	m, err := client.Transport.RoundTrip(answer, client.Addr, &fetch{
		client: p.s.opt.clientID(), topic: p.topic, partition: int32(p.partition), offset: p.next, //nolint:gosec // Kafka's own
		wait: fetchWait, maxBytes: fetchBytes, limit: max(p.s.opt.MaxBytes+batchHeader, fetchBytes),
	})
	if err != nil {
		return nil, err
	}
	a, ok := m.(*fetched)
	switch {
	case !ok:
		return nil, fmt.Errorf("answer to a fetch is %T", m)
	case a.code == 0:
		return a, nil
	case errors.Is(a.code, kafka.OffsetOutOfRange):
		first, last, err := p.bounds(ctx)
		if err != nil {
			return nil, err
		}
		return &fetched{stable: p.next}, p.inside(ctx, first, last)
	}
	return nil, a.code
}

// take reads the batches of an answer.
func (p *partition) take(ctx context.Context, a *fetched) error {
	p.ends, p.void = a.aborted, map[int64]bool{}
	rest := a.records
	for read := 0; len(rest) > 0 && ctx.Err() == nil; read++ {
		var b batch
		var ok bool
		if b, rest, ok = cut(rest); !ok {
			if read == 0 {
				return io.ErrUnexpectedEOF
			}
			return nil
		}
		if b.last < p.next {
			continue
		}
		if !b.whole() && read > 0 {
			return nil // it comes as the first one of the next answer
		}
		if b.first > p.next {
			p.hole(ctx, p.next, b.first-p.next)
			p.next = b.first
		}
		if err := p.batch(ctx, b, a.high); err != nil {
			return err
		}
	}
	return nil
}

// hole counts messages that the log has offsets for and does not have. Compaction makes
// them, and nothing else should.
func (p *partition) hole(ctx context.Context, from, n int64) {
	if p.s.isCompacted(ctx, p.topic) {
		return
	}
	p.s.mu.Lock()
	p.holes += n
	p.s.mu.Unlock()
	p.s.opt.Lost(fmt.Errorf("%s: %s: %d messages from %d on are not there and the topic is not compacted", p.s.meter.Name(), p.place, n, from))
}
