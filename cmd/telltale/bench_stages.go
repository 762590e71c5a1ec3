package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"path/filepath"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/class"
	"github.com/telltale-iot/telltale/dataset"
	"github.com/telltale-iot/telltale/features"
	"github.com/telltale-iot/telltale/ingest"
	"github.com/telltale-iot/telltale/models"
	"github.com/telltale-iot/telltale/simulate"
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

// model measures the shipped models; without ONNX Runtime it says so and goes on.
func (b *benchmark) model(ctx context.Context) error {
	classes, err := class.Shipped()
	if err != nil {
		return err
	}
	farm, err := simulate.New(simulate.Options{Turbines: 1, Duration: time.Hour, Healthy: true})
	if err != nil {
		return err
	}
	repo, err := openRepository(ctx, modelsConfig{Repository: filepath.Join(b.dir, "models")}, nil)
	if err != nil {
		return err
	}
	if err := shipModels(ctx, repo, b.onnx); err != nil {
		fmt.Fprintln(b.stderr, "model: left out:", err)
		return nil
	}
	w := newWorks(classes, farm.Nameplates())
	use, err := w.useModels(ctx, repo, nil, b.onnx, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer use.Close()
	if w.scorer == nil {
		fmt.Fprintln(b.stderr, "model: left out: no model is shipped for the simulated turbines, or ONNX Runtime was not found")
		return nil
	}
	for _, want := range w.wanted() {
		c, ok := w.contracts[want.key]
		if !ok {
			continue
		}
		for _, rows := range []int{1, 64} {
			if err := b.scoring(ctx, w, farm.Nameplates()[0].ID, want.key, c, rows); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *benchmark) scoring(ctx context.Context, w *works, id asset.ID, key models.Key, c models.Contract, rows int) error {
	batch := make([]features.Sequence, rows)
	for i := range batch {
		batch[i] = features.Sequence{
			Asset: id, Component: key.Component, Time: time.Unix(int64(i), 0), Steps: c.Window, Width: len(c.Features),
			Values: make([]float32, c.Window*len(c.Features)),
		}
		for j := range batch[i].Values {
			batch[i].Values[j] = float32(math.Sin(float64(i + j)))
		}
	}
	return b.rate(ctx, "model", fmt.Sprintf("%s batch=%d", key.Component, rows), "sequences", func() (float64, error) {
		calls := max(256/rows, 1)
		for range calls {
			if _, err := w.scorer.Score(ctx, batch); err != nil {
				return 0, err
			}
		}
		return float64(calls * rows), nil
	})
}
