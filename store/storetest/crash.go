package storetest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/pipeline"
	"github.com/telltale-iot/telltale/store"
)

// crashDir names the folder that a child process of Crash writes to.
const crashDir = "TELLTALE_CRASH_DIR"

// Crash kills a process that writes batches at random moments, again and again
// on the same store, and looks whether what it left is a prefix of the batches
// that holds at least those it had been told were durable. The test that calls
// it is run once more as the child.
func Crash(t *testing.T, open Opener, rounds int) {
	t.Helper()
	if dir := os.Getenv(crashDir); dir != "" {
		writeUntilKilled(t, open(t, dir, Plan))
		return
	}
	dir := t.TempDir()
	for round := range rounds {
		acknowledged := killWriter(t, dir, rand.N(120*time.Millisecond)) //nolint:gosec // any moment will do
		s := open(t, dir, Plan)
		c, err := s.Claim(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		if c.Next < acknowledged {
			t.Errorf("round %d: position %d, but %d was acknowledged", round, c.Next, acknowledged)
		}
		checkPrefix(t, s, c.Next)
		t.Logf("round %d: killed after %d batches, %d acknowledged", round, c.Next, acknowledged)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// OrderingBatch is Batch with an alert, which orders work.
func OrderingBatch(epoch, k int64) pipeline.Effects {
	fx := Batch(epoch, k)
	fx.Alerts = []asset.Alert{Alert(strconv.FormatInt(k, 10), 2)}
	return fx
}

func writeUntilKilled(t *testing.T, s Store) {
	t.Helper()
	c, err := s.Claim(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	for k := c.Next + 1; ; k++ {
		if err := s.Keep(t.Context(), OrderingBatch(c.Epoch, k)); err != nil {
			t.Fatal(err)
		}
		fmt.Println("kept", k)
	}
}

// killWriter starts a writer, kills it some time after its first commit, and
// returns the last batch that it was told is durable.
func killWriter(t *testing.T, dir string, after time.Duration) int64 {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	child := exec.CommandContext(ctx, os.Args[0], "-test.run=^"+t.Name()+"$") //nolint:gosec // this test itself
	child.Env = append(os.Environ(), crashDir+"="+dir)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	var last int64
	var kill *time.Timer
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var k int64
		if _, err := fmt.Sscanf(lines.Text(), "kept %d", &k); err != nil {
			t.Log(lines.Text())
			continue
		}
		last = k
		if kill == nil {
			kill = time.AfterFunc(after, func() { child.Process.Kill() }) //nolint:errcheck,gosec // Wait tells
		}
	}
	var exit *exec.ExitError
	if err := child.Wait(); !errors.As(err, &exit) || exit.Exited() {
		t.Fatalf("the writer ended by itself: %v", err)
	}
	return last
}

// checkPrefix fails unless the store holds exactly the batches 1 to n.
func checkPrefix(t *testing.T, s Store, n int64) {
	t.Helper()
	if err := Prefix(t.Context(), s, n); err != nil {
		t.Error(err)
	}
}

// Prefix returns what differs in a store from one that was given OrderingBatch 1 to n.
func Prefix(ctx context.Context, s Store, n int64) error {
	got := map[string]int64{}
	if err := s.EachFrame(ctx, func(f pipeline.Frame) error {
		got["frames"]++
		if v := int64(f.Vectors[0].Values[0]); v != got["frames"] {
			return fmt.Errorf("frame %d holds batch %d", got["frames"], v)
		}
		return nil
	}); err != nil {
		return err
	}
	if err := s.EachRisk(ctx, func(asset.Risk) error { got["risks"]++; return nil }); err != nil {
		return err
	}
	counts, err := s.Counts(ctx)
	if err != nil {
		return err
	}
	alerts, err := s.Alerts(ctx, store.AlertFilter{})
	if err != nil {
		return err
	}
	orders, err := s.Orders(ctx, store.OrderFilter{})
	if err != nil {
		return err
	}
	events, err := s.TwinEvents(ctx, "T01", 0)
	if err != nil {
		return err
	}
	parts, err := s.Parts(ctx, "T01")
	if err != nil {
		return err
	}
	got["counted"], got["alerts"], got["orders"], got["events"] = counts["in"], int64(len(alerts)), int64(len(orders)), int64(len(events))
	var wrong []error
	if position := parts["test/position"]; n > 0 && (len(position) != 2 || int64(position[0])|int64(position[1])<<8 != n&0xffff) {
		wrong = append(wrong, fmt.Errorf("carried state %v after batch %d", position, n))
	}
	for _, what := range []string{"frames", "risks", "counted", "alerts", "orders", "events"} {
		if got[what] != n {
			wrong = append(wrong, fmt.Errorf("%d %s after batch %d", got[what], what, n))
		}
	}
	return errors.Join(wrong...)
}

// Outage lets strike kill and revive the process behind a store, again and again while
// batches are written. No write may fail by it, and in the end the store holds each
// batch once.
func Outage(t *testing.T, s Store, rounds int, strike func(round int)) {
	t.Helper()
	c, err := s.Claim(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	var kept, stop atomic.Int64
	ended := make(chan error, 1)
	go func() {
		for k := c.Next + 1; stop.Load() == 0; k++ {
			if err := s.Keep(t.Context(), OrderingBatch(c.Epoch, k)); err != nil {
				ended <- err
				return
			}
			kept.Store(k)
		}
		ended <- nil
	}()
	advance := func() {
		for from, began := kept.Load(), time.Now(); kept.Load() < from+3; time.Sleep(time.Millisecond) {
			if len(ended) > 0 || time.Since(began) > time.Minute {
				t.Fatalf("the writer stands at batch %d", kept.Load())
			}
		}
	}
	for round := range rounds {
		advance()
		time.Sleep(rand.N(50 * time.Millisecond)) //nolint:gosec // any moment will do
		strike(round)
	}
	advance()
	stop.Store(1)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	checkPrefix(t, s, kept.Load())
	t.Logf("%d outages, %d batches", rounds, kept.Load())
}
