package sparkplug

import (
	"errors"
	"math"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/telltale-iot/telltale/asset"
)

// seeds are payloads of each kind.
func seeds(f *testing.F) [][]byte {
	f.Helper()
	nested := tree{"name": "t", "template_value": tree{"is_definition": true, "metrics": []any{tree{"name": "m", "datatype": uint32(3), "int_value": uint32(5)}}}}
	all := [][]byte{
		nil,
		marshal(f, tree{"timestamp": uint64(1_700_000_000_000), "seq": uint64(3), "metrics": []any{
			tree{"name": "bdSeq", "datatype": uint32(int64Kind), "long_value": uint64(2)},
			tree{"name": "Load", "alias": uint64(1), "timestamp": uint64(1_700_000_000_000), "datatype": uint32(doubleKind), "double_value": 1.5, "properties": tree{"keys": []any{"engUnit", "Quality"}, "values": []any{tree{"type": uint32(12), "string_value": "kN"}, tree{"type": uint32(3), "int_value": uint32(192)}}}},
			tree{"name": "Vib/Raw", "alias": uint64(2), "datatype": uint32(int16Array), "bytes_value": []byte{1, 2, 3, 4}},
			nested,
			tree{"name": "d", "datatype": uint32(dataSetKind), "dataset_value": tree{"num_of_columns": uint64(1), "columns": []any{"a"}, "types": []any{uint32(3)}}},
		}}),
		marshal(f, tree{"seq": uint64(4), "metrics": []any{tree{"alias": uint64(1), "is_null": true}, tree{"alias": uint64(2), "bytes_value": make([]byte, 64)}}}),
		encodeRebirth(start),
	}
	return all
}

// FuzzDecode holds the decoder to the one that is not ours: what it accepts that one reads
// too, with the same values.
func FuzzDecode(f *testing.F) {
	for _, b := range seeds(f) {
		f.Add(b)
	}
	d := schema(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := decode(b)
		if err != nil {
			return
		}
		theirs := dynamicpb.NewMessage(d)
		if err := (proto.UnmarshalOptions{RecursionLimit: 10_000}).Unmarshal(b, theirs); err != nil {
			if strings.Contains(err.Error(), "cannot parse invalid wire-format data") {
				return // of a message within that we do not look into, such as a row of a data set
			}
			t.Fatalf("accepted what is no payload: %v", err)
		}
		fields := d.Fields()
		if seq := theirs.Get(fields.ByName("seq")).Uint(); theirs.Has(fields.ByName("seq")) != (p.seq >= 0) || p.seq >= 0 && uint64(p.seq) != seq {
			t.Errorf("seq %d, theirs %d", p.seq, seq)
		}
		list := theirs.Get(fields.ByName("metrics")).List()
		i := 0
		p.each(func(m *metric) {
			x := list.Get(i).Message()
			has := func(name string) bool { return x.Has(x.Descriptor().Fields().ByName(protoreflect.Name(name))) }
			if got := x.Get(x.Descriptor().Fields().ByName("name")).String(); got != string(m.name) {
				t.Errorf("name %q, theirs %q", m.name, got)
			}
			if got := x.Get(x.Descriptor().Fields().ByName("alias")).Uint(); got != m.alias || has("alias") != m.aliased {
				t.Errorf("alias %d, theirs %d", m.alias, got)
			}
			if got := x.Get(x.Descriptor().Fields().ByName("datatype")).Uint(); kind(got) != m.kind {
				t.Errorf("datatype %d, theirs %d", m.kind, got)
			}
			if v, ok := m.number(doubleKind); ok && m.field == doubleValue {
				if got := x.Get(x.Descriptor().Fields().ByName("double_value")).Float(); math.Float64bits(got) != math.Float64bits(v) {
					t.Errorf("value %v, theirs %v", v, got)
				}
			}
			for k := unknown; k <= lastKind; k++ {
				m.number(k)
				m.array(k)
			}
			i++
		})
		if i != list.Len() {
			t.Errorf("%d metrics, theirs %d", i, list.Len())
		}
	})
}

// FuzzHandle feeds a host application with messages on end; whatever they are, it says
// why it refuses one, makes no reading of an asset that is not bound, and goes on.
func FuzzHandle(f *testing.F) {
	all := seeds(f)
	f.Add(uint8(0), uint16(100), all[1], uint8(3), uint16(50), all[2])
	f.Add(uint8(2), uint16(3000), all[1], uint8(5), uint16(5000), all[2])
	f.Add(uint8(7), uint16(0), []byte(`{"online":false,"timestamp":1}`), uint8(1), uint16(1), all[1])
	topics := []string{"spBv1.0/farm/NBIRTH/e1", "spBv1.0/farm/NDEATH/e1", "spBv1.0/farm/NDATA/e1", "spBv1.0/farm/DBIRTH/e1/wt01", "spBv1.0/farm/DDATA/e1/wt01", "spBv1.0/farm/DDEATH/e1/wt01", "spBv1.0/farm/NCMD/e1", "spBv1.0/STATE/telltale", "spBv1.0/+/NDATA"}
	f.Fuzz(func(t *testing.T, v1 uint8, ms1 uint16, b1 []byte, v2 uint8, ms2 uint16, b2 []byte) {
		h, err := New(options())
		if err != nil {
			t.Fatal(err)
		}
		now := start
		h.Birth(now)
		check := func(readings []asset.Reading, published []Publication) {
			t.Helper()
			for _, r := range readings {
				if r.Asset != "station" && r.Asset != "WT01" {
					t.Errorf("a reading of %q", r.Asset)
				}
			}
			for _, q := range published {
				if !strings.HasPrefix(q.Topic, "spBv1.0/farm/NCMD/") && !strings.HasPrefix(q.Topic, "spBv1.0/STATE/") {
					t.Errorf("published on %s", q.Topic)
				}
			}
		}
		for range 3 {
			for _, m := range []struct {
				verb    uint8
				ms      uint16
				payload []byte
			}{{v1, ms1, b1}, {v2, ms2, b2}} {
				now = now.Add(time.Duration(m.ms) * time.Millisecond)
				check(h.Tick(now))
				readings, published, err := h.Handle(now, topics[int(m.verb)%len(topics)], m.payload)
				if err != nil && !errors.Is(err, asset.ErrInvalid) {
					t.Errorf("error %v, want a verdict on the message", err)
				}
				check(readings, published)
			}
		}
		h.Lost(now)
		h.Status()
	})
}

