// Package kafka receives readings from topics of Kafka, as a member of a consumer group, and
// sends records to a topic.
//
// A message's key, or its header asset, names the asset; the header channel names the channel
// of a waveform. The group hears of a message when what it held is durable, so that a crash
// reads again and loses nothing. A partition is read for one generation of the group, from
// what was committed; what is left of it then is dropped. Nothing is ever passed over without
// a word: data that retention took stops its partition, a message that cannot be read goes to
// a topic for such letters.
package kafka

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/ingest"
)

// Options of a source; zero values mean the defaults given.
type Options struct {
	Consume
	Decoder ingest.Decoder          // of the messages; called from one goroutine for each partition
	Meter   *ingest.Meter           // that notes what is heard; default: one of its own
	Base    int64                   // offset to count on from: what the store has committed in earlier lives
	Queue   int                     // readings decoded and not taken; default 256. When it is full fetching waits
	Stall   time.Duration           // without a message where the log has some, and the connections are made anew; default 10s
	Refused func(ingest.DeadLetter) // hears of each message that is refused, once its topic has it; called from several goroutines; nil: nobody does
	Lost    func(error)             // hears of what goes wrong, and of data that is gone; called from several goroutines; nil: nobody does
}

// Source is a member of a consumer group. Its offsets count readings; the place to go on
// from is kept by the group, which hears of it when what was read is durable. Next is used
// by one goroutine; everything else may come from others.
type Source struct {
	opt     Options
	letters *Producer // nil: no topic for them
	meter   *ingest.Meter
	group   *kafka.ConsumerGroup
	queue   chan item
	stop    context.CancelFunc
	member  sync.WaitGroup
	follow  func(ctx context.Context, p *Assigned) // of a Member: reads a partition; nil: all are read as one

	offset int64 // of the last reading returned; Next's

	mu        sync.Mutex // guards what follows
	client    *kafka.Client
	transport *kafka.Transport     // of client
	pending   []owed               // returned and not acknowledged, in order
	parts     map[place]*partition // of the generation under way
	troubles  map[string]error     // what is not as it should be, by where
	joined    bool                 // the group has had us
	heard     map[place]map[asset.ID]time.Time
	counts    map[string]int  // partitions of each topic
	compacted map[string]bool // topics that were asked about
}

// place is a partition's name.
type place struct {
	topic     string
	partition int
}

// String is as Kafka's tools write it.
func (p place) String() string { return fmt.Sprintf("%s-%d", p.topic, p.partition) }

// item is a reading of a partition, or the end of a message without one.
type item struct {
	from    *partition
	reading asset.Reading
	blank   bool  // there is no reading
	next    int64 // offset after the message that ends with this; −1: it does not end
	at      int64 // position after it, see Position; of a Member's
}

// owed is a message that is done when everything up to offset is durable.
type owed struct {
	offset int64
	from   *partition
	next   int64
}

const (
	sessionTimeout   = 10 * time.Second // without a sign of life, and a member's partitions go to others
	rebalanceTimeout = 4 * time.Second  // for members to come back when the group changes: as long is waited for one that was killed
	heartbeatEvery   = 2 * time.Second
)

// Open joins the group. Brokers that cannot be reached are tried until Close.
func Open(ctx context.Context, opt Options) (*Source, error) { return join(ctx, opt, nil) }

func join(ctx context.Context, opt Options, follow func(context.Context, *Assigned)) (*Source, error) {
	if err := opt.Validate(); err != nil {
		return nil, fmt.Errorf("kafka: %w", err)
	}
	opt.Consume = opt.withDefaults()
	if opt.Queue <= 0 {
		opt.Queue = 256
	}
	if opt.Stall <= 0 {
		opt.Stall = 10 * time.Second
	}
	if opt.Lost == nil {
		opt.Lost = func(error) {}
	}
	if opt.Refused == nil {
		opt.Refused = func(ingest.DeadLetter) {}
	}
	s := &Source{
		opt: opt, follow: follow, queue: make(chan item, opt.Queue), offset: opt.Base,
		meter: cmp.Or(opt.Meter, ingest.NewMeter("kafka", opt.name()+"/"+opt.Group)),
		parts: map[place]*partition{}, troubles: map[string]error{}, heard: map[place]map[asset.ID]time.Time{}, counts: map[string]int{}, compacted: map[string]bool{},
	}
	if err := s.renew(); err != nil {
		return nil, err
	}
	if opt.DeadLetter != "" {
		var err error
		s.letters, err = NewProducer(ProducerOptions{Produce: Produce{Cluster: opt.Cluster, Topic: opt.DeadLetter}, Lost: opt.Lost})
		if err != nil {
			return nil, err
		}
	}
	dialer, err := opt.dialer()
	if err != nil {
		return nil, err
	}
	s.group, err = kafka.NewConsumerGroup(kafka.ConsumerGroupConfig{
		ID: opt.Group, Brokers: opt.Brokers, Dialer: dialer, Topics: opt.Topics, StartOffset: opt.start(),
		HeartbeatInterval: heartbeatEvery, SessionTimeout: sessionTimeout, RebalanceTimeout: rebalanceTimeout, JoinGroupBackoff: 500 * time.Millisecond,
	})
	if err != nil {
		return nil, fmt.Errorf("kafka: group %s: %w", opt.Group, err)
	}
	ctx, s.stop = context.WithCancel(context.WithoutCancel(ctx))
	s.member.Go(func() { s.run(ctx) })
	return s, nil
}

