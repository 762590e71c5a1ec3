package sqlite

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/pipeline"
	"github.com/telltale-iot/telltale/store/storetest"
)

func openAt(t *testing.T, path string) *Store {
	t.Helper()
	s, err := Open(context.Background(), path, Options{Plan: storetest.Plan})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() }) //nolint:errcheck,gosec // the test is over
	return s
}

func claim(t *testing.T, s *Store) int64 {
	t.Helper()
	c, err := s.Claim(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	return c.Epoch
}

// A full disk refuses the batch as a whole, and the next one is kept once there is room.
func TestDiskFull(t *testing.T) {
	s := openAt(t, filepath.Join(t.TempDir(), "s.db"))
	epoch := claim(t, s)
	var pages int
	if err := s.row(t.Context(), "PRAGMA page_count", nil, &pages); err != nil {
		t.Fatal(err)
	}
	var limit int
	s.mu.Lock()
	err := s.write.QueryRowContext(t.Context(), "PRAGMA max_page_count = 40").Scan(&limit)
	s.mu.Unlock()
	if err != nil || limit != 40 || pages > 40 {
		t.Fatalf("limit %d of %d pages, %v", limit, pages, err)
	}
	var full int64
	for k := int64(1); k < 10_000; k++ {
		if err = s.Keep(t.Context(), storetest.Batch(epoch, k)); err != nil {
			full = k
			break
		}
	}
	if err == nil {
		t.Fatal("the disk never filled up")
	}
	if frames := storetest.Frames(t, s); int64(len(frames)) != full-1 {
		t.Errorf("%d frames, want those of %d whole batches", len(frames), full-1)
	}
	s.mu.Lock()
	err = s.write.QueryRowContext(t.Context(), "PRAGMA max_page_count = 100000").Scan(&limit)
	s.mu.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Keep(t.Context(), storetest.Batch(epoch, full)); err != nil {
		t.Errorf("with room again: %v", err)
	}
}

// A log that was torn or damaged, as a power cut may leave it, loses its end and nothing else.
func TestDamagedLogKeepsThePrefix(t *testing.T) {
	dir := t.TempDir()
	s := openAt(t, filepath.Join(dir, "s.db"))
	epoch := claim(t, s)
	for k := int64(1); k <= 40; k++ {
		if err := s.Keep(t.Context(), storetest.Batch(epoch, k)); err != nil {
			t.Fatal(err)
		}
	}
	base, log := read(t, filepath.Join(dir, "s.db")), read(t, filepath.Join(dir, "s.db-wal"))
	last := 0
	for i := 1; i <= 8; i++ {
		at := len(log)/2 + len(log)/16*(i-1)
		flipped := bytes.Clone(log)
		flipped[at] ^= 0x10
		for what, damaged := range map[string][]byte{"torn": log[:at], "flipped": flipped} {
			path := filepath.Join(t.TempDir(), "s.db")
			write(t, path, base)
			write(t, path+"-wal", damaged)
			c := openAt(t, path)
			frames := storetest.Frames(t, c)
			point, err := c.Claim(t.Context(), 0)
			if err != nil || int64(len(frames)) != point.Next || len(frames) >= 40 || len(frames) < last {
				t.Errorf("log %s at %d of %d: %d frames, position %d, %v", what, at, len(log), len(frames), point.Next, err)
			}
			if what == "torn" {
				last = len(frames)
			}
		}
	}
	if last < 20 {
		t.Errorf("only %d batches left of a log torn near its end", last)
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func write(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// Readers see whole batches while the flow writes.
func TestReadersBesideTheWriter(t *testing.T) {
	s := openAt(t, filepath.Join(t.TempDir(), "s.db"))
	epoch := claim(t, s)
	done := make(chan error, 1)
	go func() {
		for k := int64(1); k <= 200; k++ {
			if err := s.Keep(context.Background(), storetest.Batch(epoch, k)); err != nil {
				done <- err
				return
			}
		}
		done <- io.EOF
	}()
	last := 0
	for {
		select {
		case err := <-done:
			if !errors.Is(err, io.EOF) || last == 0 {
				t.Errorf("%v after %d batches were seen", err, last)
			}
			return
		default:
		}
		risks, err := s.Risks(t.Context(), "T01", "gearbox", storetest.Epoch, storetest.Epoch.Add(24*time.Hour), 0)
		if err != nil || len(risks) < last {
			t.Fatalf("%d risks after %d, %v", len(risks), last, err)
		}
		last = len(risks)
	}
}

func TestANewerFileIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.db")
	s := openAt(t, path)
	if err := s.exec(t.Context(), "PRAGMA user_version = 99"); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), path, Options{}); err == nil {
		t.Error("a file of a newer program was opened")
	}
	if err := s.Keep(t.Context(), pipeline.Effects{}); err == nil {
		t.Error("a closed store kept something")
	}
}

func FuzzBlobs(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0xf8, 0x7f}, "alias\x1f")
	f.Add([]byte{1, 2, 3}, "")
	f.Fuzz(func(t *testing.T, b []byte, text string) {
		if v, err := floats(b); err == nil && !bytes.Equal(appendFloats(nil, v), b) {
			t.Errorf("float64s of %x changed", b)
		}
		if v, err := float32s(b); err == nil && !bytes.Equal(appendFloat32s(nil, v), b) {
			t.Errorf("float32s of %x changed", b)
		}
		reasons := splitReasons(sql.NullString{String: text, Valid: true})
		if got := joinReasons(reasons); got != text {
			t.Errorf("reasons %q became %q", text, got)
		}
	})
}

func TestReasonsAreParallel(t *testing.T) {
	for _, reasons := range [][]asset.Reason{nil, {""}, {"", "", "alias"}, {"gap", ""}} {
		text, ok := joinReasons(reasons).(string)
		if got := splitReasons(sql.NullString{String: text, Valid: ok}); !reflect.DeepEqual(got, reasons) {
			t.Errorf("%q became %q", reasons, got)
		}
	}
}
