package opcua

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/gopcua/opcua/ua"
	"github.com/gopcua/opcua/uacp"
	"github.com/gopcua/opcua/uasc"

	"github.com/telltale-iot/telltale/asset"
)

// Simulator is a server of simulated variables, so that a source can be tried without a
// machine: browsing, reading and subscriptions over channels without security, anonymous
// sessions that end with their connection, no writing. It is safe for concurrent use.
type Simulator struct {
	listener *uacp.Listener
	endpoint string
	began    time.Time
	ctx      context.Context //nolint:containedctx // the life of its goroutines, ended by Close
	stop     context.CancelFunc
	running  sync.WaitGroup

	mu      sync.Mutex // guards space, guests and what hangs on them
	space   *space
	guests  map[*guest]bool
	channel uint32 // last that was given out
}

// maxMessageBytes bounds what a message of ours holds: the library sends each as one chunk,
// which every client has to take when it is of this size (OPC 10000-6, 6.7.2: at least 8192;
// clients ask for 65535).
const maxMessageBytes = 65535 - 1024

// Simulate listens at opc.tcp://HOST:PORT and has the nodes as variables, each below an
// object that is named as its asset. Node IDs are of namespace 2: see SimulatedID.
func Simulate(ctx context.Context, endpoint string, nodes []Node) (*Simulator, error) {
	u, err := url.Parse(endpoint)
	if err != nil || u.Scheme != "opc.tcp" || u.Port() == "" {
		return nil, fmt.Errorf("opcua server: %q is not allowed: want opc.tcp://HOST:PORT", endpoint)
	}
	listener, err := uacp.Listen(ctx, "opc.tcp://"+u.Host, nil)
	if err != nil {
		return nil, fmt.Errorf("opcua server: %w", err)
	}
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	s := &Simulator{listener: listener, endpoint: "opc.tcp://" + net.JoinHostPort(u.Hostname(), port), began: time.Now(), guests: map[*guest]bool{}}
	s.ctx, s.stop = context.WithCancel(context.WithoutCancel(ctx))
	s.space = newSpace(s.status)
	for _, n := range nodes {
		if err := s.space.add(n); err != nil {
			_ = listener.Close()
			return nil, fmt.Errorf("opcua server: node %s: %w", n.ID, err)
		}
	}
	s.running.Go(s.accept)
	return s, nil
}

// SimulatedID is the node ID of a metric or channel.
func SimulatedID(a asset.ID, name string) string { return fmt.Sprintf("ns=2;s=%s.%s", a, name) }

// Endpoint is where clients connect.
func (s *Simulator) Endpoint() string { return s.endpoint }

// Put gives a variable its next value, which its source took at that time: a float64, or
// the samples of a channel as int16, which belong to the server from here on.
func (s *Simulator) Put(id string, at time.Time, value any) error {
	variant, err := ua.NewVariant(value)
	if err != nil {
		return fmt.Errorf("node %s: %w", id, err)
	}
	v := &ua.DataValue{Value: variant, SourceTimestamp: at, ServerTimestamp: time.Now()}
	v.UpdateMask()
	body, err := v.Encode()
	if err != nil {
		return fmt.Errorf("node %s: %w", id, err)
	}
	if len(body) > maxMessageBytes {
		return fmt.Errorf("node %s: a value of %d bytes is not allowed: want at most %d, what one message holds", id, len(body), maxMessageBytes)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.space.nodes[id]
	if n == nil || n.class != ua.NodeClassVariable {
		return fmt.Errorf("node %s: is not here", id)
	}
	n.current = v
	for g := range s.guests {
		g.changed(n, v, len(body))
	}
	return nil
}

// Close ends every connection and waits for it.
func (s *Simulator) Close() {
	s.stop()
	_ = s.listener.Close()
	s.mu.Lock()
	for g := range s.guests {
		_ = g.conn.Close()
	}
	s.mu.Unlock()
	s.running.Wait()
}

func (s *Simulator) accept() {
	for {
		c, err := s.listener.Accept(s.ctx)
		switch {
		case errors.Is(err, net.ErrClosed) || s.ctx.Err() != nil:
			return
		case err != nil:
			continue // one that spoke no OPC UA
		}
		s.running.Go(func() { s.serve(c) })
	}
}

// serve is one connection from its first message to its last.
func (s *Simulator) serve(c *uacp.Conn) {
	defer c.Close() //nolint:errcheck // nothing is lost with it
	s.mu.Lock()
	s.channel++
	id := s.channel
	s.mu.Unlock()
	config := &uasc.Config{SecurityPolicyURI: ua.SecurityPolicyURINone, SecurityMode: ua.MessageSecurityModeNone, Lifetime: uint32(time.Hour / time.Millisecond)}
	channel, err := uasc.NewServerSecureChannel("", c, config, make(chan error, 1), id, 1, id)
	if err != nil {
		return
	}
	g := &guest{server: s, conn: c, channel: channel, subscriptions: map[uint32]*subscription{}}
	s.mu.Lock()
	s.guests[g] = true
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.guests, g)
		s.mu.Unlock()
	}()
	if s.ctx.Err() != nil { // Close may not have seen it
		return
	}
	heard := make(chan *uasc.MessageBody)
	ended := make(chan struct{})
	s.running.Go(func() {
		defer close(heard)
		for {
			m := channel.Receive(s.ctx)
			select {
			case heard <- m:
			case <-ended:
				return
			}
			if m.Err != nil {
				return
			}
		}
	})
	defer close(ended)
	g.run(s.ctx, heard)
}

func (s *Simulator) status() *ua.ServerStatusDataType {
	return &ua.ServerStatusDataType{
		StartTime: s.began, CurrentTime: time.Now(), State: ua.ServerStateRunning, ShutdownReason: &ua.LocalizedText{},
		BuildInfo: &ua.BuildInfo{ProductURI: "urn:telltale", ManufacturerName: "Telltale", ProductName: "Telltale simulator"},
	}
}

// description is the server's only endpoint.
func (s *Simulator) description() *ua.EndpointDescription {
	return &ua.EndpointDescription{
		EndpointURL: s.endpoint, SecurityMode: ua.MessageSecurityModeNone, SecurityPolicyURI: ua.SecurityPolicyURINone,
		TransportProfileURI: "http://opcfoundation.org/UA-Profile/Transport/uatcp-uasc-uabinary",
		UserIdentityTokens:  []*ua.UserTokenPolicy{{PolicyID: "anonymous", TokenType: ua.UserTokenTypeAnonymous}},
		Server: &ua.ApplicationDescription{
			ApplicationURI: simulatorURI, ProductURI: "urn:telltale", ApplicationName: ua.NewLocalizedText("Telltale simulator"),
			ApplicationType: ua.ApplicationTypeServer, DiscoveryURLs: []string{s.endpoint},
		},
	}
}

// namespaces by their index.
func namespaces() []string {
	return slices.Clone([]string{"http://opcfoundation.org/UA/", simulatorURI, simulatorURI + ":farm"})
}

const simulatorURI = "urn:telltale:simulator"
