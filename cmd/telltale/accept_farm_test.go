//go:build accept

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestAcceptFarmProof runs three farms of three turbines over a year. So few
// cannot prove a goal: what is held is that it runs, goes on and says the same again.
func TestAcceptFarmProof(t *testing.T) {
	dir := t.TempDir()
	p := farmProof{out: dir, seeds: 3, turbines: 3, jobs: 2, first: 1}
	var first, again strings.Builder
	if err := p.run(t.Context(), &first, os.Stderr); err != nil {
		t.Fatal(err)
	}
	t.Log("\n" + first.String())
	before, err := os.Stat(filepath.Join(dir, "seed-1.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.run(t.Context(), &again, os.Stderr); err != nil || again.String() != first.String() {
		t.Errorf("%v: the second run says\n%s", err, again.String())
	}
	if after, err := os.Stat(filepath.Join(dir, "seed-1.json")); err != nil || !after.ModTime().Equal(before.ModTime()) {
		t.Errorf("%v: a seed that was done is done again", err)
	}
}
