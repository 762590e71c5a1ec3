package spool

import (
	"encoding/binary"
	"hash/crc32"
	"math"
	"time"
)

// Record is what a spool keeps.
type Record struct {
	Key     string    // whose it is; records of one key are passed on in their order
	Time    time.Time // of what it says; a loss names the span of these
	Headers []Header
	Payload []byte
}

// Header is one of a record's.
type Header struct{ Name, Value string }

// A segment's header, little-endian, stands there twice:
//
//	at  bytes
//	 0  4      "TTSG"
//	 4  4      version, 1
//	 8  8      sequence number of its first record
//	16  8      salt
//	24  4      0
//	28  4      CRC-32C of the 28 bytes before
//
// A record is its head, its key and headers ("meta"), its payload:
//
//	 0  4      bytes f7 54 54 52
//	 4  4      bytes of meta
//	 8  4      bytes of payload
//	12  4      how many records are before it in the same write
//	16  8      sequence number
//	24  8      when it was appended, ns since 1970 UTC
//	32  8      time of the record in the same way; the smallest integer: none
//	40  4      CRC-32C of meta
//	44  4      CRC-32C of the payload
//	48  4      CRC-32C of the 48 bytes before, exclusive or with a hash of the segment's salt and
//	           the record's offset in it
//
// Meta is the key, the number of headers, name and value of each; strings and the number
// begin with, or are, a varint.
const (
	segmentMagic   = "TTSG"
	segmentVersion = 1
	segmentHead    = 32
	segmentStart   = 2 * segmentHead

	recordMagic = "\xf7TTR"
	recordHead  = 52
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func sum(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

func appendSegmentHeader(dst []byte, base, salt uint64) []byte {
	for range 2 {
		from := len(dst)
		dst = append(dst, segmentMagic...)
		dst = binary.LittleEndian.AppendUint32(dst, segmentVersion)
		dst = binary.LittleEndian.AppendUint64(dst, base)
		dst = binary.LittleEndian.AppendUint64(dst, salt)
		dst = binary.LittleEndian.AppendUint32(dst, 0)
		dst = binary.LittleEndian.AppendUint32(dst, sum(dst[from:]))
	}
	return dst
}

// segmentSalt reads the header of a segment of this base; one good copy is enough.
func segmentSalt(b []byte, base uint64) (uint64, bool) {
	for ; len(b) >= segmentHead; b = b[segmentHead:] {
		h := b[:segmentHead]
		if string(h[:4]) == segmentMagic && binary.LittleEndian.Uint32(h[4:]) == segmentVersion &&
			binary.LittleEndian.Uint64(h[8:]) == base && binary.LittleEndian.Uint32(h[28:]) == sum(h[:28]) {
			return binary.LittleEndian.Uint64(h[16:]), true
		}
	}
	return 0, false
}

// head is a record's, without what is only there to find it.
type head struct {
	meta, payload uint32
	into          uint32
	seq           uint64
	at, time      int64
	metaCRC       uint32
	payloadCRC    uint32
}

func (h head) bytes() int64 { return recordHead + int64(h.meta) + int64(h.payload) }

// appendRecord writes r as the record seq at an offset of a segment of this salt.
func appendRecord(dst []byte, r Record, h head, salt uint64, offset int64) []byte {
	from := len(dst)
	dst = append(dst, make([]byte, recordHead)...)
	dst = appendMeta(dst, r)
	meta := dst[from+recordHead:]
	b := dst[from:]
	copy(b, recordMagic)
	binary.LittleEndian.PutUint32(b[4:], uint32(len(meta)))
	binary.LittleEndian.PutUint32(b[8:], uint32(len(r.Payload)))
	binary.LittleEndian.PutUint32(b[12:], h.into)
	binary.LittleEndian.PutUint64(b[16:], h.seq)
	binary.LittleEndian.PutUint64(b[24:], uint64(h.at))
	binary.LittleEndian.PutUint64(b[32:], uint64(nanos(r.Time)))
	binary.LittleEndian.PutUint32(b[40:], sum(meta))
	binary.LittleEndian.PutUint32(b[44:], sum(r.Payload))
	binary.LittleEndian.PutUint32(b[48:], headSum(b, salt, offset))
	return append(dst, r.Payload...)
}

// headSum is another one for the same bytes elsewhere.
func headSum(b []byte, salt uint64, offset int64) uint32 {
	x := (salt ^ uint64(offset)) * 0x9e3779b97f4a7c15 // the golden ratio spreads a few bits over all
	x ^= x >> 32
	return sum(b[:recordHead-4]) ^ uint32(x)
}

// readHead reads the head of a record at an offset of a segment of this salt.
func readHead(b []byte, salt uint64, offset int64) (head, bool) {
	if len(b) < recordHead || string(b[:4]) != recordMagic || binary.LittleEndian.Uint32(b[48:]) != headSum(b, salt, offset) {
		return head{}, false
	}
	return head{
		meta: binary.LittleEndian.Uint32(b[4:]), payload: binary.LittleEndian.Uint32(b[8:]), into: binary.LittleEndian.Uint32(b[12:]),
		seq: binary.LittleEndian.Uint64(b[16:]), at: int64(binary.LittleEndian.Uint64(b[24:])), time: int64(binary.LittleEndian.Uint64(b[32:])),
		metaCRC: binary.LittleEndian.Uint32(b[40:]), payloadCRC: binary.LittleEndian.Uint32(b[44:]),
	}, true
}

func appendMeta(dst []byte, r Record) []byte {
	text := func(s string) {
		dst = binary.AppendUvarint(dst, uint64(len(s)))
		dst = append(dst, s...)
	}
	text(r.Key)
	dst = binary.AppendUvarint(dst, uint64(len(r.Headers)))
	for _, h := range r.Headers {
		text(h.Name)
		text(h.Value)
	}
	return dst
}

// readMeta is the other way; the strings share one copy of b.
func readMeta(b []byte) (key string, headers []Header, ok bool) {
	rest := string(b)
	number := func() int {
		n, bytes := binary.Uvarint([]byte(rest[:min(len(rest), binary.MaxVarintLen64)]))
		if bytes <= 0 || n > uint64(len(rest)) {
			ok = false
			return 0
		}
		rest = rest[bytes:]
		return int(n)
	}
	text := func() (s string) {
		n := number()
		if n > len(rest) {
			ok = false
			return ""
		}
		s, rest = rest[:n], rest[n:]
		return s
	}
	ok = true
	key = text()
	n := number()
	if !ok || 2*n > len(rest) {
		return key, nil, ok && n == 0
	}
	if n > 0 {
		headers = make([]Header, 0, n)
	}
	for range n {
		headers = append(headers, Header{text(), text()})
	}
	return key, headers, ok && rest == ""
}

// recordBytes is the most that r takes on disk.
func recordBytes(r Record) int64 {
	const varint = 5
	n := recordHead + int64(len(r.Key)) + 2*varint + int64(len(r.Payload))
	for _, h := range r.Headers {
		n += int64(len(h.Name)) + int64(len(h.Value)) + 2*varint
	}
	return n
}

func nanos(t time.Time) int64 {
	if t.IsZero() {
		return math.MinInt64
	}
	return t.UnixNano()
}

func instant(ns int64) time.Time {
	if ns == math.MinInt64 {
		return time.Time{}
	}
	return time.Unix(0, ns).UTC()
}

// segmentVersionOf is what a header says, 0 when it says nothing.
func segmentVersionOf(b []byte) uint32 {
	if len(b) < segmentHead || string(b[:4]) != segmentMagic || binary.LittleEndian.Uint32(b[28:]) != sum(b[:28]) {
		return 0
	}
	return binary.LittleEndian.Uint32(b[4:])
}
