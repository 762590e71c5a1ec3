package sparkplug

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
)

// compressed marks a payload whose body is the payload proper, as the edge nodes of some
// makers send it to save the line. The specification leaves uuid and body to them.
const compressed = "SPBV1.0_COMPRESSED"

// inflated bounds what a body of n bytes may come to, which keeps a bomb small.
func inflated(n int) int64 { return int64(min(MaxPayloadBytes, 64<<10+16*n)) }

// open is the payload within a compressed one, and any other as it is.
func (p payload) open() (payload, error) {
	if string(p.uuid) != compressed {
		return p, nil
	}
	var r io.Reader
	var err error
	if bytes.HasPrefix(p.body, []byte{0x1f, 0x8b}) {
		r, err = gzip.NewReader(bytes.NewReader(p.body))
	} else {
		r, err = zlib.NewReader(bytes.NewReader(p.body))
	}
	if err != nil {
		return p, fmt.Errorf("compressed body: %w", err)
	}
	most := inflated(len(p.body))
	var b bytes.Buffer
	switch n, err := io.Copy(&b, io.LimitReader(r, most+1)); {
	case err != nil:
		return p, fmt.Errorf("compressed body: %w", err)
	case n > most:
		return p, fmt.Errorf("%d compressed bytes come to more than %d", len(p.body), most)
	}
	inner, err := decode(b.Bytes())
	if err == nil && string(inner.uuid) == compressed {
		err = errors.New("a compressed payload within a compressed one")
	}
	return inner, err
}
