package mqtt_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/ingest"
	"github.com/telltale-iot/telltale/ingest/mqtt"
)

var t0 = time.Date(2024, 3, 1, 12, 0, 0, 0, time.UTC)

func broker(t *testing.T) *mqtt.Broker {
	t.Helper()
	b, err := mqtt.NewBroker("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

func publisher(t *testing.T, b *mqtt.Broker) *mqtt.Publisher {
	t.Helper()
	p, err := mqtt.NewPublisher(t.Context(), mqtt.Options{Config: mqtt.Config{URL: b.URL(), ClientID: "plant"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

func point(i int) asset.Reading {
	return asset.Reading{Asset: "wt/1 +a", Time: t0.Add(time.Duration(i) * time.Second), Points: []asset.Point{{Metric: "n", Value: float64(i), Unit: "1", Quality: 100}}}
}

func open(t *testing.T, opt mqtt.Options) *mqtt.Source {
	t.Helper()
	s, err := mqtt.Open(t.Context(), opt)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := s.Connected(ctx); err != nil {
		t.Fatal(err)
	}
	return s
}

// quiet reports whether nothing arrives any more.
func quiet(t *testing.T, s *mqtt.Source) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, _, err := s.Next(ctx)
	return errors.Is(err, context.DeadlineExceeded)
}

// A thousand readings, of which the first 400 were committed before the client
// died: the other 600 come again, in order of time.
func TestUnacknowledgedComesAgain(t *testing.T) {
	b := broker(t)
	p := publisher(t, b)
	opt := mqtt.Options{Config: mqtt.Config{URL: b.URL(), ClientID: "flow"}}
	s := open(t, opt)
	for i := range 1000 {
		if err := p.Publish(t.Context(), point(i), 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i := range 1000 {
		r, pos, err := s.Next(t.Context())
		if err != nil || r.Asset != "wt/1 +a" || r.Points[0].Value != float64(i) || pos.Offset != int64(i+1) {
			t.Fatalf("reading %d: %+v at %v, %v", i, r, pos, err)
		}
		if i == 399 {
			s.Ack(pos)
		}
	}
	s.Close()

	s = open(t, opt)
	for i := 400; i < 1000; i++ {
		r, pos, err := s.Next(t.Context())
		if err != nil || r.Points[0].Value != float64(i) {
			t.Fatalf("want %d again, got %+v, %v", i, r, err)
		}
		if i == 999 {
			s.Ack(pos)
		}
	}
	s.Close()

	s = open(t, opt)
	defer s.Close()
	if !quiet(t, s) {
		t.Error("a reading came after all were acknowledged")
	}
	if n := b.Dropped(); n > 0 {
		t.Errorf("the broker dropped %d", n)
	}
}

// What is published while the client is away is kept for it.
func TestSessionOutlivesClient(t *testing.T) {
	b := broker(t)
	p := publisher(t, b)
	opt := mqtt.Options{Config: mqtt.Config{URL: b.URL(), ClientID: "flow"}}
	open(t, opt).Close()
	for i := range 50 {
		if err := p.Publish(t.Context(), point(i), 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	s := open(t, opt)
	defer s.Close()
	for i := range 50 {
		if r, _, err := s.Next(t.Context()); err != nil || r.Points[0].Value != float64(i) {
			t.Fatalf("want %d, got %+v, %v", i, r, err)
		}
	}
}

// A full queue holds the publisher up and loses nothing.
func TestFullQueueBlocks(t *testing.T) {
	b := broker(t)
	p := publisher(t, b)
	s := open(t, mqtt.Options{Config: mqtt.Config{URL: b.URL(), ClientID: "flow", Queue: 4}})
	defer s.Close()
	for i := range 300 {
		if err := p.Publish(t.Context(), point(i), 0); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 300 {
		r, pos, err := s.Next(t.Context())
		if err != nil || r.Points[0].Value != float64(i) {
			t.Fatalf("want %d, got %+v, %v", i, r, err)
		}
		s.Ack(pos)
	}
}

func TestDeadLettersAndLongRecords(t *testing.T) {
	b := broker(t)
	p := publisher(t, b)
	var dead []string
	opt := mqtt.Options{Config: mqtt.Config{URL: b.URL(), ClientID: "flow"}, Refused: func(l ingest.DeadLetter) {
		dead = append(dead, fmt.Sprintf("%s %s %s", l.Topic, l.Reason, l.Payload))
	}}
	s := open(t, opt)
	for topic, payload := range map[string]string{"telltale/a/telemetry": `{"asset":"b","time":"2024-03-01T12:00:00Z","points":[{"metric":"m","value":1}]}`} {
		if err := p.Raw(t.Context(), topic, []byte(payload)); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Raw(t.Context(), "telltale/a/wave/x", []byte("nonsense")); err != nil {
		t.Fatal(err)
	}
	w := &asset.Waveform{Channel: "x", Start: t0, RateHz: 100, Unit: "g", Samples: make([]float32, 250), Quality: 100, First: true, Last: true}
	w.Samples[249] = 0.5
	if err := p.Publish(t.Context(), asset.Reading{Asset: "a", Time: t0, Wave: w}, 0.001); err != nil {
		t.Fatal(err)
	}
	got := ""
	var last asset.Position
	for range 3 {
		r, pos, err := s.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		last = pos
		got += fmt.Sprint(r.Wave.Len(), r.Wave.First, r.Wave.Last, r.Time.Sub(t0), float64(r.Wave.Counts[r.Wave.Len()-1])*r.Wave.Scale, "; ")
	}
	if want := "100 true false 990ms 0; 100 false false 1.99s 0; 50 false true 2.49s 0.5; "; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if want := `[telltale/a/telemetry not-allowed {"asset":"b","time":"2024-03-01T12:00:00Z","points":[{"metric":"m","value":1}]} telltale/a/wave/x undecodable nonsense]`; fmt.Sprint(dead) != want || len(s.Status().Refused) != 2 {
		t.Errorf("dead letters %v, counted %v", dead, s.Status().Refused)
	}
	// The message is acknowledged with the last of its blocks, not before.
	s.Ack(asset.Position{Offset: last.Offset - 1})
	s.Close()
	s = open(t, opt)
	if r, pos, err := s.Next(t.Context()); err != nil || !r.Wave.First {
		t.Errorf("the record did not come again: %+v, %v", r, err)
	} else {
		s.Ack(asset.Position{Offset: pos.Offset + 2})
	}
	s.Close()
	if len(dead) != 2 {
		t.Errorf("a dead letter came again: %v", dead)
	}
}

func TestBrokerStaysOnLoopback(t *testing.T) {
	if b, err := mqtt.NewBroker("0.0.0.0:0"); err == nil {
		_ = b.Close()
		t.Error("a broker without passwords listens on all addresses")
	}
}

// A message that is too long is refused without being read, and the next ones come.
func TestTooLongMessageIsADeadLetter(t *testing.T) {
	t.Parallel()
	b := broker(t)
	p := publisher(t, b)
	var dead []ingest.DeadLetter
	opt := mqtt.Options{Config: mqtt.Config{URL: b.URL(), ClientID: "flow", MaxPacket: 1 << 16}, Refused: func(l ingest.DeadLetter) { dead = append(dead, l) }}
	s := open(t, opt)
	if err := p.Raw(t.Context(), topic, bytes.Repeat([]byte("x"), 1<<20)); err != nil {
		t.Fatal(err)
	}
	if err := p.Publish(t.Context(), point(1), 0); err != nil {
		t.Fatal(err)
	}
	r, pos := next(t, s)
	s.Ack(pos)
	if r.Points[0].Value != 1 || len(dead) != 1 {
		t.Fatalf("got %+v and %d dead letters, want the short one, and one", r, len(dead))
	}
	want := fmt.Sprintf("%d bytes, at most 65536 are read (max_packet)", 1<<20+len(topic)+4)
	if !strings.Contains(dead[0].Text, want) || len(dead[0].Payload) != 4096 {
		t.Errorf("dead letter %q with %d bytes, want %q", dead[0].Text, len(dead[0].Payload), want)
	}
	s.Close()
	s = open(t, opt)
	defer s.Close()
	if !quiet(t, s) || len(dead) != 1 {
		t.Errorf("it came again: %d dead letters", len(dead))
	}
}
