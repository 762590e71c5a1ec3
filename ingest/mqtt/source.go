// Package mqtt receives readings over MQTT 3.1.1 at QoS 1, and publishes them.
//
// Telemetry comes as JSON on PREFIX/ASSET/telemetry, waveforms as binary blocks
// on PREFIX/ASSET/wave/CHANNEL (see package ingest for both payloads); names are
// escaped as in a URL path, "+" too. A message is acknowledged to the broker only
// when what it held is durable, so a broker that keeps sessions delivers it again
// after a crash. The broker bounds how much may be under way at once (mosquitto:
// max_inflight_messages); a commit must come within that many messages.
package mqtt

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/ingest"
)

// Options of a connection; zero values mean the defaults given.
type Options struct {
	Broker     string // tcp://host:port or ssl://host:port
	ClientID   string // stable over restarts: it names the session; default "telltale"
	User       string
	Password   string
	TLS        *tls.Config
	Prefix     string                               // of the topics; default "telltale"
	Base       int64                                // offset to count on from: what the store has committed in earlier lives
	Queue      int                                  // messages received and not read; default 65535, the most that can be under way
	DeadLetter func(topic string, e *asset.Invalid) // hears of payloads that cannot be decoded; nil means they are only counted
	Lost       func(error)                          // hears of a lost connection, which is made again; nil means nobody does
}

func (o Options) withDefaults() Options {
	if o.ClientID == "" {
		o.ClientID = "telltale"
	}
	if o.Prefix == "" {
		o.Prefix = "telltale"
	}
	if o.Queue <= 0 {
		o.Queue = 65535
	}
	if o.DeadLetter == nil {
		o.DeadLetter = func(string, *asset.Invalid) {}
	}
	if o.Lost == nil {
		o.Lost = func(error) {}
	}
	return o
}

// redelivery is how long the source waits for more of what a broker sends again:
// not every broker sends it in order.
const redelivery = 300 * time.Millisecond

// Source is a subscription. Offsets count readings since it was opened: the
// place to go on from is kept by the broker, not by a position. Next is used
// by one goroutine; Ack may come from another.
type Source struct {
	opt        Options
	client     paho.Client
	queue      chan paho.Message
	done       chan struct{}
	failed     chan error
	subscribed chan struct{}

	ready  []reading // decoded, not returned
	offset int64
	dead   atomic.Int64

	mu      sync.Mutex  // guards pending
	pending []delivered // returned or refused, not acknowledged, in order
}

// reading is a decoded one; message is set on the last of its message.
type reading struct {
	asset.Reading
	message paho.Message
}

// delivered is a message that may be acknowledged when all before offset is durable.
type delivered struct {
	offset  int64
	message paho.Message
}

// Open connects and subscribes. It waits for the broker as long as ctx does;
// afterwards a lost connection is made again until Close.
func Open(ctx context.Context, opt Options) (*Source, error) {
	opt = opt.withDefaults()
	s := &Source{opt: opt, queue: make(chan paho.Message, opt.Queue), offset: opt.Base, done: make(chan struct{}), failed: make(chan error, 1), subscribed: make(chan struct{}, 1)}
	o := clientOptions(opt)
	o.SetCleanSession(false).SetAutoAckDisabled(true).SetOrderMatters(true).SetResumeSubs(false)
	o.SetDefaultPublishHandler(s.receive)
	o.SetOnConnectHandler(s.subscribe)
	s.client = paho.NewClient(o)
	if err := wait(ctx, s.client.Connect()); err != nil {
		s.client.Disconnect(0)
		return nil, fmt.Errorf("mqtt %s: %w", opt.Broker, err)
	}
	var err error
	select {
	case <-s.subscribed:
		return s, nil
	case err = <-s.failed:
	case <-ctx.Done():
		err = ctx.Err()
	}
	s.Close()
	return nil, fmt.Errorf("mqtt %s: %w", opt.Broker, err)
}

func clientOptions(opt Options) *paho.ClientOptions {
	o := paho.NewClientOptions().AddBroker(opt.Broker).SetClientID(opt.ClientID).SetUsername(opt.User).SetPassword(opt.Password)
	o.SetConnectRetry(true).SetConnectRetryInterval(time.Second).SetAutoReconnect(true).SetMaxReconnectInterval(30 * time.Second)
	o.SetConnectionLostHandler(func(_ paho.Client, err error) { opt.Lost(err) })
	if opt.TLS != nil {
		o.SetTLSConfig(opt.TLS)
	}
	return o
}

