//go:build accept

package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// worker is a process that is killed and started again, as a supervisor does.
type worker struct {
	t       *testing.T
	name    string
	args    []string
	env     []string
	log     string // what all its lives said
	cmd     *exec.Cmd
	ended   chan error
	started time.Time
	from    int // of this life in the log
	deaths  int // that were not ours
}

func newWorker(t *testing.T, name, program string, env []string, args ...string) *worker {
	t.Helper()
	w := &worker{t: t, name: name, args: append([]string{program}, args...), env: env, log: filepath.Join(t.TempDir(), name+".log")}
	w.start()
	t.Cleanup(func() {
		_ = w.cmd.Process.Kill()
		<-w.ended //nolint:errcheck // it was killed
		if t.Failed() {
			all := bytesOf(t, w.log)
			t.Logf("%s said at last:\n%s", name, all[max(0, len(all)-4000):])
		}
	})
	return w
}

func (w *worker) start() {
	w.t.Helper()
	log, err := os.OpenFile(w.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		w.t.Fatal(err)
	}
	defer log.Close() //nolint:errcheck // the child has its own
	if at, err := log.Stat(); err == nil {
		w.from = int(at.Size())
	}
	w.cmd = exec.Command(w.args[0], w.args[1:]...) //nolint:gosec // the tester's own
	w.cmd.Stderr, w.cmd.Env, w.started = log, append(os.Environ(), w.env...), time.Now()
	if err := w.cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func(c *exec.Cmd) { ended <- c.Wait(); close(ended) }(w.cmd)
	w.ended = ended
}

// kill ends it with signal 9 and starts it again. It reports whether it had work to do.
func (w *worker) kill() (busy bool) {
	w.t.Helper()
	w.mind()
	busy = w.owns()
	if err := w.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		w.t.Fatal(err)
	}
	<-w.ended //nolint:errcheck // it was killed
	w.start()
	return busy
}

// mind starts it again when it ended by itself, as it does when it starts without a database.
func (w *worker) mind() {
	w.t.Helper()
	select {
	case <-w.ended: //nolint:errcheck // its log says why
		w.deaths++
		w.start()
	default:
	}
}

// owns reports whether this life was given a partition.
func (w *worker) owns() bool {
	return bytes.Contains(bytesOf(w.t, w.log)[w.from:], []byte("partition is ours"))
}

// stop has it drain, commit and end.
func (w *worker) stop() {
	w.t.Helper()
	if err := w.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		w.t.Fatalf("%s: %v", w.name, err)
	}
	select {
	case err := <-w.ended:
		if err != nil {
			w.t.Errorf("%s ended with %v", w.name, err)
		}
	case <-time.After(30 * time.Second):
		_ = w.cmd.Process.Signal(syscall.SIGQUIT)
		w.t.Errorf("%s does not end", w.name)
	}
}

// claim is where a process went on with a partition.
type claim struct {
	partition int
	next, low int64
}

var claimLine = regexp.MustCompile(`msg="partition is ours" partition=(\d+) epoch=\d+ next=(\d+) low=(\d+)`)

// claims are those of all its lives.
func (w *worker) claims() (all []claim) {
	w.t.Helper()
	for _, m := range claimLine.FindAllStringSubmatch(string(bytesOf(w.t, w.log)), -1) {
		var n [3]int64
		for i := range n {
			v, err := strconv.ParseInt(m[i+1], 10, 64)
			if err != nil {
				w.t.Fatal(err)
			}
			n[i] = v
		}
		all = append(all, claim{int(n[0]), n[1], n[2]})
	}
	return all
}
