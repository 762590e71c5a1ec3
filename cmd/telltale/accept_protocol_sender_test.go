//go:build accept

package main

import (
	"context"
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/ingest"
)

// vibration is the channel of the turbines that send waveforms: a block each second.
var vibration = asset.Channel{Name: "gearbox-hss", Component: "gearbox", Kind: "acceleration", Unit: "m/s²", RateHz: 2560}

// sender is a turbine that sends its readings, and the waveform of its channel, over
// something that acknowledges them.
type sender struct {
	plate  asset.Nameplate
	rows   [][]float64
	send   func(ctx context.Context, r asset.Reading) error // until it is acknowledged, or ctx ends
	sent   []sentReading
	blocks []sentReading // each is a window
}

// vibratingTurbine has a channel beside what the table of turbineTable tells.
func vibratingTurbine(t *testing.T) *sender {
	t.Helper()
	plate, rows := turbineTable(t)
	plate.Channels = []asset.Channel{vibration}
	return &sender{plate: plate, rows: rows}
}

// during runs the turbine while f does.
func (s *sender) during(ctx context.Context, period time.Duration, f func()) {
	ctx, stop := context.WithCancel(ctx)
	var sending sync.WaitGroup
	defer sending.Wait()
	defer stop()
	sending.Go(func() { s.run(ctx, period) })
	f()
}

// run sends a reading at each period, and a block when a second is over. While one waits
// for its acknowledgement none are made: the turbine's own clock stands for what it would
// have to say.
func (s *sender) run(ctx context.Context, period time.Duration) {
	second := time.Now().Unix()
	for ingest.Sleep(ctx, time.Until(time.Now().Truncate(period).Add(period))) {
		at := time.Now().UTC().Truncate(time.Microsecond)
		if now := at.Unix(); now > second {
			second = now
			s.vibrate(ctx, time.Unix(now-1, 0).UTC())
		}
		r := asset.Reading{Asset: s.plate.ID, Time: at}
		values := map[string]float64{}
		for i, v := range s.rows[len(s.sent)%len(s.rows)] {
			m := s.plate.Metrics[i]
			r.Points = append(r.Points, asset.Point{Metric: m.Name, Value: v, Unit: m.Unit, Quality: 100})
			values[m.Name] = v
		}
		err := s.send(ctx, r)
		s.sent = append(s.sent, sentReading{key: at.UnixNano(), at: at, values: values, sure: err == nil})
	}
}

// vibrate sends the second of the channel that begins at start: a line of a record that
// goes on, in counts, with noise of its own.
func (s *sender) vibrate(ctx context.Context, start time.Time) {
	rng := rand.New(rand.NewPCG(uint64(start.Unix()), 1)) //nolint:gosec // noise, and a non-negative number
	w := asset.Waveform{Channel: vibration.Name, Start: start, RateHz: vibration.RateHz, Unit: vibration.Unit, Scale: 0.001, Quality: 100, Counts: make([]int16, int(vibration.RateHz))}
	var sum, squares float64
	for i := range w.Counts {
		c := math.Round(2000*math.Sin(2*math.Pi*160*float64(i)/w.RateHz) + 500*rng.NormFloat64())
		w.Counts[i] = int16(c)
		sum, squares = sum+c, squares+c*c
	}
	n := float64(w.Len())
	rms := w.Scale * math.Sqrt(squares/n-sum/n*sum/n)
	at := ingest.Newest(w)
	err := s.send(ctx, asset.Reading{Asset: s.plate.ID, Time: at, Wave: &w})
	s.blocks = append(s.blocks, sentReading{key: at.UnixNano(), at: at, values: map[string]float64{"rms": rms}, off: 1e-5, sure: err == nil})
}

// account holds the store to what was sent from a time on: what was sent before anybody
// listened is nobody's. No sample may be lost within a window: a block is one.
func (s *sender) account(t *testing.T, left leavings, begun time.Time) {
	t.Helper()
	t.Logf("counted: %v", left.counts)
	tally{what: "readings", sent: after(s.sent, begun), kept: left.readings, gaps: left.gaps}.account(t)
	lasts, _ := trial(t)
	tally{what: "windows", sent: after(s.blocks, begun), kept: left.windows, gaps: left.gaps, least: int(lasts.Seconds()) / 4}.account(t)
	for _, what := range []string{"samples-abandoned", "samples-filled", "blocks-abandoned", "late"} {
		if n := left.counts[what]; n > 0 {
			t.Errorf("%s: %d, want none", what, n)
		}
	}
}

// after are those from a time on, for sure, and the others without.
func after(sent []sentReading, begun time.Time) []sentReading {
	var out []sentReading
	for _, x := range sent {
		x.sure = x.sure && !x.at.Before(begun)
		out = append(out, x)
	}
	return out
}
