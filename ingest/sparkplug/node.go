package sparkplug

import (
	"errors"
	"slices"
	"strings"
	"time"
)

// State is how an edge node, or a device of it, stands.
type State string

// The states. Unknown is one of which no birth and no death was heard since we are
// connected.
const (
	Unknown State = "unknown"
	Online  State = "online"
	Offline State = "offline"
)

// node is an edge node's session, as far as we know it.
type node struct {
	id     nodeID
	parts  map[string]*part // itself under "", its devices: those that are bound
	byName []*part          // the same in the order of their names, so that the same messages give the same readings
	state  State
	bdSeq  uint64    // of its birth, which its death has to name
	paired bool      // its birth has one
	next   uint8     // seq that comes next
	doubt  bool      // messages were lost since its birth
	clean  bool      // its birth made no gap
	lost   [256]bool // their seq
	intact time.Time // of the sender: up to when nothing is missing
	recent []mark    // of messages that were applied in order, the newest last
	held   []record
	asking asking
	born   time.Time // on our clock
	bornMS int64     // on the sender's, −1 where it does not say
	heard  time.Time // on our clock, since our connection was made
	status NodeStatus
}

// record is a message that was decoded.
type record struct {
	address
	payload

	at time.Time // received, on our clock
}

// mark is what a message is known again by.
type mark struct {
	verb    verb
	device  string
	seq     int64
	stampMS int64
}

func (r record) mark() mark { return mark{r.verb, r.device, r.seq, r.stampMS} }

// stamp is when the message was sent; when it was received if it does not say.
func (r record) stamp() time.Time {
	if r.stampMS < 0 {
		return r.at.UTC()
	}
	return time.UnixMilli(r.stampMS).UTC()
}

const (
	mostRecent = 32 // messages that are known again

	heldBytes = 2 * MaxPayloadBytes // that wait for a message of the node which others overtook
	settle    = 10 * time.Second    // in which devices are born after their node
)

func newNode(id nodeID) *node {
	return &node{id: id, parts: map[string]*part{}, state: Unknown}
}

func (n *node) bind(b *Binding) {
	p := n.parts[b.Device]
	if p == nil {
		p = &part{source: "sparkplug " + n.id.String()}
		if b.Device != "" {
			p.source += "/" + b.Device
		}
		n.parts[b.Device] = p
		n.byName = append(n.byName, p)
		slices.SortFunc(n.byName, func(a, b *part) int { return strings.Compare(a.source, b.source) })
	}
	p.bound = append(p.bound, newBound(b))
}

// receive takes a message in the order of arrival.
func (n *node) receive(r record, out *output) error {
	switch {
	case r.verb == nodeDeath:
		return n.die(r, out)
	case r.stampMS >= 0 && slices.Contains(n.recent, r.mark()):
		n.status.Repeated++
	case n.late(r):
		n.status.Late++
		if p := n.parts[r.device]; p != nil && n.clean && !n.lost[uint8(r.seq)] { // else there is a gap already
			p.miss(r.stamp(), r.stamp(), errors.New("a message came too late to be read"))
		}
	case r.verb == nodeBirth:
		n.birth(r, out)
	case n.state != Online:
		n.asking.want(r.at)
		n.hold(r, out)
	case uint8(r.seq) == n.next:
		n.inOrder(r, out)
		n.drain(out)
	default:
		n.hold(r, out)
	}
	return nil
}

// late reports whether a message was overtaken by too much to be of use: it is from
// before a birth that came not long ago, or was taken for lost already. For longer than
// that no sender's clock is believed, since it may have been set back.
func (n *node) late(r record) bool {
	if n.state != Online || r.stampMS < 0 {
		return false
	}
	if r.stampMS < n.bornMS && r.at.Sub(n.born) < settle {
		return true
	}
	return r.verb != nodeBirth && uint8(r.seq) != n.next && n.lost[uint8(r.seq)] && r.stampMS <= n.intact.UnixMilli()
}

