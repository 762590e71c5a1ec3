package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
)

// role is what a process does of all that a configuration describes.
type role struct {
	name  string
	check func(*config) error // whether the configuration has what it takes
	round func(ctx context.Context, w *works, conf *config, log *slog.Logger, stdout io.Writer) error
}

// defaultRole is everything in one process.
const defaultRole = "all"

func roles() []role {
	return []role{
		{defaultRole, func(*config) error { return nil }, serveOnce},
		{"gateway", (*config).checkGateway, gatewayOnce},
		{"process", (*config).checkProcess, processOnce},
		{"serve", (*config).checkServe, presentOnce},
	}
}

// roleNamed finds a role.
func roleNamed(name string) (role, error) {
	all := roles()
	if i := slices.IndexFunc(all, func(r role) bool { return r.name == name }); i >= 0 {
		return all[i], nil
	}
	var names []string
	for _, r := range all {
		names = append(names, r.name)
	}
	return role{}, fmt.Errorf("%w: role: %q is not allowed: want %s", errUsage, name, strings.Join(names[:len(names)-1], ", ")+" or "+names[len(names)-1])
}

// wire reads the file for this role.
func (r role) wire(path string) (*works, *config, error) {
	w, conf, err := wireConfig(path)
	if err != nil {
		return nil, nil, err
	}
	return w, conf, r.check(conf)
}

// checkGateway says what the gateway lacks.
func (c *config) checkGateway() error {
	if c.Gateway.Kafka == nil && c.Gateway.Kinesis == nil {
		return errors.New(c.path + ": gateway: is empty: want kafka or kinesis, where readings go to")
	}
	return nil
}

// checkProcess says what a process lacks that shares its work with others.
func (c *config) checkProcess() error {
	var bad []error
	if c.Store.URL == "" {
		bad = append(bad, errors.New(c.path+": store.url: is empty: want a PostgreSQL store, which several processes can share"))
	}
	if k := c.Source.Kafka; k == nil || len(k.Topics) != 1 {
		bad = append(bad, errors.New(c.path+": source.kafka: want one topic, whose partitions are shared out"))
	}
	others := c.Source
	others.Kafka = nil
	if !others.empty() {
		bad = append(bad, errors.New(c.path+": source: something beside kafka: want a gateway for it, which carries it to the topic"))
	}
	return errors.Join(bad...)
}

// checkServe says what a page apart lacks.
func (c *config) checkServe() error {
	if c.Store.URL == "" {
		return errors.New(c.path + ": store.url: is empty: want the PostgreSQL store that processes write to")
	}
	return nil
}
