package kafka

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
)

// fetch asks a partition's leader for what lies at an offset and after it. The library
// finds the leader and makes the connection; request and answer are written and read here,
// because its own reader skips what is gone without a word, decompresses without a limit,
// hands out what aborted transactions wrote and does not look at checksums.
type fetch struct {
	client    string
	topic     string
	partition int32
	offset    int64
	wait      time.Duration // for the first byte that is new
	maxBytes  int           // of an answer, except that a batch comes whole
	limit     int           // of what is kept of an answer
}

// fetched is the answer for one partition.
type fetched struct {
	throttle time.Duration // the broker reads nothing of us for so long
	code     kafka.Error   // 0: none
	high     int64         // offset after the last one that is committed in the cluster
	stable   int64         // offset after the last one that is in no open transaction
	first    int64         // offset of the first one that is kept
	aborted  []aborted
	records  []byte // batches one after the other; the last may be cut off
}

// aborted is a transaction that came to nothing.
type aborted struct{ producer, first int64 }

// fetchVersion is of the request: of Kafka 2.1, the first that hands out zstd. Brokers up
// to 4.1, the newest that was tried, understand it.
const fetchVersion = 10

// mostAborted bounds the list of aborted transactions in an answer.
const mostAborted = 1 << 16

var (
	_ protocol.BrokerMessage = (*fetch)(nil)
	_ protocol.RawExchanger  = (*fetch)(nil)
)

// ApiKey is the protocol's number of the request.
func (*fetch) ApiKey() protocol.ApiKey { return protocol.Fetch }

// ApiKey is the protocol's number of the answer.
func (*fetched) ApiKey() protocol.ApiKey { return protocol.Fetch }

// Broker is the one that leads the partition.
func (f *fetch) Broker(c protocol.Cluster) (protocol.Broker, error) {
	p, ok := c.Topics[f.topic].Partitions[f.partition]
	if !ok {
		return protocol.Broker{}, kafka.UnknownTopicOrPartition
	}
	b, ok := c.Brokers[p.Leader]
	if !ok {
		return protocol.Broker{}, kafka.LeaderNotAvailable
	}
	return b, nil
}

// Required says that this request writes itself.
func (*fetch) Required(map[protocol.ApiKey]int16) bool { return true }

// RawExchange writes the request and reads the answer.
func (f *fetch) RawExchange(rw io.ReadWriter) (protocol.Message, error) {
	if _, err := rw.Write(f.request()); err != nil {
		return nil, err
	}
	var size [4]byte
	if _, err := io.ReadFull(rw, size[:]); err != nil {
		return nil, err
	}
	left := &io.LimitedReader{R: rw, N: int64(binary.BigEndian.Uint32(size[:]))}
	answer, err := f.answer(left)
	if err != nil {
		return nil, fmt.Errorf("answer to a fetch of %s[%d]: %w", f.topic, f.partition, err)
	}
	_, err = io.Copy(io.Discard, left)
	return answer, err
}

// correlation tells answers apart; a connection carries one request at a time.
const correlation = 0x7e117a1e

func (f *fetch) request() []byte {
	b := make([]byte, 4, 128+len(f.client)+len(f.topic))
	text := func(s string) {
		b = binary.BigEndian.AppendUint16(b, uint16(len(s))) //nolint:gosec // at most 249 of a topic, and a client's name
		b = append(b, s...)
	}
	b = binary.BigEndian.AppendUint16(b, uint16(protocol.Fetch))
	b = binary.BigEndian.AppendUint16(b, fetchVersion)
	b = binary.BigEndian.AppendUint32(b, correlation)
	text(f.client)
	for _, v := range []int32{-1, int32(f.wait.Milliseconds()), 1, int32(f.maxBytes)} { // replica, wait, least and most bytes
		b = binary.BigEndian.AppendUint32(b, uint32(v))
	}
	b = append(b, 1)                              // only what is committed
	b = binary.BigEndian.AppendUint32(b, 0)       // no session
	b = binary.BigEndian.AppendUint32(b, 1<<32-1) // of no epoch
	b = binary.BigEndian.AppendUint32(b, 1)       // topic
	text(f.topic)                                 //
	b = binary.BigEndian.AppendUint32(b, 1)       // partition
	b = binary.BigEndian.AppendUint32(b, uint32(f.partition))
	b = binary.BigEndian.AppendUint32(b, 1<<32-1) // any epoch of the leader
	b = binary.BigEndian.AppendUint64(b, uint64(f.offset))
	b = binary.BigEndian.AppendUint64(b, 1<<64-1) // we are no replica
	b = binary.BigEndian.AppendUint32(b, uint32(f.maxBytes))
	b = binary.BigEndian.AppendUint32(b, 0) // nothing is forgotten
	binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	return b
}

// answer reads up to the records, of which it keeps at most limit bytes.
func (f *fetch) answer(r *io.LimitedReader) (*fetched, error) {
	w := &wire{r: r}
	if id := w.int32(); w.err == nil && id != correlation {
		return nil, fmt.Errorf("it is to request %#x", id)
	}
	throttle := time.Duration(w.int32()) * time.Millisecond
	a := &fetched{throttle: throttle, code: kafka.Error(w.int16())}
	w.int32() // session
	if a.code != 0 {
		return a, w.err
	}
	if n := w.int32(); w.err == nil && n != 1 {
		return nil, fmt.Errorf("%d topics, asked for one", n)
	}
	topic := w.text()
	if n := w.int32(); w.err == nil && n != 1 {
		return nil, fmt.Errorf("%d partitions, asked for one", n)
	}
	partition := w.int32()
	a.code = kafka.Error(w.int16())
	a.high, a.stable, a.first = w.int64(), w.int64(), w.int64()
	if w.err == nil && (topic != f.topic || partition != f.partition) {
		return nil, fmt.Errorf("it is of %s[%d]", topic, partition)
	}
	n := w.int32()
	if n > mostAborted {
		return nil, fmt.Errorf("%d aborted transactions, at most %d are read", n, mostAborted)
	}
	for ; n > 0 && w.err == nil; n-- {
		a.aborted = append(a.aborted, aborted{w.int64(), w.int64()})
	}
	size := int(w.int32())
	if w.err != nil || size <= 0 {
		return a, w.err
	}
	if int64(size) > r.N {
		return nil, fmt.Errorf("%d bytes of records in %d bytes: %w", size, r.N, io.ErrUnexpectedEOF)
	}
	a.records = make([]byte, min(size, f.limit))
	_, err := io.ReadFull(r, a.records)
	return a, err
}

// wire reads the protocol's types until the first error.
type wire struct {
	r   io.Reader
	err error
	buf [8]byte
}

func (w *wire) next(n int) []byte {
	if w.err == nil {
		_, w.err = io.ReadFull(w.r, w.buf[:n])
		if errors.Is(w.err, io.EOF) {
			w.err = io.ErrUnexpectedEOF
		}
	}
	if w.err != nil {
		clear(w.buf[:n])
	}
	return w.buf[:n]
}

func (w *wire) int16() int16 { return int16(binary.BigEndian.Uint16(w.next(2))) } //nolint:gosec // two's complement
func (w *wire) int32() int32 { return int32(binary.BigEndian.Uint32(w.next(4))) } //nolint:gosec // two's complement
func (w *wire) int64() int64 { return int64(binary.BigEndian.Uint64(w.next(8))) } //nolint:gosec // two's complement

func (w *wire) text() string {
	n := w.int16()
	if w.err != nil || n <= 0 {
		return ""
	}
	b := make([]byte, n)
	_, w.err = io.ReadFull(w.r, b)
	return string(b)
}
