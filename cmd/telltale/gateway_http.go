package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/sync/errgroup"

	"github.com/telltale-iot/telltale/api"
	"github.com/telltale-iot/telltale/asset"
)

// listen serves health, readiness, metrics and the sources until ctx ends.
func (g *gateway) listen(ctx context.Context, work *errgroup.Group, addr string, ready func(url string)) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("listen on %s: %w (choose another address under listen)", addr, err)
	}
	serveWeb(ctx, work, api.NewServer(addr, g.handler()), l, func() {})
	ready("http://" + l.Addr().String())
	return nil
}

func (g *gateway) handler() http.Handler {
	metric := prometheus.NewRegistry()
	metric.MustRegister(gatewayMetrics{g}, sourceMetrics{g.sources})
	if g.extraction != nil {
		metric.MustRegister(g.extraction.counts)
	}
	return backstage{metric, g.notReady, g.sources, g.deadLetters}.handler()
}

// backstage is what a process shows that has no page: to those who run it.
type backstage struct {
	metric      *prometheus.Registry
	notReady    func() []string
	sources     func() []api.Source
	deadLetters func(reason asset.Reason, limit int) ([]api.DeadLetter, error)
}

func (b backstage) handler() http.Handler {
	mux := http.NewServeMux()
	answer := func(w http.ResponseWriter, code int, v any) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.WriteHeader(code)
		_ = json.NewEncoder(w).Encode(v) // a reader that is gone has nobody to tell
	}
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, map[string]string{"status": "ok"})
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		reasons, code := b.notReady(), http.StatusOK
		if len(reasons) > 0 {
			code = http.StatusServiceUnavailable
		}
		answer(w, code, map[string]any{"ready": len(reasons) == 0, "reasons": reasons})
	})
	mux.HandleFunc("GET /api/v1/sources", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, map[string]any{"sources": b.sources()})
	})
	mux.HandleFunc("GET /api/v1/dead-letters", func(w http.ResponseWriter, r *http.Request) {
		limit, err := strconv.Atoi(cmp.Or(r.URL.Query().Get("limit"), "100"))
		if err != nil || limit < 1 || limit > 1000 {
			answer(w, http.StatusBadRequest, map[string]string{"error": "limit: want 1 to 1000"})
			return
		}
		letters, err := b.deadLetters(asset.Reason(r.URL.Query().Get("reason")), limit)
		if err != nil {
			answer(w, http.StatusInternalServerError, map[string]string{"error": oneLine(err)})
			return
		}
		answer(w, http.StatusOK, map[string]any{"dead_letters": letters})
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(b.metric, promhttp.HandlerOpts{}))
	return mux
}

// notReady says why readings are not accepted. A cluster that is away is no reason: that
// is what the spool is for.
func (g *gateway) notReady() []string {
	reasons := []string{}
	if g.intake.Load() == nil {
		reasons = append(reasons, "the sources are being opened")
	}
	if err := g.spool.Status().Full; err != nil {
		reasons = append(reasons, oneLine(err))
	}
	return reasons
}

func (g *gateway) sources() []api.Source {
	if in := g.intake.Load(); in != nil {
		return in.Sources()
	}
	return []api.Source{}
}

// deadLetters are what was refused on the way in and rejected on the way out, the newest first.
func (g *gateway) deadLetters(reason asset.Reason, limit int) (all []api.DeadLetter, err error) {
	all = []api.DeadLetter{}
	if in := g.intake.Load(); in != nil && in.letters != nil {
		if all, err = in.DeadLetters(reason, limit); err != nil {
			return nil, err
		}
	}
	if g.letters != nil {
		rejected, err := g.letters.Newest(reason, limit)
		if err != nil {
			return nil, err
		}
		for _, l := range rejected {
			all = append(all, api.DeadLetter(l))
		}
	}
	slices.SortStableFunc(all, func(a, b api.DeadLetter) int { return b.Time.Compare(a.Time) })
	return all[:min(limit, len(all))], nil
}

// gatewayMetrics are the figures of a gateway as Prometheus reads them.
type gatewayMetrics struct{ *gateway }

func gatewayMetric(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("telltale_"+name, help, labels, nil)
}

var (
	_ prometheus.Collector = gatewayMetrics{}

	spoolBytes      = gatewayMetric("spool_bytes", "Bytes that the spool takes on disk.")
	spoolRecords    = gatewayMetric("spool_records", "Records that were not passed on.")
	spoolOldest     = gatewayMetric("spool_oldest_seconds", "How long the oldest of them has been waiting.")
	spoolFull       = gatewayMetric("spool_full", "1 while the spool refuses, so that the sources are not read.")
	spoolDropped    = gatewayMetric("spool_dropped_total", "Records lost in the spool.", "reason")
	gatewayUp       = gatewayMetric("gateway_up", "1 while the cluster takes what it is sent.")
	gatewayReadings = gatewayMetric("gateway_readings_total", "Readings put on disk.")
	gatewaySent     = gatewayMetric("gateway_sent_total", "Messages that the cluster has.")
	gatewayRejected = gatewayMetric("gateway_rejected_total", "Messages that it, or the spool, will never take; a gap is sent instead.")
)

// Describe leaves the description to each collection.
func (gatewayMetrics) Describe(chan<- *prometheus.Desc) {}

// Collect asks the spool once.
func (m gatewayMetrics) Collect(to chan<- prometheus.Metric) {
	tell := func(d *prometheus.Desc, kind prometheus.ValueType, v float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, kind, v, labels...)
	}
	one := func(is bool) float64 {
		if is {
			return 1
		}
		return 0
	}
	s := m.spool.Status()
	tell(spoolBytes, prometheus.GaugeValue, float64(s.Bytes))
	tell(spoolRecords, prometheus.GaugeValue, float64(s.Records))
	tell(spoolOldest, prometheus.GaugeValue, s.Oldest.Seconds())
	tell(spoolFull, prometheus.GaugeValue, one(s.Full != nil))
	tell(spoolDropped, prometheus.CounterValue, float64(s.Expired), "expired")
	tell(spoolDropped, prometheus.CounterValue, float64(s.Damaged), "damaged")
	tell(gatewayUp, prometheus.GaugeValue, one(m.away.Load() == nil))
	tell(gatewayReadings, prometheus.CounterValue, float64(m.readings.Load()))
	tell(gatewaySent, prometheus.CounterValue, float64(m.sent.Load()))
	tell(gatewayRejected, prometheus.CounterValue, float64(m.rejected.Load()))
}
