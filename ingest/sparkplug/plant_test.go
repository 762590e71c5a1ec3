package sparkplug

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/ingest"
)

// plant is a host application at work, with what came of it since the last look.
type plant struct {
	*testing.T

	host      *Host
	now       time.Time
	readings  []asset.Reading
	published []Publication
}

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// options bind a node and a device of it.
func options() Options {
	return Options{HostID: "telltale", Bindings: []Binding{
		{Group: "farm", Edge: "e1", Asset: "station"},
		{Group: "farm", Edge: "e1", Device: "wt01", Asset: "WT01", Metrics: []Metric{{Name: "Gearbox/OilTemp", Metric: "gearbox_oil_c", Unit: "°C"}, {Name: "Power"}}, Channels: []Channel{{Name: "Vib/Raw", Channel: "hss", RateHz: 1000, Unit: "m/s²", Scale: 0.5}}},
	}}
}

// both bind a second node too.
func both() Options {
	o := options()
	o.Bindings = append(o.Bindings, Binding{Group: "farm", Edge: "e2", Asset: "WT02"})
	return o
}

func open(t *testing.T, opt Options) *plant {
	t.Helper()
	h, err := New(opt)
	if err != nil {
		t.Fatal(err)
	}
	p := &plant{T: t, host: h, now: start}
	h.Will(p.now)
	p.published = h.Birth(p.now)
	p.look()
	return p
}

// look returns what came since the last look.
func (p *plant) look() (readings []asset.Reading, published []Publication) {
	readings, published = p.readings, p.published
	p.readings, p.published = nil, nil
	return readings, published
}

// ms is the sender's clock, some seconds behind ours.
func (p *plant) ms() uint64 { return uint64(p.now.Add(-3 * time.Second).UnixMilli()) }

func (p *plant) hearRaw(topic string, b []byte) error {
	readings, published, err := p.host.Handle(p.now, topic, b)
	p.readings = append(p.readings, readings...)
	p.published = append(p.published, published...)
	return err
}

// hear has a message arrive now that was sent now. A seq below 0 is left out.
func (p *plant) hear(topic string, seq int, metrics ...any) {
	p.Helper()
	if err := p.hearRaw(topic, p.message(seq, metrics...)); err != nil {
		p.Fatalf("%s: %v", topic, err)
	}
}

func (p *plant) message(seq int, metrics ...any) []byte {
	p.Helper()
	m := tree{"timestamp": p.ms()}
	if len(metrics) > 0 {
		m["metrics"] = metrics
	}
	if seq >= 0 {
		m["seq"] = uint64(seq)
	}
	return marshal(p, m)
}

// pass lets time go by in steps of 100 ms.
func (p *plant) pass(d time.Duration) {
	for end := p.now.Add(d); p.now.Before(end); {
		p.now = p.now.Add(100 * time.Millisecond)
		readings, published := p.host.Tick(p.now)
		p.readings = append(p.readings, readings...)
		p.published = append(p.published, published...)
	}
}

func (p *plant) bdSeq(n uint64) tree {
	return tree{"name": "bdSeq", "timestamp": p.ms(), "datatype": uint32(int64Kind), "long_value": n}
}

// double is a metric in a birth.
func (p *plant) double(name string, alias uint64, v float64) tree {
	return tree{"name": name, "alias": alias, "timestamp": p.ms(), "datatype": uint32(doubleKind), "double_value": v}
}

// again is a metric in data, by its alias.
func (p *plant) again(alias uint64, v float64) tree {
	return tree{"alias": alias, "timestamp": p.ms(), "double_value": v}
}

// named is a metric in data, by its name.
func (p *plant) named(name string, v float64) tree {
	return tree{"name": name, "timestamp": p.ms(), "double_value": v}
}

// bear is the birth of e1 and wt01, which take seq 0 and 1, and forgets what came of it.
func (p *plant) bear(bdSeq uint64) {
	p.Helper()
	p.hear("spBv1.0/farm/NBIRTH/e1", 0, p.bdSeq(bdSeq), p.double("Load", 1, 10))
	p.hear("spBv1.0/farm/DBIRTH/e1/wt01", 1, p.double("Gearbox/OilTemp", 2, 50), p.double("Power", 3, 900))
	p.look()
}

// told is a line for each reading: points, waveforms, events.
func told(readings []asset.Reading) []string {
	var all []string
	for _, r := range readings {
		var parts []string
		for _, q := range r.Points {
			parts = append(parts, fmt.Sprintf("%s=%g %s", q.Metric, q.Value, q.Unit))
		}
		if r.Wave != nil {
			parts = append(parts, fmt.Sprintf("%s×%d", r.Wave.Channel, r.Wave.Len()))
		}
		if e := r.Event; e != nil && e.Kind == ingest.GapEvent {
			parts = append(parts, "gap")
		} else if e != nil {
			parts = append(parts, e.Kind+" "+e.Code)
		}
		all = append(all, string(r.Asset)+" "+strings.Join(parts, ", "))
	}
	return all
}

func (p *plant) want(lines ...string) []asset.Reading {
	p.Helper()
	readings, _ := p.look()
	if got := told(readings); !slices.Equal(got, lines) {
		p.Errorf("got  %q\nwant %q", got, lines)
	}
	return readings
}

// rebirths are the nodes that were asked to be born again.
func rebirths(published []Publication) []string {
	var all []string
	for _, q := range published {
		if node, ok := strings.CutPrefix(q.Topic, "spBv1.0/farm/NCMD/"); ok {
			all = append(all, node)
		}
	}
	return all
}

func (p *plant) status(edge string) NodeStatus {
	for _, n := range p.host.Status().Nodes {
		if n.Edge == edge {
			return n
		}
	}
	p.Fatalf("no node %s", edge)
	return NodeStatus{}
}
