package mqtt

import (
	"fmt"
	"hash/maphash"
	"slices"
	"sync"
	"time"
)

// ledger knows the messages that the broker waits to have acknowledged. It is safe for
// concurrent use.
//
// After a lost connection the broker sends them again. The flow has them already, and
// acknowledges them in its time; so the second copy only says over which connection, and
// with which packet ID, that has to be done. An ID of the old connection means another
// message on the new one.
type ledger struct {
	seed     maphash.Seed
	inFlight int           // the broker's limit; 0: not known
	patience time.Duration // with a broker from which nothing comes

	mu      sync.Mutex            // guards the rest
	open    map[uint64][]*message // by sum
	recent  map[uint64]bool       // acknowledged lately: the broker may not have heard it
	order   []uint64              // of recent
	current *session
	arrived int           // over it
	owed    int           // of these, not acknowledged
	peak    int           // most that were owed at once
	moved   time.Time     // when the last came or was acknowledged
	slowest time.Duration // that one took to come
}

// mostRecent is how many acknowledged messages are remembered.
const mostRecent = 1 << 14

// newcomer is how long it is waited for a second message before a broker is suspected of
// holding it back.
const newcomer = time.Minute

func newLedger(inFlight int, patience time.Duration) *ledger {
	return &ledger{seed: maphash.MakeSeed(), inFlight: inFlight, patience: patience, open: map[uint64][]*message{}, recent: map[uint64]bool{}}
}

// connected begins to count over a new connection.
func (l *ledger) connected(s *session, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.current, l.arrived, l.owed, l.peak, l.moved, l.slowest = s, 0, 0, 0, now, 0
}

// enter takes up a message that came over s, and reports whether it is one to look at.
func (l *ledger) enter(m *message, s *session) bool {
	var h maphash.Hash
	h.SetSeed(l.seed)
	_, _ = h.WriteString(m.topic)
	_ = h.WriteByte(0)
	_, _ = h.Write(m.payload)
	m.sum = h.Sum64()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.slowest = max(l.slowest, m.at.Sub(l.moved))
	l.arrived++
	l.moved = m.at
	if m.qos == 0 {
		return true
	}
	if m.dup {
		known := func(k *message) bool { return k.over != s || k.id == m.id }
		if i := slices.IndexFunc(l.open[m.sum], known); i >= 0 {
			k := l.open[m.sum][i]
			if k.over != s {
				l.owe()
			}
			k.over, k.id = s, m.id
			return false
		}
		if l.recent[m.sum] {
			s.acknowledge(m.id)
			return false
		}
	}
	m.over = s
	l.open[m.sum] = append(l.open[m.sum], m)
	l.owe()
	return true
}

func (l *ledger) owe() {
	l.owed++
	l.peak = max(l.peak, l.owed)
}

// acknowledge tells the broker that a message is done with, if the connection that it came
// over is still there.
func (l *ledger) acknowledge(m *message, now time.Time) {
	if m.qos == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.Index(l.open[m.sum], m)
	if i < 0 {
		return
	}
	if rest := slices.Delete(l.open[m.sum], i, i+1); len(rest) > 0 {
		l.open[m.sum] = rest
	} else {
		delete(l.open, m.sum)
	}
	if !l.recent[m.sum] {
		l.recent[m.sum] = true
		if l.order = append(l.order, m.sum); len(l.order) > mostRecent {
			delete(l.recent, l.order[0])
			l.order = l.order[1:]
		}
	}
	if m.over == l.current {
		l.owed--
		l.moved = now
	}
	m.over.acknowledge(m.id)
}

// standstill says that the broker waits for acknowledgements that do not come, and whether
// that is sure. Nothing in MQTT 3.1.1 tells the broker's limit, so without a configured one
// it is a guess: as many messages are owed as never before, and there is silence that is
// longer than any before.
func (l *ledger) standstill(now time.Time) (err error, sure bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	silent := now.Sub(l.moved)
	switch {
	case l.owed == 0 || silent < l.patience:
		return nil, false
	case l.inFlight > 0 && l.owed >= l.inFlight:
		return fmt.Errorf("the broker's limit of %d messages in flight is reached: %d wait to be committed and nothing comes any more: raise the limit in the broker (mosquitto: max_inflight_messages)", l.inFlight, l.owed), true
	case l.inFlight > 0 || l.owed < l.peak || silent < 2*l.slowest || l.arrived < 2 && silent < newcomer:
		return nil, false
	}
	return fmt.Errorf("%d messages wait to be committed and nothing comes any more: if it is not that nothing is sent, the broker's limit of messages in flight is reached (mosquitto: max_inflight_messages)", l.owed), false
}
