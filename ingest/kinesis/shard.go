package kinesis

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/ingest"
)

// errGone is data that the stream does not keep any more. A person decides how to go on.
var errGone = errors.New("stopped: take the shard out of the checkpoint to go on without it")

const (
	idlePoll = time.Second            // of a shard that was read to its end: five requests a second are allowed
	busyPoll = 250 * time.Millisecond // of one that was not
)

// watch starts a goroutine for each shard whose turn it is, until ctx ends.
func (s *Source) watch(ctx context.Context) {
	for {
		shards, kept, err := s.list(ctx)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			s.mu.Lock()
			s.listed = true
			s.mu.Unlock()
			s.start(ctx, shards, kept)
		}
		s.trouble("list of shards", err)
		if !ingest.Sleep(ctx, s.opt.Refresh) {
			return
		}
	}
}

// list asks for the shards and for how long the stream keeps what is in them.
func (s *Source) list(ctx context.Context) ([]types.Shard, time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	about, err := s.client.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamName: &s.opt.Name})
	if err != nil {
		return nil, 0, err
	}
	hours := 24
	if d := about.StreamDescriptionSummary; d != nil && d.RetentionPeriodHours != nil {
		hours = int(*d.RetentionPeriodHours)
	}
	var all []types.Shard
	in := &kinesis.ListShardsInput{StreamName: &s.opt.Name}
	for {
		out, err := s.client.ListShards(ctx, in)
		if err != nil {
			return nil, 0, err
		}
		all = append(all, out.Shards...)
		if out.NextToken == nil {
			return all, time.Duration(hours) * time.Hour, nil
		}
		in = &kinesis.ListShardsInput{NextToken: out.NextToken}
	}
}

// start starts those shards that are not read and whose parents are.
func (s *Source) start(ctx context.Context, shards []types.Shard, kept time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	there := map[string]bool{}
	for _, x := range shards {
		there[*x.ShardId] = true
	}
	for id, at := range s.kept.Shards {
		switch {
		case at.Done && !there[id]:
			delete(s.kept.Shards, id) // it is gone with all that was in it
			s.changed = true
		case !there[id] && !s.reading[id]:
			s.reading[id] = true
			s.readers.Go(func() {
				s.trouble(id, fmt.Errorf("the shard is gone and was read until %s: %w", at.Until.Format(time.RFC3339), errGone))
			})
		}
	}
	waits := func(parent *string) bool {
		return parent != nil && there[*parent] && !s.read[*parent] && !s.kept.Shards[*parent].Done
	}
	for _, x := range shards {
		id := *x.ShardId
		if s.reading[id] || s.kept.Shards[id].Done || !s.latest && (waits(x.ParentShardId) || waits(x.AdjacentParentShardId)) {
			continue
		}
		s.reading[id] = true
		at, known := s.kept.Shards[id]
		if s.latest && !known {
			at, known = place{Until: time.Now().UTC()}, true
			s.kept.Shards[id], s.changed = at, true // the same latest when we start again
		}
		r := &shard{s: s, id: id, at: at, kept: kept, known: known}
		s.readers.Go(func() { r.run(ctx) })
	}
	s.latest = false // what appears from now on came out of those that are there
}

// shard is read by one goroutine.
type shard struct {
	s     *Source
	id    string
	at    place // that was read
	known bool  // it is in the checkpoint
	kept  time.Duration
	told  time.Time // when the checkpoint last heard that the end was reached
}

// run reads until ctx ends or the shard does. What goes wrong is tried again.
func (h *shard) run(ctx context.Context) {
	if old := time.Since(h.at.Until); h.known && old > h.kept {
		h.s.trouble(h.id, fmt.Errorf("the checkpoint is of %s and the stream keeps %s: what came since may be gone in part: %w", h.at.Until.Format(time.RFC3339), h.kept, errGone))
		return
	}
	wait := ingest.Backoff{First: 200 * time.Millisecond, Last: 5 * time.Second}
	for {
		begun := time.Now()
		err := h.follow(ctx)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			h.s.trouble(h.id, nil)
			return
		}
		if time.Since(begun) > time.Minute {
			wait.Reset()
		}
		var expired *types.ExpiredIteratorException
		var busy *types.ProvisionedThroughputExceededException
		if !errors.As(err, &expired) && !errors.As(err, &busy) {
			h.s.trouble(h.id, err)
		}
		if !wait.Wait(ctx) {
			return
		}
	}
}

