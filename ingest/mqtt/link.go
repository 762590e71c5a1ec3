package mqtt

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"

	"github.com/telltale-iot/telltale/ingest"
)

// link keeps a connection to a broker, one session after the other. Its functions are
// called by the goroutine of run.
type link struct {
	Config
	pass  string // goes before the file
	clean bool   // the broker forgets us with the connection
	will  func() *Publication
	up    func(*session) // connected, nothing heard yet
	hear  func(s *session, packet any) error
	last  func(*session)            // before it says good-bye
	down  func(err error, was bool) // the connection ended, or, if it was none, could not be made
}

// How long to wait between attempts: a server that is back is found within seconds, and
// many who lost it do not come at once.
const (
	firstWait = 500 * time.Millisecond
	lastWait  = 4 * time.Second
	steady    = 30 * time.Second // a connection that lived so long was a good one
)

// name is the source as configured.
func (c Config) name() string { return "mqtt " + c.URL }

// run goes on until ctx ends.
func (l *link) run(ctx context.Context) {
	wait := ingest.Backoff{First: firstWait, Last: lastWait}
	addresses := slices.Concat([]string{l.URL}, l.Standby)
	for n := 0; ; {
		address := addresses[n%len(addresses)]
		hello, err := l.hello()
		var s *session
		if err == nil {
			s, err = l.connect(ctx, address, hello)
		}
		if err == nil {
			begun := time.Now()
			l.up(s)
			err = s.run(ctx, func(p any) error { return l.hear(s, p) }, func() { l.last(s) })
			if time.Since(begun) > steady {
				wait.Reset()
				n-- // where it was it may be again
			}
		}
		n++
		if ctx.Err() != nil {
			return
		}
		l.down(fmt.Errorf("mqtt %s: %w", address, err), s != nil)
		if !wait.Wait(ctx) {
			return
		}
	}
}

// hello is the CONNECT of the next session. What may change in a life is looked up now.
func (l *link) hello() (*packets.ConnectPacket, error) {
	pass := l.pass
	if pass == "" {
		var err error
		if pass, err = l.password(); err != nil {
			return nil, err
		}
	}
	p := &packets.ConnectPacket{
		FixedHeader: packets.FixedHeader{MessageType: packets.Connect}, ProtocolName: "MQTT", ProtocolVersion: 4,
		CleanSession: l.clean, Keepalive: uint16(min((l.KeepAlive+time.Second-1)/time.Second, longestAlive/time.Second)), //nolint:gosec // at most an hour
		ClientIdentifier: l.ClientID,
	}
	if l.User != "" {
		p.UsernameFlag, p.Username = true, l.User
	}
	if l.User != "" && pass != "" {
		p.PasswordFlag, p.Password = true, []byte(pass)
	}
	if l.will == nil {
		return p, nil
	}
	if w := l.will(); w != nil {
		p.WillFlag, p.WillTopic, p.WillMessage, p.WillQos, p.WillRetain = true, w.Topic, w.Payload, w.QoS, w.Retained
	}
	return p, nil
}
