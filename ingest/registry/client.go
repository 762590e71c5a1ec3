package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/sr"
)

const (
	// maxAnswerBytes bounds what is read of an answer: JSON around a schema's text.
	maxAnswerBytes = 4 << 20
	// agent is how we name ourselves.
	agent = "telltale"
)

// newClient speaks to the registry; idle ends its idle connections. c has its defaults.
func newClient(c Config) (client *sr.Client, idle func(), err error) {
	transport, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		transport = &http.Transport{Proxy: http.ProxyFromEnvironment}
	}
	transport = transport.Clone()
	transport.MaxConnsPerHost = 4
	transport.ResponseHeaderTimeout = c.Timeout
	if c.TLS != nil {
		conf, err := c.TLS.Config()
		if err != nil {
			return nil, nil, fmt.Errorf("schema registry: tls: %w", err)
		}
		transport.TLSClientConfig = conf
	}
	web := &http.Client{
		Timeout:   c.Timeout,
		Transport: bounded{transport},
		// A registry does not redirect; what does is a login page, and no place for our password.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	client, err = sr.NewClient(sr.HTTPClient(web), sr.URLs(slices.Clone(c.URLs)...), sr.UserAgent(agent), sr.PreReq(c.authorize))
	return client, transport.CloseIdleConnections, err
}

// authorize says who we are, with the files as they are now.
func (c Config) authorize(r *http.Request) error {
	secret := func(path string) (string, error) {
		b, err := os.ReadFile(path) //nolint:gosec // the configuration's own
		return strings.TrimRight(string(b), "\r\n"), err
	}
	switch {
	case c.TokenFile != "":
		token, err := secret(c.TokenFile)
		if err != nil {
			return fmt.Errorf("token_file: %w", err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
	case c.User != "":
		password, err := secret(c.PasswordFile)
		if err != nil {
			return fmt.Errorf("password_file: %w", err)
		}
		r.SetBasicAuth(c.User, password)
	}
	return nil
}

// bounded reads answers up to a limit, and only those that are JSON.
type bounded struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := b.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if said := resp.Header.Get("Content-Type"); resp.StatusCode < 300 && said != "" {
		if kind, _, err := mime.ParseMediaType(said); err != nil || !strings.HasSuffix(kind, "json") {
			_ = resp.Body.Close()
			return nil, fmt.Errorf("answers with %q, want JSON: is this the address of a schema registry?", said)
		}
	}
	resp.Body = &limited{ReadCloser: resp.Body, left: maxAnswerBytes}
	return resp, nil
}

// limited fails where an answer goes on beyond its limit.
type limited struct {
	io.ReadCloser
	left int64
}

var errLong = fmt.Errorf("answers with more than %d bytes", maxAnswerBytes)

// Read implements io.Reader.
func (l *limited) Read(p []byte) (int, error) {
	if l.left <= 0 {
		var one [1]byte
		if n, err := l.ReadCloser.Read(one[:]); n == 0 && err != nil {
			return 0, err
		}
		return 0, errLong
	}
	if int64(len(p)) > l.left {
		p = p[:l.left]
	}
	n, err := l.ReadCloser.Read(p)
	l.left -= int64(n)
	return n, err
}

// Codes of Confluent's API: without them a 404 may come from anything that stands in between.
var missing = map[int]bool{sr.ErrSubjectNotFound.Code: true, sr.ErrVersionNotFound.Code: true, sr.ErrSchemaNotFound.Code: true, sr.ErrSubjectSoftDeleted.Code: true, sr.ErrSchemaVersionSoftDeleted.Code: true}

// notThere reports whether the registry itself says that it has no such thing.
func notThere(err error) bool {
	var said *sr.ResponseError
	return errors.As(err, &said) && said.StatusCode == http.StatusNotFound && missing[said.ErrorCode]
}

// explained is err as a person can act on it; what is in hand does not get lost with it.
func (c Config) explained(what string, err error) error {
	var said *sr.ResponseError
	if !errors.As(err, &said) {
		if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
			return fmt.Errorf("schema registry: %s: no answer: %w", what, err)
		}
		return fmt.Errorf("schema registry: %s: %w", what, err)
	}
	text := said.Message
	if text == "" {
		text = string(said.Raw)
	}
	text = shortened(text)
	if said.StatusCode == http.StatusUnauthorized || said.StatusCode == http.StatusForbidden {
		who := "without user or token"
		switch {
		case c.TokenFile != "":
			who = "with the token of token_file"
		case c.User != "":
			who = fmt.Sprintf("as user %q", c.User)
		}
		return fmt.Errorf("schema registry: %s: access refused %s (HTTP %d: %q)", what, who, said.StatusCode, text)
	}
	return fmt.Errorf("schema registry: %s: HTTP %d from %s: %q", what, said.StatusCode, said.URL, text)
}
