package opcua

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gopcua/opcua/ua"
)

func TestSecurityIsAsAskedForOrNothing(t *testing.T) {
	certs := t.TempDir()
	write := func(name, uri string) string {
		writeCertificate(t, filepath.Join(certs, name), uri)
		return filepath.Join(certs, name)
	}
	ours, theirs, other := write("client", "urn:telltale:test:client"), write("server", "urn:telltale:test:server"), write("other", "urn:telltale:test:server")
	password := filepath.Join(certs, "password")
	if err := os.WriteFile(password, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := startPeer(t, "--certs", certs)
	secure := p.server()
	secure.Security, secure.Certificate, secure.Key, secure.Trust = "", ours+".pem", ours+"-key.pem", []string{theirs + ".pem"}
	refused := func(name, want string, s Server) {
		t.Helper()
		src, lost := read(t, s)
		defer src.Close()
		select {
		case err := <-lost:
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %q", name, err, want)
			}
		case <-time.After(20 * time.Second):
			t.Errorf("%s: not refused", name)
		}
		if src.Queued() != 0 {
			t.Errorf("%s: %d readings came all the same", name, src.Queued())
		}
	}
	s, _ := read(t, secure)
	next(t, s, isPoint)
	s.Close()
	user := secure
	user.User, user.PasswordFile = "reader", password
	s, _ = read(t, user)
	next(t, s, isPoint)
	s.Close()
	untrusted := secure
	untrusted.Trust = []string{other + ".pem"}
	refused("another certificate of the same name", "is not trusted", untrusted)
	wrong := user
	wrong.User = "intruder"
	refused("a user that the server does not know", "StatusBadUserAccessDenied", wrong)
	refused("no security from a server that wants some", "want None/None", p.server())
	p.kill()
	p.args = append(p.args, "--only-none")
	p.start()
	refused("a server that offers none", "the server offers None/None, want Basic256Sha256/SignAndEncrypt", secure)
}

// writeCertificate makes a self-signed one, as OPC UA applications have, with its key.
func writeCertificate(t *testing.T, path, uri string) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(uri)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: filepath.Base(path)}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		URIs: []*url.URL{u}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment | x509.KeyUsageKeyEncipherment | x509.KeyUsageDataEncipherment | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{".pem": {Type: "CERTIFICATE", Bytes: der}, "-key.pem": {Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}} {
		if err := os.WriteFile(path+name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestACertificateOfOursIsTaken has a server that checks everything about a client's
// certificate: its time, its URI, what it may be used for, and whether it is among the trusted.
func TestACertificateOfOursIsTaken(t *testing.T) {
	certs, trusted := t.TempDir(), t.TempDir()
	writeCertificate(t, filepath.Join(certs, "server"), "urn:telltale:test:server")
	ours := func(name string) (certificate, key string) {
		c, k, err := Application{Name: name, Hosts: []string{"collector.example", "127.0.0.1"}}.Certificate(time.Now())
		if err != nil {
			t.Fatal(err)
		}
		certificate, key = filepath.Join(certs, name+".pem"), filepath.Join(certs, name+"-key.pem")
		for path, body := range map[string][]byte{certificate: c, key: k} {
			if err := os.WriteFile(path, body, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		return certificate, key
	}
	known, knownKey := ours("telltale")
	stranger, strangerKey := ours("stranger")
	body, err := os.ReadFile(known)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(trusted, "telltale.pem"), body, 0o600); err != nil {
		t.Fatal(err)
	}
	p := startPeer(t, "--certs", certs, "--trust", trusted)
	s := p.server()
	s.Security, s.Certificate, s.Key, s.Trust = "", known, knownKey, []string{filepath.Join(certs, "server.pem")}
	src, _ := read(t, s)
	next(t, src, isPoint)
	src.Close()
	s.Certificate, s.Key = stranger, strangerKey
	src, lost := read(t, s)
	defer src.Close()
	select {
	case err := <-lost:
		if !strings.Contains(err.Error(), "StatusBadCertificateUntrusted") {
			t.Errorf("a certificate that the server does not know: %v", err)
		}
	case <-time.After(20 * time.Second):
		t.Error("a certificate that the server does not know was not refused")
	}
}

func TestACertificateSaysWhoseItIs(t *testing.T) {
	now := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	body, _, err := Application{Hosts: []string{"h.example", "10.0.0.7"}, Valid: 48 * time.Hour}.Certificate(now)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(body)
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if c.URIs[0].String() != "urn:h.example:telltale" || c.DNSNames[0] != "h.example" || !c.IPAddresses[0].Equal(net.IPv4(10, 0, 0, 7)) || !c.NotAfter.Equal(now.Add(48*time.Hour)) || c.IsCA {
		t.Errorf("certificate of %v, %v, %v until %s, authority %t", c.URIs, c.DNSNames, c.IPAddresses, c.NotAfter, c.IsCA)
	}
	for want, a := range map[string]Application{"hosts: an empty list": {}, "uri: \"plant\"": {Hosts: []string{"h"}, URI: "plant"}, "valid: -1s": {Hosts: []string{"h"}, Valid: -time.Second}} {
		if _, _, err := a.Certificate(now); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", a, err, want)
		}
	}
}

func TestTrustHoldsTheCertificateAndItsApplication(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	writeCertificate(t, a, "urn:x:a")
	writeCertificate(t, b, "urn:x:a")
	list, err := certificates(a + ".pem")
	if err != nil {
		t.Fatal(err)
	}
	for want, tc := range map[string]struct {
		trust string
		uri   string
		later time.Duration
	}{
		"":                     {a, "urn:x:a", 0},
		"is not trusted":       {b, "urn:x:a", 0},
		"is in force from":     {a, "urn:x:a", 2 * time.Hour},
		"is not of the applic": {a, "urn:x:b", 0},
	} {
		ep := &ua.EndpointDescription{ServerCertificate: list[0].Raw, Server: &ua.ApplicationDescription{ApplicationURI: tc.uri}}
		err := Server{Trust: []string{tc.trust + ".pem"}}.trusts(ep, time.Now().Add(tc.later))
		if (want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", tc, err, want)
		}
	}
	if err := (Server{}).trusts(&ua.EndpointDescription{ServerCertificate: []byte{1, 2, 3}}, time.Now()); err == nil {
		t.Error("three bytes are a certificate")
	}
}
