package ingest_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bufbuild/protocompile"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/ingest"
)

// compiled is the message Telemetry of the schema, by a compiler that is not ours.
func compiled(t *testing.T) protoreflect.MessageDescriptor {
	t.Helper()
	c := protocompile.Compiler{Resolver: &protocompile.SourceResolver{
		Accessor: protocompile.SourceAccessorFromMap(map[string]string{"telemetry.proto": ingest.TelemetryProto()}),
	}}
	files, err := c.Compile(context.Background(), "telemetry.proto")
	if err != nil {
		t.Fatal(err)
	}
	return files[0].Messages().ByName("Telemetry")
}

// set gives a field of m a value; a list gets it appended.
func set(m protoreflect.Message, name string, v any) {
	f := m.Descriptor().Fields().ByName(protoreflect.Name(name))
	if f.IsList() {
		m.Mutable(f).List().Append(protoreflect.ValueOf(v))
		return
	}
	m.Set(f, protoreflect.ValueOf(v))
}

// inside is the message in a field, or a new one at the end of a list.
func inside(m protoreflect.Message, name string) protoreflect.Message {
	f := m.Descriptor().Fields().ByName(protoreflect.Name(name))
	if f.IsList() {
		return m.Mutable(f).List().AppendMutable().Message()
	}
	return m.Mutable(f).Message()
}

func get(m protoreflect.Message, name string) protoreflect.Value {
	return m.Get(m.Descriptor().Fields().ByName(protoreflect.Name(name)))
}

func has(m protoreflect.Message, name string) bool {
	return m.Has(m.Descriptor().Fields().ByName(protoreflect.Name(name)))
}

// someReading is a random one whose parts share their time, as AppendTelemetry can say it.
func someReading(r *rand.Rand) asset.Reading {
	words := []string{"a", "gearbox_oil_temperature", "Öl", strings.Repeat("x", 130), "°C", "m/s²"}
	word := func() string { return words[r.IntN(len(words))] }
	value := func() float64 {
		return []float64{0, math.Copysign(0, -1), 1, -1e300, math.Inf(1), r.NormFloat64()}[r.IntN(6)]
	}
	out := asset.Reading{Asset: asset.ID(word()), Time: t0.Add(time.Duration(r.Int64N(1e12)) * time.Microsecond), Seq: uint64(r.IntN(3)) * r.Uint64()}
	if r.IntN(2) == 0 {
		w := asset.Waveform{Channel: word(), RateHz: 25600, Unit: word(), Quality: float64(r.IntN(101)), First: r.IntN(2) == 0, Last: r.IntN(2) == 0}
		n := 1 + r.IntN(300)
		if r.IntN(2) == 0 {
			w.Scale = 1e-3
			for range n {
				w.Counts = append(w.Counts, int16(r.Uint32()))
			}
		} else {
			for range n {
				w.Samples = append(w.Samples, float32(r.NormFloat64()))
			}
		}
		w.Start = out.Time.Add(-time.Duration(math.Round(float64(n-1) / w.RateHz * 1e9)))
		out.Time = ingest.Newest(w)
		out.Wave = &w
	}
	for range r.IntN(5) {
		p := asset.Point{Metric: word(), Value: value(), Unit: word(), Quality: float64(r.IntN(101))}
		if r.IntN(3) == 0 {
			p.Meta = `{"sensor":"` + word() + `","n":[1,2]}`
		}
		out.Points = append(out.Points, p)
	}
	for range max(0, r.IntN(6)-3) {
		out.Features = append(out.Features, someFeatures(r, out.Time, word, value))
	}
	if r.IntN(3) == 0 || out.Blank() {
		out.Event = &asset.Event{Component: word(), Kind: "status", Code: word(), Text: word()}
	}
	return out
}

