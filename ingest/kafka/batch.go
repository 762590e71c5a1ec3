package kafka

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/segmentio/kafka-go"
)

// batch is what a producer wrote at once, as it travels and as it is kept.
//
//	at  bytes
//	 0  8      offset of the first record
//	 8  4      bytes from 12 on
//	12  4      epoch of the leader
//	16  1      version, 2
//	17  4      CRC-32C of what follows
//	21  2      attributes: bits 0–2 compression, 4 transactional, 5 control
//	23  4      offset of the last record − of the first
//	27  8, 8   times
//	43  8      producer
//	51  2, 4   its epoch, sequence
//	57  4      number of records
//	61         records, compressed
type batch struct {
	first, last int64
	attributes  int16
	producer    int64
	count       int
	sum         uint32
	version     int8
	size        int    // as it should be, in bytes
	raw         []byte // as much as there is
}

const (
	batchHeader   = 61
	batchVersion  = 2
	transactional = 1 << 4
	control       = 1 << 5
)

var (
	errTooLarge = errors.New("larger than max_bytes")
	errCorrupt  = errors.New("the batch is not what its producer wrote")
)

// cut takes the first batch off b. It is not ok without a header.
func cut(b []byte) (x batch, rest []byte, ok bool) {
	if len(b) < batchHeader {
		return batch{}, nil, false
	}
	x = batch{
		first:      int64(binary.BigEndian.Uint64(b)), //nolint:gosec // two's complement
		size:       12 + int(binary.BigEndian.Uint32(b[8:])),
		version:    int8(b[16]),
		sum:        binary.BigEndian.Uint32(b[17:]),
		attributes: int16(binary.BigEndian.Uint16(b[21:])), //nolint:gosec // two's complement
		producer:   int64(binary.BigEndian.Uint64(b[43:])), //nolint:gosec // two's complement
		count:      int(binary.BigEndian.Uint32(b[57:])),
	}
	x.last = x.first
	if x.version == batchVersion {
		x.last += int64(binary.BigEndian.Uint32(b[23:]))
	}
	end := min(max(x.size, batchHeader), len(b))
	x.raw = b[:end:end]
	return x, b[end:], true
}

func (x batch) whole() bool { return len(x.raw) == x.size }

func (x batch) is(attribute int16) bool { return x.attributes&attribute != 0 }

// aborts says whether a control batch ends its transaction as void.
func (x batch) aborts() bool {
	void := false
	_ = x.read(&inflater{limit: 1 << 10}, func(r record) bool {
		void = len(r.key) >= 4 && binary.BigEndian.Uint16(r.key[2:]) == 0
		return false
	})
	return void
}

// record is one message.
type record struct {
	offset  int64
	key     []byte
	value   []byte
	headers []kafka.Header
	bytes   int
	bad     error // it was not read, for that
}

// read hands the records to take until that returns false. A record is take's until the
// next one. No more memory is used than for the largest record that is allowed.
func (x batch) read(in *inflater, take func(record) bool) error {
	if x.version != batchVersion {
		return fmt.Errorf("%w: it is of version %d, read is version %d, which is written since Kafka 0.11", errCorrupt, x.version, batchVersion)
	}
	if sum := crc32.Checksum(x.raw[21:], crc32.MakeTable(crc32.Castagnoli)); sum != x.sum {
		return fmt.Errorf("%w: its checksum is %08x, written was %08x", errCorrupt, sum, x.sum)
	}
	body, err := in.open(x.attributes&7, x.raw[batchHeader:])
	if err != nil {
		return err
	}
	r := bufio.NewReader(body)
	for i := range x.count {
		rec, err := x.record(r, in)
		if err != nil {
			return fmt.Errorf("record %d of %d: %w", i, x.count, unexpected(err))
		}
		if !take(rec) {
			return nil
		}
	}
	return nil
}

func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// record reads the next one; what is too large is passed over.
func (x batch) record(r *bufio.Reader, in *inflater) (record, error) {
	size, err := binary.ReadVarint(r)
	if err != nil {
		return record{}, err
	}
	if size < 0 {
		return record{}, fmt.Errorf("%w: a record of %d bytes", errCorrupt, size)
	}
	left := &io.LimitedReader{R: r, N: size}
	b := byteReader{left}
	_, err0 := b.ReadByte() // attributes
	_, err1 := binary.ReadVarint(b)
	delta, err2 := binary.ReadVarint(b)
	if err := errors.Join(err0, err1, err2); err != nil {
		return record{}, unexpected(err)
	}
	out := record{offset: x.first + delta, bytes: int(size)}
	if out.offset < x.first || out.offset > x.last {
		return record{}, fmt.Errorf("%w: a record at %d in a batch from %d to %d", errCorrupt, out.offset, x.first, x.last)
	}
	if size > int64(in.limit) {
		out.bad = fmt.Errorf("%d bytes: %w, which is %d", size, errTooLarge, in.limit)
		_, err := io.CopyN(io.Discard, left, left.N)
		return out, err
	}
	in.buf.Reset()
	if _, err := io.CopyN(&in.buf, left, left.N); err != nil {
		return record{}, err
	}
	return out, out.parse(in.buf.Bytes())
}

type byteReader struct{ io.Reader }

// ReadByte is for varints.
func (r byteReader) ReadByte() (byte, error) {
	var b [1]byte
	_, err := io.ReadFull(r.Reader, b[:])
	return b[0], err
}

// parse reads what follows the offset. Key, value and headers lie in b.
func (r *record) parse(b []byte) error {
	short := false
	number := func() int64 {
		n, used := binary.Varint(b)
		if used <= 0 {
			short = true
			return 0
		}
		b = b[used:]
		return n
	}
	piece := func() []byte {
		n := number()
		if n < 0 || short {
			return nil
		}
		if n > int64(len(b)) {
			short = true
			return nil
		}
		p := b[:n:n]
		b = b[n:]
		return p
	}
	r.key, r.value = piece(), piece()
	for n := number(); n > 0 && !short; n-- {
		r.headers = append(r.headers, kafka.Header{Key: string(piece()), Value: bytes.Clone(piece())})
	}
	if short {
		return fmt.Errorf("%w: record %d is shorter than it says", errCorrupt, r.offset)
	}
	return nil
}
