package mqtt_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/ingest"
	"github.com/telltale-iot/telltale/ingest/mqtt"
)

// diary writes down what a handler is told.
type diary struct {
	mu   sync.Mutex
	told []string
}

func (d *diary) note(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.told = append(d.told, fmt.Sprintf(format, args...))
}

func (d *diary) handler() *mqtt.Handler {
	state := func(online bool) mqtt.Publication {
		return mqtt.Publication{Topic: "spBv1.0/STATE/host", Payload: fmt.Append(nil, online), QoS: 1, Retained: true}
	}
	ticks := 0
	return &mqtt.Handler{
		Filters: []string{"spBv1.0/+/#", "spBv1.0/STATE/host"},
		Handle: func(_ time.Time, topic string, payload []byte) ([]asset.Reading, []mqtt.Publication, error) {
			d.note("%s %s", topic, payload)
			if string(payload) == "bad" {
				return nil, []mqtt.Publication{{Topic: "spBv1.0/g/NCMD/e", Payload: []byte("rebirth")}}, fmt.Errorf("bad")
			}
			return []asset.Reading{{Asset: "a", Time: t0, Points: []asset.Point{{Metric: string(payload)}}}}, nil, nil
		},
		Tick: func(time.Time) ([]asset.Reading, []mqtt.Publication) {
			if ticks++; ticks > 1 {
				return nil, nil
			}
			return []asset.Reading{{Asset: "ticked"}}, nil
		},
		Lost:  func(time.Time) { d.note("lost") },
		Birth: func(time.Time) []mqtt.Publication { d.note("birth"); return []mqtt.Publication{state(true)} },
		Will:  func(time.Time) mqtt.Publication { d.note("will"); return state(false) },
		Death: func(time.Time) []mqtt.Publication { d.note("death"); return []mqtt.Publication{state(false)} },
	}
}

func published(t *testing.T, p peer, topic, payload string, qos byte, retained bool) {
	t.Helper()
	m, ok := p.next().(*packets.PublishPacket)
	if !ok || m.TopicName != topic || string(m.Payload) != payload || m.Qos != qos || m.Retain != retained || qos > 0 && m.MessageID == 0 {
		t.Fatalf("the client sends %v, want %s on %s at %d", m, payload, topic, qos)
	}
	if qos > 0 {
		ack := packets.NewControlPacket(packets.Puback).(*packets.PubackPacket)
		ack.MessageID = m.MessageID
		p.send(ack)
	}
}

// A handler has a clean session with its will and its birth, hears everything in order,
// and says good-bye by itself.
func TestHandlerHasTheSession(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	d := &diary{}
	var dead []ingest.DeadLetter
	s := begin(t, mqtt.Options{Config: mqtt.Config{URL: f.url(), Group: "g"}, Handler: d.handler(), Refused: func(l ingest.DeadLetter) { dead = append(dead, l) }})
	var c peer
	for life := range 2 {
		var hello *packets.ConnectPacket
		c, hello = f.accept(false)
		if !hello.CleanSession || !hello.WillFlag || hello.WillTopic != "spBv1.0/STATE/host" || string(hello.WillMessage) != "false" || hello.WillQos != 1 || !hello.WillRetain {
			t.Errorf("the client says %+v", hello)
		}
		if asked := c.grant(1, 1); fmt.Sprint(asked.Topics) != "[spBv1.0/+/# spBv1.0/STATE/host]" || string(asked.Qoss) != "\x01\x01" {
			t.Errorf("asks for %v", asked.Topics)
		}
		c.give("spBv1.0/g/NDATA/e", 1, false, []byte("bad"))
		c.give("spBv1.0/g/NDATA/e", 2, false, fmt.Append(nil, life))
		r, pos := next(t, s)
		if r.Asset == "ticked" { // before or after the others
			r, pos = next(t, s)
		}
		if fmt.Sprint(r.Points) != fmt.Sprintf("[{%d 0  0 }]", life) {
			t.Fatalf("got %+v", r)
		}
		published(t, c, "spBv1.0/STATE/host", "true", 1, true)
		for range 2 { // the refused one is acknowledged before or after what it asks for
			switch x := c.next().(type) {
			case *packets.PubackPacket:
			case *packets.PublishPacket:
				if string(x.Payload) != "rebirth" || x.Qos != 0 {
					t.Errorf("the client sends %v", x)
				}
			}
		}
		s.Ack(pos)
		c.acked()
		if life == 0 {
			_ = c.Close()
		}
	}
	go s.Close()
	published(t, c, "spBv1.0/STATE/host", "false", 1, true)
	if _, ok := c.next().(*packets.DisconnectPacket); !ok {
		t.Error("no DISCONNECT")
	}
	_ = c.Close()
	s.Close()
	d.mu.Lock()
	defer d.mu.Unlock()
	const bad, topic = "spBv1.0/g/NDATA/e bad ", "spBv1.0/g/NDATA/e "
	want := "[will birth " + bad + topic + "0 will lost birth " + bad + topic + "1 death]"
	other := "[will birth " + bad + topic + "0 lost will birth " + bad + topic + "1 death]"
	if got := fmt.Sprint(d.told); got != want && got != other {
		t.Errorf("the handler is told %s, want %s", got, want)
	}
	if len(dead) != 2 || dead[0].Reason != ingest.Undecodable {
		t.Errorf("dead letters %+v", dead)
	}
}
