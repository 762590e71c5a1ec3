package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/models"
	"github.com/telltale-iot/telltale/pipeline"
	"github.com/telltale-iot/telltale/store"
)

// guard looks after the models of a service, beside the flow and never in its way: it
// puts in use what the repository says, takes back a version that misbehaves, and
// holds the learned view of machines whose inputs drift together.
type guard struct {
	use     *inUse
	db      store.Store
	log     *slog.Logger
	reached func() time.Time // event time that is committed; 1970 until something is
	poll    time.Duration    // of the wall clock between two looks
	drift   *driftWatch
	spent   *prometheus.HistogramVec
	undone  *prometheus.CounterVec

	mu     sync.Mutex
	judged time.Time       // event time of the last look at the alarm rates
	placed map[string]bool // under what the beginning of each version in place is kept
	stuck  string          // what was last reported as an error, so that it is said once
}

// guarded is how far the guard looks back and how long it looks after a version.
const (
	guardedFor = 14 * 24 * time.Hour // of event time after a version took over
	guardLook  = 15 * time.Minute    // of event time between two judgements of the alarm rates
	guardReads = 24 * time.Hour      // of answers that are read for one
)

func newGuard(s *service) *guard {
	g := &guard{
		use: s.w.use, db: s.db, log: s.log, poll: cmp.Or(s.pollModels, 5*time.Second), drift: newDriftWatch(s.w),
		reached: func() time.Time { return time.Unix(0, s.reach.Load()).UTC() },
	}
	g.spent = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "telltale_model_run_seconds", Help: "Time of one run of a version, by version.", Buckets: prometheus.ExponentialBuckets(50e-6, 2, 14),
	}, []string{"model"})
	g.undone = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "telltale_model_rollbacks_total", Help: "Versions that were taken back by themselves, by model."}, []string{"model"})
	s.metric.MustRegister(g.spent, g.undone)
	if g.use != nil {
		g.use.took = g.took
	}
	return g
}

// took notes how long a run of a version took.
func (g *guard) took(ref string, _ int, t time.Duration) {
	g.spent.WithLabelValues(ref).Observe(t.Seconds())
}

// run looks after the models until ctx ends.
func (g *guard) run(ctx context.Context) error {
	if g.use == nil || g.use.repo == nil {
		return nil
	}
	tick := time.NewTicker(g.poll)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		g.look(ctx)
	}
}

// look is one round. What goes wrong is told once and costs nothing else: the models
// in use stay.
func (g *guard) look(ctx context.Context) {
	g.mu.Lock()
	defer g.mu.Unlock()
	err := g.use.refresh(ctx, false)
	if err == nil {
		err = g.judge(ctx)
	}
	g.drift.apply(g.use, g.log, g.reached())
	switch {
	case ctx.Err() != nil:
	case err == nil:
		g.stuck = ""
	case oneLine(err) != g.stuck:
		g.stuck = oneLine(err)
		g.log.Error("models: what is in use stays in use", "error", g.stuck)
	}
}

// judge takes back the versions whose alarms or failures are beyond what is expected.
func (g *guard) judge(ctx context.Context) error {
	now := g.reached()
	if now.Unix() <= 0 {
		return nil
	}
	var bad error
	due := now.Sub(g.judged) >= guardLook
	failed := map[string]bool{}
	if !due {
		failed = g.failing(ctx, now)
	}
	seen := map[string]bool{}
	for _, l := range g.use.live {
		for _, p := range l.Placements() {
			if p.Stage != models.Canary && p.Stage != models.Production || seen[sinceKey(p)] {
				continue
			}
			seen[sinceKey(p)] = true
			if due || failed[p.Digest] {
				bad = errors.Join(bad, g.judgeOne(ctx, l, p, now))
			} else {
				_, err := g.since(ctx, p, now)
				bad = errors.Join(bad, err)
			}
		}
	}
	bad = errors.Join(bad, g.forget(ctx, seen))
	if bad == nil && due {
		g.judged = now
	}
	return bad
}

func (g *guard) judgeOne(ctx context.Context, l *models.Live, p models.Placement, now time.Time) error {
	since, err := g.since(ctx, p, now)
	if err != nil || now.Sub(since) > guardedFor {
		return err
	}
	return g.hold(ctx, l, p, since, now)
}

