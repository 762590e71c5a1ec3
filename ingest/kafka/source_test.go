package kafka

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

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

// name of what a reading says.
func name(r asset.Reading) string {
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
	return name(r), pos
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

func admin(t *testing.T, c Cluster) *kadm.Client {
	t.Helper()
	k, err := kgo.NewClient(kgo.SeedBrokers(c.Brokers...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	return kadm.NewClient(k)
}

func TestWhatIsNotAcknowledgedComesAgain(t *testing.T) {
	t.Parallel()
	_, at := cluster(t, kfake.SeedTopics(3, "telemetry"))
	p := producer(t, Produce{Cluster: at, Topic: "telemetry"})
	var want []string
	for i := range 20 {
		for _, id := range []asset.ID{"a", "b", "c"} {
			send(t, p, reading(id, i))
			want = append(want, fmt.Sprint(id, " ", i))
		}
	}
	opt := Options{Consume: Consume{Cluster: at, Topics: []string{"telemetry"}, Group: "g"}, Base: 1000}
	s, _ := open(t, opt)
	got, last := take(t, s, 60)
	if last.Offset != 1060 {
		t.Errorf("the last offset is %d, want 1060: they count readings on from the base", last.Offset)
	}
	for _, id := range []string{"a ", "b ", "c "} {
		of := func(all []string) []string {
			return slices.DeleteFunc(slices.Clone(all), func(s string) bool { return !strings.HasPrefix(s, id) })
		}
		if !slices.Equal(of(got), of(want)) {
			t.Errorf("of %s arrived %v, want %v", id, of(got), of(want))
		}
	}
	s.Ack(asset.Position{Offset: 1040})
	s.Close()

	s, _ = open(t, opt)
	again, last := take(t, s, 20)
	if slices.Sort(again); !slices.Equal(again, slices.Sorted(slices.Values(got[40:]))) {
		t.Errorf("again came %v, want %v", again, got[40:])
	}
	if st := s.Status(); !st.Up || st.Messages < 20 || st.Why != "" {
		t.Errorf("status is %+v, want it up", st)
	}
	s.Ack(last)
	eventually(t, "the group has heard of all", func() bool {
		done := int64(0)
		for _, p := range s.Partitions() {
			done += p.End - p.Committed
		}
		return done == 0 && len(s.Partitions()) == 3
	})
	s.Close()
}

func TestRefusedMessagesGoToTheirTopicAndThePartitionGoesOn(t *testing.T) {
	t.Parallel()
	_, at := cluster(t, kfake.SeedTopics(1, "telemetry", "dead"))
	p := producer(t, Produce{Cluster: at, Topic: "telemetry"})
	large := reading("a", 2)
	large.Payload = append(large.Payload, strings.Repeat(" ", 64<<10)...)
	poison := Record{Asset: "a", Headers: map[string]string{"TraceParent": "00-1"}, Payload: []byte("\x00\xffpoison")}
	nan := Record{Asset: "a", Payload: []byte(`{"time":"2026-03-01T00:00:03Z","points":[{"metric":"power","value":NaN,"unit":"kW"}]}`)}
	send(t, p, reading("a", 0), poison, reading("a", 1), large, nan, reading("stranger", 1), reading("a", 4))

	s, l := open(t, Options{Consume: Consume{Cluster: at, Topics: []string{"telemetry"}, Group: "g", Assets: []asset.ID{"a"}, DeadLetter: "dead", MaxBytes: 32 << 10}})
	got, last := take(t, s, 3)
	if want := []string{"a 0", "a 1", "a 4"}; !slices.Equal(got, want) {
		t.Fatalf("arrived %v, want %v", got, want)
	}
	s.Ack(last)
	eventually(t, "all is committed", func() bool { return s.Partitions()[0].Committed == 7 })
	s.Close()

	k, err := kgo.NewClient(kgo.SeedBrokers(at.Brokers...), kgo.ConsumeTopics("dead"), kgo.FetchMaxWait(100*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	var dead []*kgo.Record
	for len(dead) < 4 {
		dead = append(dead, k.PollFetches(t.Context()).Records()...)
	}
	for i, want := range []struct{ reason, offset, key, payload string }{
		{"undecodable", "1", "a", string(poison.Payload)}, {"too-large", "3", "", ""},
		{"undecodable", "4", "a", string(nan.Payload)}, {"asset-not-allowed", "5", "stranger", string(reading("stranger", 1).Payload)},
	} {
		h := map[string]string{}
		for _, x := range dead[i].Headers {
			h[x.Key] = string(x.Value)
		}
		if h["reason"] != want.reason || h["offset"] != want.offset || h["topic"] != "telemetry" || h["partition"] != "0" || h["text"] == "" || h["source"] == "" {
			t.Errorf("letter %d has headers %v, want reason %s and offset %s", i, h, want.reason, want.offset)
		}
		if string(dead[i].Value) != want.payload || string(dead[i].Key) != want.key {
			t.Errorf("letter %d is %q by %q, want %q by %q", i, dead[i].Value, dead[i].Key, want.payload, want.key)
		}
		if i == 0 && h["traceparent"] != "00-1" {
			t.Errorf("the message's own headers are lost: %v", h)
		}
		if x := l.letters[i]; string(x.Reason) != want.reason || fmt.Sprint(x.Offset) != want.offset || string(x.Payload) != want.payload {
			t.Errorf("reported was %+v, want %v", x, want)
		}
	}
	if st := s.Status(); st.Refused["undecodable"] != 2 || st.Refused[TooLarge] != 1 || st.Refused[NotAllowed] != 1 || st.Messages != 7 {
		t.Errorf("status counts %+v", st)
	}
}

func TestPartitionWaitsForTheDecoder(t *testing.T) {
	t.Parallel()
	_, at := cluster(t, kfake.SeedTopics(1, "telemetry"))
	send(t, producer(t, Produce{Cluster: at, Topic: "telemetry"}), reading("a", 0), reading("a", 1))
	d := &decoder{}
	d.away.Store(true)
	s, l := open(t, Options{Consume: Consume{Cluster: at, Topics: []string{"telemetry"}, Group: "g"}, Decoder: d})
	eventually(t, "the status says why", func() bool { st := s.Status(); return !st.Up && strings.Contains(st.Why, "registry is away") })
	d.away.Store(false)
	if got, _ := take(t, s, 2); !slices.Equal(got, []string{"a 0", "a 1"}) {
		t.Errorf("arrived %v", got)
	}
	if st := s.Status(); !st.Up || len(st.Refused) > 0 || !l.said("registry is away") {
		t.Errorf("status is %+v, said was %v", st, l.lost)
	}
}

// apart are two assets in different partitions of two.
func apart() (a, b asset.ID) {
	for i := 0; ; i++ {
		if id := fmt.Sprint("b", i); partitioner(2)(id) != partitioner(2)("a") {
			return "a", asset.ID(id)
		}
	}
}

func TestWhatRetentionTookStopsThePartitionLoudly(t *testing.T) {
	t.Parallel()
	for _, when := range []string{"before the start", "while it reads"} {
		t.Run(when, func(t *testing.T) {
			c, at := cluster(t, kfake.SeedTopics(2, "telemetry"))
			p := producer(t, Produce{Cluster: at, Topic: "telemetry"})
			hurt, fine := apart()
			where := int32(partitioner(2)(string(hurt)))
			opt := Options{Consume: Consume{Cluster: at, Topics: []string{"telemetry"}, Group: "g"}}
			s, l := open(t, opt)
			send(t, p, reading(hurt, 0))
			_, last := take(t, s, 1)
			s.Ack(last)
			eventually(t, "it is committed", func() bool {
				return slices.ContainsFunc(s.Partitions(), func(p Partition) bool { return p.Committed == 1 })
			})
			cutOff := func() {
				if _, err := admin(t, at).DeleteRecords(t.Context(), kadm.Offsets{"telemetry": {where: {Topic: "telemetry", Partition: where, At: 5}}}); err != nil {
					t.Fatal(err)
				}
			}
			if when == "before the start" {
				s.Close()
				send(t, p, reading(hurt, 1), reading(hurt, 2), reading(hurt, 3), reading(hurt, 4), reading(hurt, 5))
				cutOff()
				s, l = open(t, opt)
			} else {
				var away atomic.Bool
				away.Store(true)
				c.ControlKey(int16(kmsg.Fetch), func(kmsg.Request) (kmsg.Response, error, bool) {
					c.KeepControl()
					if away.Load() {
						return nil, errors.New("cut"), true
					}
					return nil, nil, false
				})
				send(t, p, reading(hurt, 1), reading(hurt, 2), reading(hurt, 3), reading(hurt, 4), reading(hurt, 5))
				cutOff()
				away.Store(false)
				if got, _ := take(t, s, 1); got[0] != name(asset.Reading{Asset: hurt, Event: &asset.Event{Kind: ingest.GapEvent}}) {
					t.Errorf("arrived %v, want a gap", got)
				}
			}
			send(t, p, reading(fine, 1))
			if got, _ := take(t, s, 1); got[0] != string(fine)+" 1" {
				t.Errorf("arrived %v, want the other partition to go on", got)
			}
			eventually(t, "the status says so", func() bool { return strings.Contains(s.Status().Why, "4 messages are gone") })
			if s.Status().Up || !l.said("4 messages are gone, the log begins at 5, to be read was 1") {
				t.Errorf("said was %v, status %+v", l.lost, s.Status())
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if r, _, err := s.Next(ctx); err == nil {
				t.Errorf("the partition jumped: %s", name(r))
			}
		})
	}
}

func TestAPartitionThatDeliversNothingIsConnectedAnew(t *testing.T) {
	t.Parallel()
	c, at := cluster(t, kfake.SeedTopics(1, "telemetry"))
	var silent atomic.Bool
	silent.Store(true)
	c.ControlKey(int16(kmsg.Fetch), func(r kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		if !silent.Load() {
			return nil, nil, false
		}
		answer := r.ResponseKind().(*kmsg.FetchResponse)
		p := kmsg.NewFetchResponseTopicPartition()
		p.HighWatermark, p.LastStableOffset = 2, 2
		answer.Topics = []kmsg.FetchResponseTopic{{Topic: "telemetry", Partitions: []kmsg.FetchResponseTopicPartition{p}}}
		return answer, nil, true
	})
	send(t, producer(t, Produce{Cluster: at, Topic: "telemetry"}), reading("a", 0), reading("a", 1))
	s, l := open(t, Options{Consume: Consume{Cluster: at, Topics: []string{"telemetry"}, Group: "g"}, Stall: 300 * time.Millisecond})
	was := s.connection()
	eventually(t, "it is noticed", func() bool { return l.said("nothing is delivered from 0 on, the log goes to 2") })
	if s.connection() == was {
		t.Error("the connections are the same")
	}
	silent.Store(false)
	if got, _ := take(t, s, 2); !slices.Equal(got, []string{"a 0", "a 1"}) {
		t.Errorf("arrived %v", got)
	}
}

func TestEveryCompressionIsRead(t *testing.T) {
	t.Parallel()
	_, at := cluster(t, kfake.SeedTopics(1, "telemetry"))
	s, l := open(t, Options{Consume: Consume{Cluster: at, Topics: []string{"telemetry"}, Group: "g", MaxBytes: 64 << 10}})
	i := 0
	for _, codec := range []kgo.CompressionCodec{kgo.NoCompression(), kgo.GzipCompression(), kgo.SnappyCompression(), kgo.Lz4Compression(), kgo.ZstdCompression()} {
		k, err := kgo.NewClient(kgo.SeedBrokers(at.Brokers...), kgo.ProducerBatchCompression(codec), kgo.DefaultProduceTopic("telemetry"), kgo.ProducerLinger(50*time.Millisecond))
		if err != nil {
			t.Fatal(err)
		}
		var batch []*kgo.Record
		var want []string
		for range 300 {
			batch = append(batch, kgo.KeySliceRecord([]byte("a"), reading("a", i).Payload))
			want = append(want, fmt.Sprint("a ", i))
			i++
		}
		if err := k.ProduceSync(t.Context(), batch...).FirstErr(); err != nil {
			t.Fatal(err)
		}
		k.Close()
		if got, _ := take(t, s, 300); !slices.Equal(got, want) {
			t.Errorf("%+v: arrived %v, want %v", codec, got, want)
		}
	}
	if len(l.letters) > 0 {
		t.Errorf("refused: %v", l.letters)
	}
	for _, compression := range Compressions {
		send(t, producer(t, Produce{Cluster: at, Topic: "telemetry", Compression: compression}), reading("a", i), reading("a", i+1))
		if got, _ := take(t, s, 2); !slices.Equal(got, []string{fmt.Sprint("a ", i), fmt.Sprint("a ", i+1)}) {
			t.Errorf("%s: arrived %v", compression, got)
		}
		i += 2
	}
}

func TestWhatAbortedTransactionsWroteIsNotRead(t *testing.T) {
	t.Parallel()
	_, at := cluster(t, kfake.SeedTopics(1, "telemetry"))
	k, err := kgo.NewClient(kgo.SeedBrokers(at.Brokers...), kgo.TransactionalID("t"), kgo.DefaultProduceTopic("telemetry"))
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	for i, commit := range []kgo.TransactionEndTry{kgo.TryCommit, kgo.TryAbort, kgo.TryCommit} {
		if err := k.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		if err := k.ProduceSync(t.Context(), kgo.KeySliceRecord([]byte("a"), reading("a", i).Payload)).FirstErr(); err != nil {
			t.Fatal(err)
		}
		if err := k.EndTransaction(t.Context(), commit); err != nil {
			t.Fatal(err)
		}
	}
	s, l := open(t, Options{Consume: Consume{Cluster: at, Topics: []string{"telemetry"}, Group: "g"}})
	got, last := take(t, s, 2)
	if !slices.Equal(got, []string{"a 0", "a 2"}) {
		t.Errorf("arrived %v, want what was committed", got)
	}
	s.Ack(last)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	if r, _, err := s.Next(ctx); err == nil {
		t.Errorf("then came %s", name(r))
	}
	eventually(t, "the marks of the transactions are committed too", func() bool { return s.Partitions()[0].Committed == 6 })
	if holes := s.Partitions()[0].Holes; holes != 0 || len(l.lost) > 0 {
		t.Errorf("%d holes, said was %v", holes, l.lost)
	}
}

func TestReadingsOfALostPartitionAreNotDelivered(t *testing.T) {
	t.Parallel()
	_, at := cluster(t, kfake.SeedTopics(2, "telemetry"))
	p := producer(t, Produce{Cluster: at, Topic: "telemetry"})
	a, b := apart()
	ids := []asset.ID{a, b}
	for i := range 50 {
		send(t, p, reading(ids[0], i), reading(ids[1], i))
	}
	opt := Options{Consume: Consume{Cluster: at, Topics: []string{"telemetry"}, Group: "g"}}
	first, _ := open(t, opt)
	got, last := take(t, first, 10)
	first.Ack(last)
	eventually(t, "it has all in its queue", func() bool { return first.Queued() == 90 })
	second, _ := open(t, opt)
	eventually(t, "they share", func() bool { return len(first.Partitions()) == 1 && len(second.Partitions()) == 1 })

	// What is in the queue of the first is of both partitions; only its own comes, and from
	// where it was committed.
	theirs := ids[0]
	if int(partitioner(2)(string(ids[0]))) == first.Partitions()[0].Partition {
		theirs = ids[1]
	}
	read := func(s *Source) map[string]int {
		all := map[string]int{}
		for {
			ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
			r, _, err := s.Next(ctx)
			cancel()
			if err != nil {
				return all
			}
			all[name(r)]++
		}
	}
	mine, others := read(first), read(second)
	for n := range mine {
		if strings.HasPrefix(n, string(theirs)+" ") {
			t.Errorf("the first delivered %s of a partition that is the second's", n)
		}
	}
	all := maps.Clone(mine)
	maps.Copy(all, others)
	for _, n := range got {
		all[n]++
	}
	if len(all) != 100 {
		t.Errorf("%d readings arrived, want 100", len(all))
	}
}

func TestMoreLargeThanMemoryAllowsIsRefusedUnread(t *testing.T) {
	t.Parallel()
	_, at := cluster(t, kfake.SeedTopics(1, "telemetry"), kfake.BrokerConfigs(map[string]string{"message.max.bytes": "16777216"}))
	k, err := kgo.NewClient(kgo.SeedBrokers(at.Brokers...), kgo.DefaultProduceTopic("telemetry"), kgo.ProducerBatchMaxBytes(16<<20), kgo.ProducerBatchCompression(kgo.ZstdCompression()))
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	bomb := make([]byte, 12<<20) // a few hundred bytes as it travels
	for _, payload := range [][]byte{reading("a", 0).Payload, bomb, reading("a", 1).Payload} {
		if err := k.ProduceSync(t.Context(), kgo.KeySliceRecord([]byte("a"), payload)).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	plain := producer(t, Produce{Cluster: at, Topic: "telemetry", BatchBytes: 16 << 20})
	send(t, plain, Record{Asset: "a", Payload: make([]byte, 3<<20)})
	send(t, plain, reading("a", 2))
	s, l := open(t, Options{Consume: Consume{Cluster: at, Topics: []string{"telemetry"}, Group: "g", MaxBytes: 64 << 10}})
	if got, _ := take(t, s, 3); !slices.Equal(got, []string{"a 0", "a 1", "a 2"}) {
		t.Errorf("arrived %v", got)
	}
	if len(l.letters) != 2 || l.letters[0].Offset != 1 || l.letters[1].Offset != 3 || l.letters[0].Reason != TooLarge || l.letters[1].Reason != TooLarge || l.letters[0].Payload != nil {
		b, _ := json.Marshal(l.letters)
		t.Errorf("refused: %.1000s", b)
	}
}

func TestPartitionsThatAreAddedAreReadAndReported(t *testing.T) {
	t.Parallel()
	_, at := cluster(t, kfake.SeedTopics(1, "telemetry"))
	s, l := open(t, Options{Consume: Consume{Cluster: at, Topics: []string{"telemetry"}, Group: "g"}})
	p := producer(t, Produce{Cluster: at, Topic: "telemetry", Partitions: 1})
	send(t, p, reading("a", 0))
	take(t, s, 1)
	eventually(t, "the topic's partitions were counted", func() bool { s.mu.Lock(); defer s.mu.Unlock(); return s.counts["telemetry"] == 1 })
	if _, err := admin(t, at).CreatePartitions(t.Context(), 3, "telemetry"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "all four are ours", func() bool { return len(s.Partitions()) == 4 })
	if !l.said("telemetry has 4 partitions, it had 1") {
		t.Errorf("said was %v", l.lost)
	}
	eventually(t, "the producer refuses", func() bool { return errors.Is(p.Send(t.Context(), []Record{reading("a", 1)}), ErrRefused) })
}
