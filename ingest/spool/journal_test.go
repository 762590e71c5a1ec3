package spool_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/ingest"
	"github.com/telltale-iot/telltale/ingest/spool"
)

// broker is a source that lets only so many messages be under way, in the way of one at
// QoS 1, and sends again what was not acknowledged.
type broker struct {
	mu     sync.Mutex
	window int
	sent   int // of readings
	acked  int
	total  int
	moved  chan struct{}
}

func newBroker(total, window int) *broker {
	return &broker{total: total, window: window, moved: make(chan struct{}, 1)}
}

var begin = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func (b *broker) Next(ctx context.Context) (asset.Reading, asset.Position, error) {
	for {
		b.mu.Lock()
		if b.sent < b.total && b.sent < b.acked+b.window {
			b.sent++
			n := b.sent
			b.mu.Unlock()
			r := asset.Reading{Asset: asset.ID(fmt.Sprint("a", n%3)), Time: begin.Add(time.Duration(n) * time.Second), Points: []asset.Point{{Metric: "m", Value: float64(n), Unit: "°C", Quality: 100, Meta: `{"n":1}`}}}
			return r, asset.Position{Offset: int64(n)}, nil
		}
		done := b.sent >= b.total && b.acked >= b.total
		b.mu.Unlock()
		if done {
			return asset.Reading{}, asset.Position{}, io.EOF
		}
		select {
		case <-b.moved:
		case <-ctx.Done():
			return asset.Reading{}, asset.Position{}, ctx.Err()
		}
	}
}

func (b *broker) Ack(p asset.Position) {
	b.mu.Lock()
	b.acked = max(b.acked, int(p.Offset))
	b.mu.Unlock()
	select {
	case b.moved <- struct{}{}:
	default:
	}
}

// more lets it have so many in all, and sends again what was not acknowledged.
func (b *broker) more(total int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.total, b.sent = total, b.acked
	select {
	case b.moved <- struct{}{}:
	default:
	}
}

