package main

import (
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
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
