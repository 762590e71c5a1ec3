package main

import (
	"context"
	"log/slog"
	"slices"

	"github.com/telltale-iot/telltale/ingest"
	"github.com/telltale-iot/telltale/ingest/modbus"
	"github.com/telltale-iot/telltale/ingest/mqtt"
	"github.com/telltale-iot/telltale/ingest/opcua"
)

// openedSources are those of a configuration as one.
type openedSources struct {
	*ingest.Joined
	closers []func()
}

// Close ends the reading, then the sources, the last first.
func (s *openedSources) Close() {
	s.Joined.Close()
	s.close()
}

func (s *openedSources) close() {
	for _, c := range slices.Backward(s.closers) {
		c()
	}
}

// openSources opens what the configuration names; next is the offset to count on from.
func openSources(ctx context.Context, c sourceConfig, next int64, log *slog.Logger) (s *openedSources, err error) {
	var all []ingest.Source
	s = &openedSources{}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	add := func(src closingSource) {
		all, s.closers = append(all, src), append(s.closers, src.Close)
	}
	lost := func(err error) { log.Warn("a device is not read as it should be", "error", err) }
	if len(c.Modbus) > 0 {
		src, err := modbus.Open(ctx, modbus.Options{Devices: c.Modbus, Lost: lost})
		if err != nil {
			return nil, err
		}
		add(src)
	}
	if len(c.OPCUA) > 0 {
		src, err := opcua.Open(ctx, opcua.Options{Servers: c.OPCUA, Lost: lost})
		if err != nil {
			return nil, err
		}
		add(src)
	}
	if c.MQTT.URL != "" {
		src, err := openMQTT(ctx, c.MQTT, log)
		if err != nil {
			return nil, err
		}
		add(src)
	}
	s.Joined = ingest.Join(ctx, next, all...)
	return s, nil
}

type closingSource interface {
	ingest.Source
	Close()
}

func openMQTT(ctx context.Context, c mqttConfig, log *slog.Logger) (*mqtt.Source, error) {
	return mqtt.Open(ctx, mqtt.Options{
		Config:  mqtt.Config{URL: c.URL, ClientID: c.ClientID, User: c.User, PasswordFile: c.PasswordFile},
		Refused: func(l ingest.DeadLetter) { log.Warn("message refused", "topic", l.Topic, "error", l.Text) },
		Lost:    func(err error) { log.Warn("the broker is not read as it should be", "error", err) },
	})
}
