package registry

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/ingest"
)

// authority signs certificates for a test.
type authority struct {
	t    *testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t, dir: t.TempDir()}
	a.cert, a.key = a.sign("ca", time.Hour, true)
	return a
}

// sign writes NAME.pem and NAME.key.
func (a *authority) sign(name string, life time.Duration, ca bool) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(life),
		IsCA: ca, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	parent, by := c, key
	if a.cert != nil {
		parent, by = a.cert, a.key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, by)
	if err != nil {
		a.t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{name + ".pem": {Type: "CERTIFICATE", Bytes: der}, name + ".key": {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(filepath.Join(a.dir, file), pem.EncodeToMemory(block), 0o600); err != nil {
			a.t.Fatal(err)
		}
	}
	signed, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return signed, key
}

func (a *authority) path(file string) string { return filepath.Join(a.dir, file) }

// over serves a registry with the certificate of that name to clients of the authority.
func (a *authority) over(name string) string {
	a.t.Helper()
	plain := newIll(a.t)
	pair, err := tls.LoadX509KeyPair(a.path(name+".pem"), a.path(name+".key"))
	if err != nil {
		a.t.Fatal(err)
	}
	trust := x509.NewCertPool()
	trust.AddCert(a.cert)
	s := httptest.NewUnstartedServer(plain.Config.Handler)
	s.TLS = &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: trust}
	s.StartTLS()
	a.t.Cleanup(s.Close)
	return s.URL
}

func TestTheRegistryHasToBeTheOneTrusted(t *testing.T) {
	a, b := newAuthority(t), newAuthority(t)
	a.sign("server", time.Hour, false)
	a.sign("expired", -time.Hour, false)
	a.sign("client", time.Hour, false)
	b.sign("client", time.Hour, false)
	good, expired := a.over("server"), a.over("expired")
	us := func(by *authority) ingest.TLS {
		return ingest.TLS{CA: a.path("ca.pem"), Certificate: by.path("client.pem"), Key: by.path("client.key")}
	}
	wrongCA, wrongName, none := us(a), us(a), us(a)
	wrongCA.CA = b.path("ca.pem")
	wrongName.ServerName = "registry.example"
	none.Certificate, none.Key = "", ""
	for name, c := range map[string]struct {
		url  string
		tls  ingest.TLS
		good bool
	}{
		"the right certificates":   {good, us(a), true},
		"another authority's":      {good, wrongCA, false},
		"of another host":          {good, wrongName, false},
		"expired":                  {expired, us(a), false},
		"we show none":             {good, none, false},
		"ours is of another":       {good, us(b), false},
		"the system's authorities": {good, ingest.TLS{Certificate: a.path("client.pem"), Key: a.path("client.key")}, false},
	} {
		d := opened(t, Config{URLs: []string{c.url}, TLS: &c.tls}).Decoder(newBehind(t))
		_, err := d.Decode(t.Context(), ingest.Message{Payload: headed(1, 0)})
		if (err == nil) != c.good || reason(err) != "" {
			t.Errorf("%s: %v, want it accepted: %v", name, err, c.good)
		}
	}
}