func openJournal(t *testing.T, dir string, src ingest.Source, base int64) (*spool.Journal, func()) {
	t.Helper()
	if b, ok := src.(*broker); ok {
		b.more(b.total)
	}
	s, err := spool.Open(spool.Options{Dir: dir, MaxBytes: 64 << 20})
	if err != nil {
		t.Fatal(err)
	}
	j, err := spool.NewJournal(t.Context(), s, src, spool.JournalOptions{Base: base, Tell: func(err error) { t.Log(err) }})
	if err != nil {
		t.Fatal(err)
	}
	return j, func() {
		j.Close()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// next reads n values.
func next(t *testing.T, j *spool.Journal, n int) (values []int, last asset.Position) {
	t.Helper()
	for range n {
		r, p, err := j.Next(t.Context())
		if err != nil {
			t.Fatalf("after %d of %d: %v", len(values), n, err)
		}
		values, last = append(values, int(r.Points[0].Value)), p
		if r.Points[0].Meta == "" || !r.Time.Equal(begin.Add(time.Duration(values[len(values)-1])*time.Second)) {
			t.Errorf("it came back as %+v", r)
		}
	}
	return values, last
}

// TestBrokerIsNeverKeptWaiting reads 200 messages of a broker that lets one be under way,
// and acknowledges none of them.
func TestBrokerIsNeverKeptWaiting(t *testing.T) {
	j, end := openJournal(t, t.TempDir(), newBroker(200, 1), 0)
	defer end()
	values, _ := next(t, j, 200)
	for i, v := range values {
		if v != i+1 {
			t.Fatalf("reading %d is %d", i+1, v)
		}
	}
	if _, _, err := j.Next(t.Context()); !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %v, want io.EOF", err)
	}
}

func TestRestartFindsWhatTheFlowStillNeeds(t *testing.T) {
	dir, src := t.TempDir(), newBroker(300, 20)
	j, end := openJournal(t, dir, src, 1000)
	_, p := next(t, j, 100)
	if p.Offset != 1100 {
		t.Errorf("position is %d, want 1100", p.Offset)
	}
	j.Ack(asset.Position{Offset: 1040})
	j.Ack(asset.Position{Offset: 1030}) // an older one has no effect
	end()

	j, end = openJournal(t, dir, src, 5000)
	values, p := next(t, j, 260)
	for i, v := range values {
		if v != i+41 {
			t.Fatalf("reading %d after the restart is %d, want %d", i, v, i+41)
		}
	}
	j.Ack(p)
	end()
	j, end = openJournal(t, dir, src, 0)
	defer end()
	if _, _, err := j.Next(t.Context()); !errors.Is(err, io.EOF) {
		t.Errorf("all was acknowledged, and %v came, want io.EOF", err)
	}
}

func TestWavesComeBackAsTheyWere(t *testing.T) {
	dir := t.TempDir()
	in := []asset.Reading{
		{Wave: &asset.Waveform{Channel: "c", Start: begin, RateHz: 4, Unit: "m/s²", Counts: []int16{-32768, 0, 7, 32767}, Scale: 1e-3, Quality: 90, First: true}},
		{Wave: &asset.Waveform{Channel: "c", Start: begin.Add(time.Second), RateHz: 4, Unit: "m/s²", Samples: []float32{1.5, -2}, Quality: 100, Last: true}},
		{Time: begin, Seq: 9, Event: &asset.Event{Component: "gearbox", Kind: "status", Code: "7", Text: "a text"}},
	}
	for i := range in {
		in[i].Asset = "a"
		if w := in[i].Wave; w != nil {
			in[i].Time = ingest.Newest(*w)
		}
	}
	j, end := openJournal(t, dir, &given{left: in}, 0)
	for range in {
		if _, _, err := j.Next(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	end()
	j, end = openJournal(t, dir, &given{}, 0)
	defer end()
	for i, want := range in {
		got, _, err := j.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if a, b := show(got), show(want); a != b {
			t.Errorf("reading %d came back as\n%s, was\n%s", i, a, b)
		}
	}
}

func show(r asset.Reading) string {
	out := fmt.Sprint(r.Asset, r.Time, r.Seq, r.Points)
	if r.Wave != nil {
		out += fmt.Sprintf("%+v", *r.Wave)
	}
	if r.Event != nil {
		out += fmt.Sprintf("%+v", *r.Event)
	}
	return out
}

// given is a source of what it holds; then it waits.
type given struct{ left []asset.Reading }

func (g *given) Next(ctx context.Context) (asset.Reading, asset.Position, error) {
	if len(g.left) == 0 {
		<-ctx.Done()
		return asset.Reading{}, asset.Position{}, ctx.Err()
	}
	r := g.left[0]
	g.left = g.left[1:]
	return r, asset.Position{}, nil
}

func (*given) Ack(asset.Position) {}

// TestDamagedJournalIsAGapAndGoesOn flips a byte in the middle of what was kept.
func TestDamagedJournalIsAGapAndGoesOn(t *testing.T) {
	dir, src := t.TempDir(), newBroker(51, 50)
	j, end := openJournal(t, dir, src, 0)
	next(t, j, 51) // the last in a write of its own: damage in that is taken for a write that did not finish
	end()
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	largest, size := "", int64(0)
	for _, f := range files {
		if info, err := os.Stat(f); err == nil && info.Size() > size {
			largest, size = f, info.Size()
		}
	}
	body, err := os.ReadFile(largest)
	if err != nil {
		t.Fatal(err)
	}
	body[size/2] ^= 0x10
	if err := os.WriteFile(largest, body, 0o600); err != nil {
		t.Fatal(err)
	}
	src.more(60)
	j, end = openJournal(t, dir, src, 0)
	seen, last := map[int]bool{}, asset.Position{}
	for !seen[60] {
		r, p, err := j.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if last = p; len(r.Points) > 0 {
			seen[int(r.Points[0].Value)] = true
		}
	}
	if len(seen) != 59 {
		t.Errorf("%d of 60 readings came, want 59", len(seen))
	}
	j.Ack(last)
	end()
	j, end = openJournal(t, dir, src, 0)
	defer end()
	if r, _, err := j.Next(t.Context()); !errors.Is(err, io.EOF) {
		t.Errorf("all was acknowledged, and %+v, %v came, want io.EOF", r, err)
	}
}
