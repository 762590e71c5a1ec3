package mqtt_test

import (
	"bytes"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"
)

// fake is a broker that does what a test says, for what no real one does on demand.
type fake struct {
	t      *testing.T
	listen net.Listener
}

func newFake(t *testing.T) *fake {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return &fake{t, l}
}

func (f *fake) url() string { return "tcp://" + f.listen.Addr().String() }

// peer is a client of it.
type peer struct {
	net.Conn
	t *testing.T
}

// accept takes the next connection and its CONNECT.
func (f *fake) accept(present bool) (peer, *packets.ConnectPacket) {
	f.t.Helper()
	c, err := f.listen.Accept()
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { _ = c.Close() })
	p := peer{c, f.t}
	hello, ok := p.next().(*packets.ConnectPacket)
	if !ok {
		f.t.Fatal("no CONNECT")
	}
	ack := packets.NewControlPacket(packets.Connack).(*packets.ConnackPacket)
	ack.SessionPresent = present
	p.send(ack)
	return p, hello
}

// next is what the client sends next, but for pings, which are answered.
func (p peer) next() packets.ControlPacket {
	p.t.Helper()
	for {
		_ = p.SetReadDeadline(time.Now().Add(20 * time.Second))
		got, err := packets.ReadPacket(p)
		if err != nil {
			p.t.Fatalf("the client: %v", err)
		}
		if _, ping := got.(*packets.PingreqPacket); !ping {
			return got
		}
		p.send(packets.NewControlPacket(packets.Pingresp))
	}
}

func (p peer) send(x packets.ControlPacket) {
	p.t.Helper()
	if err := x.Write(p); err != nil {
		p.t.Fatal(err)
	}
}

// grant answers the next SUBSCRIBE with these codes.
func (p peer) grant(codes ...byte) *packets.SubscribePacket {
	p.t.Helper()
	asked, ok := p.next().(*packets.SubscribePacket)
	if !ok {
		p.t.Fatal("no SUBSCRIBE")
	}
	ack := packets.NewControlPacket(packets.Suback).(*packets.SubackPacket)
	ack.MessageID, ack.ReturnCodes = asked.MessageID, codes
	p.send(ack)
	return asked
}

// give sends a message at QoS 1.
func (p peer) give(topic string, id uint16, dup bool, payload []byte) {
	p.t.Helper()
	m := packets.NewControlPacket(packets.Publish).(*packets.PublishPacket)
	m.Qos, m.TopicName, m.MessageID, m.Dup, m.Payload = 1, topic, id, dup, payload
	p.send(m)
}

// acked waits for the acknowledgement of a message.
func (p peer) acked() uint16 {
	p.t.Helper()
	a, ok := p.next().(*packets.PubackPacket)
	if !ok {
		p.t.Fatal("no PUBACK")
	}
	return a.MessageID
}

// silent reports whether the client sends nothing but pings for a while.
func (p peer) silent(d time.Duration) bool {
	p.t.Helper()
	var got bytes.Buffer
	_ = p.SetReadDeadline(time.Now().Add(d))
	_, _ = io.Copy(&got, p)
	return len(bytes.ReplaceAll(got.Bytes(), []byte{packets.Pingreq << 4, 0}, nil)) == 0
}

// proxy stands between a client and a broker, and can hold everything up or cut it.
type proxy struct {
	listen net.Listener
	to     string

	mu      sync.Mutex
	open    []net.Conn
	stalled bool
	wake    *sync.Cond
}

func newProxy(t *testing.T, to string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listen: l, to: to}
	p.wake = sync.NewCond(&p.mu)
	var g sync.WaitGroup
	g.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			g.Go(func() { p.join(c) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		p.stall(false)
		p.cut()
		g.Wait()
	})
	return p
}

func (p *proxy) addr() string { return p.listen.Addr().String() }

func (p *proxy) join(c net.Conn) {
	b, err := net.Dial("tcp", p.to)
	if err != nil {
		_ = c.Close()
		return
	}
	p.mu.Lock()
	p.open = append(p.open, c, b)
	p.mu.Unlock()
	var g sync.WaitGroup
	g.Go(func() { p.copy(c, b) })
	p.copy(b, c)
	g.Wait()
}

func (p *proxy) copy(to, from net.Conn) {
	defer to.Close()   //nolint:errcheck // a test
	defer from.Close() //nolint:errcheck // a test
	b := make([]byte, 32<<10)
	for {
		n, err := from.Read(b)
		p.mu.Lock()
		for p.stalled {
			p.wake.Wait()
		}
		p.mu.Unlock()
		if err != nil {
			return
		}
		if _, err := to.Write(b[:n]); err != nil {
			return
		}
	}
}

// stall lets nothing through, or everything again; connections stay open.
func (p *proxy) stall(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stalled = on
	p.wake.Broadcast()
}

// cut closes what is open.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.open {
		_ = c.Close()
	}
	p.open = nil
}

// publishes is the payload that the client publishes next at QoS 1.
func (p peer) publishes(dup, ack bool) string {
	p.t.Helper()
	m, ok := p.next().(*packets.PublishPacket)
	if !ok || m.Qos != 1 || m.Dup != dup {
		p.t.Fatalf("the client sends %v", m)
	}
	if ack {
		a := packets.NewControlPacket(packets.Puback).(*packets.PubackPacket)
		a.MessageID = m.MessageID
		p.send(a)
	}
	return string(m.Payload)
}
