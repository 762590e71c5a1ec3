package registry

import (
	"encoding/binary"
	"errors"
	"math"
	"slices"

	"github.com/twmb/avro"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/ingest"
)

// telemetry is the Avro record as it is read. Its texts and bytes lie in the message.
type telemetry struct {
	Asset    string  `avro:"asset"`
	TimeNs   int64   `avro:"time_unix_ns"`
	Points   []point `avro:"points"`
	Event    *event  `avro:"event"`
	Wave     *wave   `avro:"wave"`
	Hits     []hit   `avro:"hits"`
	Sequence int64   `avro:"sequence"`
}

type point struct {
	Metric   string   `avro:"metric"`
	Value    float64  `avro:"value"`
	Unit     string   `avro:"unit"`
	Quality  *float64 `avro:"quality"`
	Metadata string   `avro:"metadata"`
}

type event struct {
	Component string `avro:"component"`
	Kind      string `avro:"kind"`
	Code      string `avro:"code"`
	Text      string `avro:"text"`
}

type wave struct {
	Channel  string    `avro:"channel"`
	StartNs  int64     `avro:"start_unix_ns"`
	RateHz   float64   `avro:"rate_hz"`
	Unit     string    `avro:"unit"`
	Quality  *float64  `avro:"quality"`
	First    bool      `avro:"first"`
	Last     bool      `avro:"last"`
	Scale    float64   `avro:"scale"`
	CountsLE []byte    `avro:"counts_le"`
	Samples  []float32 `avro:"samples"`
}

type hit struct {
	Channel     string  `avro:"channel"`
	TimeNs      int64   `avro:"time_unix_ns"`
	AmplitudeDB float64 `avro:"amplitude_db"`
	DurationUs  float64 `avro:"duration_us"`
	RiseUs      float64 `avro:"rise_us"`
	Counts      int64   `avro:"counts"`
	Energy      float64 `avro:"energy"`
}

// counted is telemetry of which only lengths are of interest: it takes next to no memory.
type counted struct {
	Points []struct{} `avro:"points"`
	Hits   []struct{} `avro:"hits"`
	Wave   *struct{}  `avro:"wave"`
}

// leastPointBytes is what a point with a name takes in any schema that can be read: more of
// them in a message are refused before there is room made for them.
const leastPointBytes = 3

// What a point and a hit may take in Protobuf beyond what they take in Avro.
const (
	wirePoint = 12
	wireHit   = 20
)

// scratch is what is used again from one message to the next.
type scratch struct {
	t       telemetry
	points  int // of t that were written at most, also where decoding failed
	hits    int // the same
	samples []float32
	out     []byte // the Protobuf message
	inside  []byte // a part of it
}

// keptParts and keptBytes bound what a scratch holds on to.
const (
	keptParts = 4096
	keptBytes = 1 << 20
)

// transcode calls use with the Protobuf message that says the same as an Avro one, so that
// what a field means is decided in one place. The message is use's only while it runs.
func (a *avroWriter) transcode(body []byte, where string, use func([]byte) ([]asset.Reading, error)) ([]asset.Reading, error) {
	s, ok := a.scratches.Get().(*scratch)
	if !ok {
		s = new(scratch)
	}
	defer func() {
		if s.release() {
			a.scratches.Put(s)
		}
	}()
	if bad := s.decode(a, body, where); bad != nil {
		return nil, bad
	}
	if bad := s.encode(where); bad != nil {
		return nil, bad
	}
	return use(s.out)
}

func (s *scratch) decode(a *avroWriter, body []byte, where string) *asset.Invalid {
	if len(body) > ingest.MaxProtobufBytes {
		return refuse(ingest.Oversize, where, "%d bytes of Avro, at most %d are read", len(body), ingest.MaxProtobufBytes)
	}
	var n counted
	rest, err := a.resolved.Decode(body, &n, avro.SkipUnknown())
	switch {
	case err != nil:
		return noAvro(where, err)
	case len(rest) > 0:
		return refuse(ingest.Undecodable, where, "%d bytes follow the Avro record", len(rest))
	case len(n.Points) > ingest.MaxPoints:
		return refuse(ingest.Oversize, where, "%d points in a message, at most %d are read", len(n.Points), ingest.MaxPoints)
	case len(n.Points) > len(body)/leastPointBytes:
		return refuse(ingest.Undecodable, where, "%d points in %d bytes cannot all have a name and a value", len(n.Points), len(body))
	}
	// The library would make room anew for each block of a list, and a sender may put each
	// element into a block of its own: so all of it is there before.
	s.points, s.hits = len(n.Points), len(n.Hits)
	s.t.Points, s.t.Hits = room(s.t.Points, len(n.Points)), room(s.t.Hits, len(n.Hits))
	if n.Wave != nil {
		s.samples = room(s.samples, len(body)/a.sampleBytes)
		s.t.Wave = &wave{Samples: s.samples}
	}
	s.out = slices.Grow(s.out[:0], len(body)+wirePoint*len(n.Points)+wireHit*len(n.Hits))
	if _, err := a.resolved.Decode(body, &s.t, avro.AliasInput(), avro.SkipUnknown()); err != nil {
		return noAvro(where, err)
	}
	return nil
}

