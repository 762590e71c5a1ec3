package deploytest

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// root is the top of the repository, deploy what is tried here.
var (
	root   = filepath.Join("..", "..", "..")
	deploy = filepath.Join(root, "deploy")
)

var built struct {
	dir  string
	once sync.Once
	err  error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if built.dir != "" {
		os.RemoveAll(built.dir) //nolint:errcheck,gosec // a temporary folder
	}
	os.Exit(code)
}

// program builds telltale once and returns its path.
func program(t *testing.T) string {
	t.Helper()
	built.once.Do(func() {
		if built.dir, built.err = os.MkdirTemp("", "telltale-deploy-"); built.err != nil { //nolint:usetesting // outlives the test
			return
		}
		build := exec.Command("go", "build", "-o", filepath.Join(built.dir, "telltale"), "./cmd/telltale")
		build.Dir = root
		if out, err := build.CombinedOutput(); err != nil {
			built.err = &exec.Error{Name: string(out), Err: err}
			return
		}
		library, err := filepath.Abs(filepath.Join(root, "bin", "libonnxruntime.so"))
		if _, missing := os.Stat(library); err == nil && missing == nil {
			built.err = os.Symlink(library, filepath.Join(built.dir, "libonnxruntime.so"))
		}
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	return filepath.Join(built.dir, "telltale")
}

// secretFile is a file that a container finds under the place of its secrets.
var secretFile = regexp.MustCompile(`/run/secrets/[\w./-]+`)

// check has a configuration read by the program, with its secrets there.
func check(t *testing.T, body, what string) {
	t.Helper()
	dir := t.TempDir()
	body = secretFile.ReplaceAllStringFunc(body, func(name string) string {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte("secret"), 0o600)); err != nil {
			t.Fatal(err)
		}
		return path
	})
	path := filepath.Join(dir, "telltale.yaml")
	if err := os.WriteFile(path, []byte(body), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), program(t), "check", "-c", path).CombinedOutput(); err != nil {
		t.Errorf("%s: %s", what, out)
	}
}

// start runs the program until the test ends, and says what it printed when that fails.
func start(t *testing.T, dir string, args ...string) {
	t.Helper()
	path := program(t)
	ctx, stop := context.WithCancel(context.Background()) // t.Context ends before the cleanup
	c := exec.CommandContext(ctx, path, args...)
	var said strings.Builder
	c.Dir, c.Stdout, c.Stderr = dir, &said, &said
	c.Cancel = func() error { return c.Process.Signal(syscall.SIGTERM) }
	c.WaitDelay = 20 * time.Second
	if err := c.Start(); err != nil {
		stop()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stop()
		c.Wait() //nolint:errcheck,gosec // it was told to end
		if t.Failed() {
			t.Logf("telltale %s: %s", strings.Join(args, " "), said.String())
		}
	})
}