func someFeatures(r *rand.Rand, at time.Time, word func() string, value func() float64) asset.Features {
	f := asset.Features{Channel: word(), Start: at.Add(-time.Duration(r.Int64N(1e9))), End: at, RateHz: 25600, Samples: r.IntN(1 << 20), Quality: float64(r.IntN(101))}
	for range r.IntN(4) {
		x := asset.Feature{Name: word(), Unit: word(), Value: value()}
		if r.IntN(3) == 0 {
			x.Value, x.Reason = math.NaN(), asset.Reason(word())
		}
		f.Values = append(f.Values, x)
	}
	if r.IntN(2) == 0 {
		f.Evidence = &asset.Waveform{Channel: word(), Start: at, RateHz: 1e3, Unit: word(), Quality: 50, First: true, Counts: []int16{1, -2, int16(r.Uint32())}, Scale: 0.5}
	}
	return f
}

// described is a reading as the compiled schema says it.
func described(d protoreflect.MessageDescriptor, r asset.Reading, wave func(m protoreflect.Message, w asset.Waveform)) *dynamicpb.Message {
	m := dynamicpb.NewMessage(d)
	set(m, "asset", string(r.Asset))
	set(m, "time_unix_ns", r.Time.UnixNano())
	set(m, "sequence", r.Seq)
	for _, p := range r.Points {
		q := inside(m, "points")
		set(q, "metric", p.Metric)
		set(q, "value", p.Value)
		set(q, "unit", p.Unit)
		set(q, "quality", p.Quality)
		set(q, "metadata", p.Meta)
	}
	if e := r.Event; e != nil {
		q := inside(m, "event")
		set(q, "component", e.Component)
		set(q, "kind", e.Kind)
		set(q, "code", e.Code)
		set(q, "text", e.Text)
	}
	if w := r.Wave; w != nil {
		describe(inside(m, "wave"), *w, wave)
	}
	for _, f := range r.Features {
		q := inside(m, "features")
		set(q, "channel", f.Channel)
		set(q, "start_unix_ns", f.Start.UnixNano())
		set(q, "end_unix_ns", f.End.UnixNano())
		set(q, "rate_hz", f.RateHz)
		set(q, "samples", uint32(f.Samples))
		set(q, "quality", f.Quality)
		for _, x := range f.Values {
			v := inside(q, "values")
			set(v, "name", x.Name)
			set(v, "unit", x.Unit)
			set(v, "value", x.Value)
			set(v, "reason", string(x.Reason))
		}
		if e := f.Evidence; e != nil {
			describe(inside(q, "evidence"), *e, wave)
		}
	}
	return m
}

func describe(q protoreflect.Message, w asset.Waveform, wave func(m protoreflect.Message, w asset.Waveform)) {
	set(q, "channel", w.Channel)
	set(q, "start_unix_ns", w.Start.UnixNano())
	set(q, "rate_hz", w.RateHz)
	set(q, "unit", w.Unit)
	set(q, "quality", w.Quality)
	set(q, "first", w.First)
	set(q, "last", w.Last)
	set(q, "scale", w.Scale)
	wave(q, w)
}

func listed(q protoreflect.Message, w asset.Waveform) {
	for _, c := range w.Counts {
		set(q, "counts", int32(c))
	}
	for _, s := range w.Samples {
		set(q, "samples", s)
	}
}

func asBytes(q protoreflect.Message, w asset.Waveform) {
	if w.Counts == nil {
		listed(q, w)
		return
	}
	var b []byte
	for _, c := range w.Counts {
		b = append(b, byte(c), byte(uint16(c)>>8))
	}
	set(q, "counts_le", b)
}

