package oci

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/telltale-iot/telltale/models"
)

// Environment of the test binary when it is a child: what it does, and where.
const (
	envChild  = "TELLTALE_TEST_CHILD"
	envFolder = "TELLTALE_TEST_FOLDER"
)

func TestMain(m *testing.M) {
	if what := os.Getenv(envChild); what != "" {
		if err := child(context.Background(), what, os.Getenv(envFolder)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// child pushes twenty sets, or stops for good within a push.
func child(ctx context.Context, what, dir string) error {
	if step, ok := strings.CutPrefix(what, "stop at "); ok {
		r := models.NewRepository(stopping{layouts{dir}, step}, models.RepositoryOptions{Now: clock()})
		_, err := r.Push(ctx, file("good2"), "", by, nil)
		return err
	}
	r, err := Open(ctx, dir, Options{})
	for i := 0; err == nil && i < 20; i++ {
		_, err = r.PushParams(ctx, "p", "c", "", fmt.Appendf(nil, "%s %d", what, i), models.By{Who: what})
	}
	return err
}

// stopping is a folder whose writer says where it is and goes no further.
type stopping struct {
	models.Store
	at string
}

func (s stopping) Change(ctx context.Context, name string, write func(models.ShelfWriter) error) error {
	err := s.Store.Change(ctx, name, func(w models.ShelfWriter) error { return write(halting{w, s.at}) })
	halt("saved", s.at)
	return err
}

type halting struct {
	models.ShelfWriter
	at string
}

func halt(now, at string) {
	if now == at {
		fmt.Println("here")
		select {}
	}
}

func (h halting) Put(ctx context.Context, d models.Descriptor, body []byte) error {
	if d.MediaType == models.MediaManifest {
		halt("blobs", h.at)
	}
	return h.ShelfWriter.Put(ctx, d, body)
}

func (h halting) Tag(ctx context.Context, d models.Descriptor, tag string) error {
	halt("manifest", h.at)
	err := h.ShelfWriter.Tag(ctx, d, tag)
	halt("tag", h.at)
	return err
}

// self is this test binary as another process.
func self(t *testing.T, what, dir string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), exe)
	c.Env = append(os.Environ(), envChild+"="+what, envFolder+"="+dir)
	c.Stderr = os.Stderr
	return c
}

func TestTwoProcessesLoseNothing(t *testing.T) {
	dir := t.TempDir()
	var running []*exec.Cmd
	for _, who := range []string{"one", "two"} {
		c := self(t, who, dir)
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		running = append(running, c)
	}
	for _, c := range running {
		if err := c.Wait(); err != nil {
			t.Error(err)
		}
	}
	all, err := place{where: dir}.open(t).List(t.Context())
	if err != nil || len(all) != 40 {
		t.Fatalf("%d versions, %v; want 40", len(all), err)
	}
	production := 0
	for i, v := range all {
		if v.Version != fmt.Sprint(i+1) {
			t.Errorf("version %d is called %s", i+1, v.Version)
		}
		if v.Stage == models.Production {
			production++
		}
	}
	if production != 1 {
		t.Errorf("%d versions in production, want 1", production)
	}
}

// TestAKillInAPushLeavesWhatWasThere kills a process between content, manifest,
// tag and index.
func TestAKillInAPushLeavesWhatWasThere(t *testing.T) {
	for at, want := range map[string]int{"blobs": 1, "manifest": 1, "tag": 1, "saved": 2} {
		t.Run(at, func(t *testing.T) {
			dir := t.TempDir()
			r := place{where: dir}.open(t)
			push(t, r, "good")
			promote(t, r, "1", models.Production, 0, "")
			c := self(t, "stop at "+at, dir)
			out, err := c.StdoutPipe()
			if err == nil {
				err = c.Start()
			}
			if err != nil {
				t.Fatal(err)
			}
			if line, err := bufio.NewReader(out).ReadString('\n'); line != "here\n" {
				t.Fatalf("the child said %q, %v", line, err)
			}
			if err := c.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, out)
			_ = c.Wait()
			all, err := r.List(t.Context())
			if err != nil || len(all) != want {
				t.Fatalf("%d versions, %v; want %d", len(all), err, want)
			}
			if v, _, err := r.Get(t.Context(), ae); err != nil || v.Version != "1" {
				t.Errorf("Get = %s, %v; want version 1", v.Ref(), err)
			}
			if v := push(t, r, "good2"); v.Version != "2" { // nothing holds it up
				t.Errorf("pushed as version %s, want 2", v.Version)
			}
		})
	}
}

func TestAFailedChangeChangesNothing(t *testing.T) {
	dir := t.TempDir()
	r := place{where: dir}.open(t)
	push(t, r, "good")
	before, err := os.ReadFile(filepath.Join(dir, ae, "index.json"))
	if err != nil {
		t.Fatal(err)
	}
	no := errors.New("no")
	err = layouts{dir}.Change(t.Context(), ae, func(w models.ShelfWriter) error {
		tags, err := w.Tags(t.Context(), func(string) bool { return true })
		if err == nil {
			err = w.Tag(t.Context(), tags["1"], "production")
		}
		return errors.Join(err, no)
	})
	after, _ := os.ReadFile(filepath.Join(dir, ae, "index.json"))
	if !errors.Is(err, no) || string(before) != string(after) {
		t.Errorf("Change = %v; the index before %s, after %s", err, before, after)
	}
}
