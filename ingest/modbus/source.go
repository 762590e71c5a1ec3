package modbus

import (
	"context"
	"fmt"

	"github.com/telltale-iot/telltale/ingest"
)

// Options of a source.
type Options struct {
	Devices []Device
	Base    int64       // offset to count on from: what the store has committed in earlier lives
	Queue   int         // readings polled and not taken; default 1024. When it is full polling waits, which shows as a gap
	Lost    func(error) // hears of devices that do not answer, and of registers that they do not have; called from several goroutines; nil: nobody does
}

// Source polls devices, each over one connection of its own.
type Source struct{ *ingest.Live }

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
	s := &Source{ingest.NewLive(ctx, opt.Base, opt.Queue)}
	for _, d := range opt.Devices {
		x := newDevice(d.withDefaults(), opt.Lost)
		s.Go(func(ctx context.Context) { x.run(ctx, s.Deliver) })
	}
	return s, nil
}