// TestNoPayloadAllocatesMoreThanItDeserves has the smallest fields that make the most of
// us: empty metrics, definitions of short names, values and arrays of one element.
func TestNoPayloadAllocatesMoreThanItDeserves(t *testing.T) {
	metrics := func(n int, of func(i int) tree) []byte {
		b := []byte{0x18, 2} // seq
		for i := range n {
			b = append(b, marshal(t, tree{"metrics": []any{of(i)}})...)
		}
		return b
	}
	short := func(i int) string {
		return string([]byte{byte('!' + i%90), byte('!' + i/90%90), byte('!' + i/8100)})
	}
	for name, c := range map[string]struct {
		topic string
		b     []byte
	}{
		"empty metrics": {"spBv1.0/farm/NDATA/e1", metrics(20_000, func(int) tree { return tree{} })},
		"definitions":   {"spBv1.0/farm/NBIRTH/e1", metrics(20_000, func(i int) tree { return tree{"name": short(i), "alias": uint64(i)} })},
		"births":        {"spBv1.0/farm/NBIRTH/e1", metrics(20_000, func(i int) tree { return tree{"name": short(i), "datatype": uint32(1), "int_value": uint32(1)} })},
		"values":        {"spBv1.0/farm/NDATA/e1", metrics(20_000, func(int) tree { return tree{"alias": uint64(1), "double_value": 1.0} })},
		"instants":      {"spBv1.0/farm/NDATA/e1", metrics(20_000, func(i int) tree { return tree{"alias": uint64(1), "timestamp": uint64(i + 1), "double_value": 1.0} })},
		"integers":      {"spBv1.0/farm/NDATA/e1", metrics(20_000, func(int) tree { return tree{"alias": uint64(5), "int_value": uint32(1)} })},
		"arrays":        {"spBv1.0/farm/DDATA/e1/wt01", metrics(20_000, func(int) tree { return tree{"alias": uint64(9), "bytes_value": []byte{1}} })},
		"samples":       {"spBv1.0/farm/DDATA/e1/wt01", metrics(1, func(int) tree { return tree{"alias": uint64(9), "bytes_value": make([]byte, 1<<20)} })},
	} {
		t.Run(name, func(t *testing.T) {
			p := open(t, options())
			p.hear("spBv1.0/farm/NBIRTH/e1", 0, p.bdSeq(0), p.double("Load", 1, 10), tree{"name": "Count", "alias": uint64(5), "datatype": uint32(int8Kind), "is_null": true})
			p.hear("spBv1.0/farm/DBIRTH/e1/wt01", 1, tree{"name": "Vib/Raw", "alias": uint64(9), "datatype": uint32(int8Array), "is_null": true})
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, _, err := p.host.Handle(p.now, c.topic, c.b)
			runtime.ReadMemStats(&after)
			if err != nil {
				t.Fatal(err)
			}
			if per := float64(after.TotalAlloc-before.TotalAlloc) / float64(len(c.b)); per > 64 {
				t.Errorf("%d bytes allocate %.0f times as many", len(c.b), per)
			} else {
				t.Logf("%.1f bytes a byte", per)
			}
			if n := testing.AllocsPerRun(1, func() { _, _ = decode(c.b) }); n > 0 {
				t.Errorf("decode allocates %v times", n)
			}
		})
	}
}

func TestAPayloadThatIsTooMuchIsRefused(t *testing.T) {
	for name, b := range map[string][]byte{
		"too long":         make([]byte, MaxPayloadBytes+1),
		"too many metrics": append([]byte{0x18, 0}, []byte(strings.Repeat("\x12\x00", maxMetrics+1))...),
		"name too long":    marshal(t, tree{"seq": uint64(0), "metrics": []any{tree{"name": strings.Repeat("a", maxNameBytes+1)}}}),
		"name in no UTF-8": {0x12, 0x03, 0x0a, 0x01, 0xff},
		"cut off":          marshal(t, tree{"seq": uint64(0), "metrics": []any{tree{"name": "abc"}}})[:5],
	} {
		if _, err := decode(b); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
	if _, err := os.Stat("testdata/README.md"); err != nil {
		t.Error("the origin of the test data is not told")
	}
}
