package main

import (
	"context"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/class"
	"github.com/telltale-iot/telltale/pipeline"
	"github.com/telltale-iot/telltale/store"
)

// stream is turbines of three axes that are measured at 25.6 kHz without a break. Its
// readings are blocks of a second, those of one second turbine by turbine.
type stream struct {
	works   *works
	begins  time.Time
	seconds int
	own     bool // every reading has memory of its own, as one that was decoded has
	next    int
	counts  [][]int16
	took    func() // before each reading; may be nil
}

// streamLearns is how many instants each turbine learns from before it is judged.
const streamLearns = 6

func newStream(assets, seconds int) (*stream, error) {
	classes, err := class.Shipped()
	if err != nil {
		return nil, err
	}
	plates := parkPlates(assets)
	for i := range plates {
		plates[i].Learning = &asset.Learning{Rows: streamLearns}
	}
	s := &stream{works: newWorks(classes, plates), seconds: seconds, begins: time.Now().UTC().Truncate(time.Hour).Add(-24 * time.Hour)}
	for i := range uint32(8) {
		s.counts = append(s.counts, benchCounts(benchRate, i))
	}
	return s, s.works.check()
}

// perSecond is how many readings a second of the stream has.
func (s *stream) perSecond() int { return len(s.works.ids) * parkChannels }

// length is the number of all readings.
func (s *stream) length() int { return s.seconds * s.perSecond() }

// at makes a reading.
func (s *stream) at(i int) asset.Reading {
	second, of := i/s.perSecond(), i%s.perSecond()
	counts := s.counts[(of+second)%len(s.counts)]
	if s.own {
		counts = slices.Clone(counts)
	}
	w := &asset.Waveform{
		Channel: parkChannel(of % parkChannels), Start: s.begins.Add(time.Duration(second) * time.Second), RateHz: benchRate, Unit: "m/s²",
		Counts: counts, Scale: 1e-3, Quality: 100, First: second == 0,
	}
	newest := w.Start.Add(time.Duration(benchRate-1) * time.Second / benchRate)
	return asset.Reading{Asset: s.works.ids[of/parkChannels], Time: newest, Wave: w}
}

// Next returns the next reading.
func (s *stream) Next(context.Context) (asset.Reading, asset.Position, error) {
	if s.next == s.length() {
		return asset.Reading{}, asset.Position{Offset: int64(s.next)}, io.EOF
	}
	if s.took != nil {
		s.took()
	}
	s.next++
	return s.at(s.next - 1), asset.Position{Offset: int64(s.next)}, nil
}

// Ack has no effect.
func (*stream) Ack(asset.Position) {}

// through sends the readings through the flow into an empty store, as the service does.
func (s *stream) through(ctx context.Context, db store.Store, kept func(pipeline.Effects)) error {
	s.next = 0
	shards, _, _, err := claimShards(ctx, db, defaultShards, nil, func(int32) pipeline.Plant { return s.works.plant() })
	if err != nil {
		return err
	}
	f := pipeline.Flow{Source: s, Keeper: db, Shards: shards, Batch: pipeline.Batch{Eager: true}, Kept: kept}
	return f.Run(ctx)
}

// taken adds up what was committed. Its methods are safe for concurrent use.
type taken struct {
	mu       sync.Mutex
	counts   map[string]int64
	risks    int
	state    int64 // bytes of carried state
	commits  int
	last     time.Time
	from     int64   // samples after which a share of the work is measured
	cpu      float64 // when these were committed
	measured int64   // samples after that
	perCPU   float64 // the rate at the end
}

func (t *taken) add(fx pipeline.Effects) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.counts == nil {
		t.counts = map[string]int64{}
	}
	if t.cpu > 0 {
		t.measured += fx.Counts["samples"]
	}
	for what, n := range fx.Counts {
		t.counts[what] += n
	}
	if t.cpu == 0 && t.counts["samples"] >= t.from {
		t.cpu = cpuSeconds()
	}
	for key, body := range fx.State {
		t.state += int64(len(key.Asset) + len(key.Part) + len(body))
	}
	for _, r := range fx.Risks {
		if r.Risk.Known() {
			t.risks++
		}
	}
	t.commits++
	t.last = time.Now()
}

// readings is how many were committed.
func (t *taken) readings() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.counts["readings"]
}

// rate is samples in a CPU second, up to now.
func (t *taken) rate() float64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return float64(t.measured) / (cpuSeconds() - t.cpu)
}
