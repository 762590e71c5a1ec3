package mqtt

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/ingest"
)

// Binding says which topics are read, and which asset and channel their messages are of.
type Binding struct {
	Topic   string   `yaml:"topic"`             // such as plant/{asset}/{channel}/raw or site/+/wt-{asset}/#
	Asset   asset.ID `yaml:"asset,omitempty"`   // of all of them, instead of {asset}; with neither the payload says it
	Channel string   `yaml:"channel,omitempty"` // of all of them, instead of {channel}; with neither it is telemetry
	QoS     *int     `yaml:"qos,omitempty"`     // 0 or 1; default 1. What comes at 0 is lost with the connection
}

// route is a binding taken apart.
type route struct {
	filter  string // to subscribe to
	levels  []level
	asset   asset.ID
	channel string
	escaped bool // names in topics are escaped as in a URL path
	qos     byte
}

// level is what one level of a topic has to be: before, a name, after. Without a name it
// is the text before, or anything at all.
type level struct {
	before, name, after string
	any, rest           bool // + and #
}

const (
	assetName   = "asset"
	channelName = "channel"
)

// maxTopicBytes is what MQTT can say.
const maxTopicBytes = 65535

// route takes the binding apart; what is wrong with it is said as a want.
func (b Binding) route() (route, error) {
	r := route{asset: b.Asset, channel: b.Channel, qos: 1}
	if b.QoS != nil {
		r.qos = byte(*b.QoS & 1)
	}
	switch {
	case b.Topic == "" || len(b.Topic) > maxTopicBytes || strings.ContainsRune(b.Topic, 0):
		return r, errors.New("want 1 to 65535 bytes, such as plant/{asset}/{channel}/raw")
	case strings.HasPrefix(b.Topic, "$share/"):
		return r, errors.New("want the topic alone: a shared subscription is made by group")
	}
	parts := strings.Split(b.Topic, "/")
	seen := map[string]bool{}
	var filter []string
	for i, p := range parts {
		l, err := parseLevel(p)
		switch {
		case err != nil:
			return r, err
		case l.rest && i < len(parts)-1:
			return r, errors.New("want # as the last level and nowhere else")
		case l.name != "" && seen[l.name]:
			return r, fmt.Errorf("want {%s} once", l.name)
		}
		seen[l.name] = true
		r.levels = append(r.levels, l)
		if l.name != "" {
			p = "+"
		}
		filter = append(filter, p)
	}
	if seen[assetName] && b.Asset != "" {
		return r, errors.New("want {asset} or asset, not both")
	}
	if seen[channelName] && b.Channel != "" {
		return r, errors.New("want {channel} or channel, not both")
	}
	r.filter = strings.Join(filter, "/")
	return r, nil
}

// parseLevel reads one level of a template.
func parseLevel(s string) (level, error) {
	switch {
	case s == "+":
		return level{any: true}, nil
	case s == "#":
		return level{rest: true}, nil
	case strings.ContainsAny(s, "+#"):
		return level{}, fmt.Errorf("want + and # as whole levels, not in %q", s)
	}
	before, rest, opened := strings.Cut(s, "{")
	if !opened {
		if strings.Contains(s, "}") {
			return level{}, fmt.Errorf("want { before } in %q", s)
		}
		return level{before: s}, nil
	}
	name, after, closed := strings.Cut(rest, "}")
	switch {
	case !closed || strings.Contains(before, "}"):
		return level{}, fmt.Errorf("want a } for each { in %q", s)
	case strings.ContainsAny(after, "{}"):
		return level{}, fmt.Errorf("want one name in a level, not two as in %q: where one ends and the other begins is not known", s)
	case name != assetName && name != channelName:
		return level{}, fmt.Errorf("want {asset} or {channel}, not {%s}", name)
	}
	return level{before: before, name: name, after: after}, nil
}

// match reports whether a topic is of the route, and of which asset and channel.
func (r route) match(topic string) (id asset.ID, channel string, ok bool) {
	id, channel = r.asset, r.channel
	for i, l := range r.levels {
		if l.rest {
			return id, channel, true
		}
		part, rest, more := strings.Cut(topic, "/")
		hash := i+1 < len(r.levels) && r.levels[i+1].rest // a/# is a too
		if !more && i < len(r.levels)-1 && !hash || more && i == len(r.levels)-1 {
			return "", "", false
		}
		if l.any {
			topic = rest
			continue
		}
		name, fits := l.cut(part)
		if !fits {
			return "", "", false
		}
		switch l.name {
		case assetName:
			id = asset.ID(name)
		case channelName:
			channel = name
		}
		if !more {
			return id, channel, true
		}
		topic = rest
	}
	return id, channel, true
}

// cut is what a level says in place of the name.
func (l level) cut(part string) (name string, ok bool) {
	if l.name == "" {
		return "", part == l.before
	}
	name, ok = strings.CutPrefix(part, l.before)
	if !ok {
		return "", false
	}
	name, ok = strings.CutSuffix(name, l.after)
	return name, ok && name != ""
}

// routes are the bindings of c, taken apart, those of the prefix first.
func (c Config) routes() ([]route, error) {
	var all []route
	if c.Prefix != "" {
		for _, t := range []string{c.Prefix + "/{asset}/telemetry", c.Prefix + "/{asset}/wave/{channel}"} {
			r, err := Binding{Topic: t}.route()
			if err != nil {
				return nil, fmt.Errorf("prefix: %q is not allowed: want levels without wildcards and names", c.Prefix)
			}
			r.escaped = true
			all = append(all, r)
		}
	}
	for i, b := range c.Topics {
		r, err := b.route()
		if err != nil {
			return nil, fmt.Errorf("topics[%d].topic: %q is not allowed: %w", i, b.Topic, err)
		}
		all = append(all, r)
	}
	return all, nil
}

// bound finds the asset and the channel that a topic speaks for.
func bound(routes []route, topic string) (asset.ID, string, error) {
	for _, r := range routes {
		id, channel, ok := r.match(topic)
		if !ok {
			continue
		}
		if !r.escaped {
			return id, channel, nil
		}
		name, err := url.PathUnescape(string(id))
		if err == nil {
			channel, err = url.PathUnescape(channel)
		}
		if err != nil {
			return "", "", &asset.Invalid{Reason: ingest.Undecodable, Where: topic, Text: err.Error()}
		}
		return asset.ID(name), channel, nil
	}
	return "", "", &asset.Invalid{Reason: ingest.Undecodable, Where: topic, Text: "no binding fits the topic"}
}

// escape makes a name one level of a topic.
func escape(name string) string {
	return strings.ReplaceAll(url.PathEscape(name), "+", "%2B")
}
