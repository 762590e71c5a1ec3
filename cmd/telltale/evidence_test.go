package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/telltale-iot/telltale/api"
	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/pipeline"
	"github.com/telltale-iot/telltale/workorders"
)

// keptOf runs readings through a service that keeps evidence at a place, or none, and
// returns the addresses of its API and of what it kept of wt01.
func keptOf(t *testing.T, f *farmRun, readings []asset.Reading, place string) (url string, kept []api.Waveform) {
	t.Helper()
	data := t.TempDir()
	db, err := openFile(t.Context(), storePath(data), f.w.order)
	if err != nil {
		t.Fatal(err)
	}
	s := newService(f.w, db, slog.New(slog.DiscardHandler))
	s.batch = pipeline.Batch{Eager: true}
	if s.evidence, err = openEvidence(t.Context(), &config{Data: data, Store: storeConfig{Evidence: place}}, s.metric, s.log); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	shards, _, _, err := s.claim(ctx)
	if err != nil {
		t.Fatal(err)
	}
	listening, ended, fed := make(chan string, 1), make(chan error, 1), make(chan struct{})
	go func() {
		ended <- s.serve(ctx, "127.0.0.1:0", func(ctx context.Context) error {
			defer close(fed)
			return s.flow(ctx, &listed{readings: readings}, shards)
		}, nil, "", workorders.Options{}, func(url string) { listening <- url })
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		s.evidence.Close()
		db.Close() //nolint:errcheck // it is removed
	})
	url = <-listening
	<-fed
	if s.evidence == nil {
		return url, nil
	}
	eventually(t, "nothing waits", func() bool { return s.evidence.waiting.Load() == 0 })
	code, body := fetch(t, url+"/api/v1/assets/wt01/evidence?limit=1000")
	var list struct{ Evidence []api.Waveform }
	if err := json.Unmarshal([]byte(body), &list); err != nil || code != 200 {
		t.Fatal(code, body, err)
	}
	return url, list.Evidence
}

// What arrives as samples leaves the first window of each channel; what arrives as features
// leaves the windows that came with them. Both can be looked at with telltale features.
func TestServiceKeepsWindowsThatCanBeLookedAt(t *testing.T) {
	f := someFarm(t)
	gateway := &stations{f: f, data: t.TempDir(), out: &far{}}
	gateway.pass(t.Context(), t, &listed{readings: f.readings})
	sent, _ := gateway.arrived(t)
	came := map[string]*asset.Waveform{}
	for _, r := range sent {
		for _, x := range r.Features {
			if x.Evidence != nil && r.Asset == "wt01" {
				came[x.Channel+x.Evidence.Start.Format(time.RFC3339Nano)] = x.Evidence
			}
		}
	}
	for name, readings := range map[string][]asset.Reading{"samples": f.readings, "features": sent} {
		t.Run(name, func(t *testing.T) {
			url, kept := keptOf(t, f, readings, "")
			channels := map[string]bool{}
			for _, w := range kept {
				channels[w.Channel] = true
				if name == "features" && came[w.Channel+w.Start.Format(time.RFC3339Nano)] == nil {
					t.Errorf("%s was not sent", w.Key)
				}
			}
			if plates := f.w.plates["wt01"].Channels; len(channels) != len(plates) || len(plates) == 0 || name == "features" && len(kept) != len(came) {
				t.Fatalf("kept %+v, came %d of %d channels", kept, len(came), len(plates))
			}
			w := kept[0]
			code, body := fetch(t, url+w.Href)
			if code != 200 || int64(len(body)) != w.Bytes {
				t.Fatalf("%s: %d, %d bytes, want %d", w.Href, code, len(body), w.Bytes)
			}
			file := filepath.Join(t.TempDir(), "window.parquet")
			if err := os.WriteFile(file, []byte(body), 0o600); err != nil {
				t.Fatal(err)
			}
			code, out, bad := tell("features", file)
			if code != 0 || !strings.Contains(out, "rms") {
				t.Errorf("telltale features: exit %d: %s%s", code, out, bad)
			}
			code, body = fetch(t, url+fmt.Sprintf("/api/v1/assets/wt01/evidence?channel=%s&from=%s", w.Channel, w.Start.Add(time.Second).Format(time.RFC3339)))
			if code != 200 || !strings.Contains(body, `"evidence":[]`) {
				t.Errorf("after the newest window: %d: %s", code, body)
			}
			if _, body := fetch(t, url+"/metrics"); !strings.Contains(body, `telltale_evidence_total{outcome="kept"}`) || strings.Contains(body, `telltale_evidence_total{outcome="kept"} 0`) {
				t.Error("what was kept is not counted")
			}
		})
	}
	t.Run("none", func(t *testing.T) {
		url, _ := keptOf(t, f, f.readings[:20], "none")
		if code, _ := fetch(t, url+"/api/v1/assets/wt01/evidence"); code != 404 {
			t.Errorf("where nothing is kept: %d, want 404", code)
		}
	})
}

