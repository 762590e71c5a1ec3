package mqtt

import (
	"cmp"
	"context"
	"crypto/tls"
	"net"
	"net/url"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
)

// dial makes a connection of the kind that the address names.
func (c Config) dial(ctx context.Context, address *url.URL) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, c.patience())
	defer cancel()
	plain := &net.Dialer{}
	if address.Scheme == "tcp" {
		return plain.DialContext(ctx, "tcp", address.Host)
	}
	var own *tls.Config
	if address.Scheme != "ws" {
		t, err := c.TLS.Config()
		if err != nil {
			return nil, err
		}
		t.ServerName = cmp.Or(t.ServerName, address.Hostname())
		own = t
	}
	if address.Scheme == "ssl" {
		return (&tls.Dialer{NetDialer: plain, Config: own}).DialContext(ctx, "tcp", address.Host)
	}
	return paho.NewWebsocket(address.String(), own, c.patience(), nil, nil)
}

// patience is how long a connection may take to be made, and an answer to come.
func (c Config) patience() time.Duration { return max(c.KeepAlive, 3*time.Second) }

// wire is a connection on which something has to move: reading fails when nothing comes
// for as long as silence, and writing when nothing goes.
type wire struct {
	net.Conn
	silence time.Duration
}

// writeAtOnce bounds what has to go within the silence, so that a long message on a slow
// line is told from a dead line.
const writeAtOnce = 64 << 10

// Read waits for the next bytes.
func (w *wire) Read(p []byte) (int, error) {
	if err := w.SetReadDeadline(time.Now().Add(w.silence)); err != nil {
		return 0, err
	}
	return w.Conn.Read(p)
}

// Write writes all of p. What goes is a sign of life too, so it grants a reader that
// waits more time: while a broker takes a long message it may have nothing to say.
func (w *wire) Write(p []byte) (n int, err error) {
	for len(p) > 0 && err == nil {
		if err := w.SetWriteDeadline(time.Now().Add(w.silence)); err != nil {
			return n, err
		}
		var k int
		k, err = w.Conn.Write(p[:min(len(p), writeAtOnce)])
		n, p = n+k, p[k:]
		if len(p) > 0 && err == nil {
			err = w.SetReadDeadline(time.Now().Add(w.silence))
		}
	}
	return n, err
}
