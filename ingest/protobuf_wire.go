package ingest

import (
	"errors"
	"fmt"
	"io"
	"math"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// wire reads the fields of a Protobuf message one by one. The methods that return a value
// return that of the current field, when it has the wire type for it. It stops at the
// first error. Its state is numbers, which the collector of garbage need not hear of.
type wire struct {
	b   []byte
	at  int // where the next field begins
	err error

	num      protowire.Number
	typ      protowire.Type
	bits     uint64 // of a varint, fixed32, fixed64
	from, to int    // of the rest, in b
}

func (w *wire) next() bool {
	if w.at >= len(w.b) || w.err != nil {
		return false
	}
	if tag := w.b[w.at]; tag >= 1<<3 && tag < 0x80 { // fields 1 to 15
		w.num, w.typ = protowire.Number(tag>>3), protowire.Type(tag&7)
		w.at++
	} else {
		num, typ, n := protowire.ConsumeTag(w.b[w.at:])
		if n < 0 {
			return w.failed(protowire.ParseError(n))
		}
		w.num, w.typ = num, typ
		w.at += n
	}
	rest, n := w.b[w.at:], 0
	switch w.typ {
	case protowire.VarintType:
		w.bits, n = protowire.ConsumeVarint(rest)
	case protowire.Fixed64Type:
		w.bits, n = protowire.ConsumeFixed64(rest)
	case protowire.BytesType:
		var long uint64
		if long, n = protowire.ConsumeVarint(rest); n >= 0 {
			if long > uint64(len(rest)-n) {
				return w.failed(io.ErrUnexpectedEOF)
			}
			w.from = w.at + n
			n += int(long)
			w.to = w.at + n
		}
	case protowire.Fixed32Type:
		var v uint32
		v, n = protowire.ConsumeFixed32(rest)
		w.bits = uint64(v)
	default:
		w.from, w.to = 0, 0
		n = protowire.ConsumeFieldValue(w.num, w.typ, rest)
	}
	if n < 0 {
		return w.failed(protowire.ParseError(n))
	}
	w.at += n
	return true
}

// bytes is what a field of bytes holds, a part of the input.
func (w *wire) bytes() []byte { return w.b[w.from:w.to:w.to] }

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
	return w.bytes()
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
