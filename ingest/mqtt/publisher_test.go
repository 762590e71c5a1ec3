package mqtt_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/ingest/mqtt"
)

// What a broker has not acknowledged when it goes is sent to the next one, in order.
func TestPublisherSendsAgain(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	p, err := mqtt.NewPublisher(t.Context(), mqtt.Options{Config: mqtt.Config{URL: f.url(), ClientID: "plant"}})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for i := range 3 { // before there is a connection
		if err := p.Publish(t.Context(), point(i), 0); err != nil {
			t.Fatal(err)
		}
	}
	c, hello := f.accept(false)
	if !hello.CleanSession || hello.ClientIdentifier != "plant" {
		t.Errorf("the client says %+v", hello)
	}
	for i := range 3 {
		if got := c.publishes(false, i == 0); got != string(telemetry(t, i)) {
			t.Errorf("sent %s, want the reading %d", got, i)
		}
	}
	flushed, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	if err := p.Flush(flushed); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "2 messages are not acknowledged") {
		t.Errorf("flushed with two not acknowledged: %v", err)
	}
	cancel()
	_ = c.Close()
	c, _ = f.accept(false)
	for i := 1; i < 3; i++ {
		if got := c.publishes(true, true); got != string(telemetry(t, i)) {
			t.Errorf("sent again %s, want the reading %d", got, i)
		}
	}
	if err := p.Flush(t.Context()); err != nil {
		t.Error(err)
	}
}

// A publisher whose broker is away waits, and does not collect without end.
func TestPublisherWaitsForItsBroker(t *testing.T) {
	t.Parallel()
	told := make(chan error, 100)
	p, err := mqtt.NewPublisher(t.Context(), mqtt.Options{Config: mqtt.Config{URL: "tcp://" + free(t)}, Lost: func(err error) { told <- err }})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if err := <-told; !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("told %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	for i := range 10000 {
		if err = p.Publish(ctx, asset.Reading{Asset: "a", Time: t0, Points: point(i).Points}, 0); err != nil {
			if i != 256 || !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "connection refused") {
				t.Errorf("after %d: %v", i, err)
			}
			return
		}
	}
	t.Error("10000 messages are kept for a broker that is away")
}
