package opcua

import (
	"context"
	"fmt"
	"time"

	"github.com/telltale-iot/telltale/ingest"
)

// Options of a source.
type Options struct {
	Servers []Server
	Base    int64       // offset to count on from: what the store has committed in earlier lives
	Queue   int         // readings heard and not taken; default 4096
	Lost    func(error) // hears of each connection that is lost or refused; called from several goroutines; nil: nobody does
}

// Source reads servers, each through one session with one subscription. Where History is
// on, a server is asked for what was missed after a lost connection, not after a restart of ours.
type Source struct{ *ingest.Live }

// Open begins to read. A server that cannot be reached is tried until Close.
func Open(ctx context.Context, opt Options) (*Source, error) {
	if opt.Queue <= 0 {
		opt.Queue = 4096
	}
	if opt.Lost == nil {
		opt.Lost = func(error) {}
	}
	s := &Source{ingest.NewLive(ctx, opt.Base, opt.Queue)}
	var readers []*reader
	for i, server := range opt.Servers {
		if err := server.Validate(); err != nil {
			return nil, fmt.Errorf("server %d: %w", i, err)
		}
		r, err := newReader(server.withDefaults(), s.Deliver)
		if err != nil {
			return nil, fmt.Errorf("server %d: %w", i, err)
		}
		readers = append(readers, r)
	}
	for _, r := range readers {
		s.Go(func(ctx context.Context) { r.run(ctx, opt.Lost) })
	}
	return s, nil
}

// run makes one session after the other until ctx ends.
func (r *reader) run(ctx context.Context, lost func(error)) {
	wait := ingest.Backoff{First: 250 * time.Millisecond, Last: 2 * time.Second} // a server that is back is read within seconds
	for {
		begun := time.Now()
		err := r.session(ctx)
		if ctx.Err() != nil {
			return
		}
		if r.why == nil || r.why.Error() != err.Error() { // the same again is no news
			lost(fmt.Errorf("opcua %s: %w", r.Endpoint, err))
		}
		r.why = err
		if time.Since(begun) > time.Minute {
			wait.Reset()
		}
		if !wait.Wait(ctx) {
			return
		}
	}
}
