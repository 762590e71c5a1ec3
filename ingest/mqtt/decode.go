package mqtt

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/ingest"
)

// What the goroutine of Next does with messages.

// redelivery is how long the source waits for more of what a broker sends again:
// not every broker sends it in order.
const redelivery = 300 * time.Millisecond

// fill decodes what comes next.
func (s *Source) fill(ctx context.Context) error {
	var over <-chan time.Time
	if s.opt.Handler != nil {
		t := time.NewTimer(tick)
		defer t.Stop()
		over = t.C
	}
	m, err := s.message(ctx, over)
	switch {
	case err != nil:
		return err
	case m == nil:
		s.tick(time.Now())
		return nil
	case m.dup:
		return s.again(ctx, m)
	}
	s.tick(m.at) // of its arrival: a queue that is behind is no reason to give up waiting
	return s.decode(ctx, m)
}

// message waits for the next one; nil when none came before the time was over.
func (s *Source) message(ctx context.Context, over <-chan time.Time) (*message, error) {
	if len(s.todo) > 0 {
		m := s.todo[0]
		s.todo = s.todo[1:]
		return m, nil
	}
	for {
		i, ok, err := s.queue.take(ctx, over)
		if err != nil || !ok {
			return nil, err
		}
		if i.message != nil {
			return i.message, nil
		}
		s.happened(i)
	}
}

// happened takes note of what became of the connection.
func (s *Source) happened(i item) {
	h := s.opt.Handler
	if h != nil {
		s.hooked.Lock()
		defer s.hooked.Unlock()
	}
	switch {
	case i.lost != nil:
		s.gaps.lost(i.at, i.lost)
		if h != nil && h.Lost != nil {
			h.Lost(i.at)
		}
	case i.back:
		s.gaps.back(i.at, i.forgot)
	case i.subscribed:
		if h != nil && h.Birth != nil {
			s.publish(h.Birth(i.at))
		}
	}
}

// tick asks the handler whether it waits for something.
func (s *Source) tick(now time.Time) {
	h := s.opt.Handler
	if h == nil || h.Tick == nil || now.Sub(s.ticked) < tick {
		return
	}
	s.ticked = now
	s.hooked.Lock()
	readings, out := h.Tick(now)
	s.hooked.Unlock()
	s.publish(out)
	for _, r := range readings {
		s.ready = append(s.ready, decoded{Reading: r})
	}
}

func (s *Source) publish(out []Publication) {
	if c := s.over.Load(); c != nil {
		for _, p := range out {
			c.publish(p, false)
		}
	}
}

// again collects what is delivered again, until no more of it comes, and puts it
// in order of time before anything new.
func (s *Source) again(ctx context.Context, m *message) error {
	old := []*message{m}
	var fresh []*message
	waiting := time.NewTimer(redelivery)
	defer waiting.Stop()
	for {
		m, err := s.message(ctx, waiting.C)
		if err != nil {
			s.todo = slices.Concat(old, fresh, s.todo)
			return err
		}
		if m == nil {
			break
		}
		if !m.dup {
			fresh = append(fresh, m)
			continue
		}
		old = append(old, m)
		waiting.Reset(redelivery)
	}
	s.todo = append(fresh, s.todo...)
	for i, m := range old {
		if err := s.decode(ctx, m); err != nil {
			s.todo = slices.Concat(old[i:], s.todo[1:])
			return err
		}
	}
	slices.SortStableFunc(s.ready, func(a, b decoded) int { return a.Time.Compare(b.Time) })
	return nil
}

// decode makes readings of a message. While the decoder cannot work the message waits, and
// with it all that came after; when ctx ends it is the next one to do.
func (s *Source) decode(ctx context.Context, m *message) error {
	wait := ingest.Backoff{First: firstWait, Last: lastWait}
	for {
		readings, err := s.look(ctx, m)
		bad, refused := errors.AsType[*asset.Invalid](err)
		switch {
		case err == nil:
			s.note(noDecoder, nil)
			s.accept(m, readings)
			return nil
		case refused:
			s.note(noDecoder, nil)
			s.refuse(m, bad)
			return nil
		}
		s.note(noDecoder, fmt.Errorf("%s: a message on %s waits to be decoded: %w", s.opt.name(), m.topic, err))
		if !wait.Wait(ctx) {
			s.todo = append([]*message{m}, s.todo...)
			return ctx.Err()
		}
	}
}

// look has a message decoded by whose it is.
func (s *Source) look(ctx context.Context, m *message) ([]asset.Reading, error) {
	if m.tooLong > 0 {
		return nil, &asset.Invalid{Reason: ingest.Undecodable, Where: m.topic, Text: fmt.Sprintf("%d bytes, at most %d are read (max_packet)", m.tooLong, s.opt.MaxPacket)}
	}
	if h := s.opt.Handler; h != nil {
		s.hooked.Lock()
		readings, out, err := h.Handle(m.at, m.topic, m.payload)
		s.hooked.Unlock()
		s.publish(out)
		if _, told := errors.AsType[*asset.Invalid](err); err != nil && !told {
			err = &asset.Invalid{Reason: ingest.Undecodable, Where: m.topic, Text: err.Error()} // it is not asked twice
		}
		return readings, err
	}
	id, channel, err := bound(s.routes, m.topic)
	if err != nil {
		return nil, err
	}
	return s.opt.Decoder.Decode(ctx, ingest.Message{Topic: m.topic, Asset: id, Channel: channel, Payload: m.payload})
}

// accept puts the readings of a message in line, behind the gaps that they end.
func (s *Source) accept(m *message, readings []asset.Reading) {
	old := m.dup || m.retained
	s.meter.Heard(m.at, len(m.payload))
	if s.opt.Handler == nil {
		for _, gap := range s.gaps.saw(m.topic, m.at, old, readings) {
			s.ready = append(s.ready, decoded{Reading: gap})
		}
	}
	m.left, m.payload = len(readings), nil // it may wait long for its commit
	for _, r := range readings {
		s.ready = append(s.ready, decoded{r, m})
	}
	if m.left == 0 {
		s.settle(m)
	}
}

// refuse makes a dead letter of a message.
func (s *Source) refuse(m *message, bad *asset.Invalid) {
	now := time.Now()
	s.meter.Heard(m.at, max(len(m.payload), m.tooLong))
	s.meter.Refused(bad.Reason)
	s.opt.Refused(ingest.Message{Topic: m.topic, Payload: m.payload}.Letter(s.opt.name(), now, bad))
	m.payload = nil
	s.settle(m)
}

// settle has a message without readings acknowledged in its turn.
func (s *Source) settle(m *message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.pending) == 0 {
		s.ledger.acknowledge(m, time.Now())
		return
	}
	s.pending = append(s.pending, delivered{s.offset, m})
}
