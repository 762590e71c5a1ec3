//go:build accept

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/ingest"
)

// TestAcceptProtocolMQTT has a mosquitto that keeps its sessions on disk, and a turbine that
// publishes to it, one reading after the other at QoS 1, until each is acknowledged.
func TestAcceptProtocolMQTT(t *testing.T) {
	program := os.Getenv("TELLTALE_MOSQUITTO")
	if program == "" {
		t.Skip("skipped: TELLTALE_MOSQUITTO names no mosquitto")
	}
	t.Parallel()
	_, period := trial(t)
	plate, rows := turbineTable(t)
	dir, port := t.TempDir(), freePort(t)
	conf := filepath.Join(dir, "conf")
	lines := []string{"user root", "allow_anonymous true", "persistence true", "persistence_location " + dir + "/", "autosave_interval 1", "autosave_on_changes true", "listener " + port + " 127.0.0.1"}
	if err := os.WriteFile(conf, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	server := &peer{t: t, name: "mosquitto", args: func(int) []string { return []string{program, "-c", conf} }, up: func() error { return listening("127.0.0.1:" + port) }}
	server.start()
	defer server.kill()
	way := network(t, port)
	s := runService(t, plate, map[string]any{"mqtt": map[string]any{"url": "tcp://" + way.address(), "client_id": "telltale-proof"}})
	ctx, stop := context.WithCancel(t.Context())
	turbine := &sender{plate: plate, rows: rows, send: (&mqttSender{address: "127.0.0.1:" + port}).send}
	var sending sync.WaitGroup
	sending.Go(func() { turbine.run(ctx, period) })
	ordeal(t, s, faultsOf(server, way))
	stop()
	sending.Wait()
	time.Sleep(2 * time.Second)
	s.stop()
	kept, gaps, counts := s.kept(plate.ID)
	t.Logf("counted: %v", counts)
	account(t, turbine.after(kept[0].at), kept, gaps, time.Now(), func(k keptReading) int64 { return k.at.UnixNano() })
}

// listening waits until something listens there.
func listening(address string) error {
	var err error
	for range 100 {
		var c net.Conn
		if c, err = net.DialTimeout("tcp", address, time.Second); err == nil {
			return c.Close()
		}
		time.Sleep(50 * time.Millisecond)
	}
	return err
}

// sender is a turbine that sends its readings over something that acknowledges them.
type sender struct {
	plate asset.Nameplate
	rows  [][]float64
	send  func(ctx context.Context, r asset.Reading) error // until it is acknowledged, or ctx ends
	sent  []sentReading
}

// run sends a reading at each period. While one waits for its acknowledgement none are made:
// the turbine's own clock stands for what it would have to say.
func (s *sender) run(ctx context.Context, period time.Duration) {
	for ingest.Sleep(ctx, time.Until(time.Now().Truncate(period).Add(period))) {
		at := time.Now().UTC().Truncate(time.Microsecond)
		r := asset.Reading{Asset: s.plate.ID, Time: at}
		values := map[string]float64{}
		for i, v := range s.rows[len(s.sent)%len(s.rows)] {
			m := s.plate.Metrics[i]
			r.Points = append(r.Points, asset.Point{Metric: m.Name, Value: v, Unit: m.Unit, Quality: 100})
			values[m.Name] = v
		}
		err := s.send(ctx, r)
		s.sent = append(s.sent, sentReading{key: at.UnixNano(), at: at, values: values, sure: err == nil})
	}
}

// after are those from a time on: what was sent before anybody subscribed is nobody's.
func (s *sender) after(begun time.Time) []sentReading {
	var out []sentReading
	for _, x := range s.sent {
		x.sure = x.sure && !x.at.Before(begun)
		out = append(out, x)
	}
	return out
}

// mqttSender publishes at QoS 1, one message at a time.
type mqttSender struct {
	address string
	conn    net.Conn
	id      uint16
}

// send publishes until the broker acknowledges, over as many connections as that takes.
func (m *mqttSender) send(ctx context.Context, r asset.Reading) error {
	body, err := ingest.EncodeTelemetry(r)
	if err != nil {
		return err
	}
	p := packets.NewControlPacket(packets.Publish).(*packets.PublishPacket)
	m.id = m.id%65535 + 1
	p.Qos, p.MessageID, p.TopicName, p.Payload = 1, m.id, "telltale/"+string(r.Asset)+"/telemetry", body
	for ctx.Err() == nil {
		if err := m.try(p); err == nil {
			return nil
		}
		p.Dup = true
		if m.conn != nil {
			_ = m.conn.Close()
			m.conn = nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return ctx.Err()
}

func (m *mqttSender) try(p *packets.PublishPacket) error {
	if m.conn == nil {
		c, err := net.DialTimeout("tcp", m.address, time.Second)
		if err != nil {
			return err
		}
		m.conn = c
		hello := packets.NewControlPacket(packets.Connect).(*packets.ConnectPacket)
		hello.ProtocolName, hello.ProtocolVersion, hello.ClientIdentifier, hello.CleanSession = "MQTT", 4, "turbine", true
		if _, err := m.exchange(hello); err != nil {
			return err
		}
	}
	answer, err := m.exchange(p)
	if err != nil {
		return err
	}
	if ack, ok := answer.(*packets.PubackPacket); !ok || ack.MessageID != p.MessageID {
		return fmt.Errorf("answer %v", answer)
	}
	return nil
}

func (m *mqttSender) exchange(p packets.ControlPacket) (packets.ControlPacket, error) {
	if err := errors.Join(m.conn.SetDeadline(time.Now().Add(2*time.Second)), p.Write(m.conn)); err != nil {
		return nil, err
	}
	return packets.ReadPacket(m.conn)
}
