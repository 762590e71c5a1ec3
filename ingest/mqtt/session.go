package mqtt

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"
)

// Publication is a message to publish.
type Publication struct {
	Topic    string
	Payload  []byte
	QoS      byte // 0 or 1
	Retained bool
}

// session is one connection to a broker, from CONNECT to its end. Sending never waits:
// one goroutine writes what was collected, and asks the broker for signs of life, so that
// a reader which is held up by a full queue does not look dead to the broker.
type session struct {
	conn    *wire
	in      *bufio.Reader
	limit   int  // bytes of a packet
	present bool // the broker knew us

	wake   chan struct{}
	mu     sync.Mutex // guards the rest
	out    []byte     // to be written
	last   uint16     // packet ID given
	closed bool       // nothing is sent any more
	ending bool       // DISCONNECT is in out
}

// closing is how long the end of a connection may take.
const closing = time.Second

// connect makes a session: CONNECT goes, CONNACK has come.
func (c Config) connect(ctx context.Context, address string, hello *packets.ConnectPacket) (*session, error) {
	u, err := parseURL(address)
	if err != nil {
		return nil, err
	}
	conn, err := c.dial(ctx, u)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	s := &session{conn: &wire{conn, c.patience()}, limit: c.MaxPacket, wake: make(chan struct{}, 1)}
	s.in = bufio.NewReaderSize(s.conn, 64<<10)
	if err = s.greet(hello); err != nil {
		_ = conn.Close()
		return nil, err
	}
	s.conn.silence = c.KeepAlive
	return s, nil
}

func (s *session) greet(hello *packets.ConnectPacket) error {
	if err := hello.Write(s.conn); err != nil {
		return err
	}
	p, err := readPacket(s.in, s.limit)
	if err != nil {
		return fmt.Errorf("no answer to CONNECT: %w", err)
	}
	ack, ok := p.(*packets.ConnackPacket)
	if !ok {
		return fmt.Errorf("the answer to CONNECT is %T", p)
	}
	if ack.ReturnCode != packets.Accepted {
		if err := packets.ConnErrors[ack.ReturnCode]; err != nil {
			return fmt.Errorf("the broker refuses us: %w", err)
		}
		return fmt.Errorf("the broker refuses us with code %d", ack.ReturnCode)
	}
	s.present = ack.SessionPresent
	return nil
}

// run reads until the connection ends, and hands on what comes. When ctx ends last is
// called, what was sent until then goes out, and the broker is told.
func (s *session) run(ctx context.Context, hear func(packet any) error, last func()) error {
	var writer sync.WaitGroup
	done := make(chan struct{})
	writer.Go(func() { s.write(done) })
	finished := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(finished)
		last()
		s.finish()
	})
	var err error
	for err == nil {
		var p any
		if p, err = readPacket(s.in, s.limit); err == nil {
			err = hear(p)
		}
	}
	if !stop() {
		<-finished
	}
	s.shut()
	close(done)
	_ = s.conn.Close()
	writer.Wait()
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		return fmt.Errorf("nothing came for %s, no sign of life: %w", s.conn.silence, err)
	}
	if errors.Is(err, io.EOF) {
		return errors.New("the broker closed the connection")
	}
	return err
}

// write is the writing goroutine.
func (s *session) write(done <-chan struct{}) {
	alive := time.NewTicker(s.conn.silence / 2)
	defer alive.Stop()
	for {
		select {
		case <-done:
			return
		case <-alive.C:
			s.send([]byte{packets.Pingreq << 4, 0})
		case <-s.wake:
		}
		s.mu.Lock()
		b, ending := s.out, s.ending
		s.out = nil
		s.mu.Unlock()
		_, err := s.conn.Write(b)
		switch {
		case err != nil:
			_ = s.conn.Close() // which ends the reading
			return
		case ending: // the broker closes: what it has not read is lost when we close first
			select {
			case <-done:
			case <-time.After(closing):
				_ = s.conn.Close()
			}
			return
		}
	}
}

// send has b written.
func (s *session) send(b []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.put(b)
}

func (s *session) put(b []byte) {
	if s.closed || s.ending {
		return
	}
	s.out = append(s.out, b...)
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// finish sends DISCONNECT after everything else.
func (s *session) finish() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.put([]byte{packets.Disconnect << 4, 0})
	s.ending = true
}

func (s *session) shut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed, s.out = true, nil
}

// acknowledge answers a PUBLISH.
func (s *session) acknowledge(id uint16) {
	s.send(binary.BigEndian.AppendUint16([]byte{packets.Puback << 4, 2}, id))
}

// publish sends a message and returns its packet ID, 0 at QoS 0.
func (s *session) publish(p Publication, dup bool) uint16 {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := &packets.PublishPacket{FixedHeader: packets.FixedHeader{MessageType: packets.Publish, Qos: p.QoS, Retain: p.Retained, Dup: dup && p.QoS > 0}}
	m.TopicName, m.Payload = p.Topic, p.Payload
	if p.QoS > 0 {
		m.MessageID = s.id()
	}
	var b bytes.Buffer
	_ = m.Write(&b) // memory takes everything
	s.put(b.Bytes())
	return m.MessageID
}

// subscribe asks for the filters and returns the packet ID of the request.
func (s *session) subscribe(filters []string, qos []byte) uint16 {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := &packets.SubscribePacket{FixedHeader: packets.FixedHeader{MessageType: packets.Subscribe, Qos: 1}, MessageID: s.id(), Topics: filters, Qoss: qos}
	var b bytes.Buffer
	_ = m.Write(&b) // memory takes everything
	s.put(b.Bytes())
	return m.MessageID
}

// id is the next packet ID. They go down from the end: one broker has a single space of
// them for both directions, and gives its own from 1 up.
func (s *session) id() uint16 {
	if s.last--; s.last == 0 {
		s.last--
	}
	return s.last
}
