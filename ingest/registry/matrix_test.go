package registry

import (
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/twmb/avro"
	"github.com/twmb/franz-go/pkg/sr"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/telltale-iot/telltale/ingest"
)

// evolution is a change of a schema, and what comes of it.
type evolution struct {
	name string
	avro edit
	prot edit
}

// edit is a change of one schema. Fields are named as the writer's and the reader's probe:
// the path to what changed.
type edit struct {
	base     [2]string // what the shipped schema has, what the old one has; empty: the old one is the shipped one
	from, to string    // what the old schema has, what the new one has
	old, new string    // path to the field in the old and in the new schema; empty: it is not there
	newReads string    // outcome of the new reader with the old writer's data
	oldReads string    // outcome of the old reader with the new writer's data
	registry string    // which of BACKWARD, FORWARD, FULL Apicurio allows
}

// What comes of a field.
const (
	asWritten  = "value"
	asDefault  = "default"
	passedOver = "passed over"
	refused    = "dead letter"
)

// What a registry says of a change, beside some of its rules.
const (
	everyRule = "BACKWARD, FORWARD, FULL"
	noRule    = "none"
)

const (
	avroUnit    = `{"name": "unit", "type": "string", "default": "", "doc": "UCUM code or a common spelling."},`
	avroMetric  = `{"name": "metric", "type": "string", "doc": "1 to 100 characters."},`
	avroValue   = `{"name": "value", "type": "double"},`
	avroQuality = `{"name": "quality", "type": ["null", "double"], "default": null, "doc": "0 to 100; null: 100."},
        {"name": "metadata"`
	avroKind = `{"name": "kind", "type": "string", "doc": "status, maintenance, inspection, part-replaced"},`
	avroTime = `{"name": "time_unix_ns", "type": {"type": "long", "logicalType": "timestamp-nanos"}, "doc": "Of the newest sample or point inside."},`
	grade    = `{"name": "grade", "type": {"type": "enum", "name": "Grade", "symbols": [%s]%s}},`

	protoUnit  = "string unit = 3;             // UCUM code or a common spelling"
	protoValue = "double value = 2;            // NaN: missing"
	protoKind  = "string kind = 2;             // status, maintenance, inspection, part-replaced"
)

func graded(symbols, more string) string { return avroKind + fmt.Sprintf(grade, symbols, more) }

