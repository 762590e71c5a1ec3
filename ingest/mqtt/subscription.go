package mqtt

import (
	"errors"
	"fmt"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"
)

// subscription is what has to be granted by each new session, also one that the broker
// kept: its subscriptions may be those of an older configuration, or gone.
type subscription struct {
	filters []string
	qos     []byte

	id    uint16 // of the request under way, 0 for none
	asked []int  // in it
	tries int    // in a row for which the ID was in use
	retry []int  // refused
	at    time.Time
	why   error
}

const (
	// idInUse is how one broker (mochi) answers a request whose packet ID equals that of a
	// message it still has under way to us.
	idInUse = 0x91
	// mostTries bounds how often another ID is tried.
	mostTries = 8
	// retryRefused is when a refused subscription is asked for again: somebody may have
	// allowed it in the meantime.
	retryRefused = 30 * time.Second
)

// begin asks for everything over a new session.
func (x *subscription) begin(s *session) {
	x.retry, x.why, x.tries, x.id = nil, nil, 0, 0
	all := make([]int, len(x.filters))
	for i := range all {
		all[i] = i
	}
	x.ask(s, all)
}

func (x *subscription) ask(s *session, which []int) {
	filters, qos := make([]string, len(which)), make([]byte, len(which))
	for k, i := range which {
		filters[k], qos[k] = x.filters[i], x.qos[i]
	}
	x.asked = which
	x.id = s.subscribe(filters, qos)
}

// again asks once more for what was refused, when it is time.
func (x *subscription) again(s *session, now time.Time) {
	if len(x.retry) > 0 && x.id == 0 && now.After(x.at) {
		which := x.retry
		x.retry, x.why = nil, nil
		x.ask(s, which)
	}
}

// answered reads the broker's answer. It is done when nothing is asked for any more; the
// error says what is refused.
func (x *subscription) answered(s *session, p *packets.SubackPacket, now time.Time) (done bool, err error) {
	if p.MessageID != x.id {
		return false, nil
	}
	x.id = 0
	if len(p.ReturnCodes) != len(x.asked) {
		return false, fmt.Errorf("an answer of %d codes to a subscription to %d topics", len(p.ReturnCodes), len(x.asked))
	}
	var inUse, refused []int
	var bad []error
	for k, code := range p.ReturnCodes {
		i := x.asked[k]
		switch {
		case code == x.qos[i]:
		case code == idInUse && x.tries < mostTries:
			inUse = append(inUse, i)
		case code <= 1:
			refused = append(refused, i)
			bad = append(bad, fmt.Errorf("the broker grants %s at QoS %d, want QoS %d: allow it there", x.filters[i], code, x.qos[i]))
		default:
			refused = append(refused, i)
			bad = append(bad, fmt.Errorf("the broker refuses the subscription to %s with code %#x: allow it there", x.filters[i], code))
		}
	}
	if len(refused) > 0 {
		x.retry, x.at, x.why = append(x.retry, refused...), now.Add(retryRefused), errors.Join(append(bad, x.why)...)
	}
	if len(inUse) > 0 {
		x.tries++
		x.ask(s, inUse)
		return false, nil
	}
	x.tries = 0
	return true, x.why
}
