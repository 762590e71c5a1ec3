package mqtt_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/ingest"
	"github.com/telltale-iot/telltale/ingest/mqtt"
)

// begin opens a source without waiting for its broker.
func begin(t *testing.T, opt mqtt.Options) *mqtt.Source {
	t.Helper()
	s, err := mqtt.Open(t.Context(), opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func next(t *testing.T, s *mqtt.Source) (asset.Reading, asset.Position) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	r, p, err := s.Next(ctx)
	if err != nil {
		t.Fatalf("nothing came: %v; %+v", err, s.Status())
	}
	return r, p
}

// free is an address on which nobody listens.
func free(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // a test
	return l.Addr().String()
}

// until waits for something to become true.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for range 2000 {
		if holds() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("not %s", what)
}

func telemetry(t *testing.T, i int) []byte {
	t.Helper()
	b, err := ingest.EncodeTelemetry(point(i))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

const topic = "telltale/wt%2F1%20%2Ba/telemetry"

// What was under way when a connection broke comes again with other packet IDs. It is
// not given out twice, and it is acknowledged by the IDs of the connection that there is:
// an ID of the old one is another message on the new one.
func TestAcknowledgementGoesOverTheConnectionThereIs(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	s := begin(t, mqtt.Options{Config: mqtt.Config{URL: f.url()}})
	old, hello := f.accept(false)
	if hello.CleanSession || hello.ClientIdentifier != "telltale" || hello.ProtocolVersion != 4 || hello.Keepalive != 5 {
		t.Errorf("the client says %+v", hello)
	}
	old.grant(1, 1)
	for i := range 4 {
		old.give(topic, uint16(i+1), false, telemetry(t, i))
	}
	var at [4]asset.Position
	for i := range 4 {
		_, at[i] = next(t, s)
	}
	s.Ack(at[0])
	if id := old.acked(); id != 1 {
		t.Fatalf("%d is acknowledged, want 1", id)
	}
	_ = old.Close()
	now, _ := f.accept(true)
	now.grant(1, 1)
	now.give(topic, 9, true, telemetry(t, 0)) // the acknowledgement was lost
	now.give(topic, 7, true, telemetry(t, 1))
	now.give(topic, 8, true, telemetry(t, 2))
	if id := now.acked(); id != 9 {
		t.Errorf("%d is acknowledged, want 9: it was committed before", id)
	}
	now.give(topic, 2, false, telemetry(t, 4)) // an ID that another message had
	if r, _ := next(t, s); r.Event != nil || r.Points[0].Value != 4 {
		t.Errorf("got %+v %+v, want the one that is new", r, r.Event)
	}
	s.Ack(at[3])
	for _, want := range []uint16{7, 8} {
		if id := now.acked(); id != want {
			t.Errorf("%d is acknowledged, want %d", id, want)
		}
	}
	if !now.silent(200 * time.Millisecond) {
		t.Error("a message is acknowledged over a connection that it did not come over")
	}
}

// A broker may refuse a subscription, or grant less than was asked for. That is said, and
// what is granted is read.
func TestRefusedSubscriptionIsSaid(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	var mu sync.Mutex
	var told []string
	s := begin(t, mqtt.Options{Config: mqtt.Config{URL: f.url()}, Lost: func(err error) {
		mu.Lock()
		defer mu.Unlock()
		told = append(told, err.Error())
	}})
	c, _ := f.accept(false)
	first := c.grant(1, 0x91) // the second ID is in use: it is asked for with another
	if again := c.grant(0x80); again.MessageID == first.MessageID || fmt.Sprint(again.Topics) != "[telltale/+/wave/+]" {
		t.Errorf("asks for %v with ID %d after %d", again.Topics, again.MessageID, first.MessageID)
	}
	const want = "the broker refuses the subscription to telltale/+/wave/+ with code 0x80: allow it there"
	until(t, "said", func() bool { return strings.Contains(s.Status().Why, want) })
	if st := s.Status(); st.Up {
		t.Errorf("it is up: %+v", st)
	}
	c.give(topic, 1, false, telemetry(t, 1))
	if r, _ := next(t, s); r.Points[0].Value != 1 {
		t.Errorf("got %+v", r)
	}
	_ = c.Close()
	c, _ = f.accept(true)
	c.grant(1, 0)
	until(t, "said", func() bool {
		return strings.Contains(s.Status().Why, "grants telltale/+/wave/+ at QoS 0, want QoS 1: allow it there")
	})
	_ = c.Close()
	c, _ = f.accept(true)
	c.grant(1, 1)
	until(t, "up", func() bool { st := s.Status(); return st.Up && st.Why == "" })
	mu.Lock()
	defer mu.Unlock()
	if n := strings.Count(strings.Join(told, "\n"), want); n != 1 {
		t.Errorf("said %d times, want once: %q", n, told)
	}
}

func TestRefusedConnectionIsSaid(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	s := begin(t, mqtt.Options{Config: mqtt.Config{URL: f.url(), User: "u"}, Password: "canary"})
	c, err := f.listen.Accept()
	if err != nil {
		t.Fatal(err)
	}
	p := peer{c, t}
	if hello, ok := p.next().(*packets.ConnectPacket); !ok || hello.Username != "u" || string(hello.Password) != "canary" {
		t.Errorf("the client says %+v", hello)
	}
	ack := packets.NewControlPacket(packets.Connack).(*packets.ConnackPacket)
	ack.ReturnCode = packets.ErrRefusedBadUsernameOrPassword
	p.send(ack)
	until(t, "said", func() bool {
		return strings.Contains(s.Status().Why, "the broker refuses us: bad user name or password")
	})
	if why := s.Status().Why; strings.Contains(why, "canary") {
		t.Errorf("the password is in %q", why)
	}
}

// A broker that is away at first, or comes back with another memory, is found by itself.
// The outage is a gap for those who missed something.
func TestBrokerComesAndGoes(t *testing.T) {
	t.Parallel()
	addr := free(t)
	var mu sync.Mutex
	told := ""
	s := begin(t, mqtt.Options{Config: mqtt.Config{URL: "tcp://" + addr, ClientID: "flow"}, Lost: func(err error) {
		mu.Lock()
		defer mu.Unlock()
		told += err.Error() + "\n"
	}})
	until(t, "refused", func() bool { return strings.Contains(s.Status().Why, "connection refused") })
	p, err := mqtt.NewPublisher(t.Context(), mqtt.Options{Config: mqtt.Config{URL: "tcp://" + addr, ClientID: "plant"}})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	n := 0
	for life := range 3 {
		b, err := mqtt.NewBroker(addr)
		if err != nil {
			t.Fatal(err)
		}
		until(t, "up", func() bool { return s.Status().Up })
		for range 5 {
			if err := p.Publish(t.Context(), point(n), 0); err != nil {
				t.Fatal(err)
			}
			r, pos := next(t, s)
			if n > 0 && r.Event != nil && r.Event.Kind == ingest.GapEvent {
				if n%5 != 0 || !r.Time.Equal(t0.Add(time.Duration(n)*time.Second)) || !strings.Contains(r.Event.Text, "the broker kept no session") {
					t.Errorf("life %d, reading %d: %+v", life, n, r.Event)
				}
				r, pos = next(t, s)
			} else if life > 0 && n%5 == 0 {
				t.Errorf("life %d: no gap before %g", life, r.Points[0].Value)
			}
			if r.Points[0].Value != float64(n) {
				t.Fatalf("want %d, got %+v", n, r)
			}
			s.Ack(pos)
			n++
		}
		n += 10 // nobody sees these
		n -= n % 5
		_ = b.Close()
		until(t, "down", func() bool { return !s.Status().Up })
	}
	if st := s.Status(); st.Outages != 3 || st.Messages != 15 {
		t.Errorf("status %+v, want 3 outages, 15 messages", st)
	}
	mu.Lock()
	defer mu.Unlock()
	if strings.Count(told, "the broker kept no session") != 2 {
		t.Errorf("told %q, want twice that the session is gone", told)
	}
}

// Nothing goes through any more, but no connection is closed: that is noticed within the
// keep-alive, and a new connection is made.
func TestHalfOpenConnectionIsNoticed(t *testing.T) {
	t.Parallel()
	b := broker(t)
	x := newProxy(t, strings.TrimPrefix(b.URL(), "tcp://"))
	p := publisher(t, b)
	s := open(t, mqtt.Options{Config: mqtt.Config{URL: "tcp://" + x.addr(), ClientID: "flow", KeepAlive: time.Second}})
	defer s.Close()
	for i := range 3 {
		if err := p.Publish(t.Context(), point(i), 0); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		next(t, s)
	}
	x.stall(true)
	since := time.Now()
	until(t, "noticed", func() bool { return !s.Status().Up })
	t.Logf("noticed after %s", time.Since(since))
	if st := s.Status(); !strings.Contains(st.Why, "no sign of life") && !strings.Contains(st.Why, "no answer to CONNECT") {
		t.Errorf("status %+v", st)
	}
	if err := p.Publish(t.Context(), point(3), 0); err != nil {
		t.Fatal(err)
	}
	x.cut()
	x.stall(false)
	since = time.Now()
	r, pos := next(t, s)
	t.Logf("data again after %s", time.Since(since))
	if r.Points == nil || r.Points[0].Value != 3 {
		t.Errorf("got %+v %+v, want the fourth and none twice", r, r.Event)
	}
	s.Ack(pos)
}

// A flow that is held up for longer than the keep-alive loses neither the connection nor
// a message.
func TestHeldUpFlowKeepsItsConnection(t *testing.T) {
	t.Parallel()
	b := broker(t)
	p := publisher(t, b)
	s := open(t, mqtt.Options{Config: mqtt.Config{URL: b.URL(), ClientID: "flow", Queue: 4, KeepAlive: 2 * time.Second}})
	defer s.Close()
	for i := range 100 {
		if err := p.Publish(t.Context(), point(i), 0); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(5 * time.Second)
	for i := range 100 {
		r, pos := next(t, s)
		if r.Points[0].Value != float64(i) {
			t.Fatalf("want %d, got %+v", i, r)
		}
		s.Ack(pos)
	}
	if st := s.Status(); !st.Up || st.Outages != 0 {
		t.Errorf("the connection was lost: %+v", st)
	}
}

// hopeless works after some tries.
type hopeless struct {
	tries int
	seen  []string
}

func (h *hopeless) Decode(_ context.Context, m ingest.Message) ([]asset.Reading, error) {
	h.seen = append(h.seen, fmt.Sprintf("%s %s %s", m.Asset, m.Channel, m.Payload))
	if h.tries--; h.tries >= 0 {
		return nil, errors.New("the registry does not answer")
	}
	if bytes.Contains(m.Payload, []byte("bad")) {
		return nil, &asset.Invalid{Reason: ingest.Undecodable, Where: m.Topic, Text: "bad"}
	}
	if bytes.Contains(m.Payload, []byte("empty")) {
		return nil, nil
	}
	return []asset.Reading{{Asset: m.Asset, Time: t0, Points: []asset.Point{{Metric: m.Channel + string(m.Payload)}}}}, nil
}

// A decoder that cannot work is asked again, and the order stays; what it refuses is a
// dead letter with its bytes, and acknowledged like all else.
func TestDecoderIsAwayForAWhile(t *testing.T) {
	t.Parallel()
	b := broker(t)
	p := publisher(t, b)
	var dead []string
	d := &hopeless{tries: 2}
	opt := mqtt.Options{
		Config:  mqtt.Config{URL: b.URL(), ClientID: "flow", Topics: []mqtt.Binding{{Topic: "plant/m-{asset}/{channel}"}, {Topic: "press/#", Asset: "press", Channel: "c"}}},
		Decoder: d, Refused: func(l ingest.DeadLetter) {
			dead = append(dead, fmt.Sprintf("%s %s %s %s", l.Source, l.Topic, l.Reason, l.Payload))
		},
	}
	s := open(t, opt)
	for _, m := range []string{"plant/m-1/x one", "plant/m-1/x bad", "plant/n-1/x other", "plant/m-2/y empty", "press/a/b two"} {
		topic, payload, _ := strings.Cut(m, " ")
		if err := p.Raw(t.Context(), topic, []byte(payload)); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	_, _, err := s.Next(ctx)
	cancel()
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(s.Status().Why, "waits to be decoded: the registry does not answer") {
		t.Errorf("%v; %+v", err, s.Status())
	}
	a, _ := next(t, s)
	c, pos := next(t, s)
	if got := fmt.Sprint(a.Asset, a.Points[0].Metric, " ", c.Asset, c.Points[0].Metric); got != "1xone presscabc" && got != "1xone pressctwo" {
		t.Errorf("got %s", got)
	}
	if want := fmt.Sprintf("[mqtt %s plant/m-1/x undecodable bad mqtt %s plant/n-1/x undecodable other]", b.URL(), b.URL()); fmt.Sprint(dead) != want {
		t.Errorf("dead letters %v, want %s", dead, want)
	}
	if want := "[1 x one 1 x one 1 x one 1 x bad 2 y empty press c two]"; fmt.Sprint(d.seen) != want {
		t.Errorf("decoded %v, want %s", d.seen, want)
	}
	if st := s.Status(); st.Why != "" || st.Refused[ingest.Undecodable] != 2 || st.Messages != 5 {
		t.Errorf("status %+v", st)
	}
	s.Ack(pos)
	s.Close()
	s = open(t, opt)
	defer s.Close()
	if !quiet(t, s) || len(dead) != 2 {
		t.Errorf("something came again; dead letters %v", dead)
	}
}

// Of several addresses the next is tried when one does not answer.
func TestStandbyIsTried(t *testing.T) {
	t.Parallel()
	b := broker(t)
	p := publisher(t, b)
	s := open(t, mqtt.Options{Config: mqtt.Config{URL: "tcp://" + free(t), Standby: []string{b.URL()}, ClientID: "flow"}})
	defer s.Close()
	if err := p.Publish(t.Context(), point(7), 0); err != nil {
		t.Fatal(err)
	}
	if r, _ := next(t, s); r.Points[0].Value != 7 {
		t.Errorf("got %+v", r)
	}
}
