package sparkplug

import (
	"bytes"
	"compress/zlib"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/ingest/ingesttest"
)

// mutations are the ways that a payload takes, with what they are tried on.
func mutations(tb testing.TB) map[string]ingesttest.Decoder {
	tb.Helper()
	birth := marshal(tb, tree{"timestamp": uint64(start.UnixMilli()), "seq": uint64(0), "metrics": []any{
		tree{"name": "bdSeq", "datatype": uint32(int64Kind), "long_value": uint64(2)},
		tree{"name": "Load", "alias": uint64(1), "datatype": uint32(doubleKind), "double_value": 1.5, "properties": tree{"keys": []any{"engUnit", "Quality"}, "values": []any{tree{"type": uint32(stringKind), "string_value": "kN"}, tree{"type": uint32(int32Kind), "int_value": uint32(good)}}}},
		tree{"name": "Vib/Raw", "alias": uint64(2), "datatype": uint32(int16Array), "bytes_value": []byte{1, 2, 3, 4}},
	}})
	data := marshal(tb, tree{"timestamp": uint64(start.UnixMilli() + 1), "seq": uint64(1), "metrics": []any{
		tree{"alias": uint64(1), "timestamp": uint64(start.UnixMilli() + 1), "double_value": 2.5}, tree{"alias": uint64(2), "bytes_value": []byte{1, 0, 255, 255}}, tree{"name": "x", "datatype": uint32(int8Kind), "int_value": uint32(0xFF)},
	}})
	odd := marshal(tb, tree{"seq": uint64(2), "metrics": []any{
		tree{"name": "t", "template_value": tree{"is_definition": true, "metrics": []any{tree{"name": "m", "template_value": tree{"metrics": []any{tree{"alias": uint64(3), "is_null": true}}}}}}},
		tree{"name": "d", "dataset_value": tree{"num_of_columns": uint64(1), "columns": []any{"a"}, "types": []any{uint32(3)}, "rows": []any{tree{"elements": []any{tree{"int_value": uint32(3)}}}}}},
		tree{"name": "p", "properties": tree{"keys": []any{"a", "b"}, "values": []any{tree{"propertyset_value": tree{"keys": []any{"c"}, "values": []any{tree{}}}}, tree{"propertysets_value": tree{"propertyset": []any{tree{}}}}}}},
	}})
	var body bytes.Buffer
	w := zlib.NewWriter(&body)
	_, _ = w.Write(data)
	_ = w.Close()
	corpus := [][]byte{birth, data, odd, marshal(tb, tree{"uuid": compressed, "body": body.Bytes()}), encodeRebirth(start), nil}
	words := []string{"\x12\x00", "\x12\x02\x10\x01", "\x18\x05", "\x08\x01", "\x4a\x00", "\x82\x01\x01\x00", "\x92\x01\x00", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "\x22\x12" + compressed}
	h, err := New(options())
	if err != nil {
		tb.Fatal(err)
	}
	now := start
	h.Birth(now)
	verbs := []string{"NBIRTH/e1", "NDATA/e1", "NDEATH/e1", "DBIRTH/e1/wt01", "DDATA/e1/wt01", "DDEATH/e1/wt01", "NDATA/e1", "DDATA/e1/wt01"}
	turn := 0
	return map[string]ingesttest.Decoder{
		"payload": {Corpus: corpus, Words: words, Decode: func(b []byte) {
			p, err := decode(b)
			if err != nil {
				return
			}
			bdSeqOf(p)
			p.each(func(m *metric) {
				m.number(m.kind)
				m.array(m.kind)
			})
		}},
		"host": {Corpus: corpus, Words: words, Decode: func(b []byte) {
			turn++
			now = now.Add(700 * time.Millisecond)
			if turn%4 == 0 {
				_, _, _ = h.Handle(now, "spBv1.0/farm/NBIRTH/e1", birth)
			}
			_, _, _ = h.Handle(now, "spBv1.0/farm/"+verbs[turn%len(verbs)], b)
			h.Tick(now)
		}},
	}
}

// Whatever arrives, nothing panics or hangs, or allocates more than 64 times what it was
// sent; TELLTALE_EXECS is how much is tried.
func TestMutations(t *testing.T) {
	for name, d := range mutations(t) {
		t.Run(name, func(t *testing.T) { ingesttest.Mutate(t, d, ingesttest.Options{Few: 50_000}) })
	}
}
