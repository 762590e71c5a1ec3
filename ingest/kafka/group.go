package kafka

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/telltale-iot/telltale/ingest"
)

// generation is the time from one change of the group to the next, in which partitions are
// ours.
type generation struct {
	*kafka.Generation
	ctx   context.Context //nolint:containedctx // it is the generation: over when that is
	begun time.Time
	awake atomic.Int64  // ns after begun at which it last was seen to run
	first chan struct{} // there is something to be committed at once
}

// over reports whether the partitions may be somebody else's. A process that was stopped for
// longer than the group waits for a member, when others come, is told so before its heart
// has beaten again.
func (g *generation) over() bool {
	return g.ctx.Err() != nil || time.Since(g.begun)-time.Duration(g.awake.Load()) > rebalanceTimeout
}

// beat shows that the process runs; where it did not for too long it ends the generation.
func (g *generation) beat(ctx context.Context, end func()) {
	for ingest.Sleep(ctx, rebalanceTimeout/8) {
		if g.over() {
			end()
			return
		}
		g.awake.Store(int64(time.Since(g.begun)))
	}
}

// commits is where a commit goes wrong; no partition is called so.
const commits = "commit of offsets"

const (
	commitEvery = time.Second
	watchEvery  = 2 * time.Second // for partitions that are added to a topic
)

// run takes part in one generation after the other until ctx ends.
func (s *Source) run(ctx context.Context) {
	defer s.group.Close() //nolint:errcheck // it returns none
	for {
		g, err := s.group.Next(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, kafka.RebalanceInProgress):
		case err != nil:
			s.trouble("group "+s.opt.Group, err)
		default:
			s.trouble("group "+s.opt.Group, nil)
			g.Start(func(over context.Context) { s.work(over, g) })
		}
	}
}

// work reads the partitions of a generation until it is over.
func (s *Source) work(over context.Context, of *kafka.Generation) {
	g := &generation{Generation: of, ctx: over, begun: time.Now(), first: make(chan struct{}, 1)}
	ctx, cancel := context.WithCancel(over)
	var readers sync.WaitGroup
	among, err := s.partitionCount(ctx)
	if err != nil { // the group changed again meanwhile
		cancel()
		return
	}
	s.mu.Lock()
	clear(s.parts)
	for topic, given := range of.Assignments {
		for _, a := range given {
			p := newPartition(s, g, place{topic, a.ID}, a.Offset)
			s.parts[p.place] = p
			if s.follow == nil {
				readers.Go(func() { p.run(ctx) })
				continue
			}
			p.among = among
			readers.Go(func() { s.follow(ctx, &Assigned{Topic: topic, Partition: a.ID, Of: among, p: p}) })
		}
	}
	readers.Go(func() { g.beat(ctx, cancel) })
	s.joined = true
	s.tell()
	s.mu.Unlock()
	s.tend(ctx, g)
	cancel()
	readers.Wait()
	s.commit(g)
	s.mu.Lock()
	for at := range s.parts {
		delete(s.troubles, at.String())
	}
	clear(s.parts)
	s.mu.Unlock()
}

// tend commits what is acknowledged until the generation is over, or has to be.
func (s *Source) tend(ctx context.Context, g *generation) {
	tick := time.NewTicker(commitEvery)
	defer tick.Stop()
	var watched time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-g.first:
		}
		s.commit(g)
		if time.Since(watched) < watchEvery {
			continue
		}
		watched = time.Now()
		if s.repartitioned(ctx) {
			return
		}
	}
}

// commit tells the group how far everything is durable.
func (s *Source) commit(g *generation) {
	offsets := map[string]map[int]int64{}
	s.mu.Lock()
	for at, p := range s.parts {
		if p.gen == g && p.acked > p.committed {
			if offsets[at.topic] == nil {
				offsets[at.topic] = map[int]int64{}
			}
			offsets[at.topic][at.partition] = p.acked
		}
	}
	s.mu.Unlock()
	if len(offsets) == 0 {
		return
	}
	err := g.CommitOffsets(offsets)
	switch {
	case g.ctx.Err() != nil, errors.Is(err, kafka.RebalanceInProgress), errors.Is(err, kafka.IllegalGeneration), errors.Is(err, kafka.UnknownMemberId):
		s.trouble(commits, nil) // the next generation reads again what is not committed
	default:
		s.trouble(commits, err)
	}
	if err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for topic, of := range offsets {
		for partition, offset := range of {
			if p := s.parts[place{topic, partition}]; p != nil && p.gen == g {
				p.committed = max(p.committed, offset)
			}
		}
	}
}

// repartitioned reports whether a topic has another number of partitions than before: the
// group has to share them out anew, and keys lie in other partitions from then on.
func (s *Source) repartitioned(ctx context.Context) bool {
	changed := false
	for _, topic := range s.opt.Topics {
		n, err := partitionsOf(ctx, s.connection(), topic)
		if ctx.Err() != nil {
			return false
		}
		s.trouble("topic "+topic, err)
		if err != nil && !errors.Is(err, kafka.UnknownTopicOrPartition) {
			continue
		}
		s.mu.Lock()
		was, known := s.counts[topic]
		s.counts[topic] = max(n, was)
		s.mu.Unlock()
		if !known || n <= was {
			continue
		}
		changed = true
		if was > 0 {
			s.opt.Lost(fmt.Errorf("%s: topic %s has %d partitions, it had %d: assets may have moved to others, where their order begins anew", s.meter.Name(), topic, n, was))
		}
	}
	return changed
}

// partitionsOf is how many partitions a topic has; an error says that it is not there.
func partitionsOf(ctx context.Context, client *kafka.Client, topic string) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	m, err := client.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{topic}})
	if err != nil {
		return 0, err
	}
	for _, t := range m.Topics {
		if t.Name != topic {
			continue
		}
		if t.Error != nil {
			return 0, t.Error
		}
		if len(t.Partitions) > 0 {
			return len(t.Partitions), nil
		}
	}
	return 0, kafka.UnknownTopicOrPartition
}

// isCompacted asks once whether a topic's log may have holes. A cluster that does not say
// is taken to keep its logs whole.
func (s *Source) isCompacted(ctx context.Context, topic string) bool {
	s.mu.Lock()
	known, asked := s.compacted[topic]
	s.mu.Unlock()
	if asked {
		return known
	}
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	r, err := s.connection().DescribeConfigs(ctx, &kafka.DescribeConfigsRequest{Resources: []kafka.DescribeConfigRequestResource{{
		ResourceType: kafka.ResourceTypeTopic, ResourceName: topic, ConfigNames: []string{"cleanup.policy"},
	}}})
	if err == nil {
		for _, x := range r.Resources {
			for _, entry := range x.ConfigEntries {
				known = known || entry.ConfigName == "cleanup.policy" && strings.Contains(entry.ConfigValue, "compact")
			}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.compacted[topic] = known
	return known
}
