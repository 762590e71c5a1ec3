package main

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/ingest"
)

// ingest measures each payload that a broker may deliver: from bytes to readings.
func (b *benchmark) ingest(ctx context.Context) error {
	if err := b.rawWaves(ctx); err != nil {
		return err
	}
	if err := b.packedWaves(ctx); err != nil {
		return err
	}
	return b.scalars(ctx)
}

// benchVibration is a second of a bearing's vibration as a 16-bit converter delivers it:
// two tones in noise.
func benchVibration() asset.Waveform {
	r := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // noise, the same in every run
	counts := make([]int16, benchRate)
	for i := range counts {
		t := float64(i) / benchRate
		counts[i] = int16(120*math.Sin(2*math.Pi*29.5*t) + 60*math.Sin(2*math.Pi*3270*t) + 90*r.NormFloat64())
	}
	return asset.Waveform{Channel: "a", Start: time.Unix(0, 0).UTC(), RateHz: benchRate, Unit: "m/s²", Counts: counts, Scale: 1e-3, Quality: 100, First: true, Last: true}
}

// rawWaves measures the format that a sensor's gateway can write with no library.
func (b *benchmark) rawWaves(ctx context.Context) error {
	message := ingest.EncodeWave(nil, benchVibration(), 0)
	dst := asset.Waveform{Counts: make([]int16, benchRate)}
	decode := func() (err error) {
		dst, err = ingest.DecodeWave(dst, message, "a")
		return err
	}
	if err := b.repeated(ctx, "wave-raw", "samples", benchRate, decode); err != nil {
		return err
	}
	if err := b.size(ctx, "wave-raw-size", len(message)); err != nil {
		return err
	}
	return b.allocations(ctx, "wave-raw-allocations", decode)
}

// packedWaves measures the form for narrow lines, both ways.
func (b *benchmark) packedWaves(ctx context.Context) error {
	var c ingest.WaveCodec
	w := benchVibration()
	message := c.Encode(nil, w, 0)
	var dst []byte
	err := b.repeated(ctx, "wave-packed-encode", "samples", benchRate, func() error {
		dst = c.Encode(dst[:0], w, 0)
		return nil
	})
	if err != nil {
		return err
	}
	into := asset.Waveform{Counts: make([]int16, benchRate)}
	err = b.repeated(ctx, "wave-packed", "samples", benchRate, func() (err error) {
		into, err = c.Decode(into, message, "a")
		return err
	})
	if err != nil {
		return err
	}
	return b.size(ctx, "wave-packed-size", len(message))
}

// scalars measures a hundred points of an instant in each format.
func (b *benchmark) scalars(ctx context.Context) error {
	const points = 100
	r := asset.Reading{Asset: "a", Time: time.Unix(1, 0).UTC(), Seq: 1}
	for i := range points {
		r.Points = append(r.Points, asset.Point{Metric: fmt.Sprintf("gearbox_temperature_%d", i), Value: 20 + float64(i)/7, Unit: "°C", Quality: 100})
	}
	inJSON, err := ingest.EncodeTelemetry(r)
	if err != nil {
		return err
	}
	inProtobuf := ingest.AppendTelemetry(nil, r)
	attributes := map[string]string{"ce_specversion": "1.0", "ce_id": "1", "ce_source": "/plc", "ce_type": "telemetry", "content-type": "application/protobuf"}
	event := fmt.Appendf(nil, `{"specversion":"1.0","id":"1","source":"/plc","type":"telemetry","subject":"a","data":%s}`, inJSON)
	var p ingest.Payloads
	for _, of := range []struct {
		name string
		m    ingest.Message
	}{
		{"json", ingest.Message{Payload: inJSON}},
		{"protobuf", ingest.Message{Payload: inProtobuf}},
		{"cloudevents-json", ingest.Message{Payload: event}},
		{"cloudevents-protobuf", ingest.Message{Payload: inProtobuf, Headers: attributes}},
	} {
		err := b.repeated(ctx, of.name, "points", points, func() error {
			_, err := p.Decode(ctx, of.m)
			return err
		})
		if err != nil {
			return err
		}
	}
	var dst []byte
	return b.repeated(ctx, "protobuf-encode", "points", points, func() error {
		dst = ingest.AppendTelemetry(dst[:0], r)
		return nil
	})
}

// repeated is the rate of something that is done to n at a time.
func (b *benchmark) repeated(ctx context.Context, name, unit string, n float64, once func() error) error {
	return b.rate(ctx, "ingest", name, unit, func() (float64, error) {
		const times = 100
		for range times {
			if err := once(); err != nil {
				return 0, err
			}
		}
		return times * n, nil
	})
}

// size reports the bytes that a sample takes in a message of a second.
func (b *benchmark) size(ctx context.Context, name string, bytes int) error {
	return b.report(ctx, measured{Stage: "ingest", Case: name, Unit: "bytes/sample", Better: "lower"}, 1, func() (float64, error) {
		return float64(bytes) / benchRate, nil
	})
}

// allocations reports how often memory is asked for in one call.
func (b *benchmark) allocations(ctx context.Context, name string, once func() error) error {
	return b.report(ctx, measured{Stage: "ingest", Case: name, Unit: "allocations/message", Better: "lower"}, b.runs, func() (float64, error) {
		const times = 10_000
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range times {
			if err := once(); err != nil {
				return 0, err
			}
		}
		runtime.ReadMemStats(&after)
		return math.Floor(float64(after.Mallocs-before.Mallocs) / times), nil
	})
}
