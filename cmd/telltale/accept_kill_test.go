package main

import (
	"bytes"
	"context"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/store/sqlite"
)

func TestAcceptTenKillsLeaveNoTrace(t *testing.T) {
	dir := t.TempDir() // a farm that takes long enough to be killed in
	if e := telltale(t, "simulate", "--out", dir, "--force", "--turbines", "3", "--seed", "2", "--for", "480h", "--learning", "96h", "--wave-every", "2h"); e.code != 0 {
		t.Fatal(e.stderr)
	}
	rows, reasons := badPoints() // what was refused in an earlier life counts as well
	writeRows(t, filepath.Join(dir, "telemetry", "zz-foreign.parquet"), rows)
	if err := os.WriteFile(filepath.Join(dir, "waveforms", "zz-torn.parquet"), []byte("PAR1"), 0o644); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	whole := backtested(t, dir)
	lasts := time.Since(began)
	if n, want := sumOf(readSummary(t, whole).Refused), sumOf(reasons)+1; n != want {
		t.Errorf("%d refused, want %d", n, want)
	}
	killed(t, dir, whole, lasts, 10)
}

// killed runs a backtest that is killed n times, at moments spread over the run,
// resumes it and compares its bytes with those of a run that was left alone and
// took that long.
func killed(t *testing.T, dir, whole string, lasts time.Duration, n int, args ...string) {
	t.Helper()
	total := readSummary(t, whole).In["readings"]
	rng := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 1))
	out, under, landed, starts := t.TempDir(), 0, 0, 0
	for landed < n {
		if starts++; starts > 8*n {
			t.Fatalf("%d of %d kills landed in %d starts: the run is too short", landed, n, starts)
		}
		after := time.Duration((0.05 + 0.35*rng.Float64()) * float64(lasts))
		if !killedAfter(t, after, append([]string{"backtest", dir, "--out", out, "--quiet"}, args...)...) {
			sameResults(t, "finished before its kill", whole, out)
			out, lasts = t.TempDir(), min(lasts, 3*after) // the rest of the kills land in a fresh run
			continue
		}
		landed++
		if _, err := os.Stat(filepath.Join(out, "run.db")); err != nil {
			continue // before the first commit
		}
		switch at := committed(t, out); {
		case at >= total: // what is left is the writing of files
			resumed(t, dir, whole, out, args)
			out = t.TempDir()
		case at > 0:
			under++
		}
	}
	t.Logf("%d kills in %d starts of a run of %v, %d with a part of %d readings committed", landed, starts, lasts.Round(time.Millisecond), under, total)
	if under < n/3 {
		t.Errorf("only %d of %d kills landed inside the run", under, n)
	}
	resumed(t, dir, whole, out, args)
}

// resumed lets a killed run go on to its end and compares its bytes.
func resumed(t *testing.T, dir, whole, out string, args []string) {
	t.Helper()
	if e := telltale(t, append([]string{"backtest", dir, "--out", out, "--quiet"}, args...)...); e.code != 0 {
		t.Fatalf("resume: exit %d: %s", e.code, e.stderr)
	}
	sameResults(t, "killed and resumed", whole, out)
}

// killedAfter reports whether the command was still running when it was killed.
func killedAfter(t *testing.T, after time.Duration, args ...string) bool {
	t.Helper()
	c := exec.Command(made(t, shop.program), args...)
	var said bytes.Buffer
	c.Stderr = &said
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(after)
	c.Process.Kill() //nolint:errcheck,gosec // it may have ended by itself
	c.Wait()         //nolint:errcheck,gosec // the state says how
	// The last kill may come after its end.
	if code := c.ProcessState.ExitCode(); code > 0 && !strings.Contains(said.String(), "finished") {
		t.Fatalf("telltale %q: exit %d: %s", args, code, said.String())
	}
	return !c.ProcessState.Exited()
}

// committed is how many readings the store of an unfinished run holds. It looks
// at a copy, so that the run finds its store as the kill left it.
func committed(t *testing.T, out string) int64 {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"run.db", "run.db-wal"} {
		b, err := os.ReadFile(filepath.Join(out, name))
		if err != nil {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	db, err := sqlite.Open(context.Background(), filepath.Join(dir, "run.db"), sqlite.Options{})
	if err != nil {
		t.Fatalf("the store after a kill: %v", err)
	}
	defer db.Close() //nolint:errcheck // a copy
	counts, err := db.Counts(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return counts["readings"]
}
