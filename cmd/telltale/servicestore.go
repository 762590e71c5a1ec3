package main

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/telltale-iot/telltale/pipeline"
	"github.com/telltale-iot/telltale/store"
)

// notReady says why the service does not take what its sources send.
func (s *service) notReady() []string {
	if r, ok := s.db.(store.Remote); ok {
		if err := r.Away(); err != nil {
			return []string{"store: " + oneLine(err)}
		}
	}
	return nil
}

// watchStore registers what is known of a store elsewhere.
func (s *service) watchStore() {
	r, ok := s.db.(store.Remote)
	if !ok {
		return
	}
	s.metric.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "telltale_store_away", Help: "1 while the flow waits for the database, else 0."}, func() float64 {
			if r.Away() != nil {
				return 1
			}
			return 0
		}),
		prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "telltale_store_retries_total", Help: "Attempts that had to be made again since the database was away."}, func() float64 {
			return float64(r.Retries())
		}))
}

// lastWrite is how long a service that ends waits for a database that is away. What is
// not kept then was not acknowledged: its source has it still.
const lastWrite = 10 * time.Second

// endingKeeper gives up what it waits for some time after ctx has ended; the flow itself
// would see it through.
type endingKeeper struct {
	pipeline.Keeper
	ending context.Context // the service's life, not a call's
	grace  time.Duration
}

// Keep makes a micro-batch durable, if need be after the end of the service has begun.
func (k endingKeeper) Keep(ctx context.Context, fx pipeline.Effects) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(k.ending, func() {
		select {
		case <-ctx.Done():
		case <-time.After(k.grace):
			cancel()
		}
	})
	defer stop()
	return k.Keeper.Keep(ctx, fx)
}

// retain forgets what is older than the retention, at the start and a few times a day,
// until ctx ends. It forgets whole weeks, which a database drops at once.
func (s *service) retain(ctx context.Context) error {
	if s.retention <= 0 {
		return nil
	}
	tick := time.NewTicker(6 * time.Hour)
	defer tick.Stop()
	for {
		if reached := s.reach.Load(); reached > 0 {
			before := time.Unix(0, reached).UTC().Add(-s.retention).Truncate(7 * 24 * time.Hour)
			n, err := s.db.Prune(ctx, before)
			switch {
			case ctx.Err() != nil:
			case err != nil:
				s.log.Error("retention", "before", before, "error", err)
			case n > 0:
				s.log.Info("retention", "before", before, "rows forgotten", n)
			}
			s.evidence.prune(ctx, before)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
