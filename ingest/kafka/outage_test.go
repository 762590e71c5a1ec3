package kafka

import (
	"context"
	"encoding/binary"
	"hash/crc32"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/ingest"
)

func TestWhatRetentionTookStopsThePartitionLoudly(t *testing.T) {
	t.Parallel()
	for name, at := range clusters(t) {
		for _, when := range []string{"before the start", "while it reads"} {
			t.Run(name+" "+when, func(t *testing.T) {
				t.Parallel()
				topic := newTopic(t, at, 2, nil)
				p := producer(t, Produce{Cluster: at, Topic: topic})
				hurt, fine := apart()
				where := int32(partitioner(2)(string(hurt)))
				opt := Options{Consume: Consume{Cluster: at, Topics: []string{topic}, Group: topic}, Queue: 1}
				s, l := open(t, opt)
				send(t, p, reading(hurt, 0))
				_, last := take(t, s, 1)
				s.Ack(last)
				eventually(t, "it is committed", func() bool {
					return slices.ContainsFunc(s.Partitions(), func(p Partition) bool { return p.Committed == 1 })
				})
				cutOff := func() {
					if _, err := admin(t, at).DeleteRecords(t.Context(), kadm.Offsets{topic: {where: {Topic: topic, Partition: where, At: 5}}}); err != nil {
						t.Fatal(err)
					}
				}
				want := "4 messages are gone, the log begins at 5, to be read was 1"
				if when == "before the start" {
					s.Close()
					send(t, p, reading(hurt, 1), reading(hurt, 2), reading(hurt, 3), reading(hurt, 4), reading(hurt, 5))
					cutOff()
					s, l = open(t, opt)
				} else {
					want = "messages are gone, the log begins at 5, to be read was "
					send(t, p, reading(hurt, 1), reading(hurt, 2)) // one in the queue, one in hand
					eventually(t, "the queue is full", func() bool { return s.Queued() == 1 })
					time.Sleep(time.Second)
					send(t, p, reading(hurt, 3), reading(hurt, 4), reading(hurt, 5))
					cutOff()
					got, _ := take(t, s, 2)
					for _, one := range got[1:] {
						for one != say(asset.Reading{Asset: hurt, Event: &asset.Event{Kind: ingest.GapEvent}}) {
							if strings.HasSuffix(one, " 5") {
								t.Fatalf("the partition jumped: %v, then %s", got, one)
							}
							one, _ = next(t, s)
						}
					}
				}
				send(t, p, reading(fine, 1))
				if got, _ := take(t, s, 1); got[0] != string(fine)+" 1" {
					t.Errorf("arrived %v, want the other partition to go on", got)
				}
				eventually(t, "the status says so", func() bool { return strings.Contains(s.Status().Why, want) })
				if s.Status().Up || !l.said(want) {
					t.Errorf("said was %v, status %+v", l.lost, s.Status())
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				if r, _, err := s.Next(ctx); err == nil {
					t.Errorf("the partition jumped: %s", say(r))
				}
			})
		}
	}
}

func TestAPartitionThatDeliversNothingIsConnectedAnew(t *testing.T) {
	t.Parallel()
	const topic = "telemetry"
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
		answer.Topics = []kmsg.FetchResponseTopic{{Topic: topic, Partitions: []kmsg.FetchResponseTopicPartition{p}}}
		return answer, nil, true
	})
	send(t, producer(t, Produce{Cluster: at, Topic: topic}), reading("a", 0), reading("a", 1))
	s, l := open(t, Options{Consume: Consume{Cluster: at, Topics: []string{topic}, Group: topic}, Stall: 300 * time.Millisecond})
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

func TestPartitionWaitsForTheTopicOfDeadLetters(t *testing.T) {
	t.Parallel()
	_, at := cluster(t)
	topic := newTopic(t, at, 1, nil)
	send(t, producer(t, Produce{Cluster: at, Topic: topic}), Record{Asset: "a", Payload: []byte("poison")}, reading("a", 1))
	s, l := open(t, Options{Consume: Consume{Cluster: at, Topics: []string{topic}, Group: topic, DeadLetter: topic + ".dead"}})
	eventually(t, "it says so", func() bool { return l.said(topic + ".dead: [3]") })
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if r, _, err := s.Next(ctx); err == nil {
		t.Errorf("%s came before the letter was kept", say(r))
	}
	if p := s.Partitions()[0]; p.Committed > 0 || len(l.letters) > 0 {
		t.Errorf("%d is committed, %d letters are reported", p.Committed, len(l.letters))
	}
	if _, err := admin(t, at).CreateTopic(t.Context(), 1, 1, nil, topic+".dead"); err != nil {
		t.Fatal(err)
	}
	if got, _ := next(t, s); got != "a 1" || len(l.letters) != 1 {
		t.Errorf("arrived %s, %d letters", got, len(l.letters))
	}
}

