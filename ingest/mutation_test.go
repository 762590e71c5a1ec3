package ingest_test

import (
	"context"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/ingest"
	"github.com/telltale-iot/telltale/ingest/ingesttest"
)

const (
	pointsJSON = `{"asset":"wt1","time":"2024-03-01T12:00:00Z","seq":7,"points":[{"metric":"a","value":1.25,"unit":"°C","quality":90,"metadata":{"s":[1,"x\n"]}},{"metric":"b","value":null}],"event":{"kind":"status","component":"gearbox","code":"7","text":"\u00e4"}}`
	oneJSON    = `{"asset":"wt1","timestamp":"2024-03-01T13:00:00+01:00","metric_name":"a","value":1,"unit":"kW","quality_code":90,"metadata":{"x":[1]}}`
	hitsJSON   = `{"asset":"wt1","hits":[{"channel":"ae","time":"2024-03-01T12:00:00.5Z","amplitude_db":61.5,"duration_us":120,"rise_us":11,"counts":9,"energy":4.5},{"channel":"b","time":"2024-03-01T12:00:00Z"}]}`
	eventJSON  = `{"specversion":"1.0","id":"1","source":"/plc","type":"t","subject":"wt1/x","datacontenttype":"application/json","data":` + oneJSON + `}`
	codedJSON  = `{"specversion":"1.0","id":"1","source":"/plc","type":"t","subject":"wt1/x","datacontenttype":"application/octet-stream","data_base64":"VFRXVgEBA2QAAMbDy4G4FwAAAAAAAABAAAAAAAAA8D8DAAAAAQAAAGcBAAIAAwA="}`
)

func jsonWords() []string {
	return []string{`"asset":`, `"points":[{`, `"metric":`, `"metadata":`, `"hits":[{`, `"time":`, `{}`, `{},`, `[]`, `null`, `\ud83d\ude00`, `\u12`, `"value":`, `"data":`, `"data_base64":`, `"specversion":"1.0"`, `{{{`, `[[[`}
}

// mutations are the decoders of this package with what they are tried on.
func mutations() map[string]ingesttest.Decoder {
	var p ingest.Payloads
	ctx := context.Background()
	payload := func(m ingest.Message) func([]byte) {
		return func(b []byte) {
			m.Payload = b
			_, _ = p.Decode(ctx, m)
		}
	}
	wave := asset.Waveform{Channel: "x", Start: t0, RateHz: 2, Unit: "g", Quality: 90, First: true}
	counts, floats := wave, wave
	counts.Counts, counts.Scale = []int16{1, -2, 3, 300}, 0.5
	floats.Samples = []float32{1, 2.5}
	full := asset.Reading{
		Asset: "wt1", Time: t0, Seq: 3, Wave: &counts, Event: &asset.Event{Kind: "status", Text: "x"},
		Points: []asset.Point{{Metric: "a", Value: 1, Unit: "°C", Quality: 90, Meta: `{"a":1}`}, {Metric: "b", Value: 2, Quality: 100}},
	}
	hits := field(field(nil, 2, "wt1"), 8, field(field(field(field(nil, 1, "ae"), 2, t0.UnixNano()), 3, 60.0), 6, 7))
	listed := field(field(nil, 2, "wt1"), 7, field(field(field(field(nil, 1, "c"), 3, 100.0), 8, 0.5), 9, zigzag(1, -2, 300)))
	featured := ingest.AppendTelemetry(nil, asset.Reading{Asset: "wt1", Time: t0, Features: []asset.Features{
		{Channel: "x", Start: t0, End: t0, RateHz: 100, Samples: 4, Quality: 90, Evidence: &counts, Values: []asset.Feature{{Name: "rms", Unit: "m/s²", Value: 2}, {Name: "crest", Unit: "1", Reason: "short"}}},
		{Channel: "y", Start: t0, End: t0, RateHz: 100, Samples: 4, Quality: 100, Values: []asset.Feature{{Name: "rms"}}},
	}})
	protos := [][]byte{featured, ingest.AppendTelemetry(nil, full), ingest.AppendTelemetry(nil, asset.Reading{Asset: "wt1", Wave: &floats}), hits, listed}
	packed := wave
	packed.Counts, packed.Scale = noise(300, 20), 0.5
	var c ingest.WaveCodec
	waves := [][]byte{ingest.EncodeWave(nil, counts, 0), ingest.EncodeWave(nil, floats, 0)}
	headers := map[string]string{"ce_specversion": "1.0", "ce_id": "1", "ce_source": "s", "ce_type": "t", "ce_subject": "wt1/x"}
	return map[string]ingesttest.Decoder{
		"json":        {Decode: payload(ingest.Message{}), Corpus: [][]byte{[]byte(pointsJSON), []byte(oneJSON), []byte(hitsJSON)}, Words: jsonWords()},
		"cloudevents": {Decode: payload(ingest.Message{}), Corpus: [][]byte{[]byte(eventJSON), []byte(codedJSON)}, Words: jsonWords()},
		"protobuf":    {Decode: payload(ingest.Message{}), Corpus: protos, Words: []string{"\x2a\x00", "\x3a\x00", "\x52\x00", "\x42\x00", "\x48\x01", "\x42\x00", "\x0b", "\x0c"}},
		"wave":        {Decode: payload(ingest.Message{Asset: "wt1", Channel: "x"}), Corpus: waves},
		"packed":      {Decode: payload(ingest.Message{Asset: "wt1", Channel: "x"}), Corpus: [][]byte{c.Encode(nil, packed, 0)}, Words: []string{"\x28\xb5\x2f\xfd"}},
		"hostile":     {Decode: payload(ingest.Message{Asset: "wt1", Channel: "x"}), Corpus: hostile(), Words: jsonWords()},
		"all":         {Decode: payload(ingest.Message{Headers: headers}), Corpus: append(append(protos, waves...), []byte(pointsJSON), []byte(oneJSON)), Words: jsonWords()},
	}
}

