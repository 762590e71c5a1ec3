package sparkplug

import (
	"encoding/hex"
	"encoding/json"
	"math"
	"os"
	"slices"
	"sync"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

// schema is Eclipse Tahu's own, read by code that is not ours.
func schema(tb testing.TB) protoreflect.MessageDescriptor {
	tb.Helper()
	d, err := tahu()
	if err != nil {
		tb.Fatal(err)
	}
	return d
}

var tahu = sync.OnceValues(func() (protoreflect.MessageDescriptor, error) {
	b, err := os.ReadFile("testdata/sparkplug_b.desc")
	if err != nil {
		return nil, err
	}
	var d descriptorpb.FileDescriptorProto
	if err := proto.Unmarshal(b, &d); err != nil {
		return nil, err
	}
	f, err := protodesc.NewFile(&d, nil)
	if err != nil {
		return nil, err
	}
	return f.Messages().ByName("Payload"), nil
})

// tree is a message as plain data: numbers, strings, []byte, tree, []any.
type tree map[string]any

// build makes a message of the schema from plain data, by reflection.
func build(tb testing.TB, d protoreflect.MessageDescriptor, t tree) *dynamicpb.Message {
	tb.Helper()
	m := dynamicpb.NewMessage(d)
	for name, v := range t {
		f := d.Fields().ByName(protoreflect.Name(name))
		if f == nil {
			tb.Fatalf("the schema has no field %s in %s", name, d.FullName())
		}
		one := func(v any) protoreflect.Value {
			if sub, ok := v.(tree); ok {
				return protoreflect.ValueOfMessage(build(tb, f.Message(), sub))
			}
			return protoreflect.ValueOf(v)
		}
		if all, ok := v.([]any); ok {
			list := m.Mutable(f).List()
			for _, v := range all {
				list.Append(one(v))
			}
			continue
		}
		m.Set(f, one(v))
	}
	return m
}

// marshal is plain data as a payload made by code that is not ours.
func marshal(tb testing.TB, t tree) []byte {
	tb.Helper()
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(build(tb, schema(tb), t))
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// unmarshal reads a payload of ours by code that is not ours.
func unmarshal(tb testing.TB, b []byte) tree {
	tb.Helper()
	m := dynamicpb.NewMessage(schema(tb))
	if err := proto.Unmarshal(b, m); err != nil {
		tb.Fatal(err)
	}
	if len(m.GetUnknown()) > 0 {
		tb.Errorf("the payload has fields that the schema does not have: %x", m.GetUnknown())
	}
	return plain(m)
}

func plain(m protoreflect.Message) tree {
	t := tree{}
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		one := func(v protoreflect.Value) any {
			if f.Message() != nil {
				return plain(v.Message())
			}
			return v.Interface()
		}
		if f.IsList() {
			var all []any
			for i := range v.List().Len() {
				all = append(all, one(v.List().Get(i)))
			}
			t[string(f.Name())] = all
		} else {
			t[string(f.Name())] = one(v)
		}
		return true
	})
	return t
}

// metricsOf are the metrics of a payload in plain data, by name or else by their place.
func metricsOf(t tree) map[string]tree {
	all := map[string]tree{}
	list, _ := t["metrics"].([]any)
	for i, v := range list {
		m, _ := v.(tree)
		name, ok := m["name"].(string)
		if !ok {
			name = string(rune('0' + i))
		}
		all[name] = m
	}
	return all
}

// golden is a payload of a library with what it was told to put in.
type golden struct {
	Stamp   int64  `json:"stamp"`
	Seq     int64  `json:"seq"`
	Unit    string `json:"unit"`
	Payload string `json:"payload"`
	Metrics []struct {
		Name  string          `json:"name"`
		Alias uint64          `json:"alias"`
		Kind  kind            `json:"kind"`
		Stamp int64           `json:"stamp"`
		Value json.RawMessage `json:"value"`
	} `json:"metrics"`
}

