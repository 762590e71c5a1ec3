package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"runtime/metrics"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/ingest"
	"github.com/telltale-iot/telltale/ingest/spool"
)

// An outage of ten minutes: 200 turbines that each send ten points a second, and one of
// them ten seconds of a channel at a time, so that each has sent its waveform at the end.
const (
	outageTurbines = 200
	outageSeconds  = 600
	outageRecord   = 10 // s of waveform
	outagePoints   = 10
)

// gateway measures the role through an outage, as fast as this machine is. It fails when a
// message is missing, comes out of its asset's order, or when the backlog is kept in memory.
func (b *benchmark) gateway(ctx context.Context) error {
	s, err := spool.Open(spool.Options{Dir: b.file("spool")()})
	if err != nil {
		return err
	}
	defer s.Close() //nolint:errcheck // it is removed
	out := &outageFar{newest: map[string]time.Time{}}
	g := &gateway{spool: s, out: out, log: slog.New(slog.DiscardHandler), pause: ingest.Backoff{First: 10 * time.Millisecond, Last: 100 * time.Millisecond}}
	field := &outageField{wave: benchVibration()}
	heap := &heapWatch{}

	sending, stop := context.WithCancel(ctx)
	var draining errgroup.Group
	draining.Go(func() error { return g.drain(sending) })
	end := func() error { stop(); return draining.Wait() }
	defer end() //nolint:errcheck // for those who return before

	began := cpuSeconds()
	field.tick = heap.look
	if err := g.collect(ctx, field); err != nil {
		return err
	}
	kept, took := float64(g.readings.Load()), cpuSeconds()-began
	onDisk, early, late := float64(s.Status().Bytes)/1e6, heap.early(), heap.most()
	if late > early+32e6 {
		return fmt.Errorf("memory grows with the backlog: %.0f MB, at the beginning %.0f MB", late/1e6, early/1e6)
	}
	began = cpuSeconds()
	out.back.Store(true)
	for s.Status().Records > 0 {
		heap.look()
		if err := wait(ctx, 5*time.Millisecond); err != nil {
			return err
		}
	}
	drainTook := cpuSeconds() - began
	if err := end(); err != nil || out.bad != nil || out.messages != int(kept) {
		return fmt.Errorf("%d messages arrived of %.0f: %w", out.messages, kept, errors.Join(err, out.bad))
	}
	for _, m := range []struct {
		name, unit, better string
		value              float64
	}{
		{"outage-keep", "readings/cpu-s", "higher", kept / took},
		{"outage-drain", "messages/cpu-s", "higher", kept / drainTook},
		{"outage-disk", "MB", "lower", onDisk},
		{"outage-heap", "MB", "lower", heap.most() / 1e6},
	} {
		if err := b.report(ctx, measured{Stage: "gateway", Case: m.name, Unit: m.unit, Better: m.better}, 1, func() (float64, error) { return m.value, nil }); err != nil {
			return err
		}
	}
	return nil
}

// outageField is the source: for each second the points of every turbine, and a second of
// the waveform of the turbine whose turn it is.
type outageField struct {
	wave asset.Waveform
	next int
	tick func()
}

// Next makes a reading.
func (f *outageField) Next(context.Context) (asset.Reading, asset.Position, error) {
	const each = outageTurbines + outageTurbines*outageRecord/outageSeconds + 1
	second, i := f.next/each, f.next%each
	if second == outageSeconds {
		return asset.Reading{}, asset.Position{}, io.EOF
	}
	f.next++
	if f.next%1000 == 0 {
		f.tick()
	}
	at := time.Unix(int64(second), 0).UTC()
	r := asset.Reading{Asset: asset.ID(fmt.Sprintf("WTG-%03d", i%outageTurbines)), Time: at, Points: make([]asset.Point, outagePoints)}
	for k := range r.Points {
		r.Points[k] = asset.Point{Metric: fmt.Sprintf("metric_%d", k), Value: float64(second*k + i), Unit: "°C", Quality: 100}
	}
	if wave := i - outageTurbines; wave >= 0 {
		w := f.wave
		w.Start = at
		w.Counts = slices.Clone(w.Counts)
		turbine := (second/outageRecord*(each-outageTurbines) + wave) % outageTurbines
		r = asset.Reading{Asset: asset.ID(fmt.Sprintf("WTG-%03d", turbine)), Wave: &w, Time: ingest.Newest(w)}
	}
	return r, asset.Position{Offset: int64(f.next)}, nil
}

// Ack has no effect.
func (*outageField) Ack(asset.Position) {}

// outageFar is the cluster: away, then there. It belongs to the drain until that is idle.
type outageFar struct {
	back     atomic.Bool
	newest   map[string]time.Time // of each asset and channel
	messages int
	bad      error
}

// Send notes what comes out of order.
func (f *outageFar) Send(_ context.Context, messages []ingest.Message) (map[int]error, error) {
	if !f.back.Load() {
		return nil, errors.New("away")
	}
	for _, m := range messages {
		t, err := time.Parse(time.RFC3339Nano, m.Headers[timeHeader])
		if key := string(m.Asset) + "/" + m.Channel; err != nil || !t.After(f.newest[key]) {
			f.bad = fmt.Errorf("%s: %s after %s", key, t, f.newest[key])
		} else {
			f.newest[key] = t
		}
		f.messages++
	}
	return nil, nil
}

// heapWatch follows what is alive in memory.
type heapWatch struct{ live []float64 }

func (h *heapWatch) look() {
	s := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(s)
	h.live = append(h.live, float64(s[0].Value.Uint64()))
}

// early is the most in the first tenth.
func (h *heapWatch) early() float64 { return slices.Max(h.live[:len(h.live)/10+1]) }

func (h *heapWatch) most() float64 {
	runtime.GC()
	h.look()
	return slices.Max(h.live)
}
