// Package powerloss is a folder in memory, served by FUSE, whose power can be cut: tests
// only. A write, a new length, a new, removed or renamed name is on the disk when the file,
// or the folder for names, was synced; before that it is in the cache, as a kernel has it.
// After a cut each change is refused, and Save leaves what a disk may hold then: what was
// synced, and of the rest nothing, all, what came first, or any part in any order, down to
// parts of a sector.
package powerloss

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// Disk is a mounted folder. It is safe for concurrent use.
type Disk struct {
	root   *folder
	server *fuse.Server

	mu   sync.Mutex // guards what follows, and what files and folders hold
	left int        // changes and syncs until the power goes; below 0: it stays
	of   func(change string) bool
	out  bool
	at   string // what was under way then
}

// Moment is when the power goes: in the middle of the change or sync of that number.
type Moment struct {
	Change int                      // 1 is the first; 0: the power goes by Cut alone
	Of     func(change string) bool // which are counted, as At names them; nil: all
}

// Mount serves at point what is in the folder from, all of it synced.
//
// A process that maps files of the disk into memory has to be another one than that which
// called Mount: a page that is missing would stop the goroutines that have to bring it.
func Mount(from, point string, cut Moment) (*Disk, error) {
	d := &Disk{left: cut.Change - 1, of: cut.Of}
	var err error
	if d.root, err = d.load(from); err != nil {
		return nil, err
	}
	d.server, err = fs.Mount(point, d.root, &fs.Options{
		MountOptions: fuse.MountOptions{DirectMount: true, FsName: "powerloss"},
		OnAdd:        func(ctx context.Context) { d.root.plant(ctx) },
	})
	if err != nil {
		return nil, err
	}
	return d, nil
}

// load reads a folder with those in it.
func (d *Disk) load(dir string) (*folder, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	into := newFolder(d, filepath.Base(dir))
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if e.IsDir() {
			sub, err := d.load(path)
			if err != nil {
				return nil, err
			}
			into.names[e.Name()], into.synced[e.Name()] = sub, sub
			continue
		}
		data, err := os.ReadFile(path) //nolint:gosec // a test's own folder
		if err != nil {
			return nil, err
		}
		f := &file{disk: d, name: e.Name(), data: data, synced: append([]byte(nil), data...)}
		into.names[e.Name()], into.synced[e.Name()] = f, f
	}
	return into, nil
}

// Cut takes the power away.
func (d *Disk) Cut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.out = true
}

// Out reports whether the power is gone.
func (d *Disk) Out() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.out
}

// Unmount ends the disk for those who use it; what it holds stays for Save.
func (d *Disk) Unmount(point string) error {
	if err := d.server.Unmount(); err != nil {
		return errors.Join(err, syscall.Unmount(point, syscall.MNT_DETACH))
	}
	return nil
}

// Save writes to the folder dir, which is empty, what survives; chance decides.
func (d *Disk) Save(dir string, rng *rand.Rand) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.root.save(dir, newChance(rng))
}

// At is what was under way when the power went, as "write cursor"; empty: nothing was.
func (d *Disk) At() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.at
}

// change says what becomes of one: EIO after the cut; struck: the power goes meanwhile.
func (d *Disk) change(op, name string) (struck bool, errno syscall.Errno) {
	if d.out {
		return false, syscall.EIO
	}
	if what := op + " " + name; d.of == nil || d.of(what) {
		if d.left == 0 {
			d.out, d.at = true, what
		}
		d.left = max(d.left-1, -1)
	}
	return d.out, 0
}

// answer is what the program hears of a change.
func answer(struck bool) syscall.Errno {
	if struck {
		return syscall.EIO
	}
	return 0
}
