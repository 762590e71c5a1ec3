package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/ingest"
)

// mute is a source that says nothing.
type mute struct{ ingest.Source }

func (mute) Queued() int { return 3 }
func (mute) Close()      {}

// spoken is what was logged, by one goroutine for another.
type spoken struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *spoken) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(b)
}

func (s *spoken) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

func TestSilenceIsReportedWhateverTheConnectionSays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var said spoken
		m := ingest.NewMeter("mqtt", "mqtt tcp://broker")
		m.Up(time.Now())
		in := &intake{entries: []entry{{source: mute{}, meter: m}}, silence: time.Minute, log: slog.New(slog.NewTextHandler(&said, nil))}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- in.watch(ctx) }()
		hear := func() { m.Passed(time.Now(), asset.Reading{Asset: "a", Time: time.Now()}) }
		for range 10 {
			time.Sleep(30 * time.Second)
			hear()
		}
		if said.String() != "" {
			t.Errorf("a source that speaks: %s", said.String())
		}
		time.Sleep(5 * time.Minute)
		if n := strings.Count(said.String(), `msg="source is silent" source="mqtt tcp://broker" since=2000-01-01T00:05:00Z up=true`); n != 1 {
			t.Errorf("said %d times: %s", n, said.String())
		}
		hear()
		time.Sleep(10 * time.Second)
		if !strings.Contains(said.String(), "source speaks again") {
			t.Errorf("got %s", said.String())
		}
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestSourcesAreMeasured(t *testing.T) {
	m := ingest.NewMeter("mqtt", "mqtt tcp://broker")
	m.Up(time.Unix(1, 0))
	m.Down(time.Unix(2, 0), errors.New("reset"))
	m.Heard(time.Unix(3, 0), 100)
	m.Refused("undecodable")
	in := &intake{entries: []entry{{source: mute{}, meter: m}}}
	reg := prometheus.NewPedanticRegistry()
	reg.MustRegister(sourceMetrics{in.Sources})
	all, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := ""
	for _, f := range all {
		for _, x := range f.Metric {
			got += fmt.Sprintln(strings.TrimPrefix(f.GetName(), "telltale_source_"), x.GetGauge().GetValue()+x.GetCounter().GetValue(), len(x.Label))
		}
	}
	for _, want := range []string{"up 0 1\n", "outages_total 1 1\n", "bytes_total 100 1\n", "refused_total 1 2\n", "queued 3 1\n", "heard_timestamp_seconds 3 1\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if strings.Contains(got, "clock") {
		t.Errorf("a clock that nobody heard:\n%s", got)
	}
}
