package sparkplug

import (
	"maps"
	"time"
)

// Status is how a host application's edge nodes stand.
type Status struct {
	Nodes   []NodeStatus     `json:"nodes"`
	Unbound map[string]int64 `json:"unbound,omitempty"` // messages of edge nodes and devices that no binding names, the first 100 of them, by GROUP/EDGE or GROUP/EDGE/DEVICE
}

// NodeStatus is how an edge node stands, and what its messages came to since the start.
type NodeStatus struct {
	Group        string           `json:"group"`
	Edge         string           `json:"edge"`
	State        State            `json:"state"`
	Doubt        bool             `json:"doubt"`             // messages were lost since its birth: aliases are not read until the next
	Waiting      bool             `json:"waiting"`           // for the birth that was asked for
	Devices      map[string]State `json:"devices,omitempty"` // that are bound
	Born         time.Time        `json:"born,omitzero"`     // on our clock, last
	Heard        time.Time        `json:"heard,omitzero"`    // on our clock, last
	Births       int64            `json:"births"`            // of the node itself
	Rebirths     int64            `json:"rebirths"`          // requests for one that we sent
	Losses       int64            `json:"losses"`            // times that the sequence had a hole
	LostMessages int64            `json:"lost_messages"`     // in them
	Repeated     int64            `json:"repeated"`          // messages that came twice
	Late         int64            `json:"late"`              // messages that came after they were taken for lost, or after a birth that they were sent before
	StaleDeaths  int64            `json:"stale_deaths"`      // of earlier sessions
	Undefined    int64            `json:"undefined"`         // messages and metrics that nothing could be made of without their birth
	Unread       int64            `json:"unread"`            // values that are none of their datatype, or no numbers
	Stale        int64            `json:"stale"`             // values whose quality says that they are bad or stale
	Held         int              `json:"held"`              // messages that wait for one they overtook
}

// Status is a copy of how everything stands.
func (h *Host) Status() Status {
	s := Status{Unbound: maps.Clone(h.unbound)}
	for _, n := range h.ordered {
		s.Nodes = append(s.Nodes, n.standing())
	}
	return s
}

func (n *node) standing() NodeStatus {
	s := n.status
	s.Group, s.Edge, s.State, s.Doubt, s.Waiting = n.id.group, n.id.edge, n.state, n.doubt, n.asking.wanted
	s.Born, s.Held = n.born, len(n.held)
	for device, p := range n.parts {
		if device == "" {
			continue
		}
		if s.Devices == nil {
			s.Devices = map[string]State{}
		}
		switch {
		case n.state == Unknown:
			s.Devices[device] = Unknown
		case p.born:
			s.Devices[device] = Online
		default:
			s.Devices[device] = Offline
		}
	}
	return s
}
