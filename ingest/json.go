package ingest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"time"
	"unicode/utf8"

	"github.com/telltale-iot/telltale/asset"
)

// MaxTelemetryBytes is the largest JSON message that is looked at.
const MaxTelemetryBytes = 1 << 20

// Undecodable is why a payload is refused as a whole.
const Undecodable asset.Reason = "undecodable"

// DecodeTelemetry reads a JSON message of either shape:
//
//	{"asset", "time", "seq", "points": [{"metric", "value", "unit", "quality", "metadata"}], "event", "hits"}
//	{"asset", "timestamp", "seq", "metric_name", "value", "unit", "quality_code", "metadata"}
//
// Times are RFC 3339. An asset in the payload must be id, the one that the topic
// or connection names; it may be left out, and id may be empty instead. A message with
// parts of several times is refused: Payloads takes those. The error is an *asset.Invalid.
func DecodeTelemetry(b []byte, id asset.ID) (asset.Reading, error) {
	all, err := decodeJSON(nil, Message{Asset: id, Payload: b})
	if err != nil {
		return asset.Reading{}, err
	}
	if len(all) != 1 {
		return asset.Reading{}, refuse(Undecodable, string(id), "parts of %d times in one message", len(all))
	}
	return all[0], nil
}

func decodeJSON(n *names, m Message) ([]asset.Reading, error) {
	b := bytes.TrimPrefix(m.Payload, []byte("\xEF\xBB\xBF"))
	if len(b) > MaxTelemetryBytes {
		return nil, refuse(Oversize, m.where(), "%d bytes of JSON, at most %d are read", len(b), MaxTelemetryBytes)
	}
	if !utf8.Valid(b) {
		return nil, refuse(Undecodable, m.where(), "no JSON telemetry: it is not UTF-8")
	}
	d := jsonTelemetry{scanner: scanner{b: b}, names: n}
	d.message()
	if err := d.end(); err != nil {
		return nil, m.verdict("JSON telemetry", err)
	}
	return d.readings(m)
}

// jsonTelemetry reads both shapes of a message.
type jsonTelemetry struct {
	scanner
	telemetry
	names *names
	one   scalar // the point by itself
	isOne bool
	stamp time.Time // its time
	seen  [2]bool   // points, hits
}

// scalar is a point while it is read; quality left out counts as 100.
type scalar struct {
	metric, unit   string
	value, quality float64
	metadata       []byte // as it lies there
}

func noScalar() scalar { return scalar{value: math.NaN(), quality: 100} }

func (d *jsonTelemetry) message() {
	d.one = noScalar()
	for more := d.enter('{'); more; more = d.more('}') {
		switch string(d.key()) {
		case "asset":
			d.asset = asset.ID(d.name())
		case "time":
			d.time = d.instant()
		case "timestamp":
			d.stamp = d.instant()
		case "seq":
			if !d.null() {
				d.seq = d.count()
			}
		case "points":
			d.allPoints()
		case "hits":
			d.allHits()
		case "event":
			d.incident()
		case "metric_name":
			d.isOne = !d.null()
			if d.isOne {
				d.one.metric = d.name()
			}
		case "value":
			d.one.value = d.orNull(math.NaN())
		case "unit":
			d.one.unit = d.name()
		case "quality_code":
			d.one.quality = d.orNull(100)
		case "metadata":
			d.one.metadata = d.skip()
		default:
			d.skip()
		}
	}
	if d.isOne {
		d.point(d.one)
		d.time, d.stamp = d.stamp, d.time
	}
	if d.time.IsZero() {
		d.time = d.stamp
	}
}

// name reads a string that is likely to come again; null is none.
func (d *jsonTelemetry) name() string {
	if d.null() {
		return ""
	}
	return d.names.of(d.str())
}

func (d *jsonTelemetry) orNull(missing float64) float64 {
	if d.null() {
		return missing
	}
	return d.number()
}

func (d *jsonTelemetry) instant() time.Time {
	if d.null() {
		return time.Time{}
	}
	b := d.str()
	var t time.Time
	if err := t.UnmarshalText(b); err != nil && d.err == nil {
		d.err = fmt.Errorf("time is %.40q, want RFC 3339: 2006-01-02T15:04:05.999Z", b)
	}
	return t.UTC().Round(time.Microsecond)
}

// once refuses a second list of the same name: each is made room for.
func (d *jsonTelemetry) once(list int) bool {
	if d.seen[list] {
		d.fail("each list once")
		return false
	}
	d.seen[list] = true
	return !d.null()
}

