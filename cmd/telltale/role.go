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
	}
}

// roleNamed finds a role; those of later processes are refused by name.
func roleNamed(name string) (role, error) {
	all := roles()
	if i := slices.IndexFunc(all, func(r role) bool { return r.name == name }); i >= 0 {
		return all[i], nil
	}
	var names []string
	for _, r := range all {
		names = append(names, r.name)
	}
	if slices.Contains([]string{"process", "serve", "process,serve", "serve,process"}, name) {
		return role{}, fmt.Errorf("%w: role: %q cannot be started apart: want %s, which does both", errUsage, name, defaultRole)
	}
	return role{}, fmt.Errorf("%w: role: %q is not allowed: want %s", errUsage, name, strings.Join(names, " or "))
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
