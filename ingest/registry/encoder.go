package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/sr"

	"github.com/telltale-iot/telltale/ingest"
)

// Why a message cannot be given a schema's number, however often it is tried.
var (
	// ErrIncompatible: the subject's readers could not read it, says the registry.
	ErrIncompatible = errors.New("schema registry: the telemetry schema is not compatible with the one registered")
	// ErrNotRegistered: somebody else has to register it (lookup_only).
	ErrNotRegistered = errors.New("schema registry: the telemetry schema is not registered, and is only looked up")
)

// registered is our schema under a topic's subject.
type registered struct {
	id  int
	why error
}

// Wrap puts the header of our Protobuf schema before a telltale.v1.Telemetry that is sent
// to a topic. The first time it looks the schema up, and registers it where it is missing
// and compatible. ErrIncompatible and ErrNotRegistered need a person; with any other error
// it is worth trying again.
func (r *Registry) Wrap(ctx context.Context, topic string, body []byte) ([]byte, error) {
	ours, err := r.ours.get(ctx, topic, func(ctx context.Context) (registered, time.Time, error) {
		id, err := r.register(ctx, r.c.subject(topic))
		if errors.Is(err, ErrIncompatible) || errors.Is(err, ErrNotRegistered) {
			return registered{why: err}, r.now().Add(r.c.Unknown), nil // a person may mend it
		}
		return registered{id: id}, time.Time{}, err
	})
	if err != nil {
		return nil, err
	}
	if ours.why != nil {
		return nil, ours.why
	}
	return append(appendHeader(make([]byte, 0, headerBytes+1+len(body)), ours.id), body...), nil
}

// register returns the number of our schema under a subject.
func (r *Registry) register(ctx context.Context, subject string) (int, error) {
	s := sr.Schema{Schema: ingest.TelemetryProto(), Type: sr.TypeProtobuf}
	found, err := r.client.LookupSchema(ctx, subject, s)
	if err == nil {
		return checked(subject, found.ID)
	}
	if !notThere(err) {
		return 0, r.c.explained("looking up "+subject, err)
	}
	if r.c.LookupOnly {
		return 0, fmt.Errorf("%w: register it under %s", ErrNotRegistered, subject)
	}
	fits, err := r.client.CheckCompatibility(sr.WithParams(ctx, sr.Verbose), subject, -1, s)
	switch {
	case notThere(err): // the first of its subject
	case err != nil:
		return 0, r.c.explained("compatibility with "+subject, err)
	case !fits.Is:
		return 0, fmt.Errorf("%w under %s: %s", ErrIncompatible, subject, shortened(strings.Join(fits.Messages, "; ")))
	}
	id, err := r.client.RegisterSchema(ctx, subject, s, -1, -1)
	var said *sr.ResponseError
	if errors.As(err, &said) && said.StatusCode == http.StatusConflict {
		return 0, fmt.Errorf("%w under %s: %s", ErrIncompatible, subject, shortened(said.Message))
	}
	if err != nil {
		return 0, r.c.explained("registering "+subject, err)
	}
	return checked(subject, id)
}

// checked is a number as a header can hold it.
func checked(subject string, id int) (int, error) {
	if id < 1 || id > 1<<31-1 {
		return 0, fmt.Errorf("schema registry: %s: the answer's number is %d, want 1 to %d", subject, id, 1<<31-1)
	}
	return id, nil
}

func shortened(s string) string {
	const most = 300
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
