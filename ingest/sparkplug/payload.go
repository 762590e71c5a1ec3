package sparkplug

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// What is looked at of a payload. Nothing is allocated for one, whatever it says: its
// metrics are read where they lie.
const (
	MaxPayloadBytes = 16 << 20
	maxMetrics      = 100_000 // of a payload, members of templates included
	maxNameBytes    = 1024    // of a metric or a property
	maxDepth        = 16      // of templates and property sets within each other
	maxStampMS      = 7_258_118_400_000
)

// payload is org.eclipse.tahu.protobuf.Payload, found to be sound.
type payload struct {
	bytes   []byte
	stampMS int64 // since 1970 UTC, when it was sent; −1: it does not say
	seq     int64 // 0–255; −1: it has none
	metrics int
	uuid    []byte
	body    []byte
}

// metric is one of a payload; its slices lie in the payload.
type metric struct {
	name    []byte
	named   bool
	alias   uint64
	aliased bool
	stampMS int64 // since 1970 UTC, when it was taken; −1: it does not say
	kind    kind  // unknown: as the birth said
	null    bool
	unit    []byte // property engUnit
	quality int64  // property Quality; good where it has none

	field protowire.Number // of the value; 0: it has none
	bits  uint64
	bytes []byte
}

// Values of the property Quality.
const (
	bad   = 0
	good  = 192
	stale = 500
)

// Fields of the schema's messages.
const (
	payloadStamp   = 1
	payloadMetrics = 2
	payloadSeq     = 3
	payloadUUID    = 4
	payloadBody    = 5

	metricName       = 1
	metricAlias      = 2
	metricStamp      = 3
	metricKind       = 4
	metricNull       = 7
	metricProperties = 9
	intValue         = 10
	longValue        = 11
	floatValue       = 12
	doubleValue      = 13
	boolValue        = 14
	stringValue      = 15
	bytesValue       = 16
	dataSetValue     = 17
	templateValue    = 18

	templateMetrics = 2

	propertyKeys   = 1
	propertyValues = 2

	propertyType     = 1
	propertyInt      = 3
	propertyLong     = 4
	propertyString   = 8
	propertySet      = 9
	propertySetList  = 10
	propertySetOfOne = 1 // of a list
)

// decode holds a payload to the schema and to the limits, all of it.
func decode(b []byte) (payload, error) {
	p := payload{bytes: b, stampMS: -1, seq: -1}
	if len(b) > MaxPayloadBytes {
		return p, fmt.Errorf("%d bytes, at most %d are read", len(b), MaxPayloadBytes)
	}
	left := maxMetrics
	w := wire{rest: b}
	for w.next() {
		switch {
		case w.is(payloadStamp, protowire.VarintType):
			p.stampMS = stampOf(w.bits)
		case w.is(payloadSeq, protowire.VarintType):
			if w.bits > 255 {
				return p, fmt.Errorf("seq: %d is not allowed: want 0–255", w.bits)
			}
			p.seq = int64(w.bits)
		case w.is(payloadUUID, protowire.BytesType):
			p.uuid = w.bytes
		case w.is(payloadBody, protowire.BytesType):
			p.body = w.bytes
		case w.is(payloadMetrics, protowire.BytesType):
			p.metrics++
			if err := checkMetric(w.bytes, 0, &left); err != nil {
				return p, err
			}
		}
	}
	return p, w.err
}

// stampOf is −1 for an instant that no clock of a plant shows, which is what a sender
// without one writes.
func stampOf(ms uint64) int64 {
	if ms == 0 || ms > maxStampMS {
		return -1
	}
	return int64(ms)
}

// each calls visit with every metric of a payload that decode found to be sound; m is
// valid until it returns.
func (p payload) each(visit func(m *metric)) {
	var m metric // one for all
	w := wire{rest: p.bytes}
	for w.next() {
		if w.is(payloadMetrics, protowire.BytesType) {
			m, _ = decodeMetric(w.bytes, 0)
			visit(&m)
		}
	}
}

var errDeep = fmt.Errorf("templates or property sets lie more than %d deep in each other", maxDepth)

// checkMetric holds a metric to the schema, with the members of a template.
func checkMetric(b []byte, depth int, left *int) error {
	if depth > maxDepth {
		return errDeep
	}
	if *left--; *left < 0 {
		return fmt.Errorf("more than %d metrics", maxMetrics)
	}
	m, err := decodeMetric(b, depth)
	if err != nil {
		return err
	}
	switch m.field {
	case templateValue:
		w := wire{rest: m.bytes}
		for w.next() {
			if w.is(templateMetrics, protowire.BytesType) {
				if err := checkMetric(w.bytes, depth+1, left); err != nil {
					return err
				}
			}
		}
		return w.err
	case dataSetValue:
		return checkDataSet(m.bytes)
	}
	return nil
}

