package main

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/ingest/mqtt"
	"github.com/telltale-iot/telltale/ingest/sparkplug"
)

// Names under which a simulated farm speaks Sparkplug B.
const (
	sparkplugGroup = "telltale"
	sparkplugNode  = "farm"
)

// edgeQueue is how many readings wait for the edge node to take them.
const edgeQueue = 1024

// speakSparkplug is an edge node at a broker, its own with serve; each turbine is a device of it.
func speakSparkplug(ctx context.Context, l live) (opened, error) {
	broker, closeBroker, err := l.broker()
	if err != nil {
		return opened{}, err
	}
	node, err := sparkplug.NewEdge(sparkplug.EdgeOptions{Group: sparkplugGroup, Edge: sparkplugNode})
	if err != nil {
		closeBroker()
		return opened{}, err
	}
	waiting := make(chan asset.Reading, edgeQueue)
	src, err := mqtt.Open(ctx, mqtt.Options{Config: mqtt.Config{URL: broker, ClientID: "telltale-farm"}, Handler: edgeHandler(node, waiting)})
	if err != nil {
		closeBroker()
		return opened{}, err
	}
	life, stop := context.WithCancel(ctx)
	var speaking sync.WaitGroup
	speaking.Go(func() {
		for life.Err() == nil {
			_, _, _ = src.Next(life) // it has nothing to tell: it only has the node speak
		}
	})
	clock := ascending{} // births and deaths have the wall clock's time; so has what lies between
	o := opened{
		where: "sparkplug://" + strings.TrimPrefix(broker, "tcp://"), flush: sent,
		take: func(ctx context.Context, r asset.Reading) error {
			r.Time = clock.stamp(r.Asset)
			if r.Wave != nil {
				w := *r.Wave
				w.Start = r.Time.Add(-time.Duration(float64(w.Len()-1) / w.RateHz * 1e9))
				r.Wave = &w
			}
			select {
			case waiting <- r:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		},
		close: func() { stop(); speaking.Wait(); src.Close(); closeBroker() },
	}
	host := sparkplugConfig{Broker: mqtt.Config{URL: broker}, Options: sparkplug.Options{HostID: "telltale-try", Groups: []string{sparkplugGroup}}}
	for _, p := range l.plates {
		host.Bindings = append(host.Bindings, bindingOf(p))
	}
	o.source = sourceConfig{Sparkplug: &host}
	return o, nil
}

// bindingOf has a turbine's device speak for it.
func bindingOf(p asset.Nameplate) sparkplug.Binding {
	b := sparkplug.Binding{Group: sparkplugGroup, Edge: sparkplugNode, Device: string(p.ID), Asset: p.ID}
	for _, m := range p.Metrics {
		b.Metrics = append(b.Metrics, sparkplug.Metric{Name: m.Name, Unit: m.Unit})
	}
	for _, c := range p.Channels {
		b.Channels = append(b.Channels, sparkplug.Channel{Name: "wave/" + c.Name, Channel: c.Name, RateHz: c.RateHz, Unit: c.Unit})
	}
	return b
}

// edgeHandler lets an edge node speak through an MQTT connection; what waits is told at its
// next turn.
func edgeHandler(node *sparkplug.Edge, waiting <-chan asset.Reading) *mqtt.Handler {
	born := false
	return &mqtt.Handler{
		Filters: node.Filters(),
		Handle: func(now time.Time, topic string, payload []byte) ([]asset.Reading, []mqtt.Publication, error) {
			out, err := node.Handle(now, topic, payload)
			return nil, publications(out), err
		},
		Tick: func(now time.Time) (_ []asset.Reading, out []mqtt.Publication) {
			for born && len(waiting) > 0 {
				out = append(out, publications(node.Data(now, <-waiting))...)
			}
			return nil, out
		},
		Will:  func(now time.Time) mqtt.Publication { return mqtt.Publication(node.Will(now)) },
		Birth: func(now time.Time) []mqtt.Publication { born = true; return publications(node.Birth(now)) },
		Lost:  func(time.Time) { born = false },
		Death: func(now time.Time) []mqtt.Publication { return publications([]sparkplug.Publication{node.Death(now)}) },
	}
}
