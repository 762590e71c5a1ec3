package modbus

import (
	"context"
	"fmt"
	"sync"

	"github.com/telltale-iot/telltale/asset"
)

// Options of a source.
type Options struct {
	Devices []Device
	Base    int64       // offset to count on from: what the store has committed in earlier lives
	Queue   int         // readings polled and not taken; default 1024. When it is full polling waits, which shows as a gap
	Lost    func(error) // hears of devices that do not answer, and of registers that they do not have; called from several goroutines; nil: nobody does
}

// Source polls devices, each over one connection of its own. A device keeps
// nothing to be read again, so Ack has no effect: what was polled and not
// committed is lost with the process, and the gap says so.
type Source struct {
	queue  chan asset.Reading
	offset int64
	stop   context.CancelFunc
	polls  sync.WaitGroup
}

// Open begins to poll. A device that cannot be reached is tried until Close.
func Open(ctx context.Context, opt Options) (*Source, error) {
	if opt.Queue <= 0 {
		opt.Queue = 1024
	}
	if opt.Lost == nil {
		opt.Lost = func(error) {}
	}
	for i, d := range opt.Devices {
		if err := d.Validate(); err != nil {
			return nil, fmt.Errorf("device %d: %w", i, err)
		}
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	s := &Source{queue: make(chan asset.Reading, opt.Queue), offset: opt.Base, stop: stop}
	for _, d := range opt.Devices {
		x := newDevice(d.withDefaults(), opt.Lost)
		s.polls.Go(func() { x.run(ctx, s.queue) })
	}
	return s, nil
}

// Next waits for the next reading of any device.
func (s *Source) Next(ctx context.Context) (asset.Reading, asset.Position, error) {
	select {
	case r := <-s.queue:
		s.offset++
		return r, asset.Position{Offset: s.offset}, nil
	case <-ctx.Done():
		return asset.Reading{}, asset.Position{}, ctx.Err()
	}
}

// Ack has no effect.
func (*Source) Ack(asset.Position) {}

// Queued counts the readings polled and not taken. It is safe for concurrent use.
func (s *Source) Queued() int { return len(s.queue) }

// Close ends the polling and closes the connections.
func (s *Source) Close() {
	s.stop()
	s.polls.Wait()
}
