package main

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"time"

	"github.com/telltale-iot/telltale/api"
	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/ingest"
	"github.com/telltale-iot/telltale/ingest/modbus"
	"github.com/telltale-iot/telltale/ingest/mqtt"
	"github.com/telltale-iot/telltale/ingest/opcua"
)

// intake is what stands before the flow: the sources of a configuration as one, each
// with its meter, and what was refused.
type intake struct {
	*ingest.Joined
	entries []entry
	letters *ingest.Letters
	silence time.Duration // of a source that is reported
	log     *slog.Logger
}

// entry is one source of the configuration.
type entry struct {
	source liveSource
	meter  *ingest.Meter
	keeps  bool // what is not acknowledged comes again
}

type liveSource interface {
	ingest.Source
	Queued() int
	Close()
}

var _ api.Sources = (*intake)(nil)

// openIntake opens what the configuration names; next is the offset to count on from,
// through the event time that was reached.
func openIntake(ctx context.Context, c *config, next int64, through time.Time, log *slog.Logger) (_ *intake, err error) {
	in := &intake{silence: c.Source.Silence, log: log}
	defer func() {
		if err != nil {
			in.close()
		}
	}()
	if in.letters, err = ingest.OpenLetters(filepath.Join(c.Data, "dead-letters"), 0); err != nil {
		return nil, err
	}
	for _, d := range c.Source.Modbus {
		m := ingest.NewMeter("modbus", fmt.Sprintf("modbus %s unit %d", d.Address, d.Unit))
		src, err := modbus.Open(ctx, modbus.Options{Devices: []modbus.Device{d}, Lost: in.lost(m)})
		if err != nil {
			return nil, err
		}
		in.entries = append(in.entries, entry{source: src, meter: m})
	}
	for _, s := range c.Source.OPCUA {
		m := ingest.NewMeter("opcua", "opcua "+s.Endpoint)
		src, err := opcua.Open(ctx, opcua.Options{Servers: []opcua.Server{s}, Lost: in.lost(m)})
		if err != nil {
			return nil, err
		}
		in.entries = append(in.entries, entry{source: src, meter: m})
	}
	if c.Source.MQTT.URL != "" {
		m := ingest.NewMeter("mqtt", "mqtt "+c.Source.MQTT.URL)
		src, err := openMQTT(ctx, c.Source.MQTT, in, m)
		if err != nil {
			return nil, err
		}
		in.entries = append(in.entries, entry{source: src, meter: m, keeps: true})
	}
	var edges []ingest.Source
	for _, e := range in.entries {
		opt := ingest.EdgeOptions{Meter: e.meter, Answers: true, MaxAhead: c.Source.MaxAhead, MaxPast: c.Source.MaxPast, Refused: in.letters.Put}
		if !e.keeps {
			opt.Since = through
		}
		edges = append(edges, ingest.NewEdge(e.source, opt))
	}
	in.Joined = ingest.Join(ctx, next, edges...)
	return in, nil
}

// lost notes in a meter that its source is not read as it should be.
func (in *intake) lost(m *ingest.Meter) func(error) {
	return func(err error) {
		m.Down(time.Now(), err)
		in.log.Warn("source lost", "source", m.Name(), "error", err)
	}
}

func openMQTT(ctx context.Context, c mqttConfig, in *intake, m *ingest.Meter) (*mqtt.Source, error) {
	password, err := secret(c.PasswordFile)
	if err != nil {
		return nil, err
	}
	return mqtt.Open(ctx, mqtt.Options{
		Broker: c.URL, ClientID: cmp.Or(c.ClientID, "telltale"), User: c.User, Password: password, Lost: in.lost(m),
		DeadLetter: func(topic string, e *asset.Invalid) {
			in.log.Warn("message refused", "topic", topic, "error", e)
			m.Refused(e.Reason)
		},
	})
}

// Sources lists how every source stands.
func (in *intake) Sources() []api.Source {
	out := make([]api.Source, len(in.entries))
	for i, e := range in.entries {
		out[i] = api.Source(e.meter.Status(e.source.Queued()))
	}
	return out
}

// DeadLetters lists what was refused, the newest first.
func (in *intake) DeadLetters(reason asset.Reason, limit int) ([]api.DeadLetter, error) {
	letters, err := in.letters.Newest(reason, limit)
	out := make([]api.DeadLetter, len(letters))
	for i, l := range letters {
		out[i] = api.DeadLetter(l)
	}
	return out, err
}

// Close ends the reading, then the sources, the last first.
func (in *intake) Close() {
	in.Joined.Close()
	in.close()
}

func (in *intake) close() {
	for _, e := range slices.Backward(in.entries) {
		e.source.Close()
	}
	if in.letters != nil {
		in.letters.Close() //nolint:errcheck,gosec // each letter is written when it is put
	}
}
