package api

import (
	"encoding/json"
	"errors"
	"sync"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/workorders"
)

// Message is one live message. Whoever shows it already holds a snapshot.
type Message struct {
	Type string          `json:"type"` // risk, alert, order, status
	Data json.RawMessage `json:"data"`
}

// RiskMessage tells of a new verdict, without its evidence.
func RiskMessage(r asset.Risk) Message {
	v := verdict(r)
	v.Evidence = nil
	return message("risk", v)
}

// AlertMessage tells that an episode opened, changed or cleared.
func AlertMessage(a asset.Alert) Message { return message("alert", alertView(a)) }

// OrderMessage tells that a work order was made, sent, parked or completed.
func OrderMessage(o workorders.Order) Message { return message("order", o) }

// StatusMessage tells how far event time has come.
func StatusMessage(s Status) Message {
	s.Notes = noNil(s.Notes)
	return message("status", s)
}

func message(kind string, v any) Message {
	data, err := json.Marshal(v)
	if err != nil { // a value that cannot be encoded tells nothing
		data = []byte("null")
	}
	return Message{Type: kind, Data: data}
}

// HubOptions bound what live messages may cost. Zero means the default.
type HubOptions struct {
	Queue       int // messages that wait for one subscriber; default 1024
	Subscribers int // at once; default 128
}

// ErrFull is answered to a subscriber too many.
var ErrFull = errors.New("api: too many subscribers")

// Hub hands live messages to subscribers. It never waits for one of them: who
// does not keep up is cut off and has to take a snapshot, because a stream with
// holes would show a state that never was. It is safe for concurrent use.
type Hub struct {
	opt HubOptions

	mu     sync.Mutex // guards what follows
	subs   map[*subscriber]struct{}
	closed bool
	cut    int64
}

type subscriber struct {
	frames chan []byte // closed by the hub when it cuts the subscriber off
}

// NewHub makes a hub without subscribers.
func NewHub(opt HubOptions) *Hub {
	if opt.Queue == 0 {
		opt.Queue = 1024
	}
	if opt.Subscribers == 0 {
		opt.Subscribers = 128
	}
	return &Hub{opt: opt, subs: map[*subscriber]struct{}{}}
}

// Publish queues m for every subscriber and returns at once.
func (h *Hub) Publish(m Message) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.subs) == 0 || h.closed {
		return
	}
	frame, err := json.Marshal(m)
	if err != nil {
		return
	}
	for s := range h.subs {
		select {
		case s.frames <- frame:
		default:
			delete(h.subs, s)
			close(s.frames)
			h.cut++
		}
	}
}

// Cut is how many subscribers were too slow so far.
func (h *Hub) Cut() int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.cut
}

// Close ends every stream, so that a server can shut down.
func (h *Hub) Close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for s := range h.subs {
		delete(h.subs, s)
		close(s.frames)
	}
}

func (h *Hub) subscribe() (*subscriber, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed || len(h.subs) >= h.opt.Subscribers {
		return nil, ErrFull
	}
	s := &subscriber{frames: make(chan []byte, h.opt.Queue)}
	h.subs[s] = struct{}{}
	return s, nil
}

func (h *Hub) leave(s *subscriber) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, in := h.subs[s]; in {
		delete(h.subs, s)
		close(s.frames)
	}
}
