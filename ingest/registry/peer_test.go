package registry

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/sr"
	"github.com/twmb/franz-go/pkg/sr/srfake"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/ingest"
)

// behind reads Protobuf by descriptors, which shares no code with what is tested.
type behind struct {
	message protoreflect.MessageDescriptor

	mu    sync.Mutex
	plain []ingest.Message // that came without a header
}

func newBehind(tb testing.TB) *behind {
	tb.Helper()
	own, err := telemetryReaders()
	if err != nil {
		tb.Fatal(err)
	}
	return &behind{message: own.proto.message}
}

func (n *behind) Decode(_ context.Context, m ingest.Message) ([]asset.Reading, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	m.Payload = append([]byte(nil), m.Payload...)
	n.plain = append(n.plain, m)
	return []asset.Reading{{Asset: m.Asset, Time: time.Unix(1, 0)}}, nil
}

func (n *behind) DecodeProtobuf(b []byte, m ingest.Message) ([]asset.Reading, error) {
	x := dynamicpb.NewMessage(n.message)
	if err := proto.Unmarshal(b, x); err != nil {
		return nil, refuse(ingest.Undecodable, where(m), "%v", err)
	}
	return []asset.Reading{readingOf(x)}, nil
}

func get(m protoreflect.Message, name protoreflect.Name) protoreflect.Value {
	return m.Get(m.Descriptor().Fields().ByName(name))
}

func quality(m protoreflect.Message) float64 {
	if f := m.Descriptor().Fields().ByName("quality"); m.Has(f) {
		return m.Get(f).Float()
	}
	return 100
}

func readingOf(x protoreflect.Message) asset.Reading {
	r := asset.Reading{Asset: asset.ID(get(x, "asset").String()), Time: time.Unix(0, get(x, "time_unix_ns").Int()).UTC(), Seq: get(x, "sequence").Uint()}
	points := get(x, "points").List()
	for i := range points.Len() {
		p := points.Get(i).Message()
		r.Points = append(r.Points, asset.Point{Metric: get(p, "metric").String(), Value: get(p, "value").Float(), Unit: get(p, "unit").String(), Quality: quality(p), Meta: get(p, "metadata").String()})
	}
	if f := x.Descriptor().Fields().ByName("event"); x.Has(f) {
		e := x.Get(f).Message()
		r.Event = &asset.Event{Component: get(e, "component").String(), Kind: get(e, "kind").String(), Code: get(e, "code").String(), Text: get(e, "text").String()}
	}
	if f := x.Descriptor().Fields().ByName("wave"); x.Has(f) {
		w := x.Get(f).Message()
		r.Wave = &asset.Waveform{Channel: get(w, "channel").String(), Start: time.Unix(0, get(w, "start_unix_ns").Int()).UTC(), RateHz: get(w, "rate_hz").Float(), Unit: get(w, "unit").String(), Quality: quality(w), First: get(w, "first").Bool(), Last: get(w, "last").Bool(), Scale: get(w, "scale").Float()}
		counts := get(w, "counts_le").Bytes()
		for i := 0; i+1 < len(counts); i += 2 {
			r.Wave.Counts = append(r.Wave.Counts, int16(uint16(counts[i])|uint16(counts[i+1])<<8))
		}
		samples := get(w, "samples").List()
		for i := range samples.Len() {
			r.Wave.Samples = append(r.Wave.Samples, float32(samples.Get(i).Float()))
		}
	}
	return r
}

// opened is a registry at url whose clock stands at now.
func opened(tb testing.TB, c Config) *Registry {
	tb.Helper()
	if err := c.Validate(); err != nil {
		tb.Fatal(err)
	}
	r, err := Open(c)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(r.Close)
	return r
}

// fake is a registry in this process.
func fake(tb testing.TB, opts ...srfake.Option) *srfake.Registry {
	tb.Helper()
	f := srfake.New(opts...)
	tb.Cleanup(f.Close)
	return f
}

func register(tb testing.TB, f *srfake.Registry, subject, text string, kind sr.SchemaType, refs ...sr.SchemaReference) int {
	tb.Helper()
	id, _, err := f.RegisterSchema(subject, sr.Schema{Schema: text, Type: kind, References: refs})
	if err != nil {
		tb.Fatal(err)
	}
	return id
}

func headed(id int, body ...byte) []byte {
	return append([]byte{0, byte(id >> 24), byte(id >> 16), byte(id >> 8), byte(id)}, body...)
}

func reason(err error) asset.Reason {
	if bad, ok := errors.AsType[*asset.Invalid](err); ok {
		return bad.Reason
	}
	return ""
}

// protoBytes encodes a telemetry message by a Protobuf text format-free way: field by field.
func protoBytes(tb testing.TB, text string, set func(m *dynamicpb.Message)) []byte {
	tb.Helper()
	file, err := compile(tb.Context(), text, nil)
	if err != nil {
		tb.Fatal(err)
	}
	m := dynamicpb.NewMessage(file.Messages().ByName("Telemetry"))
	set(m)
	b, err := proto.Marshal(m)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func setField(m protoreflect.Message, name protoreflect.Name, v any) {
	f := m.Descriptor().Fields().ByName(name)
	if f == nil {
		panic("no field " + string(name))
	}
	m.Set(f, protoreflect.ValueOf(v))
}

func onePoint(m *dynamicpb.Message) {
	setField(m, "asset", "WT-1")
	setField(m, "time_unix_ns", int64(1_000_000_000))
	l := m.Mutable(m.Descriptor().Fields().ByName("points")).List()
	p := l.NewElement().Message()
	setField(p, "metric", "power")
	setField(p, "value", 1500.5)
	setField(p, "unit", "kW")
	l.Append(protoreflect.ValueOfMessage(p))
}

// shelf is a registry that holds what it is told to, true to itself or not.
func shelf(t *testing.T, at func(path string) any) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/vnd.schemaregistry.v1+json")
		said := at(r.URL.Path)
		if said == nil {
			w.WriteHeader(http.StatusNotFound)
			said = map[string]any{"error_code": 40401, "message": "Subject not found."}
		}
		_ = json.NewEncoder(w).Encode(said)
	}))
	t.Cleanup(s.Close)
	return s.URL
}