func evolutions() []evolution {
	return []evolution{
		{
			"field added, with a default",
			edit{from: avroUnit, to: avroUnit + `{"name": "origin", "type": "string", "default": "?"},`, new: "points.origin", newReads: asDefault, oldReads: passedOver, registry: everyRule},
			edit{from: protoUnit, to: protoUnit + "\n string origin = 6;", new: "points.origin", newReads: asDefault, oldReads: passedOver, registry: "BACKWARD, FULL"},
		},
		{
			"field added, without a default",
			edit{from: avroUnit, to: avroUnit + `{"name": "origin", "type": "string"},`, new: "points.origin", newReads: refused, oldReads: passedOver, registry: "FORWARD"},
			edit{},
		},
		{
			"field removed that had a default",
			edit{from: avroUnit, to: "", old: "points.unit", newReads: passedOver, oldReads: asDefault, registry: everyRule},
			edit{from: protoUnit, to: "", old: "points.unit", newReads: passedOver, oldReads: asDefault, registry: "FORWARD, FULL"},
		},
		{
			"field removed that had a default, its number reserved",
			edit{},
			edit{from: protoUnit, to: `reserved 3; reserved "unit";`, old: "points.unit", newReads: passedOver, oldReads: asDefault, registry: noRule},
		},
		{
			"field removed that had no default",
			edit{from: avroValue, to: "", old: "points.value", newReads: passedOver, oldReads: refused, registry: "BACKWARD"},
			edit{},
		},
		{
			"field renamed, with an alias",
			edit{from: avroMetric, to: `{"name": "signal", "type": "string", "aliases": ["metric"]},`, old: "points.metric", new: "points.signal", newReads: asWritten, oldReads: refused, registry: "BACKWARD"},
			edit{},
		},
		{
			"field renamed, without an alias",
			edit{from: avroMetric, to: `{"name": "signal", "type": "string"},`, old: "points.metric", new: "points.signal", newReads: refused, oldReads: refused, registry: noRule},
			edit{from: "string metric = 1;", to: "string signal = 1;", old: "points.metric", new: "points.signal", newReads: asWritten, oldReads: asWritten, registry: noRule},
		},
		{
			"field with a default renamed, without an alias",
			edit{from: avroUnit, to: strings.Replace(avroUnit, `"unit"`, `"uom"`, 1), old: "points.unit", new: "points.uom", newReads: asDefault, oldReads: asDefault, registry: everyRule},
			edit{},
		},
		{
			"fields put in another order",
			edit{from: avroMetric + "\n        " + avroValue, to: avroValue + avroMetric, old: "points.value", new: "points.value", newReads: asWritten, oldReads: asWritten, registry: everyRule},
			edit{from: "string metric = 1;           // 1 to 100 characters\n  " + protoValue, to: protoValue + "\nstring metric = 1;", old: "points.value", new: "points.value", newReads: asWritten, oldReads: asWritten, registry: everyRule},
		},
		{
			"wider integer (int to long, uint32 to uint64)",
			edit{base: [2]string{`{"name": "counts", "type": "long"`, `{"name": "counts", "type": "int"`}, from: `{"name": "counts", "type": "int"`, to: `{"name": "counts", "type": "long"`, old: "hits.counts", new: "hits.counts", newReads: asWritten, oldReads: refused, registry: "BACKWARD"},
			edit{from: "uint32 counts = 6;", to: "uint64 counts = 6;", old: "hits.counts", new: "hits.counts", newReads: asWritten, oldReads: refused, registry: noRule},
		},
		{
			"signed integer made unsigned (int32 to uint32)",
			edit{},
			edit{base: [2]string{"uint32 counts = 6;", "int32 counts = 6;"}, from: "int32 counts = 6;", to: "uint32 counts = 6;", old: "hits.counts", new: "hits.counts", newReads: refused, oldReads: refused, registry: noRule},
		},
		{
			"float to double",
			edit{from: `"items": "float"`, to: `"items": "double"`, old: "wave.samples", new: "wave.samples", newReads: asWritten, oldReads: refused, registry: "BACKWARD"},
			edit{from: "repeated float samples = 11;", to: "repeated double samples = 11;", old: "wave.samples", new: "wave.samples", newReads: refused, oldReads: refused, registry: noRule},
		},
		{
			"double to string",
			edit{from: avroValue, to: strings.Replace(avroValue, "double", "string", 1), old: "points.value", new: "points.value", newReads: refused, oldReads: refused, registry: noRule},
			edit{from: protoValue, to: "string value = 2;", old: "points.value", new: "points.value", newReads: refused, oldReads: refused, registry: noRule},
		},
		{
			"enum grown that has a default",
			edit{base: [2]string{avroKind, graded(`"A", "B"`, `, "default": "A"`)}, from: graded(`"A", "B"`, `, "default": "A"`), to: graded(`"A", "B", "C"`, `, "default": "A"`), old: "event.grade", new: "event.grade", newReads: asWritten, oldReads: asDefault, registry: everyRule},
			edit{base: [2]string{protoKind, protoKind + "\n Grade grade = 9; enum Grade { A = 0; B = 1; }"}, from: "B = 1;", to: "B = 1; C = 2;", old: "event.grade", new: "event.grade", newReads: asWritten, oldReads: asWritten, registry: "BACKWARD, FULL"},
		},
		{
			"enum grown that has no default",
			edit{base: [2]string{avroKind, graded(`"A", "B"`, "")}, from: graded(`"A", "B"`, ""), to: graded(`"A", "B", "C"`, ""), old: "event.grade", new: "event.grade", newReads: asWritten, oldReads: refused, registry: "BACKWARD"},
			edit{},
		},
		{
			"optional made required",
			edit{from: avroQuality, to: strings.Replace(avroQuality, `["null", "double"], "default": null`, `"double"`, 1), old: "points.quality", new: "points.quality", newReads: refused, oldReads: asWritten, registry: "FORWARD"},
			edit{from: "optional double quality = 4;", to: "double quality = 4;", old: "points.quality", new: "points.quality", newReads: asWritten, oldReads: asWritten, registry: noRule},
		},
		{
			"required made optional",
			edit{from: avroValue, to: strings.Replace(avroValue, `"double"`, `["null", "double"], "default": null`, 1), old: "points.value", new: "points.value", newReads: asWritten, oldReads: refused, registry: "BACKWARD"},
			edit{from: protoValue, to: "optional double value = 2;", old: "points.value", new: "points.value", newReads: asWritten, oldReads: asWritten, registry: noRule},
		},
		{
			"one made many",
			edit{from: avroKind, to: strings.Replace(avroKind, `"string"`, `{"type": "array", "items": "string"}`, 1), old: "event.kind", new: "event.kind", newReads: refused, oldReads: refused, registry: noRule},
			edit{from: "string kind = 2;", to: "repeated string kind = 2;", old: "event.kind", new: "event.kind", newReads: asWritten, oldReads: refused, registry: noRule},
		},
		{
			"unit of a time changed (timestamp-nanos to timestamp-millis)",
			edit{from: avroTime, to: strings.Replace(avroTime, "timestamp-nanos", "timestamp-millis", 1), old: "time_unix_ns", new: "time_unix_ns", newReads: refused, oldReads: refused, registry: everyRule},
			edit{},
		},
	}
}