// renew makes new connections for what is fetched from now on.
func (s *Source) renew() error {
	t, err := s.opt.transport(s.opt.Topics...)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.transport != nil {
		s.transport.CloseIdleConnections()
	}
	s.transport, s.client = t, &kafka.Client{Addr: kafka.TCP(s.opt.Brokers...), Transport: t}
	return nil
}

func (s *Source) connection() *kafka.Client {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.client
}

// Next returns the next reading. What is left of a partition that the group has taken away
// is dropped: who has it now reads it.
func (s *Source) Next(ctx context.Context) (asset.Reading, asset.Position, error) {
	for {
		select {
		case it := <-s.queue:
			if it.from.over() {
				continue
			}
			if it.blank {
				s.owe(it)
				continue
			}
			s.offset++
			s.owe(it)
			return it.reading, asset.Position{Offset: s.offset}, nil
		case <-ctx.Done():
			return asset.Reading{}, asset.Position{}, ctx.Err()
		}
	}
}

// owe notes that a message is done when what was returned so far is durable.
func (s *Source) owe(it item) {
	if it.next < 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if it.blank && len(s.pending) == 0 {
		it.from.acked = max(it.from.acked, it.next)
		return
	}
	s.pending = append(s.pending, owed{s.offset, it.from, it.next})
}

// Ack says that everything up to p is durable. The group hears of it within a second.
func (s *Source) Ack(p asset.Position) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for n < len(s.pending) && s.pending[n].offset <= p.Offset {
		done := s.pending[n]
		done.from.acked = max(done.from.acked, done.next)
		n++
	}
	s.pending = slices.Delete(s.pending, 0, n)
}

// Status is how the source stands: up while the group has it and nothing is wrong.
func (s *Source) Status() ingest.SourceStatus { return s.meter.Status(len(s.queue)) }

// Queued counts the readings decoded and not taken.
func (s *Source) Queued() int { return len(s.queue) }

// Partition is how one of the partitions stands that the group has given us.
type Partition struct {
	Topic     string `json:"topic"`
	Partition int    `json:"partition"`
	Next      int64  `json:"next"`      // offset that is read next
	Committed int64  `json:"committed"` // that the group has heard of
	End       int64  `json:"end"`       // after the last message that can be read: End − Committed are to be done
	Holes     int64  `json:"holes"`     // messages that should lie between those that were read and do not
	Why       string `json:"why,omitempty"`
}

// Partitions are those that the group has given us, in order.
func (s *Source) Partitions() []Partition {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Partition
	for at, p := range s.parts {
		x := Partition{Topic: at.topic, Partition: at.partition, Next: p.read, Committed: p.committed, End: p.end, Holes: p.holes}
		if err := s.troubles[at.String()]; err != nil {
			x.Why = err.Error()
		}
		out = append(out, x)
	}
	slices.SortFunc(out, func(a, b Partition) int {
		if c := strings.Compare(a.Topic, b.Topic); c != 0 {
			return c
		}
		return a.Partition - b.Partition
	})
	return out
}

// trouble notes what is wrong somewhere, or with nil that it is over.
func (s *Source) trouble(where string, err error) {
	s.mu.Lock()
	was := s.troubles[where]
	if err == nil {
		delete(s.troubles, where)
	} else {
		s.troubles[where] = err
	}
	s.tell()
	s.mu.Unlock()
	if err != nil && (was == nil || was.Error() != err.Error()) { // the same again is no news
		s.opt.Lost(fmt.Errorf("%s: %s: %w", s.meter.Name(), where, err))
	}
}

// tell brings the meter up to date. mu is held.
func (s *Source) tell() {
	now := time.Now()
	var all []string
	for where, err := range s.troubles {
		all = append(all, where+": "+err.Error())
	}
	slices.Sort(all)
	switch {
	case len(all) > 0:
		s.meter.Down(now, errors.New(strings.Join(all, "; ")))
	case s.joined:
		s.meter.Up(now)
	default:
		s.meter.Down(now, errors.New("not yet in the group"))
	}
}

// Close leaves the group, which hears first of what was acknowledged.
func (s *Source) Close() {
	s.stop()
	s.member.Wait()
	if s.letters != nil {
		s.letters.Close()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.transport.CloseIdleConnections()
}
