package kinesis

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/ingest"
)

func TestConfigurationNamesEveryWrongField(t *testing.T) {
	bad := Consume{Stream: Stream{Name: "a b", Region: "here", Endpoint: "ftp://x"}, Assets: ingest.Allow{""}, Start: "now"}
	for _, want := range []string{`stream: "a b" is not allowed`, `region: "here" is not allowed`, `endpoint: "ftp://x" is not allowed`, "checkpoint: ", "assets: ", `start: "now" is not allowed: want earliest or latest`} {
		if err := bad.Validate(); err == nil || !strings.Contains("\n"+err.Error(), "\n"+want) {
			t.Errorf("the error does not begin a line with %q:\n%v", want, err)
		}
	}
	if err := (Consume{Stream: Stream{Name: "a", Region: "us-gov-west-1"}, Checkpoint: "x"}).Validate(); err != nil {
		t.Errorf("a good one: %v", err)
	}
}

func TestWhatIsNotAcknowledgedComesAgain(t *testing.T) {
	first := &pieces{id: "shard-1", closed: true}
	child := &pieces{id: "shard-2", parent: "shard-1"}
	for i := range 10 {
		first.add("a", reading("a", i).Payload)
		child.add("a", reading("a", i+10).Payload)
	}
	_, at := newStand(t, child, first) // in any order
	opt := Options{Consume: Consume{Stream: at, Checkpoint: filepath.Join(t.TempDir(), "at.json")}, Base: 100}
	s, _ := open(t, opt)
	var want []string
	for i := range 20 {
		want = append(want, fmt.Sprint("a ", i))
	}
	got, last := take(t, s, 20)
	if !slices.Equal(got, want) || last.Offset != 120 {
		t.Errorf("arrived %v to %d, want %v: a shard after the one that it came out of", got, last.Offset, want)
	}
	s.Ack(asset.Position{Offset: 104})
	s.Close()
	s, _ = open(t, opt)
	got, last = take(t, s, 16)
	if !slices.Equal(got, want[4:]) {
		t.Errorf("again came %v, want %v", got, want[4:])
	}
	s.Ack(last)
	s.Close()
	s, l := open(t, opt)
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	if r, _, err := s.Next(ctx); err == nil {
		t.Errorf("all was acknowledged and %+v came", r)
	}
	if st := s.Status(); !st.Up || len(l.lost) > 0 {
		t.Errorf("status is %+v, said was %v", st, l.lost)
	}
}

func TestLatestBeginsWithWhatComesAndReadsNewShardsFromTheirBeginning(t *testing.T) {
	old := &pieces{id: "shard-1", closed: true}
	now := &pieces{id: "shard-2", parent: "shard-1"}
	old.add("a", reading("a", 0).Payload)
	now.add("a", reading("a", 1).Payload)
	stream, at := newStand(t, old, now)
	time.Sleep(10 * time.Millisecond)
	opt := Options{Consume: Consume{Stream: at, Checkpoint: filepath.Join(t.TempDir(), "at.json"), Start: Latest}}
	s, _ := open(t, opt)
	eventually(t, "it knows the shards", func() bool {
		c, err := loadCheckpoint(opt.Checkpoint, at.Name)
		return err == nil && len(c.Shards) == 2
	})
	s.Close()
	stream.mu.Lock()
	now.add("a", reading("a", 2).Payload)
	now.closed = true
	next := &pieces{id: "shard-3", parent: "shard-2"}
	next.add("a", reading("a", 3).Payload)
	stream.shards = append(stream.shards, next)
	stream.mu.Unlock()
	s, _ = open(t, opt)
	if got, _ := take(t, s, 2); !slices.Equal(got, []string{"a 2", "a 3"}) {
		t.Errorf("arrived %v, want what came after the first look", got)
	}
}

func TestRefusedRecordsAreReportedAndTheShardGoesOn(t *testing.T) {
	p := &pieces{id: "shard-1"}
	p.add("a", []byte("poison"))
	p.add("stranger", reading("stranger", 0).Payload)
	p.add("a", reading("a", 1).Payload)
	_, at := newStand(t, p)
	d := &decoder{}
	d.away.Store(true)
	s, l := open(t, Options{Consume: Consume{Stream: at, Checkpoint: filepath.Join(t.TempDir(), "at.json"), Assets: ingest.Allow{"a"}}, Decoder: d})
	eventually(t, "it waits for the decoder and says so", func() bool { return strings.Contains(s.Status().Why, "registry is away") })
	d.away.Store(false)
	if got, _ := take(t, s, 1); got[0] != "a 1" {
		t.Errorf("arrived %v", got)
	}
	if len(l.letters) != 2 || l.letters[0].Reason != ingest.Undecodable || string(l.letters[0].Payload) != "poison" || !strings.HasSuffix(l.letters[0].Text, "shard-1 at 0") || l.letters[1].Reason != ingest.NotAllowed {
		t.Errorf("refused: %+v", l.letters)
	}
}

func TestACheckpointOlderThanRetentionStopsTheShard(t *testing.T) {
	p := &pieces{id: "shard-1"}
	p.add("a", reading("a", 1).Payload)
	_, at := newStand(t, p)
	path := filepath.Join(t.TempDir(), "at.json")
	old := checkpoint{Stream: at.Name, Shards: map[string]place{"shard-1": {After: "0", Until: time.Now().Add(-25 * time.Hour)}, "shard-0": {After: "0", Until: time.Now()}}}
	if err := old.save(path); err != nil {
		t.Fatal(err)
	}
	s, _ := open(t, Options{Consume: Consume{Stream: at, Checkpoint: path}})
	eventually(t, "it says so", func() bool {
		why := s.Status().Why
		return strings.Contains(why, "shard-1: the checkpoint is of") && strings.Contains(why, "shard-0: the shard is gone")
	})
	p.add("a", reading("a", 2).Payload)
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	if r, _, err := s.Next(ctx); err == nil {
		t.Errorf("it jumped to %+v", r)
	}
}

