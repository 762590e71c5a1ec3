package ingest_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/ingest"
)

func TestDecodeTelemetry(t *testing.T) {
	for name, tc := range map[string]struct{ in, want string }{
		"points":      {`{"asset":"wt1","time":"2024-03-01T13:00:00+01:00","points":[{"metric":"a","value":0,"unit":"°C","quality":50},{"metric":"b","value":1,"unit":"1"}]}`, "wt1 12:00:00 [{a 0 °C 50 } {b 1 1 100 }]"},
		"one point":   {`{"timestamp":"2024-03-01T12:00:00Z","metric_name":"a","value":1.5,"unit":"kW","quality_code":90,"metadata":{"x":[1]}}`, `wt1 12:00:00 [{a 1.5 kW 90 {"x":[1]}}]`},
		"null":        {`{"time":"2024-03-01T12:00:00Z","points":[{"metric":"a","value":null,"unit":"1"}]}`, "wt1 12:00:00 [{a NaN 1 100 }]"},
		"event":       {`{"time":"2024-03-01T12:00:00Z","event":{"kind":"status","code":"7"}}`, "wt1 12:00:00 [] status 7"},
		"other asset": {`{"asset":"wt2","time":"2024-03-01T12:00:00Z","points":[{"metric":"a","value":1}]}`, `of asset "wt2", topic, key or header of "wt1" (not-allowed)`},
		"no time":     {`{"points":[{"metric":"a","value":1}]}`, "without a time"},
		"no points":   {`{"time":"2024-03-01T12:00:00Z"}`, "neither points nor event nor waveform nor hits"},
		"odd time":    {`{"time":"2024-03-01 12:00","points":[{"metric":"a","value":1}]}`, "want RFC 3339"},
		"no JSON":     {`{"time":`, "no JSON telemetry"},
		"two times":   {`{"time":"2024-03-01T12:00:00Z","points":[{"metric":"a","value":1}],"hits":[{"channel":"c","time":"2024-03-01T12:00:01Z"}]}`, "parts of 2 times in one message"},
		"two":         {`{} {}`, "no JSON telemetry"},
		"a huge one":  {strings.Repeat(" ", ingest.MaxTelemetryBytes+1), "at most 1048576 are read (oversize)"},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := ingest.DecodeTelemetry([]byte(tc.in), "wt1")
			if err != nil {
				var bad *asset.Invalid
				if !errors.As(err, &bad) || !strings.Contains(bad.Error(), tc.want) {
					t.Errorf("got %v, want %s", err, tc.want)
				}
				return
			}
			got := fmt.Sprint(r.Asset, r.Time.Format(" 15:04:05 "), r.Points)
			if r.Event != nil {
				got += " " + r.Event.Kind + " " + r.Event.Code
			}
			if got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}

func TestTelemetryThereAndBack(t *testing.T) {
	r := points(t0, asset.Point{Metric: "a", Value: 0, Unit: "°C", Quality: 0}, asset.Point{Metric: "b", Value: 1e-300, Unit: "1", Quality: 100})
	r.Event = &asset.Event{Component: "c", Kind: "inspection", Text: "x"}
	b, err := ingest.EncodeTelemetry(r)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := ingest.DecodeTelemetry(b, ""); err != nil || !reflect.DeepEqual(got, r) {
		t.Errorf("got %+v, %v; want %+v", got, err, r)
	}
}

func TestWaveThereAndBack(t *testing.T) {
	w := asset.Waveform{Channel: "x", Start: t0.Add(7), RateHz: 25600, Unit: "m/s²", Samples: []float32{0, 0.5, -0.25, 8000}, Quality: 93, First: true}
	b := ingest.EncodeWave(nil, w, 0)
	if got, err := ingest.DecodeWave(asset.Waveform{}, b, "x"); err != nil || !reflect.DeepEqual(got, w) {
		t.Errorf("float32: got %+v, %v; want %+v", got, err, w)
	}
	b = ingest.EncodeWave(nil, w, 0.125)
	if len(b) != 40+len("m/s²")+2*4 {
		t.Errorf("%d bytes", len(b))
	}
	w.Samples, w.Counts, w.Scale = nil, []int16{0, 4, -2, 32767}, 0.125 // the last is clipped
	for _, room := range []asset.Waveform{{}, {Counts: make([]int16, 9)}} {
		if got, err := ingest.DecodeWave(room, b, "x"); err != nil || !reflect.DeepEqual(got, w) {
			t.Errorf("int16: got %+v, %v; want %+v", got, err, w)
		}
	}
	if again := ingest.EncodeWave(nil, w, 0); !reflect.DeepEqual(again, b) {
		t.Error("counts do not come back as they were sent")
	}
}

func TestDecodeWaveRefuses(t *testing.T) {
	good := ingest.EncodeWave(nil, asset.Waveform{RateHz: 1, Unit: "g", Samples: []float32{1, 2}}, 1)
	for name, harm := range map[string]func([]byte) []byte{
		"short":        func(b []byte) []byte { return b[:39] },
		"magic":        func(b []byte) []byte { b[0] = 'X'; return b },
		"version":      func(b []byte) []byte { b[4] = 2; return b },
		"type":         func(b []byte) []byte { b[5] = 3; return b },
		"truncated":    func(b []byte) []byte { return b[:len(b)-1] },
		"too much":     func(b []byte) []byte { return append(b, 0) },
		"4 G samples":  func(b []byte) []byte { binary.LittleEndian.PutUint32(b[32:], math.MaxUint32); return b },
		"scale 0":      func(b []byte) []byte { clear(b[24:32]); return b },
		"unit too far": func(b []byte) []byte { b[36] = 255; return b },
	} {
		t.Run(name, func(t *testing.T) {
			want := ingest.Undecodable
			if name == "4 G samples" {
				want = ingest.Oversize
			}
			var bad *asset.Invalid
			if w, err := ingest.DecodeWave(asset.Waveform{}, harm(append([]byte(nil), good...)), "x"); !errors.As(err, &bad) || bad.Reason != want {
				t.Errorf("got %+v, %v; want %s", w, err, want)
			}
		})
	}
}

func FuzzDecodeTelemetry(f *testing.F) {
	f.Add([]byte(`{"asset":"wt1","time":"2024-03-01T12:00:00Z","points":[{"metric":"a","value":0}]}`))
	f.Add([]byte(`{"timestamp":"2024-03-01T12:00:00Z","metric_name":"a","value":1.5}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := ingest.DecodeTelemetry(b, "")
		if err != nil {
			return
		}
		again, err := ingest.EncodeTelemetry(r)
		if err != nil {
			t.Skip() // a year that RFC 3339 cannot hold
		}
		if _, err := ingest.DecodeTelemetry(again, ""); err != nil && len(again) <= ingest.MaxTelemetryBytes {
			t.Errorf("%s: %v", again, err)
		}
	})
}

func FuzzDecodeWave(f *testing.F) {
	var codec ingest.WaveCodec
	f.Add(codec.Encode(nil, asset.Waveform{RateHz: 1, Counts: noise(300, 20), Scale: 1}, 0))
	f.Add(ingest.EncodeWave(nil, asset.Waveform{RateHz: 1, Unit: "g", Samples: []float32{1, 2}}, 0))
	f.Add(ingest.EncodeWave(nil, asset.Waveform{RateHz: 1, Unit: "g", Samples: []float32{1, 2}}, 1))
	f.Fuzz(func(t *testing.T, b []byte) {
		w, err := codec.Decode(asset.Waveform{}, b, "x")
		if err != nil {
			return
		}
		for _, c := range ingest.Cut(w) {
			_ = ingest.Newest(c)
		}
	})
}

func BenchmarkDecodeWave(b *testing.B) {
	w := asset.Waveform{RateHz: 25600, Unit: "g", Samples: make([]float32, 2560)}
	for name, scale := range map[string]float64{"int16": 0.001, "float32": 0} {
		b.Run(name, func(b *testing.B) {
			msg := ingest.EncodeWave(nil, w, scale)
			dst := asset.Waveform{Counts: make([]int16, 2560), Samples: make([]float32, 2560)}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := ingest.DecodeWave(dst, msg, "x"); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)*2560/b.Elapsed().Seconds()/1e6, "Msamples/s")
			b.ReportMetric(float64(len(msg))/2560, "bytes/sample")
		})
	}
}

func Example() {
	v := ingest.NewValidator([]asset.Nameplate{plate}, ingest.Options{})
	r, err := ingest.DecodeTelemetry([]byte(`{"asset": "wt1", "time": "2024-03-01T12:00:00Z", "points": [
		{"metric": "oil_temperature", "value": 333.15, "unit": "K"},
		{"metric": "bearing_temperature", "value": 4000, "unit": "°C"}]}`), "")
	if err != nil {
		fmt.Println(err)
		return
	}
	r, refused := v.Check(r)
	for _, p := range r.Points {
		fmt.Println(p.Metric, p.Value, p.Unit)
	}
	for _, e := range refused {
		fmt.Println(e)
	}
	// Output:
	// oil_temperature 60 °C
	// wt1/bearing_temperature: value is 4000 °C, possible is -273.15 to 1000 (out-of-range)
}
