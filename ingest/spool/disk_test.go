package spool

import (
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"syscall"
	"testing"
)

// fakeDisk is a folder in memory that knows what of it would survive a loss of power.
type fakeDisk struct {
	mu     sync.Mutex
	names  map[string]*inode // as programs see them
	synced map[string]*inode // as a crash leaves them
	room   int               // bytes that files may hold in all; below 0: without bound
	syncs  int
	bad    int64                       // place in the last segment that cannot be read; 0: none
	fail   func(op, name string) error // asked before each operation; nil: none fails
}

// inode is a file's content; synced is what survives of it for certain.
type inode struct {
	disk   *fakeDisk
	name   string
	data   []byte
	synced []byte
}

func newFakeDisk() *fakeDisk {
	return &fakeDisk{names: map[string]*inode{}, synced: map[string]*inode{}, room: -1}
}

func (d *fakeDisk) try(op, name string) error {
	if d.fail == nil {
		return nil
	}
	return d.fail(op, name)
}

func (d *fakeDisk) used() (n int) {
	for _, f := range d.names {
		n += len(f.data)
	}
	return n
}

func (d *fakeDisk) disk() *disk {
	locked := func(f func() error) error {
		d.mu.Lock()
		defer d.mu.Unlock()
		return f()
	}
	return &disk{
		open: func(name string) (f file, size int64, err error) {
			err = locked(func() error {
				if err := d.try("open", name); err != nil {
					return err
				}
				if d.names[name] == nil {
					d.names[name] = &inode{disk: d, name: name}
				}
				f, size = d.names[name], int64(len(d.names[name].data))
				return nil
			})
			return f, size, err
		},
		list: func() (names []string, err error) {
			err = locked(func() error { names = slices.Sorted(maps.Keys(d.names)); return nil })
			return names, err
		},
		remove: func(name string) error {
			return locked(func() error {
				if err := d.try("remove", name); err != nil {
					return err
				}
				if d.names[name] == nil {
					return fs.ErrNotExist
				}
				delete(d.names, name)
				return nil
			})
		},
		rename: func(from, to string) error {
			return locked(func() error {
				if err := d.try("rename", to); err != nil {
					return err
				}
				d.names[to] = d.names[from]
				delete(d.names, from)
				return nil
			})
		},
		sync: func() error {
			return locked(func() error {
				d.syncs++
				if err := d.try("sync", "."); err != nil {
					return err
				}
				d.synced = maps.Clone(d.names)
				return nil
			})
		},
		release: func() {},
	}
}

func (f *inode) ReadAt(b []byte, at int64) (int, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if err := f.disk.try("read", f.name); err != nil {
		return 0, err
	}
	if bad := f.disk.bad; bad > 0 && f.name == f.disk.lastSegment() && at <= bad && bad < at+int64(len(b)) {
		return 0, syscall.EIO
	}
	if at >= int64(len(f.data)) {
		return 0, io.EOF
	}
	n := copy(b, f.data[at:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

// WriteAt writes as much as there is room for.
func (f *inode) WriteAt(b []byte, at int64) (int, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if err := f.disk.try("write", f.name); err != nil {
		return 0, err
	}
	n := len(b)
	if grows := int(at) + n - len(f.data); f.disk.room >= 0 && grows > 0 && f.disk.used()+grows > f.disk.room {
		n = max(0, n-(f.disk.used()+grows-f.disk.room))
	}
	if need := int(at) + n - len(f.data); need > 0 {
		f.data = append(f.data, make([]byte, need)...)
	}
	copy(f.data[at:], b[:n])
	if n < len(b) {
		return n, syscall.ENOSPC
	}
	return n, nil
}

func (f *inode) Sync() error {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	f.disk.syncs++
	if err := f.disk.try("sync", f.name); err != nil {
		return err
	}
	f.synced = slices.Clone(f.data)
	return nil
}

func (f *inode) Truncate(size int64) error {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if err := f.disk.try("truncate", f.name); err != nil {
		return err
	}
	if size < int64(len(f.data)) {
		f.data = f.data[:size]
	} else {
		f.data = append(f.data, make([]byte, size-int64(len(f.data)))...)
	}
	return nil
}

func (*inode) Close() error { return nil }

// sector is what a disk writes whole, or not.
const sector = 16 // smaller than real ones, so that small tests have many

// crash is the folder after a loss of power: of what was not synced any part may be there,
// sector by sector, in any order; of new and removed names any may be as before.
func (d *fakeDisk) crash(rng *rand.Rand) *fakeDisk {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := newFakeDisk()
	every := maps.Clone(d.synced)
	for _, name := range slices.Sorted(maps.Keys(d.names)) {
		f := d.names[name]
		if d.synced[name] != f && rng.IntN(2) == 0 {
			every[name] = f
		}
	}
	for _, name := range slices.Sorted(maps.Keys(d.synced)) {
		if d.names[name] == nil && rng.IntN(2) == 0 {
			delete(every, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(every)) {
		f := every[name]
		size := len(f.synced)
		if len(f.data) != size {
			size = min(size, len(f.data)) + rng.IntN(max(size, len(f.data))-min(size, len(f.data))+1)
		}
		data := make([]byte, size)
		copy(data, f.synced)
		for at := 0; at < size && at < len(f.data); at += sector {
			if rng.IntN(2) == 0 {
				copy(data[at:min(at+sector, size)], f.data[at:])
			}
		}
		out.put(name, data)
	}
	return out
}

// put makes a synced file.
func (d *fakeDisk) put(name string, data []byte) {
	f := &inode{disk: d, name: name, data: data, synced: slices.Clone(data)}
	d.names[name], d.synced[name] = f, f
}

// copy is a folder of the same content.
func (d *fakeDisk) copy() *fakeDisk {
	out := newFakeDisk()
	for name, f := range d.names {
		out.put(name, slices.Clone(f.data))
	}
	return out
}

func (d *fakeDisk) spool(t *testing.T, opt Options) *Spool {
	t.Helper()
	opt.disk = d.disk()
	s, err := Open(opt)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
