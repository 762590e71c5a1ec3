package sparkplug

import (
	"encoding/json"
	"errors"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

// statement is what the specification asks of a host application under some IDs, tried.
type statement struct {
	ids  string // without tck-id-
	test func(x trial)
}

// trial is a test under way.
type trial struct{ *testing.T }

// statements are those of Eclipse Sparkplug 3.0.0 that concern a host application and the
// reading of payloads. docs/sparkplug.md lists them.
func statements() []statement {
	return slices.Concat(stateStatements(), sessionStatements(), topicStatements(), payloadStatements(), edgeStatements())
}

func TestStatementsOfTheSpecification(t *testing.T) {
	for _, s := range statements() {
		for id := range strings.FieldsSeq(s.ids) {
			t.Run("tck-id-"+id, func(t *testing.T) { s.test(trial{t}) })
		}
	}
}

// TestThePageListsTheStatements keeps docs/sparkplug.md true.
func TestThePageListsTheStatements(t *testing.T) {
	var listed, tested []string
	for _, row := range regexp.MustCompile("(?m)^\\| (`tck-id-.*?) \\|.*\\| (.*?) \\|$").FindAllStringSubmatch(page(t), -1) {
		if row[2] != "`TestStatementsOfTheSpecification`" {
			continue // not ours to hold, and the page says whose
		}
		for _, id := range regexp.MustCompile("`tck-id-([^`]+)`").FindAllStringSubmatch(row[1], -1) {
			listed = append(listed, id[1])
		}
	}
	for _, s := range statements() {
		tested = append(tested, strings.Fields(s.ids)...)
	}
	slices.Sort(listed)
	slices.Sort(tested)
	if len(slices.Compact(slices.Clone(tested))) != len(tested) {
		t.Error("a statement is tested twice")
	}
	for _, id := range tested {
		if !slices.Contains(listed, id) {
			t.Errorf("tck-id-%s is tested and not on the page", id)
		}
	}
	for _, id := range listed {
		if !slices.Contains(tested, id) {
			t.Errorf("tck-id-%s is on the page and not tested", id)
		}
	}
}

// page is docs/sparkplug.md.
func page(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("../../docs/sparkplug.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// stateOf reads a STATE by the rules of the specification.
func stateOf(t *testing.T, q Publication) (online bool, stamp int64) {
	t.Helper()
	var s map[string]any
	if err := json.Unmarshal(q.Payload, &s); err != nil {
		t.Fatalf("%s: %v", q.Payload, err)
	}
	online, is := s["online"].(bool)
	ms, number := s["timestamp"].(float64)
	if !is || !number || len(s) != 2 {
		t.Fatalf("STATE %s, want online and timestamp", q.Payload)
	}
	if q.Topic != "spBv1.0/STATE/telltale" || q.QoS != 1 || !q.Retained {
		t.Errorf("STATE on %s at QoS %d, retained %t", q.Topic, q.QoS, q.Retained)
	}
	return online, int64(ms)
}

func stateStatements() []statement {
	connected := func(t *testing.T) (h *Host, will Publication, birth []Publication) {
		t.Helper()
		h, err := New(options())
		if err != nil {
			t.Fatal(err)
		}
		will = h.Will(start)
		return h, will, h.Birth(start.Add(time.Second))
	}
	return []statement{
		{"host-topic-phid-death-required host-topic-phid-death-topic host-topic-phid-death-payload host-topic-phid-death-payload-connect host-topic-phid-death-qos host-topic-phid-death-retain operational-behavior-host-application-connect-will operational-behavior-host-application-connect-will-topic operational-behavior-host-application-connect-will-payload operational-behavior-host-application-connect-will-qos operational-behavior-host-application-connect-will-retained payloads-state-will-message payloads-state-will-message-qos payloads-state-will-message-retain payloads-state-will-message-payload", func(x trial) {
			t := x.T
			_, will, _ := connected(t)
			if online, stamp := stateOf(t, will); online || stamp != start.UnixMilli() {
				t.Errorf("will %s, want offline at the time of the connection", will.Payload)
			}
		}},
		{"host-topic-phid-birth-message host-topic-phid-birth-required host-topic-phid-birth-topic host-topic-phid-birth-payload host-topic-phid-birth-payload-timestamp host-topic-phid-birth-qos host-topic-phid-birth-retain message-flow-phid-sparkplug-state-publish message-flow-phid-sparkplug-state-publish-payload message-flow-phid-sparkplug-state-publish-payload-timestamp operational-behavior-host-application-connect-birth operational-behavior-host-application-connect-birth-topic operational-behavior-host-application-connect-birth-payload operational-behavior-host-application-connect-birth-qos operational-behavior-host-application-connect-birth-retained operational-behavior-primary-application-state-with-multiple-servers-state payloads-state-birth payloads-state-birth-payload intro-sparkplug-host-state components-ph-state conformance-primary-host", func(x trial) {
			t := x.T
			h, will, birth := connected(t)
			if len(birth) != 1 {
				t.Fatalf("published %v, want STATE alone and first", birth)
			}
			online, stamp := stateOf(t, birth[0])
			if _, same := stateOf(t, will); !online || stamp != same {
				t.Errorf("birth %s, want online at the time of the will %d", birth[0].Payload, same)
			}
			h.Lost(start.Add(time.Minute))
			_, later := stateOf(t, h.Will(start.Add(time.Hour)))
			if _, stamp := stateOf(t, h.Birth(start.Add(time.Hour))[0]); stamp != later || stamp != start.Add(time.Hour).UnixMilli() {
				t.Errorf("the next birth is of %d, want that of its own will %d", stamp, later)
			}
		}},
		{"host-topic-phid-birth-sub-required message-flow-phid-sparkplug-subscription payloads-state-subscribe", func(x trial) {
			t := x.T
			h, _, _ := connected(t)
			filters := h.Filters()
			for _, topic := range []string{"spBv1.0/STATE/telltale", "spBv1.0/farm/NBIRTH/e", "spBv1.0/farm/NDEATH/e", "spBv1.0/farm/NDATA/e", "spBv1.0/farm/DBIRTH/e/d", "spBv1.0/farm/DDEATH/e/d", "spBv1.0/farm/DDATA/e/d"} {
				if n := matching(filters, topic); n != 1 {
					t.Errorf("%d of %q match %s, want 1", n, filters, topic)
				}
			}
			if n := matching(filters, "spBv1.0/STATE/other") + matching(filters, "spBv1.0/farm/NCMD/e"); n != 0 {
				t.Errorf("%q match what is not ours to hear", filters)
			}
		}},
		{"message-flow-hid-sparkplug-state-message-delivered", func(x trial) {
			t := x.T
			p := open(t, options())
			_, stamp := stateOf(t, p.host.Will(p.now))
			p.pass(time.Minute)
			p.look()
			if err := p.hearRaw("spBv1.0/STATE/telltale", []byte(`{"online":false,"timestamp":1}`)); err != nil {
				t.Fatal(err)
			}
			_, published := p.look()
			if len(published) != 1 {
				t.Fatalf("published %v, want STATE again", published)
			}
			if online, again := stateOf(t, published[0]); !online || again != stamp {
				t.Errorf("published %s, want online at %d", published[0].Payload, stamp)
			}
			for _, quiet := range []string{`spBv1.0/STATE/telltale {"online":true,"timestamp":1}`, `spBv1.0/STATE/other {"online":false,"timestamp":1}`} {
				topic, payload, _ := strings.Cut(quiet, " ")
				if err := p.hearRaw(topic, []byte(payload)); err != nil {
					t.Error(err)
				}
			}
			if _, published := p.look(); len(published) > 0 {
				t.Errorf("published %v, want nothing", published)
			}
			if err := p.hearRaw("spBv1.0/STATE/telltale", []byte("OFFLINE")); !errors.Is(err, asset.ErrInvalid) {
				t.Errorf("a STATE of another version gives %v", err)
			}
		}},
		{"operational-behavior-host-application-termination operational-behavior-host-application-death-topic operational-behavior-host-application-death-payload operational-behavior-host-application-death-qos operational-behavior-host-application-death-retained host-topic-phid-death-payload-disconnect-clean", func(x trial) {
			t := x.T
			h, _, _ := connected(t)
			death := h.Death(start.Add(time.Hour))
			if online, stamp := stateOf(t, death[0]); online || stamp != start.Add(time.Hour).UnixMilli() {
				t.Errorf("death %s, want offline now", death[0].Payload)
			}
			if _, published, err := h.Handle(start, death[0].Topic, death[0].Payload); err != nil || len(published) > 0 {
				t.Errorf("our own death is answered with %v, %v", published, err)
			}
		}},
	}
}

// matching counts the filters that match a topic, by the rules of MQTT.
func matching(filters []string, topic string) (n int) {
	levels := strings.Split(topic, "/")
	for _, f := range filters {
		parts := strings.Split(f, "/")
		if len(parts) != len(levels) {
			continue
		}
		ok := true
		for i, p := range parts {
			ok = ok && (p == "+" || p == levels[i])
		}
		if ok {
			n++
		}
	}
	return n
}

func sessionStatements() []statement {
	return []statement{
		{"operational-behavior-edge-node-termination-host-action-ndeath-node-offline operational-behavior-edge-node-termination-host-action-ndeath-devices-offline", func(x trial) {
			t := x.T
			p := open(t, options())
			p.bear(9)
			p.pass(time.Second)
			p.hear("spBv1.0/farm/NDEATH/e1", -1, p.bdSeq(9))
			for _, r := range p.want("station status offline", "WT01 status offline") {
				if !r.Time.Equal(p.now) {
					t.Errorf("offline at %s, want our time %s", r.Time, p.now)
				}
			}
			if s := p.status("e1"); s.State != Offline || s.Devices["wt01"] != Offline {
				t.Errorf("status %+v", s)
			}
		}},
		{"operational-behavior-edge-node-termination-host-action-ndeath-node-tags-stale operational-behavior-edge-node-termination-host-action-ndeath-devices-tags-stale", func(x trial) {
			t := x.T
			p := open(t, options())
			p.bear(9)
			p.hear("spBv1.0/farm/NDEATH/e1", -1, p.bdSeq(9))
			p.look()
			p.hear("spBv1.0/farm/NDATA/e1", 2, p.again(1, 1), p.named("Load", 1))
			p.hear("spBv1.0/farm/DDATA/e1/wt01", 3, p.again(3, 1), p.named("Power", 1))
			p.pass(3 * time.Second)
			p.want() // no value of a session that is over
		}},
		{"operational-behavior-edge-node-termination-host-action-ddeath-devices-offline operational-behavior-edge-node-termination-host-action-ddeath-devices-tags-stale operational-behavior-device-ddeath", func(x trial) {
			t := x.T
			p := open(t, options())
			p.bear(9)
			p.pass(time.Second)
			p.hear("spBv1.0/farm/DDEATH/e1/wt01", 2)
			p.want("WT01 status offline")
			if s := p.status("e1"); s.State != Online || s.Devices["wt01"] != Offline {
				t.Errorf("status %+v", s)
			}
			p.hear("spBv1.0/farm/DDATA/e1/wt01", 3, p.again(3, 1), p.named("Power", 1))
			p.hear("spBv1.0/farm/NDATA/e1", 4, p.again(1, 2))
			p.want("station Load=2 1")
			p.pass(time.Minute)
			p.look()
			p.hear("spBv1.0/farm/DBIRTH/e1/wt01", 5, p.double("Power", 3, 70))
			p.want("WT01 gap", "WT01 status online", "WT01 Power=70 1")
		}},
		{"operational-behavior-host-reordering-param", func(x trial) {
			t := x.T
			opt := options()
			opt.Reorder = 500 * time.Millisecond
			p := open(t, opt)
			p.bear(0)
			p.hear("spBv1.0/farm/NDATA/e1", 3, p.again(1, 3))
			p.pass(400 * time.Millisecond)
			if _, published := p.look(); len(published) > 0 {
				t.Errorf("published %v within the time", published)
			}
			p.pass(200 * time.Millisecond)
			if _, published := p.look(); len(rebirths(published)) != 1 {
				t.Errorf("published %v, want a request", published)
			}
		}},
		{"operational-behavior-host-reordering-start operational-behavior-host-reordering-success", func(x trial) {
			t := x.T
			p := open(t, options())
			p.bear(0)
			p.pass(100 * time.Millisecond)
			second := p.message(2, p.again(1, 2))
			p.now = p.now.Add(time.Millisecond)
			p.hear("spBv1.0/farm/NDATA/e1", 4, p.again(1, 4))
			p.hear("spBv1.0/farm/DDATA/e1/wt01", 3, p.again(3, 3))
			p.want()
			if s := p.status("e1"); s.Held != 2 {
				t.Errorf("%d messages are held, want 2", s.Held)
			}
			p.pass(1900 * time.Millisecond)
			if err := p.hearRaw("spBv1.0/farm/NDATA/e1", second); err != nil {
				t.Fatal(err)
			}
			p.want("station Load=2 1", "WT01 Power=3 1", "station Load=4 1") // in the order of seq
			p.pass(time.Minute)
			if readings, published := p.look(); len(readings)+len(published) > 0 {
				t.Errorf("then came %q and %v", told(readings), published)
			}
			p.hear("spBv1.0/farm/NDATA/e1", 5, p.again(1, 5))
			p.want("station Load=5 1")
		}},
		{"operational-behavior-host-reordering-rebirth operational-behavior-data-commands-ncmd-rebirth-verb operational-behavior-data-commands-ncmd-rebirth-name operational-behavior-data-commands-ncmd-rebirth-value operational-behavior-data-commands-ncmd-verb operational-behavior-data-commands-ncmd-metric-name operational-behavior-data-commands-ncmd-metric-value topics-ncmd-topic topics-ncmd-mqtt topics-ncmd-timestamp topics-ncmd-payload payloads-ncmd-timestamp payloads-ncmd-seq payloads-ncmd-qos payloads-ncmd-retain", func(x trial) {
			t := x.T
			p := open(t, options())
			p.bear(0)
			p.hear("spBv1.0/farm/NDATA/e1", 3, p.again(1, 3))
			p.pass(2 * time.Second)
			_, published := p.look()
			if len(published) != 1 || published[0].Topic != "spBv1.0/farm/NCMD/e1" || published[0].QoS != 0 || published[0].Retained {
				t.Fatalf("published %+v", published)
			}
			got := unmarshal(t, published[0].Payload) // by code that is not ours
			m := metricsOf(got)["Node Control/Rebirth"]
			if got["timestamp"] != uint64(p.now.UnixMilli()) || got["seq"] != nil || len(metricsOf(got)) != 1 || m["boolean_value"] != true || m["datatype"] != uint32(boolKind) || m["alias"] != nil {
				t.Errorf("payload %v", got)
			}
		}},
	}
}
