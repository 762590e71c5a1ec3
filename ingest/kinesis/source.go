package kinesis

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/ingest"
)

// Options of a source; zero values mean the defaults given.
type Options struct {
	Consume
	Decoder ingest.Decoder          // of the records; called from one goroutine for each shard
	Meter   *ingest.Meter           // that notes what is heard; default: one of its own
	Base    int64                   // offset to count on from: what the store has committed in earlier lives
	Queue   int                     // readings decoded and not taken; default 256. When it is full reading waits
	Refresh time.Duration           // between two looks at the list of shards; default 10s
	Refused func(ingest.DeadLetter) // hears of each record that is refused; called from several goroutines; nil: nobody does
	Lost    func(error)             // hears of what goes wrong, and of data that is gone; called from several goroutines; nil: nobody does
}

// Source reads all shards of a stream. Its offsets count readings; the places to go on from
// are kept in the checkpoint, which is written when what was read is durable. Next is used by
// one goroutine; everything else may come from others.
type Source struct {
	opt     Options
	assets  map[asset.ID]bool // that may be spoken of; empty: all
	client  *kinesis.Client
	meter   *ingest.Meter
	queue   chan item
	stop    context.CancelFunc
	readers sync.WaitGroup

	offset int64 // of the last reading returned; Next's

	mu       sync.Mutex // guards what follows
	pending  []owed
	kept     checkpoint
	changed  bool            // kept is ahead of the file
	reading  map[string]bool // shards that have a goroutine
	read     map[string]bool // shards of which all is in the queue, or was
	troubles map[string]error
	listed   bool // the list of shards was had
	latest   bool // the shards that are there begin with what comes
}

// item is a reading of a shard, or the end of a record without one.
type item struct {
	reading asset.Reading
	blank   bool
	shard   string
	at      place // of the record that ends with this; zero: it does not end
}

// owed is a record that is done when everything up to offset is durable.
type owed struct {
	offset int64
	shard  string
	at     place
}

// Open begins to read. A stream that cannot be reached is tried until Close.
func Open(ctx context.Context, opt Options) (*Source, error) {
	if err := opt.Validate(); err != nil {
		return nil, fmt.Errorf("kinesis: %w", err)
	}
	opt.Start, opt.Refresh = cmp.Or(opt.Start, Earliest), cmp.Or(opt.Refresh, 10*time.Second)
	if opt.Queue <= 0 {
		opt.Queue = 256
	}
	if opt.Lost == nil {
		opt.Lost = func(error) {}
	}
	if opt.Refused == nil {
		opt.Refused = func(ingest.DeadLetter) {}
	}
	kept, err := loadCheckpoint(opt.Checkpoint, opt.Name)
	if err != nil {
		return nil, fmt.Errorf("kinesis %s: %w", opt.Name, err)
	}
	if err := kept.save(opt.Checkpoint); err != nil { // now, not after the first hour
		return nil, fmt.Errorf("kinesis %s: %w", opt.Name, err)
	}
	client, err := opt.client(ctx)
	if err != nil {
		return nil, err
	}
	s := &Source{
		opt: opt, assets: map[asset.ID]bool{}, client: client, meter: cmp.Or(opt.Meter, ingest.NewMeter("kinesis", "kinesis "+opt.Region+"/"+opt.Name)),
		queue: make(chan item, opt.Queue), offset: opt.Base, kept: kept,
		latest:  opt.Start == Latest && len(kept.Shards) == 0,
		reading: map[string]bool{}, read: map[string]bool{}, troubles: map[string]error{},
	}
	for _, id := range opt.Assets {
		s.assets[id] = true
	}
	ctx, s.stop = context.WithCancel(context.WithoutCancel(ctx))
	s.readers.Go(func() { s.watch(ctx) })
	s.readers.Go(func() { s.keep(ctx) })
	return s, nil
}

// Next returns the next reading of any shard.
func (s *Source) Next(ctx context.Context) (asset.Reading, asset.Position, error) {
	for {
		select {
		case it := <-s.queue:
			if !it.blank {
				s.offset++
			}
			s.owe(it)
			if !it.blank {
				return it.reading, asset.Position{Offset: s.offset}, nil
			}
		case <-ctx.Done():
			return asset.Reading{}, asset.Position{}, ctx.Err()
		}
	}
}

func (s *Source) owe(it item) {
	if it.at == (place{}) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if it.blank && len(s.pending) == 0 {
		s.settle(owed{shard: it.shard, at: it.at})
		return
	}
	s.pending = append(s.pending, owed{s.offset, it.shard, it.at})
}

// settle notes that a record is durable. mu is held.
func (s *Source) settle(done owed) {
	at := done.at
	at.After = cmp.Or(at.After, s.kept.Shards[done.shard].After)
	s.kept.Shards[done.shard], s.changed = at, true
}

// Ack says that everything up to p is durable. The file says so within a second.
func (s *Source) Ack(p asset.Position) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for n < len(s.pending) && s.pending[n].offset <= p.Offset {
		s.settle(s.pending[n])
		n++
	}
	s.pending = slices.Delete(s.pending, 0, n)
}

// Status is how the source stands: up while the shards are read and nothing is wrong.
func (s *Source) Status() ingest.SourceStatus { return s.meter.Status(len(s.queue)) }

// Queued counts the readings decoded and not taken.
func (s *Source) Queued() int { return len(s.queue) }

// Close ends the reading; the file says first what was acknowledged.
func (s *Source) Close() {
	s.stop()
	s.readers.Wait()
}

// keep writes the checkpoint when it changed, once a second.
func (s *Source) keep(ctx context.Context) {
	for more := true; more; {
		more = ingest.Sleep(ctx, time.Second)
		s.mu.Lock()
		kept := checkpoint{Stream: s.kept.Stream, Shards: maps.Clone(s.kept.Shards)}
		changed := s.changed
		s.changed = false
		s.mu.Unlock()
		if !changed {
			continue
		}
		err := kept.save(s.opt.Checkpoint)
		if err != nil {
			s.mu.Lock()
			s.changed = true
			s.mu.Unlock()
		}
		s.trouble("checkpoint", err)
	}
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
	var all []string
	for where, err := range s.troubles {
		all = append(all, where+": "+err.Error())
	}
	slices.Sort(all)
	if len(all) > 0 {
		s.meter.Down(time.Now(), errors.New(strings.Join(all, "; ")))
	} else if s.listed {
		s.meter.Up(time.Now())
	}
	s.mu.Unlock()
	if err != nil && (was == nil || was.Error() != err.Error()) { // the same again is no news
		s.opt.Lost(fmt.Errorf("%s: %s: %w", s.meter.Name(), where, err))
	}
}