func TestHolesAreCountedUnlessTheTopicIsCompacted(t *testing.T) {
	t.Parallel()
	for policy, want := range map[string]int64{"delete": 4 + 1, "compact": 0} {
		t.Run(policy, func(t *testing.T) {
			t.Parallel()
			c, at := cluster(t)
			topic := newTopic(t, at, 1, map[string]string{"cleanup.policy": policy})
			send(t, producer(t, Produce{Cluster: at, Topic: topic}), make([]Record, 8)...)
			value := func(i int) []byte { return reading("a", i).Payload }
			log := append(written(0, 1, 0, one(0, value(0))), written(5, 1, 0, one(0, value(5)))...)
			thin := written(6, 2, 0, one(1, value(7)))
			thin[60] = 1 // record of two
			binary.BigEndian.PutUint32(thin[17:], crc32.Checksum(thin[21:], crc32.MakeTable(crc32.Castagnoli)))
			log = append(log, thin...)
			c.ControlKey(int16(kmsg.Fetch), func(r kmsg.Request) (kmsg.Response, error, bool) {
				c.KeepControl()
				if r.(*kmsg.FetchRequest).Topics[0].Partitions[0].FetchOffset != 0 {
					return nil, nil, false
				}
				answer := r.ResponseKind().(*kmsg.FetchResponse)
				p := kmsg.NewFetchResponseTopicPartition()
				p.HighWatermark, p.LastStableOffset, p.RecordBatches = 8, 8, log
				answer.Topics = []kmsg.FetchResponseTopic{{Topic: topic, Partitions: []kmsg.FetchResponseTopicPartition{p}}}
				return answer, nil, true
			})
			s, l := open(t, Options{Consume: Consume{Cluster: at, Topics: []string{topic}, Group: topic}})
			if got, _ := take(t, s, 3); !slices.Equal(got, []string{"a 0", "a 5", "a 7"}) {
				t.Errorf("arrived %v", got)
			}
			eventually(t, "all is read", func() bool { return s.Partitions()[0].Next == 8 })
			if got := s.Partitions()[0].Holes; got != want || l.said("4 messages from 1 on are not there") != (want > 0) {
				t.Errorf("%d holes, want %d; said was %v", got, want, l.lost)
			}
		})
	}
}

func TestALogThatEndsBeforeWhatWasCommittedStopsThePartition(t *testing.T) {
	t.Parallel()
	for name, at := range clusters(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			topic := newTopic(t, at, 1, nil)
			p := producer(t, Produce{Cluster: at, Topic: topic})
			send(t, p, reading("a", 0), reading("a", 1))
			if err := admin(t, at).CommitAllOffsets(t.Context(), topic, kadm.Offsets{topic: {0: {Topic: topic, Partition: 0, At: 7, LeaderEpoch: -1}}}); err != nil {
				t.Fatal(err)
			}
			s, l := open(t, Options{Consume: Consume{Cluster: at, Topics: []string{topic}, Group: topic}, Stall: 200 * time.Millisecond})
			eventually(t, "it is given time", func() bool { return l.said("the log ends at 2, to be read is 7") })
			eventually(t, "it says so", func() bool {
				return strings.Contains(s.Status().Why, "the log ends at 2, 5 messages before the one to be read")
			})
			for i := range 8 {
				send(t, p, reading("a", i+2))
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if r, _, err := s.Next(ctx); err == nil {
				t.Errorf("then it read %s of another log", say(r))
			}
		})
	}
}

func TestABrokersBrakeIsObeyed(t *testing.T) {
	t.Parallel()
	c, at := cluster(t, kfake.SeedTopics(1, "telemetry"))
	var mu sync.Mutex
	var asked []time.Time
	c.ControlKey(int16(kmsg.Fetch), func(r kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		mu.Lock()
		defer mu.Unlock()
		if asked = append(asked, time.Now()); len(asked) > 1 {
			return nil, nil, false
		}
		answer := r.ResponseKind().(*kmsg.FetchResponse)
		answer.ThrottleMillis = 800
		answer.Topics = []kmsg.FetchResponseTopic{{Topic: "telemetry", Partitions: []kmsg.FetchResponseTopicPartition{kmsg.NewFetchResponseTopicPartition()}}}
		return answer, nil, true
	})
	send(t, producer(t, Produce{Cluster: at, Topic: "telemetry"}), reading("a", 0))
	s, _ := open(t, Options{Consume: Consume{Cluster: at, Topics: []string{"telemetry"}, Group: "g"}})
	take(t, s, 1)
	mu.Lock()
	defer mu.Unlock()
	if waited := asked[1].Sub(asked[0]); waited < 800*time.Millisecond {
		t.Errorf("it asked again after %s, the broker said 800 ms", waited)
	}
}

func TestADamagedBatchIsRefusedAsOne(t *testing.T) {
	t.Parallel()
	c, at := cluster(t)
	topic := newTopic(t, at, 1, nil)
	send(t, producer(t, Produce{Cluster: at, Topic: topic}), reading("a", 0), reading("a", 1), reading("a", 2))
	bad := written(0, 2, 0, append(one(0, reading("a", 0).Payload), one(1, reading("a", 1).Payload)...))
	bad[len(bad)-5] ^= 1
	asked := 0
	c.ControlKey(int16(kmsg.Fetch), func(r kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		if r.(*kmsg.FetchRequest).Topics[0].Partitions[0].FetchOffset != 0 {
			return nil, nil, false
		}
		asked++
		answer := r.ResponseKind().(*kmsg.FetchResponse)
		p := kmsg.NewFetchResponseTopicPartition()
		p.HighWatermark, p.LastStableOffset, p.RecordBatches = 3, 3, bad
		answer.Topics = []kmsg.FetchResponseTopic{{Topic: topic, Partitions: []kmsg.FetchResponseTopicPartition{p}}}
		return answer, nil, true
	})
	s, l := open(t, Options{Consume: Consume{Cluster: at, Topics: []string{topic}, Group: topic}})
	if got, _ := next(t, s); got != "a 2" {
		t.Errorf("arrived %s, want what follows the batch", got)
	}
	if asked != 2 {
		t.Errorf("it was asked for %d times, want another time in case it was damaged on the way", asked)
	}
	if len(l.letters) != 1 || !slices.Equal(l.letters[0].Payload, bad) || l.letters[0].Reason != ingest.Undecodable || !strings.Contains(l.letters[0].Text, "messages 0 to 1: the batch is not what its producer wrote") {
		t.Errorf("refused: %+v", l.letters)
	}
}
