package powerloss

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// node is a file or a folder.
type node interface {
	fs.InodeEmbedder

	save(path string, c chance) error
}

// folder is names as programs see them, those on the disk, and what lies between them.
type folder struct {
	fs.Inode

	disk     *Disk
	name     string
	names    map[string]node
	synced   map[string]node
	unsynced []naming
}

// naming is a node that loses a name, gets one, or both.
type naming struct {
	from, to string
	node     node
}

func (x naming) apply(names map[string]node) {
	if x.from != "" && names[x.from] == x.node {
		delete(names, x.from)
	}
	if x.to != "" {
		names[x.to] = x.node
	}
}

func newFolder(d *Disk, name string) *folder {
	return &folder{disk: d, name: name, names: map[string]node{}, synced: map[string]node{}}
}

var (
	_ fs.NodeGetattrer = (*folder)(nil)
	_ fs.NodeCreater   = (*folder)(nil)
	_ fs.NodeMkdirer   = (*folder)(nil)
	_ fs.NodeUnlinker  = (*folder)(nil)
	_ fs.NodeRenamer   = (*folder)(nil)
	_ fs.NodeFsyncer   = (*folder)(nil)
)

// plant shows the kernel what was loaded.
func (f *folder) plant(ctx context.Context) {
	for name, n := range f.names {
		sub, is := n.(*folder)
		mode := uint32(fuse.S_IFREG)
		if is {
			mode = fuse.S_IFDIR
		}
		f.AddChild(name, f.NewPersistentInode(ctx, n, fs.StableAttr{Mode: mode}), true)
		if is {
			sub.plant(ctx)
		}
	}
}

func (f *folder) change(x naming) syscall.Errno {
	op, name := "create", x.to
	switch {
	case x.to == "":
		op, name = "remove", x.from
	case x.from != "":
		op = "rename"
	}
	struck, errno := f.disk.change(op, name)
	if errno != 0 {
		return errno
	}
	f.unsynced = append(f.unsynced, x)
	x.apply(f.names)
	return answer(struck)
}

// Getattr implements fs.NodeGetattrer.
func (f *folder) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	out.Mode, out.Nlink = 0o700, 2
	return 0
}

// Create implements fs.NodeCreater.
func (f *folder) Create(ctx context.Context, name string, _, _ uint32, out *fuse.EntryOut) (*fs.Inode, fs.FileHandle, uint32, syscall.Errno) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	n := &file{disk: f.disk, name: name}
	if errno := f.change(naming{to: name, node: n}); errno != 0 {
		return nil, nil, 0, errno
	}
	n.describe(&out.Attr)
	return f.NewPersistentInode(ctx, n, fs.StableAttr{Mode: fuse.S_IFREG}), nil, 0, 0
}

// Mkdir implements fs.NodeMkdirer.
func (f *folder) Mkdir(ctx context.Context, name string, _ uint32, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	n := newFolder(f.disk, name)
	if errno := f.change(naming{to: name, node: n}); errno != 0 {
		return nil, errno
	}
	out.Mode, out.Nlink = 0o700, 2
	return f.NewPersistentInode(ctx, n, fs.StableAttr{Mode: fuse.S_IFDIR}), 0
}

// Unlink implements fs.NodeUnlinker.
func (f *folder) Unlink(_ context.Context, name string) syscall.Errno {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	return f.change(naming{from: name, node: f.names[name]})
}

// Rename works within a folder: it happens as a whole or not.
func (f *folder) Rename(_ context.Context, from string, into fs.InodeEmbedder, to string, flags uint32) syscall.Errno {
	if other, ok := into.(*folder); !ok || other != f || flags != 0 {
		return syscall.EXDEV
	}
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	return f.change(naming{from: from, to: to, node: f.names[from]})
}

// Fsync puts the names on the disk, not what they stand for.
func (f *folder) Fsync(context.Context, fs.FileHandle, uint32) syscall.Errno {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if struck, errno := f.disk.change("sync folder", f.name); struck || errno != 0 {
		return syscall.EIO
	}
	for _, x := range f.unsynced {
		x.apply(f.synced)
	}
	f.unsynced = nil
	return 0
}

func (f *folder) save(path string, c chance) error {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return err
	}
	left := maps.Clone(f.synced)
	upTo := c.upTo(len(f.unsynced))
	for i, x := range f.unsynced {
		if c.how == any_ && c.rng.IntN(2) == 0 || c.how != any_ && i < upTo {
			x.apply(left)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(left)) {
		if err := left[name].save(filepath.Join(path, name), c); err != nil {
			return err
		}
	}
	return nil
}

func writeFile(path string, data []byte) error { return os.WriteFile(path, data, 0o600) }
