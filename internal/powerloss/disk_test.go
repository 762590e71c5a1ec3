package powerloss

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

// mounted is a disk at a folder, unmounted in the end.
func mounted(t *testing.T, cut Moment) (*Disk, string) {
	t.Helper()
	point := t.TempDir()
	d, err := Mount(t.TempDir(), point, cut)
	if err != nil {
		t.Skip("no power to cut without FUSE and the right to mount it: ", err)
	}
	t.Cleanup(func() {
		if err := d.Unmount(point); err != nil {
			t.Error(err)
		}
	})
	return d, point
}

// write puts data at a place of a file and syncs it, if asked.
func write(t *testing.T, path string, data []byte, at int64, sync bool) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600) //nolint:gosec // a test's
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // synced where it matters
	if _, err := f.WriteAt(data, at); err != nil {
		t.Fatal(err)
	}
	if sync {
		if err := f.Sync(); err != nil {
			t.Fatal(err)
		}
	}
}

func syncFolder(t *testing.T, dir string) {
	t.Helper()
	f, err := os.Open(dir) //nolint:gosec // a test's
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // only read
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
}

// What was synced survives each cut; what was not is there, is not, and is there in part.
func TestWhatSurvives(t *testing.T) {
	d, dir := mounted(t, Moment{})
	old, young := bytes.Repeat([]byte("o"), 3*4096), bytes.Repeat([]byte("y"), 4096)
	write(t, filepath.Join(dir, "a"), old, 0, true)
	write(t, filepath.Join(dir, "renamed"), old, 0, true)
	syncFolder(t, dir)
	write(t, filepath.Join(dir, "a"), young, 4096, false)
	write(t, filepath.Join(dir, "b"), old, 0, true) // its name is not
	if err := os.Rename(filepath.Join(dir, "renamed"), filepath.Join(dir, "c")); err != nil {
		t.Fatal(err)
	}
	d.Cut()
	if err := os.WriteFile(filepath.Join(dir, "a"), old, 0o600); err == nil {
		t.Error("a write without power")
	}
	seen := map[string]int{}
	for seed := range uint64(300) {
		left := t.TempDir()
		if err := d.Save(left, rand.New(rand.NewPCG(seed, 2))); err != nil {
			t.Fatal(err)
		}
		a, err := os.ReadFile(filepath.Join(left, "a"))
		if err != nil || len(a) != len(old) || !bytes.Equal(a[:4096], old[:4096]) || !bytes.Equal(a[8192:], old[:4096]) {
			t.Fatalf("seed %d: what was synced is not there: %d bytes, %v", seed, len(a), err)
		}
		switch n := bytes.Count(a, []byte("y")); n {
		case 0:
			seen["nothing"]++
		case 4096:
			seen["all"]++
		default:
			seen["a part"]++
			if n%512 > 0 {
				seen["a part of a sector"]++
			}
		}
		if b, err := os.ReadFile(filepath.Join(left, "b")); err == nil {
			seen["new name"]++
			if !bytes.Equal(b, old) {
				t.Fatalf("seed %d: the file of a new name is not what was synced", seed)
			}
		}
		_, before := os.Stat(filepath.Join(left, "renamed"))
		_, after := os.Stat(filepath.Join(left, "c"))
		if (before == nil) == (after == nil) {
			t.Fatalf("seed %d: a rename happened by half: %v, %v", seed, before, after)
		}
		if after == nil {
			seen["renamed"]++
		}
	}
	for _, what := range []string{"nothing", "all", "a part", "a part of a sector", "new name", "renamed"} {
		if seen[what] == 0 || seen[what] == 300 {
			t.Errorf("%s: %d of 300", what, seen[what])
		}
	}
}

// The change in which the power goes fails, and what is synced later does not count.
func TestThePowerGoesInAChange(t *testing.T) {
	d, dir := mounted(t, Moment{Change: 2}) // create, write
	f, err := os.Create(filepath.Join(dir, "a"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // without power
	if _, err := f.WriteString("x"); err == nil || !d.Out() || d.At() != "write a" {
		t.Errorf("write: %v, out: %t at %q", err, d.Out(), d.At())
	}
	if err := f.Sync(); err == nil {
		t.Error("a sync without power")
	}
}