// iterator is where to go on from. A shard that the checkpoint does not know is read from
// its beginning.
func (h *shard) iterator(ctx context.Context) (*string, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	in := &kinesis.GetShardIteratorInput{StreamName: &h.s.opt.Name, ShardId: &h.id, ShardIteratorType: types.ShardIteratorTypeTrimHorizon}
	switch {
	case h.at.After != "":
		in.ShardIteratorType, in.StartingSequenceNumber = types.ShardIteratorTypeAfterSequenceNumber, &h.at.After
	case h.known && !h.at.Until.IsZero():
		in.ShardIteratorType, in.Timestamp = types.ShardIteratorTypeAtTimestamp, &h.at.Until
	}
	out, err := h.s.client.GetShardIterator(ctx, in)
	if err != nil {
		return nil, err
	}
	return out.ShardIterator, nil
}

// follow reads until something is wrong; nil is the end of the shard.
func (h *shard) follow(ctx context.Context) error {
	at, err := h.iterator(ctx)
	if err != nil {
		return err
	}
	for at != nil {
		asked := time.Now()
		out, err := h.get(ctx, at)
		if err != nil {
			return err
		}
		h.s.trouble(h.id, nil)
		behind := time.Duration(0)
		if out.MillisBehindLatest != nil {
			behind = time.Duration(*out.MillisBehindLatest) * time.Millisecond
		}
		for _, r := range out.Records {
			if err := h.take(ctx, r, behind == 0); err != nil {
				return err
			}
		}
		at = out.NextShardIterator
		pause := busyPoll
		if behind == 0 {
			pause = idlePoll
		}
		if behind == 0 && at != nil && time.Since(h.told) > time.Minute { // all that had arrived is in the queue
			h.told = asked
			h.at.Until, h.known = asked.Add(-answerTimeout).UTC(), true // a record may show itself a little after it arrived
			if err := h.put(ctx, item{blank: true, shard: h.id, at: h.at}); err != nil {
				return err
			}
		}
		if at != nil && !ingest.Sleep(ctx, pause) {
			return ctx.Err()
		}
	}
	h.at.Done = true
	if err := h.put(ctx, item{blank: true, shard: h.id, at: h.at}); err != nil {
		return err
	}
	h.s.mu.Lock()
	defer h.s.mu.Unlock()
	h.s.read[h.id] = true
	return nil
}

func (h *shard) get(ctx context.Context, at *string) (*kinesis.GetRecordsOutput, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	most := int32(1000)
	return h.s.client.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: at, Limit: &most})
}

func (h *shard) put(ctx context.Context, it item) error {
	select {
	case h.s.queue <- it:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// take decodes a record and delivers what it says; the error is that of ctx.
func (h *shard) take(ctx context.Context, r types.Record, newest bool) error {
	m := ingest.Message{Topic: h.s.opt.Name, Payload: r.Data}
	if r.PartitionKey != nil && ingest.IsID(*r.PartitionKey) {
		m.Asset = asset.ID(*r.PartitionKey)
	}
	all, err := h.decode(ctx, m)
	bad, refused := errors.AsType[*asset.Invalid](err)
	if err != nil && !refused {
		return err
	}
	next := place{After: *r.SequenceNumber, Until: time.Now().UTC()}
	if r.ApproximateArrivalTimestamp != nil {
		next.Until = r.ApproximateArrivalTimestamp.UTC()
	}
	if refused {
		all = nil
		letter := m.Letter(h.s.meter.Name(), time.Now(), bad)
		letter.Text += fmt.Sprintf("; %s at %s", h.id, next.After)
		h.s.meter.Refused(bad.Reason)
		h.s.opt.Refused(letter)
	}
	h.s.meter.Heard(time.Now(), len(r.Data))
	h.at, h.known = next, true
	if len(all) == 0 {
		return h.put(ctx, item{blank: true, shard: h.id, at: next})
	}
	for i, x := range all {
		it := item{reading: x, shard: h.id}
		if i == len(all)-1 {
			it.at = next
		}
		if err := h.put(ctx, it); err != nil {
			return err
		}
	}
	return nil
}

// decode asks the decoder until it has an answer: with an error that is no verdict the shard
// waits.
func (h *shard) decode(ctx context.Context, m ingest.Message) ([]asset.Reading, error) {
	wait := ingest.Backoff{First: 200 * time.Millisecond, Last: 5 * time.Second}
	for {
		all, err := h.s.opt.Decoder.Decode(ctx, m)
		bad, verdict := errors.AsType[*asset.Invalid](err)
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case verdict:
			return nil, bad
		case err == nil:
			for _, r := range all {
				if !h.s.opt.Assets.Allows(r.Asset) {
					return nil, &asset.Invalid{Reason: ingest.NotAllowed, Where: string(r.Asset), Text: "this stream may not speak of it: want one of assets in the configuration"}
				}
			}
			return all, nil
		}
		h.s.trouble(h.id, fmt.Errorf("waits for the decoder: %w", err))
		if !wait.Wait(ctx) {
			return nil, ctx.Err()
		}
	}
}
