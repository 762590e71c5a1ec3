package ingest

import (
	"errors"
	"fmt"
	"math"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// wire reads the fields of a Protobuf message one by one. The methods that return a value
// return that of the current field, when it has the wire type for it. It stops at the
// first error.
type wire struct {
	b   []byte
	err error

	num   protowire.Number
	typ   protowire.Type
	bits  uint64 // of a varint, fixed32, fixed64
	bytes []byte // of the rest, a part of the input
}

func (w *wire) next() bool {
	if len(w.b) == 0 || w.err != nil {
		return false
	}
	num, typ, n := protowire.ConsumeTag(w.b)
	if n < 0 {
		return w.failed(protowire.ParseError(n))
	}
	w.num, w.typ, w.b = num, typ, w.b[n:]
	switch typ {
	case protowire.VarintType:
		w.bits, n = protowire.ConsumeVarint(w.b)
	case protowire.Fixed64Type:
		w.bits, n = protowire.ConsumeFixed64(w.b)
	case protowire.BytesType:
		w.bytes, n = protowire.ConsumeBytes(w.b)
	case protowire.Fixed32Type:
		var v uint32
		v, n = protowire.ConsumeFixed32(w.b)
		w.bits = uint64(v)
	default:
		w.bytes, n = nil, protowire.ConsumeFieldValue(num, typ, w.b)
	}
	if n < 0 {
		return w.failed(protowire.ParseError(n))
	}
	w.b = w.b[n:]
	return true
}

// failed notes an error, if it is one, and returns false.
func (w *wire) failed(err error) bool {
	if w.err == nil {
		w.err = err
	}
	return false
}

func (w *wire) is(want protowire.Type) bool {
	if w.typ != want {
		return w.failed(fmt.Errorf("field %d has wire type %d, want %d", w.num, w.typ, want))
	}
	return true
}

func (w *wire) varint() uint64 {
	if !w.is(protowire.VarintType) {
		return 0
	}
	return w.bits
}

func (w *wire) fixed64() uint64 {
	if !w.is(protowire.Fixed64Type) {
		return 0
	}
	return w.bits
}

func (w *wire) double() float64 { return math.Float64frombits(w.fixed64()) }

// time is a count of ns since 1970; 0 is none.
func (w *wire) time() time.Time {
	ns := int64(w.fixed64())
	if ns == 0 {
		return time.Time{}
	}
	return time.Unix(0, ns).UTC().Round(time.Microsecond)
}

// message is a field of bytes.
func (w *wire) message() []byte {
	if !w.is(protowire.BytesType) {
		return nil
	}
	return w.bytes
}

var errNoUTF8 = errors.New("a string is not UTF-8")

func (w *wire) text() []byte {
	b := w.message()
	if !utf8.Valid(b) {
		w.failed(errNoUTF8)
		return nil
	}
	return b
}
