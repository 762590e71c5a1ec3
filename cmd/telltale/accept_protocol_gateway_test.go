//go:build accept

package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/ingest/kafka"
	"github.com/telltale-iot/telltale/ingest/mqtt"
)

// leaner is how much more memory than at its beginning the gateway may have at the end of
// an outage. The backlog of ten minutes is four times as much.
const leaner = 32 << 20

// TestAcceptProtocolGateway has a gateway carry a farm of 200 turbines from a mosquitto to
// an Apache Kafka that is killed and stays away: ten minutes, or a quarter of a shorter trial.
func TestAcceptProtocolGateway(t *testing.T) {
	program, home := mosquittoProgram(t), kafkaHome(t)
	if runtime.GOOS != "linux" {
		t.Skip("skipped: only Linux says what memory another process has")
	}
	t.Parallel()
	outage, _ := trial(t)
	if outage < 10*time.Minute {
		outage /= 4
	}
	const topic = "telemetry"
	broker, port := mosquitto(t, program, "max_inflight_messages 1000", "max_queued_messages 0")
	defer broker.kill()
	cluster, brokers, _ := apacheKafka(t, home, topic, 8)
	defer func() { cluster.kill() }()
	farm := &outageFarm{wave: benchVibration(), numbers: map[asset.ID]uint64{}, blocks: map[asset.ID][]time.Time{}}
	g := &collector{t: t, dir: t.TempDir(), args: []string{"--role", "gateway"}}
	g.open(map[string]any{
		"assets": farm.plates(), "source": map[string]any{"mqtt": map[string]any{"url": "tcp://127.0.0.1:" + port, "client_id": "gateway"}},
		"gateway": map[string]any{"kafka": kafka.Produce{Cluster: kafka.Cluster{Brokers: brokers}, Topic: topic, Partitions: 8}},
	})
	g.until("it listens to the broker", func() bool { return g.metric(`telltale_source_up{source="mqtt tcp://127.0.0.1:`+port+`"}`) == 1 })
	var err error
	if farm.publisher, err = mqtt.NewPublisher(t.Context(), mqtt.Options{Config: mqtt.Config{URL: "tcp://127.0.0.1:" + port, ClientID: "farm"}, Lost: func(error) {}}); err != nil {
		t.Fatal(err)
	}
	defer farm.publisher.Close()
	ctx, stop := context.WithCancel(t.Context())
	var sending errgroup.Group
	defer sending.Wait() //nolint:errcheck // it was asked before, unless the test has failed
	defer stop()
	sending.Go(func() error { return farm.run(ctx) })

	g.until("ten seconds have passed", func() bool { return g.metric("telltale_gateway_sent_total") > 10*outageTurbines })
	cluster.kill()
	resident, onDisk := g.endure(outage)
	cluster.start()
	back := time.Now()
	g.until("the backlog has gone", func() bool { return g.metric("telltale_spool_records") < outageTurbines })
	caught := time.Since(back)
	stop()
	if err := sending.Wait(); err != nil {
		t.Fatal(err)
	}
	if err := farm.publisher.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	g.until("all is on disk", func() bool { return g.metric("telltale_gateway_readings_total") >= farm.messages })
	g.until("the spool is empty", func() bool { return g.metric("telltale_spool_records") == 0 })
	g.stop()
	messages, again := farm.arrived(t, brokers, topic)
	t.Logf("an outage of %s: %d messages were sent, %d arrived, %d of them a second time; the backlog of %.1f MB had gone after %s", outage, farm.messages, messages, again, float64(onDisk)/1e6, caught.Round(time.Millisecond))
	if messages-again != farm.messages {
		t.Errorf("%d different messages arrived, sent were %d", messages-again, farm.messages)
	}
	flat(t, resident)
}

// endure notes each second of an outage what memory the gateway has, and at the end what
// its spool takes on disk.
func (s *collector) endure(outage time.Duration) (resident []int64, onDisk int64) {
	s.t.Helper()
	for end := time.Now().Add(outage); time.Now().Before(end); time.Sleep(time.Second) {
		n := residentBytes(s.t, s.cmd.Process.Pid)
		if n == 0 {
			s.t.Fatalf("the gateway ended by itself: %v", s.cmd.Wait())
		}
		resident = append(resident, n)
	}
	if up := s.metric("telltale_gateway_up"); up != 0 && outage > 2*time.Minute { // an attempt has a minute
		s.t.Error("the gateway says that the cluster is there")
	}
	return resident, s.metric("telltale_spool_bytes")
}

// flat wants no more memory in the last third of an outage than in the first.
func flat(t *testing.T, resident []int64) {
	t.Helper()
	third := len(resident) / 3
	first, last := slices.Max(resident[:third]), slices.Max(resident[len(resident)-third:])
	t.Logf("memory of the gateway: at most %.1f MB in the first third of the outage, %.1f MB in the last", float64(first)/1e6, float64(last)/1e6)
	if last > first+leaner {
		t.Errorf("memory grows with the backlog: %d bytes, then %d", first, last)
	}
}

// residentBytes is what of a process is in memory, by Linux; 0 of one that has ended.
func residentBytes(t *testing.T, pid int) int64 {
	t.Helper()
	body := bytesOf(t, fmt.Sprintf("/proc/%d/status", pid))
	for lines := bufio.NewScanner(bytes.NewReader(body)); lines.Scan(); {
		if v, ok := strings.CutPrefix(lines.Text(), "VmRSS:"); ok {
			kB, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(v), " kB"), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return kB << 10
		}
	}
	return 0
}

// until waits for a minute that something is so.
func (s *collector) until(what string, is func() bool) {
	s.t.Helper()
	for end := time.Now().Add(time.Minute); !is(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			s.t.Fatalf("waited in vain until %s", what)
		}
	}
}
