package oci

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/telltale-iot/telltale/models"
)

// layouts is a folder with an OCI image layout in it for each name. Tags and
// manifests of a name stand in one index.json, which is replaced whole: a reader
// needs no lock, and a crash leaves the index as it was, at worst with content
// that nothing names.
type layouts struct{ root string }

var _ models.Store = layouts{}

// lockWait is how long a writer waits for another.
const lockWait = 10 * time.Second

// Names lists the folders that are OCI layouts.
func (l layouts) Names(context.Context) ([]string, error) {
	var out []string
	err := filepath.WalkDir(l.root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist) && path == l.root:
			return filepath.SkipAll
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == v1.ImageBlobsDir || d.Name() == ingestDir):
			return filepath.SkipDir
		case d.IsDir() || d.Name() != v1.ImageLayoutFile || filepath.Dir(path) == l.root:
			return nil
		}
		name, err := filepath.Rel(l.root, filepath.Dir(path))
		out = append(out, filepath.ToSlash(name))
		return err
	})
	slices.Sort(out)
	return out, err
}

// View lends the layout of a name as it stands now.
func (l layouts) View(_ context.Context, name string, read func(models.Shelf) error) error {
	f, err := l.open(name)
	if err != nil {
		return err
	}
	return read(f)
}

// Change lends it to one writer at a time and stores its index once, at the end.
func (l layouts) Change(ctx context.Context, name string, write func(models.ShelfWriter) error) error {
	unlock, err := lock(ctx, filepath.Join(l.root, ".lock"))
	if err != nil {
		return err
	}
	defer unlock()
	f, err := l.open(name)
	if err != nil {
		return err
	}
	if err := write(f); err != nil {
		return err
	}
	if !f.changed {
		return nil
	}
	if err := f.save(); err != nil {
		return fmt.Errorf("model repository: %w", err)
	}
	return nil
}

// lock holds off other writers of this process and of others, until unlock or
// until the process ends, however it ends.
func lock(ctx context.Context, path string) (unlock func(), err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("model repository: %w", err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("model repository: %w", err)
	}
	give := time.NewTimer(lockWait)
	defer give.Stop()
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { _ = f.Close() }, nil // closing lets go of it
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			return nil, errors.Join(fmt.Errorf("model repository: lock %s: %w", path, err), f.Close())
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), f.Close())
		case <-give.C:
			return nil, errors.Join(fmt.Errorf("model repository: %s is held by another process: try again", path), f.Close())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// folder is the layout of one name: its index as it was read, and what a writer
// has changed of it.
type folder struct {
	dir      string
	index    v1.Index
	changed  bool
	subjects map[string][]models.Descriptor // by digest of the subject; nil until asked for
}

// ingestDir holds files on their way into blobs.
const ingestDir = "ingest"

func (l layouts) open(name string) (*folder, error) {
	f := &folder{dir: filepath.Join(l.root, filepath.FromSlash(name))}
	f.index = v1.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageIndex}
	path := filepath.Join(f.dir, v1.ImageIndexFile)
	var err error
	for range 5 { // another tool may be writing it in place
		var body []byte
		if body, err = os.ReadFile(path); errors.Is(err, fs.ErrNotExist) {
			return f, nil
		}
		if err != nil {
			return nil, fmt.Errorf("model repository: %w", err)
		}
		if err = json.Unmarshal(body, &f.index); err == nil {
			return f, nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return nil, fmt.Errorf("model repository: %s: %w", path, err)
}

// Tags resolves the tags that are wanted.
func (f *folder) Tags(_ context.Context, want func(tag string) bool) (map[string]models.Descriptor, error) {
	vacant, _ := models.Vacant()
	out := map[string]models.Descriptor{}
	for _, m := range f.index.Manifests {
		tag := m.Annotations[v1.AnnotationRefName]
		if tag != "" && want(tag) && string(m.Digest) != vacant.Digest {
			out[tag] = plain(m)
		}
	}
	return out, nil
}

func plain(d v1.Descriptor) models.Descriptor {
	return models.Descriptor{MediaType: d.MediaType, Digest: string(d.Digest), Size: d.Size, ArtifactType: d.ArtifactType}
}

// Fetch reads content and proves its digest.
func (f *folder) Fetch(_ context.Context, d models.Descriptor) ([]byte, error) {
	path, err := f.blob(d.Digest)
	if err != nil {
		return nil, err
	}
	body, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s is missing", models.ErrNotFound, path)
	}
	if err != nil {
		return nil, err
	}
	if digest.FromBytes(body) != digest.Digest(d.Digest) {
		return nil, fmt.Errorf("%w: %s was changed, digest %.19s… is expected", models.ErrContract, path, d.Digest)
	}
	return body, nil
}

// blob is where content lies. Only SHA-256 is taken.
func (f *folder) blob(of string) (string, error) {
	d := digest.Digest(of)
	if err := d.Validate(); err != nil || d.Algorithm() != digest.SHA256 {
		return "", fmt.Errorf("%w: digest %q: sha256 and 64 hexadecimal digits are expected", models.ErrContract, of)
	}
	return filepath.Join(f.dir, v1.ImageBlobsDir, string(d.Algorithm()), d.Encoded()), nil
}

