package workorders

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"
)

// CallError is what went wrong in a call to an ERP.
type CallError struct {
	Kind   error         // ErrRefused, ErrUnavailable, ErrUnknown or ErrDenied
	Status int           // HTTP status; 0 when there was no answer
	After  time.Duration // how long the ERP asks to be left alone; 0 when it does not say
	Text   string        // what it said
}

// Error is one line for the order's problem field.
func (f *CallError) Error() string {
	if f.Status == 0 {
		return fmt.Sprintf("%v: %s", f.Kind, f.Text)
	}
	return fmt.Sprintf("%v: %d %s", f.Kind, f.Status, f.Text)
}

// Unwrap makes errors.Is(err, ErrUnavailable) and its like hold.
func (f *CallError) Unwrap() error { return f.Kind }

// AnswerError says what an HTTP answer other than 2xx means. A call that writes
// may have taken effect behind a gateway that failed; one that reads cannot.
func AnswerError(answer *http.Response, writes bool, text string, now time.Time) *CallError {
	f := &CallError{Status: answer.StatusCode, Text: text, After: retryAfter(answer.Header.Get("Retry-After"), now)}
	switch s := answer.StatusCode; {
	case s == http.StatusUnauthorized, s == http.StatusForbidden, s >= 300 && s < 400: // a redirect leads to a login page
		f.Kind = ErrDenied
	case s == http.StatusTooManyRequests, s == http.StatusServiceUnavailable:
		f.Kind = ErrUnavailable
	case s >= 500 && !writes, s == http.StatusRequestTimeout && !writes:
		f.Kind = ErrUnavailable
	case s >= 500, s == http.StatusRequestTimeout:
		f.Kind = ErrUnknown
	default:
		f.Kind = ErrRefused
	}
	return f
}

// TransportError says what a call that brought no answer means: a connection that
// was never made carried nothing.
func TransportError(err error, writes bool) *CallError {
	f := &CallError{Kind: ErrUnavailable, Text: err.Error()}
	var op *net.OpError
	if writes && (!errors.As(err, &op) || op.Op != "dial") {
		f.Kind = ErrUnknown
	}
	return f
}

// longestRetry bounds what an ERP may ask for: a wrong header must not stop orders for days.
const longestRetry = time.Hour

func retryAfter(header string, now time.Time) time.Duration {
	var d time.Duration
	if s, err := strconv.Atoi(header); err == nil {
		d = time.Duration(min(max(s, 0), int(longestRetry/time.Second))) * time.Second
	} else if t, err := http.ParseTime(header); err == nil {
		d = t.Sub(now)
	}
	return min(max(d, 0), longestRetry)
}