func TestCheckpointOfAnotherStreamIsNotTaken(t *testing.T) {
	path := filepath.Join(t.TempDir(), "at.json")
	for text, want := range map[string]string{`{"stream":"others"}`: "others", `{"str`: "at.json"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := loadCheckpoint(path, "turbines"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error is %v, want %q in it", text, err, want)
		}
	}
}

func TestOrderOfAnAssetIsKeptWhenRecordsFail(t *testing.T) {
	p := &pieces{id: "shard-1"}
	s, at := newStand(t, p)
	s.fails = func(n int) bool { return n%3 == 0 }
	out, err := NewProducer(t.Context(), ProducerOptions{Produce: Produce{at}})
	if err != nil {
		t.Fatal(err)
	}
	var all []Record
	for i := range 5 {
		for _, id := range []asset.ID{"a", "b", "c"} {
			all = append(all, reading(id, i))
		}
	}
	all = slices.Insert(all, 4, Record{Asset: "a", Payload: make([]byte, 1<<20)})
	var no *ingest.Rejected
	if err := out.Send(t.Context(), all); !errors.As(err, &no) || no.Index != 4 || !errors.Is(err, ErrTooLarge) || errors.Is(err, context.Canceled) {
		t.Errorf("error is %v, want record 4 rejected", err)
	}
	got := map[string][]string{}
	for _, r := range p.records {
		got[r["PartitionKey"].(string)] = append(got[r["PartitionKey"].(string)], string(r["Data"].([]byte)))
	}
	for _, id := range []string{"a", "b", "c"} {
		var want []string
		for i := range 5 {
			want = append(want, string(reading(asset.ID(id), i).Payload))
		}
		if !slices.Equal(got[id], want) {
			t.Errorf("of %s was written %v, want %v", id, got[id], want)
		}
	}
	if st := out.Status(); !st.Up || st.Messages != 15 {
		t.Errorf("status is %+v", st)
	}
}

// TestReshardedStream reads a stream of a stand-in that is not ours while it is split and merged.
func TestReshardedStream(t *testing.T) {
	at := Stream{Name: "turbines", Region: "eu-central-1", Endpoint: kinesalite(t)}
	client, err := at.client(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	two := int32(2)
	if _, err := client.CreateStream(t.Context(), &kinesis.CreateStreamInput{StreamName: &at.Name, ShardCount: &two}); err != nil {
		t.Fatal(err)
	}
	active := func() (open []types.Shard) {
		eventually(t, "the stream is active", func() bool {
			out, err := client.DescribeStream(t.Context(), &kinesis.DescribeStreamInput{StreamName: &at.Name})
			if err != nil {
				t.Fatal(err)
			}
			open = slices.DeleteFunc(out.StreamDescription.Shards, func(s types.Shard) bool { return s.SequenceNumberRange.EndingSequenceNumber != nil })
			return out.StreamDescription.StreamStatus == types.StreamStatusActive
		})
		return open
	}
	active()
	out, err := NewProducer(t.Context(), ProducerOptions{Produce: Produce{at}})
	if err != nil {
		t.Fatal(err)
	}
	opt := Options{Consume: Consume{Stream: at, Checkpoint: filepath.Join(t.TempDir(), "at.json")}}
	ids := []asset.ID{"a", "b", "c", "d", "e", "f"}
	i := 0
	send := func() {
		var all []Record
		for range 5 {
			for _, id := range ids {
				all = append(all, reading(id, i))
			}
			i++
		}
		if err := out.Send(t.Context(), all); err != nil {
			t.Fatal(err)
		}
	}
	s, before := open(t, opt)
	send()
	shards := active()
	middle := "42535295865117307932921825928971026432" // 2¹²⁵
	if _, err := client.SplitShard(t.Context(), &kinesis.SplitShardInput{StreamName: &at.Name, ShardToSplit: shards[0].ShardId, NewStartingHashKey: &middle}); err != nil {
		t.Fatal(err)
	}
	active()
	send()
	got, last := take(t, s, 40)
	s.Ack(last)
	s.Close()
	s, l := open(t, opt)
	shards = active()
	if _, err := client.MergeShards(t.Context(), &kinesis.MergeShardsInput{StreamName: &at.Name, ShardToMerge: shards[len(shards)-2].ShardId, AdjacentShardToMerge: shards[len(shards)-1].ShardId}); err != nil {
		t.Fatal(err)
	}
	active()
	send()
	more, _ := take(t, s, 90-40)
	got = append(got, more...)
	for _, id := range ids {
		var of, want []string
		for _, g := range got {
			if strings.HasPrefix(g, string(id)+" ") {
				of = append(of, g)
			}
		}
		for k := range i {
			want = append(want, fmt.Sprint(id, " ", k))
		}
		if !slices.Equal(of, want) {
			t.Errorf("of %s arrived %v, want %v", id, of, want)
		}
	}
	if len(before.lost)+len(l.lost) > 0 {
		t.Errorf("said was %v, %v", before.lost, l.lost)
	}
}