// birth begins a session, or says again what it consists of. What overtook an earlier
// message and was sent before it still belongs to the session before.
func (n *node) birth(r record, out *output) {
	before, after := n.split(r)
	n.clean = n.state == Online && !n.doubt && len(before) == 0
	n.held = before
	n.flush(out)
	bdSeq, paired := bdSeqOf(r.payload)
	if n.state == Online && n.paired && paired && bdSeq != n.bdSeq {
		n.clean = false
		n.miss(errors.New("the edge node began a new session"))
	}
	if n.doubt {
		n.miss(errors.New("more may have been lost before the edge node was born again"))
	}
	n.held = after
	n.state, n.bdSeq, n.paired, n.next, n.doubt = Online, bdSeq, paired, uint8(r.seq), false
	n.born, n.bornMS, n.lost = r.at, r.stampMS, [256]bool{}
	n.status.Births++
	n.asking.answered()
	for device, p := range n.parts {
		if device != "" {
			p.wait()
		}
	}
	n.inOrder(r, out)
	n.drain(out)
}

// split tells what is held from before a birth from what is held from after it. Of one
// and the same millisecond births follow their node's, and data precede it.
func (n *node) split(birth record) (before, after []record) {
	for _, r := range n.held {
		if birth.stampMS >= 0 && (r.stampMS > birth.stampMS || r.stampMS == birth.stampMS && r.verb == deviceBirth) {
			after = append(after, r)
		} else {
			before = append(before, r)
		}
	}
	return before, after
}

// bdSeqOf finds the number by which a death names the birth that it belongs to.
func bdSeqOf(p payload) (bdSeq uint64, ok bool) {
	p.each(func(m *metric) {
		if string(m.name) == "bdSeq" && !m.null && (m.field == intValue || m.field == longValue) {
			bdSeq, ok = m.bits, true
		}
	})
	return bdSeq, ok
}

// die ends the session that the death belongs to. One of an earlier session comes late,
// when the server notices that the connection before is dead.
func (n *node) die(r record, out *output) error {
	bdSeq, paired := bdSeqOf(r.payload)
	if n.state == Online && n.paired {
		if !paired {
			return errors.New("NDEATH without the metric bdSeq, so nobody knows which birth it ends")
		}
		if bdSeq != n.bdSeq {
			n.status.StaleDeaths++
			return nil
		}
	}
	n.flush(out)
	n.state, n.held, n.doubt = Offline, nil, false
	n.asking.answered()
	for _, p := range n.byName {
		p.die(r.at.UTC(), n.since(r.at), errors.New("the edge node went offline"), out)
	}
	return nil
}

// since is up to when nothing of the node is missing.
func (n *node) since(now time.Time) time.Time {
	if n.intact.IsZero() {
		return now.UTC()
	}
	return n.intact
}

// miss notes for all assets of the node that something is missing, and that what is known
// of the session can no longer be relied on.
func (n *node) miss(why error) {
	for _, p := range n.parts {
		p.trusted = false
		p.miss(n.intact, n.intact, why)
	}
}

// suspect is what a loss does: the node has to be born again.
func (n *node) suspect(why error, now time.Time) {
	n.doubt = true
	n.miss(why)
	n.asking.want(now)
}

// forget is what a lost connection of ours does.
func (n *node) forget(now time.Time) {
	if n.state == Online {
		for _, p := range n.parts {
			p.miss(n.since(now), n.since(now), errors.New("our connection to the MQTT server was lost"))
			p.wait()
		}
	}
	n.state, n.held, n.doubt, n.asking, n.heard = Unknown, nil, false, asking{}, time.Time{}
}

// inOrder applies the message that had to come next.
func (n *node) inOrder(r record, out *output) {
	if r.verb != nodeBirth && r.stampMS >= 0 && slices.ContainsFunc(n.held, func(h record) bool { return h.stampMS >= 0 && h.stampMS < r.stampMS }) {
		n.suspect(errors.New("the edge node sent what follows before what it follows: a birth must be missing"), r.at)
	}
	n.next = uint8(r.seq) + 1
	n.lost[uint8(r.seq)] = false
	n.apply(r, out)
	n.intact = r.stamp()
	if len(n.recent) == mostRecent {
		n.recent = slices.Delete(n.recent, 0, 1)
	}
	n.recent = append(n.recent, r.mark())
}

// apply does what a message says.
func (n *node) apply(r record, out *output) {
	p := n.parts[r.device]
	if p == nil {
		return // of a device that nobody asks for: it only counts
	}
	switch r.verb {
	case nodeBirth, deviceBirth:
		p.birth(r, out, &n.status)
	case deviceDeath:
		p.die(r.stamp(), r.stamp(), errors.New("the device went offline"), out)
	default:
		if err := p.data(r, out, &n.status); err != nil {
			p.miss(n.since(r.at), r.stamp(), err)
			n.asking.want(r.at)
		}
	}
}
