//go:build accept

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/ingest"
	"github.com/telltale-iot/telltale/ingest/kafka"
)

// TestAcceptProtocolKafka has an Apache Kafka that keeps what it acknowledged, and a turbine
// that sends to it until each message is.
func TestAcceptProtocolKafka(t *testing.T) {
	home := kafkaHome(t)
	t.Parallel()
	_, period := trial(t)
	turbine := vibratingTurbine(t)
	const topic = "turbines"
	server, brokers, way := apacheKafka(t, home, topic, 1)
	defer func() { server.kill() }()
	s := runService(t, turbine.plate, map[string]any{"kafka": map[string]any{"brokers": []string{way.address()}, "topics": []string{topic}, "group": "proof"}})
	producer, err := kafka.NewProducer(kafka.ProducerOptions{Produce: kafka.Produce{Cluster: kafka.Cluster{Brokers: brokers}, Topic: topic}})
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()
	turbine.send = func(ctx context.Context, r asset.Reading) error {
		records, err := recordsOf(r)
		if err != nil {
			return err
		}
		return producer.Send(ctx, records)
	}
	turbine.during(t.Context(), period, func() { ordeal(t, s, faultsOf(server, way)) })
	time.Sleep(2 * time.Second)
	s.stop()
	turbine.account(t, s.kept(turbine.plate.ID), time.Time{})
}

// kafkaHome is where .ci/kafka has put it.
func kafkaHome(t *testing.T) string {
	t.Helper()
	home := os.Getenv("TELLTALE_KAFKA")
	if home == "" {
		t.Skip("skipped: TELLTALE_KAFKA names no folder with Apache Kafka")
	}
	return home
}

// apacheKafka starts a cluster of one with a topic. It is reached directly, and over a
// network that can be broken.
func apacheKafka(t *testing.T, home, topic string, partitions int32) (server *peer, brokers []string, way *between) {
	t.Helper()
	dir, direct, behind, controller := t.TempDir(), freePort(t), freePort(t), freePort(t)
	way = network(t, behind)
	java := func(args ...string) []string {
		return append([]string{"java", "-Xmx320m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", filepath.Join(home, "libs") + "/*"}, args...)
	}
	properties := filepath.Join(dir, "server.properties")
	text := strings.Join([]string{
		"process.roles=broker,controller", "node.id=1", "controller.quorum.voters=1@127.0.0.1:" + controller,
		"listeners=DIRECT://127.0.0.1:" + direct + ",BEHIND://127.0.0.1:" + behind + ",CONTROLLER://127.0.0.1:" + controller,
		"advertised.listeners=DIRECT://127.0.0.1:" + direct + ",BEHIND://" + way.address(),
		"controller.listener.names=CONTROLLER", "inter.broker.listener.name=DIRECT", "listener.security.protocol.map=DIRECT:PLAINTEXT,BEHIND:PLAINTEXT,CONTROLLER:PLAINTEXT",
		"log.dirs=" + filepath.Join(dir, "log"), "offsets.topic.replication.factor=1", "offsets.topic.num.partitions=1", "auto.create.topics.enable=false",
	}, "\n")
	if err := os.WriteFile(properties, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	format := java("kafka.tools.StorageTool", "format", "-t", "MkU3OEVBNTcwNTJENDM2Qg", "-c", properties)
	if out, err := exec.CommandContext(t.Context(), format[0], format[1:]...).CombinedOutput(); err != nil { //nolint:gosec // the tester's own
		t.Fatalf("format: %v: %s", err, out)
	}
	brokers = []string{"127.0.0.1:" + direct}
	server = &peer{t: t, name: "Apache Kafka", args: func(int) []string { return java("kafka.Kafka", properties) }, up: func() error { return servesTopic(t.Context(), brokers, topic, partitions) }}
	server.start()
	return server, brokers, way
}

// servesTopic waits until the cluster leads the topic's partitions; it makes the topic.
func servesTopic(ctx context.Context, brokers []string, topic string, partitions int32) error {
	ctx, cancel := context.WithTimeout(ctx, 90*time.Second)
	defer cancel()
	c, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.RequestRetries(0))
	if err != nil {
		return err
	}
	defer c.Close()
	admin := kadm.NewClient(c)
	for {
		_, _ = admin.CreateTopic(ctx, partitions, 1, nil, topic)
		ends, err := admin.ListEndOffsets(ctx, topic)
		if err == nil {
			if err = ends.Error(); err == nil && len(ends[topic]) == int(partitions) {
				return nil
			}
			err = errors.Join(err, fmt.Errorf("%d of %d partitions are led", len(ends[topic]), partitions))
		}
		if !ingest.Sleep(ctx, 100*time.Millisecond) {
			return fmt.Errorf("kafka is not there: %w", err)
		}
	}
}