// What code made from the schema writes, the decoder reads; what the encoder writes, that
// code reads the same way as what it wrote itself.
func TestProtobufAgreesWithTheSchema(t *testing.T) {
	d := compiled(t)
	r := rand.New(rand.NewPCG(1, 2))
	var p ingest.Payloads
	for i := range 600 {
		want := someReading(r)
		for name, wave := range map[string]func(protoreflect.Message, asset.Waveform){"lists": listed, "bytes": asBytes} {
			b, err := proto.MarshalOptions{Deterministic: i%2 == 0}.Marshal(described(d, want, wave))
			if err != nil {
				t.Fatal(err)
			}
			got, err := p.Decode(t.Context(), ingest.Message{Payload: b})
			if err != nil || len(got) != 1 || !equal(got[0], want) {
				t.Fatalf("%s: got %+v, %v; want %+v", name, got, err, want)
			}
		}
		own := ingest.AppendTelemetry([]byte("before"), want)
		back := dynamicpb.NewMessage(d)
		if err := proto.Unmarshal(own[len("before"):], back); err != nil {
			t.Fatal(err)
		}
		if ref := described(d, want, asBytes); !proto.Equal(dropAssumed(back), dropAssumed(ref)) {
			t.Fatalf("wrote %v, want %v", back, ref)
		}
		if len(back.GetUnknown()) > 0 {
			t.Fatalf("unknown fields %x", back.GetUnknown())
		}
	}
}

// dropAssumed leaves out qualities of 100 and the scale of samples, which need not be said.
func dropAssumed(m *dynamicpb.Message) *dynamicpb.Message {
	drop := func(q protoreflect.Message) {
		if f := q.Descriptor().Fields().ByName("quality"); q.Get(f).Float() == 100 {
			q.Clear(f)
		}
	}
	points := get(m, "points").List()
	for i := range points.Len() {
		drop(points.Get(i).Message())
	}
	if has(m, "wave") {
		drop(inside(m, "wave"))
	}
	features := get(m, "features").List()
	for i := range features.Len() {
		q := features.Get(i).Message()
		if drop(q); has(q, "evidence") {
			drop(inside(q, "evidence"))
		}
	}
	return m
}

// equal compares bit by bit, so that a NaN equals itself.
func equal(a, b asset.Reading) bool {
	bits := func(r asset.Reading) string {
		s := fmt.Sprintf("%q %v %d %+v", r.Asset, r.Time, r.Seq, r.Event)
		for _, p := range r.Points {
			s += fmt.Sprintf(" %q %x %q %v %q", p.Metric, math.Float64bits(p.Value), p.Unit, p.Quality, p.Meta)
		}
		return s
	}
	return bits(a) == bits(b) && reflect.DeepEqual(a.Wave, b.Wave) && slices.EqualFunc(a.Features, b.Features, sameFeatures)
}

func sameFeatures(a, b asset.Features) bool {
	same := slices.EqualFunc(a.Values, b.Values, func(x, y asset.Feature) bool {
		return x.Name == y.Name && x.Unit == y.Unit && x.Reason == y.Reason && math.Float64bits(x.Value) == math.Float64bits(y.Value)
	})
	a.Values, b.Values = nil, nil
	return same && reflect.DeepEqual(a, b)
}

// field appends a field to b.
func field(b []byte, num protowire.Number, v any) []byte {
	switch v := v.(type) {
	case string:
		return protowire.AppendString(protowire.AppendTag(b, num, protowire.BytesType), v)
	case []byte:
		return protowire.AppendBytes(protowire.AppendTag(b, num, protowire.BytesType), v)
	case float64:
		return protowire.AppendFixed64(protowire.AppendTag(b, num, protowire.Fixed64Type), math.Float64bits(v))
	case int64:
		return protowire.AppendFixed64(protowire.AppendTag(b, num, protowire.Fixed64Type), uint64(v))
	case float32:
		return protowire.AppendFixed32(protowire.AppendTag(b, num, protowire.Fixed32Type), math.Float32bits(v))
	case int:
		return protowire.AppendVarint(protowire.AppendTag(b, num, protowire.VarintType), uint64(v))
	}
	panic(fmt.Sprintf("%T", v))
}

func zigzag(values ...int64) []byte {
	var b []byte
	for _, v := range values {
		b = protowire.AppendVarint(b, protowire.EncodeZigZag(v))
	}
	return b
}

