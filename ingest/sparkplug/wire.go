package sparkplug

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
)

// wire reads the fields of one message of protocol buffers in their order. What it
// returns lies in the message's own bytes.
type wire struct {
	rest  []byte
	field protowire.Number
	kind  protowire.Type
	bits  uint64 // of a varint, or of a fixed 32 or 64
	bytes []byte // of a string, of bytes, or of a message
	err   error
}

// next moves to the next field and reports whether there is one.
func (w *wire) next() bool {
	if w.err != nil || len(w.rest) == 0 {
		return false
	}
	var n int
	w.field, w.kind, n = protowire.ConsumeTag(w.rest)
	if n < 0 {
		return w.fail(n)
	}
	body := w.rest[n:]
	switch w.kind {
	case protowire.VarintType:
		w.bits, n = protowire.ConsumeVarint(body)
	case protowire.Fixed32Type:
		var v uint32
		v, n = protowire.ConsumeFixed32(body)
		w.bits = uint64(v)
	case protowire.Fixed64Type:
		w.bits, n = protowire.ConsumeFixed64(body)
	case protowire.BytesType:
		w.bytes, n = protowire.ConsumeBytes(body)
	default: // a group, which this schema does not have
		n = protowire.ConsumeFieldValue(w.field, w.kind, body)
	}
	if n < 0 {
		return w.fail(n)
	}
	w.rest = body[n:]
	return true
}

func (w *wire) fail(n int) bool {
	w.err = fmt.Errorf("no protocol buffers: %w", protowire.ParseError(n))
	return false
}

// is reports whether the field is this one in the form that the schema gives it; in any
// other form it is an unknown field.
func (w *wire) is(field protowire.Number, kind protowire.Type) bool {
	return w.field == field && w.kind == kind
}