// texts are the old and the new schema.
func (e edit) texts(t *testing.T, shipped string) (old, changed string) {
	t.Helper()
	replace := func(s, from, to string) string {
		if strings.Count(s, from) == 0 {
			t.Fatalf("the schema has no %q", from)
		}
		return strings.Replace(s, from, to, 1)
	}
	old = shipped
	if e.base[0] != "" {
		old = replace(old, e.base[0], e.base[1])
	}
	return old, replace(old, e.from, e.to)
}

func TestSchemaEvolution(t *testing.T) {
	for _, e := range evolutions() {
		t.Run(e.name, func(t *testing.T) {
			for format, f := range map[string]struct {
				e       edit
				shipped string
				try     func(t *testing.T, writer, reader, probe, written string) string
			}{"Avro": {e.avro, ingest.TelemetryAvro(), tryAvro}, "Protobuf": {e.prot, ingest.TelemetryProto(), tryProto}} {
				if f.e.from == "" {
					continue
				}
				old, changed := f.e.texts(t, f.shipped)
				if got := f.try(t, old, changed, f.e.new, f.e.old); got != f.e.newReads {
					t.Errorf("%s, new reader, old writer: %s, want %s", format, got, f.e.newReads)
				}
				if got := f.try(t, changed, old, f.e.old, f.e.new); got != f.e.oldReads {
					t.Errorf("%s, old reader, new writer: %s, want %s", format, got, f.e.oldReads)
				}
			}
		})
	}
}

// tryAvro sends a record of the writer's schema through a decoder that reads the reader's,
// and tells what came of the field at probe, which was at written.
func tryAvro(t *testing.T, writer, reader, probe, written string) string {
	t.Helper()
	w := avro.MustParse(writer)
	sample := avroSample(w.Root(), naming{}).(map[string]any)
	body, err := w.Encode(sample)
	if err != nil {
		t.Fatal(err)
	}
	f := fake(t)
	id := register(t, f, "t-value", writer, sr.TypeAvro)
	own, err := newReaders(ingest.TelemetryProto(), reader)
	if err != nil {
		t.Fatal(err)
	}
	if bad := decodes(t, f.URL(), own, headed(id, body...)); bad != "" {
		return bad
	}
	resolved, err := own.avro.resolve(w)
	if err != nil {
		t.Fatalf("the decoder reads it, and it cannot be resolved: %v", err)
	}
	var got any
	if _, err := resolved.Decode(body, &got); err != nil {
		t.Fatal(err)
	}
	return compared(t, pick(got, probe), pick(sample, written), probe, written)
}

func tryProto(t *testing.T, writer, reader, probe, written string) string {
	t.Helper()
	file, err := compile(t.Context(), writer, nil)
	if err != nil {
		t.Fatal(err)
	}
	sample := dynamicpb.NewMessage(file.Messages().ByName("Telemetry"))
	protoSample(sample)
	body, err := proto.Marshal(sample)
	if err != nil {
		t.Fatal(err)
	}
	f := fake(t)
	id := register(t, f, "t-value", writer, sr.TypeProtobuf)
	own, err := newReaders(reader, ingest.TelemetryAvro())
	if err != nil {
		t.Fatal(err)
	}
	if bad := decodes(t, f.URL(), own, headed(id, append([]byte{0}, body...)...)); bad != "" {
		return bad
	}
	got := dynamicpb.NewMessage(own.proto.message)
	if err := proto.Unmarshal(body, got); err != nil {
		t.Fatal(err)
	}
	return compared(t, pick(plain(got), probe), pick(plain(sample), written), probe, written)
}

