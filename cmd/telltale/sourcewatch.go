package main

import (
	"cmp"
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/telltale-iot/telltale/api"
	"github.com/telltale-iot/telltale/ingest"
)

// defaultSilence is how long a source may say nothing before that is reported.
const defaultSilence = time.Minute

// watch reports sources that fall silent, once each time, whatever they say of their
// connection: the worst of failures look like peace.
func (in *intake) watch(ctx context.Context) error {
	silence := cmp.Or(in.silence, defaultSilence)
	begun, silent := time.Now(), map[string]bool{}
	for ingest.Sleep(ctx, min(silence/4, 5*time.Second)) {
		for _, s := range in.Sources() {
			last := s.Heard
			if last.Before(begun) {
				last = begun
			}
			switch quiet := time.Since(last); {
			case quiet > silence && !silent[s.Name]:
				silent[s.Name] = true
				in.log.Warn("source is silent", "source", s.Name, "since", last.UTC().Format(time.RFC3339), "up", s.Up, "why", s.Why)
			case quiet <= silence && silent[s.Name]:
				delete(silent, s.Name)
				in.log.Info("source speaks again", "source", s.Name)
			}
		}
	}
	return nil
}

// sourceMetrics are the figures of an API's sources as Prometheus reads them.
type sourceMetrics struct{ sources func() []api.Source }

var sourceLabels = []string{"source"}

func sourceMetric(name, help string, more ...string) *prometheus.Desc {
	return prometheus.NewDesc("telltale_source_"+name, help, append(sourceLabels, more...), nil)
}

var (
	_ prometheus.Collector = sourceMetrics{}

	sourceUp       = sourceMetric("up", "1 while the source is connected, or its devices answer.")
	sourceHeard    = sourceMetric("heard_timestamp_seconds", "When something last arrived, in Unix seconds; 0: never.")
	sourceMessages = sourceMetric("messages_total", "Messages that arrived.")
	sourceBytes    = sourceMetric("bytes_total", "Bytes of the messages that arrived.")
	sourceReadings = sourceMetric("readings_total", "Readings passed on to the flow.")
	sourceRefused  = sourceMetric("refused_total", "Messages and readings refused before the flow.", "reason")
	sourceGaps     = sourceMetric("gaps_total", "Spans of an asset in which nothing arrived.")
	sourceOutages  = sourceMetric("outages_total", "Times that the connection was lost.")
	sourceQueued   = sourceMetric("queued", "Readings or messages that arrived and were not taken.")
	sourceOffset   = sourceMetric("clock_offset_seconds", "How far the senders' clocks are ahead, at least.")
	sourceDrift    = sourceMetric("clock_drift_ppm", "How much faster the senders' clocks run.")
)

// Describe leaves the description to each collection.
func (sourceMetrics) Describe(chan<- *prometheus.Desc) {}

// Collect asks every source once.
func (m sourceMetrics) Collect(to chan<- prometheus.Metric) {
	for _, s := range m.sources() {
		tell := func(d *prometheus.Desc, kind prometheus.ValueType, v float64, labels ...string) {
			to <- prometheus.MustNewConstMetric(d, kind, v, append([]string{s.Name}, labels...)...)
		}
		up, heard := 0.0, 0.0
		if s.Up {
			up = 1
		}
		if !s.Heard.IsZero() {
			heard = float64(s.Heard.UnixMilli()) / 1000
		}
		tell(sourceUp, prometheus.GaugeValue, up)
		tell(sourceHeard, prometheus.GaugeValue, heard)
		tell(sourceMessages, prometheus.CounterValue, float64(s.Messages))
		tell(sourceBytes, prometheus.CounterValue, float64(s.Bytes))
		tell(sourceReadings, prometheus.CounterValue, float64(s.Readings))
		tell(sourceGaps, prometheus.CounterValue, float64(s.Gaps))
		tell(sourceOutages, prometheus.CounterValue, float64(s.Outages))
		tell(sourceQueued, prometheus.GaugeValue, float64(s.Queued))
		for reason, n := range s.Refused {
			tell(sourceRefused, prometheus.CounterValue, float64(n), string(reason))
		}
		if s.Offset.Known() {
			tell(sourceOffset, prometheus.GaugeValue, float64(s.Offset))
		}
		if s.Drift.Known() {
			tell(sourceDrift, prometheus.GaugeValue, float64(s.Drift))
		}
	}
}
