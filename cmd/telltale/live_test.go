package main

import (
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/telltale-iot/telltale/asset"
)

// TestASimulatedFarmIsReadByTheConfigurationThatItWrites has the farm over each protocol,
// and a service's sources on it.
func TestASimulatedFarmIsReadByTheConfigurationThatItWrites(t *testing.T) {
	for name, tc := range map[string]struct {
		args  []string
		waves bool
		clock bool // ours stamps
	}{
		"mqtt":      {[]string{"--live", "mqtt://127.0.0.1:0", "--serve", "--telemetry-every", "1m"}, true, false},
		"sparkplug": {[]string{"--live", "sparkplug://127.0.0.1:0", "--serve"}, true, true},
		"opc.tcp":   {[]string{"--live", "opc.tcp://127.0.0.1:0"}, true, true},
		"modbus":    {[]string{"--live", "modbus://127.0.0.1:0"}, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "try.yaml")
			ctx, stop := context.WithCancel(t.Context())
			var farm sync.WaitGroup
			farm.Go(func() {
				args := append([]string{"simulate", "--turbines", "2", "--speed", "600", "--wave-every", "10m", "--config", file}, tc.args...)
				if code := run(ctx, args, io.Discard, os.Stderr); code != 0 {
					t.Errorf("simulate ends with %d", code)
				}
			})
			defer farm.Wait()
			defer stop()
			conf := writtenConfig(t, file)
			conf.Data = t.TempDir()
			src, err := openIntake(ctx, conf, 0, time.Time{}, false, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			defer src.Close()
			metrics, waves := map[asset.ID]map[string]bool{}, map[asset.ID]bool{}
			ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
			defer cancel()
			whole := func(id asset.ID) bool { return len(metrics[id]) == 10 && waves[id] == tc.waves }
			for !whole("wt01") || !whole("wt02") {
				r, _, err := src.Next(ctx)
				if err != nil {
					t.Fatalf("read %v and waveforms of %v: %v", metrics, waves, err)
				}
				if ours := time.Since(r.Time).Abs() < time.Minute; ours != tc.clock {
					t.Fatalf("a reading is stamped %s", r.Time)
				}
				for _, p := range r.Points {
					if metrics[r.Asset] == nil {
						metrics[r.Asset] = map[string]bool{}
					}
					metrics[r.Asset][p.Metric] = true
				}
				if r.Wave != nil {
					waves[r.Asset] = true
					if r.Wave.RateHz != 25600 || r.Wave.Len() < 25000 {
						t.Fatalf("a waveform of %d samples at %g Hz", r.Wave.Len(), r.Wave.RateHz)
					}
				}
			}
		})
	}
}

// writtenConfig waits for a configuration and reads it.
func writtenConfig(t *testing.T, file string) *config {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if conf, err := readConfig(file); err == nil {
			return conf
		}
	}
	conf, err := readConfig(file)
	if err != nil {
		t.Fatal(err)
	}
	return conf
}

func TestAFarmThatCannotBeReadSaysWhy(t *testing.T) {
	there := filepath.Join(t.TempDir(), "there.yaml")
	if err := os.WriteFile(there, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for want, args := range map[string][]string{
		"want kafka://HOST:PORT/TOPIC, modbus://HOST:PORT, mqtt://HOST:PORT, opc.tcp://HOST:PORT, sparkplug://HOST:PORT": {"--live", "coap://127.0.0.1:1"},
		"--live \"opc.tcp://127.0.0.1\" is not allowed":                                                                  {"--live", "opc.tcp://127.0.0.1"},
		"or --public":                             {"--live", "modbus://0.0.0.0:1502"},
		"of this machine alone":                   {"--live", "mqtt://192.0.2.1:1883", "--serve"},
		"want at most 247":                        {"--live", "modbus://127.0.0.1:0", "--turbines", "248"},
		"want at most 6000":                       {"--live", "opc.tcp://127.0.0.1:0", "--speed", "7000"},
		"kafka://127.0.0.1:9092\" is not allowed": {"--live", "kafka://127.0.0.1:9092"},
		"want more than 0":                        {"--live", "opc.tcp://127.0.0.1:0", "--speed", "0"},
		"use --force":                             {"--live", "opc.tcp://127.0.0.1:0", "--config", there},
		"either --out DIR or":                     {"--live", "opc.tcp://127.0.0.1:0", "--out", "x"},
		"want at least 10s":                       {"--live", "opc.tcp://127.0.0.1:0", "--telemetry-every", "1s", "--speed", "1"},
	} {
		var said strings.Builder
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		if code := run(ctx, append([]string{"simulate"}, args...), io.Discard, &said); code == 0 || !strings.Contains(said.String(), want) {
			t.Errorf("simulate %v: %d, %q, want %q", args, code, said.String(), want)
		}
		cancel()
	}
}

// TestAFarmIsSentToKafka has a cluster in this process.
func TestAFarmIsSentToKafka(t *testing.T) {
	const topic = "farm"
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, topic))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	at, file := cluster.ListenAddrs()[0], filepath.Join(t.TempDir(), "try.yaml")
	if code := run(t.Context(), []string{"simulate", "--live", "kafka://" + at + "/" + topic, "--turbines", "2", "--speed", "36000", "--for", "1h", "--wave-every", "30m", "--config", file}, io.Discard, os.Stderr); code != 0 {
		t.Fatalf("simulate ends with %d", code)
	}
	conf := writtenConfig(t, file)
	conf.Data = t.TempDir()
	src, err := openIntake(t.Context(), conf, 0, time.Time{}, false, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	scalars, waves := map[asset.ID]int{}, map[asset.ID]int{}
	for scalars["wt01"] < 6 || scalars["wt02"] < 6 || waves["wt01"] < 3 || waves["wt02"] < 3 {
		r, _, err := src.Next(ctx)
		if err != nil {
			t.Fatalf("came %v, %v: %v", scalars, waves, err)
		}
		if r.Wave != nil {
			waves[r.Asset]++
		} else {
			scalars[r.Asset]++
		}
	}
}
