package api_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/telltale-iot/telltale/api"
)

// follow opens the stream of a server.
func follow(t *testing.T, srv *httptest.Server, header http.Header) (*websocket.Conn, *http.Response, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	t.Cleanup(cancel)
	c, r, err := websocket.Dial(ctx, "ws"+strings.TrimPrefix(srv.URL, "http")+"/api/v1/stream", &websocket.DialOptions{HTTPHeader: header})
	if c != nil {
		t.Cleanup(func() { _ = c.CloseNow() })
	}
	return c, r, err
}

func serve(t *testing.T, opt api.Options) *httptest.Server {
	t.Helper()
	srv := httptest.NewServer(api.New(opt))
	t.Cleanup(func() { opt.Hub.Close(); srv.Close() })
	return srv
}

func read(t *testing.T, c *websocket.Conn) api.Message {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	_, frame, err := c.Read(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var m api.Message
	if err := json.Unmarshal(frame, &m); err != nil {
		t.Fatalf("%v in %s", err, frame)
	}
	return m
}

func TestStreamTellsWhatChanges(t *testing.T) {
	p := newPlant()
	opt := p.options()
	c, _, err := follow(t, serve(t, opt), nil)
	if err != nil {
		t.Fatal(err)
	}
	if m := read(t, c); m.Type != "status" || !strings.Contains(string(m.Data), "2026-03-20T14:00:00Z") {
		t.Errorf("first message is %s %s, want the status", m.Type, m.Data)
	}
	for _, want := range []api.Message{
		api.RiskMessage(p.risk("WT-03", "gearbox-hss-bearing", 0)), api.AlertMessage(p.alert), api.OrderMessage(p.order), api.StatusMessage(p.status()),
	} {
		opt.Hub.Publish(want)
		if got := read(t, c); got.Type != want.Type || string(got.Data) != string(want.Data) {
			t.Errorf("got %s %s, want %s %s", got.Type, got.Data, want.Type, want.Data)
		}
	}
}

func TestStreamRefusesAForeignPage(t *testing.T) {
	opt := newPlant().options()
	_, r, err := follow(t, serve(t, opt), http.Header{"Origin": {"http://elsewhere.example"}})
	if err == nil || r == nil || r.StatusCode != http.StatusForbidden {
		t.Errorf("got %v and %v, want 403", r, err)
	}
}

func TestSlowReaderIsCutOff(t *testing.T) {
	p := newPlant()
	opt := p.options()
	opt.Hub = api.NewHub(api.HubOptions{Queue: 4})
	c, _, err := follow(t, serve(t, opt), nil)
	if err != nil {
		t.Fatal(err)
	}
	read(t, c)
	big := p.order
	big.Text = strings.Repeat("x", 1<<20)
	m := api.OrderMessage(big)
	for range 200 { // nobody reads: the socket fills, then the queue
		opt.Hub.Publish(m)
	}
	if opt.Hub.Cut() != 1 {
		t.Fatalf("%d cut off, want 1", opt.Hub.Cut())
	}
	c.SetReadLimit(4 << 20)
	for {
		if _, _, err = c.Read(t.Context()); err != nil {
			break
		}
	}
	if websocket.CloseStatus(err) != websocket.StatusTryAgainLater || !strings.Contains(err.Error(), "snapshot") {
		t.Errorf("ended with %v, want to be told to take a snapshot", err)
	}
}

func TestTooManySubscribers(t *testing.T) {
	opt := newPlant().options()
	opt.Hub = api.NewHub(api.HubOptions{Subscribers: 1})
	srv := serve(t, opt)
	c, _, err := follow(t, srv, nil)
	if err != nil {
		t.Fatal(err)
	}
	read(t, c)
	if _, r, err := follow(t, srv, nil); err == nil || r == nil || r.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("the second got %v and %v, want 503", r, err)
	}
}

func TestStreamPingsAnIdleReader(t *testing.T) {
	opt := newPlant().options()
	opt.Ping = 20 * time.Millisecond
	c, _, err := follow(t, serve(t, opt), nil)
	if err != nil {
		t.Fatal(err)
	}
	read(t, c)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, _, err := c.Read(ctx); ctx.Err() == nil { // reading answers pings; nothing else comes
		t.Errorf("the stream ended: %v", err)
	}
}
