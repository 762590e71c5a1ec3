package api

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Problem is an RFC 9457 document. Detail is one line that says what to do.
type Problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
}

// requestError is a request that cannot be answered as it stands.
type requestError struct {
	status int
	detail string
}

func (e *requestError) Error() string { return e.detail }

// badRequest names the parameter, its value and what is allowed.
func badRequest(name, value, allowed string) error {
	if len(value) > 60 {
		value = value[:60] + "…"
	}
	return &requestError{status: http.StatusBadRequest, detail: fmt.Sprintf("%s=%q: %s", name, value, allowed)}
}

func fail(w http.ResponseWriter, code int, detail string) {
	body, err := json.Marshal(Problem{Type: "about:blank", Title: http.StatusText(code), Status: code, Detail: detail})
	if err != nil { // strings and a number always encode
		body = []byte(`{"type":"about:blank"}`)
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_, _ = w.Write(append(body, '\n'))
}

// number reads a whole number within [1, most]; def when it is not given.
func number(r *http.Request, name string, def, most int) (int, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return def, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > most {
		return 0, badRequest(name, text, fmt.Sprintf("a whole number from 1 to %d is allowed", most))
	}
	return n, nil
}

// instant reads an RFC 3339 time; zero when it is not given.
func instant(r *http.Request, name string) (time.Time, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return time.Time{}, badRequest(name, text, "an RFC 3339 time is allowed, such as 2026-03-01T12:00:00Z")
	}
	return t.UTC(), nil
}

// Open ends of a span; both fit in nanoseconds since 1970.
var (
	startOfTime = time.Unix(0, 0).UTC()
	endOfTime   = time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC)
)

// span reads from and to; an end that is not given is open.
func span(r *http.Request) (from, to time.Time, err error) {
	if from, err = instant(r, "from"); err != nil {
		return from, to, err
	}
	if to, err = instant(r, "to"); err != nil {
		return from, to, err
	}
	if !from.IsZero() && !to.IsZero() && to.Before(from) {
		return from, to, badRequest("to", r.URL.Query().Get("to"), "it must not be before from")
	}
	return cmp.Or(from, startOfTime), cmp.Or(to, endOfTime), nil
}

// choice reads one of the allowed words; empty when it is not given.
func choice(r *http.Request, name string, allowed ...string) (string, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return "", nil
	}
	if slices.Contains(allowed, text) {
		return text, nil
	}
	return "", badRequest(name, text, "one of "+strings.Join(allowed, ", ")+" is allowed")
}