func TestProtobufIsReadAsProto3Says(t *testing.T) {
	at := field(nil, 3, t0.UnixNano())
	point := func(b []byte) []byte { return field(slices.Clone(at), 5, b) }
	wave := func(parts ...[]byte) []byte {
		head := field(field(field(field(nil, 1, "c"), 3, 100.0), 8, 0.5), 2, t0.UnixNano())
		b := field(nil, 7, head)
		for _, p := range parts {
			b = field(b, 7, p)
		}
		return b
	}
	unknown := protowire.AppendTag(nil, 200, protowire.StartGroupType)
	unknown = protowire.AppendTag(field(unknown, 3, "x"), 200, protowire.EndGroupType)
	for name, tc := range map[string]struct {
		b    []byte
		want string
	}{
		"the last scalar wins":      {point(field(field(field(field(nil, 1, "a"), 2, 1.0), 1, "b"), 2, 2.0)), "[{b 2  100 }] <nil> []"},
		"0 is left out":             {point(field(nil, 1, "a")), "[{a 0  100 }] <nil> []"},
		"quality 0 is not":          {point(field(field(nil, 1, "a"), 4, 0.0)), "[{a 0  0 }] <nil> []"},
		"unknown fields":            {append(point(append(slices.Clone(unknown), field(field(nil, 99, 1), 1, "a")...)), unknown...), "[{a 0  100 }] <nil> []"},
		"an event in parts":         {field(field(slices.Clone(at), 6, field(nil, 2, "status")), 6, field(nil, 3, "7")), "[] &{ status 7 } []"},
		"counts unpacked":           {wave(field(field(nil, 9, 1), 9, 2)), "[] <nil> [-1 1]"},
		"counts packed":             {wave(field(nil, 9, zigzag(-32768, 0, 32767))), "[] <nil> [-32768 0 32767]"},
		"counts of both and apart":  {wave(field(field(nil, 9, zigzag(5)), 9, 2), field(nil, 9, zigzag(6, 7))), "[] <nil> [5 1 6 7]"},
		"counts_le: the last":       {wave(field(field(nil, 10, []byte{1, 0}), 10, []byte{2, 0, 0xff, 0xff})), "[] <nil> [2 -1]"},
		"a varint longer than need": {wave(field(nil, 9, []byte{0x82, 0x80, 0x00})), "[] <nil> [1]"},
		"metadata":                  {point(field(field(nil, 1, "a"), 5, "{ \"b\" : [ 1 , \" \\\" \" ] }\n")), `[{a 0  100 {"b":[1," \" "]}}] <nil> []`},
		"count too large":           {wave(field(nil, 9, zigzag(32768))), "undecodable: no Protobuf of telltale.v1.Telemetry: a count is 32768, want -32768 to 32767"},
		"value as float":            {point(field(nil, 2, float32(1))), "undecodable: no Protobuf of telltale.v1.Telemetry: field 2 has wire type 5, want 1"},
		"no UTF-8":                  {point(field(nil, 1, "\xff")), "undecodable: no Protobuf of telltale.v1.Telemetry: a string is not UTF-8"},
		"metadata that is no JSON":  {point(field(nil, 5, "{")), "undecodable: no Protobuf of telltale.v1.Telemetry: metadata of a point is no JSON: byte 1: want a string"},
		"two ways of samples":       {wave(field(field(nil, 9, 1), 11, float32(1))), "undecodable: no Protobuf of telltale.v1.Telemetry: a waveform says its samples in 2 ways, want one of counts, counts_le and samples"},
		"scale 0":                   {field(nil, 7, field(field(nil, 1, "c"), 9, 1)), "undecodable: no Protobuf of telltale.v1.Telemetry: scale is 0, want a finite number that is not 0"},
		"no time":                   {field(nil, 5, field(nil, 1, "a")), "undecodable: points, features or an event without a time"},
		"cut off":                   {point(field(nil, 1, "abc"))[:12], "undecodable: no Protobuf of telltale.v1.Telemetry: unexpected EOF"},
		"nothing known":             {unknown, "undecodable: neither points nor event nor waveform nor hits nor features"},
		"group without end":         {unknown[:3], "undecodable: no Protobuf of telltale.v1.Telemetry: unexpected EOF"},
		"metadata too long":         {point(field(nil, 5, `"`+strings.Repeat("x", 4096)+`"`)), "oversize: 4098 bytes of metadata of a point, at most 4096 are read"},
		"too many points":           {append(slices.Clone(at), []byte(strings.Repeat("\x2a\x00", ingest.MaxPoints+1))...), "oversize: 65537 points in a message, at most 65536 are read"},
		"too many features":         {field(slices.Clone(at), 10, []byte(strings.Repeat("\x3a\x00", ingest.MaxPoints+1))), "oversize: 65537 features in a message, at most 65536 are read"},
		"too many windows":          {append(slices.Clone(at), []byte(strings.Repeat("\x52\x00", 129))...), "oversize: features of 129 windows in a message, at most 128 are read"},
		"evidence of nothing":       {field(slices.Clone(at), 10, field(nil, 8, field(nil, 1, "c"))), "undecodable: no Protobuf of telltale.v1.Telemetry: evidence of features: a waveform says its samples in 0 ways, want one of counts, counts_le and samples"},
		"evidence of too much":      {field(slices.Clone(at), 10, field(nil, 8, field(nil, 9, make([]byte, ingest.MaxWaveSamples+1)))), "oversize: 4194305 samples, at most 4194304 are read"},
		"too many samples":          {field(nil, 7, field(nil, 9, make([]byte, ingest.MaxWaveSamples+1))), "oversize: 4194305 samples, at most 4194304 are read"},
		"too many bytes":            {field(nil, 100, make([]byte, ingest.MaxProtobufBytes)), "oversize: 16777222 bytes of Protobuf, at most 16777216 are read"},
	} {
		t.Run(name, func(t *testing.T) {
			all, err := ingest.DecodeProtobuf(tc.b, ingest.Message{Asset: "wt1"})
			got := ""
			if bad, ok := errors.AsType[*asset.Invalid](err); ok {
				got = strings.ReplaceAll(string(bad.Reason)+": "+bad.Text, "\u00a0", " ")
			} else if r := all[0]; err == nil {
				var counts []int16
				if r.Wave != nil {
					counts = r.Wave.Counts
				}
				got = fmt.Sprint(r.Points, " ", r.Event, " ", counts)
			}
			if got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
		})
	}
}