// Attached lists the manifests of the index whose subject is d.
func (f *folder) Attached(ctx context.Context, d models.Descriptor) ([]models.Descriptor, error) {
	if f.subjects == nil {
		f.subjects = map[string][]models.Descriptor{}
		seen := map[digest.Digest]bool{}
		for _, m := range f.index.Manifests {
			if seen[m.Digest] || m.MediaType != v1.MediaTypeImageManifest {
				continue
			}
			seen[m.Digest] = true
			body, err := f.Fetch(ctx, plain(m))
			if err != nil {
				return nil, err
			}
			if err := f.attach(plain(m), body); err != nil {
				return nil, err
			}
		}
	}
	return f.subjects[d.Digest], nil
}

// attach notes the subject of a manifest.
func (f *folder) attach(d models.Descriptor, body []byte) error {
	var m v1.Manifest
	if err := json.Unmarshal(body, &m); err != nil {
		return fmt.Errorf("manifest %.19s…: %w", d.Digest, err)
	}
	if m.Subject != nil {
		d.ArtifactType = m.ArtifactType
		f.subjects[string(m.Subject.Digest)] = append(f.subjects[string(m.Subject.Digest)], d)
	}
	return nil
}

// Put stores content under its digest, durably; a manifest comes into the index.
func (f *folder) Put(ctx context.Context, d models.Descriptor, body []byte) error {
	path, err := f.blob(d.Digest)
	if err != nil {
		return err
	}
	if digest.FromBytes(body) != digest.Digest(d.Digest) {
		return fmt.Errorf("%w: content does not have the digest %.19s…", models.ErrContract, d.Digest)
	}
	if _, err := f.Fetch(ctx, d); err != nil { // not there, or damaged
		if err := f.replace(path, body); err != nil {
			return err
		}
	}
	if d.MediaType != v1.MediaTypeImageManifest || slices.ContainsFunc(f.index.Manifests, func(m v1.Descriptor) bool { return string(m.Digest) == d.Digest }) {
		return nil
	}
	f.changed = true
	f.index.Manifests = append(f.index.Manifests, descriptor(d))
	if f.subjects != nil {
		return f.attach(d, body)
	}
	return nil
}

func descriptor(d models.Descriptor) v1.Descriptor {
	return v1.Descriptor{MediaType: d.MediaType, Digest: digest.Digest(d.Digest), Size: d.Size, ArtifactType: d.ArtifactType, Annotations: d.Annotations}
}

// Tag moves a tag, or takes it away. The manifest that it named stays.
func (f *folder) Tag(_ context.Context, d models.Descriptor, tag string) error {
	f.untag(tag)
	if d.Digest == "" {
		return nil
	}
	for i, m := range f.index.Manifests {
		if string(m.Digest) == d.Digest && m.Annotations[v1.AnnotationRefName] == "" {
			f.index.Manifests = slices.Delete(f.index.Manifests, i, i+1) // it needs no entry without a tag any more
			break
		}
	}
	tagged := descriptor(d)
	tagged.Annotations = map[string]string{v1.AnnotationRefName: tag}
	f.index.Manifests = append(f.index.Manifests, tagged)
	f.changed = true
	return nil
}

func (f *folder) untag(tag string) {
	for i, m := range f.index.Manifests {
		if m.Annotations[v1.AnnotationRefName] != tag {
			continue
		}
		f.changed = true
		f.index.Manifests = slices.Delete(f.index.Manifests, i, i+1)
		if !slices.ContainsFunc(f.index.Manifests, func(o v1.Descriptor) bool { return o.Digest == m.Digest }) {
			m.Annotations = nil
			f.index.Manifests = append(f.index.Manifests, m)
		}
		return
	}
}

// save makes everything that was put durable and replaces the index.
func (f *folder) save() error {
	path := filepath.Join(f.dir, v1.ImageLayoutFile)
	if _, err := os.Stat(path); err != nil {
		if err := f.replace(path, []byte(`{"imageLayoutVersion":"`+v1.ImageLayoutVersion+`"}`)); err != nil {
			return err
		}
	}
	slices.SortStableFunc(f.index.Manifests, func(a, b v1.Descriptor) int {
		return strings.Compare(a.Annotations[v1.AnnotationRefName], b.Annotations[v1.AnnotationRefName])
	})
	body, err := json.MarshalIndent(f.index, "", " ")
	if err != nil {
		return err
	}
	if err := syncDir(filepath.Join(f.dir, v1.ImageBlobsDir, string(digest.SHA256))); err != nil {
		return err
	}
	if err := f.replace(filepath.Join(f.dir, v1.ImageIndexFile), body); err != nil {
		return err
	}
	return syncDir(f.dir)
}

// replace writes a file beside the content, makes it durable and renames it.
func (f *folder) replace(path string, body []byte) error {
	ingest := filepath.Join(f.dir, ingestDir)
	if err := errors.Join(os.MkdirAll(ingest, 0o755), os.MkdirAll(filepath.Dir(path), 0o755)); err != nil {
		return err
	}
	t, err := os.CreateTemp(ingest, "new-*")
	if err != nil {
		return err
	}
	_, err = t.Write(body)
	err = errors.Join(err, t.Chmod(0o644), t.Sync(), t.Close())
	if err == nil {
		err = os.Rename(t.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(t.Name()))
	}
	return nil
}

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
