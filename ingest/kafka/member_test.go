package kafka

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/ingest"
)

// ledger keeps what members read and their positions, as a store does.
type ledger struct {
	mu        sync.Mutex
	positions map[int]int64
	read      map[string]int // readings by what they say
	active    map[int]string // member that reads a partition
	most      int            // readings of one generation of a partition; 0: any number
}

func newLedger() *ledger {
	return &ledger{positions: map[int]int64{}, read: map[string]int{}, active: map[int]string{}}
}

// follow reads a partition from the ledger's position and keeps each reading with the next.
func (l *ledger) follow(name string) func(context.Context, *Assigned) {
	return func(ctx context.Context, a *Assigned) {
		l.mu.Lock()
		at, known := l.positions[a.Partition]
		l.active[a.Partition] = name
		l.mu.Unlock()
		stop := a.Start(ctx, at, !known)
		defer stop()
		for n := 0; l.most == 0 || n < l.most; n++ {
			r, p, err := a.Next(ctx)
			if err != nil {
				return
			}
			l.mu.Lock()
			l.read[say(r)]++
			l.positions[a.Partition] = p.Offset
			l.mu.Unlock()
			a.Ack(p)
		}
		<-ctx.Done()
	}
}

func (l *ledger) complete(want int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.read) == want
}

func joins(t *testing.T, opt Options, l *ledger, name string) (*Member, *log) {
	t.Helper()
	said := &log{}
	opt.Lost, opt.Refused = said.add, said.refused
	if opt.Decoder == nil {
		opt.Decoder = &decoder{}
	}
	m, err := Join(t.Context(), opt, l.follow(name))
	if err != nil {
		t.Fatal(err)
	}
	return m, said
}

func TestMembersShareAndGoOnFromStoredPositions(t *testing.T) {
	t.Parallel()
	for name, at := range clusters(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			topic := newTopic(t, at, 2, nil)
			p := producer(t, Produce{Cluster: at, Topic: topic})
			a, b := apart()
			opt := Options{Consume: Consume{Cluster: at, Topics: []string{topic}, Group: topic}}
			l := newLedger()
			n := 0
			more := func() {
				for range 30 {
					send(t, p, reading(a, n), reading(b, n))
					n++
				}
			}
			more()
			first, _ := joins(t, opt, l, "first")
			eventually(t, "the first has read all", func() bool { return l.complete(2 * n) })
			second, _ := joins(t, opt, l, "second")
			eventually(t, "they share", func() bool { return len(first.Partitions()) == 1 && len(second.Partitions()) == 1 })
			more()
			eventually(t, "both have read on", func() bool { return l.complete(2 * n) })
			first.Close()
			more()
			eventually(t, "the second has read the rest", func() bool { return l.complete(2*n) && len(second.Partitions()) == 2 })
			second.Close()
			for what, times := range l.read {
				if times != 1 {
					t.Errorf("%s was read %d times", what, times)
				}
			}
			// The group hears of the positions, for tools that show lag.
			l.most = 1
			third, _ := joins(t, opt, l, "third")
			eventually(t, "nothing is left to be done", func() bool {
				all := third.Partitions()
				return len(all) == 2 && all[0].Committed == int64(n) && all[1].Committed == int64(n)
			})
			third.Close()
		})
	}
}

// A message of many readings is gone on with in its middle.
func TestAMemberGoesOnInTheMiddleOfAMessage(t *testing.T) {
	t.Parallel()
	_, at := cluster(t)
	topic := newTopic(t, at, 1, nil)
	p := producer(t, Produce{Cluster: at, Topic: topic})
	w := asset.Waveform{Channel: "x", Start: t0, RateHz: 10, Unit: "g", Quality: 100, Counts: make([]int16, 70), Scale: 1}
	send(t, p, Record{Asset: "a", Channel: "x", Payload: ingest.EncodeWave(nil, w, 0)}, reading("a", 100))
	opt := Options{Consume: Consume{Cluster: at, Topics: []string{topic}, Group: topic}, Decoder: &ingest.Payloads{}}
	l := newLedger()
	var positions []int64
	for _, l.most = range []int{3, 2, 100} {
		m, _ := joins(t, opt, l, "one")
		want := l.most
		eventually(t, "it has read some", func() bool {
			l.mu.Lock()
			defer l.mu.Unlock()
			total := 0
			for _, n := range l.read {
				total += n
			}
			return total == map[int]int{3: 3, 2: 5, 100: 8}[want]
		})
		m.Close()
		positions = append(positions, l.positions[0])
	}
	if got, want := fmt.Sprint(positions), fmt.Sprint([]int64{Position(0, 3), Position(0, 5), Position(2, 0)}); got != want {
		t.Errorf("positions %s, want %s", got, want)
	}
	if l.read["a x 10"] != 7 {
		t.Errorf("read %v, want 7 blocks", l.read)
	}
}

func TestAnAssetInAnotherPartitionIsRefused(t *testing.T) {
	t.Parallel()
	_, at := cluster(t)
	topic := newTopic(t, at, 2, nil)
	p := producer(t, Produce{Cluster: at, Topic: topic})
	a, b := apart()
	stray := reading(b, 1)
	stray.Asset, stray.Headers = a, map[string]string{"asset": string(b)} // its key is another's
	send(t, p, reading(a, 0), reading(b, 0), stray, reading(a, 2))
	l := newLedger()
	m, said := joins(t, Options{Consume: Consume{Cluster: at, Topics: []string{topic}, Group: topic}}, l, "one")
	defer m.Close()
	eventually(t, "the rest is read", func() bool { return l.complete(3) })
	eventually(t, "the stray is refused", func() bool {
		said.mu.Lock()
		defer said.mu.Unlock()
		return len(said.letters) == 1 && said.letters[0].Reason == WrongPartition
	})
}

// Data that retention took stops its partition alone.
func TestAMemberStopsWhereItsDataIsGone(t *testing.T) {
	t.Parallel()
	_, at := cluster(t)
	topic := newTopic(t, at, 2, nil)
	p := producer(t, Produce{Cluster: at, Topic: topic})
	a, b := apart()
	for i := range 10 {
		send(t, p, reading(a, i), reading(b, i))
	}
	lost := partitioner(2)(string(a))
	l := newLedger()
	l.positions[0], l.positions[1] = Position(5, 0), Position(5, 0)
	where := int32(lost) //nolint:gosec // 0 or 1
	if _, err := admin(t, at).DeleteRecords(t.Context(), kadm.Offsets{topic: {where: {Topic: topic, Partition: where, At: 8}}}); err != nil {
		t.Fatal(err)
	}
	m, said := joins(t, Options{Consume: Consume{Cluster: at, Topics: []string{topic}, Group: topic}}, l, "one")
	defer m.Close()
	eventually(t, "the other is read", func() bool { return l.complete(5) })
	eventually(t, "it is said", func() bool {
		return said.said("3 messages are gone, the log begins at 8, to be read was 5: stopped: telltale store positions")
	})
	time.Sleep(200 * time.Millisecond)
	if !l.complete(5) || m.Status().Up {
		t.Errorf("read %v, up %t; want nothing of the partition, and no peace", l.read, m.Status().Up)
	}
}