// TestPayloadsOfOtherLibrariesAreRead has every numeric datatype with its extremes, as
// three libraries write it: a negative Int8 is 8 bits to one and 32 to another.
func TestPayloadsOfOtherLibrariesAreRead(t *testing.T) {
	for _, library := range []string{"pysparkplug", "tahutils", "sparkplug-payload"} {
		t.Run(library, func(t *testing.T) {
			var g golden
			b, err := os.ReadFile("testdata/" + library + ".json")
			if err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(b, &g); err != nil {
				t.Fatal(err)
			}
			raw, err := hex.DecodeString(g.Payload)
			if err != nil {
				t.Fatal(err)
			}
			p, err := decode(raw)
			if err != nil || p.seq != g.Seq || p.stampMS != g.Stamp {
				t.Fatalf("seq %d, time %d, %v; want %d, %d", p.seq, p.stampMS, err, g.Seq, g.Stamp)
			}
			read := map[string]metric{}
			p.each(func(m *metric) { read[string(m.name)] = *m })
			if len(g.Metrics) < 20 {
				t.Fatalf("only %d metrics", len(g.Metrics))
			}
			for _, want := range g.Metrics {
				m := read[want.Name]
				if m.alias != want.Alias || m.kind != want.Kind || m.stampMS != want.Stamp || string(m.unit) != g.Unit {
					t.Errorf("%s: alias %d, datatype %d, time %d, unit %q; want %+v", want.Name, m.alias, m.kind, m.stampMS, m.unit, want)
				}
				if got := numbers(t, &m); !slices.Equal(got, wanted(t, want.Value)) {
					t.Errorf("%s = %v, want %s", want.Name, got, want.Value)
				}
			}
		})
	}
}

// numbers are the value of a metric, or the elements of an array.
func numbers(t *testing.T, m *metric) []float64 {
	t.Helper()
	if v, ok := m.number(m.kind); ok {
		return []float64{v}
	}
	samples, counts, ok := m.array(m.kind)
	if !ok {
		t.Errorf("%s cannot be read", m.name)
	}
	var all []float64
	for _, s := range samples {
		all = append(all, float64(s))
	}
	for _, c := range counts {
		all = append(all, float64(c))
	}
	return all
}

func wanted(t *testing.T, b json.RawMessage) []float64 {
	t.Helper()
	var one float64
	if json.Unmarshal(b, &one) == nil {
		return []float64{one}
	}
	var all []float64
	if err := json.Unmarshal(b, &all); err != nil {
		t.Fatal(err)
	}
	for i := range all {
		all[i] = float64(float32(all[i])) // an array becomes float32
	}
	return all
}

func TestNumbersThatAreNoneOfTheirDatatypeAreRefused(t *testing.T) {
	for name, m := range map[string]metric{
		"Int8 of 300":            {kind: int8Kind, field: intValue, bits: 300},
		"Int8 as a double":       {kind: int8Kind, field: doubleValue, bits: math.Float64bits(1)},
		"UInt8 of 256":           {kind: uint8Kind, field: intValue, bits: 256},
		"UInt16 of 65536":        {kind: uint16Kind, field: longValue, bits: 65536},
		"Int32 of 2^33":          {kind: int32Kind, field: longValue, bits: 1 << 33},
		"Int64 in 32 bits":       {kind: int64Kind, field: intValue, bits: 1 << 31},
		"Int16 below its least":  {kind: int16Kind, field: intValue, bits: 0xFFFF7FFF},
		"Float as text":          {kind: floatKind, field: stringValue, bytes: []byte("1.5")},
		"Boolean as a number":    {kind: boolKind, field: intValue, bits: 1},
		"String":                 {kind: stringKind, field: stringValue, bytes: []byte("1")},
		"without a datatype":     {field: doubleValue},
		"Double without a value": {kind: doubleKind},
	} {
		if v, ok := m.number(m.kind); ok {
			t.Errorf("%s is read as %v", name, v)
		}
	}
	for name, m := range map[string]metric{
		"half an element":  {kind: floatArray, field: bytesValue, bytes: make([]byte, 6)},
		"not bytes":        {kind: int16Array, field: stringValue, bytes: make([]byte, 4)},
		"array of strings": {kind: stringArray, field: bytesValue, bytes: []byte("a\x00b\x00")},
	} {
		if _, _, ok := m.array(m.kind); ok {
			t.Errorf("%s is read as an array", name)
		}
	}
}
