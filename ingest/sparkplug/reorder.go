package sparkplug

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// hold keeps a message until the one before it comes. What comes twice is kept once.
func (n *node) hold(r record, out *output) {
	size := len(r.bytes)
	for _, h := range n.held {
		size += len(h.bytes)
		if h.mark() == r.mark() {
			n.status.Repeated++
			return
		}
	}
	r.bytes = slices.Clone(r.bytes)
	n.held = append(n.held, r)
	if size > heldBytes || len(n.held) > 255 {
		n.giveUp(out)
	}
}

// drain applies what follows without a hole.
func (n *node) drain(out *output) {
	for {
		i := slices.IndexFunc(n.held, func(r record) bool { return uint8(r.seq) == n.next })
		if i < 0 {
			return
		}
		r := n.held[i]
		n.held = slices.Delete(n.held, i, i+1)
		n.inOrder(r, out)
	}
}

// giveUp stops waiting for what comes before the oldest.
func (n *node) giveUp(out *output) {
	if n.state == Online {
		n.expire(out)
		return
	}
	n.status.Undefined += int64(len(n.held))
	for _, r := range n.held {
		if p := n.parts[r.device]; p != nil {
			p.miss(r.stamp(), r.stamp(), errors.New("data of an edge node whose birth was not heard"))
		}
	}
	n.held = nil
}

// expire takes what is missing before the next message that is held for lost, and goes on
// from there.
func (n *node) expire(out *output) {
	nearest := slices.MinFunc(n.held, func(a, b record) int { return int(uint8(a.seq)-n.next) - int(uint8(b.seq)-n.next) })
	lost := int64(uint8(nearest.seq) - n.next)
	for seq := n.next; seq != uint8(nearest.seq); seq++ {
		n.lost[seq] = true
	}
	n.status.Losses++
	n.status.LostMessages += lost
	n.suspect(fmt.Errorf("%d messages of the edge node were lost: seq %d came for %d", lost, nearest.seq, n.next), nearest.at)
	n.next = uint8(nearest.seq)
	n.drain(out)
}

// flush waits for nothing any more, since the session ends.
func (n *node) flush(out *output) {
	for len(n.held) > 0 {
		n.giveUp(out)
	}
}

// tick does what time alone brings about.
func (n *node) tick(now time.Time, reorder time.Duration, out *output) {
	if len(n.held) > 0 {
		oldest := slices.MinFunc(n.held, func(a, b record) int { return a.at.Compare(b.at) })
		if now.Sub(oldest.at) >= reorder {
			n.giveUp(out)
		}
	}
	if n.state == Online && now.Sub(n.born) >= settle {
		for _, p := range n.byName {
			p.tellUnborn(now, out)
		}
	}
	if n.state == Unknown && n.asking.vain(now, n.heard) {
		n.asking.answered()
		n.state = Offline
		for _, p := range n.byName {
			p.tell(Offline, now.UTC(), "does not answer", out)
		}
	}
}
