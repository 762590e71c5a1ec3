package sparkplug

import (
	"fmt"
	"math"
	"net/url"
	"strings"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/ingest"
)

// EdgeOptions of a simulated edge node; zero values mean the defaults given.
type EdgeOptions struct {
	Group   string
	Edge    string
	BdSeq   byte // of the first connection: one more than the last that was used before
	NoAlias bool // data names its metrics
}

// Edge is an edge node, simulated: it makes the messages of a session from readings. Each
// asset is a device of it; points are metrics of type Double, and waveforms of type
// FloatArray under wave/CHANNEL. Events have no place in the protocol and are left out.
// It is used by one goroutine, which connects with Will, subscribes to Filters, publishes
// Birth and then Data, and hands over what arrives.
type Edge struct {
	opt       EdgeOptions
	bdSeq     byte
	connected bool // Will was asked for at least once
	seq       byte // of the next message
	aliases   uint64
	devices   []*edgeDevice // in the order of their first reading
	byAsset   map[asset.ID]*edgeDevice
}

// edgeDevice is one asset.
type edgeDevice struct {
	id      string
	metrics []*edgeMetric
	byName  map[string]*edgeMetric
	dead    bool
}

// edgeMetric is a metric with its newest value.
type edgeMetric struct {
	name    string
	alias   uint64
	kind    kind
	unit    string
	stampMS int64
	value   float64
	array   []byte
	bad     bool
}

// NewEdge is not connected yet.
func NewEdge(opt EdgeOptions) (*Edge, error) {
	var c checks
	c.group("group", opt.Group)
	c.name("edge", opt.Edge)
	if err := c.Err(); err != nil {
		return nil, err
	}
	return &Edge{opt: opt, bdSeq: opt.BdSeq, byAsset: map[asset.ID]*edgeDevice{}}, nil
}

// Filters are what to subscribe to, at QoS 1.
func (e *Edge) Filters() []string { return []string{e.topic(nodeCommand, "")} }

// Will is the death certificate to connect with; every connection has its own.
func (e *Edge) Will(now time.Time) Publication {
	if e.connected {
		e.bdSeq++
	}
	e.connected = true
	return e.Death(now)
}

// Death is what to publish before a disconnection on purpose.
func (e *Edge) Death(now time.Time) Publication {
	var p encoder
	p.head(now, -1)
	p.birthNumber(now, uint64(e.bdSeq))
	return Publication{Topic: e.topic(nodeDeath, ""), Payload: p.b, QoS: 1}
}

// Birth is the node's birth and those of its devices, all with their newest values.
func (e *Edge) Birth(now time.Time) []Publication {
	e.seq = 0
	var p encoder
	p.head(now, e.nextSeq())
	p.birthNumber(now, uint64(e.bdSeq))
	p.boolean(rebirthMetric, now, false)
	all := []Publication{{Topic: e.topic(nodeBirth, ""), Payload: p.b}}
	for _, d := range e.devices {
		if !d.dead {
			all = append(all, e.deviceBirth(now, d))
		}
	}
	return all
}

// Data publishes a reading. A metric that the device's birth did not have brings another
// birth, with the reading in it.
func (e *Edge) Data(now time.Time, r asset.Reading) []Publication {
	if r.Wave == nil && len(r.Points) == 0 {
		return nil
	}
	d := e.byAsset[r.Asset]
	again := d == nil || d.dead
	if d == nil {
		d = &edgeDevice{id: escape(string(r.Asset)), byName: map[string]*edgeMetric{}}
		e.byAsset[r.Asset] = d
		e.devices = append(e.devices, d)
	}
	d.dead = false
	var changed []*edgeMetric
	at := r.Time.UnixMilli()
	for _, p := range r.Points {
		m, fresh := e.metric(d, p.Metric, doubleKind, p.Unit)
		m.stampMS, m.value, m.bad = at, p.Value, p.Quality < 50
		changed, again = append(changed, m), again || fresh
	}
	if w := r.Wave; w != nil {
		m, fresh := e.metric(d, "wave/"+w.Channel, floatArray, w.Unit)
		m.stampMS, m.array, m.bad = ingest.Newest(*w).UnixMilli(), encodeFloats(floats(w)), w.Quality < 50
		changed, again = append(changed, m), again || fresh
	}
	if again {
		return []Publication{e.deviceBirth(now, d)}
	}
	var p encoder
	p.head(now, e.nextSeq())
	for _, m := range changed {
		p.bytes(payloadMetrics, e.encode(m, false))
	}
	return []Publication{{Topic: e.topic(deviceData, d.id), Payload: p.b}}
}

