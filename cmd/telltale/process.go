package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/telltale-iot/telltale/api"
	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/ingest"
	"github.com/telltale-iot/telltale/ingest/kafka"
	"github.com/telltale-iot/telltale/pipeline"
	"github.com/telltale-iot/telltale/store"
)

// processor is the flow of one process among several. A partition of the topic is a shard:
// the consumer group says whose it is, the store where it stands. Who gets a partition claims
// its shard, so that what the one before still writes is refused, and goes on from the
// position that was committed with the last effects.
type processor struct {
	*service
	conf   *config
	member *kafka.Member
	ended  chan error // why a shard cannot go on
}

// processGather is how many shards may share one run of a model.
const processGather = 4

// processOnce is one round of the process role.
func processOnce(ctx context.Context, w *works, conf *config, log *slog.Logger, stdout io.Writer) error {
	s, end, err := openServiceOf(ctx, w, conf, cmp.Or(conf.Shards, processGather), log)
	if err != nil {
		return err
	}
	defer end()
	if s.intake, err = newIntake(conf, log); err != nil {
		return err
	}
	defer s.intake.close()
	p := &processor{service: s, conf: conf, ended: make(chan error, 1)}
	s.guard = newGuard(s)
	s.watchStore()
	return p.run(ctx, cmp.Or(conf.Listen, "127.0.0.1:8080"), func(url string) {
		fmt.Fprintf(stdout, "telltale: processing %s, listening on %s, %d asset(s)\n", conf.Source.Kafka.Topics[0], url, len(w.ids))
	})
}

// run takes part until ctx ends, commits what was read then, and leaves the group.
func (p *processor) run(ctx context.Context, addr string, ready func(url string)) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("listen on %s: %w (choose another address under listen)", addr, err)
	}
	k := *p.conf.Source.Kafka
	meter := ingest.NewMeter("kafka", "kafka "+k.Brokers[0]+"/"+k.Group)
	in := p.intake
	in.entries = append(in.entries, entry{meter: meter, allow: k.Assets})
	g, ctx := errgroup.WithContext(ctx)
	p.member, err = kafka.Join(ctx, kafka.Options{Consume: k, Meter: meter, Decoder: in.decoder(k.Assets), Refused: in.refused, Lost: in.warn(meter)}, p.follow)
	if err != nil {
		return err
	}
	p.metric.MustRegister(sourceMetrics{in.Sources}, partitionMetrics{p.member})
	shown := backstage{p.metric, p.notReady, in.Sources, in.DeadLetters}
	serveWeb(ctx, g, api.NewServer(addr, shown.handler()), l, func() {})
	g.Go(func() error { return p.guard.run(ctx) })
	g.Go(func() error { return p.retain(ctx) })
	g.Go(func() error { return in.watch(ctx) })
	g.Go(func() error {
		defer p.member.Close()
		select {
		case <-ctx.Done():
			return nil
		case err := <-p.ended:
			return err
		}
	})
	ready("http://" + l.Addr().String())
	return quiet(g.Wait())
}

// notReady says why nothing is processed.
func (p *processor) notReady() []string {
	reasons := p.service.notReady()
	if st := p.member.Status(); !st.Up {
		reasons = append(reasons, st.Name+": "+st.Why)
	}
	return reasons
}

// follow works on a partition while it is ours. One that was claimed meanwhile, by a process
// that did not know yet or by an operator who moved it, is claimed again: the group's word
// is the newest.
func (p *processor) follow(ctx context.Context, a *kafka.Assigned) {
	wait := ingest.Backoff{First: time.Second, Last: 10 * time.Second}
	for {
		err := p.work(ctx, a)
		switch {
		case ctx.Err() != nil || err == nil:
			return
		case !errors.Is(err, store.ErrFenced):
			select {
			case p.ended <- fmt.Errorf("%s-%d: %w", a.Topic, a.Partition, err):
			default: // it ends already
			}
			return
		}
		p.log.Warn("partition was taken over: what was under way is left to who has it", "partition", a.Partition)
		if !wait.Wait(ctx) {
			return
		}
	}
}

func (p *processor) work(ctx context.Context, a *kafka.Assigned) error {
	if err := sameLayout(ctx, p.db, layoutOf(a.Of, a.Topic)); err != nil {
		return err
	}
	shard := int32(a.Partition) //nolint:gosec // Kafka's own
	at, err := p.db.Claim(ctx, shard)
	if err != nil {
		return err
	}
	sh, err := pipeline.NewShard(shard, at.Epoch, at.Next, p.lines(shard), p.w.scorer, func(id asset.ID) (map[string][]byte, error) { return p.db.Parts(ctx, id) })
	if err != nil {
		return err
	}
	p.log.Info("partition is ours", "partition", a.Partition, "epoch", at.Epoch, "next", kafka.Offset(at.Next), "low", kafka.Offset(at.Low), "through", at.Through)
	stop := a.Start(ctx, at.Low, at.Next == 0)
	defer stop()
	edge := ingest.NewEdge(a, p.intake.edge(p.intake.entries[0], p.conf.Source))
	f := pipeline.Flow{Source: edge, Keeper: endingKeeper{p.db, ctx, lastWrite}, Shards: []*pipeline.Shard{sh}, Batch: p.batch, Kept: p.kept}
	return f.Run(ctx)
}

// layoutOf names the shards of a store that processes share.
func layoutOf(partitions int, topic string) string {
	return fmt.Sprintf("%d of topic %s", partitions, topic)
}

// kept counts what was committed; who shows it reads the store.
func (p *processor) kept(fx pipeline.Effects) {
	p.guard.kept(fx)
	p.evidence.kept(fx.Shard)
	p.counts.add(fx.Counts)
	for _, a := range fx.Alerts {
		p.logAlert(a)
	}
	p.reached(fx.Through)
}

// partitionMetrics are the figures of the partitions that are ours.
type partitionMetrics struct{ *kafka.Member }

var (
	partitionEnd  = prometheus.NewDesc("telltale_partition_end", "Offset after the last message of the partition.", []string{"partition"}, nil)
	partitionDone = prometheus.NewDesc("telltale_partition_committed", "Offset before which everything is durable.", []string{"partition"}, nil)
)

// Describe leaves the description to each collection.
func (partitionMetrics) Describe(chan<- *prometheus.Desc) {}

// Collect asks the member once.
func (m partitionMetrics) Collect(to chan<- prometheus.Metric) {
	for _, x := range m.Partitions() {
		to <- prometheus.MustNewConstMetric(partitionEnd, prometheus.GaugeValue, float64(x.End), strconv.Itoa(x.Partition))
		to <- prometheus.MustNewConstMetric(partitionDone, prometheus.GaugeValue, float64(x.Committed), strconv.Itoa(x.Partition))
	}
}
