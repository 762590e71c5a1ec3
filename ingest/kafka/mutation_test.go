package kafka

import (
	"bytes"
	"encoding/binary"
	"io"
	"testing"

	"github.com/klauspost/compress/snappy"

	"github.com/telltale-iot/telltale/ingest/ingesttest"
)

// TestMutations tries what a broker sends, damaged: batches whose sum is right, so that all
// of the damage is looked at, and whole answers.
func TestMutations(t *testing.T) {
	records := append(one(0, []byte("value")), one(1, bytes.Repeat([]byte("y"), 40))...)
	read := func(codec int16) func([]byte) {
		return func(b []byte) { _, _ = readAll(written(7, 2, codec, b), 1<<10) }
	}
	batch := written(7, 2, 0, records)
	answer := []byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 't', 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	answer = append(binary.BigEndian.AppendUint32(answer, uint32(len(batch))), batch...)
	for name, d := range map[string]ingesttest.Decoder{
		"batch":  {Decode: read(0), Corpus: [][]byte{records, one(0, nil)}},
		"snappy": {Decode: read(2), Corpus: [][]byte{snappy.Encode(nil, records), append([]byte(snappyMagic), 0, 0, 0, 1, 0, 0, 0, 1)}},
		"cut": {Decode: func(b []byte) {
			for rest, ok := b, true; ok && len(rest) > 0; {
				_, rest, ok = cut(rest)
			}
		}, Corpus: [][]byte{append(batch, batch...)}},
		"answer": {Decode: func(b []byte) {
			q := &fetch{topic: "t", limit: 1 << 16}
			a, err := q.answer(&io.LimitedReader{R: bytes.NewReader(b), N: int64(len(b))})
			if err == nil && len(a.records) > len(b) {
				panic("more records than there are bytes")
			}
		}, Corpus: [][]byte{answer}},
	} {
		t.Run(name, func(t *testing.T) { ingesttest.Mutate(t, d, ingesttest.Options{Floor: 128 << 10}) }) // snappy's buffer is of 64 KiB
	}
}
