package features

import (
	"encoding/binary"
	"errors"
	"math"
	"time"
)

// errCodec marks carried state that ends early or is not ours.
var errCodec = errors.New("features: carried state is damaged")

// codec visits a state field by field, writing or reading it, so that one walk
// does both and the two cannot differ. Floats keep every bit.
type codec struct {
	buf     []byte
	reading bool
	err     error
}

func (c *codec) u64(p *uint64) {
	if !c.reading {
		c.buf = binary.LittleEndian.AppendUint64(c.buf, *p)
		return
	}
	if len(c.buf) < 8 {
		c.err, c.buf = errCodec, nil
		return
	}
	*p = binary.LittleEndian.Uint64(c.buf)
	c.buf = c.buf[8:]
}

func (c *codec) i64(p *int64) {
	u := uint64(*p)
	c.u64(&u)
	*p = int64(u)
}

func (c *codec) int(p *int) {
	u := uint64(int64(*p))
	c.u64(&u)
	*p = int(int64(u))
}

func (c *codec) f64(p *float64) {
	u := math.Float64bits(*p)
	c.u64(&u)
	*p = math.Float64frombits(u)
}

// time keeps an instant in UTC, and the zero one.
func (c *codec) time(p *time.Time) {
	set, ns := !p.IsZero(), int64(0)
	if set {
		ns = p.UnixNano()
	}
	c.bool(&set)
	c.i64(&ns)
	if *p = (time.Time{}); set {
		*p = time.Unix(0, ns).UTC()
	}
}

func (c *codec) bool(p *bool) {
	var u uint64
	if *p {
		u = 1
	}
	c.u64(&u)
	*p = u == 1
}

// length visits a slice's length; it is 0 when what follows cannot hold it.
func (c *codec) length(n, size int) int {
	c.int(&n)
	if c.reading && (n < 0 || n > len(c.buf)/size) {
		c.err, c.buf, n = errCodec, nil, 0
	}
	return n
}

func (c *codec) floats(p *[]float64) {
	n := c.length(len(*p), 8)
	if c.reading {
		*p = make([]float64, n)
	}
	for i := range *p {
		c.f64(&(*p)[i])
	}
}

func (c *codec) str(p *string) {
	n := c.length(len(*p), 1)
	if !c.reading {
		c.buf = append(c.buf, *p...)
		return
	}
	*p = string(c.buf[:n])
	c.buf = c.buf[n:]
}
