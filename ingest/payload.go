package ingest

import (
	"bytes"
	"context"
	"errors"
	"math"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/telltale-iot/telltale/asset"
)

// Oversize is why a message is refused that is larger than its format may be, or holds
// more than a message may: the sender should send less at once.
const Oversize asset.Reason = "oversize"

// What is looked at of a message; the rest is refused before anything is allocated.
const (
	MaxProtobufBytes = 16 << 20
	MaxEventBytes    = 8 << 20 // a CloudEvent in JSON, its data included
	MaxPoints        = 1 << 16 // of a message
	MaxMetaBytes     = 4 << 10 // of one point's metadata, of each text of an event
	MaxNameBytes     = 400     // of an asset, a channel, a metric, a unit: 100 characters
)

// Payloads is the Decoder of what comes over a broker. It finds the format by content:
// raw waveforms (EncodeWave), JSON (DecodeTelemetry), Protobuf (TelemetryProto), each also
// in a CloudEvent. The zero value allows every asset. It is safe for concurrent use.
type Payloads struct {
	Allow Allow
	names names
	waves WaveCodec
}

var _ Decoder = (*Payloads)(nil)

// Decode returns the readings in order of time, of at most a second each. What the message
// says of its asset and channel must be what topic, key or header say of it. The error is
// always an *asset.Invalid.
func (p *Payloads) Decode(_ context.Context, m Message) ([]asset.Reading, error) {
	if bad := p.allowed(m, m.Asset); bad != nil {
		return nil, bad
	}
	out, err := p.decode(m)
	if err != nil {
		return nil, err
	}
	if bad := p.allowed(m, out[0].Asset); bad != nil {
		return nil, bad
	}
	return out, nil
}

func (p *Payloads) allowed(m Message, id asset.ID) *asset.Invalid {
	if id == "" || p.Allow.Allows(id) {
		return nil
	}
	return refuse(NotAllowed, m.where(), "asset %q is none of those that this source may speak for", id)
}

func (p *Payloads) decode(m Message) ([]asset.Reading, error) {
	if _, ok := m.Headers["ce_specversion"]; ok {
		return p.binaryEvent(m)
	}
	if looksLikeJSON(m.Payload) && len(m.Payload) <= MaxEventBytes && bytes.Contains(m.Payload, []byte(`"specversion"`)) {
		e, is, err := scanEvent(m)
		if err != nil {
			return nil, err
		}
		if is {
			return p.event(e, m)
		}
	}
	return p.plain(m)
}

// plain decodes what is no CloudEvent.
func (p *Payloads) plain(m Message) ([]asset.Reading, error) {
	switch b := m.Payload; {
	case len(b) == 0:
		return nil, refuse(Undecodable, m.where(), "an empty message")
	case bytes.HasPrefix(b, []byte(waveMagic)):
		return p.wave(m)
	case b[0] == 0:
		return nil, refuse(Undecodable, m.where(), "it begins with the wire header of a schema registry, and none is configured")
	case looksLikeJSON(b):
		return decodeJSON(&p.names, m)
	}
	return decodeProtobuf(&p.names, m.Payload, m)
}

// wave decodes a waveform message of the asset and channel that m names.
func (p *Payloads) wave(m Message) ([]asset.Reading, error) {
	w, err := p.waves.Decode(asset.Waveform{}, m.Payload, m.Channel)
	if err != nil {
		return nil, m.verdict("waveform", err)
	}
	return (&telemetry{wave: &w}).readings(m)
}

// DecodeProtobuf is DecodeProtobuf with names kept from message to message, so that a
// point costs no allocation of its own. Allow is not asked.
func (p *Payloads) DecodeProtobuf(b []byte, m Message) ([]asset.Reading, error) {
	return decodeProtobuf(&p.names, b, m)
}

// looksLikeJSON reports whether the first byte may begin a JSON text. No message of the
// Protobuf schema begins so.
func looksLikeJSON(b []byte) bool {
	return len(b) > 0 && bytes.IndexByte([]byte("{[ \t\r\n\xEF"), b[0]) >= 0
}

// where names a message in a refusal.
func (m Message) where() string {
	switch {
	case m.Asset != "" && m.Channel != "":
		return string(m.Asset) + "/" + m.Channel
	case m.Asset != "":
		return string(m.Asset)
	case m.Topic != "":
		return m.Topic
	}
	return "message"
}

// verdict is err as a refusal; one that is a refusal already keeps its reason.
func (m Message) verdict(format string, err error) *asset.Invalid {
	if bad, ok := errors.AsType[*asset.Invalid](err); ok {
		bad.Where = m.where()
		return bad
	}
	return refuse(Undecodable, m.where(), "no %s: %v", format, err)
}

// telemetry is a message as any format says it, before it is bound to an asset.
type telemetry struct {
	asset  asset.ID
	time   time.Time // of points and event; zero: not said
	seq    uint64
	points []asset.Point
	event  *asset.Event
	wave   *asset.Waveform
	hits   hits

	features []asset.Features // computed by the sender
}

