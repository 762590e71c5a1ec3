package registry

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/avro"
	"github.com/twmb/franz-go/pkg/sr"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/ingest"
	"github.com/telltale-iot/telltale/ingest/ingesttest"
)

// What a decoder may allocate: 64 times its input, and something for a message that is
// almost nothing: tables and texts of an error, and a scratch of its own.
const (
	mostTimes = 64
	mostFloor = 64 << 10
)

// narrow is the writer whose points, hits and samples take the fewest bytes that can be read.
const narrow = `{"type":"record","name":"Telemetry","namespace":"telltale.v1","fields":[
	{"name":"time_unix_ns","type":"int"},
	{"name":"points","type":{"type":"array","items":{"type":"record","name":"Point","fields":[{"name":"metric","type":"string"},{"name":"value","type":"int"}]}}},
	{"name":"hits","type":{"type":"array","items":{"type":"record","name":"Hit","fields":[{"name":"channel","type":"string"},{"name":"time_unix_ns","type":"int"},{"name":"amplitude_db","type":"int"}]}}},
	{"name":"wave","type":["null",{"type":"record","name":"Waveform","fields":[{"name":"start_unix_ns","type":"int"},{"name":"rate_hz","type":"int"},{"name":"samples","type":{"type":"array","items":"int"}}]}]},
	{"name":"nothing","type":{"type":"array","items":"null"}},
	{"name":"words","type":{"type":"map","values":"null"}},
	{"name":"tree","type":["null",{"type":"record","name":"Tree","fields":[{"name":"next","type":["null","Tree"]}]}]},
	{"name":"asset","type":"string"}]}`

// piece is a part of a hand-made Avro message.
func long(n int64) []byte { return binary.AppendVarint(nil, n) }

func many(n int, blocks bool, item ...byte) []byte {
	var b []byte
	if blocks {
		for range n {
			b = append(append(b, long(1)...), item...)
		}
		return append(b, 0)
	}
	b = append(b, long(int64(n))...)
	for range n {
		b = append(b, item...)
	}
	return append(b, 0)
}

// hostiles are bodies of narrow's schema.
func hostiles() map[string][]byte {
	join := func(points, hits, wave, rest []byte) []byte {
		return append(append(append(append([]byte{2}, points...), hits...), wave...), rest...)
	}
	end, none := []byte{0, 0, 0, 2, 'W'}, []byte{0}
	wave := func(samples []byte) []byte { return append([]byte{2, 2, 0x80, 0x7D}, samples...) }
	return map[string][]byte{
		"many points":                    join(many(20_000, false, 2, 'a', 2), none, none, end),
		"many points, a block each":      join(many(20_000, true, 2, 'a', 2), none, none, end),
		"more points than allowed":       join(many(ingest.MaxPoints+1, false, 2, 'a', 2), none, none, end),
		"points without a name":          join(many(50_000, false, 0, 2), none, none, end),
		"hits":                           join(none, many(20_000, false, 2, 'c', 2, 2), none, end),
		"hits without a channel":         join(none, many(20_000, true, 0, 2, 2), none, end),
		"samples":                        join(none, none, wave(many(100_000, false, 2)), end),
		"samples, a block each":          join(none, none, wave(many(100_000, true, 2)), end),
		"points that are not there":      join(long(1<<40), none, none, end),
		"2⁶³ points":                     join(long(math.MinInt64), none, none, end),
		"points of a block of 2⁶² bytes": join(append(long(-5), long(1<<62)...), none, none, end),
		"a name of 2⁴⁰ bytes":            join(append([]byte{2}, long(1<<40)...), none, none, end),
		"a million of nothing":           join(none, none, none, append(append(long(1<<20), 0), 0, 0, 2, 'W')),
		"2⁴⁰ of nothing":                 join(none, none, none, append(append(long(1<<40), 0), 0, 0, 2, 'W')),
		"words":                          join(none, none, none, append(append([]byte{0}, many(10_000, true, 2, 'w')...), 0, 2, 'W')),
		"a tree without end":             join(none, none, none, append([]byte{0, 0}, []byte(strings.Repeat("\x02", 100_000))...)),
		"an asset of 1 MB":               append([]byte{2, 0, 0, 0, 0, 0, 0}, append(long(1<<20), make([]byte, 1<<20)...)...),
		"nothing":                        {},
	}
}

// narrowDecoder reads narrow's messages as far as readings.
func narrowDecoder(tb testing.TB) (d *Decoder, header []byte) {
	tb.Helper()
	f := fake(tb)
	id := register(tb, f, "t-value", narrow, sr.TypeAvro)
	return opened(tb, Config{URLs: []string{f.URL()}}).Decoder(&ingest.Payloads{}), headed(id)
}

