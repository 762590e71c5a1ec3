package sparkplug

import (
	"strings"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

// newEdge is a node with one asset that has sent a reading.
func newEdge(t *testing.T, opt EdgeOptions) *Edge {
	t.Helper()
	opt.Group, opt.Edge = "farm", "e1"
	e, err := NewEdge(opt)
	if err != nil {
		t.Fatal(err)
	}
	e.Will(start)
	e.Birth(start)
	e.Data(start, at(start, "wt01", 1))
	return e
}

func at(t time.Time, id asset.ID, v float64) asset.Reading {
	return asset.Reading{Asset: id, Time: t, Points: []asset.Point{{Metric: "Power", Value: v, Unit: "kW", Quality: 100}}}
}

// published holds a message to topic, QoS and seq (below 0: none), read by code that is
// not ours.
func published(t *testing.T, q Publication, topic string, qos byte, seq int) map[string]tree {
	t.Helper()
	got := unmarshal(t, q.Payload)
	if q.Topic != topic || q.QoS != qos || q.Retained {
		t.Errorf("published on %s at QoS %d, retained %t; want %s at %d", q.Topic, q.QoS, q.Retained, topic, qos)
	}
	if s, ok := got["seq"].(uint64); ok != (seq >= 0) || ok && int(s) != seq {
		t.Errorf("%s has seq %v, want %d", topic, got["seq"], seq)
	}
	if got["timestamp"] != uint64(start.UnixMilli()) {
		t.Errorf("%s is of %v, want %d", topic, got["timestamp"], start.UnixMilli())
	}
	return metricsOf(got)
}

// edgeStatements are what the simulated edge node is held to.
func edgeStatements() []statement {
	return []statement{
		{"message-flow-edge-node-birth-publish-will-message message-flow-edge-node-birth-publish-will-message-topic message-flow-edge-node-birth-publish-will-message-payload message-flow-edge-node-birth-publish-will-message-payload-bdSeq message-flow-edge-node-birth-publish-will-message-qos message-flow-edge-node-birth-publish-will-message-will-retained payloads-ndeath-will-message payloads-ndeath-will-message-qos payloads-ndeath-will-message-retain topics-nbirth-bdseq-increment operational-behavior-edge-node-intentional-disconnect-ndeath payloads-ndeath-will-message-publisher", func(x trial) {
			t := x.T
			e := newEdge(t, EdgeOptions{BdSeq: 254})
			for _, want := range []uint64{255, 0, 1} {
				will := e.Will(start)
				for _, q := range []Publication{will, e.Death(start)} {
					m := published(t, q, "spBv1.0/farm/NDEATH/e1", 1, -1)
					if len(m) != 1 || m["bdSeq"]["long_value"] != want || m["bdSeq"]["datatype"] != uint32(int64Kind) {
						t.Errorf("death %v, want bdSeq %d alone", m, want)
					}
				}
				birth := published(t, e.Birth(start)[0], "spBv1.0/farm/NBIRTH/e1", 0, 0)
				if birth["bdSeq"]["long_value"] != want {
					t.Errorf("birth %v, want the bdSeq %d of its will", birth, want)
				}
			}
		}},
		{"topics-nbirth-mqtt topics-nbirth-timestamp topics-nbirth-rebirth-metric payloads-nbirth-timestamp payloads-nbirth-qos payloads-nbirth-retain payloads-nbirth-rebirth-req operational-behavior-data-commands-rebirth-name operational-behavior-data-commands-rebirth-name-aliases operational-behavior-data-commands-rebirth-datatype operational-behavior-data-commands-rebirth-value message-flow-edge-node-birth-publish-nbirth-topic message-flow-edge-node-birth-publish-nbirth-payload message-flow-edge-node-birth-publish-nbirth-payload-bdSeq message-flow-edge-node-birth-publish-nbirth-qos message-flow-edge-node-birth-publish-nbirth-retained message-flow-edge-node-birth-publish-nbirth-payload-seq operational-behavior-data-publish-nbirth-values", func(x trial) {
			t := x.T
			m := published(t, newEdge(t, EdgeOptions{}).Birth(start)[0], "spBv1.0/farm/NBIRTH/e1", 0, 0)
			rebirth := m["Node Control/Rebirth"]
			if len(m) != 2 || rebirth["datatype"] != uint32(boolKind) || rebirth["boolean_value"] != false || rebirth["alias"] != nil || rebirth["timestamp"] == nil {
				t.Errorf("birth %v", m)
			}
		}},
		{"topics-dbirth-mqtt topics-dbirth-timestamp payloads-dbirth-timestamp payloads-dbirth-qos payloads-dbirth-retain message-flow-device-birth-publish-dbirth-topic message-flow-device-birth-publish-dbirth-match-edge-node-topic message-flow-device-birth-publish-dbirth-payload message-flow-device-birth-publish-dbirth-qos message-flow-device-birth-publish-dbirth-retained message-flow-device-birth-publish-dbirth-payload-seq operational-behavior-data-publish-dbirth-values topics-ddata-mqtt topics-ddata-payload payloads-ddata-qos payloads-ddata-retain topics-ddeath-mqtt payloads-ddeath-timestamp", func(x trial) {
			t := x.T
			e := newEdge(t, EdgeOptions{})
			all := e.Birth(start)
			if len(all) != 2 {
				t.Fatalf("%d births, want the node's and the device's", len(all))
			}
			m := published(t, all[1], "spBv1.0/farm/DBIRTH/e1/wt01", 0, 1)
			power := m["Power"]
			if len(m) != 1 || power["alias"] != uint64(0) || power["datatype"] != uint32(doubleKind) || power["double_value"] != 1.0 || power["timestamp"] != uint64(start.UnixMilli()) {
				t.Errorf("birth %v", m)
			}
			data := published(t, e.Data(start, at(start, "wt01", 2))[0], "spBv1.0/farm/DDATA/e1/wt01", 0, 2)
			if got := data["0"]; len(data) != 1 || got["alias"] != uint64(0) || got["double_value"] != 2.0 || got["name"] != nil || got["datatype"] != nil {
				t.Errorf("data %v", data)
			}
			if m := published(t, e.DeviceDeath(start, "wt01")[0], "spBv1.0/farm/DDEATH/e1/wt01", 0, 3); len(m) != 0 {
				t.Errorf("death %v", m)
			}
			published(t, e.Data(start, at(start, "wt01", 3))[0], "spBv1.0/farm/DBIRTH/e1/wt01", 0, 4)
		}},
		{"message-flow-edge-node-ncmd-subscribe operational-behavior-data-commands-rebirth-action-1 operational-behavior-data-commands-rebirth-action-2 operational-behavior-data-commands-rebirth-action-3", func(x trial) {
			t := x.T
			e := newEdge(t, EdgeOptions{BdSeq: 9})
			if got := e.Filters(); len(got) != 1 || got[0] != "spBv1.0/farm/NCMD/e1" {
				t.Errorf("filters %q", got)
			}
			command := func(name string, v bool) []byte {
				return marshal(t, tree{"timestamp": uint64(1), "metrics": []any{tree{"name": name, "datatype": uint32(boolKind), "boolean_value": v}}})
			}
			all, err := e.Handle(start, "spBv1.0/farm/NCMD/e1", command("Node Control/Rebirth", true))
			if err != nil || len(all) != 2 {
				t.Fatalf("answered %v, %v", all, err)
			}
			if m := published(t, all[0], "spBv1.0/farm/NBIRTH/e1", 0, 0); m["bdSeq"]["long_value"] != uint64(9) {
				t.Errorf("born again with %v, want the bdSeq of the connection", m["bdSeq"])
			}
			published(t, all[1], "spBv1.0/farm/DBIRTH/e1/wt01", 0, 1)
			for _, other := range [][]byte{command("Node Control/Rebirth", false), command("Node Control/Reboot", true)} {
				if all, err := e.Handle(start, "spBv1.0/farm/NCMD/e1", other); err != nil || len(all) != 0 {
					t.Errorf("answered %v, %v to no request", all, err)
				}
			}
		}},
	}
}

func TestAnEdgeNodeSpeaksOfEverythingThatTheProtocolHas(t *testing.T) {
	for name, noAlias := range map[string]bool{"aliases": false, "names": true} {
		t.Run(name, func(t *testing.T) {
			e := newEdge(t, EdgeOptions{NoAlias: noAlias})
			p := open(t, Options{HostID: "h", Bindings: []Binding{{Group: "farm", Edge: "e1", Device: "a%2Fb%2B", Asset: "a/b+", Channels: []Channel{{Name: "wave/hss", Channel: "hss", RateHz: 1000, Unit: "m/s²"}}}}})
			send := func(all []Publication) {
				t.Helper()
				for _, q := range all {
					if err := p.hearRaw(q.Topic, q.Payload); err != nil {
						t.Fatal(err)
					}
				}
			}
			send(e.Birth(start))
			wave := func(ms int) asset.Reading {
				w := asset.Waveform{Channel: "hss", Start: start.Add(time.Duration(ms) * time.Millisecond), RateHz: 1000, Unit: "m/s²", Counts: []int16{1, -2, 3}, Scale: 0.5, Quality: 100}
				return asset.Reading{Asset: "a/b+", Time: w.Start.Add(2 * time.Millisecond), Wave: &w}
			}
			point := func(ms int, v, quality float64) asset.Reading {
				return asset.Reading{Asset: "a/b+", Time: start.Add(time.Duration(ms) * time.Millisecond), Points: []asset.Point{{Metric: "oil", Value: v, Unit: "°C", Quality: quality}}}
			}
			send(e.Data(start, point(0, 50, 100)))
			send(e.Data(start, point(1, 51, 100)))
			send(e.Data(start, wave(2)))
			send(e.Data(start, wave(3)))
			send(e.Data(start, point(4, 52, 10)))
			send(e.Data(start, point(5, 53, 100)))
			readings := p.want("a/b+ status online", "a/b+ oil=50 °C", "a/b+ oil=51 °C", "a/b+ hss×3", "a/b+ hss×3", "a/b+ oil=53 °C")
			if w := readings[4].Wave; w.Samples[1] != -1 || !w.Start.Equal(start.Add(3*time.Millisecond)) {
				t.Errorf("waveform %+v", *w)
			}
		})
	}
	if _, err := NewEdge(EdgeOptions{Group: "a/b", Edge: "e"}); err == nil || !strings.Contains(err.Error(), "group") {
		t.Errorf("a group of two levels gives %v", err)
	}
}
