package mqtt

import (
	"context"
	"sync"
	"time"
)

// message is a PUBLISH on its way to the flow.
type message struct {
	published
	at   time.Time // of its arrival
	sum  uint64    // of topic and payload
	left int       // readings of it that are not returned yet; Next's
	over *session  // that it came over last; guarded by the ledger
}

// item is what the reader of a queue learns, in the order in which it happened.
type item struct {
	message    *message
	lost       error     // the connection ended
	back       bool      // there is a new one
	forgot     bool      // of a broker that did not know us any more
	subscribed bool      // over it
	at         time.Time // of all but a message
}

// queue holds what arrived and was not taken, bounded in messages and bytes. It is safe
// for concurrent use.
type queue struct {
	most, mostBytes int
	filled, emptied chan struct{} // signals, for one reader and one writer

	mu    sync.Mutex // guards the rest
	items []item
	count int // of messages in items
	bytes int // of them
}

func newQueue(most, mostBytes int) *queue {
	return &queue{most: most, mostBytes: mostBytes, filled: make(chan struct{}, 1), emptied: make(chan struct{}, 1)}
}

// put waits for room for a message, and reports whether there was some before ctx ended.
// A message that is larger than all the room waits until it is alone.
func (q *queue) put(ctx context.Context, m *message) bool {
	for !q.add(item{message: m}) {
		select {
		case <-q.emptied:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// tell never waits.
func (q *queue) tell(i item) { q.add(i) }

func (q *queue) add(i item) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if i.message != nil {
		n := len(i.message.payload)
		if q.count >= q.most || q.count > 0 && q.bytes+n > q.mostBytes {
			return false
		}
		q.count, q.bytes = q.count+1, q.bytes+n
	}
	q.items = append(q.items, i)
	signal(q.filled)
	return true
}

// take waits for the next item; ok is false when none came before the time was over.
func (q *queue) take(ctx context.Context, over <-chan time.Time) (i item, ok bool, err error) {
	for {
		if i, ok = q.next(); ok {
			return i, true, nil
		}
		select {
		case <-q.filled:
		case <-over:
			return item{}, false, nil
		case <-ctx.Done():
			return item{}, false, ctx.Err()
		}
	}
}

func (q *queue) next() (item, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.items) == 0 {
		q.items = nil
		return item{}, false
	}
	i := q.items[0]
	q.items[0] = item{}
	q.items = q.items[1:]
	if i.message != nil {
		q.count, q.bytes = q.count-1, q.bytes-len(i.message.payload)
		signal(q.emptied)
	}
	return i, true
}

// waiting counts the messages.
func (q *queue) waiting() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.count
}

func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
