package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/ingest/modbus"
	"github.com/telltale-iot/telltale/simulate"
)

// feed is a protocol over which a simulated farm can be read.
type feed struct {
	// stamped by the wall clock: its readings have the time at which they are told or asked
	// for, not that of the simulation. What the farm shows runs at its speed all the same.
	wallClock bool
	serves    bool   // it is a server of its own, without serve too
	scalars   bool   // it has no waveforms
	most      int    // turbines; 0: any number
	path      string // that its address has, as a person is told
	open      func(ctx context.Context, l live) (opened, error)
}

// opened is a feed in use.
type opened struct {
	where  string       // as a person says it
	source sourceConfig // by which a service reads it
	take   func(ctx context.Context, r asset.Reading) error
	flush  func(ctx context.Context) error
	close  func()
}

// live is a simulated farm that others can read.
type live struct {
	at       *url.URL
	turbines int
	speed    float64
	every    time.Duration // of its telemetry, in event time
	serve    bool          // the broker too
	public   bool          // not for this machine alone
	config   string        // file to write
	force    bool          // over one that is there
	farm     *simulate.Farm
	plates   []asset.Nameplate
}

// feeds by the scheme of their address.
func feeds() map[string]feed {
	return map[string]feed{
		"kafka":     {open: speakKafka, path: "/TOPIC"},
		"mqtt":      {open: speakMQTT},
		"opc.tcp":   {open: speakOPCUA, wallClock: true, serves: true},
		"sparkplug": {open: speakSparkplug, wallClock: true},
		"modbus":    {open: speakModbus, wallClock: true, serves: true, scalars: true, most: modbus.MaxUnits},
	}
}

// feedAt finds the feed of an address.
func feedAt(address string) (feed, *url.URL, error) {
	all := feeds()
	u, err := url.Parse(address)
	if err == nil && u.Port() != "" {
		if o, ok := all[u.Scheme]; ok && (o.path != "") == (len(u.Path) > 1) {
			return o, u, nil
		}
	}
	var want []string
	for scheme, o := range all {
		want = append(want, scheme+"://HOST:PORT"+o.path)
	}
	slices.Sort(want)
	return feed{}, nil, fmt.Errorf("%w: --live %q is not allowed: want %s", errUsage, address, strings.Join(want, ", "))
}

// run opens the feed, writes the configuration that reads it, and plays the farm.
func (l live) run(ctx context.Context, o feed, stdout io.Writer) error {
	if o.scalars {
		for i := range l.plates {
			l.plates[i].Channels = nil
		}
	}
	at, err := o.open(ctx, l)
	if err != nil {
		return quiet(err)
	}
	defer at.close()
	fmt.Fprintf(stdout, "telltale simulate: %d turbine(s) at %s, %gx\n", len(l.plates), at.where, l.speed)
	if l.config != "" {
		if err := l.writeConfig(at.source); err != nil {
			return err
		}
		fmt.Fprintf(stdout, "read them with: telltale run -c %s\n", l.config)
	}
	if err := play(ctx, l.farm, l.speed, func(r asset.Reading) error { return at.take(ctx, r) }); err != nil {
		return quiet(err)
	}
	return at.flush(ctx)
}

// fastest is the least time between two values that the wall clock stamps.
const fastest = 10 * time.Millisecond

func (l live) validate(o feed) error {
	if _, err := os.Stat(l.config); l.config != "" && err == nil && !l.force {
		return fmt.Errorf("%s is there: use --force to overwrite it, or another --config", l.config)
	}
	if o.most > 0 && l.turbines > o.most {
		return fmt.Errorf("%w: --turbines %d: want at most %d with %s://", errUsage, l.turbines, o.most, l.at.Scheme)
	}
	if !(l.speed > 0) {
		return fmt.Errorf("%w: --speed %g: want more than 0", errUsage, l.speed)
	}
	if most := l.every.Seconds() / fastest.Seconds(); o.wallClock && l.speed > most {
		return fmt.Errorf("%w: --speed %g: want at most %g for telemetry every %s, so that the wall clock tells its values apart", errUsage, l.speed, most, l.every)
	}
	if o.serves || l.serve {
		if ip := net.ParseIP(l.at.Hostname()); !l.public && l.at.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
			return fmt.Errorf("%w: --live %s: the server asks for no password: want an address of this machine alone, such as 127.0.0.1, or --public", errUsage, l.at)
		}
	}
	return nil
}

// writeConfig writes the file by which a service reads the farm, complete.
func (l live) writeConfig(s sourceConfig) error {
	name := strings.TrimSuffix(filepath.Base(l.config), filepath.Ext(l.config))
	c := config{Data: filepath.Join("data", name), Assets: l.plates, Source: s}
	body, err := yaml.MarshalWithOptions(c, yaml.IndentSequence(true))
	if err != nil {
		return err
	}
	head := fmt.Sprintf("# Reads the farm of `telltale simulate --live %s`.\n", l.at)
	if err := os.WriteFile(l.config, append([]byte(head), body...), 0o600); err != nil {
		return err
	}
	_, _, err = wireConfig(l.config)
	if err != nil {
		return errors.Join(err, os.Remove(l.config))
	}
	return nil
}

// ascending gives each asset stamps of the wall clock that differ.
type ascending map[asset.ID]time.Time

func (a ascending) stamp(id asset.ID) time.Time {
	now := time.Now().UTC().Truncate(time.Millisecond)
	if least := a[id].Add(time.Millisecond); now.Before(least) {
		now = least
	}
	a[id] = now
	return now
}
