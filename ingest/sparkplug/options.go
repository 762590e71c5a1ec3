// Package sparkplug speaks Sparkplug B (Eclipse Sparkplug 3.0.0) without a network: it
// is handed MQTT messages and says which readings they hold and what is to be published.
//
// A Host is the side that reads. Of each edge node that a binding names it keeps the
// session: births define metrics and aliases, deaths end them, and the sequence number
// shows what was lost, since all of it travels at QoS 0. A loss is never silent: it
// becomes an event of kind gap for every asset it may concern, and the node is asked to
// be born again. An Edge is the side that is read, simulated.
package sparkplug

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/ingest"
)

// Options of a host application.
type Options struct {
	HostID   string        `yaml:"host_id"`           // unique in the plant
	Groups   []string      `yaml:"groups,omitempty"`  // that are listened to; default: all
	Reorder  time.Duration `yaml:"reorder,omitempty"` // how long a message is waited for that another overtook; default 2s
	Bindings []Binding     `yaml:"bindings"`
}

// Binding says of which asset an edge node, or one device of it, speaks.
type Binding struct {
	Group    string    `yaml:"group"`
	Edge     string    `yaml:"edge"`
	Device   string    `yaml:"device,omitempty"` // default: the edge node itself
	Asset    asset.ID  `yaml:"asset"`
	Metrics  []Metric  `yaml:"metrics,omitempty"` // default: every number, under its own name and in the unit of its birth
	Channels []Channel `yaml:"channels,omitempty"`
}

// Metric is a number of the edge node as a metric of the asset.
type Metric struct {
	Name   string `yaml:"name"`             // at the edge node, such as Gearbox/OilTemp
	Metric string `yaml:"metric,omitempty"` // default Name
	Unit   string `yaml:"unit,omitempty"`   // default: that of its birth, which is "1" where it has none
}

// Channel is an array of numbers as a waveform: a record whose newest sample was taken at
// the metric's timestamp.
type Channel struct {
	Name    string  `yaml:"name"` // at the edge node
	Channel string  `yaml:"channel,omitempty"`
	RateHz  float64 `yaml:"rate_hz"`
	Unit    string  `yaml:"unit"`
	Scale   float64 `yaml:"scale,omitempty"` // value of one count of an array of integers, in Unit; default 1
}

func (o Options) withDefaults() Options {
	o.Reorder = cmp.Or(o.Reorder, 2*time.Second)
	o.Bindings = slices.Clone(o.Bindings)
	for i := range o.Bindings {
		b := &o.Bindings[i]
		b.Metrics, b.Channels = slices.Clone(b.Metrics), slices.Clone(b.Channels)
		for j := range b.Metrics {
			b.Metrics[j].Metric = cmp.Or(b.Metrics[j].Metric, b.Metrics[j].Name)
		}
		for j := range b.Channels {
			c := &b.Channels[j]
			c.Channel, c.Scale = cmp.Or(c.Channel, c.Name), cmp.Or(c.Scale, 1)
		}
	}
	return o
}

// Validate lists everything that is wrong, each with its place in the options.
func (o Options) Validate() error {
	o = o.withDefaults()
	var c checks
	c.name("host_id", o.HostID)
	c.That(o.Reorder >= time.Millisecond && o.Reorder <= time.Minute, "reorder", o.Reorder, "want 1ms to 1m")
	for i, g := range o.Groups {
		c.group(fmt.Sprintf("groups[%d]", i), g)
	}
	c.That(len(o.Bindings) > 0, "bindings", "an empty list", "want at least one")
	seen := map[string]int{}
	for i, b := range o.Bindings {
		at := fmt.Sprintf("bindings[%d].", i)
		c.group(at+"group", b.Group)
		c.name(at+"edge", b.Edge)
		if b.Device != "" {
			c.name(at+"device", b.Device)
		}
		c.That(b.Asset != "" && len(b.Asset) <= 100, at+"asset", fmt.Sprintf("%q", b.Asset), "want the ID of an asset")
		c.That(len(o.Groups) == 0 || slices.Contains(o.Groups, b.Group), at+"group", fmt.Sprintf("%q", b.Group), "want one of groups, or no groups")
		key := fmt.Sprintf("%q %q %q %q", b.Group, b.Edge, b.Device, b.Asset)
		before, twice := seen[key]
		c.That(!twice, at+"asset", fmt.Sprintf("%q", b.Asset), fmt.Sprintf("want one binding of it and this device: bindings[%d] is another", before))
		seen[key] = i
		c.metrics(at, b.Metrics)
		c.channels(at, b.Channels)
	}
	return c.Err()
}

// checks know Sparkplug's names beside what all checks know.
type checks struct{ ingest.Checks }

func (c *checks) name(where, name string) {
	c.That(goodName(name), where, fmt.Sprintf("%q", name), "want a name without / + # that is not empty")
}

func (c *checks) group(where, name string) {
	c.name(where, name)
	c.That(name != "STATE", where, `"STATE"`, "want another name: this one is of host applications")
}

func (c *checks) metrics(at string, all []Metric) {
	seen := map[string]bool{}
	for i, m := range all {
		at := fmt.Sprintf("%smetrics[%d].", at, i)
		c.That(m.Name != "" && len(m.Name) <= maxNameBytes, at+"name", fmt.Sprintf("%q", m.Name), "want the name of a metric at the edge node")
		c.That(!seen["n"+m.Name], at+"name", fmt.Sprintf("%q", m.Name), "want each name once")
		c.That(!seen["m"+m.Metric], at+"metric", fmt.Sprintf("%q", m.Metric), "want each metric once")
		seen["n"+m.Name], seen["m"+m.Metric] = true, true
		if m.Unit != "" {
			c.unit(at+"unit", m.Unit)
		}
	}
}

func (c *checks) channels(at string, all []Channel) {
	seen := map[string]bool{}
	for i, ch := range all {
		at := fmt.Sprintf("%schannels[%d].", at, i)
		c.That(ch.Name != "" && len(ch.Name) <= maxNameBytes, at+"name", fmt.Sprintf("%q", ch.Name), "want the name of a metric at the edge node")
		c.That(!seen["n"+ch.Name], at+"name", fmt.Sprintf("%q", ch.Name), "want each name once")
		c.That(!seen["c"+ch.Channel], at+"channel", fmt.Sprintf("%q", ch.Channel), "want each channel once")
		seen["n"+ch.Name], seen["c"+ch.Channel] = true, true
		c.That(ch.RateHz >= 10 && !math.IsInf(ch.RateHz, 0), at+"rate_hz", ch.RateHz, "want at least 10")
		c.That(math.Abs(ch.Scale) > 0 && !math.IsInf(ch.Scale, 0), at+"scale", ch.Scale, "want a finite number that is not 0")
		c.unit(at+"unit", ch.Unit)
	}
}

func (c *checks) unit(where, unit string) {
	_, _, known := asset.Convert(0, unit)
	c.That(known && unit != "", where, fmt.Sprintf("%q", unit), "want one of "+asset.Units())
}
