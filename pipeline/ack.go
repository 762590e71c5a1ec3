package pipeline

import (
	"sync"

	"github.com/telltale-iot/telltale/asset"
)

// acks tells the source what is durable: the smallest position that some shard
// still has to read from.
type acks struct {
	source Source
	mu     sync.Mutex
	last   asset.Position // newest position handed out
	sentTo []int64        // by shard: newest position handed to it
	low    []int64        // by shard: where it would have to read from
	next   []int64        // by shard: what it has committed
	acked  int64
}

func newAcks(s Source, shards int) *acks {
	return &acks{source: s, sentTo: make([]int64, shards), low: make([]int64, shards), next: make([]int64, shards)}
}

func (a *acks) sent(shard int, p asset.Position) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.last, a.sentTo[shard] = p, p.Offset
}

// kept notes a commit and acknowledges what no shard needs any more. A shard that
// has committed all it was given needs nothing before the newest position.
func (a *acks) kept(shard int, low, next int64) {
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
