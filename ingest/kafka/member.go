package kafka

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/ingest"
)

// WrongPartition is why a reading is refused whose asset lives in another partition.
const WrongPartition asset.Reason = "wrong-partition"

// Position is the place of a reading in a partition as one number: after the first n
// readings of the message at an offset. Each message has room for 2²⁰.
func Position(offset int64, n int) int64 { return offset<<positionBits + int64(n) }

const positionBits = 20

// Offset is the message that a position lies in.
func Offset(position int64) int64 { return position >> positionBits }

// PartitionOf is where an asset lives in a topic of n partitions: where Kafka's own clients
// put its key.
func PartitionOf(id asset.ID, n int) int { return partitioner(n)(string(id)) }

// Member takes part in a consumer group for a reader that keeps its positions itself, in
// the transaction of what was read. What the group hears of them is for tools that show lag.
type Member struct{ source *Source }

// Join takes part in the group until Close. follow is called for each partition of each
// generation, in a goroutine of its own, and has to return soon after its context ends:
// the partition is somebody else's then.
func Join(ctx context.Context, opt Options, follow func(ctx context.Context, p *Assigned)) (*Member, error) {
	if len(opt.Topics) != 1 {
		return nil, fmt.Errorf("kafka: topics: %d of them: want one, whose partitions are the shards", len(opt.Topics))
	}
	s, err := join(ctx, opt, follow)
	if err != nil {
		return nil, err
	}
	return &Member{s}, nil
}

// Status is how the member stands.
func (m *Member) Status() ingest.SourceStatus { return m.source.Status() }

// Partitions are those that the group has given us, in order.
func (m *Member) Partitions() []Partition { return m.source.Partitions() }

// Close leaves the group once every partition's reader has returned.
func (m *Member) Close() { m.source.Close() }

// Assigned is a partition for the time of one generation. It is a pipeline.Source whose
// positions are as Position says. Start comes first, and may come again once what it began
// has stopped; Next is used by one goroutine.
type Assigned struct {
	Topic     string
	Partition int
	Of        int // partitions of the topic

	p    *partition
	from int64 // position to go on from: what lies before is not returned again
}

// Start begins to read at a position until ctx ends, in the background of the generation.
// first says that the partition was never read: it then begins where the options say. The
// reading goes on until stop has returned.
func (a *Assigned) Start(ctx context.Context, position int64, first bool) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	a.p.queue, a.p.in = make(chan item, a.p.s.opt.Queue), &inflater{limit: a.p.s.opt.MaxBytes}
	a.from, a.p.next = position, Offset(position)
	if first {
		a.from, a.p.next = 0, a.p.s.opt.start()
	}
	a.p.s.mu.Lock()
	a.p.read = a.p.next
	a.p.s.mu.Unlock()
	var reading sync.WaitGroup
	reading.Go(func() { a.p.run(ctx) })
	return func() {
		cancel()
		reading.Wait()
	}
}

// Next returns the next reading. It fails once the generation is over.
func (a *Assigned) Next(ctx context.Context) (asset.Reading, asset.Position, error) {
	for {
		select {
		case it := <-a.p.queue:
			switch {
			case a.p.over():
				return asset.Reading{}, asset.Position{}, context.Canceled
			case it.blank, it.at > 0 && it.at <= a.from: // done with before
				continue
			}
			return it.reading, asset.Position{Partition: int32(a.Partition), Offset: it.at}, nil //nolint:gosec // Kafka's own
		case <-ctx.Done():
			return asset.Reading{}, asset.Position{}, ctx.Err()
		}
	}
}

// Ack tells the group how far everything is durable, within a second.
func (a *Assigned) Ack(p asset.Position) {
	a.p.s.mu.Lock()
	defer a.p.s.mu.Unlock()
	a.p.acked = max(a.p.acked, Offset(p.Offset))
}

// partitionCount is how many partitions a member's topic has; 0 for a source that reads
// all as one.
func (s *Source) partitionCount(ctx context.Context) (n int, err error) {
	if s.follow == nil {
		return 0, nil
	}
	wait := ingest.Backoff{First: 100 * time.Millisecond, Last: 2 * time.Second}
	for {
		if n, err = partitionsOf(ctx, s.connection(), s.opt.Topics[0]); err == nil {
			return n, nil
		}
		s.trouble("topic "+s.opt.Topics[0], err)
		if !wait.Wait(ctx) {
			return 0, ctx.Err()
		}
	}
}
