package powerloss

import (
	"context"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// file is what programs see, what is on the disk, and what lies between them.
type file struct {
	fs.Inode

	disk     *Disk
	name     string // that it had first
	data     []byte
	synced   []byte
	unsynced []change
}

// change is a write at a place, or, without data, a new length.
type change struct {
	at   int64
	data []byte
	size int64 // of the file after it
}

// span is the part of a file of most bytes that a change is about.
func (x change) span(most int64) (from, to int64) {
	if x.data == nil {
		return x.size, most // of a file that grows again the part behind is zero
	}
	return x.at, x.at + int64(len(x.data))
}

// put writes the part of a change that belongs at a place to b.
func (x change) put(b []byte, at int64) {
	if x.data == nil {
		clear(b)
		return
	}
	copy(b, x.data[at-x.at:])
}

// applied returns b after a change.
func (x change) applied(b []byte) []byte {
	if n := int64(len(b)); n < x.size {
		b = append(b, make([]byte, x.size-n)...)
	} else {
		b = b[:x.size]
	}
	if x.data != nil {
		copy(b[x.at:], x.data)
	}
	return b
}

var (
	_ fs.NodeGetattrer = (*file)(nil)
	_ fs.NodeSetattrer = (*file)(nil)
	_ fs.NodeOpener    = (*file)(nil)
	_ fs.NodeReader    = (*file)(nil)
	_ fs.NodeWriter    = (*file)(nil)
	_ fs.NodeFsyncer   = (*file)(nil)
)

func (f *file) change(x change) syscall.Errno {
	op := "write"
	if x.data == nil {
		op = "truncate"
	}
	struck, errno := f.disk.change(op, f.name)
	if errno != 0 {
		return errno
	}
	f.unsynced = append(f.unsynced, x)
	f.data = x.applied(f.data)
	return answer(struck)
}

// Getattr implements fs.NodeGetattrer.
func (f *file) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	f.describe(&out.Attr)
	return 0
}

func (f *file) describe(out *fuse.Attr) {
	out.Mode, out.Nlink, out.Size, out.Blksize = 0o600, 1, uint64(len(f.data)), 4096
	out.Blocks = (out.Size + 511) / 512
}

// Setattr changes the length; everything else stays.
func (f *file) Setattr(_ context.Context, _ fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if size, ok := in.GetSize(); ok {
		if errno := f.change(change{size: int64(size)}); errno != 0 { //nolint:gosec // a file in memory
			return errno
		}
	}
	f.describe(&out.Attr)
	return 0
}

// Open implements fs.NodeOpener.
func (f *file) Open(_ context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if flags&syscall.O_TRUNC != 0 {
		return nil, 0, f.change(change{})
	}
	return nil, 0, 0
}

// Read works without power too: the cache is the program's.
func (f *file) Read(_ context.Context, _ fs.FileHandle, dest []byte, at int64) (fuse.ReadResult, syscall.Errno) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	n := copy(dest, f.data[min(at, int64(len(f.data))):])
	return fuse.ReadResultData(dest[:n]), 0
}

// Write implements fs.NodeWriter.
func (f *file) Write(_ context.Context, _ fs.FileHandle, data []byte, at int64) (uint32, syscall.Errno) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	size := max(int64(len(f.data)), at+int64(len(data)))
	x := change{at: at, data: append([]byte{}, data...), size: size}
	return uint32(len(data)), f.change(x) //nolint:gosec // at most what the kernel sends
}

// Fsync puts the content on the disk, not the name.
func (f *file) Fsync(context.Context, fs.FileHandle, uint32) syscall.Errno {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if struck, errno := f.disk.change("sync", f.name); struck || errno != 0 {
		return syscall.EIO
	}
	for _, x := range f.unsynced {
		f.synced = x.applied(f.synced)
	}
	f.unsynced = nil
	return 0
}

func (f *file) save(path string, c chance) error { return writeFile(path, c.image(f)) }
