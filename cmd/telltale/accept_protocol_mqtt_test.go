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
	"testing"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/ingest"
)

// TestAcceptProtocolMQTT has a mosquitto that keeps its sessions on disk, and a turbine that
// publishes to it, one message after the other at QoS 1, until each is acknowledged.
func TestAcceptProtocolMQTT(t *testing.T) {
	program := mosquittoProgram(t)
	t.Parallel()
	_, period := trial(t)
	turbine := vibratingTurbine(t)
	server, port := mosquitto(t, program, "persistence true", "persistence_location "+t.TempDir()+"/", "autosave_interval 1", "autosave_on_changes true")
	defer server.kill()
	way := network(t, port)
	s := runService(t, turbine.plate, map[string]any{"mqtt": map[string]any{"url": "tcp://" + way.address(), "client_id": "telltale-proof"}})
	turbine.send = (&mqttSender{address: "127.0.0.1:" + port}).send
	turbine.during(t.Context(), period, func() { ordeal(t, s, faultsOf(server, way)) })
	time.Sleep(2 * time.Second)
	s.stop()
	left := s.kept(turbine.plate.ID)
	turbine.account(t, left, left.readings[0].at)
}

// mosquittoProgram is where .ci/protocols has found it.
func mosquittoProgram(t *testing.T) string {
	t.Helper()
	program := os.Getenv("TELLTALE_MOSQUITTO")
	if program == "" {
		t.Skip("skipped: TELLTALE_MOSQUITTO names no mosquitto")
	}
	return program
}

// mosquitto starts one with lines of configuration.
func mosquitto(t *testing.T, program string, lines ...string) (server *peer, port string) {
	t.Helper()
	port = freePort(t)
	conf := filepath.Join(t.TempDir(), "conf")
	lines = append([]string{"user root", "allow_anonymous true", "log_type error"}, append(lines, "listener "+port+" 127.0.0.1")...)
	if err := os.WriteFile(conf, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	server = &peer{t: t, name: "mosquitto", args: func(int) []string { return []string{program, "-c", conf} }, up: func() error { return listening("127.0.0.1:" + port) }}
	server.start()
	return server, port
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

// mqttSender publishes at QoS 1, one message at a time.
type mqttSender struct {
	address string
	conn    net.Conn
	id      uint16
}

// send publishes until the broker acknowledges, over as many connections as that takes.
func (m *mqttSender) send(ctx context.Context, r asset.Reading) error {
	p := packets.NewControlPacket(packets.Publish).(*packets.PublishPacket)
	m.id = m.id%65535 + 1
	p.Qos, p.MessageID, p.TopicName = 1, m.id, "telltale/"+string(r.Asset)+"/telemetry"
	if r.Wave != nil {
		p.TopicName, p.Payload = "telltale/"+string(r.Asset)+"/wave/"+r.Wave.Channel, ingest.EncodeWave(nil, *r.Wave, 0)
	} else {
		body, err := ingest.EncodeTelemetry(r)
		if err != nil {
			return err
		}
		p.Payload = body
	}
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
