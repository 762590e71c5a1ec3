package kafka

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"runtime"
	"testing"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
)

// written is a batch of n records from an offset on, its body as it is.
func written(first int64, n int, codec int16, body []byte) []byte {
	b := binary.BigEndian.AppendUint64(nil, uint64(first))
	b = binary.BigEndian.AppendUint32(b, uint32(batchHeader-12+len(body)))
	b = binary.BigEndian.AppendUint32(b, 0)
	b = append(b, batchVersion, 0, 0, 0, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(codec))
	b = binary.BigEndian.AppendUint32(b, uint32(n-1))
	b = append(b, make([]byte, 30)...)
	b = binary.BigEndian.AppendUint32(b, uint32(n))
	b = append(b, body...)
	binary.BigEndian.PutUint32(b[17:], crc32.Checksum(b[21:], crc32.MakeTable(crc32.Castagnoli)))
	return b
}

// one is a record at an offset in its batch, with a value.
func one(delta int64, value []byte) []byte {
	b := append([]byte{0, 0}, binary.AppendVarint(nil, delta)...)
	b = append(binary.AppendVarint(b, 1), 'a')
	b = append(binary.AppendVarint(b, int64(len(value))), value...)
	b = append(b, 0)
	return append(binary.AppendVarint(nil, int64(len(b))), b...)
}

func readAll(raw []byte, limit int) (said string, err error) {
	x, _, ok := cut(raw)
	if !ok || !x.whole() {
		return "", io.ErrUnexpectedEOF
	}
	in := &inflater{limit: limit}
	defer in.close()
	err = x.read(in, func(r record) bool {
		said += fmt.Sprintf("%d:%d,%v ", r.offset, len(r.value), r.bad != nil)
		return true
	})
	return said, err
}

func TestBatchThatIsDamagedIsNotRead(t *testing.T) {
	good := written(7, 2, 0, append(one(0, []byte("x")), one(1, make([]byte, 100))...))
	if said, err := readAll(good, 1000); err != nil || said != "7:1,false 8:100,false " {
		t.Fatalf("read %s, %v", said, err)
	}
	for at := 16; at < len(good); at++ {
		bad := bytes.Clone(good)
		bad[at] ^= 4
		if _, err := readAll(bad, 1000); !errors.Is(err, errCorrupt) {
			t.Errorf("byte %d is another one, and the error is %v", at, err)
		}
	}
	if _, err := readAll(written(7, 3, 0, one(0, nil)), 1000); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("two records are missing, and the error is %v", err)
	}
}

func TestBombsAreRefusedInBoundedMemory(t *testing.T) {
	zeros := make([]byte, 1<<20)
	var z bytes.Buffer
	w, err := zstd.NewWriter(&z, zstd.WithWindowSize(1<<20))
	if err != nil {
		t.Fatal(err)
	}
	head := append(binary.AppendVarint(nil, 512<<20), 0, 0, 0)
	if _, err := w.Write(head); err != nil {
		t.Fatal(err)
	}
	for range 512 {
		if _, err := w.Write(zeros); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		codec int16
		body  []byte
		want  error // nil: any
	}{
		"zstd of 512 MiB":            {4, z.Bytes(), errTooLarge},
		"snappy that claims 4 GiB":   {2, binary.AppendUvarint(nil, 1<<32-1), errTooLarge},
		"snappy frame of 2 GiB":      {2, append([]byte(snappyMagic), 0, 0, 0, 1, 0, 0, 0, 1, 0x7f, 0xff, 0xff, 0xff), io.ErrUnexpectedEOF},
		"record of 2 GiB, not there": {0, binary.AppendVarint(nil, 1<<31), io.ErrUnexpectedEOF},
		"zstd window of 2 TiB":       {4, []byte{0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xff, 0, 0, 0}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			raw := written(0, 1, tc.codec, tc.body)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := readAll(raw, 64<<10)
			runtime.ReadMemStats(&after)
			if err == nil || tc.want != nil && !errors.Is(err, tc.want) {
				t.Errorf("error is %v, want %v", err, tc.want)
			}
			if n := after.TotalAlloc - before.TotalAlloc; n > 32<<20 {
				t.Errorf("%d bytes were allocated for %d", n, len(raw))
			}
		})
	}
}

func TestSnappyIsReadWithAndWithoutFrames(t *testing.T) {
	records := append(one(0, []byte("x")), one(1, []byte("yy"))...)
	framed := append([]byte(snappyMagic), 0, 0, 0, 1, 0, 0, 0, 1)
	for _, half := range [][]byte{records[:5], records[5:]} {
		block := snappy.Encode(nil, half)
		framed = append(binary.BigEndian.AppendUint32(framed, uint32(len(block))), block...)
	}
	for name, body := range map[string][]byte{"frames": framed, "one block": snappy.Encode(nil, records)} {
		if said, err := readAll(written(0, 2, 2, body), 1000); err != nil || said != "0:1,false 1:2,false " {
			t.Errorf("%s: read %s, %v", name, said, err)
		}
	}
}

func FuzzBatch(f *testing.F) {
	f.Add(written(7, 2, 0, append(one(0, []byte("x")), one(1, []byte("y"))...))[batchHeader:], int16(0), 2)
	f.Add(snappy.Encode(nil, one(0, []byte("x"))), int16(2), 1)
	f.Fuzz(func(_ *testing.T, body []byte, attributes int16, n int) {
		b := written(0, int(int32(n)), attributes, body)
		_, _ = readAll(b, 1<<10)
		for rest, ok := b, true; ok && len(rest) > 0; {
			_, rest, ok = cut(rest)
		}
	})
}

func FuzzAnswer(f *testing.F) {
	f.Add([]byte{0x7e, 0x11, 0x7a, 0x1e, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 't', 0, 0, 0, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		q := &fetch{topic: "t", limit: 1 << 16}
		a, err := q.answer(&io.LimitedReader{R: bytes.NewReader(b), N: int64(len(b))})
		if err == nil && len(a.records) > len(b) {
			t.Errorf("%d bytes of records in %d bytes", len(a.records), len(b))
		}
	})
}
