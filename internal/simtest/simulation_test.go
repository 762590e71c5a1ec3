package simtest

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

var (
	oneSeed = flag.Uint64("seed", 0, "run this seed alone, and show the end of its trace when it fails")
	seeds   = flag.Uint64("seeds", fewSeeds, "seeds to run")
	from    = flag.Uint64("from", 1, "the first of them")
)

// TestMain gives the runs more memory before it is collected: each is small and short.
func TestMain(m *testing.M) {
	debug.SetGCPercent(400)
	m.Run()
}

// simulate runs one seed. What follows from it is the same each time.
func simulate(t *testing.T, seed uint64, b bug) (w *world) {
	t.Helper()
	synctest.Test(t, func(*testing.T) {
		w = newWorld(seed, b)
		w.run()
	})
	return w
}

// TestSimulation runs seeds on every core. Each failure names what was broken and how to
// see it again.
func TestSimulation(t *testing.T) {
	if *oneSeed > 0 {
		if w := simulate(t, *oneSeed, noBug); w.failed != "" {
			t.Errorf("seed %d: %s\n%s", *oneSeed, w.failed, w.story())
		}
		return
	}
	var next, done, broken atomic.Uint64
	var mu sync.Mutex
	all := map[string]int{}
	began := time.Now()
	next.Store(*from)
	t.Run("seeds", func(t *testing.T) {
		for core := range runtime.GOMAXPROCS(0) {
			t.Run(fmt.Sprint("core", core), func(t *testing.T) {
				t.Parallel()
				told := time.Now()
				for s := next.Add(1) - 1; s < *from+*seeds && broken.Load() < 10; s = next.Add(1) - 1 {
					w := simulate(t, s, noBug)
					mu.Lock()
					w.tally(all)
					mu.Unlock()
					if w.failed != "" {
						broken.Add(1)
						t.Errorf("seed %d: %s\n%sreplay: GOEXPERIMENT=simd go test -run '^TestSimulation$' ./internal/simtest -seed %d", s, w.failed, w.story(), s)
					}
					if n := done.Add(1); core == 0 && time.Since(told) > 10*time.Second {
						told = time.Now()
						fmt.Fprintf(os.Stderr, "%d of %d seeds, %.0f a second, %d broken\n", n, *seeds, float64(n)/time.Since(began).Seconds(), broken.Load())
					}
				}
			})
		}
	})
	took := time.Since(began)
	t.Logf("%d seeds in %s on %d cores (%.0f a second), %d broken; %v", done.Load(), took.Round(time.Millisecond), runtime.GOMAXPROCS(0),
		float64(done.Load())/took.Seconds(), broken.Load(), all)
	for _, what := range mustHappen {
		if all[what] == 0 && done.Load() >= 100 {
			t.Errorf("%q never happened: the simulation does not try what it should", what)
		}
	}
}

// mustHappen is what a hundred seeds come across.
var mustHappen = []string{
	"crash", "start", "keep", "keep failed", "keep again", "keep fenced", "claim failed", "finish", "partitions change hands", "write refused", "write uncertain",
	"vectors", "scored", "alerts", "alerts cleared", "orders completed", "orders parked", "erp commits", "waits for the ERP",
	"late", "refused/duplicate", "refused/time-backwards", "refused/not-finite", "refused/unknown-asset", "samples-abandoned",
}

// TestOneSeedIsOneRun holds the simulation to its word: a seed decides every step.
func TestOneSeedIsOneRun(t *testing.T) {
	for s := range uint64(12) {
		a, b := simulate(t, s, noBug), simulate(t, s, noBug)
		if a.hash != b.hash || a.events != b.events {
			t.Fatalf("seed %d: %d steps with hash %x, then %d with %x", s, a.events, a.hash, b.events, b.hash)
		}
	}
}

// TestPlantedBugsAreFound plants a fault around the code under test and looks for it.
func TestPlantedBugsAreFound(t *testing.T) {
	for _, b := range []bug{ackFirst, unfenced, replayed, forgetful, blindERP} {
		t.Run(string(b), func(t *testing.T) {
			t.Parallel()
			for s := uint64(1); s <= 1000; s++ {
				if w := simulate(t, s, b); w.failed != "" {
					t.Logf("found at seed %d: %.160s", s, w.failed)
					return
				}
			}
			t.Error("not found within 1000 seeds")
		})
	}
}
