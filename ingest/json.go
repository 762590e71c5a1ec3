package ingest

import (
	"encoding/json"
	"fmt"
	"math"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

// MaxTelemetryBytes is the largest telemetry message that is looked at.
const MaxTelemetryBytes = 1 << 20

// Undecodable is why a payload is refused as a whole.
const Undecodable asset.Reason = "undecodable"

// message is both shapes of a telemetry message: the points of an instant, or
// one point by itself.
type message struct {
	Asset  asset.ID  `json:"asset,omitempty"`
	Time   string    `json:"time,omitempty"`
	Points []scalar  `json:"points,omitempty"`
	Event  *incident `json:"event,omitempty"`

	Timestamp string          `json:"timestamp,omitempty"`
	Metric    *string         `json:"metric_name,omitempty"`
	Value     *float64        `json:"value,omitempty"`
	Unit      string          `json:"unit,omitempty"`
	Quality   *float64        `json:"quality_code,omitempty"`
	Metadata  json.RawMessage `json:"metadata,omitempty"`
}

// scalar is one point of a message; quality left out counts as 100.
type scalar struct {
	Metric  string   `json:"metric"`
	Value   *float64 `json:"value"` // null is missing
	Unit    string   `json:"unit"`
	Quality *float64 `json:"quality,omitempty"`
}

type incident struct {
	Component string `json:"component,omitempty"`
	Kind      string `json:"kind"`
	Code      string `json:"code,omitempty"`
	Text      string `json:"text,omitempty"`
}

// DecodeTelemetry reads a message of either shape:
//
//	{"asset", "time", "points": [{"metric", "value", "unit", "quality"}], "event"}
//	{"asset", "timestamp", "metric_name", "value", "unit", "quality_code", "metadata"}
//
// Times are RFC 3339. An asset in the payload must be id, the one that the topic
// or connection names; it may be left out, and id may be empty instead. The error
// is an *asset.Invalid.
func DecodeTelemetry(b []byte, id asset.ID) (asset.Reading, error) {
	if len(b) > MaxTelemetryBytes {
		return asset.Reading{}, refuse(Undecodable, string(id), "%d bytes of telemetry, at most %d are read", len(b), MaxTelemetryBytes)
	}
	var m message
	if err := json.Unmarshal(b, &m); err != nil {
		return asset.Reading{}, refuse(Undecodable, string(id), "no JSON telemetry: %v", err)
	}
	if m.Asset != "" && id != "" && m.Asset != id {
		return asset.Reading{}, refuse(Undecodable, string(id), "the payload is of asset %q, the topic of %q", m.Asset, id)
	}
	r := asset.Reading{Asset: id}
	if id == "" {
		r.Asset = m.Asset
	}
	stamp := m.Time
	if m.Metric != nil {
		stamp = m.Timestamp
		m.Points = append(m.Points, scalar{*m.Metric, m.Value, m.Unit, m.Quality})
	}
	t, err := time.Parse(time.RFC3339Nano, stamp)
	if err != nil {
		return asset.Reading{}, refuse(Undecodable, string(id), "time is %q, want RFC 3339: 2006-01-02T15:04:05.999Z", stamp)
	}
	r.Time = t.UTC().Round(time.Microsecond)
	for _, p := range m.Points {
		r.Points = append(r.Points, asset.Point{Metric: p.Metric, Value: orElse(p.Value, math.NaN()), Unit: p.Unit, Quality: orElse(p.Quality, 100)})
	}
	if m.Event != nil {
		r.Event = &asset.Event{Component: m.Event.Component, Kind: m.Event.Kind, Code: m.Event.Code, Text: m.Event.Text}
	}
	if Blank(r) {
		return asset.Reading{}, refuse(Undecodable, string(id), "neither points nor metric_name nor event")
	}
	return r, nil
}

func orElse(v *float64, otherwise float64) float64 {
	if v == nil {
		return otherwise
	}
	return *v
}

// EncodeTelemetry writes the points and the event of a reading in the first
// shape; a value that is not finite is null.
func EncodeTelemetry(r asset.Reading) ([]byte, error) {
	m := message{Asset: r.Asset, Time: r.Time.UTC().Format(time.RFC3339Nano)}
	for i := range r.Points {
		p := &r.Points[i]
		s := scalar{Metric: p.Metric, Unit: p.Unit}
		if !math.IsNaN(p.Value) && !math.IsInf(p.Value, 0) {
			s.Value = &p.Value
		}
		if p.Quality != 100 {
			s.Quality = &p.Quality
		}
		m.Points = append(m.Points, s)
	}
	if e := r.Event; e != nil {
		m.Event = &incident{e.Component, e.Kind, e.Code, e.Text}
	}
	b, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("telemetry of %s: %w", r.Asset, err)
	}
	return b, nil
}