// hanging is S3 that answers when it is let, as often as it is told with an error.
type hanging struct {
	http.Handler
	open     chan struct{}
	failures atomic.Int64
}

// ServeHTTP answers as S3 or fails.
func (h *hanging) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	<-h.open
	if h.failures.Add(-1) >= 0 {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	h.Handler.ServeHTTP(w, r)
}

// keeperOn is a keeper on a bucket that hangs.
func keeperOn(t *testing.T) (*evidenceKeeper, *hanging) {
	t.Helper()
	t.Setenv("AWS_ACCESS_KEY_ID", "key")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	backend := s3mem.New()
	if err := backend.CreateBucket("windows"); err != nil {
		t.Fatal(err)
	}
	h := &hanging{Handler: gofakes3.New(backend).Server(), open: make(chan struct{})}
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	conf := &config{Store: storeConfig{Evidence: "s3://windows?region=eu-central-1&use_path_style=true&endpoint=" + server.URL}}
	k, err := openEvidence(t.Context(), conf, prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return k, h
}

func becameOf(t *testing.T, k *evidenceKeeper, name string) int {
	t.Helper()
	return int(testutil.ToFloat64(k.counts.WithLabelValues(name)))
}

// A bucket that hangs holds nobody up: what does not fit is counted, and what waited is kept
// when the bucket is back, before the service ends.
func TestABucketThatHangsHoldsNothingUp(t *testing.T) {
	k, s3 := keeperOn(t)
	shard := k.of(3)
	wave := asset.Waveform{Channel: "DE", RateHz: 1e5, Unit: "m/s²", Quality: 100, First: true, Last: true, Counts: make([]int16, 100_000), Scale: 1}
	e := watchedExtractor{shard: shard, plate: asset.Nameplate{ID: "pump"}}
	const came = evidenceWaiting/100_000 + 20
	for i := range came {
		w := wave
		w.Start = time.Unix(int64(i), 0)
		e.leave(&w)
		k.kept(3)
	}
	if n := becameOf(t, k, "dropped"); n != 20 {
		t.Errorf("%d windows dropped, want 20", n)
	}
	close(s3.open)
	k.Close()
	if n := becameOf(t, k, "kept"); n != came-20 {
		t.Errorf("%d windows kept, want %d", n, came-20)
	}
	if n := k.waiting.Load(); n != 0 {
		t.Errorf("%d samples still wait", n)
	}
}

// A refusal is tried again; windows of a batch that was not committed are let go.
func TestARefusedWindowIsTriedAgain(t *testing.T) {
	k, s3 := keeperOn(t)
	s3.failures.Store(1)
	close(s3.open)
	e := watchedExtractor{shard: k.of(0), plate: asset.Nameplate{ID: "pump"}}
	wave := &asset.Waveform{Channel: "DE", RateHz: 10, Unit: "m/s²", Quality: 100, First: true, Last: true, Samples: []float32{1, 2, 3}}
	e.leave(wave)
	k.of(0) // the shard begins anew
	k.kept(0)
	if n := k.waiting.Load(); n != 0 {
		t.Errorf("%d samples of a batch that was let go wait", n)
	}
	e.shard = k.of(0)
	e.leave(wave)
	k.kept(0)
	eventually(t, "it is kept", func() bool { return becameOf(t, k, "kept") == 1 })
	k.Close()
	if n := becameOf(t, k, "failed"); n != 0 || s3.failures.Load() >= 0 {
		t.Errorf("%d failed, %d failures left", n, s3.failures.Load())
	}
}
