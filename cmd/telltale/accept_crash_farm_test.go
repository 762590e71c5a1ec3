//go:build accept

package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/ingest"
)

// Presses run hot for two seconds in about ten. Each time is an alert and an order. Some
// have a sensor whose windows take four seconds, so that a kill finds them open.
const (
	presses       = 96
	pressSensors  = 12
	pressLearning = 40 // instants
	pressRateHz   = 256
)

const pressClass = `kind: press
title: Press that runs hot again and again
horizon_h: 24
waveform: {window_s: 4}
detectors:
  - {name: temperature, use: level, options: {fields: [temperature/value], limit: 6, m: 1, n: 1, smooth: 1}}
fusion: {prior: 0.05, cap_rule: 4, half_life_h: 1}
alarm: {on: 0.3, m: 1, n: 1, dwell_h: 0.0001}
orders: {lead_h: 1}
`

// pressClasses is a folder with their class.
func pressClasses(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "press.yaml"), []byte(pressClass), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func pressPlates() (all []asset.Nameplate) {
	for i := range presses {
		p := asset.Nameplate{
			ID: asset.ID(fmt.Sprintf("press-%02d", i)), Kind: "press", Learning: &asset.Learning{Rows: pressLearning},
			Components: []asset.Component{{Name: "head"}}, Metrics: []asset.Metric{{Name: "temperature", Unit: "°C"}},
		}
		if i < pressSensors {
			p.Channels = []asset.Channel{{Name: "vibration", Kind: "acceleration", Unit: "m/s²", RateHz: pressRateHz, Component: "head"}}
		}
		all = append(all, p)
	}
	return all
}

// pressReadings are the first n or a few more, as they are once they have been sent: one
// instant a second, and the samples of that second.
func pressReadings(t *testing.T, n int) (all []asset.Reading) {
	t.Helper()
	start, rng := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), rand.New(rand.NewPCG(1, 2)) //nolint:gosec // noise
	plates := pressPlates()
	for second := 0; len(all) < n; second++ {
		at := start.Add(time.Duration(second) * time.Second)
		for i, p := range plates {
			v := 60 + rng.NormFloat64()/2
			if second > pressLearning && (second+3*i)%(8+i%5) < 2 {
				v += 15
			}
			all = append(all, asset.Reading{Asset: p.ID, Time: at, Points: []asset.Point{{Metric: "temperature", Value: v, Unit: "°C", Quality: 100}}})
			if len(p.Channels) == 0 {
				continue
			}
			w := asset.Waveform{Channel: "vibration", Start: at, RateHz: pressRateHz, Unit: "m/s²", Quality: 100, Samples: make([]float32, pressRateHz), First: second == 0}
			for k := range w.Samples {
				w.Samples[k] = float32(math.Sin(2*math.Pi*30*float64(k)/pressRateHz) + rng.NormFloat64()/4)
			}
			all = append(all, asset.Reading{Asset: p.ID, Time: ingest.Newest(w), Wave: &w})
		}
	}
	for i, r := range all {
		came, err := ingest.DecodeProtobuf(ingest.AppendTelemetry(nil, r), ingest.Message{})
		if err != nil || len(came) != 1 {
			t.Fatal(len(came), err)
		}
		all[i] = came[0]
	}
	return all
}

// feeder sends readings to a topic by a client that is not the program's, each once whatever
// happens to the broker, as fast as told and no further than allowed.
type feeder struct {
	client   *kgo.Client
	readings []asset.Reading

	mu      sync.Mutex // guards what follows
	sent    int
	allowed int
	rate    int                 // readings a second
	times   map[int][]time.Time // by partition and offset: event times
}

func newFeeder(t *testing.T, brokers []string, topic string, readings []asset.Reading) *feeder {
	t.Helper()
	c, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.DefaultProduceTopic(topic))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return &feeder{client: c, readings: readings, times: map[int][]time.Time{}}
}

// run sends until everything is sent or ctx ends.
func (f *feeder) run(ctx context.Context) error {
	const tick = 50 * time.Millisecond
	for ingest.Sleep(ctx, tick) {
		f.mu.Lock()
		from, to := f.sent, min(f.sent+max(1, f.rate/int(time.Second/tick)), f.allowed, len(f.readings))
		f.mu.Unlock()
		if from == len(f.readings) {
			return nil
		}
		if err := f.send(ctx, f.readings[from:to]); err != nil {
			return err
		}
	}
	return nil
}

func (f *feeder) send(ctx context.Context, readings []asset.Reading) error {
	records := make([]*kgo.Record, len(readings))
	for i, r := range readings {
		records[i] = &kgo.Record{Key: []byte(r.Asset), Value: ingest.AppendTelemetry(nil, r)}
	}
	results := f.client.ProduceSync(ctx, records...)
	if err := results.FirstErr(); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, r := range records {
		p := int(r.Partition)
		if int(r.Offset) != len(f.times[p]) {
			return fmt.Errorf("partition %d: offset %d is not the %d. that was sent: the test's own client doubled one", p, r.Offset, len(f.times[p])+1)
		}
		f.times[p] = append(f.times[p], readings[i].Time)
	}
	f.sent += len(readings)
	return nil
}

// allow lets it send up to a share of all, at a rate.
func (f *feeder) allow(share float64, rate int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.allowed, f.rate = int(share*float64(len(f.readings))), rate
}

// ends are how many messages each partition has.
func (f *feeder) ends() map[int]int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := map[int]int64{}
	for p, all := range f.times {
		out[p] = int64(len(all))
	}
	return out
}

// span is the event time from the first to the last of the messages [low, next).
func (f *feeder) span(partition int, low, next int64) (time.Duration, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := f.times[partition]
	switch {
	case low < 0 || low > next || next > int64(len(all)):
		return 0, errors.New("positions that are not of the topic")
	case low == next:
		return 0, nil
	}
	part := all[low:next]
	return slices.MaxFunc(part, time.Time.Compare).Sub(slices.MinFunc(part, time.Time.Compare)), nil
}