// DeviceDeath publishes that an asset's device is gone; its next reading brings it back.
func (e *Edge) DeviceDeath(now time.Time, id asset.ID) []Publication {
	d := e.byAsset[id]
	if d == nil || d.dead {
		return nil
	}
	d.dead = true
	var p encoder
	p.head(now, e.nextSeq())
	return []Publication{{Topic: e.topic(deviceDeath, d.id), Payload: p.b}}
}

// Handle takes a message; a request for rebirth is answered with one.
func (e *Edge) Handle(now time.Time, topic string, b []byte) ([]Publication, error) {
	if topic != e.topic(nodeCommand, "") {
		return nil, nil
	}
	p, err := decode(b)
	if err != nil {
		return nil, &asset.Invalid{Reason: ingest.Undecodable, Where: topic, Text: err.Error()}
	}
	reborn := false
	p.each(func(m *metric) {
		on, ok := m.number(boolKind)
		reborn = reborn || string(m.name) == rebirthMetric && ok && on == 1
	})
	if !reborn {
		return nil, nil
	}
	return e.Birth(now), nil
}

// metric finds or defines a metric of a device.
func (e *Edge) metric(d *edgeDevice, name string, k kind, unit string) (m *edgeMetric, fresh bool) {
	if m = d.byName[name]; m != nil && m.unit == unit {
		return m, false
	}
	if m == nil {
		m = &edgeMetric{name: name, alias: e.aliases}
		e.aliases++
		d.byName[name] = m
		d.metrics = append(d.metrics, m)
	}
	m.kind, m.unit = k, unit
	return m, true
}

func (e *Edge) deviceBirth(now time.Time, d *edgeDevice) Publication {
	var p encoder
	p.head(now, e.nextSeq())
	for _, m := range d.metrics {
		p.bytes(payloadMetrics, e.encode(m, true))
	}
	return Publication{Topic: e.topic(deviceBirth, d.id), Payload: p.b}
}

// encode is a metric with its newest value; a birth defines it too.
func (e *Edge) encode(m *edgeMetric, birth bool) []byte {
	var x encoder
	if birth || e.opt.NoAlias {
		x.bytes(metricName, []byte(m.name))
	}
	if !e.opt.NoAlias {
		x.varint(metricAlias, m.alias)
	}
	x.varint(metricStamp, uint64(m.stampMS))
	if birth {
		x.varint(metricKind, uint64(m.kind))
	}
	if birth || m.bad {
		x.bytes(metricProperties, m.properties())
	}
	switch {
	case m.array != nil:
		x.bytes(bytesValue, m.array)
	case math.IsNaN(m.value):
		x.varint(metricNull, 1)
	default:
		x.double(doubleValue, m.value)
	}
	return x.b
}

// properties are the unit, and the quality where that is bad.
func (m *edgeMetric) properties() []byte {
	var unit, set encoder
	set.bytes(propertyKeys, []byte("engUnit"))
	unit.varint(propertyType, uint64(stringKind))
	unit.bytes(propertyString, []byte(m.unit))
	if m.bad {
		set.bytes(propertyKeys, []byte("Quality"))
	}
	set.bytes(propertyValues, unit.b)
	if m.bad {
		var quality encoder
		quality.varint(propertyType, uint64(int32Kind))
		quality.varint(propertyInt, bad)
		set.bytes(propertyValues, quality.b)
	}
	return set.b
}

// nextSeq counts the messages of the node, 255 followed by 0.
func (e *Edge) nextSeq() int {
	seq := e.seq
	e.seq++
	return int(seq)
}

func (e *Edge) topic(v verb, device string) string {
	return address{nodeID: nodeID{e.opt.Group, e.opt.Edge}, verb: v, device: device}.topic()
}

// floats are a waveform's samples in its unit.
func floats(w *asset.Waveform) []float32 {
	if w.Counts == nil {
		return w.Samples
	}
	out := make([]float32, len(w.Counts))
	for i, c := range w.Counts {
		out[i] = float32(float64(c) * w.Scale)
	}
	return out
}

// escape makes a name one level of a topic.
func escape(name string) string {
	return strings.ReplaceAll(url.PathEscape(name), "+", "%2B")
}

// String names the node.
func (e *Edge) String() string { return fmt.Sprintf("sparkplug %s/%s", e.opt.Group, e.opt.Edge) }
