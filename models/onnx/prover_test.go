package onnx_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/models"
	"github.com/telltale-iot/telltale/models/onnx"
)

// misbehave is what the tests' own program does instead of a probe.
func misbehave(how string) {
	switch how {
	case "abort":
		_ = syscall.Kill(os.Getpid(), syscall.SIGABRT)
		time.Sleep(time.Minute)
	case "crash":
		_ = syscall.Kill(os.Getpid(), syscall.SIGSEGV)
		time.Sleep(time.Minute)
	case "panic":
		panic("a child that panics")
	case "silent":
		os.Exit(0)
	case "babble":
		fmt.Println("no JSON")
		os.Exit(0)
	case "hang":
		time.Sleep(time.Hour)
	case "escape":
		escape()
		os.Exit(0)
	}
}

func read(tb testing.TB, name string) []byte {
	tb.Helper()
	b, err := os.ReadFile(filepath.Join(testdata, name+".onnx"))
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func needsRuntime(tb testing.TB) {
	tb.Helper()
	_, _, err := onnx.Library("")
	skipWithout(tb, err)
}

// Whatever happens to the child, the service gets a reason, and a loaded model
// goes on with the same answers.
func TestNothingThatAChildDoesTouchesScoring(t *testing.T) {
	r := open(t, "good", onnx.Options{})
	batch := sequences(16, 6, 2)
	want, err := r.Run(context.Background(), batch)
	if err != nil {
		t.Fatal(err)
	}
	var runs atomic.Int64
	stop, done := make(chan struct{}), make(chan error, 1)
	go func() {
		for {
			select {
			case <-stop:
				done <- nil
				return
			default:
			}
			got, err := r.Run(context.Background(), batch)
			if err != nil {
				done <- err
				return
			}
			for i := range got {
				if !slices.Equal(got[i].Values, want[i].Values) {
					done <- fmt.Errorf("row %d answers %v, before %v", i, got[i], want[i])
					return
				}
			}
			runs.Add(1)
		}
	}()
	short := onnx.Limits{CPU: 2 * time.Second, Wall: 10 * time.Second}
	for name, tc := range map[string]struct {
		file    string
		command string
		limits  onnx.Limits
		kill    bool
		want    string
	}{
		"killed":        {file: "bad/endless-loop", kill: true, want: "probe ended with signal: killed"},
		"hung":          {file: "bad/endless-loop", limits: onnx.Limits{Wall: 500 * time.Millisecond}, want: "probe took more than 500ms"},
		"busy":          {file: "bad/endless-loop", limits: short, want: "probe took more than 2s of processor time"},
		"out of memory": {file: "bad/memory-bomb", want: "asks for more memory than is allowed"},
		"too little":    {file: "good", limits: onnx.Limits{Memory: 1 << 20}, want: "memory"},
		"aborted":       {file: "good", command: "abort", want: "SIGABRT"},
		"crashed":       {file: "good", command: "crash", want: "SIGSEGV"},
		"panicked":      {file: "good", command: "panic", want: "a child that panics"},
		"silent":        {file: "good", command: "silent", want: "without an answer"},
		"babbling":      {file: "good", command: "babble", want: "without an answer"},
		"asleep":        {file: "good", command: "hang", limits: onnx.Limits{Wall: 300 * time.Millisecond}, want: "probe took more than 300ms"},
	} {
		t.Run(name, func(t *testing.T) {
			p := &onnx.Prover{Limits: tc.limits}
			if tc.command != "" {
				p.Command = []string{os.Args[0], tc.command}
			}
			if tc.kill {
				p.Started(func(pid int) {
					time.AfterFunc(100*time.Millisecond, func() { _ = syscall.Kill(pid, syscall.SIGKILL) })
				})
			}
			before := runs.Load()
			_, err := p.Prove(context.Background(), read(t, tc.file))
			if !errors.Is(err, models.ErrContract) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("Prove = %v, want ErrContract with %q", err, tc.want)
			}
			for deadline := time.Now().Add(10 * time.Second); runs.Load() == before && time.Now().Before(deadline); {
				time.Sleep(time.Millisecond)
			}
			if runs.Load() == before {
				t.Error("scoring stands still")
			}
		})
	}
	close(stop)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestAChildEndsWithItsCaller(t *testing.T) {
	needsRuntime(t)
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	pid := 0
	p := &onnx.Prover{}
	p.Started(func(n int) { pid = n })
	began := time.Now()
	if _, err := p.Prove(ctx, read(t, "bad/endless-loop")); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, models.ErrContract) {
		t.Errorf("Prove = %v, want the context's error", err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("took %s", took)
	}
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("child %d is still there: %v", pid, err)
	}
}

// A file is run in a child once, and then opened by what was found there.
func TestAProvenFileIsNotProvenAgain(t *testing.T) {
	needsRuntime(t)
	children := 0
	p := &onnx.Prover{}
	p.Started(func(int) { children++ })
	for _, name := range []string{"good", "softplus", "good", "softplus"} {
		r, err := onnx.OpenBytes(read(t, name), onnx.Options{Prover: p})
		if err != nil {
			t.Fatal(err)
		}
		plain := open(t, name, onnx.Options{})
		batch := sequences(40, 6, 2)
		got, err := r.Run(context.Background(), batch)
		if err != nil {
			t.Fatal(err)
		}
		want, err := plain.Run(context.Background(), batch)
		if err != nil {
			t.Fatal(err)
		}
		for i := range got {
			if !slices.Equal(got[i].Values, want[i].Values) {
				t.Fatalf("%s: row %d by way of a child %v, without %v", name, i, got[i], want[i])
			}
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if children != 2 {
		t.Errorf("%d children, want 2", children)
	}
	if _, err := onnx.OpenBytes(read(t, "bad/nan-output"), onnx.Options{Prover: p}); !errors.Is(err, models.ErrContract) {
		t.Errorf("a file that answers NaN: %v, want ErrContract", err)
	}
}

// escape tries what a confined child must not be able to do.
func escape() {
	notes, err := onnx.Confine(onnx.Limits{})
	if err != nil {
		fmt.Println("confine:", err)
		return
	}
	fmt.Println("notes:", notes)
	if _, err := os.Open("/etc/hostname"); !errors.Is(err, os.ErrPermission) {
		fmt.Println("opened a file:", err)
	}
	if err := os.WriteFile("/tmp/telltale-escape", nil, 0o600); !errors.Is(err, os.ErrPermission) {
		fmt.Println("wrote a file:", err)
	}
	if _, err := net.Dial("tcp", "127.0.0.1:1"); !errors.Is(err, os.ErrPermission) {
		fmt.Println("made a socket:", err)
	}
	if err := exec.Command("/bin/true").Run(); err == nil {
		fmt.Println("ran a program")
	}
	if err := syscall.Kill(os.Getppid(), 0); !errors.Is(err, syscall.EPERM) {
		fmt.Println("reached its parent:", err)
	}
}

func TestAConfinedChildReachesNothing(t *testing.T) {
	if err := exec.CommandContext(t.Context(), "/bin/true").Run(); err != nil {
		t.Skip(err)
	}
	out, err := exec.CommandContext(t.Context(), os.Args[0], "escape").CombinedOutput()
	if err != nil || string(out) != "notes: []\n" {
		t.Errorf("%v: %s", err, out)
	}
}
