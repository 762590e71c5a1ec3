package ingest

import (
	"encoding/base64"
	"fmt"
	"mime"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/telltale-iot/telltale/asset"
)

// event is a CloudEvent 1.0: who says what of which asset, around a payload.
type event struct {
	specVersion, id, source, kind string
	subject                       string // ASSET or ASSET/CHANNEL, escaped as in a URL's path; empty: not said
	time                          string
	contentType                   string
	data                          []byte
}

// valid holds the event to the attributes that CloudEvents 1.0 requires.
func (e event) valid(m Message) *asset.Invalid {
	if e.specVersion != "1.0" {
		return refuse(Undecodable, m.where(), "a CloudEvent of version %.20q, known is 1.0", e.specVersion)
	}
	for _, a := range []struct{ name, value string }{{"id", e.id}, {"source", e.source}, {"type", e.kind}} {
		if a.value == "" {
			return refuse(Undecodable, m.where(), "a CloudEvent without %s, which it has to have", a.name)
		}
	}
	if e.time != "" {
		var t time.Time
		if err := t.UnmarshalText([]byte(e.time)); err != nil {
			return refuse(Undecodable, m.where(), "time of a CloudEvent is %.40q, want RFC 3339", e.time)
		}
	}
	return nil
}

// binaryEvent decodes an event whose attributes are headers and whose data is the payload
// (the Kafka binding's binary mode).
func (p *Payloads) binaryEvent(m Message) ([]asset.Reading, error) {
	h := m.Headers
	return p.event(event{
		specVersion: h["ce_specversion"], id: h["ce_id"], source: h["ce_source"], kind: h["ce_type"],
		subject: h["ce_subject"], time: h["ce_time"], contentType: h["content-type"], data: m.Payload,
	}, m)
}

// event decodes what an event is around. Its subject is held to what m says, and the
// payload to both.
func (p *Payloads) event(e event, m Message) ([]asset.Reading, error) {
	if bad := e.valid(m); bad != nil {
		return nil, bad
	}
	if e.subject != "" {
		id, channel, err := subject(e.subject)
		if err != nil {
			return nil, refuse(Undecodable, m.where(), "subject of a CloudEvent is %.200q: %v", e.subject, err)
		}
		var bad *asset.Invalid
		if m.Asset, bad = m.bind(id); bad != nil {
			return nil, bad
		}
		if channel != "" {
			if m.Channel, bad = m.bindChannel(channel); bad != nil {
				return nil, bad
			}
		}
	}
	m.Payload = e.data
	return p.typed(e.contentType, m)
}

func subject(s string) (asset.ID, string, error) {
	name, channel, two := strings.Cut(s, "/")
	id, err := url.PathUnescape(name)
	if err != nil {
		return "", "", err
	}
	if channel, err = url.PathUnescape(channel); err != nil {
		return "", "", err
	}
	if id == "" || two && channel == "" || !utf8.ValidString(id+channel) {
		return "", "", fmt.Errorf("want ASSET or ASSET/CHANNEL")
	}
	return asset.ID(id), channel, nil
}

// typed decodes data as its media type says; one that says nothing leaves it to the content.
func (p *Payloads) typed(contentType string, m Message) ([]asset.Reading, error) {
	if contentType == "" {
		return p.plain(m)
	}
	media, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return nil, refuse(Undecodable, m.where(), "the content type is %.100q: %v", contentType, err)
	}
	switch {
	case strings.HasPrefix(media, "application/cloudevents"):
		return nil, refuse(Undecodable, m.where(), "a CloudEvent in a CloudEvent")
	case media == "application/json", strings.HasSuffix(media, "+json"):
		return decodeJSON(&p.names, m)
	case media == "application/protobuf", media == "application/x-protobuf", media == "application/vnd.google.protobuf":
		return decodeProtobuf(&p.names, m.Payload, m)
	case media == WaveType:
		return p.wave(m)
	case media == "application/octet-stream":
		return p.plain(m)
	}
	return nil, refuse(Undecodable, m.where(), "the content type is %.100q, want application/json, application/protobuf, %s or application/octet-stream", media, WaveType)
}

// WaveType is the media type of a raw waveform (EncodeWave).
const WaveType = "application/vnd.telltale.wave"

// scanEvent reads an event in JSON and reports whether the message is one: it is when it
// has a specversion.
func scanEvent(m Message) (e event, is bool, err error) {
	s := scanner{b: m.Payload}
	var plain, coded []byte
	hasCoded := false
	text := func() string {
		if s.null() {
			return ""
		}
		return string(s.str())
	}
	for more := s.enter('{'); more; more = s.more('}') {
		switch string(s.key()) {
		case "specversion":
			is, e.specVersion = true, text()
		case "id":
			e.id = text()
		case "source":
			e.source = text()
		case "type":
			e.kind = text()
		case "subject":
			e.subject = text()
		case "time":
			e.time = text()
		case "datacontenttype":
			e.contentType = text()
		case "data":
			plain = s.skip()
		case "data_base64":
			coded, hasCoded = []byte(text()), true
		default:
			s.skip()
		}
	}
	if s.end() != nil || !is {
		if is {
			return e, is, refuse(Undecodable, m.where(), "no CloudEvent in JSON: %v", s.err)
		}
		return e, false, nil // the decoder of telemetry says what is wrong with it
	}
	switch {
	case hasCoded && plain != nil:
		return e, is, refuse(Undecodable, m.where(), "a CloudEvent with both data and data_base64")
	case hasCoded:
		e.data = make([]byte, base64.StdEncoding.DecodedLen(len(coded)))
		n, err := base64.StdEncoding.Decode(e.data, coded)
		if err != nil {
			return e, is, refuse(Undecodable, m.where(), "data_base64 of a CloudEvent: %v", err)
		}
		e.data = e.data[:n]
	default:
		if e.data = plain; e.contentType == "" {
			e.contentType = "application/json"
		}
	}
	return e, is, nil
}
