package sparkplug

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

func topicStatements() []statement {
	refused := func(t *testing.T, topics ...string) {
		t.Helper()
		p := open(t, options())
		p.bear(0)
		for _, topic := range topics {
			if err := p.hearRaw(topic, p.message(2)); !errors.Is(err, asset.ErrInvalid) {
				t.Errorf("%q gives %v, want it refused", topic, err)
			}
		}
		p.hear("spBv1.0/farm/NDATA/e1", 2, p.again(1, 3)) // they took no part
		p.want("station Load=3 1")
	}
	return []statement{
		{"topic-structure topic-structure-namespace-a", func(x trial) {
			t := x.T
			refused(t, "spAv1.0/farm/NDATA/e1", "farm/NDATA/e1", "spBv1.0/farm/NDATA", "spBv1.0/farm/NOTHING/e1", "spBv1.0/farm/DDATA/e1/wt01/more", "")
		}},
		{"topic-structure-namespace-valid-group-id topic-structure-namespace-valid-edge-node-id topic-structure-namespace-valid-device-id intro-group-id-string intro-group-id-chars intro-edge-node-id-string intro-edge-node-id-chars intro-device-id-string intro-device-id-chars", func(x trial) {
			t := x.T
			refused(t, "spBv1.0/+/NDATA/e1", "spBv1.0/farm/NDATA/#", "spBv1.0//NDATA/e1", "spBv1.0/farm/DDATA/e1/", "spBv1.0/farm/DDATA/e1/a+", "spBv1.0/\xff/NDATA/e1", "spBv1.0/farm/NDATA/\xff")
			for _, bad := range []Binding{{Group: "a/b", Edge: "e", Asset: "x"}, {Group: "g", Edge: "+", Asset: "x"}, {Group: "g", Edge: "e", Device: "#", Asset: "x"}, {Group: "STATE", Edge: "e", Asset: "x"}} {
				if err := (Options{HostID: "h", Bindings: []Binding{bad}}).Validate(); err == nil {
					t.Errorf("%+v is allowed", bad)
				}
			}
		}},
		{"topic-structure-namespace-device-id-associated-message-types topics-nbirth-topic topics-ndata-topic topics-ndeath-topic topics-dbirth-topic topics-ddata-topic topics-ddeath-topic", func(x trial) {
			t := x.T
			refused(t, "spBv1.0/farm/NBIRTH/e1/wt01", "spBv1.0/farm/NDEATH/e1/wt01", "spBv1.0/farm/NDATA/e1/wt01", "spBv1.0/farm/NCMD/e1/wt01", "spBv1.0/farm/DBIRTH/e1", "spBv1.0/farm/DDEATH/e1", "spBv1.0/farm/DDATA/e1", "spBv1.0/farm/DCMD/e1")
		}},
		{"topic-structure-namespace-unique-edge-node-descriptor topic-structure-namespace-duplicate-device-id-across-edge-node", func(x trial) {
			t := x.T
			opt := options()
			opt.Bindings = append(opt.Bindings, Binding{Group: "farm", Edge: "e2", Device: "wt01", Asset: "WT11"}, Binding{Group: "other", Edge: "e1", Asset: "far"})
			p := open(t, opt)
			p.bear(0)
			p.hear("spBv1.0/farm/NBIRTH/e2", 0, p.bdSeq(0))
			p.hear("spBv1.0/farm/DBIRTH/e2/wt01", 1, p.double("Power", 3, 7))
			p.hear("spBv1.0/other/NBIRTH/e1", 0, p.bdSeq(3), p.double("Load", 1, 8))
			p.hear("spBv1.0/farm/DDATA/e1/wt01", 2, p.again(3, 9))
			p.want("WT11 status online", "WT11 Power=7 1", "far status online", "far Load=8 1", "WT01 Power=9 1")
		}},
		{"case-sensitivity-sparkplug-ids", func(x trial) {
			t := x.T
			p := open(t, options())
			p.hear("spBv1.0/farm/NBIRTH/E1", 0, p.bdSeq(0), p.double("Load", 1, 10))
			p.hear("spBv1.0/Farm/NBIRTH/e1", 0, p.bdSeq(0), p.double("Load", 1, 10))
			p.want()
		}},
		{"case-sensitivity-metric-names", func(x trial) {
			t := x.T
			p := open(t, options())
			p.hear("spBv1.0/farm/NBIRTH/e1", 0, p.bdSeq(0))
			p.hear("spBv1.0/farm/DBIRTH/e1/wt01", 1, p.double("power", 1, 1), p.double("Power", 2, 2), p.double("POWER", 3, 3))
			p.want("station status online", "WT01 status online", "WT01 Power=2 1")
		}},
	}
}

