//go:build accept

package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	awskinesis "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/ingest"
	"github.com/telltale-iot/telltale/ingest/kinesis"
)

// TestAcceptProtocolKinesis has a kinesalite that keeps its streams on disk, and a turbine
// that puts one record after the other, each until it is acknowledged.
func TestAcceptProtocolKinesis(t *testing.T) {
	home := os.Getenv("TELLTALE_KINESALITE")
	if home == "" {
		t.Skip("skipped: TELLTALE_KINESALITE names no folder with kinesalite")
	}
	t.Parallel()
	_, period := trial(t)
	turbine := vibratingTurbine(t)
	dir, port := t.TempDir(), freePort(t)
	server := &peer{t: t, name: "kinesalite", args: func(int) []string {
		return []string{"node", filepath.Join(home, "node_modules/kinesalite/cli.js"), "--port", port, "--path", filepath.Join(dir, "streams"), "--createStreamMs", "10"}
	}, up: func() error { return listening("127.0.0.1:" + port) }}
	server.start()
	defer server.kill()
	who := filepath.Join(dir, "credentials")
	if err := os.WriteFile(who, []byte("[default]\naws_access_key_id = key\naws_secret_access_key = secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	stream := kinesis.Stream{Name: "turbines", Region: "eu-central-1", Endpoint: "http://127.0.0.1:" + port}
	client := kinesisClient(t, stream, who)
	way := network(t, port)
	behind := stream
	behind.Endpoint = "http://" + way.address()
	s := runService(t, turbine.plate, map[string]any{"kinesis": kinesis.Consume{Stream: behind, Checkpoint: filepath.Join(dir, "checkpoint")}},
		"AWS_SHARED_CREDENTIALS_FILE="+who, "AWS_EC2_METADATA_DISABLED=true")
	turbine.send = func(ctx context.Context, r asset.Reading) error {
		key := string(r.Asset)
		record := &awskinesis.PutRecordInput{StreamName: &stream.Name, PartitionKey: &key, Data: ingest.AppendTelemetry(nil, r)}
		for {
			if err := timed(ctx, 2*time.Second, func(ctx context.Context) error { _, err := client.PutRecord(ctx, record); return err }); err == nil {
				return nil
			}
			if !ingest.Sleep(ctx, 50*time.Millisecond) {
				return ctx.Err()
			}
		}
	}
	turbine.during(t.Context(), period, func() { ordeal(t, s, faultsOf(server, way)) })
	time.Sleep(3 * time.Second) // it is asked each second
	s.stop()
	left := s.kept(turbine.plate.ID)
	turbine.account(t, left, time.Time{})
	if len(left.gaps) > 0 {
		t.Errorf("%d gaps in what the stream kept, such as %s", len(left.gaps), left.gaps[0].text)
	}
}

func timed(ctx context.Context, most time.Duration, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	return f(ctx)
}

// kinesisClient is one of AWS's own; it makes the stream, which is there when it returns.
func kinesisClient(t *testing.T, stream kinesis.Stream, credentials string) *awskinesis.Client {
	t.Helper()
	conf, err := awsconfig.LoadDefaultConfig(t.Context(), awsconfig.WithRegion(stream.Region), awsconfig.WithSharedCredentialsFiles([]string{credentials}))
	if err != nil {
		t.Fatal(err)
	}
	client := awskinesis.NewFromConfig(conf, func(o *awskinesis.Options) { o.BaseEndpoint = &stream.Endpoint })
	one := int32(1)
	if _, err := client.CreateStream(t.Context(), &awskinesis.CreateStreamInput{StreamName: &stream.Name, ShardCount: &one}); err != nil {
		t.Fatal(err)
	}
	err = timed(t.Context(), time.Minute, func(ctx context.Context) error {
		for {
			out, err := client.DescribeStream(ctx, &awskinesis.DescribeStreamInput{StreamName: &stream.Name})
			if err == nil && out.StreamDescription.StreamStatus == types.StreamStatusActive {
				return nil
			}
			if !ingest.Sleep(ctx, 50*time.Millisecond) {
				return errors.Join(ctx.Err(), err)
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return client
}