// bind says whose the message is.
func (m Message) bind(claimed asset.ID) (asset.ID, *asset.Invalid) {
	id := m.Asset
	switch {
	case id != "" && claimed != "" && id != claimed:
		return "", refuse(NotAllowed, m.where(), "the payload is of asset %q, topic, key or header of %q", claimed, id)
	case id == "" && claimed == "":
		return "", refuse(Undecodable, m.where(), "nothing says of which asset it is: want it in topic, key, header or payload")
	case id == "":
		id = claimed
	}
	if len(id) > MaxNameBytes || !utf8.ValidString(string(id)) {
		return "", refuse(Undecodable, m.where(), "the asset's name is %d bytes long, want 1–100 characters of UTF-8", len(id))
	}
	return id, nil
}

// bindChannel says which channel a waveform or a hit is of.
func (m Message) bindChannel(claimed string) (string, *asset.Invalid) {
	channel := m.Channel
	switch {
	case channel != "" && claimed != "" && channel != claimed:
		return "", refuse(NotAllowed, m.where(), "the payload is of channel %q, topic or header of %q", claimed, channel)
	case channel == "" && claimed == "":
		return "", refuse(Undecodable, m.where(), "nothing says of which channel it is: want it in topic, header or payload")
	case channel == "":
		channel = claimed
	}
	if len(channel) > MaxNameBytes {
		return "", refuse(Undecodable, m.where(), "the channel's name is %d bytes long, want 1–100 characters", len(channel))
	}
	return channel, nil
}

// readings are the parts of t by time: blocks of the waveform, points and event, hits.
// All have the message's number.
func (t *telemetry) readings(m Message) ([]asset.Reading, error) {
	id, bad := m.bind(t.asset)
	if bad == nil {
		bad = t.checkTexts(m)
	}
	if bad != nil {
		return nil, bad
	}
	var blocks []asset.Waveform
	if t.wave != nil {
		if t.wave.Channel, bad = m.bindChannel(t.wave.Channel); bad != nil {
			return nil, bad
		}
		if bad := tooLong(*t.wave, m); bad != nil {
			return nil, bad
		}
		blocks = Cut(*t.wave)
	}
	out := make([]asset.Reading, 0, len(blocks)+1+len(t.hits.channels))
	for i := range blocks {
		out = append(out, asset.Reading{Asset: id, Time: Newest(blocks[i]), Seq: t.seq, Wave: &blocks[i]})
	}
	if len(t.points) > 0 || t.event != nil || len(t.features) > 0 {
		if t.time.IsZero() {
			return nil, refuse(Undecodable, m.where(), "points, features or an event without a time")
		}
		out = join(out, asset.Reading{Asset: id, Time: t.time, Seq: t.seq, Points: t.points, Event: t.event, Features: t.features})
	}
	for _, h := range t.hits.channels {
		if h.channel, bad = m.bindChannel(h.channel); bad != nil {
			return nil, bad
		}
		out = append(out, asset.Reading{Asset: id, Time: h.newest, Seq: t.seq, Points: h.points()})
	}
	if len(out) == 0 {
		return nil, refuse(Undecodable, m.where(), "neither points nor event nor waveform nor hits nor features")
	}
	slices.SortStableFunc(out, func(a, b asset.Reading) int { return a.Time.Compare(b.Time) })
	return out, nil
}

// checkTexts refuses what nobody can mean as a name or a remark: it would be kept and shown.
func (t *telemetry) checkTexts(m Message) *asset.Invalid {
	for i := range t.points {
		if n := max(len(t.points[i].Metric), len(t.points[i].Unit)); n > MaxNameBytes {
			return refuse(Undecodable, m.where(), "a name or unit of a point is %d bytes long, want at most 100 characters", n)
		}
	}
	if e := t.event; e != nil {
		if n := max(len(e.Component), len(e.Kind), len(e.Code), len(e.Text)); n > MaxMetaBytes {
			return refuse(Oversize, m.where(), "a text of an event is %d bytes long, at most %d are read", n, MaxMetaBytes)
		}
	}
	for i := range t.features {
		if bad := checkNames(&t.features[i], m); bad != nil {
			return bad
		}
	}
	if w := t.wave; w != nil && len(w.Unit) > MaxNameBytes {
		return refuse(Undecodable, m.where(), "the unit of a waveform is %d bytes long, want at most 100 characters", len(w.Unit))
	}
	return nil
}

// join adds r, to the block that shares its time when there is one.
func join(blocks []asset.Reading, r asset.Reading) []asset.Reading {
	for i := range blocks {
		if blocks[i].Time.Equal(r.Time) {
			blocks[i].Points, blocks[i].Event, blocks[i].Features = r.Points, r.Event, r.Features
			return blocks
		}
	}
	return append(blocks, r)
}

// A record is cut into blocks of a second, each of which costs more than the samples of a
// slow one; so a message of many seconds has to be long, too.
const (
	manySeconds    = 256
	bytesPerSecond = 8
)

func tooLong(w asset.Waveform, m Message) *asset.Invalid {
	per := max(math.Floor(w.RateHz), 1) // samples of a block, see Cut
	seconds := float64(w.Len()) / per
	if most := max(manySeconds, float64(len(m.Payload)/bytesPerSecond)); seconds > most && w.RateHz > 0 {
		return refuse(Oversize, m.where(), "%d samples at %g Hz, at most %g s are read from a message of %d bytes", w.Len(), w.RateHz, most, len(m.Payload))
	}
	return nil
}
