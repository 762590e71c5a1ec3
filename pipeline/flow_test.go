package pipeline

import (
	"context"
	"io"
	"testing"

	"github.com/telltale-iot/telltale/asset"
)

// bounded is a source that ends.
type bounded struct {
	rest []Arrival
	at   int64
}

func (b *bounded) Next(context.Context) (asset.Reading, asset.Position, error) {
	if len(b.rest) == 0 {
		return asset.Reading{}, asset.Position{}, io.EOF
	}
	a := b.rest[0]
	b.rest, b.at = b.rest[1:], a.Next
	return a.Reading, asset.Position{Offset: b.at}, nil
}

func (*bounded) Ack(asset.Position) {}

// confirming keeps what is new, and takes a batch that ends where it has been before
// for one that it has stored.
type confirming struct {
	next   int64
	frames int
}

func (c *confirming) Keep(_ context.Context, fx Effects) error {
	if fx.Next > c.next {
		c.next = fx.Next
		c.frames += len(fx.Frames)
	}
	return nil
}

// The last instant is kept also where the readings end with a full batch.
func TestTheEndOfASourceIsKept(t *testing.T) {
	for _, n := range []int{7, 8, 9, 16} {
		var readings []Arrival
		for k := range n {
			readings = append(readings, minute(k))
		}
		waits := func(id asset.ID) (*Line, bool) { // for a second metric, until the next instant comes
			l, ok := oneMetric(id)
			l.Plate.Metrics = append(l.Plate.Metrics, asset.Metric{Name: "speed"})
			return l, ok
		}
		s, err := NewShard(0, 1, 0, waits, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		kept := &confirming{}
		f := Flow{Source: &bounded{rest: readings}, Keeper: kept, Shards: []*Shard{s}, Batch: Batch{Readings: 8, Span: 1e18}}
		if err := f.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if kept.frames != n {
			t.Errorf("%d instants of %d are kept", kept.frames, n)
		}
	}
}
