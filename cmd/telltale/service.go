package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/telltale-iot/telltale/api"
	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/pipeline"
	"github.com/telltale-iot/telltale/store"
	"github.com/telltale-iot/telltale/twin"
	"github.com/telltale-iot/telltale/web"
	"github.com/telltale-iot/telltale/workorders"
)

// service is everything that runs beside each other in one process: the flow,
// the forwarder of orders, the API with the page.
type service struct {
	w      *works
	db     store.Store
	board  *twin.Board
	hub    *api.Hub
	log    *slog.Logger
	status api.Status // what does not change
	mounts map[string]http.Handler
	batch  pipeline.Batch
	shards int
	counts flowCounts
	behind prometheus.Gauge
	guard  *guard
	list   *operatorList
	intake *intake      // nil: its source is one of the program's own
	reach  atomic.Int64 // event time reached, Unix ns

	evidence *evidenceKeeper // nil: windows are not kept

	retention  time.Duration // of event time; 0: for ever
	pollModels time.Duration // between two looks at the repository; default 5 s
	token      string        // that changes by the API have to bring
	metric     *prometheus.Registry
}

// defaultShards is one for each of two cores.
const defaultShards = 2

func newService(w *works, db store.Store, log *slog.Logger) *service {
	s := &service{w: w, db: db, board: twin.NewBoard(), hub: api.NewHub(api.HubOptions{}), log: log, metric: prometheus.NewRegistry(), shards: defaultShards, list: newOperatorList()}
	s.counts = newFlowCounts()
	s.behind = prometheus.NewGauge(prometheus.GaugeOpts{Name: "telltale_event_time_seconds", Help: "Event time that is committed, in Unix seconds."})
	s.metric.MustRegister(s.counts, s.behind)
	return s
}

// claim takes the shards over and says from which position to read, and which
// event time was reached.
func (s *service) claim(ctx context.Context) (shards []*pipeline.Shard, next int64, through time.Time, err error) {
	shards, next, through, err = claimShards(ctx, s.db, s.shards, s.w.scorer, s.plant)
	if err == nil && !through.IsZero() {
		s.reach.Store(through.UnixNano())
	}
	return shards, next, through, err
}

// claimShards takes n shards of a store over.
func claimShards(ctx context.Context, db store.Store, n int, scorer pipeline.Scorer, plant func(shard int32) pipeline.Plant) (shards []*pipeline.Shard, next int64, through time.Time, err error) {
	if err := sameLayout(ctx, db, strconv.Itoa(n)); err != nil {
		return nil, 0, through, err
	}
	for i := range int32(n) { //nolint:gosec // a few
		at, err := db.Claim(ctx, i)
		if err != nil {
			return nil, 0, through, err
		}
		next = max(next, at.Next)
		if i == 0 || at.Through.Before(through) {
			through = at.Through
		}
		sh, err := pipeline.NewShard(i, at.Epoch, at.Next, plant(i), scorer, func(id asset.ID) (map[string][]byte, error) { return db.Parts(ctx, id) })
		if err != nil {
			return nil, 0, through, err
		}
		shards = append(shards, sh)
	}
	return shards, next, through, nil
}

// sameLayout holds a store to the shards that it was made with: an asset stays in its own.
func sameLayout(ctx context.Context, db store.Facts, want string) error {
	switch have, err := db.Meta(ctx, "shards"); {
	case err != nil:
		return err
	case have == "":
		return db.SetMeta(ctx, "shards", want)
	case have != want:
		return fmt.Errorf("the store was made with shards: %s, now there are: %s: keep the number, or start with an empty store", have, want)
	}
	return nil
}

// plant gives a shard lines whose twins are shown and whose windows are kept.
func (s *service) plant(shard int32) pipeline.Plant {
	lines := s.lines(shard)
	return func(id asset.ID) (*pipeline.Line, bool) {
		l, ok := lines(id)
		if ok {
			l.View = l.Twin.(*twin.Twin).View // w.line makes no other
		}
		return l, ok
	}
}

// lines gives a shard lines whose evidence is kept.
func (s *service) lines(shard int32) pipeline.Plant {
	lines, keep := s.w.plant(), s.evidence.of(shard)
	return func(id asset.ID) (*pipeline.Line, bool) {
		l, ok := lines(id)
		if ok {
			keep.watch(l)
		}
		return l, ok
	}
}

// flow runs the stages until ctx ends.
func (s *service) flow(ctx context.Context, src pipeline.Source, shards []*pipeline.Shard) error {
	f := pipeline.Flow{Source: src, Keeper: endingKeeper{s.db, ctx, lastWrite}, Shards: shards, Batch: s.batch, Kept: func(fx pipeline.Effects) { s.kept(ctx, fx) }}
	return f.Run(ctx)
}

