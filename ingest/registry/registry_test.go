package registry

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/avro"
	"github.com/twmb/franz-go/pkg/sr"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/ingest"
)

func TestProtobufOfTheSameSchemaIsRead(t *testing.T) {
	f := fake(t)
	id := register(t, f, "t-value", ingest.TelemetryProto(), sr.TypeProtobuf)
	d := opened(t, Config{URLs: []string{f.URL()}}).Decoder(newBehind(t))
	body := protoBytes(t, ingest.TelemetryProto(), onePoint)
	for name, way := range map[string][]byte{"the short way": {0}, "the long way": {2, 0}} {
		got, err := d.Decode(t.Context(), ingest.Message{Topic: "t", Payload: headed(id, append(way, body...)...)})
		want := asset.Point{Metric: "power", Value: 1500.5, Unit: "kW", Quality: 100}
		if err != nil || len(got) != 1 || got[0].Asset != "WT-1" || len(got[0].Points) != 1 || got[0].Points[0] != want {
			t.Errorf("%s: got %+v, %v, want the point %+v", name, got, err, want)
		}
	}
}

func TestMessagesWithoutAHeaderGoOn(t *testing.T) {
	n := newBehind(t)
	d := opened(t, Config{URLs: []string{"http://127.0.0.1:1"}}).Decoder(n)
	for _, payload := range []string{`{"asset":"a"}`, "TTWV…", "", "\x12\x01a", "\xC3\x01short"} {
		if _, err := d.Decode(t.Context(), ingest.Message{Payload: []byte(payload)}); err != nil {
			t.Errorf("%q: %v", payload, err)
		}
	}
	if len(n.plain) != 5 {
		t.Errorf("%d of 5 messages without a header went on", len(n.plain))
	}
}

func TestJSONGoesOnWithoutItsHeader(t *testing.T) {
	f := fake(t)
	id := register(t, f, "t-value", `{"type":"object"}`, sr.TypeJSON)
	n := newBehind(t)
	d := opened(t, Config{URLs: []string{f.URL()}}).Decoder(n)
	if _, err := d.Decode(t.Context(), ingest.Message{Topic: "t", Payload: headed(id, []byte(`{"a":1}`)...)}); err != nil {
		t.Fatal(err)
	}
	if got := string(n.plain[0].Payload); got != `{"a":1}` || n.plain[0].Topic != "t" {
		t.Errorf("the next decoder got %q of topic %q, want the body of t", got, n.plain[0].Topic)
	}
}

