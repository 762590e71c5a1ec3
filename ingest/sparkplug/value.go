package sparkplug

import (
	"encoding/binary"
	"math"
)

// kind is a datatype, by the numbers of the specification (6.4.16).
type kind uint32

// The kinds.
const (
	unknown kind = iota
	int8Kind
	int16Kind
	int32Kind
	int64Kind
	uint8Kind
	uint16Kind
	uint32Kind
	uint64Kind
	floatKind
	doubleKind
	boolKind
	stringKind
	dateTimeKind
	textKind
	uuidKind
	dataSetKind
	bytesKind
	fileKind
	templateKind
	propertySetKind
	propertySetListKind
	int8Array
	int16Array
	int32Array
	int64Array
	uint8Array
	uint16Array
	uint32Array
	uint64Array
	floatArray
	doubleArray
	boolArray
	stringArray
	dateTimeArray
	lastKind = dateTimeArray
)

// bits is how many a number of an integer kind has, and whether one is its sign.
func (k kind) bits() (n int, signed bool) {
	switch k {
	case int8Kind, int16Kind, int32Kind, int64Kind:
		return 8 << (k - int8Kind), true
	case uint8Kind, uint16Kind, uint32Kind, uint64Kind:
		return 8 << (k - uint8Kind), false
	}
	return 0, false
}

// measures reports whether a metric of the kind is a number that something can measure.
func (k kind) measures() bool { return k >= int8Kind && k <= boolKind }

// number is the value of a metric of a kind; a boolean is 0 or 1, a time in seconds
// since 1970. ok is false where the value is none of that kind.
func (m *metric) number(k kind) (v float64, ok bool) {
	switch n, signed := k.bits(); {
	case n > 0:
		return m.integer(n, signed)
	case k == floatKind || k == doubleKind:
		switch m.field {
		case floatValue:
			return float64(math.Float32frombits(uint32(m.bits))), true
		case doubleValue:
			return math.Float64frombits(m.bits), true
		}
	case k == boolKind && m.field == boolValue:
		if m.bits != 0 {
			return 1, true
		}
		return 0, true
	case k == dateTimeKind && m.field == longValue:
		return float64(int64(m.bits)) / 1000, true
	}
	return 0, false
}

// integer reads a whole number of n bits. A negative one is two's complement in an
// unsigned field: of its own bits, or extended to those of the field, as some senders do.
// What fits neither way is no such number.
func (m *metric) integer(n int, signed bool) (v float64, ok bool) {
	raw, width := m.bits, 64
	switch m.field {
	case intValue:
		raw, width = uint64(uint32(raw)), 32
	case longValue:
	default:
		return 0, false
	}
	switch {
	case !signed:
		return float64(raw), raw>>n == 0
	case n > width: // nobody can tell its sign
		return 0, false
	case raw>>n == 0:
		return float64(extend(raw, n)), true
	}
	x := extend(raw, width)
	return float64(x), x < 0 && x >= int64(-1)<<(n-1)
}

// extend reads the lowest n bits as two's complement.
func extend(raw uint64, n int) int64 { return int64(raw<<(64-n)) >> (64 - n) }

// width is the size of an element of an array of numbers in bytes; 0 for all others.
func (k kind) width() int {
	switch k {
	case int8Array, uint8Array:
		return 1
	case int16Array, uint16Array:
		return 2
	case int32Array, uint32Array, floatArray:
		return 4
	case int64Array, uint64Array, doubleArray:
		return 8
	}
	return 0
}

// array is the value of a metric of an array kind in samples, packed little-endian:
// counts of 16 bits stay counts, all else becomes float32. ok is false where the value
// is no such array.
func (m *metric) array(k kind) (samples []float32, counts []int16, ok bool) {
	size := k.width()
	if size == 0 || m.field != bytesValue || len(m.bytes)%size != 0 {
		return nil, nil, false
	}
	n := len(m.bytes) / size
	if k == int16Array {
		counts = make([]int16, n)
		for i := range counts {
			counts[i] = int16(binary.LittleEndian.Uint16(m.bytes[2*i:]))
		}
		return nil, counts, true
	}
	samples = make([]float32, n)
	for i := range samples {
		samples[i] = element(k, m.bytes[size*i:])
	}
	return samples, nil, true
}

func element(k kind, b []byte) float32 {
	switch k {
	case int8Array:
		return float32(int8(b[0]))
	case uint8Array:
		return float32(b[0])
	case uint16Array:
		return float32(binary.LittleEndian.Uint16(b))
	case int32Array:
		return float32(int32(binary.LittleEndian.Uint32(b)))
	case uint32Array:
		return float32(binary.LittleEndian.Uint32(b))
	case int64Array:
		return float32(int64(binary.LittleEndian.Uint64(b)))
	case uint64Array:
		return float32(binary.LittleEndian.Uint64(b))
	case floatArray:
		return math.Float32frombits(binary.LittleEndian.Uint32(b))
	default:
		return float32(math.Float64frombits(binary.LittleEndian.Uint64(b)))
	}
}
