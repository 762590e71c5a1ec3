package models

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// index is index.json: every version, by name and then by number.
type index struct {
	Format   int       `json:"format"` // 1
	Versions []Version `json:"versions"`
}

// lockWait is how long a writer waits for another process; staleLock is the age
// at which a lock was left behind by a process that died.
const (
	lockWait  = 5 * time.Second
	staleLock = 30 * time.Second
)

func (r *Repository) read() (index, error) {
	x := index{Format: 1}
	b, err := os.ReadFile(filepath.Join(r.dir, "index.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return x, nil
	}
	if err != nil {
		return x, fmt.Errorf("model repository: %w", err)
	}
	if err := json.Unmarshal(b, &x); err != nil {
		return x, fmt.Errorf("model repository: %s: %w", filepath.Join(r.dir, "index.json"), err)
	}
	if x.Format != 1 {
		return x, fmt.Errorf("model repository %s has format %d: this build reads 1", r.dir, x.Format)
	}
	return x, nil
}

// change reads the index, lets f change it and replaces it; f answers with the
// version it is about.
func (r *Repository) change(f func(*index) (int, error)) (Version, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	unlock, err := r.lock()
	if err != nil {
		return Version{}, err
	}
	defer unlock()
	x, err := r.read()
	if err != nil {
		return Version{}, err
	}
	i, err := f(&x)
	if err != nil {
		return Version{}, err
	}
	b, err := json.MarshalIndent(x, "", " ")
	if err != nil {
		return Version{}, fmt.Errorf("model repository: %w", err)
	}
	if err := replace(filepath.Join(r.dir, "index.json"), b); err != nil {
		return Version{}, fmt.Errorf("model repository: %w", err)
	}
	return x.Versions[i], nil
}

// lock keeps other processes from writing. A reader needs no lock.
func (r *Repository) lock() (unlock func(), err error) {
	if err := os.MkdirAll(r.dir, 0o755); err != nil {
		return nil, fmt.Errorf("model repository: %w", err)
	}
	path := filepath.Join(r.dir, "index.lock")
	for waited := time.Duration(0); ; waited += 20 * time.Millisecond {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
		if err == nil {
			_, _ = f.WriteString(strconv.Itoa(os.Getpid()))
			_ = f.Close()
			return func() { _ = os.Remove(path) }, nil
		}
		if !errors.Is(err, fs.ErrExist) {
			return nil, fmt.Errorf("model repository: %w", err)
		}
		if st, err := os.Stat(path); err == nil && time.Since(st.ModTime()) > staleLock {
			_ = os.Remove(path)
			continue
		}
		if waited > lockWait {
			return nil, fmt.Errorf("model repository: %s is held by another process: try again", path)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// store puts a file under its digest, once.
func (r *Repository) store(digest string, file []byte) error {
	path := r.blob(digest)
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return replace(path, file)
}

// replace writes a file beside path, makes it durable and renames it there.
func replace(path string, b []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// find resolves a reference as Repository.Get describes it.
func (x *index) find(ref string) (int, error) {
	name, version := ref, string(Production)
	if !slices.ContainsFunc(x.Versions, func(v Version) bool { return v.Name == ref }) {
		if at := strings.LastIndexByte(ref, ':'); at >= 0 {
			name, version = ref[:at], ref[at+1:]
		}
	}
	var have []string
	for i, v := range x.Versions {
		if v.Name != name {
			continue
		}
		if v.Version == version || string(v.Stage) == version && v.Stage != Archived && v.Stage != Staging {
			return i, nil
		}
		have = append(have, v.Version+" ("+string(v.Stage)+")")
	}
	if len(have) > 0 {
		return 0, fmt.Errorf("%w: %s:%s; there is %s", ErrNotFound, name, version, strings.Join(have, ", "))
	}
	return x.findDigest(strings.TrimPrefix(ref, "sha256:"))
}

func (x *index) findDigest(ref string) (int, error) {
	found := -1
	if len(ref) >= 8 {
		for i, v := range x.Versions {
			if !strings.HasPrefix(v.Digest, ref) {
				continue
			}
			if found >= 0 && x.Versions[found].Digest != v.Digest {
				return 0, fmt.Errorf("%w: digest %s… is of more than one: give more of it", ErrNotFound, ref)
			}
			if found < 0 || v.Stage == Production {
				found = i
			}
		}
	}
	if found < 0 {
		return 0, fmt.Errorf("%w: %s", ErrNotFound, ref)
	}
	return found, nil
}

// insert keeps the order and answers with the place.
func (x *index) insert(v Version) int {
	at := len(x.Versions)
	for i, have := range x.Versions {
		if have.Name > v.Name {
			at = i
			break
		}
	}
	x.Versions = slices.Insert(x.Versions, at, v)
	return at
}

// move changes the stage of one version and of the one that stood there.
func (x *index) move(i int, to Stage, now time.Time) {
	if to == Production || to == Shadow || to == Canary {
		for j, v := range x.Versions {
			if j != i && v.Name == x.Versions[i].Name && v.Stage == to {
				back := Staging
				if to == Production {
					back = Archived
				}
				x.set(j, back, now)
			}
		}
	}
	x.set(i, to, now)
}

func (x *index) set(i int, to Stage, now time.Time) {
	v := &x.Versions[i]
	v.History = append(v.History, Step{At: now.UTC(), From: v.Stage, To: to})
	v.Stage, v.Share = to, 0
}

// previous is the archived version of the same name that left production last;
// -1 when there is none.
func (x *index) previous(current int) int {
	before := -1
	var left time.Time
	for i, v := range x.Versions {
		if v.Name != x.Versions[current].Name || v.Stage != Archived || len(v.History) == 0 {
			continue
		}
		if at := v.History[len(v.History)-1].At; before < 0 || !at.Before(left) {
			before, left = i, at
		}
	}
	return before
}
