package main

import (
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/pipeline"
)

func TestBenchHoldsAnswersToWhatWasKept(t *testing.T) {
	db, err := openFile(t.Context(), filepath.Join(t.TempDir(), "a.db"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // the test is over
	h := newPastRows(benchTurbines * 30)
	if err := h.fill(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	if took, err := h.times(t.Context(), db, r, func() (from, to int) { return 3, 22 }, 0); err != nil || took <= 0 {
		t.Errorf("%g ms, %v", took, err)
	}
	if _, err := h.times(t.Context(), db, r, func() (from, to int) { return 20, 30 }, 0); err == nil || !strings.Contains(err.Error(), "want 1 of 11 points") {
		t.Errorf("rows beyond the last one: %v", err)
	}
}

// What the alerts of a run are timed by.
func TestBenchTurbinesRaiseAnAlertEach(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	db, err := openFile(t.Context(), filepath.Join(t.TempDir(), "a.db"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // the test is over
	s, err := newStream(4, streamLearns+20)
	if err != nil {
		t.Fatal(err)
	}
	s.every, s.worn = 10*time.Minute, streamLearns+6
	c := &tally{}
	opened := map[string]int{}
	err = s.through(t.Context(), db, func(fx pipeline.Effects) {
		c.add(fx)
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, a := range fx.Alerts {
			opened[string(a.Asset)] = s.second(a.Opened)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if n := c.readings(); n != int64(s.length()) {
		t.Errorf("%d readings of %d: %v", n, s.length(), c.counts)
	}
	if len(opened) != 4 {
		t.Errorf("alerts of %v, want of 4 turbines", opened)
	}
	for id, second := range opened {
		if second < s.worn || second >= s.seconds-1 {
			t.Errorf("%s: alert in second %d, worn from %d on", id, second, s.worn)
		}
	}
}
