//go:build accept

package main

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/ingest"
	"github.com/telltale-iot/telltale/ingest/mqtt"
)

// outageFarm sends, at real speed, what outageField does as fast as it can: each second the
// points of every turbine, numbered, and a second of waveform of those whose turn it is.
type outageFarm struct {
	publisher *mqtt.Publisher
	wave      asset.Waveform
	numbers   map[asset.ID]uint64      // of the last points
	blocks    map[asset.ID][]time.Time // starts
	messages  int64
}

func farmID(i int) asset.ID { return asset.ID(fmt.Sprintf("WTG-%03d", i)) }

func (f *outageFarm) plates() (all []asset.Nameplate) {
	for i := range outageTurbines {
		all = append(all, asset.Nameplate{ID: farmID(i), Kind: "wind-turbine", Components: []asset.Component{{Name: "gearbox", Type: "gearbox"}}})
	}
	return all
}

// run sends until ctx ends, the turbines one after the other over each second.
func (f *outageFarm) run(ctx context.Context) error {
	const tick, waves = 50 * time.Millisecond, outageTurbines*outageRecord/outageSeconds + 1
	const each = outageTurbines * int(tick) / int(time.Second)
	begun := time.Now()
	for n := 0; ingest.Sleep(ctx, time.Until(begun.Add(time.Duration(n)*tick))); n++ {
		from := n * each % outageTurbines
		for i := from; i < from+each; i++ {
			if err := f.points(farmID(i)); err != nil {
				return err
			}
		}
		second := n * each / outageTurbines
		if slot := from / each; slot < waves {
			turbine := (second/outageRecord*waves + slot) % outageTurbines
			if err := f.block(farmID(turbine), begun.Add(time.Duration(second-1)*time.Second), second%outageRecord); err != nil {
				return err
			}
		}
	}
	return nil
}

func (f *outageFarm) points(id asset.ID) error {
	f.numbers[id]++
	r := asset.Reading{Asset: id, Time: time.Now().UTC(), Seq: f.numbers[id], Points: make([]asset.Point, outagePoints)}
	for k := range r.Points {
		r.Points[k] = asset.Point{Metric: fmt.Sprintf("metric_%d", k), Value: float64(int(r.Seq)*k) / 7, Unit: "°C", Quality: 100}
	}
	return f.publish(r)
}

func (f *outageFarm) block(id asset.ID, start time.Time, ofRecord int) error {
	w := f.wave
	w.Start, w.First, w.Last = start.UTC(), ofRecord == 0, ofRecord == outageRecord-1
	f.blocks[id] = append(f.blocks[id], w.Start)
	return f.publish(asset.Reading{Asset: id, Time: ingest.Newest(w), Wave: &w})
}

// publish waits for as long as it takes: what was begun is sent, so that all of it counts.
func (f *outageFarm) publish(r asset.Reading) error {
	f.messages++
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return f.publisher.Publish(ctx, r, 0)
}

// arrived reads a topic from its beginning to the end that it has now, and holds it to what
// was sent: of each asset everything in its order. What comes again is counted, as it may.
func (f *outageFarm) arrived(t *testing.T, brokers []string, topic string) (messages, again int64) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ends, err := kadm.NewClient(client).ListEndOffsets(t.Context(), topic)
	if err := errors.Join(err, ends.Error()); err != nil {
		t.Fatal(err)
	}
	var want int64
	ends.Each(func(o kadm.ListedOffset) { want += o.Offset })
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	seen := topicOrder{farm: f, numbers: map[asset.ID]uint64{}, blocks: map[asset.ID]int{}, partition: map[string]int32{}}
	for messages < want {
		fetched := client.PollFetches(ctx)
		if err := errors.Join(fetched.Err(), ctx.Err()); err != nil {
			t.Fatalf("%d of %d messages were read: %v", messages, want, err)
		}
		fetched.EachRecord(func(r *kgo.Record) {
			messages++
			if err := seen.take(ctx, r); err != nil {
				t.Fatalf("partition %d, offset %d: %v", r.Partition, r.Offset, err)
			}
		})
	}
	for i := range outageTurbines {
		id := farmID(i)
		if seen.numbers[id] != f.numbers[id] || seen.blocks[id] != len(f.blocks[id]) {
			t.Errorf("%s: points up to number %d and %d blocks arrived, sent were %d and %d", id, seen.numbers[id], seen.blocks[id], f.numbers[id], len(f.blocks[id]))
		}
	}
	return messages, seen.again
}

// topicOrder follows what arrives in a topic.
type topicOrder struct {
	farm      *outageFarm
	payloads  ingest.Payloads
	numbers   map[asset.ID]uint64 // of the newest points
	blocks    map[asset.ID]int
	partition map[string]int32 // of each key
	again     int64
}

func (o *topicOrder) take(ctx context.Context, r *kgo.Record) error {
	key := string(r.Key)
	if p, ok := o.partition[key]; ok && p != r.Partition {
		return fmt.Errorf("%s was in partition %d before", key, p)
	}
	o.partition[key] = r.Partition
	m := ingest.Message{Asset: asset.ID(key), Headers: map[string]string{}, Payload: r.Value}
	for _, h := range r.Headers {
		m.Headers[h.Key] = string(h.Value)
	}
	m.Channel = m.Headers[channelHeader]
	readings, err := o.payloads.Decode(ctx, m)
	if err != nil {
		return err
	}
	for _, x := range readings {
		if err := o.follow(x); err != nil {
			return err
		}
	}
	return nil
}

// follow wants the number after the last, or the block after it; or one that was there.
func (o *topicOrder) follow(r asset.Reading) error {
	id := r.Asset
	switch {
	case r.Event != nil:
		return fmt.Errorf("%s: %s %s", id, r.Event.Kind, r.Event.Text)
	case r.Wave != nil:
		sent, n := o.farm.blocks[id], o.blocks[id]
		if n < len(sent) && r.Wave.Start.Equal(sent[n]) {
			o.blocks[id]++
			return nil
		}
		if n == 0 || r.Wave.Start.After(sent[n-1]) {
			return fmt.Errorf("%s: a block of %s is not the %d. that was sent", id, r.Wave.Start, n+1)
		}
	case r.Seq == o.numbers[id]+1:
		o.numbers[id]++
		return nil
	case r.Seq > o.numbers[id]:
		return fmt.Errorf("%s: number %d follows %d", id, r.Seq, o.numbers[id])
	}
	o.again++
	return nil
}