func wait(ctx context.Context, t paho.Token) error {
	select {
	case <-t.Done():
		return t.Error()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// idInUse is how mochi answers a subscription whose packet ID equals that of a
// message it still has under way to us. There is one only if the session, and
// with it the subscription, is alive.
const idInUse = 0x91

// subscribe runs on every connect: a broker that lost the session knows no
// subscription. It must not wait here for what arrives here.
func (s *Source) subscribe(c paho.Client) {
	topics := map[string]byte{s.opt.Prefix + "/+/telemetry": 1, s.opt.Prefix + "/+/wave/+": 1}
	t := c.SubscribeMultiple(topics, s.receive)
	<-t.Done()
	err := t.Error()
	if granted, ok := t.(*paho.SubscribeToken); ok && err == nil {
		for topic, qos := range granted.Result() {
			if qos != 1 && qos != idInUse {
				err = fmt.Errorf("subscription to %s was granted as %#x, want QoS 1: allow it in the broker", topic, qos)
			}
		}
	}
	if err != nil && !c.IsConnectionOpen() {
		return // the next connect subscribes
	}
	if err != nil {
		offer(s.failed, err)
	} else {
		offer(s.subscribed, struct{}{})
	}
}

// offer sends v if there is room for it.
func offer[T any](c chan<- T, v T) {
	select {
	case c <- v:
	default:
	}
}

// receive puts a message into the queue and waits while that is full.
func (s *Source) receive(_ paho.Client, m paho.Message) {
	select {
	case s.queue <- m:
	case <-s.done:
	}
}

// Next returns the next reading; a record longer than a second comes in blocks.
// What cannot be decoded goes to DeadLetter and is acknowledged in its turn.
func (s *Source) Next(ctx context.Context) (asset.Reading, asset.Position, error) {
	for len(s.ready) == 0 {
		m, err := s.message(ctx)
		if err != nil {
			return asset.Reading{}, asset.Position{}, err
		}
		if !m.Duplicate() {
			s.ready = s.decode(s.ready, m)
			continue
		}
		if err := s.again(ctx, m); err != nil {
			return asset.Reading{}, asset.Position{}, err
		}
	}
	r := s.ready[0]
	s.ready = s.ready[1:]
	s.offset++
	if r.message != nil {
		s.mu.Lock()
		s.pending = append(s.pending, delivered{s.offset, r.message})
		s.mu.Unlock()
	}
	return r.Reading, asset.Position{Offset: s.offset}, nil
}

func (s *Source) message(ctx context.Context) (paho.Message, error) {
	select {
	case m := <-s.queue:
		return m, nil
	case err := <-s.failed:
		return nil, fmt.Errorf("mqtt %s: %w", s.opt.Broker, err)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// again collects what is delivered again, until no more of it comes, and puts it
// in order of time before anything new.
func (s *Source) again(ctx context.Context, m paho.Message) error {
	s.ready = s.decode(s.ready, m)
	waiting := time.NewTimer(redelivery)
	defer waiting.Stop()
	var fresh []paho.Message
	var err error
	for more := true; more; {
		select {
		case m := <-s.queue:
			if !m.Duplicate() {
				fresh = append(fresh, m)
				continue
			}
			s.ready = s.decode(s.ready, m)
			waiting.Reset(redelivery)
		case <-waiting.C:
			more = false
		case <-ctx.Done():
			more, err = false, ctx.Err()
		}
	}
	slices.SortStableFunc(s.ready, func(a, b reading) int { return a.Time.Compare(b.Time) })
	for _, m := range fresh {
		s.ready = s.decode(s.ready, m)
	}
	return err
}

func (s *Source) decode(ready []reading, m paho.Message) []reading {
	all, err := decode(s.opt.Prefix, m.Topic(), m.Payload())
	if err != nil {
		s.dead.Add(1)
		if bad, ok := errors.AsType[*asset.Invalid](err); ok {
			s.opt.DeadLetter(m.Topic(), bad)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if len(s.pending) == 0 {
			m.Ack()
		} else {
			s.pending = append(s.pending, delivered{s.offset, m})
		}
		return ready
	}
	for i, r := range all {
		next := reading{Reading: r}
		if i == len(all)-1 {
			next.message = m
		}
		ready = append(ready, next)
	}
	return ready
}

// decode turns a message into readings of at most a second.
func decode(prefix, topic string, payload []byte) ([]asset.Reading, error) {
	rest, ok := strings.CutPrefix(topic, prefix+"/")
	parts := strings.Split(rest, "/")
	if !ok || len(parts) < 2 {
		return nil, &asset.Invalid{Reason: ingest.Undecodable, Where: topic, Text: "no topic of this subscription"}
	}
	id, err := url.PathUnescape(parts[0])
	if err != nil {
		return nil, &asset.Invalid{Reason: ingest.Undecodable, Where: topic, Text: err.Error()}
	}
	switch {
	case len(parts) == 2 && parts[1] == "telemetry":
		r, err := ingest.DecodeTelemetry(payload, asset.ID(id))
		return []asset.Reading{r}, err
	case len(parts) == 3 && parts[1] == "wave":
		channel, err := url.PathUnescape(parts[2])
		if err != nil {
			return nil, &asset.Invalid{Reason: ingest.Undecodable, Where: topic, Text: err.Error()}
		}
		w, err := ingest.DecodeWave(asset.Waveform{}, payload, channel)
		if err != nil {
			return nil, err
		}
		var out []asset.Reading
		for _, block := range ingest.Cut(w) {
			out = append(out, asset.Reading{Asset: asset.ID(id), Time: ingest.Newest(block), Wave: &block})
		}
		return out, nil
	}
	return nil, &asset.Invalid{Reason: ingest.Undecodable, Where: topic, Text: "want " + prefix + "/ASSET/telemetry or " + prefix + "/ASSET/wave/CHANNEL"}
}

// Ack acknowledges every message whose readings lie before p. One that came over
// a connection that is gone will come again; its copy is acknowledged then.
func (s *Source) Ack(p asset.Position) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for n < len(s.pending) && s.pending[n].offset <= p.Offset {
		s.pending[n].message.Ack()
		n++
	}
	s.pending = slices.Delete(s.pending, 0, n)
}

// Dead counts the messages that could not be decoded. It is safe for concurrent use.
func (s *Source) Dead() int64 { return s.dead.Load() }

// Queued counts the messages received and not read. It is safe for concurrent use.
func (s *Source) Queued() int { return len(s.queue) }

// Close disconnects; what was not acknowledged stays with the broker.
func (s *Source) Close() {
	close(s.done)
	if s.client.IsConnectionOpen() { // a round trip, so that acknowledgements are out
		s.client.Unsubscribe(s.opt.Prefix + "/closing").WaitTimeout(time.Second)
	}
	s.client.Disconnect(250)
}
