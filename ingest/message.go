package ingest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/telltale-iot/telltale/asset"
)

// Message is what a transport delivered, before anybody looked inside.
type Message struct {
	Topic   string            // of MQTT or Kafka; the stream of Kinesis
	Asset   asset.ID          // that topic, key or header bind it to; empty: the payload says
	Channel string            // the same of a waveform
	Headers map[string]string // of Kafka; names in lower case
	Payload []byte            // a decoder keeps nothing of it
}

// Decoder turns a message into readings of at most a second each, in order. An error that
// is an *asset.Invalid is a verdict on the message; with any other it is worth trying again.
type Decoder interface {
	Decode(ctx context.Context, m Message) ([]asset.Reading, error)
}

// DeadLetter is a message that was refused as a whole, so that a person can look at it
// and send it again.
type DeadLetter struct {
	Source    string            `json:"source"` // as configured, such as "mqtt tcp://broker:1883"
	Time      time.Time         `json:"time"`   // when it was refused
	Reason    asset.Reason      `json:"reason"`
	Text      string            `json:"text"`
	Topic     string            `json:"topic,omitempty"`
	Partition int32             `json:"partition"`
	Offset    int64             `json:"offset"` // in the partition; 0 where the transport has none
	Headers   map[string]string `json:"headers,omitempty"`
	Payload   []byte            `json:"payload"` // the original bytes
}

// Letter is a message's dead letter.
func (m Message) Letter(source string, now time.Time, bad *asset.Invalid) DeadLetter {
	return DeadLetter{Source: source, Time: now, Reason: bad.Reason, Text: bad.Error(), Topic: m.Topic, Headers: m.Headers, Payload: slices.Clone(m.Payload)}
}

// IsID reports whether s can be an asset's ID: a key or a header may be anything else,
// such as what a schema registry frames.
func IsID(s string) bool {
	n := utf8.RuneCountInString(s)
	return n >= 1 && n <= 100 && utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

// Rejected is a record that a backbone will never take as it is. All the others that were
// sent with it are acknowledged unless another error says otherwise.
type Rejected struct { //nolint:errname // read as ingest.Rejected: it is a verdict on a record
	Index int // in what was sent
	Err   error
}

// Error is one line that a person can act on.
func (r *Rejected) Error() string { return fmt.Sprintf("record %d: %v", r.Index, r.Err) }

// Unwrap is the backbone's reason.
func (r *Rejected) Unwrap() error { return r.Err }
