package mqtt

import (
	"fmt"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/mochi-mqtt/server/v2/packets"
)

// Broker is an embedded MQTT broker for the demo: on a loopback address, without
// passwords, and with sessions in memory, so that they outlive a client but not
// the process.
type Broker struct {
	server *mochi.Server
	brake  *brake
	url    string
}

// maxUnderway is how many messages a subscriber may owe acknowledgements for.
const maxUnderway = 32768

// NewBroker listens on a loopback address such as 127.0.0.1:0.
func NewBroker(addr string) (*Broker, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("mqtt broker: %w", err)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, fmt.Errorf("mqtt broker: %s is not a loopback address; it asks for no password, so it stays on this machine", addr)
	}
	limits := mochi.NewDefaultServerCapabilities()
	limits.MaximumInflight = 65535
	limits.ReceiveMaximum = 65535
	limits.MaximumClientWritesPending = 1 << 17
	limits.MaximumPacketSize = 32 << 20
	b := &Broker{server: mochi.New(&mochi.Options{Capabilities: limits, Logger: slog.New(slog.DiscardHandler)})}
	b.brake = &brake{server: b.server}
	tcp := listeners.NewTCP(listeners.Config{ID: "loopback", Address: addr})
	for _, step := range []func() error{
		func() error { return b.server.AddHook(b.brake, nil) },
		func() error { return b.server.AddListener(tcp) },
		b.server.Serve,
	} {
		if err := step(); err != nil {
			return nil, fmt.Errorf("mqtt broker on %s: %w", addr, err)
		}
	}
	b.url = "tcp://" + tcp.Address()
	return b, nil
}

// URL is where clients connect.
func (b *Broker) URL() string { return b.url }

// Dropped counts the messages that the broker could not keep for a subscriber.
func (b *Broker) Dropped() int64 {
	return atomic.LoadInt64(&b.server.Info.MessagesDropped) + atomic.LoadInt64(&b.server.Info.InflightDropped)
}

// Close ends all connections.
func (b *Broker) Close() error {
	b.brake.off.Store(true)
	if err := b.server.Close(); err != nil {
		return fmt.Errorf("mqtt broker: %w", err)
	}
	return nil
}

// brake lets everyone in, and holds a publisher up while a subscriber is far behind: the broker
// itself would drop.
type brake struct {
	mochi.HookBase
	server *mochi.Server
	off    atomic.Bool
}

// ID names the hook.
func (*brake) ID() string { return "brake" }

// Provides says which events the hook is called for.
func (*brake) Provides(b byte) bool {
	return b == mochi.OnPublish || b == mochi.OnConnectAuthenticate || b == mochi.OnACLCheck
}

// OnConnectAuthenticate lets every client in.
func (*brake) OnConnectAuthenticate(*mochi.Client, packets.Packet) bool { return true }

// OnACLCheck allows every topic.
func (*brake) OnACLCheck(*mochi.Client, string, bool) bool { return true }

// OnPublish runs on the publisher's own goroutine, so waiting here stops only it.
func (k *brake) OnPublish(publisher *mochi.Client, p packets.Packet) (packets.Packet, error) {
	for !k.off.Load() && k.behind(publisher) {
		time.Sleep(time.Millisecond)
	}
	return p, nil
}

func (k *brake) behind(publisher *mochi.Client) bool {
	for _, c := range k.server.Clients.GetAll() {
		if c.ID != publisher.ID && c.State.Inflight.Len() >= maxUnderway {
			return true
		}
	}
	return false
}
