package kafka

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/telltale-iot/telltale/asset"
)

func TestReadingsOfALostPartitionAreNotDelivered(t *testing.T) {
	t.Parallel()
	for name, at := range clusters(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			topic := newTopic(t, at, 2, nil)
			p := producer(t, Produce{Cluster: at, Topic: topic})
			a, b := apart()
			ids := []asset.ID{a, b}
			for i := range 50 {
				send(t, p, reading(ids[0], i), reading(ids[1], i))
			}
			opt := Options{Consume: Consume{Cluster: at, Topics: []string{topic}, Group: topic}}
			first, _ := open(t, opt)
			got, last := take(t, first, 10)
			first.Ack(last)
			eventually(t, "it has all in its queue", func() bool { return first.Queued() == 90 })
			second, _ := open(t, opt)
			eventually(t, "they share", func() bool { return len(first.Partitions()) == 1 && len(second.Partitions()) == 1 })

			// What is in the queue of the first is of both partitions; only its own comes, and from
			// where it was committed.
			theirs := ids[0]
			if partitioner(2)(string(ids[0])) == first.Partitions()[0].Partition {
				theirs = ids[1]
			}
			read := func(s *Source) map[string]int {
				all := map[string]int{}
				for {
					ctx, cancel := context.WithTimeout(t.Context(), 700*time.Millisecond)
					r, _, err := s.Next(ctx)
					cancel()
					if err != nil {
						return all
					}
					all[say(r)]++
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
			second.Close()
			eventually(t, "the first has both again", func() bool { return len(first.Partitions()) == 2 })
			send(t, p, reading(ids[0], 100), reading(ids[1], 100))
			if rest := read(first); rest[fmt.Sprint(ids[0], " 100")] != 1 || rest[fmt.Sprint(ids[1], " 100")] != 1 {
				t.Errorf("when the second had left the first read %v", rest)
			}
		})
	}
}

func TestMoreLargeThanMemoryAllowsIsRefusedUnread(t *testing.T) {
	t.Parallel()
	for name, at := range clusters(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			topic := newTopic(t, at, 1, map[string]string{"max.message.bytes": "16777216"})
			k, err := kgo.NewClient(kgo.SeedBrokers(at.Brokers...), kgo.DefaultProduceTopic(topic), kgo.ProducerBatchMaxBytes(16<<20), kgo.ProducerBatchCompression(kgo.ZstdCompression()))
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
			plain := producer(t, Produce{Cluster: at, Topic: topic, BatchBytes: 16 << 20})
			send(t, plain, Record{Asset: "a", Payload: make([]byte, 3<<20)})
			send(t, plain, reading("a", 2))
			s, l := open(t, Options{Consume: Consume{Cluster: at, Topics: []string{topic}, Group: topic, MaxBytes: 64 << 10}})
			if got, _ := take(t, s, 3); !slices.Equal(got, []string{"a 0", "a 1", "a 2"}) {
				t.Errorf("arrived %v", got)
			}
			if len(l.letters) != 2 || l.letters[0].Offset != 1 || l.letters[1].Offset != 3 || l.letters[0].Reason != TooLarge || l.letters[1].Reason != TooLarge || l.letters[0].Payload != nil {
				b, _ := json.Marshal(l.letters)
				t.Errorf("refused: %.1000s", b)
			}
		})
	}
}

func TestPartitionsThatAreAddedAreReadAndReported(t *testing.T) {
	t.Parallel()
	for name, at := range clusters(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			topic := newTopic(t, at, 1, nil)
			s, l := open(t, Options{Consume: Consume{Cluster: at, Topics: []string{topic}, Group: topic}})
			p := producer(t, Produce{Cluster: at, Topic: topic, Partitions: 1})
			send(t, p, reading("a", 0))
			take(t, s, 1)
			eventually(t, "the topic's partitions were counted", func() bool { s.mu.Lock(); defer s.mu.Unlock(); return s.counts[topic] == 1 })
			if _, err := admin(t, at).CreatePartitions(t.Context(), 3, topic); err != nil {
				t.Fatal(err)
			}
			eventually(t, "all four are ours", func() bool { return len(s.Partitions()) == 4 })
			if !l.said(topic + " has 4 partitions, it had 1") {
				t.Errorf("said was %v", l.lost)
			}
			eventually(t, "the producer refuses", func() bool { return errors.Is(p.Send(t.Context(), []Record{reading("a", 1)}), ErrRefused) })
		})
	}
}
