// Package mqtt receives readings over MQTT 3.1.1 at QoS 1, and publishes them.
//
// A Config binds topics to assets and channels; without one telemetry comes on
// PREFIX/ASSET/telemetry and waveforms on PREFIX/ASSET/wave/CHANNEL, where names are
// escaped as in a URL path, "+" too. A message is acknowledged to the broker only when
// what it held is durable, so a broker that keeps sessions delivers it again after a crash.
//
// The broker bounds how many messages may be under way at once (mosquitto:
// max_inflight_messages, 20 by default). What Ack has not been told of must fit: a flow
// that acknowledges only what no open window needs stands behind a spool.Journal. Where it
// does not fit nothing comes any more: the source says so in its status, and never
// acknowledges early.
package mqtt

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/ingest"
)

// Source is a subscription. Offsets count readings since it was opened: the
// place to go on from is kept by the broker, not by a position. Next is used
// by one goroutine; all else is safe for concurrent use.
type Source struct {
	opt    Options
	routes []route
	queue  *queue
	ledger *ledger
	meter  *ingest.Meter
	life   context.Context //nolint:containedctx // of the link, ended by Close
	stop   context.CancelFunc
	linked sync.WaitGroup
	sub    subscription            // the link's
	over   atomic.Pointer[session] // the one there is, or was
	first  chan struct{}           // closed when subscribed for the first time
	hooked sync.Mutex              // held while the handler works

	// Of the goroutine of Next.
	ready  []decoded  // not returned
	todo   []*message // taken, not decoded
	gaps   *gaps
	offset int64
	ticked time.Time // the handler

	mu      sync.Mutex        // guards the rest
	pending []delivered       // returned or refused, not acknowledged, in order
	trouble map[trouble]error // that lasts
}

// decoded is a reading with the message that it is of; none of a gap.
type decoded struct {
	asset.Reading
	message *message
}

// delivered is a message that may be acknowledged when all before offset is durable.
type delivered struct {
	offset  int64
	message *message
}

// trouble is what may stand between the broker's messages and the flow.
type trouble int

const (
	noConnection trouble = iota
	noSubscription
	standstill
	noDecoder
)

// Open begins to connect and subscribe; a broker that is away is tried until Close.
func Open(ctx context.Context, opt Options) (*Source, error) {
	if err := opt.Validate(); err != nil {
		return nil, fmt.Errorf("mqtt: %w", err)
	}
	opt = opt.withDefaults()
	routes, err := opt.routes()
	if err != nil {
		return nil, fmt.Errorf("mqtt: %w", err)
	}
	name := opt.name()
	s := &Source{
		opt: opt, routes: routes, queue: newQueue(opt.Queue, queueBytes), ledger: newLedger(opt.InFlight, 2*opt.KeepAlive),
		meter: cmp.Or(opt.Meter, ingest.NewMeter("mqtt", name)), gaps: newGaps(name, opt.KeepAlive), offset: opt.Base,
		first: make(chan struct{}), trouble: map[trouble]error{},
	}
	s.sub.filters, s.sub.qos = opt.filters(routes)
	s.life, s.stop = context.WithCancel(context.WithoutCancel(ctx))
	l := &link{Config: opt.Config, pass: opt.Password, clean: opt.Handler != nil, will: s.will, up: s.up, hear: s.hear, last: s.last, down: s.down}
	s.linked.Go(func() { l.run(s.life) })
	return s, nil
}

// Connected waits for the first subscription.
func (s *Source) Connected(ctx context.Context) error {
	select {
	case <-s.first:
		return nil
	case <-ctx.Done():
		if why := cmp.Or(s.now(noConnection), s.now(noSubscription)); why != nil {
			return fmt.Errorf("%w (%w)", why, ctx.Err())
		}
		return fmt.Errorf("%s: %w", s.opt.name(), ctx.Err())
	}
}

// Next returns the next reading; a record longer than a second comes in blocks. What cannot
// be decoded is refused and acknowledged in its turn.
func (s *Source) Next(ctx context.Context) (asset.Reading, asset.Position, error) {
	for len(s.ready) == 0 {
		if err := s.fill(ctx); err != nil {
			return asset.Reading{}, asset.Position{}, err
		}
	}
	r := s.ready[0]
	s.ready[0] = decoded{}
	s.ready = s.ready[1:]
	s.offset++
	if m := r.message; m != nil {
		if m.left--; m.left == 0 {
			s.mu.Lock()
			s.pending = append(s.pending, delivered{s.offset, m})
			s.mu.Unlock()
		}
	}
	return r.Reading, asset.Position{Offset: s.offset}, nil
}

// Ack acknowledges every message whose readings lie before p. One that came over
// a connection that is gone will come again; its copy is acknowledged then.
func (s *Source) Ack(p asset.Position) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, now := 0, time.Now()
	for n < len(s.pending) && s.pending[n].offset <= p.Offset {
		s.ledger.acknowledge(s.pending[n].message, now)
		n++
	}
	s.pending = slices.Delete(s.pending, 0, n)
}

// Status is how the source stands.
func (s *Source) Status() ingest.SourceStatus {
	x := s.meter.Status(s.queue.waiting())
	full, sure := s.ledger.standstill(time.Now())
	x.Up = x.Up && !sure
	for _, err := range []error{full, s.now(noDecoder), s.now(noSubscription)} {
		if x.Why == "" && err != nil {
			x.Why = err.Error()
		}
	}
	return x
}

// Queued counts the messages received and not read.
func (s *Source) Queued() int { return s.queue.waiting() }

// Close disconnects; what was not acknowledged stays with the broker.
func (s *Source) Close() {
	s.stop()
	s.linked.Wait()
}

// now is a trouble that lasts, nil when there is none.
func (s *Source) now(t trouble) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.trouble[t]
}

// note keeps a trouble, or its end, and tells of it when it is news.
func (s *Source) note(t trouble, err error) {
	s.mu.Lock()
	before := s.trouble[t]
	s.trouble[t] = err
	s.mu.Unlock()
	if err != nil && (before == nil || before.Error() != err.Error()) {
		s.opt.Lost(err)
	}
}