func TestBrokenHeadersAreRefused(t *testing.T) {
	f := fake(t)
	id := register(t, f, "t-value", ingest.TelemetryProto(), sr.TypeProtobuf)
	d := opened(t, Config{URLs: []string{f.URL()}}).Decoder(newBehind(t))
	for name, c := range map[string]struct {
		payload []byte
		want    asset.Reason
	}{
		"a 0 alone":                    {[]byte{0}, ingest.Undecodable},
		"a number cut short":           {[]byte{0, 0, 0, 1}, ingest.Undecodable},
		"a number of 32 bits":          {headed(-1, 0), ingest.Undecodable},
		"a number of eight bytes":      {[]byte{0, 0, 0, 0, 0, 0, 0, 0, byte(id), 0}, ingest.Undecodable},
		"no way to the message":        {headed(id), ingest.Undecodable},
		"a way that never ends":        {headed(id, 0x80, 0x80, 0x80), ingest.Undecodable},
		"a way of 2⁶² steps":           {headed(id, 0xFE, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F), ingest.Undecodable},
		"a way of −1 steps":            {headed(id, 1), ingest.Undecodable},
		"a step of −1":                 {headed(id, 2, 1), ingest.Undecodable},
		"a message that is not there":  {headed(id, 2, 100), SchemaMismatch},
		"another message of the file":  {headed(id, 2, 2), SchemaMismatch},
		"a message inside another one": {headed(id, 4, 0, 0), SchemaMismatch},
		"a schema that is not there":   {headed(77, 0), UnknownSchema},
	} {
		if _, err := d.Decode(t.Context(), ingest.Message{Topic: "t", Payload: c.payload}); reason(err) != c.want {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
}

func TestAvroSaysTheSameAsProtobuf(t *testing.T) {
	f := fake(t)
	id := register(t, f, "t-value", ingest.TelemetryAvro(), sr.TypeAvro)
	d := opened(t, Config{URLs: []string{f.URL()}}).Decoder(newBehind(t))
	s := avro.MustParse(ingest.TelemetryAvro())
	q := 55.5
	in := telemetry{
		Asset: "WT-1", TimeNs: 1_700_000_000_123_456_789, Sequence: 9,
		Points: []point{{Metric: "power", Value: -3.25, Unit: "kW", Quality: &q, Metadata: `{"a":1}`}, {Metric: "zero"}, {Metric: "nan", Value: math.NaN()}},
		Event:  &event{Component: "gearbox", Kind: "status", Code: "17", Text: "läuft"},
		Wave:   &wave{Channel: "x", StartNs: 5, RateHz: 25600, Unit: "g", First: true, Last: true, Scale: 0.001, CountsLE: []byte{1, 0, 0xFF, 0xFF}, Samples: []float32{1.5, -2}},
		Hits:   []hit{{Channel: "ae", TimeNs: 7, AmplitudeDB: 60, DurationUs: 10, RiseUs: 2, Counts: 12, Energy: 3}},
	}
	body, err := s.Encode(&in)
	if err != nil {
		t.Fatal(err)
	}
	single, err := s.AppendSingleObject(nil, &in)
	if err != nil {
		t.Fatal(err)
	}
	for name, payload := range map[string][]byte{"by number": headed(id, body...), "by fingerprint": single} {
		got, err := d.Decode(t.Context(), ingest.Message{Topic: "t", Payload: payload})
		if err != nil || len(got) != 1 {
			t.Fatalf("%s: %v, %v", name, got, err)
		}
		r := got[0]
		if r.Asset != "WT-1" || r.Time.UnixNano() != in.TimeNs || r.Seq != 9 || len(r.Points) != 3 {
			t.Fatalf("%s: got %+v", name, r)
		}
		if p := r.Points[0]; p != (asset.Point{Metric: "power", Value: -3.25, Unit: "kW", Quality: 55.5, Meta: `{"a":1}`}) {
			t.Errorf("%s: first point is %+v", name, p)
		}
		if p := r.Points[1]; p != (asset.Point{Metric: "zero", Quality: 100}) {
			t.Errorf("%s: second point is %+v", name, p)
		}
		if p := r.Points[2]; !math.IsNaN(p.Value) {
			t.Errorf("%s: third point is %+v, want NaN", name, p)
		}
		if *r.Event != (asset.Event{Component: "gearbox", Kind: "status", Code: "17", Text: "läuft"}) {
			t.Errorf("%s: event is %+v", name, r.Event)
		}
		if w := r.Wave; w.Channel != "x" || w.Start.UnixNano() != 5 || w.RateHz != 25600 || w.Unit != "g" || w.Quality != 100 || !w.First || !w.Last || w.Scale != 0.001 ||
			fmt.Sprint(w.Counts) != "[1 -1]" || fmt.Sprint(w.Samples) != "[1.5 -2]" {
			t.Errorf("%s: waveform is %+v", name, w)
		}
	}
}

// TestHitsOfAvro compares each field of a hit, which makes points only further on.
func TestHitsOfAvro(t *testing.T) {
	s := scratch{t: telemetry{Hits: []hit{{Channel: "ae", TimeNs: 7, AmplitudeDB: 60, DurationUs: 10, RiseUs: 2, Counts: 1 << 31, Energy: 3}}}}
	if bad := s.encode("x"); bad != nil {
		t.Fatal(bad)
	}
	m := dynamicpb.NewMessage(newBehind(t).message)
	if err := proto.Unmarshal(s.out, m); err != nil {
		t.Fatal(err)
	}
	h := get(m, "hits").List().Get(0).Message()
	got := fmt.Sprint(get(h, "channel"), get(h, "time_unix_ns"), get(h, "amplitude_db"), get(h, "duration_us"), get(h, "rise_us"), get(h, "counts"), get(h, "energy"))
	if want := "ae 7 60 10 2 2147483648 3"; got != want {
		t.Errorf("hit is %s, want %s", got, want)
	}
	s.t.Hits[0].Counts = 1 << 32
	if bad := s.encode("x"); bad == nil || bad.Reason != ingest.Undecodable {
		t.Errorf("counts of 2³²: %v, want it refused", bad)
	}
}

func TestReadsOnlyWhatBearsItsName(t *testing.T) {
	f := fake(t)
	foreign := strings.Replace(ingest.TelemetryProto(), "package telltale.v1", "package com.example", 1)
	foreignAvro := strings.Replace(ingest.TelemetryAvro(), `"namespace": "telltale.v1"`, `"namespace": "com.example"`, 1)
	p := register(t, f, "p-value", foreign, sr.TypeProtobuf)
	a := register(t, f, "a-value", foreignAvro, sr.TypeAvro)
	body := protoBytes(t, foreign, onePoint)
	record, err := avro.MustParse(foreignAvro).Encode(&telemetry{Asset: "WT-1", Points: []point{{Metric: "power", Value: 1}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		names []string
		want  asset.Reason
	}{{nil, SchemaMismatch}, {[]string{"com.example.Telemetry"}, ""}} {
		d := opened(t, Config{URLs: []string{f.URL()}, Names: c.names}).Decoder(newBehind(t))
		for format, payload := range map[string][]byte{"Protobuf": headed(p, append([]byte{0}, body...)...), "Avro": headed(a, record...)} {
			got, err := d.Decode(t.Context(), ingest.Message{Topic: "t", Payload: payload})
			if reason(err) != c.want || (c.want == "") != (len(got) == 1) {
				t.Errorf("%s, names %v: %v, %v, want reason %q", format, c.names, got, err, c.want)
			}
		}
	}
}

func TestReferencesAreFollowed(t *testing.T) {
	point := `syntax = "proto3"; package telltale.v1; import "base.proto"; message Point { string metric = 1; double value = 2; Unit unit_text = 3000; }`
	base := `syntax = "proto3"; package telltale.v1; message Unit { string s = 1; }`
	main := `syntax = "proto3"; package telltale.v1; import "point.proto"; import "google/protobuf/timestamp.proto";
		message Telemetry { string asset = 2; repeated Point points = 5; google.protobuf.Timestamp at = 40; }`
	f := fake(t)
	register(t, f, "base", base, sr.TypeProtobuf)
	register(t, f, "point", point, sr.TypeProtobuf, sr.SchemaReference{Name: "base.proto", Subject: "base", Version: 1})
	id := register(t, f, "t-value", main, sr.TypeProtobuf, sr.SchemaReference{Name: "point.proto", Subject: "point", Version: 1})

	pointAvro := `{"type":"record","name":"Point","namespace":"other","fields":[{"name":"metric","type":"string"},{"name":"value","type":"double"}]}`
	mainAvro := `{"type":"record","name":"Telemetry","namespace":"telltale.v1","fields":[{"name":"time_unix_ns","type":"long"},{"name":"points","type":{"type":"array","items":"other.Point"}}]}`
	register(t, f, "point-avro", pointAvro, sr.TypeAvro)
	idAvro := register(t, f, "a-value", mainAvro, sr.TypeAvro, sr.SchemaReference{Name: "other.Point", Subject: "point-avro", Version: 1})

	d := opened(t, Config{URLs: []string{f.URL()}}).Decoder(newBehind(t))
	body := []byte{0, 0x12, 2, 'W', '1', 0x2A, 3, 0x0A, 1, 'm'}
	got, err := d.Decode(t.Context(), ingest.Message{Topic: "t", Payload: headed(id, body...)})
	if err != nil || got[0].Asset != "W1" || got[0].Points[0].Metric != "m" {
		t.Errorf("Protobuf with references: %+v, %v", got, err)
	}
	got, err = d.Decode(t.Context(), ingest.Message{Topic: "t", Payload: headed(idAvro, 10, 2, 2, 'm', 0, 0, 0, 0, 0, 0, 0xF0, 0x3F, 0)})
	if err != nil || len(got[0].Points) != 1 || got[0].Points[0].Value != 1 || got[0].Time.UnixNano() != 5 {
		t.Errorf("Avro with references: %+v, %v", got, err)
	}
}

// Confluent's registry writes options of a file that it has built in into what it hands out.
func TestConfluentsOwnOptionsArePassedOver(t *testing.T) {
	f := fake(t)
	base := `syntax = "proto3"; package telltale.v1; import public "confluent/meta.proto"; option (confluent.file_meta).doc = "units";
		message Unit { option (.confluent.message_meta) = {tags: ["a"], params: [{key: "k", value: "v"}]}; string s = 1; }`
	text := `syntax = "proto3"; package telltale.v1; import "confluent/meta.proto"; import public "base.proto"; import "google/protobuf/timestamp.proto";
		option java_package = "x"; option (confluent.file_meta).doc = "telemetry";
		enum Grade { option (confluent.enum_meta).doc = "x"; A = 0 [(confluent.enum_value_meta).doc = "x", deprecated = true]; }
		message Telemetry { string asset = 2 [(confluent.field_meta) = {doc: "x"}, deprecated = true]; repeated Grade grades = 20 [packed = false]; Unit unit = 21; google.protobuf.Timestamp at = 22;
			oneof one { string a = 23; } }`
	register(t, f, "base", base, sr.TypeProtobuf)
	id := register(t, f, "t-value", text, sr.TypeProtobuf, sr.SchemaReference{Name: "base.proto", Subject: "base", Version: 1})
	d := opened(t, Config{URLs: []string{f.URL()}}).Decoder(newBehind(t))
	got, err := d.Decode(t.Context(), ingest.Message{Topic: "t", Payload: headed(id, 0, 0x12, 2, 'W', '1')})
	if err != nil || len(got) != 1 || got[0].Asset != "W1" {
		t.Errorf("got %+v, %v", got, err)
	}
	other := register(t, f, "o-value", strings.Replace(text, "confluent/meta.proto", "acme/meta.proto", 1), sr.TypeProtobuf, sr.SchemaReference{Name: "base.proto", Subject: "base", Version: 1})
	if _, err := d.Decode(t.Context(), ingest.Message{Topic: "t", Payload: headed(other, 0)}); reason(err) != BadSchema || !strings.Contains(err.Error(), "acme/meta.proto") {
		t.Errorf("a file that nobody has: %v, want %s", err, BadSchema)
	}
}

func TestSchemasThatAreNoneAreVerdicts(t *testing.T) {
	big := "// " + strings.Repeat("x", maxSchemaBytes)
	deep := strings.Repeat("message A { ", 200) + strings.Repeat("}", 200)
	bomb := `{"type":"record","name":"Telemetry","namespace":"telltale.v1","fields":[` // each level holds the one below twice
	inner := `"int"`
	for i := range 20 {
		inner = fmt.Sprintf(`{"type":"record","name":"B%d","fields":[{"name":"a","type":%s},{"name":"b","type":%q}]}`, i, inner, map[bool]string{true: "int", false: fmt.Sprintf("telltale.v1.B%d", i-1)}[i == 0])
	}
	bomb += `{"name":"time_unix_ns","type":"long"},{"name":"x","type":` + inner + `}]}`
	for name, c := range map[string]struct {
		text string
		kind sr.SchemaType
		want asset.Reason
	}{
		"no Protobuf":                {"syntax = nonsense", sr.TypeProtobuf, BadSchema},
		"an import without a schema": {`syntax = "proto3"; import "other.proto";`, sr.TypeProtobuf, BadSchema},
		"too large":                  {big, sr.TypeProtobuf, BadSchema},
		"nested without end":         {deep, sr.TypeProtobuf, BadSchema},
		"no Avro":                    {`{"type":"recrod"}`, sr.TypeAvro, BadSchema},
		"Avro nested without end":    {strings.Repeat(`{"type":"array","items":`, 20000) + `"int"` + strings.Repeat("}", 20000), sr.TypeAvro, BadSchema},
		"no record":                  {`"string"`, sr.TypeAvro, SchemaMismatch},
		"Avro of 2²⁰ fields":         {bomb, sr.TypeAvro, ""}, // they are passed over
	} {
		url := shelf(t, func(string) any { return map[string]any{"schema": c.text, "schemaType": c.kind} })
		d := opened(t, Config{URLs: []string{url}}).Decoder(newBehind(t))
		body := []byte{0}
		if c.want == "" {
			body = append([]byte{2}, make([]byte, 21)...)
		}
		began := time.Now()
		_, err := d.Decode(t.Context(), ingest.Message{Topic: "t", Payload: headed(1, body...)})
		if c.want != "" && reason(err) != c.want || c.want == "" && reason(err) == BadSchema {
			t.Errorf("%s: %.200v, want %q", name, err, c.want)
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("%s: it took %s", name, took)
		}
	}
}

func TestReferencesThatLeadNowhere(t *testing.T) {
	refers := func(subject string) any {
		ref := map[string]any{"name": subject + ".proto", "subject": subject, "version": 1}
		return map[string]any{"schema": `syntax = "proto3";`, "schemaType": "PROTOBUF", "references": []any{ref}}
	}
	var asked atomic.Int64
	url := shelf(t, func(path string) any {
		asked.Add(1)
		fixed := map[string]any{
			"/schemas/ids/1": refers("a"), "/subjects/a/versions/1": refers("b"), "/subjects/b/versions/1": refers("a"),
			"/schemas/ids/2": refers("gone"),
			"/schemas/ids/3": refers("avro"), "/subjects/avro/versions/1": map[string]any{"schema": `"int"`},
			"/schemas/ids/4": refers("n0"), // each of them refers to the next
			"/schemas/ids/5": map[string]any{"schema": "struct", "schemaType": "THRIFT"},
		}
		var n int
		if _, err := fmt.Sscanf(path, "/subjects/n%d/versions/1", &n); err == nil {
			return refers(fmt.Sprintf("n%d", n+1))
		}
		return fixed[path]
	})
	d := opened(t, Config{URLs: []string{url}}).Decoder(newBehind(t))
	for id, want := range map[int]struct {
		reason asset.Reason
		text   string
	}{1: {BadSchema, "leads back to itself"}, 2: {UnknownSchema, "gone"}, 3: {BadSchema, "of type AVRO"}, 4: {BadSchema, "more than 64"}, 5: {BadSchema, "THRIFT"}} {
		if _, err := d.Decode(t.Context(), ingest.Message{Topic: "t", Payload: headed(id, 0)}); reason(err) != want.reason || !strings.Contains(err.Error(), want.text) {
			t.Errorf("schema %d: %v, want %s with %q", id, err, want.reason, want.text)
		}
	}
	if n := asked.Load(); n > 100 {
		t.Errorf("%d requests", n)
	}
}

func TestConfigNamesEveryWrongField(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		config Config
		want   []string
	}{
		"nothing":  {Config{}, []string{`urls: an empty list is not allowed: want at least one`}},
		"good":     {Config{URLs: []string{"http://a:8081", "https://b/apis/ccompat/v7"}, User: "u", PasswordFile: secret, TLS: &ingest.TLS{}}, nil},
		"password": {Config{URLs: []string{"http://u:p@a"}}, []string{"urls[0]: a password in an address is not allowed: want user and password_file"}},
		"all": {
			Config{URLs: []string{"kafka:9092"}, User: "u", TokenFile: "/none", TLS: &ingest.TLS{CA: "/none"}, Timeout: time.Nanosecond, Schemas: -1, Unknown: -1, Names: []string{""}, Subjects: "x"},
			[]string{"urls[0]: ", "password_file: ", "token_file: ", "tls: for http", `tls.ca: "/none"`, "timeout: 1ns", "schemas: -1", "unknown: -1ns", "names[0]: ", `subjects: "x"`},
		},
	} {
		err := c.config.Validate()
		for _, want := range c.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want it to say %s", name, err, want)
			}
		}
		if len(c.want) == 0 && err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if strings.Contains(fmt.Sprint(err), "u:p") {
			t.Errorf("%s: the error shows the password: %v", name, err)
		}
	}
}
