package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/ingest"
)

// The hashes are those of the Java client's own test, UtilsTest.testMurmur2 in Kafka 4.1.
func TestKeysGoWhereTheJavaClientPutsThem(t *testing.T) {
	t.Parallel()
	for key, hash := range map[string]int32{
		"21": -973932308, "foobar": -790332482, "a-little-bit-long-string": -985981536, "a-little-bit-longer-string": -1486304829,
		"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971, "abc": 479470107,
	} {
		for _, n := range []int{1, 2, 7, 12, 1000} {
			if got, want := partitioner(n)(key), int(hash&0x7fffffff)%n; got != want {
				t.Errorf("%q of %d partitions goes to %d, want %d", key, n, got, want)
			}
		}
	}
}

func TestOrderOfAnAssetIsKeptAcrossRetries(t *testing.T) {
	t.Parallel()
	c, at := cluster(t, kfake.SeedTopics(3, "telemetry"))
	var mu sync.Mutex
	n, under := 0, map[int32]int{}
	c.ControlKey(int16(kmsg.Produce), func(r kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		mu.Lock()
		defer mu.Unlock()
		under[r.(*kmsg.ProduceRequest).Topics[0].Partitions[0].Partition]++
		if n++; n%3 == 0 {
			return nil, errors.New("cut"), true // nothing is written
		}
		return nil, nil, false
	})
	p := producer(t, Produce{Cluster: at, Topic: "telemetry", BatchBytes: 1 << 10})
	var all []Record
	for i := range 60 {
		for _, id := range []asset.ID{"a", "b", "c", "d"} {
			all = append(all, reading(id, i))
		}
	}
	send(t, p, all...)
	s, _ := open(t, Options{Consume: Consume{Cluster: at, Topics: []string{"telemetry"}, Group: "g"}})
	got, _ := take(t, s, len(all))
	for _, id := range []string{"a", "b", "c", "d"} {
		var of, want []string
		for _, g := range got {
			if strings.HasPrefix(g, id+" ") {
				of = append(of, g)
			}
		}
		for i := range 60 {
			want = append(want, fmt.Sprint(id, " ", i))
		}
		if !slices.Equal(of, want) {
			t.Errorf("of %s arrived %v, want %v", id, of, want)
		}
	}
	if n < 20 {
		t.Errorf("%d batches, want many more than partitions", n)
	}
	if st := p.Status(); !st.Up || st.Messages != int64(len(all)) || st.Outages == 0 {
		t.Errorf("status is %+v", st)
	}
}

func TestARecordThatIsTooLargeIsNamedAndTheOthersArrive(t *testing.T) {
	t.Parallel()
	for name, at := range clusters(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			topic := newTopic(t, at, 1, map[string]string{"max.message.bytes": "100000"})
			p := producer(t, Produce{Cluster: at, Topic: topic, BatchBytes: 10 << 20})
			large := Record{Asset: "a", Payload: make([]byte, 200_000)}
			err := p.Send(t.Context(), []Record{reading("a", 0), reading("a", 1), large, reading("a", 2)})
			var no *ingest.Rejected
			if !errors.As(err, &no) || no.Index != 2 || !errors.Is(err, kafkago.MessageSizeTooLarge) {
				t.Fatalf("error is %v, want record 2 rejected", err)
			}
			s, _ := open(t, Options{Consume: Consume{Cluster: at, Topics: []string{topic}, Group: topic}})
			if got, _ := take(t, s, 3); !slices.Equal(got, []string{"a 0", "a 1", "a 2"}) {
				t.Errorf("arrived %v", got)
			}
		})
	}
}

func TestSendWaitsAsLongAsItsContext(t *testing.T) {
	t.Parallel()
	p := producer(t, Produce{Cluster: Cluster{Brokers: []string{"127.0.0.1:1"}}, Topic: "telemetry"})
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := p.Send(ctx, []Record{reading("a", 0)}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error is %v, want the context's", err)
	}
	if st := p.Status(); st.Up || st.Messages != 0 {
		t.Errorf("status is %+v, want it down", st)
	}
}
