package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/telltale-iot/telltale/ingest"
	"github.com/telltale-iot/telltale/ingest/kafka"
	"github.com/telltale-iot/telltale/pipeline"
	"github.com/telltale-iot/telltale/store"
)

// benchPartitions of the topic that is made for a run.
const benchPartitions = 4

// topicFeed is a stream on its way through a topic to a process of the role process.
type topicFeed struct {
	*stream
	topic    string
	cluster  kafka.Cluster
	producer *kafka.Producer
	groups   int
}

// group names one that was never there.
func (x *topicFeed) group() string {
	x.groups++
	return fmt.Sprintf("%s-%d", x.topic, x.groups)
}

// topic calls f with a new topic for the stream.
func (b *benchmark) topic(ctx context.Context, s *stream, f func(*topicFeed) error) (err error) {
	x := &topicFeed{stream: s, topic: fmt.Sprintf("telltale-bench-%d-%d", os.Getpid(), time.Now().UnixNano()), cluster: kafka.Cluster{Brokers: []string{b.kafka}}}
	if err := kafka.CreateTopic(ctx, x.cluster, x.topic, benchPartitions); err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, kafka.DeleteTopic(context.WithoutCancel(ctx), x.cluster, x.topic))
	}()
	x.producer, err = kafka.NewProducer(kafka.ProducerOptions{Produce: kafka.Produce{Cluster: x.cluster, Topic: x.topic, Partitions: benchPartitions}})
	if err != nil {
		return err
	}
	defer x.producer.Close()
	return f(x)
}

// send sends readings of the stream.
func (x *topicFeed) send(ctx context.Context, from, to int) error {
	var records []kafka.Record
	for i := from; i < to; i++ {
		r := x.at(i)
		records = append(records, kafka.Record{Asset: r.Asset, Channel: r.Wave.Channel, Payload: ingest.EncodeWave(nil, *r.Wave, 0)})
	}
	return x.producer.Send(ctx, records)
}

// watchedStore tells of each commit, and when the first shard is claimed.
type watchedStore struct {
	store.Store
	kept    func(pipeline.Effects)
	claimed func()
}

// Claim claims a shard.
func (w watchedStore) Claim(ctx context.Context, shard int32) (store.Checkpoint, error) {
	w.claimed()
	return w.Store.Claim(ctx, shard)
}

// Keep keeps a micro-batch.
func (w watchedStore) Keep(ctx context.Context, fx pipeline.Effects) error {
	err := w.Store.Keep(ctx, fx)
	if err == nil {
		w.kept(fx)
	}
	return err
}

// process runs the role process on the topic until beside has returned.
func (b *benchmark) process(ctx context.Context, x *topicFeed, db store.Store, beside func(context.Context) error) error {
	conf := &config{Data: b.file("process")(), Source: sourceConfig{Kafka: &kafka.Consume{Cluster: x.cluster, Topics: []string{x.topic}, Group: x.group()}}}
	log := slog.New(slog.NewTextHandler(b.stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	s := newService(x.works, db, log)
	s.batch = pipeline.Batch{Eager: true}
	var err error
	if s.intake, err = newIntake(conf, log); err != nil {
		return err
	}
	defer s.intake.close()
	p := &processor{service: s, conf: conf, ended: make(chan error, 1)}
	s.guard = newGuard(s)
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	done := make(chan error, 1)
	started := make(chan struct{})
	go func() {
		select {
		case <-started:
			done <- beside(ctx)
		case <-ctx.Done():
			done <- context.Cause(ctx)
		}
		stop(nil)
	}()
	err = p.run(ctx, "127.0.0.1:0", func(string) { close(started) })
	stop(err)
	return errors.Join(err, <-done)
}

// arrived waits until n readings are committed.
func (t *taken) arrived(ctx context.Context, n int, heap *heapWatch) error {
	idle, before := time.Now(), int64(-1)
	for {
		have := t.readings()
		switch {
		case have >= int64(n):
			return nil
		case have != before:
			idle, before = time.Now(), have
		case time.Since(idle) > time.Minute:
			return fmt.Errorf("%d readings were committed of %d, and none for a minute", have, n)
		}
		heap.look()
		if err := wait(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
}

// throughKafka measures the role process on a topic.
func (b *benchmark) throughKafka(ctx context.Context) error {
	if b.kafka == "" {
		fmt.Fprintln(b.stderr, "skipped: kafka: no broker named by --kafka")
		return nil
	}
	return b.inEach(ctx, b.fromKafka)
}

// fromKafka measures how fast a backlog of a whole farm is worked off.
func (b *benchmark) fromKafka(ctx context.Context, at place) error {
	s, err := newStream(benchTurbines, 20)
	if err != nil {
		return err
	}
	return b.topic(ctx, s, func(x *topicFeed) error {
		for second := range s.seconds {
			if err := x.send(ctx, second*s.perSecond(), (second+1)*s.perSecond()); err != nil {
				return err
			}
		}
		var times, cores, rate, most []float64
		for range min(b.runs, 3) {
			err := at.use(ctx, func(db store.Store) error {
				r, err := b.backlog(ctx, x, db)
				times, cores, rate, most = append(times, r.times), append(cores, r.cores), append(rate, r.rate), append(most, r.heap)
				return err
			})
			if err != nil {
				return err
			}
		}
		return b.lists(ctx,
			list{"200 turbines from Kafka, " + at.name, "times real time", "higher", times},
			list{"200 turbines from Kafka, cores busy, " + at.name, "cores", "higher", cores},
			list{"200 turbines from Kafka, work, " + at.name, "samples/cpu-s", "higher", rate},
			list{"200 turbines from Kafka, heap at most, " + at.name, "MB", "lower", most})
	})
}

// worked is what one run of fromKafka found.
type worked struct {
	times float64 // of real time
	cores float64 // of this process
	rate  float64 // samples in a CPU second
	heap  float64 // MB
}

func (b *benchmark) backlog(ctx context.Context, x *topicFeed, db store.Store) (worked, error) {
	var once sync.Once
	var began time.Time
	var cpu float64
	t, heap := &taken{}, &heapWatch{}
	watched := watchedStore{db, t.add, func() { once.Do(func() { began, cpu = time.Now(), cpuSeconds() }) }}
	var spent float64
	err := b.process(ctx, x, watched, func(ctx context.Context) error {
		err := t.arrived(ctx, x.length(), heap)
		spent = cpuSeconds() - cpu
		return err
	})
	if err != nil {
		return worked{}, err
	}
	if want := len(x.works.ids) * (x.seconds - streamLearns - 1); t.risks < want {
		return worked{}, fmt.Errorf("%d risks were committed, want %d: %v", t.risks, want, t.counts)
	}
	took := t.last.Sub(began).Seconds()
	return worked{float64(x.seconds) / took, spent / took, float64(x.length()) * benchRate / spent, slices.Max(heap.live) / 1e6}, nil
}
