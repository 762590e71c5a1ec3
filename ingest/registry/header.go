package registry

import (
	"encoding/binary"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/ingest"
)

const (
	magic       = 0x00 // of a message with the number of its schema
	headerBytes = 5    // magic, number
	single0     = 0xC3 // of Avro's single-object encoding
	single1     = 0x01
	singleBytes = 10 // magic, fingerprint
	deepest     = 16 // nested messages on the way to one
	widest      = 1 << 16
)

// number splits the schema's number off.
func number(b []byte, where string) (id int, body []byte, bad *asset.Invalid) {
	if len(b) < headerBytes {
		return 0, nil, refuse(ingest.Undecodable, where, "%d bytes that begin with 0, want the 0 byte, 4 bytes with the schema's number, and the message", len(b))
	}
	n := binary.BigEndian.Uint32(b[1:])
	if n < 1 || n > 1<<31-1 {
		return 0, nil, refuse(ingest.Undecodable, where, "the schema's number is %d, want 1 to %d in four bytes; a serializer that writes eight has to be told so", n, 1<<31-1)
	}
	return int(n), b[headerBytes:], nil
}

// way splits the way to the message inside a Protobuf file off: how many steps, then the
// place of each among its siblings, as zigzag varints; the first message of the file, the
// way [0], is written as a single 0.
func way(b []byte, where string) (steps []int, body []byte, bad *asset.Invalid) {
	n, b, ok := varint(b)
	if !ok || n < 0 || n > deepest {
		return nil, nil, refuse(ingest.Undecodable, where, "the way to the message has %d steps, want 0 to %d", n, deepest)
	}
	if n == 0 {
		return []int{0}, b, nil
	}
	steps = make([]int, 0, n)
	for range n {
		var i int64
		if i, b, ok = varint(b); !ok || i < 0 || i > widest {
			return nil, nil, refuse(ingest.Undecodable, where, "a step on the way to the message is %d, want 0 to %d", i, widest)
		}
		steps = append(steps, int(i))
	}
	return steps, b, nil
}

func varint(b []byte) (v int64, rest []byte, ok bool) {
	v, n := binary.Varint(b)
	if n <= 0 {
		return 0, nil, false
	}
	return v, b[n:], true
}

// appendHeader writes the header of the first message of a Protobuf schema.
func appendHeader(dst []byte, id int) []byte {
	dst = binary.BigEndian.AppendUint32(append(dst, magic), uint32(id)) //nolint:gosec // numbers come from 31 bits
	return append(dst, 0)
}