// allocated is what f allocates, and how long it takes.
func allocated(f func()) (bytes uint64, took time.Duration) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	began := time.Now()
	f()
	took = time.Since(began)
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc, took
}

func TestNoMessageTakesMoreThan64TimesItself(t *testing.T) {
	d, header := narrowDecoder(t)
	read := 0
	for name, body := range hostiles() {
		m := ingest.Message{Topic: "t", Channel: "c", Payload: append(slices.Clip(header), body...)}
		_, _ = d.Decode(t.Context(), m) // fetches the schema
		var err error
		var got []asset.Reading
		bytes, took := allocated(func() { got, err = d.Decode(t.Context(), m) })
		if err != nil && reason(err) == "" {
			t.Errorf("%s: %v, want readings or a verdict", name, err)
		}
		if err == nil {
			read++
		}
		if most := uint64(mostTimes*len(m.Payload) + mostFloor); bytes > most {
			t.Errorf("%s: %d bytes for a message of %d (%.0f times), at most %d are allowed", name, bytes, len(m.Payload), float64(bytes)/float64(len(m.Payload)), most)
		}
		if took > 2*time.Second {
			t.Errorf("%s: it took %s", name, took)
		}
		t.Logf("%-32s %8d bytes take %9d, %5.1f times, %d readings, %.80v", name, len(m.Payload), bytes, float64(bytes)/float64(len(m.Payload)), len(got), err)
	}
	if read < 4 {
		t.Errorf("%d of the messages are read: those that are long and right should be", read)
	}
}

// What is used again for the next message must not keep the one before in memory.
func TestAScratchForgetsItsMessage(t *testing.T) {
	own, err := telemetryReaders()
	if err != nil {
		t.Fatal(err)
	}
	body, err := own.avro.schema.Encode(&telemetry{Asset: "a", Points: []point{{Metric: "m"}, {Metric: "n"}}, Hits: []hit{{Channel: "c"}}, Wave: &wave{Channel: "w", CountsLE: []byte{1, 2}}})
	if err != nil {
		t.Fatal(err)
	}
	s := new(scratch)
	if bad := s.decode(own.avro.identity, body, "x"); bad != nil || len(s.t.Points) != 2 {
		t.Fatalf("%v, %+v", bad, s.t)
	}
	s.release()
	points, hits := s.t.Points[:cap(s.t.Points)], s.t.Hits[:cap(s.t.Hits)]
	if s.t.Asset != "" || s.t.Wave != nil || points[0].Metric != "" || points[1].Metric != "" || hits[0].Channel != "" {
		t.Errorf("it holds %+v, %+v, %+v", s.t, points, hits)
	}
}

// seeds are messages of all forms, right ones and broken ones.
func seeds(tb testing.TB, protoID, avroID, narrowID int) [][]byte {
	tb.Helper()
	q := 40.0
	full := telemetry{
		Asset: "WT-1", TimeNs: 1_700_000_000_000_000_000, Sequence: 3,
		Points: []point{{Metric: "power", Value: 1.5, Unit: "kW", Quality: &q, Metadata: `{"a":1}`}, {Metric: "speed", Value: 2}},
		Event:  &event{Kind: "status", Text: "on"},
		Wave:   &wave{Channel: "x", StartNs: 1_700_000_000_000_000_000, RateHz: 1000, Unit: "g", Scale: 0.5, CountsLE: []byte{1, 2, 3, 4}},
		Hits:   []hit{{Channel: "ae", TimeNs: 1_700_000_000_000_000_000, AmplitudeDB: 50, Counts: 3}},
	}
	s := avro.MustParse(ingest.TelemetryAvro())
	body, err := s.Encode(&full)
	if err != nil {
		tb.Fatal(err)
	}
	single, err := s.AppendSingleObject(nil, &full)
	if err != nil {
		tb.Fatal(err)
	}
	out := [][]byte{
		headed(avroID, body...), single, headed(protoID, append([]byte{0}, ingest.AppendTelemetry(nil, power)...)...),
		headed(protoID, append([]byte{2, 0}, ingest.AppendTelemetry(nil, power)...)...),
		{0},
		{0xC3, 1},
		ingest.AppendTelemetry(nil, power),
	}
	for _, h := range hostiles() {
		if len(h) < 1000 {
			out = append(out, headed(narrowID, h...))
		}
	}
	return append(out, headed(narrowID, append(append([]byte{2}, many(3, true, 2, 'a', 2)...), 0, 0, 0, 0, 0, 2, 'W')...))
}

