package modbus

import (
	"encoding/binary"
	"math"
)

// value reads a register out of the answer to its block; NaN means not measured.
// Answers are as long as their block asked for.
func (r Register) value(b block, answer []byte) float64 {
	at := int(r.Address) - b.from
	if r.Table.bits() {
		return r.Scale*float64(answer[at/8]>>(at%8)&1) + r.Offset
	}
	n := 2 * r.size()
	var raw [8]byte
	r.Order.arrange(raw[8-n:], answer[2*at:2*at+n])
	u := binary.BigEndian.Uint64(raw[:])
	var v float64
	whole := int64(u) //nolint:gosec // two's complement is what is on the wire
	switch r.Type {
	case "float32":
		v, whole = float64(math.Float32frombits(uint32(u))), 0 //nolint:gosec // the upper half is zero
	case "float64":
		v, whole = math.Float64frombits(u), 0
	case "uint64":
		v = float64(u)
	case "int16", "int32", "int64":
		shift := 64 - 8*n
		whole = whole << shift >> shift // sign
		v = float64(whole)
	default:
		v = float64(whole)
	}
	if r.Missing != nil && *r.Missing == whole && r.Type != "float32" && r.Type != "float64" {
		return math.NaN()
	}
	return r.Scale*v + r.Offset
}

// arrange brings bytes of the order into that of ABCD.
func (o Order) arrange(to, from []byte) {
	n := len(from)
	for i := 0; i < n; i += 2 {
		word := i
		if o == CDAB || o == DCBA {
			word = n - 2 - i
		}
		to[i], to[i+1] = from[word], from[word+1]
		if o == BADC || o == DCBA {
			to[i], to[i+1] = to[i+1], to[i]
		}
	}
}
