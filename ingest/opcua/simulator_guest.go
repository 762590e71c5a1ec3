package opcua

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/gopcua/opcua/ua"
	"github.com/gopcua/opcua/uacp"
	"github.com/gopcua/opcua/uasc"
)

// guest is a client of a simulator while it is connected. One goroutine answers it; what
// Put changes of it is guarded by the server's mutex.
type guest struct {
	server        *Simulator
	conn          *uacp.Conn
	channel       *uasc.SecureChannel
	token         *ua.NodeID // of its session; nil before there is one
	subscriptions map[uint32]*subscription
	newest        uint32 // subscription
	items         uint32 // given out
	owed          []owed // requests to publish that wait for something to tell
	closing       bool
}

// owed is an answer that a client waits for.
type owed struct{ id, handle uint32 }

// publishTick is how finely publishing intervals are kept.
const publishTick = 25 * time.Millisecond

// sendWithin is how long a client may take to take what it is sent.
const sendWithin = 5 * time.Second

// run answers until the connection ends.
func (g *guest) run(ctx context.Context, heard <-chan *uasc.MessageBody) {
	tick := time.NewTicker(publishTick)
	defer tick.Stop()
	for !g.closing {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			if !g.publish(ctx, now) {
				return
			}
		case m, ok := <-heard:
			if !ok || m.Err != nil {
				return
			}
			req := m.Request()
			if req == nil {
				continue // the channel's own
			}
			if answer := g.answer(req, m.RequestID); answer != nil && !g.send(ctx, m.RequestID, answer) {
				return
			}
		}
	}
}

// send reports whether the client took it.
func (g *guest) send(ctx context.Context, id uint32, answer ua.Response) bool {
	if err := g.conn.SetWriteDeadline(time.Now().Add(sendWithin)); err != nil {
		return false
	}
	return g.channel.SendResponseWithContext(ctx, id, answer) == nil
}

func header(of ua.Request, status ua.StatusCode) *ua.ResponseHeader {
	return &ua.ResponseHeader{
		Timestamp: time.Now(), RequestHandle: of.Header().RequestHandle, ServiceResult: status,
		ServiceDiagnostics: &ua.DiagnosticInfo{}, StringTable: []string{}, AdditionalHeader: ua.NewExtensionObject(nil),
	}
}

func refusal(of ua.Request, status ua.StatusCode) ua.Response {
	return &ua.ServiceFault{ResponseHeader: header(of, status)}
}

// answer is what a request gets at once; nil: later.
func (g *guest) answer(r ua.Request, id uint32) ua.Response {
	ok := header(r, ua.StatusOK)
	switch req := r.(type) {
	case *ua.GetEndpointsRequest:
		return &ua.GetEndpointsResponse{ResponseHeader: ok, Endpoints: []*ua.EndpointDescription{g.server.description()}}
	case *ua.FindServersRequest:
		return &ua.FindServersResponse{ResponseHeader: ok, Servers: []*ua.ApplicationDescription{g.server.description().Server}}
	case *ua.CreateSessionRequest:
		return g.createSession(req, ok)
	case *ua.CloseSecureChannelRequest:
		g.closing = true
		return nil
	}
	if g.token == nil || r.Header().AuthenticationToken == nil || r.Header().AuthenticationToken.String() != g.token.String() {
		return refusal(r, ua.StatusBadSessionIDInvalid)
	}
	switch req := r.(type) {
	case *ua.ActivateSessionRequest:
		return &ua.ActivateSessionResponse{ResponseHeader: ok, ServerNonce: nonce()}
	case *ua.CloseSessionRequest:
		g.server.mu.Lock()
		defer g.server.mu.Unlock()
		g.token, g.subscriptions, g.owed = nil, map[uint32]*subscription{}, nil
		return &ua.CloseSessionResponse{ResponseHeader: ok}
	case *ua.ReadRequest:
		return g.read(req, ok)
	case *ua.WriteRequest:
		return &ua.WriteResponse{ResponseHeader: ok, Results: each(len(req.NodesToWrite), ua.StatusBadNotWritable)}
	case *ua.BrowseRequest:
		return g.browse(req, ok)
	case *ua.PublishRequest:
		g.owed = append(g.owed, owed{id, req.RequestHeader.RequestHandle})
		if len(g.owed) <= maxOwed {
			return nil
		}
		oldest := g.owed[0]
		g.owed = g.owed[1:]
		_ = g.send(g.server.ctx, oldest.id, &ua.ServiceFault{ResponseHeader: headerOf(oldest, ua.StatusBadTooManyPublishRequests)})
		return nil
	}
	return g.subscribing(r, ok)
}

// maxOwed is how many requests to publish may wait.
const maxOwed = 64

func headerOf(o owed, status ua.StatusCode) *ua.ResponseHeader {
	h := header(&ua.PublishRequest{RequestHeader: &ua.RequestHeader{RequestHandle: o.handle}}, status)
	return h
}

func each(n int, status ua.StatusCode) []ua.StatusCode {
	out := make([]ua.StatusCode, n)
	for i := range out {
		out[i] = status
	}
	return out
}

func nonce() []byte {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // it does not fail
	return b
}

// createSession gives the connection its only session.
func (g *guest) createSession(req *ua.CreateSessionRequest, ok *ua.ResponseHeader) ua.Response {
	g.token = ua.NewByteStringNodeID(0, nonce())
	signature, algorithm, err := g.channel.NewSessionSignature(req.ClientCertificate, req.ClientNonce)
	if err != nil {
		return refusal(req, ua.StatusBadSecurityChecksFailed)
	}
	return &ua.CreateSessionResponse{
		ResponseHeader: ok, SessionID: ua.NewByteStringNodeID(1, nonce()), AuthenticationToken: g.token, RevisedSessionTimeout: req.RequestedSessionTimeout, ServerNonce: nonce(),
		ServerEndpoints: []*ua.EndpointDescription{g.server.description()}, ServerSignature: &ua.SignatureData{Signature: signature, Algorithm: algorithm},
	}
}

func (g *guest) read(req *ua.ReadRequest, ok *ua.ResponseHeader) ua.Response {
	g.server.mu.Lock()
	defer g.server.mu.Unlock()
	out, bytes := make([]*ua.DataValue, len(req.NodesToRead)), 0
	for i, n := range req.NodesToRead {
		out[i] = g.server.space.nodes[n.NodeID.String()].attribute(n.AttributeID)
		if body, err := out[i].Encode(); err == nil {
			bytes += len(body)
		}
	}
	if bytes > maxMessageBytes {
		return refusal(req, ua.StatusBadResponseTooLarge)
	}
	return &ua.ReadResponse{ResponseHeader: ok, Results: out}
}

func (g *guest) browse(req *ua.BrowseRequest, ok *ua.ResponseHeader) ua.Response {
	g.server.mu.Lock()
	defer g.server.mu.Unlock()
	out := make([]*ua.BrowseResult, len(req.NodesToBrowse))
	for i, b := range req.NodesToBrowse {
		out[i] = g.server.space.browse(b)
	}
	return &ua.BrowseResponse{ResponseHeader: ok, Results: out}
}
