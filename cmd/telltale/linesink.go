package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/telltale-iot/telltale/ingest"
)

// lineWriter writes lines as they are.
type lineWriter struct{ io.Writer }

// Send is lineSink's.
func (w lineWriter) Send(_ context.Context, lines []byte) error {
	_, err := w.Write(lines)
	return err
}

// linePost posts lines to a v2 write API, and again while the server is away or busy.
type linePost struct {
	url    string
	token  string
	client *http.Client
	tries  int
	pause  time.Duration // after the first failure; twice as long after each more, up to a minute
}

const (
	linePostTries = 10
	linePostPause = time.Second
	linePostMost  = time.Minute
	linePostTime  = 30 * time.Second
)

// newLinePost checks the address, to which the precision is added.
func newLinePost(address, tokenFile string) (*linePost, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil {
		return nil, fmt.Errorf("%w: --url %q: want an address without an account, such as https://influx.example.org/api/v2/write?org=plant&bucket=telltale", errUsage, address)
	}
	q := u.Query()
	if p := q.Get("precision"); p != "" && p != "ns" {
		return nil, fmt.Errorf("%w: --url: precision=%s is not allowed: times are in ns", errUsage, p)
	}
	q.Set("precision", "ns")
	u.RawQuery = q.Encode()
	token, err := secret(tokenFile)
	if err != nil {
		return nil, fmt.Errorf("--token-file: %w", err)
	}
	return &linePost{url: u.String(), token: token, client: &http.Client{Timeout: linePostTime}, tries: linePostTries, pause: linePostPause}, nil
}

// Send is lineSink's.
func (p *linePost) Send(ctx context.Context, lines []byte) error {
	pause := p.pause
	for try := 1; ; try++ {
		wait, err := p.post(ctx, lines)
		var refused *refusedLinesError
		if err == nil || errors.As(err, &refused) || try == p.tries {
			return err
		}
		if !ingest.Sleep(ctx, max(wait, pause)) {
			return err
		}
		pause = min(2*pause, linePostMost)
	}
}

// refusedLinesError is an answer that a second attempt would not change.
type refusedLinesError struct{ text string }

func (e *refusedLinesError) Error() string { return e.text }

// post makes one attempt; wait is what the server asks for.
func (p *linePost) post(ctx context.Context, lines []byte) (wait time.Duration, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, bytes.NewReader(lines))
	if err != nil {
		return 0, err
	}
	r.Header.Set("Content-Type", "text/plain; charset=utf-8")
	if p.token != "" {
		r.Header.Set("Authorization", "Token "+p.token)
	}
	answer, err := p.client.Do(r)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close() //nolint:errcheck // read
	body, _ := io.ReadAll(io.LimitReader(answer.Body, 400))
	text := fmt.Sprintf("%s answers %s: %s", r.URL.Host, answer.Status, body)
	switch code := answer.StatusCode; {
	case code/100 == 2:
		return 0, nil
	case code == http.StatusTooManyRequests || code == http.StatusRequestTimeout || code >= 500:
		s, _ := strconv.Atoi(answer.Header.Get("Retry-After")) // a date, or none: our own pause
		return min(time.Duration(max(s, 0))*time.Second, 5*linePostMost), errors.New(text)
	}
	return 0, &refusedLinesError{text}
}
