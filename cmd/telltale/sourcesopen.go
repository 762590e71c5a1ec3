package main

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/ingest"
	"github.com/telltale-iot/telltale/ingest/kafka"
	"github.com/telltale-iot/telltale/ingest/kinesis"
	"github.com/telltale-iot/telltale/ingest/modbus"
	"github.com/telltale-iot/telltale/ingest/mqtt"
	"github.com/telltale-iot/telltale/ingest/opcua"
	"github.com/telltale-iot/telltale/ingest/sparkplug"
)

func (in *intake) openModbus(ctx context.Context, c sourceConfig) error {
	for _, d := range c.Modbus {
		m := ingest.NewMeter("modbus", fmt.Sprintf("modbus %s unit %d", d.Address, d.Unit))
		src, err := modbus.Open(ctx, modbus.Options{Devices: []modbus.Device{d}, Lost: in.lost(m)})
		if err != nil {
			return err
		}
		in.entries = append(in.entries, entry{source: src, meter: m, polled: true})
	}
	return nil
}

func (in *intake) openOPCUA(ctx context.Context, c sourceConfig) error {
	for _, s := range c.OPCUA {
		m := ingest.NewMeter("opcua", "opcua "+s.Endpoint)
		src, err := opcua.Open(ctx, opcua.Options{Servers: []opcua.Server{s}, Lost: in.lost(m)})
		if err != nil {
			return err
		}
		in.entries = append(in.entries, entry{source: src, meter: m, polled: true})
	}
	return nil
}

func (in *intake) openMQTT(ctx context.Context, c sourceConfig) error {
	b := c.MQTT
	if b == nil {
		return nil
	}
	m := ingest.NewMeter("mqtt", "mqtt "+b.URL)
	src, err := mqtt.Open(ctx, mqtt.Options{Config: *b, Meter: m, Decoder: in.decoder(b.Assets), Refused: in.refused, Lost: in.warn(m)})
	if err != nil {
		return err
	}
	in.entries = append(in.entries, entry{source: src, meter: m, allow: b.Assets})
	return nil
}

func (in *intake) openSparkplug(ctx context.Context, c sourceConfig) error {
	p := c.Sparkplug
	if p == nil {
		return nil
	}
	host, err := sparkplug.New(p.Options)
	if err != nil {
		return fmt.Errorf("sparkplug: %w", err)
	}
	m := ingest.NewMeter("sparkplug", "sparkplug "+p.Broker.URL)
	p.Broker.ClientID = cmp.Or(p.Broker.ClientID, "telltale-"+p.HostID)
	src, err := mqtt.Open(ctx, mqtt.Options{Config: p.Broker, Meter: m, Handler: sparkplugHandler(host), Refused: in.refused, Lost: in.warn(m)})
	if err != nil {
		return err
	}
	in.entries = append(in.entries, entry{source: src, meter: m})
	return nil
}

// sparkplugHandler lets a host application speak through an MQTT connection.
func sparkplugHandler(h *sparkplug.Host) *mqtt.Handler {
	return &mqtt.Handler{
		Filters: h.Filters(),
		Handle: func(now time.Time, topic string, payload []byte) ([]asset.Reading, []mqtt.Publication, error) {
			readings, out, err := h.Handle(now, topic, payload)
			return readings, publications(out), err
		},
		Tick: func(now time.Time) ([]asset.Reading, []mqtt.Publication) {
			readings, out := h.Tick(now)
			return readings, publications(out)
		},
		Will:  func(now time.Time) mqtt.Publication { return mqtt.Publication(h.Will(now)) },
		Birth: func(now time.Time) []mqtt.Publication { return publications(h.Birth(now)) },
		Lost:  h.Lost,
		Death: func(now time.Time) []mqtt.Publication { return publications(h.Death(now)) },
	}
}

func publications(from []sparkplug.Publication) []mqtt.Publication {
	out := make([]mqtt.Publication, len(from))
	for i, p := range from {
		out[i] = mqtt.Publication(p)
	}
	return out
}

func (in *intake) openKafka(ctx context.Context, c sourceConfig) error {
	k := c.Kafka
	if k == nil {
		return nil
	}
	m := ingest.NewMeter("kafka", "kafka "+k.Brokers[0]+"/"+k.Group)
	src, err := kafka.Open(ctx, kafka.Options{Consume: *k, Meter: m, Decoder: in.decoder(k.Assets), Refused: in.refused, Lost: in.warn(m)})
	if err != nil {
		return err
	}
	in.entries = append(in.entries, entry{source: src, meter: m, keeps: true})
	return nil
}

func (in *intake) openKinesis(ctx context.Context, c sourceConfig) error {
	k := c.Kinesis
	if k == nil {
		return nil
	}
	m := ingest.NewMeter("kinesis", "kinesis "+k.Region+"/"+k.Name)
	src, err := kinesis.Open(ctx, kinesis.Options{Consume: *k, Meter: m, Decoder: in.decoder(k.Assets), Refused: in.refused, Lost: in.warn(m)})
	if err != nil {
		return err
	}
	in.entries = append(in.entries, entry{source: src, meter: m, keeps: true})
	return nil
}

// decoder reads the payloads of a source that may speak for the assets of a list.
func (in *intake) decoder(allow ingest.Allow) ingest.Decoder {
	payloads := &ingest.Payloads{Allow: allow}
	if in.schemas == nil {
		return payloads
	}
	return in.schemas.Decoder(payloads)
}

// lost notes in a meter that its source is not read as it should be.
func (in *intake) lost(m *ingest.Meter) func(error) {
	return func(err error) {
		m.Down(time.Now(), err)
		in.warn(m)(err)
	}
}

// warn tells of what a source notes in its meter by itself.
func (in *intake) warn(m *ingest.Meter) func(error) {
	return func(err error) { in.log.Warn("source lost", "source", m.Name(), "error", err) }
}

// refused keeps a message that nothing could be made of.
func (in *intake) refused(d ingest.DeadLetter) {
	in.log.Warn("message refused", "source", d.Source, "topic", d.Topic, "error", d.Text)
	in.letters.Put(d)
}
