package opcua

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"strings"
	"time"
)

// Application is what a certificate says of who has it.
type Application struct {
	Name  string        // default telltale
	URI   string        // that no other application has; default urn:HOST:NAME of the first host
	Hosts []string      // names and addresses that the application runs on
	Valid time.Duration // default 5 years
}

// Certificate makes a self-signed application instance certificate with an RSA key of 3072
// bits, both as PEM: what every policy of Securities takes (OPC 10000-6, 6.2.2).
func (a Application) Certificate(now time.Time) (certificate, key []byte, err error) {
	if a, err = a.withDefaults(); err != nil {
		return nil, nil, err
	}
	uri, err := url.Parse(a.URI)
	if err != nil || uri.Scheme == "" {
		return nil, nil, fmt.Errorf("uri: %q is not allowed: want one such as urn:plant-7:telltale", a.URI)
	}
	private, err := rsa.GenerateKey(rand.Reader, 3072)
	if err != nil {
		return nil, nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, nil, err
	}
	t := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: a.Name, Organization: []string{"Telltale"}}, URIs: []*url.URL{uri},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(a.Valid), // a server's clock may be behind
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment | x509.KeyUsageKeyEncipherment | x509.KeyUsageDataEncipherment | x509.KeyUsageCertSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true, // of no authority
	}
	for _, h := range a.Hosts {
		if ip := net.ParseIP(h); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
		} else {
			t.DNSNames = append(t.DNSNames, h)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, &private.PublicKey, private)
	if err != nil {
		return nil, nil, err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}), nil
}

func (a Application) withDefaults() (Application, error) {
	if a.Name == "" {
		a.Name = "telltale"
	}
	if a.Valid == 0 {
		a.Valid = 5 * 365 * 24 * time.Hour
	}
	switch {
	case len(a.Hosts) == 0 || a.Hosts[0] == "":
		return a, errors.New("hosts: an empty list is not allowed: want the name or address of the machine")
	case a.Valid < 0:
		return a, fmt.Errorf("valid: %s is not allowed: want more than 0", a.Valid)
	}
	if a.URI == "" {
		a.URI = "urn:" + strings.ReplaceAll(a.Hosts[0], ":", "-") + ":" + url.PathEscape(a.Name)
	}
	return a, nil
}