// forget drops the beginnings of versions that left their place: one that comes back
// begins again.
func (g *guard) forget(ctx context.Context, placed map[string]bool) error {
	for key := range g.placed {
		if !placed[key] {
			if err := g.db.SetMeta(ctx, key, ""); err != nil {
				return err
			}
		}
	}
	g.placed = placed
	return nil
}

// sinceKey is under what the beginning of a version in its place is kept.
func sinceKey(p models.Placement) string {
	return fmt.Sprintf("model-since/%s/%s/%s", p.Name, p.Tag(), p.Digest)
}

// since is the event time at which the guard first saw a version in its place; it
// survives a restart.
func (g *guard) since(ctx context.Context, p models.Placement, now time.Time) (time.Time, error) {
	key := sinceKey(p)
	text, err := g.db.Meta(ctx, key)
	if err != nil {
		return now, err
	}
	if at, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return at, nil
	}
	return now, g.db.SetMeta(ctx, key, now.Format(time.RFC3339Nano))
}

// failing are the versions of which any answer failed of late: they are judged now.
func (g *guard) failing(ctx context.Context, now time.Time) map[string]bool {
	out := map[string]bool{}
	counts, err := g.db.ScoreCounts(ctx, now.Add(-guardLook), now)
	for _, c := range counts {
		out[c.Digest] = out[c.Digest] || err == nil && c.Failed > 0
	}
	return out
}

// hold holds a version against the one that it runs beside or replaced, and takes it
// back where that asks for it.
func (g *guard) hold(ctx context.Context, l *models.Live, p models.Placement, since, now time.Time) error {
	var before, after []asset.Score
	assets := map[asset.ID]bool{}
	spans := []store.ScoreFilter{{From: now.Add(-guardReads), To: now}}
	if p.Stage == models.Production { // what came before it, and what it says of late
		spans = []store.ScoreFilter{{From: since.Add(-guardReads), To: since}, {From: later(since, now.Add(-guardReads)).Add(1), To: now}}
	}
	see := func(s asset.Score) error {
		switch of, _, _ := strings.Cut(s.Model, ":"); {
		case of != p.Name:
		case s.Digest == p.Digest && s.Serves && !s.Time.Before(since):
			assets[s.Asset] = true
			after = append(after, s)
		case s.Digest != p.Digest && s.Stage == string(models.Production):
			before = append(before, s)
		}
		return nil
	}
	for _, span := range spans {
		if err := g.db.EachScore(ctx, span, see); err != nil {
			return err
		}
	}
	before = slices.DeleteFunc(before, func(s asset.Score) bool { return !assets[s.Asset] })
	if len(before) == 0 && p.Stage == models.Production {
		return nil // nothing to hold it against, nor to go back to
	}
	contract, _ := l.ContractOf(p.Digest)
	why, yes := models.Rollback(before, after, now, models.RollbackOptions{Since: since, Alpha: contract.Calibration.Alpha})
	if !yes {
		return nil
	}
	return g.takeBack(ctx, p, why)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// takeBack moves a version out of its place.
func (g *guard) takeBack(ctx context.Context, p models.Placement, why string) error {
	by := models.By{Who: "telltale", Reason: "automatic: " + why}
	var err error
	if p.Stage == models.Production {
		_, err = g.use.repo.Rollback(ctx, p.Ref(), p.Scope, by)
	}
	if p.Stage == models.Canary || p.Scope != "" && errors.Is(err, models.ErrNotFound) { // what serves the wider scope takes over
		_, err = g.use.repo.Promote(ctx, p.Ref(), models.Candidate, 0, p.Scope, by)
	}
	if err != nil {
		return fmt.Errorf("take back %s: %w", p.Ref(), err)
	}
	g.undone.WithLabelValues(p.Name).Inc()
	g.log.Warn("model taken back", "model", p.Ref(), "stage", p.Stage, "why", why)
	return g.use.refresh(ctx, false)
}

// kept takes in what was committed.
func (g *guard) kept(fx pipeline.Effects) { g.drift.observe(fx) }
