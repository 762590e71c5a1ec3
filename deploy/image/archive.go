package main

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// save writes an image as a tar of an OCI layout, which docker load, podman load, skopeo and
// ctr read.
func save(img v1.Image, tag, path string) (v1.Hash, error) {
	dir, err := os.MkdirTemp("", "telltale-image-")
	if err != nil {
		return v1.Hash{}, err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary folder
	to, err := layout.Write(dir, empty.Index)
	if err != nil {
		return v1.Hash{}, err
	}
	_, version, _ := strings.Cut(tag, ":")
	if err := to.AppendImage(img, layout.WithAnnotations(map[string]string{
		"org.opencontainers.image.ref.name": version, // for podman and skopeo
		"io.containerd.image.name":          tag,     // for docker and ctr
	})); err != nil {
		return v1.Hash{}, err
	}
	digest, err := img.Digest()
	if err != nil {
		return v1.Hash{}, err
	}
	f, err := os.Create(path + ".new")
	if err != nil {
		return v1.Hash{}, err
	}
	if err := errors.Join(pack(f, dir, time.Unix(0, 0)), f.Close()); err != nil {
		return v1.Hash{}, err
	}
	return digest, os.Rename(path+".new", path)
}

// open reads an image from a folder or tar of an OCI layout, from what docker save wrote, or
// from a registry. A tar of a layout is unpacked into scratch, which has to stay.
func open(from, scratch string) (v1.Image, error) {
	if !exists(from) {
		ref, err := name.ParseReference(from)
		if err != nil {
			return nil, fmt.Errorf("neither a file nor a reference: %w", err)
		}
		return remote.Image(ref)
	}
	dir := from
	if info, err := os.Stat(from); err == nil && !info.IsDir() {
		if img, err := tarball.ImageFromPath(from, nil); err == nil {
			return img, nil
		}
		dir = scratch
		f, err := os.Open(from)
		if err != nil {
			return nil, err
		}
		defer f.Close() //nolint:errcheck // only read
		if err := extract(f, dir); err != nil {
			return nil, err
		}
	}
	index, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		return nil, err
	}
	list, err := index.IndexManifest()
	if err != nil {
		return nil, err
	}
	if len(list.Manifests) != 1 {
		return nil, fmt.Errorf("holds %d images, want one", len(list.Manifests))
	}
	return index.Image(list.Manifests[0].Digest)
}

// unpack lays an image's files out as a runtime would.
func unpack(archive, dir, scratch string) error {
	img, err := open(archive, scratch)
	if err != nil {
		return fmt.Errorf("%s: %w", archive, err)
	}
	files := mutate.Extract(img)
	defer files.Close() //nolint:errcheck // only read
	return extract(files, dir)
}

// extract keeps owners where this process may give files away.
func extract(from io.Reader, dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close() //nolint:errcheck // a handle of a folder
	for r := tar.NewReader(from); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		path := filepath.Clean(h.Name)
		if err := root.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		switch h.Typeflag {
		case tar.TypeDir:
			err = root.MkdirAll(path, 0o755)
		case tar.TypeSymlink:
			err = root.Symlink(h.Linkname, path)
		case tar.TypeLink:
			err = root.Link(filepath.Clean(h.Linkname), path)
		case tar.TypeReg:
			err = write(root, path, r)
		default:
			err = fmt.Errorf("%s: kind %c is not known", h.Name, h.Typeflag)
		}
		if err != nil {
			return err
		}
		if os.Geteuid() == 0 {
			if err := root.Lchown(path, h.Uid, h.Gid); err != nil {
				return err
			}
		}
		if h.Typeflag != tar.TypeSymlink {
			if err := root.Chmod(path, h.FileInfo().Mode()); err != nil {
				return err
			}
		}
	}
}

func write(root *os.Root, path string, from io.Reader) error {
	f, err := root.Create(path)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, from)
	return errors.Join(err, f.Close())
}
