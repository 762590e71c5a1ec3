package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/dataset"
	"github.com/telltale-iot/telltale/store/evidence"
)

// evidenceKeeper writes windows to their place after their batch was committed, beside the
// flow: it holds nothing up, and what it cannot keep is counted. A nil one keeps nothing.
type evidenceKeeper struct {
	store   *evidence.Store
	log     *slog.Logger
	queue   chan keptWindow
	waiting atomic.Int64 // samples between their extraction and their place
	counts  *prometheus.CounterVec

	mu     sync.Mutex
	shards map[int32]*shardEvidence

	stopping     context.Context //nolint:containedctx // ends the waiting for more
	stop         context.CancelFunc
	giveUp, done context.Context //nolint:containedctx // ends what is being written; was ended
	abandon      context.CancelFunc
}

// keptWindow is a window on its way.
type keptWindow struct {
	asset asset.ID
	wave  *asset.Waveform
}

const (
	evidenceNone    = "none"
	evidenceWaiting = 16 << 20 // samples: as values 64 MiB
	evidenceQueue   = 1024
	evidenceTries   = 5
	evidencePause   = time.Second // after the first failure; twice as long after each more
)

// openEvidence opens the place that the configuration names and begins to write there; nil
// where that is none.
func openEvidence(ctx context.Context, conf *config, metric prometheus.Registerer, log *slog.Logger) (*evidenceKeeper, error) {
	place := cmp.Or(conf.Store.Evidence, filepath.Join(conf.Data, "evidence"))
	if place == evidenceNone {
		return nil, nil //nolint:nilnil // a nil keeper keeps nothing
	}
	db, err := evidence.Open(ctx, place)
	if err != nil {
		return nil, fmt.Errorf("store.evidence: %w", err)
	}
	k := newEvidenceKeeper(db, log)
	metric.MustRegister(k.counts, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "telltale_evidence_waiting_samples", Help: "Samples of windows that are on their way to the store of evidence.",
	}, func() float64 { return float64(k.waiting.Load()) }))
	return k, nil
}

func newEvidenceKeeper(db *evidence.Store, log *slog.Logger) *evidenceKeeper {
	k := &evidenceKeeper{
		store: db, log: log, queue: make(chan keptWindow, evidenceQueue), shards: map[int32]*shardEvidence{},
		counts: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "telltale_evidence_total", Help: "Windows for the store of evidence, by what became of them."}, []string{"outcome"}),
	}
	for _, outcome := range []string{"kept", "dropped", "failed"} {
		k.counts.WithLabelValues(outcome)
	}
	k.stopping, k.stop = context.WithCancel(context.Background())
	k.giveUp, k.abandon = context.WithCancel(context.Background())
	var ended context.CancelFunc
	k.done, ended = context.WithCancel(context.Background())
	go k.run(ended)
	return k
}

// Close writes what waits, for a moment, and lets go of the place. The flow has ended.
func (k *evidenceKeeper) Close() {
	if k == nil {
		return
	}
	k.stop()
	defer time.AfterFunc(lastWrite, k.abandon).Stop()
	<-k.done.Done()
	k.abandon()
	if err := k.store.Close(); err != nil {
		k.log.Warn("evidence", "error", err)
	}
}

// take puts a committed window in the queue, or counts that there was no room.
func (k *evidenceKeeper) take(w keptWindow) {
	select {
	case k.queue <- w:
	default:
		k.count("dropped", w)
	}
}

// reserve makes room for a window that is on its way.
func (k *evidenceKeeper) reserve(samples int) bool {
	if k.waiting.Add(int64(samples)) <= evidenceWaiting {
		return true
	}
	k.waiting.Add(-int64(samples))
	return false
}

// count notes what became of a window that there was room for.
func (k *evidenceKeeper) count(outcome string, w keptWindow) {
	k.waiting.Add(-int64(w.wave.Len()))
	k.counts.WithLabelValues(outcome).Inc()
}

// run writes until it is stopped and nothing waits.
func (k *evidenceKeeper) run(ended context.CancelFunc) {
	defer ended()
	for {
		select {
		case w := <-k.queue:
			k.write(w)
			continue
		default:
		}
		select {
		case w := <-k.queue:
			k.write(w)
		case <-k.stopping.Done():
			if len(k.queue) == 0 {
				return
			}
		}
	}
}

// write tries to keep a window a few times.
func (k *evidenceKeeper) write(w keptWindow) {
	var body bytes.Buffer
	err := dataset.WriteWindow(&body, w.asset, *w.wave)
	if err == nil {
		err = k.put(w, body.Bytes())
	}
	if err != nil {
		k.count("failed", w)
		k.log.Warn("a window is not kept", "asset", w.asset, "channel", w.wave.Channel, "start", w.wave.Start, "error", oneLine(err))
		return
	}
	k.count("kept", w)
}

func (k *evidenceKeeper) put(w keptWindow, body []byte) (err error) {
	pause := evidencePause
	for try := range evidenceTries {
		if try > 0 {
			select {
			case <-k.giveUp.Done():
				return err
			case <-time.After(pause):
			}
			pause *= 2
		}
		if err = k.store.Put(k.giveUp, w.asset, w.wave.Channel, w.wave.Start, body); err == nil {
			return nil
		}
	}
	return err
}

// prune forgets what is older than the store's retention.
func (k *evidenceKeeper) prune(ctx context.Context, before time.Time) {
	if k == nil {
		return
	}
	n, err := k.store.Prune(ctx, before)
	switch {
	case ctx.Err() != nil:
	case err != nil:
		k.log.Error("retention of evidence", "before", before, "error", err)
	case n > 0:
		k.log.Info("retention of evidence", "before", before, "windows forgotten", n)
	}
}
