package simtest

import (
	"context"
	"io"
	"slices"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/pipeline"
)

// broker keeps the log until it is acknowledged, and outlives the instances.
type broker struct {
	w     *world
	log   []message // as it will be in the end
	shown int       // so much of it has been appended
	gone  int       // a bounded source: messages before it are acknowledged, and not kept
	parts [][]int   // a live source: the places in log of each partition's messages
	acked []int     // by partition: messages that are done
	homes [][]home  // by place in the log: where it was handed to
}

// home is a delivery of a message to a shard of an instance.
type home struct {
	shard int32
	epoch int64
	next  int64 // position after it, by the count of that instance
}

func newBroker(w *world, log []message) *broker {
	b := &broker{w: w, log: log, parts: make([][]int, w.plant.partitions), acked: make([]int, w.plant.partitions), homes: make([][]home, len(log))}
	return b
}

// show appends up to n more messages.
func (b *broker) show(n int) {
	for ; n > 0 && b.shown < len(b.log); n-- {
		p := b.log[b.shown].partition
		b.parts[p] = append(b.parts[p], b.shown)
		b.shown++
	}
}

// durable reports a broken promise when a message is acknowledged whose effects no commit holds.
func (b *broker) durable(at int) {
	for _, h := range b.homes[at] {
		if b.w.disk.shards[h.shard].reached[h.epoch] >= h.next {
			return
		}
	}
	b.w.fail("I4: message %d at %d is acknowledged, and no commit holds it (delivered as %v)", b.log[at].id, at, b.homes[at])
}

// source is what an instance reads from.
type source interface {
	pipeline.Source
	// ready reports whether Next has something.
	ready() bool
	// handed notes the delivery of what Next returned last.
	handed(h home)
}

// reader reads a bounded source by position.
type reader struct {
	b    *broker
	at   int
	read bool
}

func (r *reader) ready() bool { return r.at < r.b.shown }

// Next returns what lies at the reader's position.
func (r *reader) Next(context.Context) (asset.Reading, asset.Position, error) {
	if !r.ready() {
		return asset.Reading{}, asset.Position{}, io.EOF
	}
	m := r.b.log[r.at]
	r.at++
	r.read = true
	return m.reading, asset.Position{Offset: int64(r.at)}, nil
}

func (r *reader) handed(h home) { r.b.homes[r.at-1] = append(r.b.homes[r.at-1], h) }

// Ack lets go of everything before p.
func (r *reader) Ack(p asset.Position) {
	for ; r.b.gone < int(p.Offset); r.b.gone++ {
		r.b.durable(r.b.gone)
	}
}

// consumer reads the partitions of a live source from what was acknowledged. Its offsets
// count readings, as those of ingest/kafka do.
type consumer struct {
	b       *broker
	offset  int64
	cursor  []int // by partition: messages read
	pending []owed
	last    int // place of what Next returned last
}

// owed is a message that is done when everything up to offset is durable.
type owed struct {
	offset          int64
	partition, done int
}

func newConsumer(b *broker, base int64) *consumer {
	return &consumer{b: b, offset: base, cursor: slices.Clone(b.acked)}
}

func (c *consumer) ready() bool {
	for p, done := range c.cursor {
		if done < len(c.b.parts[p]) {
			return true
		}
	}
	return false
}

// Next returns the next message of any partition.
func (c *consumer) Next(context.Context) (asset.Reading, asset.Position, error) {
	var some []int
	for p, done := range c.cursor {
		if done < len(c.b.parts[p]) {
			some = append(some, p)
		}
	}
	if len(some) == 0 {
		return asset.Reading{}, asset.Position{}, io.EOF
	}
	p := some[c.b.w.rng.IntN(len(some))]
	c.last = c.b.parts[p][c.cursor[p]]
	c.cursor[p]++
	c.offset++
	c.pending = append(c.pending, owed{c.offset, p, c.cursor[p]})
	return c.b.log[c.last].reading, asset.Position{Offset: c.offset}, nil
}

func (c *consumer) handed(h home) { c.b.homes[c.last] = append(c.b.homes[c.last], h) }

// Ack tells the broker which messages are done.
func (c *consumer) Ack(p asset.Position) {
	n := 0
	for ; n < len(c.pending) && c.pending[n].offset <= p.Offset; n++ {
		o := c.pending[n]
		for ; c.b.acked[o.partition] < o.done; c.b.acked[o.partition]++ {
			c.b.durable(c.b.parts[o.partition][c.b.acked[o.partition]])
		}
	}
	c.pending = slices.Delete(c.pending, 0, n)
}

// again makes the partitions change hands: what is read and not acknowledged is read once more.
func (c *consumer) again() { c.cursor, c.pending = slices.Clone(c.b.acked), nil }
