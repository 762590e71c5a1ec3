package mqtt_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/telltale-iot/telltale/ingest"
	"github.com/telltale-iot/telltale/ingest/mqtt"
)

// authority signs certificates into files of a folder.
type authority struct {
	t    *testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string
}

func newAuthority(t *testing.T, dir, name string) *authority {
	t.Helper()
	a := &authority{t: t, dir: dir, file: filepath.Join(dir, name+".pem")}
	a.cert = &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	a.key = newKey(t)
	a.cert = a.sign(a.cert, &a.key.PublicKey, a.file)
	return a
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func (a *authority) sign(c *x509.Certificate, key *ecdsa.PublicKey, file string) *x509.Certificate {
	a.t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, c, a.cert, key, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	write(a.t, file, "CERTIFICATE", der)
	c, err = x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return c
}

func write(t *testing.T, file, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

// pair is a certificate of name with its key, which is valid for as long as life, from an
// hour ago.
func (a *authority) pair(file, name string, life time.Duration) (cert, key string) {
	a.t.Helper()
	k := newKey(a.t)
	c := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(life - time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if ip := net.ParseIP(name); ip != nil {
		c.IPAddresses = []net.IP{ip}
	} else {
		c.DNSNames = []string{name}
	}
	cert, key = filepath.Join(a.dir, file+".crt"), filepath.Join(a.dir, file+".key")
	a.sign(c, &k.PublicKey, cert)
	der, err := x509.MarshalECPrivateKey(k)
	if err != nil {
		a.t.Fatal(err)
	}
	write(a.t, key, "EC PRIVATE KEY", der)
	return cert, key
}

const (
	day     = 24 * time.Hour
	expired = time.Minute // of an hour ago
)

// refused waits for a source to say why it cannot connect, and makes sure that it does not.
func refused(t *testing.T, url string, own ingest.TLS, want ...string) {
	t.Helper()
	s := begin(t, mqtt.Options{Config: mqtt.Config{URL: url, ClientID: t.Name(), TLS: own, KeepAlive: time.Second}})
	until(t, "refused", func() bool { return s.Status().Why != "" })
	for range 20 {
		if st := s.Status(); st.Up {
			t.Fatalf("it is connected: %+v", st)
		}
		time.Sleep(10 * time.Millisecond)
	}
	why := s.Status().Why
	for _, w := range want {
		if strings.Contains(why, w) {
			return
		}
	}
	t.Errorf("refused because %q, want one of %q", why, want)
}

// accepted publishes and hears over a connection of this kind.
func accepted(t *testing.T, url string, own ingest.TLS) {
	t.Helper()
	c := mqtt.Config{URL: url, ClientID: t.Name(), TLS: own, KeepAlive: 5 * time.Second}
	s := open(t, mqtt.Options{Config: c})
	defer s.Close()
	c.ClientID += "-plant"
	p, err := mqtt.NewPublisher(t.Context(), mqtt.Options{Config: c})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for i := range 100 {
		if err := p.Publish(t.Context(), point(i), 0); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 100 {
		r, pos := next(t, s)
		if r.Points[0].Value != float64(i) {
			t.Fatalf("want %d, got %+v", i, r)
		}
		s.Ack(pos)
	}
}

// doors are the addresses of a broker with TLS of every kind.
type doors struct {
	plain, ssl, mutual, late, other, wss, ws string
}

// secured starts mosquitto with a listener for each.
func secured(t *testing.T, dir string, ca *authority) doors {
	t.Helper()
	var d doors
	var lines []string
	door := func(more ...string) string {
		addr := free(t)
		_, port, _ := net.SplitHostPort(addr)
		lines = append(lines, "listener "+port)
		lines = append(lines, more...)
		return addr
	}
	with := func(file, name string, life time.Duration) []string {
		cert, key := ca.pair(file, name, life)
		return []string{"cafile " + ca.file, "certfile " + cert, "keyfile " + key}
	}
	good := with("server", "127.0.0.1", day)
	d.ssl = "ssl://" + door(good...)
	d.mutual = "ssl://" + door(append(good, "require_certificate true")...)
	d.late = "ssl://" + door(with("late", "127.0.0.1", expired)...)
	d.other = "ssl://" + door(with("other", "broker.example", day)...)
	d.ws = "ws://" + door("protocol websockets") + "/mqtt"
	d.wss = "wss://" + door(append(good, "protocol websockets")...) + "/mqtt"
	m := newMosquitto(t, lines...)
	d.plain = m.url()
	_ = dir
	return d
}

func TestMosquittoTLS(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ca, stranger := newAuthority(t, dir, "ca"), newAuthority(t, dir, "stranger")
	d := secured(t, dir, ca)
	trust := ingest.TLS{CA: ca.file}
	client := func(a *authority, file string, life time.Duration) ingest.TLS {
		cert, key := a.pair(file, "flow", life)
		return ingest.TLS{CA: ca.file, Certificate: cert, Key: key}
	}
	named := ingest.TLS{CA: ca.file, ServerName: "broker.example"}
	// What TLS 1.3 refuses of a client comes after the handshake: as an alert, or as an end.
	ended := []string{"certificate required", "unknown certificate authority", "expired certificate", "bad certificate", "connection reset", "the broker closed the connection", "no answer to CONNECT"}
	for name, tc := range map[string]struct {
		url  string
		own  ingest.TLS
		want []string // nothing: it is accepted
	}{
		"trusted":                      {d.ssl, trust, nil},
		"mqtts":                        {"mqtts" + strings.TrimPrefix(d.ssl, "ssl"), trust, nil},
		"another authority":            {d.ssl, ingest.TLS{CA: stranger.file}, []string{"unknown authority", "certificate signed by"}},
		"authorities of the system":    {d.ssl, ingest.TLS{}, []string{"unknown authority", "certificate signed by"}},
		"expired":                      {d.late, trust, []string{"expired"}},
		"another host":                 {d.other, trust, []string{"127.0.0.1"}},
		"another host that is meant":   {d.other, named, nil},
		"no TLS at a door with it":     {"tcp" + strings.TrimPrefix(d.ssl, "ssl"), ingest.TLS{}, []string{"no answer to CONNECT"}},
		"TLS at a door without it":     {"ssl" + strings.TrimPrefix(d.plain, "tcp"), trust, []string{"EOF", "reset", "tls", "timeout"}},
		"client certificate":           {d.mutual, client(ca, "client", day), nil},
		"no client certificate":        {d.mutual, trust, ended},
		"a client of another":          {d.mutual, client(stranger, "foreign", day), ended},
		"an expired client":            {d.mutual, client(ca, "past", expired), ended},
		"WebSocket":                    {d.ws, ingest.TLS{}, nil},
		"WebSocket, trusted":           {d.wss, trust, nil},
		"WebSocket, another authority": {d.wss, ingest.TLS{CA: stranger.file}, []string{"unknown authority", "certificate signed by"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if tc.want == nil {
				accepted(t, tc.url, tc.own)
				return
			}
			refused(t, tc.url, tc.own, tc.want...)
		})
	}
}

// A certificate that has expired is replaced by a new one in its file, and the next
// attempt uses it.
func TestMosquittoTakesRenewedCertificate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ca := newAuthority(t, dir, "ca")
	d := secured(t, dir, ca)
	cert, key := ca.pair("client", "flow", expired)
	s := begin(t, mqtt.Options{Config: mqtt.Config{URL: d.mutual, TLS: ingest.TLS{CA: ca.file, Certificate: cert, Key: key}}})
	until(t, "refused", func() bool { return s.Status().Why != "" })
	ca.pair("client", "flow", day)
	until(t, "connected", func() bool { return s.Status().Up })
}

// everybody is let in.
type everybody struct{ mochi.HookBase }

func (*everybody) ID() string { return "everybody" }
func (*everybody) Provides(b byte) bool {
	return b == mochi.OnConnectAuthenticate || b == mochi.OnACLCheck
}
func (*everybody) OnConnectAuthenticate(*mochi.Client, packets.Packet) bool { return true }
func (*everybody) OnACLCheck(*mochi.Client, string, bool) bool              { return true }

// The embedded broker's library listens for WebSockets and TLS too, so this runs everywhere.
func TestWebSocketAndTLS(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ca, stranger := newAuthority(t, dir, "ca"), newAuthority(t, dir, "stranger")
	pair, err := tls.LoadX509KeyPair(ca.pair("server", "127.0.0.1", day))
	if err != nil {
		t.Fatal(err)
	}
	own := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	server := mochi.New(&mochi.Options{Logger: slog.New(slog.DiscardHandler)})
	t.Cleanup(func() { _ = server.Close() })
	ssl, ws, wss := free(t), free(t), free(t)
	for _, err := range []error{
		server.AddHook(&everybody{}, nil),
		server.AddListener(listeners.NewTCP(listeners.Config{ID: "ssl", Address: ssl, TLSConfig: own})),
		server.AddListener(listeners.NewWebsocket(listeners.Config{ID: "ws", Address: ws})),
		server.AddListener(listeners.NewWebsocket(listeners.Config{ID: "wss", Address: wss, TLSConfig: own})),
		server.Serve(),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	trust := ingest.TLS{CA: ca.file}
	for name, tc := range map[string]struct {
		url string
		own ingest.TLS
	}{
		"ssl": {"ssl://" + ssl, trust}, "ws": {"ws://" + ws + "/", ingest.TLS{}}, "wss": {"wss://" + wss + "/", trust},
	} {
		t.Run(name, func(t *testing.T) { accepted(t, tc.url, tc.own) })
		if tc.own != (ingest.TLS{}) {
			t.Run(name+" of a stranger", func(t *testing.T) {
				refused(t, tc.url, ingest.TLS{CA: stranger.file}, "unknown authority", "certificate signed by")
			})
		}
	}
}
