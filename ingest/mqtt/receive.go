package mqtt

import (
	"errors"
	"fmt"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"
)

// What the link tells the source: these run on its goroutine.

// errForgotten is what a gap after a restart of a broker without a memory is for.
var errForgotten = errors.New("the broker kept no session: what was sent in the meantime is lost")

// will is the last will of the next connection.
func (s *Source) will() *Publication {
	if s.opt.Handler == nil || s.opt.Handler.Will == nil {
		return nil
	}
	s.hooked.Lock()
	defer s.hooked.Unlock()
	p := s.opt.Handler.Will(time.Now())
	return &p
}

// up is called for a new connection, over which messages may come at once.
func (s *Source) up(c *session) {
	now := time.Now()
	forgot := s.over.Swap(c) != nil && !c.present && s.opt.Handler == nil
	s.ledger.connected(c, now)
	s.queue.tell(item{back: true, forgot: forgot, at: now})
	if forgot {
		s.opt.Lost(fmt.Errorf("%s: %w", s.opt.name(), errForgotten))
	}
	s.sub.begin(c)
}

// hear takes a packet. It waits while the queue is full.
func (s *Source) hear(c *session, p any) error {
	now := time.Now()
	switch p := p.(type) {
	case published:
		m := &message{published: p, at: now}
		if s.ledger.enter(m, c) && !s.queue.put(s.life, m) {
			return s.life.Err()
		}
	case *packets.SubackPacket:
		if err := s.answered(c, p, now); err != nil {
			return err
		}
	}
	s.sub.again(c, now)
	full, _ := s.ledger.standstill(now)
	s.note(standstill, full)
	return nil
}

// answered takes the broker's word on a subscription. What it does not grant is told and
// asked for again later; what it grants is read in the meantime.
func (s *Source) answered(c *session, p *packets.SubackPacket, now time.Time) error {
	done, err := s.sub.answered(c, p, now)
	if !done {
		return err
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", s.opt.name(), err)
		s.meter.Down(now, err)
		s.note(noSubscription, err)
		return nil
	}
	s.note(noSubscription, nil)
	s.note(noConnection, nil)
	s.meter.Up(now)
	s.queue.tell(item{subscribed: true, at: now})
	select {
	case <-s.first:
	default:
		close(s.first)
	}
	return nil
}

// last is called before the connection is ended by us.
func (s *Source) last(c *session) {
	if s.opt.Handler == nil || s.opt.Handler.Death == nil {
		return
	}
	s.hooked.Lock()
	defer s.hooked.Unlock()
	for _, p := range s.opt.Handler.Death(time.Now()) {
		c.publish(p, false)
	}
}

// down is called when a connection ended or could not be made.
func (s *Source) down(err error, was bool) {
	now := time.Now()
	s.meter.Down(now, err)
	s.note(noSubscription, nil)
	s.note(standstill, nil)
	if was {
		s.queue.tell(item{lost: err, at: now})
	}
	s.note(noConnection, err)
}
