package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/ingest"
)

var t0 = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

// decoder reads the two payloads that need nothing more; it waits while away is set.
type decoder struct{ away atomic.Bool }

func (d *decoder) Decode(_ context.Context, m ingest.Message) ([]asset.Reading, error) {
	if d.away.Load() {
		return nil, errors.New("the registry is away")
	}
	if m.Channel == "" {
		r, err := ingest.DecodeTelemetry(m.Payload, m.Asset)
		return []asset.Reading{r}, err
	}
	w, err := ingest.DecodeWave(asset.Waveform{}, m.Payload, m.Channel)
	if err != nil {
		return nil, err
	}
	var out []asset.Reading
	for _, b := range ingest.Cut(w) {
		out = append(out, asset.Reading{Asset: m.Asset, Time: ingest.Newest(b), Wave: &b})
	}
	return out, nil
}

// log collects what a source says of itself.
type log struct {
	mu      sync.Mutex
	lost    []string
	letters []ingest.DeadLetter
}

func (l *log) add(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lost = append(l.lost, err.Error())
}

func (l *log) refused(d ingest.DeadLetter) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.letters = append(l.letters, d)
}

func (l *log) said(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.ContainsFunc(l.lost, func(s string) bool { return strings.Contains(s, text) })
}

func cluster(t *testing.T, opts ...kfake.Opt) (*kfake.Cluster, Cluster) {
	t.Helper()
	c, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c, Cluster{Brokers: c.ListenAddrs()}
}

// clusters are one in this process and, where there is one, Apache Kafka.
func clusters(t *testing.T) map[string]Cluster {
	t.Helper()
	_, at := cluster(t)
	all := map[string]Cluster{"embedded": at}
	if apache != nil {
		all["apache"] = apache.plain()
	}
	return all
}

func open(t *testing.T, opt Options) (*Source, *log) {
	t.Helper()
	l := &log{}
	opt.Lost, opt.Refused = l.add, l.refused
	if opt.Decoder == nil {
		opt.Decoder = &decoder{}
	}
	s, err := Open(t.Context(), opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.stop(); s.member.Wait() })
	return s, l
}

func producer(t *testing.T, opt Produce) *Producer {
	t.Helper()
	p, err := NewProducer(ProducerOptions{Produce: opt})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

func send(t *testing.T, p *Producer, records ...Record) {
	t.Helper()
	if err := p.Send(t.Context(), records); err != nil {
		t.Fatal(err)
	}
}

// reading i of an asset, as a record.
func reading(id asset.ID, i int) Record {
	b, err := ingest.EncodeTelemetry(asset.Reading{Asset: id, Time: t0.Add(time.Duration(i) * time.Second), Points: []asset.Point{{Metric: "power", Value: float64(i), Unit: "kW", Quality: 100}}})
	if err != nil {
		panic(err)
	}
	return Record{Asset: id, Payload: b}
}

// say is what a reading says.
func say(r asset.Reading) string {
	switch {
	case r.Event != nil:
		return fmt.Sprint(r.Asset, " ", r.Event.Kind)
	case r.Wave != nil:
		return fmt.Sprint(r.Asset, " ", r.Wave.Channel, " ", r.Wave.Len())
	}
	return fmt.Sprint(r.Asset, " ", r.Points[0].Value)
}

// next waits for a reading.
func next(t *testing.T, s *Source) (string, asset.Position) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	r, pos, err := s.Next(ctx)
	if err != nil {
		t.Fatalf("%v; status: %+v", err, s.Status())
	}
	return say(r), pos
}

func take(t *testing.T, s *Source, n int) (names []string, last asset.Position) {
	t.Helper()
	for range n {
		var one string
		one, last = next(t, s)
		names = append(names, one)
	}
	return names, last
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for range 3000 {
		if holds() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("30 s went by and not: %s", what)
}

func admin(tb testing.TB, c Cluster) *kadm.Client {
	tb.Helper()
	k, err := kgo.NewClient(kgo.SeedBrokers(c.Brokers...))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(k.Close)
	return kadm.NewClient(k)
}

// newTopic makes one that nobody else uses; its group may be called the same.
func newTopic(t *testing.T, at Cluster, partitions int32, config map[string]string) string {
	t.Helper()
	name := fmt.Sprintf("t%d", topics.Add(1))
	values := map[string]*string{}
	for k, v := range config {
		values[k] = &v
	}
	if _, err := admin(t, at).CreateTopic(t.Context(), partitions, 1, values, name); err != nil {
		t.Fatal(err)
	}
	return name
}

func create(b *testing.B, at Cluster, name string) {
	b.Helper()
	if _, err := admin(b, at).CreateTopic(b.Context(), 1, 1, nil, name); err != nil {
		b.Fatal(err)
	}
}

var topics atomic.Int64

// apart are two assets in different partitions of two.
func apart() (a, b asset.ID) {
	for i := 0; ; i++ {
		if id := fmt.Sprint("b", i); partitioner(2)(id) != partitioner(2)("a") {
			return "a", asset.ID(id)
		}
	}
}
