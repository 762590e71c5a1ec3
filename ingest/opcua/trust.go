package opcua

import (
	"bytes"
	"context"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/gopcua/opcua"
	"github.com/gopcua/opcua/ua"
)

// certificates reads a PEM or DER file.
func certificates(path string) ([]*x509.Certificate, error) {
	body, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	der := body
	if bytes.Contains(body, []byte("-----BEGIN")) {
		der = nil
		for block, rest := pem.Decode(body); block != nil; block, rest = pem.Decode(rest) {
			if block.Type == "CERTIFICATE" {
				der = append(der, block.Bytes...)
			}
		}
	}
	all, err := x509.ParseCertificates(der)
	if err == nil && len(all) == 0 {
		err = errors.New("no certificate in it")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return all, nil
}

// trusts reports why a server's certificate is not trusted: it has to be one of the
// list itself or be signed by an authority of it, be in force, and be that of the
// application that the endpoint says it is (OPC 10000-4, 6.1.3). There is no trust on first use.
func (s Server) trusts(ep *ua.EndpointDescription, now time.Time) error {
	cert, err := x509.ParseCertificate(ep.ServerCertificate)
	if err != nil {
		return fmt.Errorf("the server's certificate: %w", err)
	}
	authorities, listed := x509.NewCertPool(), false
	for _, path := range s.Trust {
		list, err := certificates(path)
		if err != nil {
			return err
		}
		for _, c := range list {
			listed = listed || c.Equal(cert)
			if c.IsCA {
				authorities.AddCert(c)
			}
		}
	}
	name := fmt.Sprintf("the server's certificate (%s, SHA-256 fingerprint %x)", cert.Subject, sha256.Sum256(cert.Raw))
	switch {
	case now.Before(cert.NotBefore) || now.After(cert.NotAfter):
		return fmt.Errorf("%s is in force from %s to %s", name, cert.NotBefore.Format(time.DateOnly), cert.NotAfter.Format(time.DateOnly))
	case listed:
	default:
		if _, err := cert.Verify(x509.VerifyOptions{Roots: authorities, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}); err != nil {
			return fmt.Errorf("%s is not trusted: put it into a file that trust names if it is the right one", name)
		}
	}
	if ep.Server == nil || len(cert.URIs) == 0 || cert.URIs[0].String() != ep.Server.ApplicationURI {
		return fmt.Errorf("%s is not of the application that the endpoint names", name)
	}
	return nil
}

// endpoint is the server's endpoint of exactly the security asked for; no other is
// taken in its place. The addresses in it are replaced by ours: many servers name one
// that is of no use outside of their own network.
func (s Server) endpoint(ctx context.Context) (*ua.EndpointDescription, error) {
	all, err := opcua.GetEndpoints(ctx, s.Endpoint, opcua.RequestTimeout(connectTimeout), opcua.DialTimeout(connectTimeout))
	if err != nil {
		return nil, err
	}
	policy, mode := s.security()
	var offered []string
	for _, ep := range all {
		if ep.SecurityPolicyURI == policy && ep.SecurityMode == mode {
			if mode != ua.MessageSecurityModeNone {
				if err := s.trusts(ep, time.Now()); err != nil {
					return nil, err
				}
			}
			return ep, nil
		}
		_, name, _ := strings.Cut(ep.SecurityPolicyURI, "#")
		offered = append(offered, name+"/"+strings.TrimPrefix(ep.SecurityMode.String(), "MessageSecurityMode"))
	}
	return nil, fmt.Errorf("the server offers %s, want %s", strings.Join(offered, ", "), s.Security)
}

// identity is what we show of ourselves: certificate and key for the channel, and who
// the user is for the session.
func (s Server) identity(ep *ua.EndpointDescription) ([]opcua.Option, error) {
	var out []opcua.Option
	if s.Certificate != "" {
		pair, key, err := keyPair(s.Certificate, s.Key)
		if err != nil {
			return nil, err
		}
		out = append(out, opcua.Certificate(pair.Certificate[0]), opcua.PrivateKey(key))
	}
	kind := ua.UserTokenTypeAnonymous
	switch {
	case s.UserCert != "":
		pair, key, err := keyPair(s.UserCert, s.UserKey)
		if err != nil {
			return nil, err
		}
		kind = ua.UserTokenTypeCertificate
		out = append(out, opcua.AuthCertificate(pair.Certificate[0]), opcua.AuthPrivateKey(key))
	case s.User != "":
		var password []byte
		if s.PasswordFile != "" {
			var err error
			if password, err = os.ReadFile(s.PasswordFile); err != nil {
				return nil, err
			}
		}
		kind = ua.UserTokenTypeUserName
		out = append(out, opcua.AuthUsername(s.User, strings.TrimRight(string(password), "\r\n")))
	default:
		out = append(out, opcua.AuthAnonymous())
	}
	return append(out, opcua.SecurityFromEndpoint(ep, kind)), nil
}

// keyPair reads a certificate, PEM or DER, with its RSA key; OPC UA knows no other.
func keyPair(cert, key string) (tls.Certificate, *rsa.PrivateKey, error) {
	list, err := certificates(cert)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	body, err := os.ReadFile(key)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	pair, err := tls.X509KeyPair(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: list[0].Raw}), body)
	if err != nil {
		return pair, nil, fmt.Errorf("%s and %s: %w", cert, key, err)
	}
	private, ok := pair.PrivateKey.(*rsa.PrivateKey)
	if !ok {
		return pair, nil, fmt.Errorf("%s: want an RSA key", key)
	}
	return pair, private, nil
}
