package api

import (
	"net/http"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

// Sources tells where readings come from and what was refused on the way.
type Sources interface {
	// Sources lists every source in the order of the configuration.
	Sources() []Source
	// DeadLetters lists at most limit refused messages, of one reason or of all when it is
	// empty, the newest first.
	DeadLetters(reason asset.Reason, limit int) ([]DeadLetter, error)
}

// Source is how a source of readings stands.
type Source struct {
	Name     string                 `json:"name"` // as configured
	Protocol string                 `json:"protocol"`
	Up       bool                   `json:"up"`                // it is connected, or its devices answer
	Since    time.Time              `json:"since,omitzero"`    // of Up as it is
	Why      string                 `json:"why,omitempty"`     // it is not up
	Heard    time.Time              `json:"heard,omitzero"`    // when something last arrived
	Messages int64                  `json:"messages"`          // arrived; 0 for devices that are asked
	Bytes    int64                  `json:"bytes"`             // of them
	Readings int64                  `json:"readings"`          // passed on to the flow
	Refused  map[asset.Reason]int64 `json:"refused,omitempty"` // messages and readings, by reason
	Gaps     int64                  `json:"gaps"`              // spans of an asset in which nothing arrived
	Outages  int64                  `json:"outages"`           // times that the connection was lost
	Queued   int                    `json:"queued"`            // arrived and not taken
	Offset   asset.Number           `json:"clock_offset_s"`    // how far the senders' clocks are ahead of ours, at least
	Drift    asset.Number           `json:"clock_drift_ppm"`   // of it; null until it is known
}

// DeadLetter is a message or a reading that was refused, with its bytes.
type DeadLetter struct {
	Source    string            `json:"source"`
	Time      time.Time         `json:"time"` // when it was refused
	Reason    asset.Reason      `json:"reason"`
	Text      string            `json:"text"`
	Topic     string            `json:"topic,omitempty"`
	Partition int32             `json:"partition"`
	Offset    int64             `json:"offset"`
	Headers   map[string]string `json:"headers,omitempty"`
	Payload   []byte            `json:"payload"` // base64
}

func (s *server) sources(*http.Request) (any, error) {
	return map[string]any{"sources": noNil(s.opt.Sources.Sources())}, nil
}

func (s *server) deadLetters(r *http.Request) (any, error) {
	limit, err := number(r, "limit", 100, 1000)
	if err != nil {
		return nil, err
	}
	list, err := s.opt.Sources.DeadLetters(asset.Reason(r.URL.Query().Get("reason")), limit)
	if err != nil {
		return nil, err
	}
	return map[string]any{"dead_letters": noNil(list)}, nil
}