// A point of a message that repeats names costs nothing but its place in a list.
func TestProtobufPointsCostNoAllocation(t *testing.T) {
	var p ingest.Payloads
	m := ingest.Message{Payload: ingest.AppendTelemetry(nil, hundred())}
	per := testing.AllocsPerRun(100, func() {
		if _, err := p.Decode(context.Background(), m); err != nil {
			t.Fatal(err)
		}
	})
	if per > 5 {
		t.Errorf("%g allocations for 100 points, want at most 5", per)
	}
}

// hundred is a reading of 100 points.
func hundred() asset.Reading {
	r := asset.Reading{Asset: "wt1", Time: t0}
	for i := range 100 {
		r.Points = append(r.Points, asset.Point{Metric: fmt.Sprintf("gearbox_temperature_%d", i), Value: 20 + float64(i)/7, Unit: "°C", Quality: 100})
	}
	return r
}

func BenchmarkDecodeScalars(b *testing.B) {
	js, err := ingest.EncodeTelemetry(hundred())
	if err != nil {
		b.Fatal(err)
	}
	for name, payload := range map[string][]byte{"json": js, "protobuf": ingest.AppendTelemetry(nil, hundred())} {
		b.Run(name, func(b *testing.B) {
			var p ingest.Payloads
			b.ReportAllocs()
			for b.Loop() {
				if _, err := p.Decode(context.Background(), ingest.Message{Payload: payload}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)*100/b.Elapsed().Seconds()/1e6, "Mpoints/s")
		})
	}
}