// decodeMetric reads one metric; of a template it keeps the bytes.
func decodeMetric(b []byte, depth int) (metric, error) {
	m := metric{stampMS: -1, quality: good}
	w := wire{rest: b}
	for w.next() {
		switch {
		case w.is(metricName, protowire.BytesType):
			m.name, m.named = w.bytes, len(w.bytes) > 0
			if len(m.name) > maxNameBytes || !utf8.Valid(m.name) {
				return m, fmt.Errorf("a metric's name has %d bytes, want at most %d of UTF-8", len(m.name), maxNameBytes)
			}
		case w.is(metricAlias, protowire.VarintType):
			m.alias, m.aliased = w.bits, true
		case w.is(metricStamp, protowire.VarintType):
			m.stampMS = stampOf(w.bits)
		case w.is(metricKind, protowire.VarintType):
			m.kind = kind(uint32(w.bits))
			if m.kind > lastKind {
				return m, fmt.Errorf("datatype: %d is not allowed: want 0–%d", m.kind, lastKind)
			}
		case w.is(metricNull, protowire.VarintType):
			m.null = w.bits != 0
		case w.is(metricProperties, protowire.BytesType):
			if err := m.properties(w.bytes, depth); err != nil {
				return m, err
			}
		case w.field >= intValue && w.field <= templateValue:
			m.value(&w)
		}
	}
	return m, w.err
}

// value takes the value over; one of another wire type than the schema's is no value.
func (m *metric) value(w *wire) {
	var want protowire.Type
	switch w.field {
	case intValue, longValue, boolValue:
		want = protowire.VarintType
	case floatValue:
		want = protowire.Fixed32Type
	case doubleValue:
		want = protowire.Fixed64Type
	default:
		want = protowire.BytesType
	}
	if w.kind == want {
		m.field, m.bits, m.bytes = w.field, w.bits, w.bytes
	}
}

// properties reads engUnit and Quality, and holds the rest to the schema: keys and
// values are two lists of one length.
func (m *metric) properties(b []byte, depth int) error {
	unit, quality, err := keys(b, depth)
	if err != nil {
		return err
	}
	w := wire{rest: b}
	for i := 0; w.next(); {
		if !w.is(propertyValues, protowire.BytesType) {
			continue
		}
		if i == unit || i == quality {
			v := wire{rest: w.bytes}
			for v.next() {
				switch {
				case i == unit && v.is(propertyString, protowire.BytesType) && len(v.bytes) <= maxNameBytes && utf8.Valid(v.bytes):
					m.unit = v.bytes
				case i == quality && (v.is(propertyInt, protowire.VarintType) || v.is(propertyLong, protowire.VarintType)):
					m.quality = int64(int32(uint32(v.bits)))
				}
			}
		}
		i++
	}
	return w.err
}

// keys finds the places of the two properties of interest, −1 for none, and checks
// the set.
func keys(b []byte, depth int) (unit, quality int, err error) {
	if depth > maxDepth {
		return 0, 0, errDeep
	}
	unit, quality = -1, -1
	names, values := 0, 0
	w := wire{rest: b}
	for w.next() {
		switch {
		case w.is(propertyKeys, protowire.BytesType):
			switch string(w.bytes) {
			case "engUnit":
				unit = names
			case "Quality":
				quality = names
			}
			names++
		case w.is(propertyValues, protowire.BytesType):
			values++
			if err := checkProperty(w.bytes, depth); err != nil {
				return 0, 0, err
			}
		}
	}
	if w.err == nil && names != values {
		w.err = fmt.Errorf("a property set has %d keys and %d values, want as many of both", names, values)
	}
	return unit, quality, w.err
}

// checkProperty holds a property to the schema, with the sets in it.
func checkProperty(b []byte, depth int) error {
	w := wire{rest: b}
	for w.next() {
		switch {
		case w.is(propertyType, protowire.VarintType) && kind(uint32(w.bits)) > lastKind:
			return fmt.Errorf("type of a property: %d is not allowed: want 0–%d", w.bits, lastKind)
		case w.is(propertySet, protowire.BytesType):
			if _, _, err := keys(w.bytes, depth+1); err != nil {
				return err
			}
		case w.is(propertySetList, protowire.BytesType):
			list := wire{rest: w.bytes}
			for list.next() {
				if list.is(propertySetOfOne, protowire.BytesType) {
					if _, _, err := keys(list.bytes, depth+1); err != nil {
						return err
					}
				}
			}
			if list.err != nil {
				return list.err
			}
		}
	}
	return w.err
}

// checkDataSet holds a table to the schema: as many columns as headers and types.
func checkDataSet(b []byte) error {
	var columns uint64
	headers, types := uint64(0), uint64(0)
	w := wire{rest: b}
	for w.next() {
		switch {
		case w.is(1, protowire.VarintType):
			columns = w.bits
		case w.is(2, protowire.BytesType):
			headers++
		case w.is(3, protowire.VarintType):
			types++
		case w.is(3, protowire.BytesType): // packed
			for rest := w.bytes; len(rest) > 0; types++ {
				_, n := protowire.ConsumeVarint(rest)
				if n < 0 {
					return errors.New("no protocol buffers: types of a data set")
				}
				rest = rest[n:]
			}
		}
	}
	if w.err == nil && (columns != headers || columns != types) {
		w.err = fmt.Errorf("a data set of %d columns has %d headers and %d types, want as many of each", columns, headers, types)
	}
	return w.err
}
