package kafka

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/segmentio/kafka-go/compress"
)

// inflater undoes what a producer compressed, in bounded memory and work: a few bytes can
// claim to be gigabytes. It belongs to the reader of a partition.
type inflater struct {
	limit int          // bytes of the largest record
	buf   bytes.Buffer // the record under way
	zstd  *zstd.Decoder
}

// blowUp is by how much the contents of a batch may be larger than the largest record.
const blowUp = 16

// smallestWindow is what compressors ask for by themselves.
const smallestWindow = 8 << 20

func (in *inflater) open(codec int16, body []byte) (io.Reader, error) {
	var r io.Reader = bytes.NewReader(body)
	var err error
	switch compress.Compression(codec) {
	case compress.None:
		return r, nil
	case compress.Gzip:
		r, err = gzip.NewReader(r)
	case compress.Snappy:
		r = &snappyReader{left: body, limit: max(in.limit, 64<<10)}
	case compress.Lz4:
		r = compress.Lz4.Codec().NewReader(r)
	case compress.Zstd:
		r, err = in.openZstd(r)
	default:
		err = fmt.Errorf("compression %d is not known", codec)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errCorrupt, err)
	}
	return &bounded{r: r, left: blowUp * int64(in.limit)}, nil
}

func (in *inflater) openZstd(r io.Reader) (io.Reader, error) {
	if in.zstd == nil {
		window := uint64(max(in.limit, smallestWindow)) //nolint:gosec // positive
		d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(window))
		if err != nil {
			return nil, err
		}
		in.zstd = d
	}
	return in.zstd, in.zstd.Reset(r)
}

// close gives back what a decoder holds.
func (in *inflater) close() {
	if in.zstd != nil {
		in.zstd.Close()
	}
}

// bounded fails when more than left comes out of r.
type bounded struct {
	r    io.Reader
	left int64
}

// Read is io.Reader's.
func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, fmt.Errorf("the contents of the batch are more than %d times as large as the largest message: %w", blowUp, errTooLarge)
	}
	if int64(len(p)) > b.left {
		p = p[:b.left]
	}
	n, err := b.r.Read(p)
	b.left -= int64(n)
	return n, err
}

// snappyReader reads blocks of snappy in the frames of the Java client, or one without.
type snappyReader struct {
	left  []byte // compressed
	limit int    // of a block
	out   []byte // not read
	begun bool
	plain bool // one block without frames
}

const (
	snappyMagic  = "\x82SNAPPY\x00"
	snappyHeader = 16 // magic and two versions
)

// Read is io.Reader's.
func (s *snappyReader) Read(p []byte) (int, error) {
	for len(s.out) == 0 {
		if !s.begun {
			s.begun, s.plain = true, len(s.left) < snappyHeader || string(s.left[:len(snappyMagic)]) != snappyMagic
			if !s.plain {
				s.left = s.left[snappyHeader:]
			}
		}
		if len(s.left) == 0 {
			return 0, io.EOF
		}
		if err := s.block(); err != nil {
			return 0, err
		}
	}
	n := copy(p, s.out)
	s.out = s.out[n:]
	return n, nil
}

func (s *snappyReader) block() error {
	b := s.left
	if !s.plain {
		if len(b) < 4 {
			return io.ErrUnexpectedEOF
		}
		n := int64(binary.BigEndian.Uint32(b))
		if n > int64(len(b)-4) {
			return io.ErrUnexpectedEOF
		}
		b = b[4 : 4+n]
		s.left = s.left[4+n:]
	} else {
		s.left = nil
	}
	size, err := snappy.DecodedLen(b)
	if err != nil {
		return fmt.Errorf("%w: %w", errCorrupt, err)
	}
	if size > s.limit {
		return fmt.Errorf("a block of %d bytes: %w", size, errTooLarge)
	}
	if s.out, err = snappy.Decode(nil, b); err != nil {
		return fmt.Errorf("%w: %w", errCorrupt, err)
	}
	return nil
}
