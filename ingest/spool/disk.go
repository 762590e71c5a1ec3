package spool

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// disk is a folder, as far as a spool needs one.
type disk struct {
	open    func(name string) (file, int64, error) // with its size; made when it is missing
	list    func() ([]string, error)
	remove  func(name string) error
	rename  func(from, to string) error
	sync    func() error // makes new and renamed names durable
	release func()
}

// file is one of a folder's.
type file interface {
	io.ReaderAt
	io.WriterAt
	kept
}

type kept interface {
	Sync() error
	Truncate(size int64) error
	io.Closer
}

// openFolder makes the folder and holds it against other processes until release.
func openFolder(dir string) (*disk, error) {
	if err := MakeFolder(dir); err != nil {
		return nil, err
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = lock.Close()
		return nil, fmt.Errorf("%s: another process has it open: %w", dir, err)
	}
	folder, err := os.Open(dir)
	if err != nil {
		_ = lock.Close()
		return nil, err
	}
	return &disk{
		open: func(name string) (file, int64, error) {
			f, err := os.OpenFile(filepath.Join(dir, name), os.O_CREATE|os.O_RDWR, 0o600)
			if err != nil {
				return nil, 0, err
			}
			info, err := f.Stat()
			if err != nil {
				_ = f.Close()
				return nil, 0, err
			}
			return f, info.Size(), nil
		},
		list: func() ([]string, error) {
			entries, err := os.ReadDir(dir)
			names := make([]string, 0, len(entries))
			for _, e := range entries {
				names = append(names, e.Name())
			}
			return names, err
		},
		remove:  func(name string) error { return os.Remove(filepath.Join(dir, name)) },
		rename:  func(from, to string) error { return os.Rename(filepath.Join(dir, from), filepath.Join(dir, to)) },
		sync:    folder.Sync,
		release: func() { _ = errors.Join(folder.Close(), lock.Close()) },
	}, nil
}

// MakeFolder makes a folder with those above it where they are missing. Their names
// survive a loss of power, without which nothing in them would.
func MakeFolder(dir string) error {
	above := filepath.Dir(dir)
	if _, err := os.Stat(above); errors.Is(err, fs.ErrNotExist) && above != dir {
		if err := MakeFolder(above); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	// Also when it was there: who made it may have been killed before this.
	f, err := os.Open(above) //nolint:gosec // the operator's own folder
	switch {
	case errors.Is(err, fs.ErrPermission):
		return nil // it is another's, and so was the making
	case err != nil:
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// noSpace reports whether an error passes when somebody makes room.
func noSpace(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}
