package simtest

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/pipeline"
	"github.com/telltale-iot/telltale/store"
	"github.com/telltale-iot/telltale/workorders"
)

// node is one instance of the service, as pipeline.Flow and cmd wire it: it ends at any
// moment, and whatever the store and the broker do not hold is gone with it.
type node struct {
	w         *world
	id        int
	lanes     []*lane // those that are claimed
	base      int64   // the greatest position of them
	low       int64   // the least position to read from
	source    source
	acks      *pipeline.Acks
	forwarder *workorders.Forwarder
	job       *job      // a round of the forwarder under way
	asked     time.Time // when a round of it found nothing it may do
	paused    bool
	dead      bool
}

// lane is a shard of an instance with what waits before and behind it.
type lane struct {
	shard *pipeline.Shard
	epoch int64
	begun int64
	queue []pipeline.Arrival
	held  *pipeline.Effects // stepped, not kept
	kept  *pipeline.Effects // kept, not acknowledged
	done  bool              // finished
}

// die ends the instance.
func (n *node) die(why string) {
	n.w.note(why, n.id, 0, 0)
	n.dead = true
	n.job.kill()
	n.job = nil
}

// act does one thing that an instance may do now; false when there is none.
func (n *node) act(rng *rand.Rand) bool {
	if n.source == nil {
		n.claim()
		return true
	}
	var can []func()
	if n.source.ready() {
		can = append(can, n.read)
	}
	for i, l := range n.lanes {
		switch {
		case l.kept != nil:
			can = append(can, func() { n.acknowledge(i, l) })
		case l.held != nil:
			can = append(can, func() { n.keep(i, l) })
		case l.fresh() || n.ended() && len(l.queue) > 0: // the last batch may hold nothing new
			can = append(can, func() { n.step(i, l, 1+rng.IntN(n.w.batch)) })
		case n.ended() && !l.done:
			can = append(can, func() { n.finish(i, l) })
		}
	}
	if n.job != nil || n.w.disk.due(n.w.now()) && !n.asked.Equal(n.w.now()) {
		can = append(can, n.forward)
	}
	if len(can) == 0 {
		return false
	}
	can[rng.IntN(len(can))]()
	return true
}

// claim takes the next shard over, and when it has all of them begins to read.
func (n *node) claim() {
	i := int32(len(n.lanes))
	at, err := n.w.disk.Claim(context.Background(), i)
	if err != nil {
		n.die("claim failed")
		return
	}
	s, err := pipeline.NewShard(i, at.Epoch, at.Next, n.w.lines(), adder{}, func(id asset.ID) (map[string][]byte, error) { return n.w.disk.Parts(context.Background(), id) })
	if err != nil {
		n.w.fail("shard %d cannot be loaded: %v", i, err)
		return
	}
	n.w.note("claim", n.id, int64(i), at.Epoch)
	if i == 0 || at.Low < n.low {
		n.low = at.Low
	}
	n.base = max(n.base, at.Next)
	n.lanes = append(n.lanes, &lane{shard: s, epoch: at.Epoch, begun: at.Next})
	if len(n.lanes) < n.w.plant.shards {
		return
	}
	if n.w.plant.bounded {
		n.source = &reader{b: n.w.broker, at: max(int(n.low), n.w.broker.gone)}
	} else {
		n.source = newConsumer(n.w.broker, n.base)
	}
	n.acks = pipeline.NewAcks(n.source, len(n.lanes))
}

// read hands some readings to the shards.
func (n *node) read() {
	for range 1 + n.w.rng.IntN(8) {
		r, p, err := n.source.Next(context.Background())
		if err != nil {
			return
		}
		i := pipeline.ShardOf(r.Asset, len(n.lanes))
		l := n.lanes[i]
		n.acks.Sent(i, p)
		n.source.handed(home{int32(i), l.epoch, p.Offset})
		l.queue = append(l.queue, pipeline.Arrival{Reading: r, From: p.Offset - 1, Next: p.Offset})
		n.w.note("read", n.id, int64(i), p.Offset)
	}
}

// fresh reports whether the queue holds more than what only rebuilds.
func (l *lane) fresh() bool {
	return len(l.queue) > 0 && l.queue[len(l.queue)-1].From >= l.begun
}

// step takes a batch of up to n new readings and what rides along.
func (n *node) step(i int, l *lane, most int) {
	k := 0
	for fresh := 0; k < len(l.queue) && fresh < most; k++ {
		if l.queue[k].From >= l.begun {
			fresh++
		}
	}
	batch := l.queue[:k:k]
	l.queue = l.queue[k:]
	fx, err := l.shard.Step(context.Background(), batch)
	if err != nil {
		n.w.fail("shard %d cannot go on: %v", i, err)
		return
	}
	n.w.note("step", n.id, int64(i), fx.Next)
	l.held = &fx
	if n.w.bug == ackFirst {
		n.acks.Kept(i, fx.Low, fx.Next)
	}
}

// ended reports whether a bounded source has given all it has.
func (n *node) ended() bool {
	r, ok := n.source.(*reader)
	return ok && r.read && r.at == len(r.b.log)
}

func (n *node) finish(i int, l *lane) {
	fx, err := l.shard.Finish(context.Background(), int64(len(n.w.broker.log))+1)
	if err != nil {
		n.w.fail("shard %d cannot finish: %v", i, err)
		return
	}
	n.w.note("finish", n.id, int64(i), fx.Next)
	l.held, l.done = &fx, true
}

// keep commits; like pipeline.Flow, an instance that cannot ends.
func (n *node) keep(i int, l *lane) {
	err := n.w.disk.Keep(context.Background(), *l.held)
	if errors.Is(err, errDisk) && n.w.rng.IntN(2) == 0 { // a store's client may try once more by itself
		n.w.note("keep again", n.id, int64(i), l.held.Next)
		err = n.w.disk.Keep(context.Background(), *l.held)
	}
	if err != nil {
		what := "keep failed"
		if errors.Is(err, store.ErrFenced) {
			what = "keep fenced"
		}
		n.w.note(what, n.id, int64(i), l.held.Next)
		n.die("ends")
		return
	}
	n.w.note("keep", n.id, int64(i), l.held.Next)
	l.kept, l.held = l.held, nil
}

func (n *node) acknowledge(i int, l *lane) {
	n.acks.Kept(i, l.kept.Low, l.kept.Next)
	n.w.note("ack", n.id, int64(i), l.kept.Next)
	l.kept = nil
}

// idle reports whether the instance has done all there is to do for now.
func (n *node) idle() bool {
	if n.source == nil || n.source.ready() {
		return false
	}
	for _, l := range n.lanes {
		if l.fresh() || l.held != nil || l.kept != nil || n.ended() && !l.done {
			return false
		}
	}
	return true
}
