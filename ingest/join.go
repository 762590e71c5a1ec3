package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/telltale-iot/telltale/asset"
)

// Source is what a protocol delivers (see pipeline.Source).
type Source interface {
	Next(ctx context.Context) (asset.Reading, asset.Position, error)
	Ack(p asset.Position)
}

// Joined is several sources as one. Readings of one source keep their order; its own
// positions stand for those of its sources, which are acknowledged as far as everything
// before is durable.
type Joined struct {
	sources []Source
	arrived chan arrival
	stop    context.CancelFunc
	readers sync.WaitGroup
	open    int // sources that have not ended
	offset  int64

	mu      sync.Mutex // guards pending
	pending []arrival  // returned, not acknowledged, in order
}

// arrival is a reading, or the end, of one source.
type arrival struct {
	source  int
	reading asset.Reading
	at      asset.Position // in its source
	offset  int64          // in the joined one
	err     error
}

// Join reads the sources until Close; base is the offset to count on from. One that
// fails fails all: a source that can go on by itself does.
func Join(ctx context.Context, base int64, sources ...Source) *Joined {
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	j := &Joined{sources: sources, arrived: make(chan arrival), stop: stop, open: len(sources), offset: base}
	for i, s := range sources {
		j.readers.Go(func() { j.read(ctx, i, s) })
	}
	return j
}

func (j *Joined) read(ctx context.Context, i int, s Source) {
	for {
		a := arrival{source: i}
		a.reading, a.at, a.err = s.Next(ctx)
		select {
		case j.arrived <- a:
		case <-ctx.Done():
			return
		}
		if a.err != nil {
			return
		}
	}
}

// Next returns what arrives next from any source, io.EOF when all have ended.
func (j *Joined) Next(ctx context.Context) (asset.Reading, asset.Position, error) {
	for j.open > 0 {
		select {
		case a := <-j.arrived:
			switch {
			case errors.Is(a.err, io.EOF):
				j.open--
				continue
			case a.err != nil:
				return asset.Reading{}, asset.Position{}, fmt.Errorf("source %d: %w", a.source, a.err)
			}
			j.offset++
			a.offset = j.offset
			j.mu.Lock()
			j.pending = append(j.pending, arrival{source: a.source, at: a.at, offset: a.offset})
			j.mu.Unlock()
			return a.reading, asset.Position{Offset: a.offset}, nil
		case <-ctx.Done():
			return asset.Reading{}, asset.Position{}, ctx.Err()
		}
	}
	return asset.Reading{}, asset.Position{}, io.EOF
}

// Ack acknowledges each source up to its last reading before p.
func (j *Joined) Ack(p asset.Position) {
	j.mu.Lock()
	defer j.mu.Unlock()
	last := map[int]asset.Position{}
	n := 0
	for n < len(j.pending) && j.pending[n].offset <= p.Offset {
		last[j.pending[n].source] = j.pending[n].at
		n++
	}
	j.pending = append(j.pending[:0:0], j.pending[n:]...)
	for i, at := range last {
		j.sources[i].Ack(at)
	}
}

// Close ends the reading; the sources are the caller's to close.
func (j *Joined) Close() {
	j.stop()
	j.readers.Wait()
}