// decodes says how a message is refused; empty: it is read.
func decodes(t *testing.T, url string, own readers, payload []byte) string {
	t.Helper()
	r, err := open(Config{URLs: []string{url}}, own, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	got, err := r.Decoder(newBehind(t)).Decode(t.Context(), ingest.Message{Topic: "t", Payload: payload})
	switch {
	case err == nil && len(got) == 1 && got[0].Asset != "":
		return ""
	case reason(err) == SchemaMismatch && regexp.MustCompile(`schema 1: field \S+`).MatchString(err.Error()):
		return refused
	default:
		t.Fatalf("%v, %v, want readings or a field that does not match", got, err)
		return ""
	}
}

func compared(t *testing.T, got, wrote any, probe, written string) string {
	t.Helper()
	switch {
	case probe == "":
		return passedOver
	case written != "" && fmt.Sprint(got) == fmt.Sprint(wrote):
		return asWritten
	case got == nil || reflect.ValueOf(got).IsZero() || got == "?" || got == "A":
		return asDefault
	default:
		t.Errorf("field %s is %v, was written as %v", probe, got, wrote)
		return "another value"
	}
}

// pick follows a path into the first elements of lists.
func pick(v any, path string) any {
	for name := range strings.SplitSeq(path, ".") {
		for {
			l, ok := v.([]any)
			if !ok || len(l) == 0 {
				break
			}
			v = l[0]
		}
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[name]
	}
	if l, ok := v.([]any); ok && len(l) == 1 {
		return l[0]
	}
	return v
}

// avroSample is a value of a schema that is no default anywhere.
func avroSample(s *avro.SchemaNode, named naming) any {
	named.learn(s)
	s = named.of(s)
	switch s.Type {
	case "record":
		m := map[string]any{}
		for i := range s.Fields {
			m[s.Fields[i].Name] = avroSample(&s.Fields[i].Type, named)
		}
		return m
	case "array":
		return []any{avroSample(s.Items, named)}
	case "union":
		return avroSample(&s.Branches[1], named)
	case "enum":
		return s.Symbols[len(s.Symbols)-1]
	case "string":
		return "text"
	case "bytes":
		return []byte{1, 2}
	case "boolean":
		return true
	case "int":
		return int32(3)
	case "long":
		return int64(3)
	case "float":
		return float32(1.5)
	default:
		return 1.5
	}
}

func protoSample(m protoreflect.Message) {
	for i := range m.Descriptor().Fields().Len() {
		f := m.Descriptor().Fields().Get(i)
		value := func() protoreflect.Value {
			switch f.Kind() {
			case protoreflect.StringKind:
				return protoreflect.ValueOfString("text")
			case protoreflect.BytesKind:
				return protoreflect.ValueOfBytes([]byte{1, 2})
			case protoreflect.BoolKind:
				return protoreflect.ValueOfBool(true)
			case protoreflect.DoubleKind:
				return protoreflect.ValueOfFloat64(1.5)
			case protoreflect.FloatKind:
				return protoreflect.ValueOfFloat32(1.5)
			case protoreflect.Int32Kind, protoreflect.Sint32Kind:
				return protoreflect.ValueOfInt32(3)
			case protoreflect.Uint32Kind:
				return protoreflect.ValueOfUint32(3)
			case protoreflect.Uint64Kind:
				return protoreflect.ValueOfUint64(3)
			case protoreflect.EnumKind:
				return protoreflect.ValueOfEnum(f.Enum().Values().Get(f.Enum().Values().Len() - 1).Number())
			default:
				return protoreflect.ValueOfInt64(3)
			}
		}
		switch {
		case f.IsList() && f.Message() != nil:
			x := m.Mutable(f).List().AppendMutable().Message()
			protoSample(x)
		case f.IsList():
			m.Mutable(f).List().Append(value())
		case f.Message() != nil:
			protoSample(m.Mutable(f).Message())
		default:
			m.Set(f, value())
		}
	}
}

// plain is a message as maps and lists; fields that are left out have their default.
func plain(m protoreflect.Message) any {
	out := map[string]any{}
	for i := range m.Descriptor().Fields().Len() {
		f := m.Descriptor().Fields().Get(i)
		v := m.Get(f)
		switch {
		case f.IsList():
			var l []any
			for i := range v.List().Len() {
				if f.Message() != nil {
					l = append(l, plain(v.List().Get(i).Message()))
				} else {
					l = append(l, v.List().Get(i).Interface())
				}
			}
			out[string(f.Name())] = l
		case f.Message() != nil:
			out[string(f.Name())] = plain(v.Message())
		default:
			out[string(f.Name())] = v.Interface()
		}
	}
	return out
}