// decoderOfSeeds knows the schemas of seeds.
func decoderOfSeeds(tb testing.TB) (d *Decoder, of [][]byte) {
	tb.Helper()
	f := fake(tb)
	p := register(tb, f, "p-value", ingest.TelemetryProto(), sr.TypeProtobuf)
	a := register(tb, f, "a-value", ingest.TelemetryAvro(), sr.TypeAvro)
	n := register(tb, f, "n-value", narrow, sr.TypeAvro)
	return opened(tb, Config{URLs: []string{f.URL()}, Schemas: 100_000, Unknown: time.Hour}).Decoder(&ingest.Payloads{}), seeds(tb, p, a, n)
}

// TestMutations breaks messages behind a header. What is wrong there is a verdict with reason,
// place and text; nothing panics, hangs or takes more memory than it may.
func TestMutations(t *testing.T) {
	d, all := decoderOfSeeds(t)
	good, verdicts := 0, map[asset.Reason]int{}
	decode := func(b []byte) {
		if len(b) >= headerBytes && b[0] == magic {
			b[1], b[2], b[3], b[4] = 0, 0, 0, b[4]&3 // the registry is not what is tried
		}
		_, err := d.Decode(t.Context(), ingest.Message{Topic: "t", Channel: "c", Payload: b})
		bad, ok := errors.AsType[*asset.Invalid](err)
		switch {
		case err == nil:
			good++
		case !ok || bad.Reason == "" || bad.Where == "" || bad.Text == "":
			t.Errorf("%x: %v, want a verdict with reason, place and text", b, err)
		default:
			verdicts[bad.Reason]++
		}
	}
	ingesttest.Mutate(t, ingesttest.Decoder{Decode: decode, Corpus: all}, ingesttest.Options{})
	if good == 0 || verdicts[ingest.Undecodable] == 0 {
		t.Errorf("%d messages were read, refused were %v: the damage is of no use", good, verdicts)
	}
}

func FuzzWay(f *testing.F) {
	for _, s := range [][]byte{{0}, {2, 0}, {4, 2, 4}, {0xFF}} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		steps, body, bad := way(b, "x")
		if bad != nil {
			return
		}
		if len(steps) == 0 || len(steps) > deepest || len(body) >= len(b) {
			t.Errorf("%x: %d steps, %d bytes left", b, len(steps), len(body))
		}
	})
}

func FuzzDecode(f *testing.F) {
	d, all := decoderOfSeeds(f)
	for _, s := range all {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > headerBytes && b[0] == 0 {
			b[1], b[2], b[3], b[4] = 0, 0, 0, b[4]&3 // the registry is not what is tried
		}
		got, err := d.Decode(t.Context(), ingest.Message{Topic: "t", Channel: "c", Payload: b})
		if err != nil && reason(err) == "" {
			t.Errorf("%x: %v, want readings or a verdict", b, err)
		}
		for _, r := range got {
			if r.Asset == "" {
				t.Errorf("%x: a reading of no asset", b)
			}
		}
	})
}

// BenchmarkAvro decodes 100 points.
func BenchmarkAvro(b *testing.B) {
	f := fake(b)
	id := register(b, f, "t-value", ingest.TelemetryAvro(), sr.TypeAvro)
	d := opened(b, Config{URLs: []string{f.URL()}}).Decoder(&ingest.Payloads{})
	in := telemetry{Asset: "WT-1", TimeNs: 1_700_000_000_000_000_000}
	for i := range 100 {
		in.Points = append(in.Points, point{Metric: fmt.Sprintf("metric_%d", i), Value: float64(i), Unit: "kW"})
	}
	body, err := avro.MustParse(ingest.TelemetryAvro()).Encode(&in)
	if err != nil {
		b.Fatal(err)
	}
	m := ingest.Message{Topic: "t", Payload: headed(id, body...)}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := d.Decode(b.Context(), m); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(100*float64(b.N)/b.Elapsed().Seconds(), "points/s")
}

// BenchmarkProtobuf decodes 100 points behind a header.
func BenchmarkProtobuf(b *testing.B) {
	f := fake(b)
	id := register(b, f, "t-value", ingest.TelemetryProto(), sr.TypeProtobuf)
	d := opened(b, Config{URLs: []string{f.URL()}}).Decoder(&ingest.Payloads{})
	r := power
	r.Points = nil
	for i := range 100 {
		r.Points = append(r.Points, asset.Point{Metric: fmt.Sprintf("metric_%d", i), Value: float64(i), Unit: "kW", Quality: 100})
	}
	m := ingest.Message{Topic: "t", Payload: headed(id, append([]byte{0}, ingest.AppendTelemetry(nil, r)...)...)}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := d.Decode(b.Context(), m); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(100*float64(b.N)/b.Elapsed().Seconds(), "points/s")
}