// hostile are messages that were made to cost much, each at a limit or beyond.
func hostile() [][]byte {
	many := func(head, part string, n int, end string) []byte {
		return []byte(head + strings.Repeat(part, n) + end)
	}
	zip, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		panic(err)
	}
	const zeros = 100_000
	slow := asset.Waveform{Start: t0, RateHz: 1, Counts: make([]int16, 1000), Scale: 1}
	bomb := ingest.EncodeWave(nil, asset.Waveform{Start: t0, RateHz: 25600, Scale: 1, Counts: []int16{}}, 0)
	bomb[5] = 3
	binary.LittleEndian.PutUint32(bomb[32:], zeros)
	times := `"time":"2024-03-01T12:00:00Z"`
	listed := field(field(field(field(nil, 1, "x"), 3, 1.0), 8, 0.5), 9, make([]byte, 1000))
	return [][]byte{
		zip.EncodeAll(make([]byte, 2*zeros), bomb), // 2000 times its length
		ingest.EncodeWave(nil, slow, 0),            // a block for each sample
		field(nil, 7, listed),                      // of a byte
		many("\x19\x01\x00\x00\x00\x00\x00\x00\x10", "\x52\x02\x3a\x00", ingest.MaxFeatured, ""),
		many("\x19\x01\x00\x00\x00\x00\x00\x00\x10", "\x2a\x00", 1000, ""),
		many(`{`+times+`,"points":[`, "{},", 1000, "{}]}"),
		many(`{`+times+`,"points":[{}],"x":"`, "{", 3000, `"}`),
		many(`{`+times+`,"points":[],`, `"points":[{}],`, 200, `"points":[{}]}`),
		many(`{`+times+`,"points":[`, `{"unit":"\\","metadata":[]},`, 100, "{}]}"),
		many(`{"hits":[`, `{"channel":"",`+times+`},`, 60, "{}]}"),
		many("", "[", 4000, ""),
		many(`{"specversion":"1.0","data_base64":"`, "KgAq", 1000, `","id":"1","source":"s","type":"t","datacontenttype":"application/protobuf"}`),
	}
}

// Whatever arrives, a decoder neither panics nor hangs, nor allocates more than 64 times
// of it. TELLTALE_EXECS says how many are tried (make fuzz EXECS=1e8).
func TestMutations(t *testing.T) {
	for name, d := range mutations() {
		few := 100_000
		if name == "packed" || name == "hostile" {
			few = 20_000 // they take their time
		}
		t.Run(name, func(t *testing.T) { ingesttest.Mutate(t, d, ingesttest.Options{Few: few}) })
	}
}

// Mutations of messages that are wrong already would prove little.
func TestMutationsBeginWithRightMessages(t *testing.T) {
	var p ingest.Payloads
	for name, d := range mutations() {
		if name == "hostile" {
			continue
		}
		for _, b := range d.Corpus {
			m := ingest.Message{Payload: b}
			if name == "wave" || name == "packed" || name == "all" {
				m.Asset, m.Channel = "wt1", "x"
			}
			if _, err := p.Decode(t.Context(), m); err != nil && name != "all" {
				t.Errorf("%s: %q: %v", name, b, err)
			}
		}
	}
}

func FuzzPayloads(f *testing.F) {
	for _, d := range mutations() {
		for _, b := range d.Corpus {
			f.Add(b, false)
			f.Add(b, true)
		}
	}
	var p ingest.Payloads
	f.Fuzz(func(t *testing.T, b []byte, event bool) {
		m := ingest.Message{Payload: b}
		if event {
			m.Headers = map[string]string{"ce_specversion": "1.0", "ce_id": "1", "ce_source": "s", "ce_type": "t", "ce_subject": "wt1/x"}
		}
		all, err := p.Decode(t.Context(), m)
		if err != nil {
			return
		}
		for i, r := range all {
			if r.Asset == "" || r.Blank() || i > 0 && r.Time.Before(all[i-1].Time) {
				t.Errorf("reading %d of %d: %+v", i, len(all), r)
			}
		}
	})
}

func FuzzDecodeProtobuf(f *testing.F) {
	for _, b := range mutations()["protobuf"].Corpus {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		all, err := ingest.DecodeProtobuf(b, ingest.Message{})
		if err != nil {
			return
		}
		for _, r := range all {
			if r.Time.Year() > 2200 {
				continue // no count of ns holds it when rounded
			}
			// What was read is written and read the same.
			again, err := ingest.DecodeProtobuf(ingest.AppendTelemetry(nil, r), ingest.Message{})
			if r.Wave == nil && (err != nil || len(again) != 1 || !equal(again[0], r)) {
				t.Errorf("got %+v, %v; want %+v", again, err, r)
			}
		}
	})
}
