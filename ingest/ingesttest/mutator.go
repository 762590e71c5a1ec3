package ingesttest

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"strconv"
)

// mutator makes damaged messages.
type mutator struct {
	rand   *rand.Rand
	corpus [][]byte
	words  []string
	long   int
}

// mutate writes a damaged message into dst's memory.
func (m *mutator) mutate(dst []byte) []byte {
	b := append(dst, m.corpus[m.rand.IntN(len(m.corpus))]...)
	for range 1 + m.rand.IntN(4) {
		b = m.once(b)
	}
	return b[:min(len(b), m.long)]
}

func (m *mutator) once(b []byte) []byte {
	if len(b) == 0 {
		return append(b, byte(m.rand.Uint32()))
	}
	at := m.rand.IntN(len(b))
	switch m.rand.IntN(12) {
	case 0:
		b[at] ^= 1 << m.rand.IntN(8)
	case 1:
		b[at] = byte(m.rand.Uint32())
	case 2:
		const odd = "\x00\x01\x7f\x80\xff\"{}[],:\\0-9eE. \n"
		b[at] = odd[m.rand.IntN(len(odd))]
	case 3:
		b = b[:at]
	case 4:
		b = append(b[:at], b[m.end(at, len(b)):]...)
	case 5: // a piece of another message instead of the rest
		other := m.corpus[m.rand.IntN(len(m.corpus))]
		b = append(b[:at], other[m.rand.IntN(len(other)+1):]...)
	case 6: // a piece of another message between
		other := m.corpus[m.rand.IntN(len(m.corpus))]
		from := m.rand.IntN(len(other) + 1)
		b = insert(b, at, other[from:m.end(from, len(other))])
	case 7: // a piece once more, now and then many times
		to := m.end(at, len(b))
		piece := append([]byte(nil), b[at:to]...)
		times := 1
		if m.rand.IntN(16) == 0 {
			times = 1 + m.rand.IntN(1+m.long/len(piece))
		}
		for ; times > 0 && len(b) < m.long; times-- {
			b = insert(b, at, piece)
		}
	case 8:
		b = m.length(b, at)
	case 9: // a large varint
		var v [binary.MaxVarintLen64 + 1]byte
		n := binary.PutUvarint(v[:], math.MaxUint64>>m.rand.IntN(64))
		b = insert(b, at, v[:n+m.rand.IntN(2)])
	case 10:
		if len(m.words) > 0 {
			b = insert(b, at, []byte(m.words[m.rand.IntN(len(m.words))]))
		}
	case 11:
		b = m.digits(b, at)
	}
	return b
}

// end is where a piece from at on ends, not beyond n.
func (m *mutator) end(at, n int) int { return min(n, at+1+m.rand.IntN(1+min(n-at, 64))) }

// length overwrites what may be a length: a byte, or two, four, eight of either order.
func (m *mutator) length(b []byte, at int) []byte {
	n := uint64(len(b))
	all := [...]uint64{0, 1, n - 1, n, n + 1, 2 * n, 1<<7 - 1, 1<<15 - 1, 1<<16 - 1, 1<<31 - 1, 1 << 31, 1<<32 - 1, 1 << 62, math.MaxUint64}
	v := all[m.rand.IntN(len(all))]
	var order binary.ByteOrder = binary.LittleEndian
	if m.rand.IntN(2) == 0 {
		order = binary.BigEndian
	}
	switch left := len(b) - at; {
	case left >= 8 && m.rand.IntN(4) == 0:
		order.PutUint64(b[at:], v)
	case left >= 4 && m.rand.IntN(3) == 0:
		order.PutUint32(b[at:], uint32(v))
	case left >= 2 && m.rand.IntN(2) == 0:
		order.PutUint16(b[at:], uint16(v))
	default:
		b[at] = byte(v)
	}
	return b
}

// digits writes another number over the next one of a text.
func (m *mutator) digits(b []byte, at int) []byte {
	isDigit := func(c byte) bool { return c >= '0' && c <= '9' }
	for at < len(b) && !isDigit(b[at]) {
		at++
	}
	end := at
	for end < len(b) && isDigit(b[end]) {
		end++
	}
	if at == end {
		return b
	}
	odd := [...]string{"-1", "0", "1e999", "1e-999", "00", "0.", "1.5", "99999999999999999999", strconv.FormatUint(m.rand.Uint64(), 10), "null", `"1"`, "1E+2"}
	rest := append([]byte(nil), b[end:]...)
	return append(append(b[:at], odd[m.rand.IntN(len(odd))]...), rest...)
}

func insert(b []byte, at int, piece []byte) []byte {
	n := len(b)
	b = append(b, piece...)
	copy(b[at+len(piece):], b[at:n])
	copy(b[at:], piece)
	return b
}