// kept shows what was committed.
func (s *service) kept(ctx context.Context, fx pipeline.Effects) {
	s.guard.kept(fx)
	s.evidence.kept(fx.Shard)
	s.counts.add(fx.Counts)
	for _, v := range fx.Views {
		s.board.Publish(v)
	}
	newest := map[string]asset.Risk{}
	for _, r := range fx.Risks {
		newest[string(r.Asset)+"/"+r.Component] = r
	}
	for _, r := range newest {
		s.hub.Publish(api.RiskMessage(r))
	}
	s.annunciate(ctx, fx.Alerts)
	for _, a := range fx.Alerts {
		s.hub.Publish(api.AlertMessage(s.list.marked(a)))
		s.logAlert(a)
		if _, ok := s.w.order(a); ok {
			s.tellOrder(ctx, a.ID)
		}
	}
	if s.reached(fx.Through) {
		s.hub.Publish(api.StatusMessage(s.now()))
	}
}

// reached notes the newest event time that is committed, and reports whether t is.
func (s *service) reached(t time.Time) bool {
	for {
		old := s.reach.Load()
		if t.UnixNano() <= old {
			return false
		}
		if s.reach.CompareAndSwap(old, t.UnixNano()) {
			s.behind.Set(float64(t.UnixNano()) / 1e9)
			return true
		}
	}
}

func (s *service) logAlert(a asset.Alert) {
	s.log.Info("alert", "id", a.ID, "asset", a.Asset, "component", a.Component, "mode", a.Mode, "severity", a.Severity, "cleared", a.Cleared != nil, "changes", len(a.Changes))
}

// flowCounts are the counts of a flow as Prometheus reads them.
type flowCounts struct{ *prometheus.CounterVec }

func newFlowCounts() flowCounts {
	return flowCounts{prometheus.NewCounterVec(prometheus.CounterOpts{Name: "telltale_flow_total", Help: "What went in, came out and was refused, by what."}, []string{"what"})}
}

func (c flowCounts) add(counts map[string]int64) {
	for what, n := range counts {
		c.WithLabelValues(what).Add(float64(n))
	}
}

// tellOrder publishes the order of an alert as it stands in the outbox.
func (s *service) tellOrder(ctx context.Context, alert string) {
	orders, err := s.db.Orders(ctx, store.OrderFilter{Alert: alert})
	if err != nil {
		s.log.Error("orders", "alert", alert, "error", err)
	}
	for _, o := range orders {
		s.hub.Publish(api.OrderMessage(o))
	}
}

func (s *service) now() api.Status {
	st := s.status
	if s.guard != nil {
		st.Notes = append(slices.Clone(st.Notes), s.guard.drift.notes()...)
	}
	if t := s.reach.Load(); t > 0 {
		st.EventTime = time.Unix(0, t).UTC()
	}
	return st
}

// announced is an outbox that tells the page of every update.
type announced struct {
	store.Store
	hub *api.Hub
}

// Update writes the order back and publishes it.
func (a announced) Update(ctx context.Context, o workorders.Order) error {
	err := a.Store.Update(ctx, o)
	if err == nil {
		a.hub.Publish(api.OrderMessage(o))
	}
	return err
}

// serve runs what feeds the store, the forwarder and the web server until ctx ends or one of
// them cannot go on. ready is called once the server listens.
func (s *service) serve(ctx context.Context, addr string, feed func(context.Context) error, erp workorders.ERP, erpName string, opt workorders.Options, ready func(url string)) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("listen on %s: %w (choose another address with --listen)", addr, err)
	}
	read := reader{s}
	s.guard = newGuard(s)
	if err := s.relist(ctx); err != nil {
		return err
	}
	shown := api.Options{
		Twins: read, Risks: read, History: read, Alerts: read, Orders: read, Journal: read, Models: read, Token: s.token, Trusted: loopback(l.Addr()), Hub: s.hub, Status: s.now, Metrics: s.metric, NotReady: s.notReady,
		Page: web.Handler(), Mounts: s.mounts, Log: func(msg string, err error) { s.log.Error(msg, "error", err) },
	}
	if s.evidence != nil {
		shown.Waveforms = waveforms{s.evidence.store}
	}
	if s.intake != nil {
		shown.Sources = s.intake
		s.metric.MustRegister(sourceMetrics{s.intake.Sources})
	}
	server := api.NewServer(addr, api.New(shown))
	g, ctx := errgroup.WithContext(ctx)
	serveWeb(ctx, g, server, l, s.hub.Close)
	if erp != nil {
		g.Go(func() error {
			return quiet(workorders.NewForwarder(announced{s.db, s.hub}, erp, erpName, opt).Run(ctx))
		})
	}
	s.watchStore()
	g.Go(func() error { return s.guard.run(ctx) })
	g.Go(func() error { return s.retain(ctx) })
	if s.intake != nil {
		g.Go(func() error { return s.intake.watch(ctx) })
	}
	g.Go(func() error { return feed(ctx) })
	ready("http://" + l.Addr().String())
	return quiet(g.Wait())
}

// serveWeb answers requests until ctx ends, then ends what would keep connections open and
// gives those under way a moment.
func serveWeb(ctx context.Context, g *errgroup.Group, server *http.Server, l net.Listener, ending func()) {
	g.Go(func() error {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("web server: %w", err)
		}
		return nil
	})
	g.Go(func() error {
		<-ctx.Done()
		ending()
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
		defer cancel()
		return server.Shutdown(grace)
	})
}

// quiet takes the end of a context for what it is: no failure.
func quiet(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return nil
	}
	return err
}
