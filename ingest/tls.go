package ingest

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strconv"
)

// TLS says whom a connection trusts and who it is itself. Its own certificate is read at
// each handshake, so that a renewed one is used without a restart.
type TLS struct {
	CA          string `yaml:"ca,omitempty"`          // PEM file of the authorities that may have signed the server; empty: those of the system
	Certificate string `yaml:"certificate,omitempty"` // PEM file of our own, for servers that ask who we are
	Key         string `yaml:"key,omitempty"`         // PEM file of its key
	ServerName  string `yaml:"server_name,omitempty"` // that the server's certificate has to be of; empty: the host of the address
}

// Validate lists everything that is wrong, each with its field.
func (t TLS) Validate() error {
	var bad Checks
	for _, f := range []struct{ field, path string }{{"ca", t.CA}, {"certificate", t.Certificate}, {"key", t.Key}} {
		if f.path == "" {
			continue
		}
		_, err := os.Stat(f.path)
		bad.That(err == nil, f.field, strconv.Quote(f.path), "want a file that is there")
	}
	if (t.Certificate == "") != (t.Key == "") {
		bad = append(bad, errors.New("key: want both certificate and key or neither"))
	}
	return bad.Err()
}

// Config is t for the library: TLS 1.2 at least, and never without verification.
func (t TLS) Config() (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.ServerName}
	if t.CA != "" {
		pem, err := os.ReadFile(t.CA)
		if err != nil {
			return nil, fmt.Errorf("ca: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("ca: %s holds no certificate in PEM", t.CA)
		}
	}
	if t.Certificate != "" {
		own := func() (*tls.Certificate, error) {
			pair, err := tls.LoadX509KeyPair(t.Certificate, t.Key)
			return &pair, err
		}
		if _, err := own(); err != nil {
			return nil, fmt.Errorf("certificate: %w", err)
		}
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return own() }
	}
	return c, nil
}
