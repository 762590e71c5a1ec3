package main

import (
	"context"
	"math"
	"net"
	"strings"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/ingest"
	"github.com/telltale-iot/telltale/ingest/kafka"
	"github.com/telltale-iot/telltale/ingest/modbus"
	"github.com/telltale-iot/telltale/ingest/mqtt"
	"github.com/telltale-iot/telltale/ingest/opcua"
)

// broker is where to publish: with serve a broker of our own, which the function ends.
func (l live) broker() (address string, end func(), err error) {
	if !l.serve {
		return "tcp://" + l.at.Host, func() {}, nil
	}
	b, err := mqtt.NewBroker(l.at.Host)
	if err != nil {
		return "", nil, err
	}
	return b.URL(), func() { _ = b.Close() }, nil
}

// speakMQTT publishes to a broker, its own with serve.
func speakMQTT(ctx context.Context, l live) (opened, error) {
	broker, closeBroker, err := l.broker()
	if err != nil {
		return opened{}, err
	}
	p, err := mqtt.NewPublisher(ctx, mqtt.Options{Config: mqtt.Config{URL: broker, ClientID: "telltale-farm"}})
	if err != nil {
		closeBroker()
		return opened{}, err
	}
	return opened{
		where: "mqtt://" + strings.TrimPrefix(broker, "tcp://"), flush: p.Flush,
		source: sourceConfig{MQTT: &mqtt.Config{URL: broker, ClientID: "telltale-try"}},
		take:   func(ctx context.Context, r asset.Reading) error { return p.Publish(ctx, r, 0) },
		close:  func() { p.Close(); closeBroker() },
	}, nil
}

// speakKafka sends to a topic that is there, each turbine under its ID as key.
func speakKafka(_ context.Context, l live) (opened, error) {
	at, topic := kafka.Cluster{Brokers: []string{l.at.Host}}, strings.Trim(l.at.Path, "/")
	p, err := kafka.NewProducer(kafka.ProducerOptions{Produce: kafka.Produce{Cluster: at, Topic: topic}})
	if err != nil {
		return opened{}, err
	}
	return opened{
		where: l.at.String(), close: p.Close, source: sourceConfig{Kafka: &kafka.Consume{Cluster: at, Topics: []string{topic}, Group: "telltale-try"}},
		flush: func(context.Context) error { return nil }, // each was acknowledged when it was sent
		take: func(ctx context.Context, r asset.Reading) error {
			records, err := recordsOf(r)
			if err != nil {
				return err
			}
			return p.Send(ctx, records)
		},
	}, nil
}

// recordsOf are the messages of a reading: its waveform, and its points with its event.
func recordsOf(r asset.Reading) ([]kafka.Record, error) {
	var out []kafka.Record
	if r.Wave != nil {
		out = append(out, kafka.Record{Asset: r.Asset, Channel: r.Wave.Channel, Payload: ingest.EncodeWave(nil, *r.Wave, 0)})
	}
	if len(r.Points) == 0 && r.Event == nil {
		return out, nil
	}
	body, err := ingest.EncodeTelemetry(r)
	return append(out, kafka.Record{Asset: r.Asset, Payload: body}), err
}

// converterStep is what a count of a simulated channel is over OPC UA, in the channel's
// unit: vibration up to ±65 m/s² in 16 bits.
const converterStep = 0.002

// speakOPCUA is a server with a variable for each metric and, as arrays of counts, each
// channel.
func speakOPCUA(ctx context.Context, l live) (opened, error) {
	var nodes []opcua.Node
	for _, p := range l.plates {
		nodes = append(nodes, opcua.SimulatedNodes(p, converterStep)...)
	}
	s, err := opcua.Simulate(ctx, l.at.String(), nodes)
	if err != nil {
		return opened{}, err
	}
	clock := ascending{}
	return opened{
		where: s.Endpoint(), close: s.Close, flush: sent,
		source: sourceConfig{OPCUA: []opcua.Server{{Endpoint: s.Endpoint(), Security: "None/None", Nodes: nodes}}},
		take: func(_ context.Context, r asset.Reading) error {
			now := clock.stamp(r.Asset)
			for _, p := range r.Points {
				if math.IsNaN(p.Value) {
					continue
				}
				if err := s.Put(opcua.SimulatedID(r.Asset, p.Metric), now, p.Value); err != nil {
					return err
				}
			}
			if r.Wave == nil {
				return nil
			}
			return s.Put(opcua.SimulatedID(r.Asset, r.Wave.Channel), now, countsOf(r.Wave.Samples, converterStep))
		},
	}, nil
}

// sent is the flush of a feed that keeps nothing back: it serves what it has until the end.
func sent(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// countsOf is what a converter of 16 bits makes of samples, clipped at its ends.
func countsOf(samples []float32, step float64) []int16 {
	out := make([]int16, len(samples))
	for i, s := range samples {
		out[i] = int16(math.Round(min(max(float64(s)/step, math.MinInt16), math.MaxInt16)))
	}
	return out
}

// speakModbus is a server with a unit for each turbine, from 1, and its metrics as
// float32 at registers 0, 2, 4 …; waveforms are not for Modbus.
func speakModbus(_ context.Context, l live) (opened, error) {
	s, err := modbus.Serve(l.at.Host)
	if err != nil {
		return opened{}, err
	}
	_, port, _ := net.SplitHostPort(s.Address())
	o := opened{where: "modbus://" + s.Address(), close: func() { _ = s.Close() }, flush: sent}
	values, units := map[asset.ID]map[string]float32{}, map[asset.ID]byte{}
	for i, p := range l.plates {
		d := modbus.Device{Asset: p.ID, Address: net.JoinHostPort(l.at.Hostname(), port), Unit: byte(i + 1), Every: time.Second} //nolint:gosec // the feed has at most so many
		for k, m := range p.Metrics {
			d.Registers = append(d.Registers, modbus.Register{Metric: m.Name, Unit: m.Unit, Address: uint16(2 * k), Type: "float32"}) //nolint:gosec // a few
		}
		o.source.Modbus = append(o.source.Modbus, d)
		values[p.ID], units[p.ID] = map[string]float32{}, d.Unit
		s.Set(d.Unit, 0, registersOf(p, nil))
	}
	plates := map[asset.ID]asset.Nameplate{}
	for _, p := range l.plates {
		plates[p.ID] = p
	}
	o.take = func(_ context.Context, r asset.Reading) error {
		for _, p := range r.Points {
			values[r.Asset][p.Metric] = float32(p.Value)
		}
		if len(r.Points) > 0 {
			s.Set(units[r.Asset], 0, registersOf(plates[r.Asset], values[r.Asset]))
		}
		return nil
	}
	return o, nil
}

// registersOf are a turbine's metrics in the order of its nameplate, NaN where there is none yet.
func registersOf(p asset.Nameplate, values map[string]float32) []float32 {
	out := make([]float32, len(p.Metrics))
	for i, m := range p.Metrics {
		v, ok := values[m.Name]
		if !ok {
			v = float32(math.NaN())
		}
		out[i] = v
	}
	return out
}