func (d *jsonTelemetry) allPoints() {
	if !d.once(0) {
		return
	}
	rest := d.b[d.at:]
	d.points = make([]asset.Point, 0, 1+min(bytes.Count(rest, []byte("{")), len(rest)/len("{},"), MaxPoints))
	for more := d.enter('['); more; more = d.more(']') {
		p := noScalar()
		for more := d.enter('{'); more; more = d.more('}') {
			switch string(d.key()) {
			case "metric":
				p.metric = d.name()
			case "value":
				p.value = d.orNull(math.NaN())
			case "unit":
				p.unit = d.name()
			case "quality":
				p.quality = d.orNull(100)
			case "metadata":
				p.metadata = d.skip()
			default:
				d.skip()
			}
		}
		d.point(p)
	}
}

func (d *jsonTelemetry) point(p scalar) {
	if d.err != nil {
		return
	}
	if len(d.points) == MaxPoints {
		d.err = &asset.Invalid{Reason: Oversize, Text: fmt.Sprintf("more than %d points in a message", MaxPoints)}
		return
	}
	meta := ""
	if len(p.metadata) > 0 && string(p.metadata) != "null" {
		if len(p.metadata) > MaxMetaBytes {
			d.err = &asset.Invalid{Reason: Oversize, Text: fmt.Sprintf("%d bytes of metadata of a point, at most %d are read", len(p.metadata), MaxMetaBytes)}
			return
		}
		meta = compact(p.metadata)
	}
	d.points = append(d.points, asset.Point{Metric: p.metric, Value: p.value, Unit: p.unit, Quality: p.quality, Meta: meta})
}

func (d *jsonTelemetry) incident() {
	if d.null() {
		return
	}
	d.event = &asset.Event{}
	text := func() string {
		if d.null() {
			return ""
		}
		return string(d.str())
	}
	for more := d.enter('{'); more; more = d.more('}') {
		switch string(d.key()) {
		case "component":
			d.event.Component = text()
		case "kind":
			d.event.Kind = text()
		case "code":
			d.event.Code = text()
		case "text":
			d.event.Text = text()
		default:
			d.skip()
		}
	}
}

func (d *jsonTelemetry) allHits() {
	if !d.once(1) {
		return
	}
	for more := d.enter('['); more; more = d.more(']') {
		h := noHit()
		for more := d.enter('{'); more; more = d.more('}') {
			switch string(d.key()) {
			case "channel":
				h.channel = d.name()
			case "time":
				h.time = d.instant()
			case "amplitude_db":
				h.amplitudeDB = d.orNull(math.NaN())
			case "duration_us":
				h.durationUs = d.orNull(math.NaN())
			case "rise_us":
				h.riseUs = d.orNull(math.NaN())
			case "counts":
				h.counts = d.orNull(math.NaN())
			case "energy":
				h.energy = d.orNull(math.NaN())
			default:
				d.skip()
			}
		}
		if d.err == nil {
			d.err = d.hits.add(h)
		}
	}
}

// written are the points and the event of a reading in the first shape.
type written struct {
	Asset  asset.ID       `json:"asset,omitempty"`
	Time   string         `json:"time,omitempty"`
	Seq    uint64         `json:"seq,omitempty"`
	Points []writtenPoint `json:"points,omitempty"`
	Event  *writtenEvent  `json:"event,omitempty"`
}

type writtenPoint struct {
	Metric   string          `json:"metric"`
	Value    *float64        `json:"value"` // null is missing
	Unit     string          `json:"unit"`
	Quality  *float64        `json:"quality,omitempty"`
	Metadata json.RawMessage `json:"metadata,omitempty"`
}

type writtenEvent struct {
	Component string `json:"component,omitempty"`
	Kind      string `json:"kind"`
	Code      string `json:"code,omitempty"`
	Text      string `json:"text,omitempty"`
}

// EncodeTelemetry writes the points and the event of a reading in the first
// shape; a value that is not finite is null.
func EncodeTelemetry(r asset.Reading) ([]byte, error) {
	if y := r.Time.UTC().Year(); y < 0 || y > 9999 {
		return nil, fmt.Errorf("telemetry of %s: year %d, RFC 3339 has 0 to 9999", r.Asset, y)
	}
	m := written{Asset: r.Asset, Time: r.Time.UTC().Format(time.RFC3339Nano), Seq: r.Seq}
	for i := range r.Points {
		p := &r.Points[i]
		s := writtenPoint{Metric: p.Metric, Unit: p.Unit, Metadata: json.RawMessage(p.Meta)}
		if !math.IsNaN(p.Value) && !math.IsInf(p.Value, 0) {
			s.Value = &p.Value
		}
		if p.Quality != 100 {
			s.Quality = &p.Quality
		}
		m.Points = append(m.Points, s)
	}
	if e := r.Event; e != nil {
		m.Event = &writtenEvent{e.Component, e.Kind, e.Code, e.Text}
	}
	b, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("telemetry of %s: %w", r.Asset, err)
	}
	return b, nil
}
