package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/ingest"
	"github.com/telltale-iot/telltale/ingest/kafka"
	"github.com/telltale-iot/telltale/ingest/mqtt"
)

// The program as it is started, from a broker to a cluster that is away at first.
func TestGatewayFromMQTTToKafka(t *testing.T) {
	const readings = 600
	broker, err := mqtt.NewBroker("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close() //nolint:errcheck // the test is over
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(4, "telemetry"))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	back := time.Now().Add(2 * time.Second)
	cluster.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		if time.Now().Before(back) {
			return nil, errors.New("away"), true
		}
		return nil, nil, false
	})
	conf := filepath.Join(t.TempDir(), "conf.yaml")
	text := fmt.Sprintf(`data: %s
listen: 127.0.0.1:0
assets:
  - {id: wt0, kind: wind-turbine, components: [{name: gearbox, type: gearbox}]}
source:
  max_past: 876000h
  mqtt: {url: "%s", client_id: gw}
gateway:
  drain: 20s
  kafka: {brokers: ["%s"], topic: telemetry, partitions: 4, compression: zstd}
`, t.TempDir(), broker.URL(), cluster.ListenAddrs()[0])
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended, stderr := make(chan int, 1), new(strings.Builder)
	said, stdout := io.Pipe()
	go func() {
		ended <- run(ctx, []string{"run", "-c", conf, "--role", "gateway"}, stdout, stderr)
	}()
	defer func() {
		stop()
		if code := <-ended; code != 0 || t.Failed() {
			t.Errorf("exit code %d: %s", code, stderr)
		}
	}()
	line, err := bufio.NewReader(said).ReadString(',')
	if err != nil {
		t.Fatal(err)
	}
	url := strings.TrimSuffix(strings.TrimPrefix(line, "telltale: gateway listening on "), ",")
	eventually(t, "the source is up", func() bool { _, body := fetch(t, url+"/api/v1/sources"); return strings.Contains(body, `"up":true`) })

	p, err := mqtt.NewPublisher(t.Context(), mqtt.Options{Config: mqtt.Config{URL: broker.URL(), ClientID: "plant"}})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for i := range readings {
		if err := p.Publish(t.Context(), fieldReading(i), 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	src, err := kafka.Open(t.Context(), kafka.Options{
		Consume: kafka.Consume{Cluster: kafka.Cluster{Brokers: cluster.ListenAddrs()}, Topics: []string{"telemetry"}, Group: "g"}, Decoder: new(ingest.Payloads),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	newest := map[asset.ID]time.Time{}
	var got []asset.Reading
	limit, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	for len(got) < readings {
		r, _, err := src.Next(limit)
		if err != nil {
			t.Fatalf("after %d readings: %v", len(got), err)
		}
		if r.Time.After(newest[r.Asset]) {
			newest[r.Asset] = r.Time
			got = append(got, r)
		}
	}
	complete(t, got, readings)
	if _, body := fetch(t, url+"/api/v1/sources"); !strings.Contains(body, `"readings":600`) {
		t.Errorf("sources: %s", body)
	}
}

// What goes to a stream says by itself what headers say elsewhere.
func TestGatewaysPayloadsNeedNoHeadersInAStream(t *testing.T) {
	var p packer
	out := kinesisBackbone{waves: &ingest.WaveCodec{}}
	var decoder ingest.Payloads
	for i := range 5 {
		m := message(p.record(fieldReading(i)))
		got, err := decoder.Decode(t.Context(), ingest.Message{Asset: m.Asset, Payload: out.withoutHeaders(m)})
		if err != nil {
			t.Fatal(err)
		}
		if want := fieldReading(i); len(got) != 1 || !reflect.DeepEqual(got[0], want) {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
}

func TestGatewayTellsRejectedRecordsFromAnAbsentCluster(t *testing.T) {
	away := errors.New("away")
	no, err := rejections(errors.Join(&ingest.Rejected{Index: 3, Err: io.ErrShortWrite}, errors.Join(&ingest.Rejected{Index: 5, Err: io.EOF}, away), &ingest.Rejected{Index: 7, Err: io.EOF}))
	if len(no) != 3 || !errors.Is(no[3], io.ErrShortWrite) || !errors.Is(no[5], io.EOF) || !errors.Is(no[7], io.EOF) || !errors.Is(err, away) {
		t.Errorf("rejected %v, error %v", no, err)
	}
	if no, err := rejections(nil); no != nil || err != nil {
		t.Errorf("nothing: %v, %v", no, err)
	}
}
