package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/dataset"
	"github.com/telltale-iot/telltale/ingest"
)

// decode measures the ways in.
func (b *benchmark) decode(ctx context.Context) error {
	dir := filepath.Join(b.dir, "farm")
	s := simulation{out: dir, turbines: 2, seed: 1, start: "2026-01-01T00:00:00Z", name: "bench", lasts: 24 * time.Hour, waveEvery: 2 * time.Hour, waveSeconds: 1, healthy: true}
	if err := s.run(ctx, io.Discard, io.Discard); err != nil {
		return err
	}
	set, err := dataset.Open(dir)
	if err != nil {
		return err
	}
	err = b.rate(ctx, "decode", "dataset", "samples", func() (float64, error) {
		replay, err := set.Replay(dataset.ReplayOptions{})
		if err != nil {
			return 0, err
		}
		defer replay.Close()
		var n float64
		for {
			r, _, err := replay.Next(ctx)
			if errors.Is(err, io.EOF) {
				return n, nil
			}
			if err != nil {
				return 0, err
			}
			if n += float64(len(r.Points)); r.Wave != nil {
				n += float64(r.Wave.Len())
			}
		}
	})
	if err != nil {
		return err
	}
	return b.payloads(ctx)
}

// payloads measures the decoding of MQTT messages.
func (b *benchmark) payloads(ctx context.Context) error {
	samples := make([]float32, benchRate)
	for i := range samples {
		samples[i] = float32(math.Sin(float64(i)))
	}
	wave := ingest.EncodeWave(nil, asset.Waveform{Channel: "a", Start: time.Unix(0, 0), RateHz: benchRate, Unit: "m/s²", Samples: samples, Quality: 100, First: true, Last: true}, 1e-3)
	var dst asset.Waveform
	err := b.rate(ctx, "decode", "mqtt-wave-int16", "samples", func() (float64, error) {
		const messages = 100
		for range messages {
			w, err := ingest.DecodeWave(dst, wave, "a")
			if err != nil {
				return 0, err
			}
			dst = w
		}
		return messages * benchRate, nil
	})
	if err != nil {
		return err
	}
	r := asset.Reading{Asset: "a", Time: time.Unix(0, 0).UTC()}
	for i := range 12 {
		r.Points = append(r.Points, asset.Point{Metric: fmt.Sprintf("metric_%d", i), Value: 20 + float64(i)/7, Unit: "°C", Quality: 100})
	}
	body, err := ingest.EncodeTelemetry(r)
	if err != nil {
		return err
	}
	return b.rate(ctx, "decode", "mqtt-telemetry-json", "points", func() (float64, error) {
		const messages = 1000
		for range messages {
			if _, err := ingest.DecodeTelemetry(body, "a"); err != nil {
				return 0, err
			}
		}
		return float64(messages * len(r.Points)), nil
	})
}
