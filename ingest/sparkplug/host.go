package sparkplug

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/ingest"
)

// Host is a Sparkplug host application: it follows the sessions of the edge nodes that its
// bindings name. It belongs to one connection to one MQTT server and is used by one
// goroutine, which connects with Will, subscribes to Filters, publishes Birth, hands over
// every message, calls Tick about every 100 ms, and says Lost when the connection is.
type Host struct {
	opt     Options
	nodes   map[nodeID]*node
	ordered []*node // by name
	willMS  int64   // timestamp of the will in force; 0 before the first
	up      bool    // between Birth and Lost
	unbound map[string]int64
	out     output // of the call under way
}

// Publication is a message to be published.
type Publication struct {
	Topic    string
	Payload  []byte
	QoS      byte
	Retained bool
}

// output is what a call has found so far.
type output struct {
	readings []asset.Reading
	publish  []Publication
}

// mostUnbound is how many edge nodes and devices are named that send and are not bound.
const mostUnbound = 100

// New knows the edge nodes of the bindings and no others.
func New(opt Options) (*Host, error) {
	if err := opt.Validate(); err != nil {
		return nil, err
	}
	h := &Host{opt: opt.withDefaults(), nodes: map[nodeID]*node{}, unbound: map[string]int64{}}
	for i := range h.opt.Bindings {
		b := &h.opt.Bindings[i]
		id := nodeID{b.Group, b.Edge}
		n := h.nodes[id]
		if n == nil {
			n = newNode(id)
			h.nodes[id] = n
			h.ordered = append(h.ordered, n)
		}
		n.bind(b)
	}
	slices.SortFunc(h.ordered, func(a, b *node) int {
		return cmp.Or(strings.Compare(a.id.group, b.id.group), strings.Compare(a.id.edge, b.id.edge))
	})
	return h, nil
}

// Filters are what to subscribe to, at QoS 1, with a clean session, and before Birth: our
// own STATE, and all that edge nodes say. No two of them match the same topic.
func (h *Host) Filters() []string {
	all := []string{stateTopic + h.opt.HostID}
	groups := h.opt.Groups
	if len(groups) == 0 {
		groups = []string{"+"}
	}
	for _, g := range groups {
		for _, v := range heard {
			filter := namespace + "/" + g + "/" + string(v) + "/+"
			if strings.HasPrefix(string(v), "D") {
				filter += "/+"
			}
			all = append(all, filter)
		}
	}
	return all
}

// Will is the message to connect with: it says offline with the time of this connection.
func (h *Host) Will(now time.Time) Publication {
	h.willMS = max(h.willMS, now.UnixMilli())
	return h.state(false, h.willMS)
}

// Birth is what to publish first when the subscriptions stand. Nodes that are not born by
// themselves within the reorder time are asked to, one after the other.
func (h *Host) Birth(now time.Time) []Publication {
	if h.willMS == 0 {
		h.Will(now)
	}
	if h.up {
		h.Lost(now) // nobody told us
	}
	h.up = true
	for i, n := range h.ordered {
		if n.state != Online {
			n.asking = asking{wanted: true, from: now.Add(h.opt.Reorder + time.Duration(i)*askingApart)}
		}
	}
	return []Publication{h.state(true, h.willMS)}
}

// Death is what to publish before a disconnection on purpose, which it counts as.
func (h *Host) Death(now time.Time) []Publication {
	h.Lost(now)
	return []Publication{h.state(false, max(h.willMS, now.UnixMilli()))}
}

// Lost notes that our connection is gone: nothing is known of any node until it is born
// again, and what it has said until then is stale.
func (h *Host) Lost(now time.Time) {
	h.up = false
	for _, n := range h.ordered {
		n.forget(now)
	}
}

// Handle takes a message that was received now. The error is an *asset.Invalid: a
// verdict on the message, which may still have led to something. The payload is the
// caller's again afterwards.
func (h *Host) Handle(now time.Time, topic string, b []byte) (readings []asset.Reading, publish []Publication, err error) {
	h.out = output{}
	err = h.handle(now, topic, b)
	return h.out.readings, h.out.publish, err
}

func (h *Host) handle(now time.Time, topic string, b []byte) error {
	if id, ok := strings.CutPrefix(topic, stateTopic); ok {
		return h.handleState(id, topic, b)
	}
	a, err := parse(topic)
	if err != nil {
		return err
	}
	if a.verb == nodeCommand || a.verb == deviceCommand {
		return nil // of another host application
	}
	n := h.nodes[a.nodeID]
	if n == nil || a.device != "" && n.parts[a.device] == nil {
		h.note(a)
	}
	if n == nil {
		return nil
	}
	p, err := decode(b)
	if err == nil {
		p, err = p.open()
	}
	if err == nil && p.seq < 0 && a.verb != nodeDeath {
		err = fmt.Errorf("%s without seq", a.verb)
	}
	if err == nil {
		n.heard, n.status.Heard = now, now
		err = n.receive(record{address: a, payload: p, at: now}, &h.out)
		h.ask(n, now)
	}
	if err != nil {
		return &asset.Invalid{Reason: ingest.Undecodable, Where: topic, Text: err.Error()}
	}
	return nil
}

// note keeps the name of a sender that no binding has.
func (h *Host) note(a address) {
	name := a.group + "/" + a.edge
	if a.device != "" {
		name += "/" + a.device
	}
	if _, there := h.unbound[name]; there || len(h.unbound) < mostUnbound {
		h.unbound[name]++
	}
}

// Tick does what time alone brings about: messages that are not waited for any longer,
// requests for rebirth.
func (h *Host) Tick(now time.Time) (readings []asset.Reading, publish []Publication) {
	h.out = output{}
	for _, n := range h.ordered {
		n.tick(now, h.opt.Reorder, &h.out)
		h.ask(n, now)
	}
	return h.out.readings, h.out.publish
}

// ask publishes a request for rebirth when one is due.
func (h *Host) ask(n *node, now time.Time) {
	if h.up && n.asking.due(now, n.heard) {
		n.asking.sent(now)
		n.status.Rebirths++
		h.out.publish = append(h.out.publish, Publication{Topic: address{nodeID: n.id, verb: nodeCommand}.topic(), Payload: encodeRebirth(now)})
	}
}
