package main

import (
	"cmp"
	"context"
	"log/slog"
	"slices"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/ingest"
	"github.com/telltale-iot/telltale/ingest/modbus"
	"github.com/telltale-iot/telltale/ingest/mqtt"
)

// openedSources are those of a configuration as one.
type openedSources struct {
	*ingest.Joined
	closers []func()
}

// Close ends the reading, then the sources, the last first.
func (s *openedSources) Close() {
	s.Joined.Close()
	for _, c := range slices.Backward(s.closers) {
		c()
	}
}

// openSources opens what the configuration names; next is the offset to count on from.
func openSources(ctx context.Context, c sourceConfig, next int64, log *slog.Logger) (*openedSources, error) {
	var all []ingest.Source
	s := &openedSources{}
	if c.MQTT.URL != "" {
		src, err := openMQTT(ctx, c.MQTT, log)
		if err != nil {
			return nil, err
		}
		all, s.closers = append(all, src), append(s.closers, src.Close)
	}
	if len(c.Modbus) > 0 {
		src, err := modbus.Open(ctx, modbus.Options{Devices: c.Modbus, Lost: func(err error) { log.Warn("device does not answer as it should", "error", err) }})
		if err != nil {
			for _, c := range s.closers {
				c()
			}
			return nil, err
		}
		all, s.closers = append(all, src), append(s.closers, src.Close)
	}
	s.Joined = ingest.Join(ctx, next, all...)
	return s, nil
}

func openMQTT(ctx context.Context, c mqttConfig, log *slog.Logger) (*mqtt.Source, error) {
	password, err := secret(c.PasswordFile)
	if err != nil {
		return nil, err
	}
	return mqtt.Open(ctx, mqtt.Options{
		Broker: c.URL, ClientID: cmp.Or(c.ClientID, "telltale"), User: c.User, Password: password,
		DeadLetter: func(topic string, e *asset.Invalid) { log.Warn("message refused", "topic", topic, "error", e) },
		Lost:       func(err error) { log.Warn("connection to the broker lost", "broker", c.URL, "error", err) },
	})
}
