package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/features"
	"github.com/telltale-iot/telltale/ingest"
	"github.com/telltale-iot/telltale/ingest/spool"
	"github.com/telltale-iot/telltale/pipeline"
	"github.com/telltale-iot/telltale/simulate"
)

// someFarm is an afternoon of two turbines.
func someFarm(t *testing.T) *farmRun {
	t.Helper()
	f, err := newFarmRun(simulate.Options{Turbines: 2, Duration: 3 * time.Hour, WaveEvery: 30 * time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range f.readings { // as they are once they have been sent: times in microseconds
		all, err := ingest.DecodeProtobuf(ingest.AppendTelemetry(nil, r), ingest.Message{})
		if err != nil || len(all) != 1 {
			t.Fatal(len(all), err)
		}
		f.readings[i] = all[0]
	}
	return f
}

// flowed is what a flow made of readings: vectors and risks as text, by asset, and how
// many spectra it kept.
type flowed struct {
	vectors, risks map[asset.ID][]string
	spectra        int
	counts         map[string]int64
}

// judge sends readings through the whole flow.
func (f *farmRun) judge(t *testing.T, readings []asset.Reading) flowed {
	t.Helper()
	j := flowed{vectors: map[asset.ID][]string{}, risks: map[asset.ID][]string{}, counts: map[string]int64{}}
	var mu sync.Mutex
	run := *f
	run.readings = readings
	err := run.run(t.Context(), t.TempDir()+"/x.db", nil, func(fx pipeline.Effects) {
		mu.Lock()
		defer mu.Unlock()
		for _, frame := range fx.Frames {
			j.spectra += len(frame.Spectra)
			for _, v := range frame.Vectors {
				j.vectors[frame.Asset] = append(j.vectors[frame.Asset], frame.Time.String()+vectorText(v))
			}
		}
		for _, r := range fx.Risks {
			b, err := json.Marshal(r)
			if err != nil {
				t.Error(err)
			}
			j.risks[r.Asset] = append(j.risks[r.Asset], string(b))
		}
		for what, n := range fx.Counts {
			j.counts[what] += n
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func vectorText(v features.Vector) string {
	s := fmt.Sprint(v.Channel, v.Start, v.WindowS, v.Quality, v.Fields, v.Reasons)
	for _, x := range v.Values {
		s += fmt.Sprintf(" %x", math.Float64bits(x))
	}
	return s
}

// stations are gateways one after the other on one folder.
type stations struct {
	f    *farmRun
	data string
	out  *far
}

// pass sends readings through a gateway, into a spool and out of it.
func (s *stations) pass(ctx context.Context, t *testing.T, src pipeline.Source) {
	t.Helper()
	conf := &config{Data: s.data, Gateway: gatewayConfig{Features: &gatewayFeatures{EvidenceEvery: 2 * time.Hour}}}
	x, err := openExtraction(t.Context(), s.f.w, conf)
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	disk, err := spool.Open(spool.Options{Dir: s.data + "/spool"})
	if err != nil {
		t.Fatal(err)
	}
	defer disk.Close() //nolint:errcheck // it is removed
	g := &gateway{spool: disk, out: s.out, log: slog.New(slog.DiscardHandler), extraction: x}
	if err := g.extract(ctx, src); err != nil {
		t.Fatal(err)
	}
	for disk.Status().Records > 0 {
		if err := g.pass(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// arrived are the readings of all messages, in the order of a topic.
func (s *stations) arrived(t *testing.T) (readings []asset.Reading, bytes int) {
	t.Helper()
	var p ingest.Payloads
	for _, m := range s.out.got {
		all, err := p.Decode(t.Context(), m)
		if err != nil {
			t.Fatal(err)
		}
		readings = append(readings, all...)
		bytes += len(m.Payload)
	}
	return readings, bytes
}

// What is computed near the machine is judged as if its samples had come: the same
// vectors and the same risks, bit by bit.
func TestFeaturesOfAGatewayAreJudgedAsSamplesAre(t *testing.T) {
	f := someFarm(t)
	want := f.judge(t, f.readings)
	s := &stations{f: f, data: t.TempDir(), out: &far{}}
	s.pass(t.Context(), t, &listed{readings: f.readings})
	sent, bytes := s.arrived(t)
	got := f.judge(t, sent)

	windows, evidence, bare := 0, 0, 0
	for _, r := range sent {
		if r.Wave != nil {
			t.Fatalf("samples of %s went out: %+v", r.Asset, r.Time)
		}
		for _, x := range r.Features {
			windows++
			if x.Evidence != nil {
				evidence++
				x.Evidence = nil
			}
			bare += len(ingest.AppendTelemetry(nil, asset.Reading{Asset: r.Asset, Time: r.Time, Features: []asset.Features{x}}))
		}
	}
	if windows == 0 || evidence == 0 || evidence > windows/2 {
		t.Fatalf("%d windows, %d with evidence", windows, evidence)
	}
	if got.spectra == 0 {
		t.Error("no spectrum was made of the evidence")
	}
	for what, n := range got.counts {
		if want.counts[what] != n && (what[:4] == "refu" || what == "late") {
			t.Errorf("%d %s", n, what)
		}
	}
	for id := range want.vectors {
		same(t, "vectors of "+string(id), got.vectors[id], want.vectors[id])
		same(t, "risks of "+string(id), got.risks[id], want.risks[id])
	}
	t.Logf("%d windows of %.0f samples: %d bytes each; with points and %d windows of evidence %.2f of 2 bytes a sample", windows, f.samples/float64(windows), bare/windows, evidence, float64(bytes)/(2*f.samples))
}

func same(t *testing.T, what string, got, want []string) {
	t.Helper()
	if len(want) == 0 || len(got) != len(want) {
		t.Errorf("%s: %d, want %d", what, len(got), len(want))
	}
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			t.Errorf("%s: %d is %s\nwant %s", what, i, got[i], want[i])
			return
		}
	}
}

// interrupted is a source that keeps what was not acknowledged, and ends after some
// readings without being at its end.
type interrupted struct {
	readings []asset.Reading
	base     int64 // offset of the first
	given    int
	stop     int // readings until the context is ended
	end      context.CancelFunc
	mu       sync.Mutex
	acked    int64
}

func (s *interrupted) Next(ctx context.Context) (asset.Reading, asset.Position, error) {
	switch {
	case s.given == len(s.readings):
		return asset.Reading{}, asset.Position{Offset: s.base + int64(s.given)}, io.EOF
	case s.given == s.stop:
		s.end()
		<-ctx.Done()
		return asset.Reading{}, asset.Position{}, ctx.Err()
	}
	s.given++
	return s.readings[s.given-1], asset.Position{Offset: s.base + int64(s.given)}, nil
}

func (s *interrupted) Ack(p asset.Position) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.acked = max(s.acked, p.Offset-s.base)
}

// A gateway that is stopped at any place and comes back to what it has not acknowledged
// leaves no window out, and what comes twice is refused by those who read.
func TestAGatewayThatComesBackLeavesNoWindowOut(t *testing.T) {
	f := someFarm(t)
	want := f.judge(t, f.readings)
	for seed := range uint64(4) {
		r := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // for places to stop
		s := &stations{f: f, data: t.TempDir(), out: &far{}}
		left := f.readings
		for len(left) > 0 {
			x, err := openExtraction(t.Context(), f.w, &config{Data: s.data, Gateway: gatewayConfig{Features: &gatewayFeatures{}}})
			if err != nil {
				t.Fatal(err)
			}
			base := x.next
			x.Close()
			ctx, end := context.WithCancel(t.Context())
			src := &interrupted{readings: left, base: base, stop: 1 + r.IntN(len(f.readings)/2), end: end}
			s.pass(ctx, t, src)
			end()
			if src.given == len(left) {
				break
			}
			left = left[src.acked:]
		}
		sent, _ := s.arrived(t)
		got := f.judge(t, sent)
		for id := range want.vectors {
			have := map[string]bool{}
			for _, v := range got.vectors[id] {
				have[v] = true
			}
			for _, v := range want.vectors[id] {
				if !have[v] {
					t.Errorf("seed %d: %s lacks %.100s", seed, id, v)
					break
				}
			}
			if len(got.vectors[id]) != len(want.vectors[id]) {
				t.Errorf("seed %d: %d vectors of %s, want %d; %v", seed, len(got.vectors[id]), id, len(want.vectors[id]), slices.Sorted(maps.Keys(got.counts)))
			}
		}
	}
}
