package sparkplug

import (
	"encoding/binary"
	"math"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// rebirthMetric is what a host application sets to true to have a node born again.
const rebirthMetric = "Node Control/Rebirth"

// encoder appends a payload.
type encoder struct{ b []byte }

func (e *encoder) varint(field protowire.Number, v uint64) {
	e.b = protowire.AppendVarint(protowire.AppendTag(e.b, field, protowire.VarintType), v)
}

func (e *encoder) bytes(field protowire.Number, v []byte) {
	e.b = protowire.AppendBytes(protowire.AppendTag(e.b, field, protowire.BytesType), v)
}

func (e *encoder) double(field protowire.Number, v float64) {
	e.b = protowire.AppendFixed64(protowire.AppendTag(e.b, field, protowire.Fixed64Type), math.Float64bits(v))
}

// head begins a payload that is sent now; no seq below 0.
func (e *encoder) head(now time.Time, seq int) {
	e.varint(payloadStamp, uint64(now.UnixMilli()))
	if seq >= 0 {
		e.varint(payloadSeq, uint64(seq))
	}
}

// boolean appends a metric.
func (e *encoder) boolean(name string, now time.Time, v bool) {
	var m encoder
	m.bytes(metricName, []byte(name))
	m.varint(metricStamp, uint64(now.UnixMilli()))
	m.varint(metricKind, uint64(boolKind))
	m.varint(boolValue, protowire.EncodeBool(v))
	e.bytes(payloadMetrics, m.b)
}

// birthNumber appends the metric that pairs a birth with its death.
func (e *encoder) birthNumber(now time.Time, bdSeq uint64) {
	var m encoder
	m.bytes(metricName, []byte("bdSeq"))
	m.varint(metricStamp, uint64(now.UnixMilli()))
	m.varint(metricKind, uint64(int64Kind))
	m.varint(longValue, bdSeq)
	e.bytes(payloadMetrics, m.b)
}

// encodeRebirth is the payload that asks for a birth. It names its metric, since that one
// never has an alias, and has no seq.
func encodeRebirth(now time.Time) []byte {
	var e encoder
	e.head(now, -1)
	e.boolean(rebirthMetric, now, true)
	return e.b
}

// encodeFloats packs samples as a FloatArray.
func encodeFloats(samples []float32) []byte {
	b := make([]byte, 0, 4*len(samples))
	for _, s := range samples {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(s))
	}
	return b
}