// refusedPayload holds a payload to be refused as a whole, and to be lost with that.
func refusedPayload(t *testing.T, why string, change func(p *plant) tree) {
	t.Helper()
	p := open(t, options())
	p.bear(0)
	err := p.hearRaw("spBv1.0/farm/DDATA/e1/wt01", marshal(t, change(p)))
	if !errors.Is(err, asset.ErrInvalid) || !strings.Contains(err.Error(), why) {
		t.Errorf("got %v, want it refused with %q", err, why)
	}
	p.want()
}

func payloadStatements() []statement {
	return []statement{
		{"payloads-timestamp-in-UTC payloads-metric-timestamp-in-UTC payloads-name-birth-data-requirement topics-ndata-timestamp topics-ddata-timestamp payloads-ndata-timestamp payloads-ddata-timestamp", func(x trial) {
			t := x.T
			p := open(t, options())
			p.bear(0)
			p.hear("spBv1.0/farm/NDATA/e1", 2, tree{"alias": uint64(1), "timestamp": uint64(1_700_000_000_123), "double_value": 1.0})
			p.hear("spBv1.0/farm/NDATA/e1", 3, tree{"alias": uint64(1), "double_value": 2.0})
			if err := p.hearRaw("spBv1.0/farm/NDATA/e1", marshal(t, tree{"seq": uint64(4), "metrics": []any{tree{"alias": uint64(1), "double_value": 3.0}}})); err != nil {
				t.Fatal(err)
			}
			readings := p.want("station Load=1 1", "station Load=2 1", "station Load=3 1")
			for i, want := range []time.Time{time.Date(2023, 11, 14, 22, 13, 20, 123e6, time.UTC), p.now.Add(-3 * time.Second), p.now} {
				if !readings[i].Time.Equal(want) || readings[i].Time.Location() != time.UTC {
					t.Errorf("value %d is of %s, want %s: its own time, else its message's, else ours", i, readings[i].Time, want)
				}
			}
		}},
		{"payloads-sequence-num-always-included topics-ndata-seq-num topics-ddata-seq-num topics-dbirth-seq topics-ddeath-seq-num payloads-ndata-seq payloads-ddata-seq payloads-dbirth-seq payloads-ddeath-seq", func(x trial) {
			t := x.T
			for _, topic := range []string{"NBIRTH/e1", "NDATA/e1", "DBIRTH/e1/wt01", "DDATA/e1/wt01", "DDEATH/e1/wt01"} {
				p := open(t, options())
				p.bear(0)
				if err := p.hearRaw("spBv1.0/farm/"+topic, p.message(-1, p.bdSeq(0))); !errors.Is(err, asset.ErrInvalid) {
					t.Errorf("%s without seq gives %v", topic, err)
				}
				if err := p.hearRaw("spBv1.0/farm/"+topic, p.message(256, p.bdSeq(0))); !errors.Is(err, asset.ErrInvalid) {
					t.Errorf("%s with seq 256 gives %v", topic, err)
				}
			}
		}},
		{"payloads-sequence-num-zero-nbirth topics-nbirth-seq-num payloads-nbirth-seq", func(x trial) {
			t := x.T
			p := open(t, options())
			for _, first := range []int{0, 77, 255} { // the versions differ on what it begins with
				p.hear("spBv1.0/farm/NBIRTH/e1", first, p.bdSeq(0), p.double("Load", 1, 1))
				p.pass(time.Millisecond)
				p.look()
				p.hear("spBv1.0/farm/NDATA/e1", (first+1)%256, p.again(1, 2))
				p.want("station Load=2 1")
			}
		}},
		{"payloads-sequence-num-incrementing payloads-ndata-seq-inc payloads-ddata-seq-inc payloads-dbirth-seq-inc payloads-ddeath-seq-inc payloads-ddeath-seq-number", func(x trial) {
			t := x.T
			p := open(t, options())
			p.bear(0)
			for i := range 600 { // twice around
				switch seq := (i + 2) % 256; i % 5 {
				case 0:
					p.hear("spBv1.0/farm/DDEATH/e1/wt01", seq)
				case 1:
					p.hear("spBv1.0/farm/DBIRTH/e1/wt01", seq, p.double("Power", 3, 5))
				case 2:
					p.hear("spBv1.0/farm/DDATA/e1/wt01", seq, p.again(3, float64(i)))
				default:
					p.hear("spBv1.0/farm/NDATA/e1", seq, p.again(1, float64(i)))
				}
				p.pass(100 * time.Millisecond)
			}
			if s := p.status("e1"); s.Losses+s.Rebirths+s.Undefined != 0 || s.Held != 0 {
				t.Errorf("status %+v", s)
			}
		}},
		{"payloads-name-requirement payloads-alias-data-cmd-requirement", func(x trial) {
			t := x.T
			p := open(t, options())
			p.bear(0)
			p.hear("spBv1.0/farm/NDATA/e1", 2, p.again(1, 1))
			p.hear("spBv1.0/farm/NDATA/e1", 3, p.named("Load", 2))
			p.hear("spBv1.0/farm/NDATA/e1", 4, tree{"timestamp": p.ms(), "double_value": 3.0})
			p.want("station Load=1 1", "station Load=2 1")
			if s := p.status("e1"); s.Undefined != 1 {
				t.Errorf("%d undefined, want the one that has neither name nor alias", s.Undefined)
			}
		}},
		{"payloads-alias-uniqueness", func(x trial) {
			t := x.T
			p := open(t, options())
			p.hear("spBv1.0/farm/NBIRTH/e1", 0, p.bdSeq(0), p.double("a", 1, 10), p.double("b", 1, 20), p.double("c", 2, 30))
			p.look()
			p.hear("spBv1.0/farm/NDATA/e1", 1, p.again(1, 11), p.again(2, 31))
			p.want("station c=31 1") // an alias of two metrics stands for none
		}},
		{"payloads-alias-birth-requirement operational-behavior-data-publish-nbirth operational-behavior-data-publish-dbirth topics-nbirth-metric-reqs topics-dbirth-metric-reqs topics-nbirth-metrics topics-dbirth-metrics", func(x trial) {
			t := x.T
			p := open(t, options())
			p.bear(0)
			p.pass(time.Second)
			p.hear("spBv1.0/farm/NDATA/e1", 2, p.again(1, 1), p.again(99, 2))
			p.want("station Load=1 1")
			if s := p.status("e1"); !s.Waiting || s.Undefined != 1 || s.Rebirths != 1 {
				t.Errorf("status %+v, want a birth that is waited for", s)
			}
			p.pass(time.Second)
			p.hear("spBv1.0/farm/NBIRTH/e1", 0, p.bdSeq(0), p.double("New", 99, 3))
			p.want("station gap", "station New=3 1")
		}},
		{"payloads-dbirth-order payloads-ddata-order payloads-ndata-order message-flow-device-birth-publish-nbirth-wait principles-birth-certificates-order", func(x trial) {
			t := x.T
			p := open(t, options())
			birth := p.message(0, p.bdSeq(0))
			p.now = p.now.Add(5 * time.Millisecond)
			p.hear("spBv1.0/farm/DBIRTH/e1/wt01", 1, p.double("Power", 3, 9)) // overtook its node's birth
			p.hear("spBv1.0/farm/DDATA/e1/wt01", 2, tree{"alias": uint64(3), "timestamp": p.ms() + 1, "double_value": 10.0})
			p.want()
			if err := p.hearRaw("spBv1.0/farm/NBIRTH/e1", birth); err != nil {
				t.Fatal(err)
			}
			p.want("station status online", "WT01 status online", "WT01 Power=9 1", "WT01 Power=10 1")
			p = open(t, options())
			p.hear("spBv1.0/farm/NDATA/e1", 7, p.again(1, 9), p.named("Load", 9))
			p.pass(3 * time.Second)
			readings, published := p.look()
			if len(readings) > 0 || len(rebirths(published)) != 1 {
				t.Errorf("read %q and asked %v, want nothing read before a birth, and one asked for", told(readings), rebirths(published))
			}
			p = open(t, options())
			p.hear("spBv1.0/farm/NBIRTH/e1", 0, p.bdSeq(0))
			p.hear("spBv1.0/farm/DDATA/e1/wt01", 1, p.named("Power", 9)) // of a device without a birth
			if readings, published := p.look(); len(told(readings)) != 1 || len(rebirths(published)) != 1 {
				t.Errorf("read %q and asked %v", told(readings), rebirths(published))
			}
		}},
		{"payloads-metric-datatype-value-type payloads-metric-datatype-value", func(x trial) {
			t := x.T
			refusedPayload(t, "datatype: 35", func(p *plant) tree {
				return tree{"seq": uint64(2), "metrics": []any{tree{"name": "Power", "datatype": uint32(35), "double_value": 1.0}}}
			})
		}},
		{"payloads-metric-datatype-req payloads-metric-datatype-not-req", func(x trial) {
			t := x.T
			p := open(t, options())
			p.bear(0)
			p.hear("spBv1.0/farm/DDATA/e1/wt01", 2, tree{"alias": uint64(3), "timestamp": p.ms(), "datatype": uint32(int16Kind), "int_value": uint32(0xFFFF)})
			p.hear("spBv1.0/farm/DDATA/e1/wt01", 3, tree{"alias": uint64(3), "timestamp": p.ms() + 1, "double_value": 2.0})
			p.want("WT01 Power=-1 1", "WT01 Power=2 1")
			p.hear("spBv1.0/farm/NBIRTH/e1", 0, p.bdSeq(0), tree{"name": "untyped", "alias": uint64(1), "timestamp": p.ms(), "double_value": 1.0})
			p.want() // nobody knows what it is
		}},
		{"payloads-propertyset-keys-array-size payloads-propertyset-values-array-size", func(x trial) {
			t := x.T
			refusedPayload(t, "1 keys and 0 values", func(p *plant) tree {
				return tree{"seq": uint64(2), "metrics": []any{tree{"alias": uint64(3), "double_value": 1.0, "properties": tree{"keys": []any{"engUnit"}}}}}
			})
		}},
		{"payloads-metric-propertyvalue-type-type payloads-metric-propertyvalue-type-value", func(x trial) {
			t := x.T
			refusedPayload(t, "type of a property: 99", func(p *plant) tree {
				return tree{"seq": uint64(2), "metrics": []any{tree{"alias": uint64(3), "double_value": 1.0, "properties": tree{"keys": []any{"a"}, "values": []any{tree{"type": uint32(99)}}}}}}
			})
		}},
		{"payloads-propertyset-quality-value-type payloads-propertyset-quality-value-value", func(x trial) {
			t := x.T
			for code, want := range map[uint32]int{0: 0, 192: 1, 500: 0} {
				p := open(t, options())
				p.bear(0)
				m := p.again(3, 1)
				m["properties"] = tree{"keys": []any{"Quality"}, "values": []any{tree{"type": uint32(int32Kind), "int_value": code}}}
				p.hear("spBv1.0/farm/DDATA/e1/wt01", 2, m)
				if readings, _ := p.look(); len(readings) != want {
					t.Errorf("quality %d gives %q", code, told(readings))
				}
			}
		}},
		{"payloads-dataset-column-size payloads-dataset-column-num-headers payloads-dataset-types-num", func(x trial) {
			t := x.T
			for name, set := range map[string]tree{
				"columns": {"num_of_columns": uint64(2), "columns": []any{"a"}, "types": []any{uint32(3)}},
				"headers": {"num_of_columns": uint64(1), "types": []any{uint32(3)}},
				"types":   {"num_of_columns": uint64(1), "columns": []any{"a"}, "types": []any{uint32(3), uint32(3)}},
			} {
				t.Run(name, func(t *testing.T) {
					refusedPayload(t, "a data set of", func(p *plant) tree {
						return tree{"seq": uint64(2), "metrics": []any{tree{"alias": uint64(3), "dataset_value": set}}}
					})
				})
			}
		}},
		{"payloads-template-definition-nbirth-only payloads-template-definition-is-definition payloads-template-instance-ref payloads-template-instance-members", func(x trial) {
			t := x.T
			p := open(t, options()) // templates are gone through and not read
			definition := tree{"name": "Motor", "alias": uint64(8), "datatype": uint32(templateKind), "template_value": tree{"is_definition": true, "metrics": []any{tree{"name": "rpm", "datatype": uint32(doubleKind), "is_null": true}}}}
			instance := tree{"name": "M1", "alias": uint64(9), "datatype": uint32(templateKind), "template_value": tree{"template_ref": "Motor", "is_definition": false, "metrics": []any{tree{"name": "rpm", "double_value": 5.0}}}}
			p.hear("spBv1.0/farm/NBIRTH/e1", 0, p.bdSeq(0), definition, instance, p.double("Load", 1, 10))
			p.want("station status online", "station Load=10 1")
			nested := tree{"name": "deep", "double_value": 1.0}
			for range maxDepth + 2 {
				nested = tree{"name": "deep", "template_value": tree{"metrics": []any{nested}}}
			}
			if err := p.hearRaw("spBv1.0/farm/NDATA/e1", p.message(1, nested)); !errors.Is(err, asset.ErrInvalid) {
				t.Errorf("a template %d deep gives %v", maxDepth+2, err)
			}
		}},
		{"topics-nbirth-bdseq-included topics-nbirth-bdseq-matching payloads-nbirth-bdseq payloads-nbirth-bdseq-repeat payloads-ndeath-bdseq payloads-ndeath-seq topics-ndeath-seq topics-ndeath-payload", func(x trial) {
			t := x.T
			for _, bdSeq := range []uint64{0, 255, 1 << 40} {
				t.Run(fmt.Sprint(bdSeq), func(t *testing.T) {
					p := open(t, options())
					p.bear(bdSeq)
					p.hear("spBv1.0/farm/NDEATH/e1", -1, p.bdSeq(bdSeq+1))
					p.want()
					p.hear("spBv1.0/farm/NDEATH/e1", -1, p.bdSeq(bdSeq))
					p.want("station status offline", "WT01 status offline")
				})
			}
		}},
	}
}
