package pipeline

import (
	"sync"

	"github.com/telltale-iot/telltale/asset"
)

// Acks tells a source what is durable: the smallest position that some shard still
// has to read from. It is safe for concurrent use.
type Acks struct {
	source Source
	mu     sync.Mutex
	last   asset.Position // newest position handed out
	sentTo []int64        // by shard: newest position handed to it
	low    []int64        // by shard: where it would have to read from
	next   []int64        // by shard: what it has committed
	acked  int64
}

// NewAcks begins with nothing handed out to any of the shards.
func NewAcks(s Source, shards int) *Acks {
	return &Acks{source: s, sentTo: make([]int64, shards), low: make([]int64, shards), next: make([]int64, shards)}
}

// Sent notes that the reading before p went to a shard.
func (a *Acks) Sent(shard int, p asset.Position) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.last, a.sentTo[shard] = p, p.Offset
}

// Kept notes a commit and acknowledges what no shard needs any more. A shard that
// has committed all it was given needs nothing before the newest position.
func (a *Acks) Kept(shard int, low, next int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.low[shard], a.next[shard] = low, next
	safe := a.last.Offset
	for i := range a.next {
		if a.sentTo[i] > a.next[i] || a.low[i] < a.next[i] {
			safe = min(safe, a.low[i])
		}
	}
	if safe > a.acked {
		a.acked = safe
		a.source.Ack(asset.Position{Partition: a.last.Partition, Offset: safe})
	}
}
