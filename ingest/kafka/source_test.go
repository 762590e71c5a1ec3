package kafka

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/ingest"
)

func TestWhatIsNotAcknowledgedComesAgain(t *testing.T) {
	t.Parallel()
	for name, at := range clusters(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			topic := newTopic(t, at, 3, nil)
			p := producer(t, Produce{Cluster: at, Topic: topic})
			var want []string
			for i := range 20 {
				for _, id := range []asset.ID{"a", "b", "c"} {
					send(t, p, reading(id, i))
					want = append(want, fmt.Sprint(id, " ", i))
				}
			}
			opt := Options{Consume: Consume{Cluster: at, Topics: []string{topic}, Group: topic}, Base: 1000}
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
		})
	}
}

func TestRefusedMessagesGoToTheirTopicAndThePartitionGoesOn(t *testing.T) {
	t.Parallel()
	for name, at := range clusters(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			topic := newTopic(t, at, 1, nil)
			dead := newTopic(t, at, 1, nil)
			p := producer(t, Produce{Cluster: at, Topic: topic})
			large := reading("a", 2)
			large.Payload = append(large.Payload, strings.Repeat(" ", 64<<10)...)
			poison := Record{Asset: "a", Headers: map[string]string{"TraceParent": "00-1"}, Payload: []byte("\x00\xffpoison")}
			nan := Record{Asset: "a", Payload: []byte(`{"time":"2026-03-01T00:00:03Z","points":[{"metric":"power","value":NaN,"unit":"kW"}]}`)}
			send(t, p, reading("a", 0), poison, reading("a", 1), large, nan, reading("stranger", 1), reading("a", 4))

			s, l := open(t, Options{Consume: Consume{Cluster: at, Topics: []string{topic}, Group: topic, Assets: ingest.Allow{"a"}, DeadLetter: dead, MaxBytes: 32 << 10}})
			got, last := take(t, s, 3)
			if want := []string{"a 0", "a 1", "a 4"}; !slices.Equal(got, want) {
				t.Fatalf("arrived %v, want %v", got, want)
			}
			s.Ack(last)
			eventually(t, "all is committed", func() bool { return s.Partitions()[0].Committed == 7 })
			s.Close()

			k, err := kgo.NewClient(kgo.SeedBrokers(at.Brokers...), kgo.ConsumeTopics(dead), kgo.FetchMaxWait(100*time.Millisecond))
			if err != nil {
				t.Fatal(err)
			}
			defer k.Close()
			var letters []*kgo.Record
			for len(letters) < 4 {
				letters = append(letters, k.PollFetches(t.Context()).Records()...)
			}
			for i, want := range []struct{ reason, offset, key, payload string }{
				{"undecodable", "1", "a", string(poison.Payload)},
				{"too-large", "3", "", ""},
				{"undecodable", "4", "a", string(nan.Payload)},
				{"not-allowed", "5", "stranger", string(reading("stranger", 1).Payload)},
			} {
				h := map[string]string{}
				for _, x := range letters[i].Headers {
					h[x.Key] = string(x.Value)
				}
				if h["reason"] != want.reason || h["offset"] != want.offset || h["topic"] != topic || h["partition"] != "0" || h["text"] == "" || h["source"] == "" {
					t.Errorf("letter %d has headers %v, want reason %s and offset %s", i, h, want.reason, want.offset)
				}
				if string(letters[i].Value) != want.payload || string(letters[i].Key) != want.key {
					t.Errorf("letter %d is %q by %q, want %q by %q", i, letters[i].Value, letters[i].Key, want.payload, want.key)
				}
				if i == 0 && h["traceparent"] != "00-1" {
					t.Errorf("the message's own headers are lost: %v", h)
				}
				if x := l.letters[i]; string(x.Reason) != want.reason || fmt.Sprint(x.Offset) != want.offset || string(x.Payload) != want.payload {
					t.Errorf("reported was %+v, want %v", x, want)
				}
			}
			if st := s.Status(); st.Refused["undecodable"] != 2 || st.Refused[TooLarge] != 1 || st.Refused[ingest.NotAllowed] != 1 || st.Messages != 7 {
				t.Errorf("status counts %+v", st)
			}
		})
	}
}

func TestPartitionWaitsForTheDecoder(t *testing.T) {
	t.Parallel()
	for name, at := range clusters(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			topic := newTopic(t, at, 1, nil)
			send(t, producer(t, Produce{Cluster: at, Topic: topic}), reading("a", 0), reading("a", 1))
			d := &decoder{}
			d.away.Store(true)
			s, l := open(t, Options{Consume: Consume{Cluster: at, Topics: []string{topic}, Group: topic}, Decoder: d})
			eventually(t, "the status says why", func() bool { st := s.Status(); return !st.Up && strings.Contains(st.Why, "registry is away") })
			d.away.Store(false)
			if got, _ := take(t, s, 2); !slices.Equal(got, []string{"a 0", "a 1"}) {
				t.Errorf("arrived %v", got)
			}
			if st := s.Status(); !st.Up || len(st.Refused) > 0 || !l.said("registry is away") {
				t.Errorf("status is %+v, said was %v", st, l.lost)
			}
		})
	}
}

func TestEveryCompressionIsRead(t *testing.T) {
	t.Parallel()
	for name, at := range clusters(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			topic := newTopic(t, at, 1, nil)
			s, l := open(t, Options{Consume: Consume{Cluster: at, Topics: []string{topic}, Group: topic, MaxBytes: 64 << 10}})
			i := 0
			for _, codec := range []kgo.CompressionCodec{kgo.NoCompression(), kgo.GzipCompression(), kgo.SnappyCompression(), kgo.Lz4Compression(), kgo.ZstdCompression()} {
				k, err := kgo.NewClient(kgo.SeedBrokers(at.Brokers...), kgo.ProducerBatchCompression(codec), kgo.DefaultProduceTopic(topic), kgo.ProducerLinger(50*time.Millisecond))
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
				send(t, producer(t, Produce{Cluster: at, Topic: topic, Compression: compression}), reading("a", i), reading("a", i+1))
				if got, _ := take(t, s, 2); !slices.Equal(got, []string{fmt.Sprint("a ", i), fmt.Sprint("a ", i+1)}) {
					t.Errorf("%s: arrived %v", compression, got)
				}
				i += 2
			}
		})
	}
}

func TestWhatAbortedTransactionsWroteIsNotRead(t *testing.T) {
	t.Parallel()
	for name, at := range clusters(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			topic := newTopic(t, at, 1, nil)
			k, err := kgo.NewClient(kgo.SeedBrokers(at.Brokers...), kgo.TransactionalID("t"), kgo.DefaultProduceTopic(topic))
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
			s, l := open(t, Options{Consume: Consume{Cluster: at, Topics: []string{topic}, Group: topic}})
			got, last := take(t, s, 2)
			if !slices.Equal(got, []string{"a 0", "a 2"}) {
				t.Errorf("arrived %v, want what was committed", got)
			}
			s.Ack(last)
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			if r, _, err := s.Next(ctx); err == nil {
				t.Errorf("then came %s", say(r))
			}
			eventually(t, "the marks of the transactions are committed too", func() bool { return s.Partitions()[0].Committed == 6 })
			if holes := s.Partitions()[0].Holes; holes != 0 || len(l.lost) > 0 {
				t.Errorf("%d holes, said was %v", holes, l.lost)
			}
		})
	}
}