// noAvro leaves out of an error which of our types it was about.
func noAvro(where string, err error) *asset.Invalid {
	if at, ok := errors.AsType[*avro.SemanticError](err); ok && at.Err != nil {
		return refuse(ingest.Undecodable, where, "no Avro of its schema: field %s: %v", at.Field, at.Err)
	}
	return refuse(ingest.Undecodable, where, "no Avro of its schema: %v", err)
}

func room[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, 0, n)
	}
	return s[:0]
}

// release lets go of the message and reports whether s is small enough to be kept.
func (s *scratch) release() bool {
	clear(s.t.Points[:min(s.points, cap(s.t.Points))]) // their texts hold the message
	clear(s.t.Hits[:min(s.hits, cap(s.t.Hits))])
	s.t = telemetry{Points: s.t.Points[:0], Hits: s.t.Hits[:0]}
	return cap(s.t.Points) <= keptParts && cap(s.t.Hits) <= keptParts && cap(s.out)+cap(s.inside)+4*cap(s.samples) <= keptBytes
}

// encode writes s.t as a telltale.v1.Telemetry (schema/telemetry.proto).
func (s *scratch) encode(where string) *asset.Invalid {
	t, b := &s.t, s.out[:0]
	if t.Sequence < 0 {
		return refuse(ingest.Undecodable, where, "sequence is %d, want 0 or more", t.Sequence)
	}
	b = appendText(b, 2, t.Asset)
	b = appendFixed(b, 3, t.TimeNs)
	for i := range t.Points {
		s.inside = t.Points[i].append(s.inside[:0])
		b = appendPart(b, 5, s.inside)
	}
	if e := t.Event; e != nil {
		in := appendText(s.inside[:0], 1, e.Component)
		in = appendText(in, 2, e.Kind)
		in = appendText(in, 3, e.Code)
		s.inside = appendText(in, 4, e.Text)
		b = appendPart(b, 6, s.inside)
	}
	if t.Wave != nil {
		s.inside = t.Wave.append(s.inside[:0])
		b = appendPart(b, 7, s.inside)
	}
	for i := range t.Hits {
		h := &t.Hits[i]
		if h.Counts < 0 || h.Counts > math.MaxUint32 {
			return refuse(ingest.Undecodable, where, "counts of a hit are %d, want 0 to %d", h.Counts, uint32(math.MaxUint32))
		}
		s.inside = h.append(s.inside[:0])
		b = appendPart(b, 8, s.inside)
	}
	s.out = appendCount(b, 9, uint64(t.Sequence))
	return nil
}

func (p *point) append(b []byte) []byte {
	b = appendText(b, 1, p.Metric)
	b = appendNumber(b, 2, p.Value)
	b = appendText(b, 3, p.Unit)
	b = appendOptional(b, 4, p.Quality)
	return appendText(b, 5, p.Metadata)
}

func (w *wave) append(b []byte) []byte {
	b = appendText(b, 1, w.Channel)
	b = appendFixed(b, 2, w.StartNs)
	b = appendNumber(b, 3, w.RateHz)
	b = appendText(b, 4, w.Unit)
	b = appendOptional(b, 5, w.Quality)
	b = appendCount(b, 6, protowire.EncodeBool(w.First))
	b = appendCount(b, 7, protowire.EncodeBool(w.Last))
	b = appendNumber(b, 8, w.Scale)
	if len(w.CountsLE) > 0 {
		b = appendPart(b, 10, w.CountsLE)
	}
	if len(w.Samples) == 0 {
		return b
	}
	b = protowire.AppendVarint(protowire.AppendTag(b, 11, protowire.BytesType), uint64(4*len(w.Samples)))
	for _, x := range w.Samples {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return b
}

func (h *hit) append(b []byte) []byte {
	b = appendText(b, 1, h.Channel)
	b = appendFixed(b, 2, h.TimeNs)
	b = appendNumber(b, 3, h.AmplitudeDB)
	b = appendNumber(b, 4, h.DurationUs)
	b = appendNumber(b, 5, h.RiseUs)
	b = appendCount(b, 6, uint64(h.Counts)) //nolint:gosec // checked by encode
	return appendNumber(b, 7, h.Energy)
}

func appendText(b []byte, n protowire.Number, s string) []byte {
	if s == "" {
		return b
	}
	return protowire.AppendString(protowire.AppendTag(b, n, protowire.BytesType), s)
}

func appendPart(b []byte, n protowire.Number, part []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, n, protowire.BytesType), part)
}

func appendFixed(b []byte, n protowire.Number, v int64) []byte {
	return protowire.AppendFixed64(protowire.AppendTag(b, n, protowire.Fixed64Type), uint64(v)) //nolint:gosec // sfixed64
}

func appendNumber(b []byte, n protowire.Number, v float64) []byte {
	if math.Float64bits(v) == 0 {
		return b
	}
	return protowire.AppendFixed64(protowire.AppendTag(b, n, protowire.Fixed64Type), math.Float64bits(v))
}

func appendOptional(b []byte, n protowire.Number, v *float64) []byte {
	if v == nil {
		return b
	}
	return protowire.AppendFixed64(protowire.AppendTag(b, n, protowire.Fixed64Type), math.Float64bits(*v))
}

func appendCount(b []byte, n protowire.Number, v uint64) []byte {
	if v == 0 {
		return b
	}
	return protowire.AppendVarint(protowire.AppendTag(b, n, protowire.VarintType), v)
}
