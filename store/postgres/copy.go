package postgres

import (
	"encoding/binary"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/store/row"
)

// copier writes the rows of one table as PostgreSQL's COPY reads them in binary: a count
// of columns, then the length and the bytes of each, big endian; length -1 is NULL.
type copier struct {
	t    *table
	buf  []byte
	rows int
}

// Types of array elements.
const (
	float4OID = 700
	float8OID = 701
	textOID   = 25
)

func newCopier(t *table) *copier {
	c := &copier{t: t, buf: make([]byte, 0, 4096)}
	c.buf = append(c.buf, "PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00"...)
	return c
}

// row begins a row.
func (c *copier) row() {
	c.rows++
	c.buf = binary.BigEndian.AppendUint16(c.buf, uint16(len(c.t.columns))) //nolint:gosec // a few
}

// end is all of it.
func (c *copier) end() []byte { return binary.BigEndian.AppendUint16(c.buf, 0xffff) }

func (c *copier) size(n int) { c.buf = binary.BigEndian.AppendUint32(c.buf, uint32(n)) } //nolint:gosec // below 1 GB, as the server wants it

func (c *copier) null() { c.buf = append(c.buf, 0xff, 0xff, 0xff, 0xff) }

func (c *copier) integer(v int64) {
	c.size(8)
	c.buf = binary.BigEndian.AppendUint64(c.buf, uint64(v)) //nolint:gosec // its bits
}

func (c *copier) instant(t time.Time) {
	if t.IsZero() {
		c.null()
		return
	}
	c.integer(t.UnixNano())
}

func (c *copier) float(v float64) {
	c.size(8)
	c.buf = binary.BigEndian.AppendUint64(c.buf, math.Float64bits(v))
}

// number writes what is not finite as NULL.
func (c *copier) number(v float64) {
	if !row.Finite(v) {
		c.null()
		return
	}
	c.float(v)
}

func (c *copier) numbers(list ...asset.Number) {
	for _, v := range list {
		c.number(float64(v))
	}
}

func (c *copier) boolean(v bool) {
	c.size(1)
	if v {
		c.buf = append(c.buf, 1)
		return
	}
	c.buf = append(c.buf, 0)
}

func (c *copier) text(s string) {
	s = clean(s)
	c.size(len(s))
	c.buf = append(c.buf, s...)
}

// json writes text that encoding/json made, which is clean; nil is NULL.
func (c *copier) json(b []byte) {
	if b == nil {
		c.null()
		return
	}
	c.size(len(b))
	c.buf = append(c.buf, b...)
}

// array begins a list of n elements that take size bytes together, without their lengths.
func (c *copier) array(oid uint32, n, size int) {
	if n == 0 { // an empty array has no dimension
		c.size(12)
		c.buf = append(c.buf, 0, 0, 0, 0, 0, 0, 0, 0)
		c.buf = binary.BigEndian.AppendUint32(c.buf, oid)
		return
	}
	c.size(20 + 4*n + size)
	c.buf = append(c.buf, 0, 0, 0, 1, 0, 0, 0, 0) // one dimension, no NULL
	c.buf = binary.BigEndian.AppendUint32(c.buf, oid)
	c.size(n)
	c.size(1) // the first index
}

// floats writes every bit: what is NaN stays the NaN that it was.
func (c *copier) floats(values []float64) {
	c.array(float8OID, len(values), 8*len(values))
	for _, v := range values {
		c.float(v)
	}
}

func (c *copier) float32s(values []float32) {
	c.array(float4OID, len(values), 4*len(values))
	for _, v := range values {
		c.size(4)
		c.buf = binary.BigEndian.AppendUint32(c.buf, math.Float32bits(v))
	}
}

// reasons writes a list; nil is NULL.
func (c *copier) reasons(list []asset.Reason) {
	if len(list) == 0 {
		c.null()
		return
	}
	size := 0
	for _, r := range list {
		size += len(clean(string(r)))
	}
	c.array(textOID, len(list), size)
	for _, r := range list {
		c.text(string(r))
	}
}

// clean makes a text that the database takes: UTF-8 without zero bytes. A batch that it
// refuses would stop its shard.
func clean(s string) string {
	if strings.IndexByte(s, 0) >= 0 {
		s = strings.ReplaceAll(s, "\x00", "\uFFFD")
	}
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	return s
}
