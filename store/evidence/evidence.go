// Package evidence keeps windows of samples as objects, one Parquet file each, in a folder
// or in a bucket of S3. They are looked at by people, when a verdict is in doubt: nothing
// in the flow reads them.
//
// A key is ASSET/CHANNEL/2026/01/02/20260102T030405.678000Z.parquet: keys of a channel are
// in the order of time, and a window that is put a second time is the same object.
package evidence

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/blob/fileblob"
	_ "gocloud.dev/blob/s3blob" // s3:// addresses
	"gocloud.dev/gcerrors"

	"github.com/telltale-iot/telltale/asset"
)

// ErrNotFound is what is answered when there is no window of that key.
var ErrNotFound = errors.New("evidence: not found")

// Window is one that is kept.
type Window struct {
	Asset   asset.ID
	Channel string
	Start   time.Time // of its first sample, in whole microseconds
	Key     string    // below its asset
	Bytes   int64
}

// Store is a place of windows. It is safe for concurrent use.
type Store struct{ bucket *blob.Bucket }

// bucketPrefix keeps windows apart from what else lies in a bucket.
const bucketPrefix = "evidence/"

// IsBucket tells an address of a bucket from a folder.
func IsBucket(place string) bool { return strings.HasPrefix(place, "s3://") }

// Check refuses what is neither a folder nor the address of a bucket. It asks no server.
func Check(place string) error {
	u, err := url.Parse(place)
	switch {
	case IsBucket(place) && err == nil && u.Host != "" && u.User == nil && u.Path == "":
		return nil
	case IsBucket(place):
		return errors.New("not an address of a bucket: want one such as s3://bucket?region=eu-central-1, without keys or a path")
	case strings.Contains(place, "://"):
		return errors.New("not a place: want a folder, or an address such as s3://bucket?region=eu-central-1")
	}
	return nil
}

// Open opens a place: a folder, which is made where there is none, or s3://BUCKET?region=…,
// whose keys begin with evidence/ where the address names no other prefix.
func Open(ctx context.Context, place string) (*Store, error) {
	if err := Check(place); err != nil {
		return nil, fmt.Errorf("evidence: %q: %w", place, err)
	}
	if !IsBucket(place) {
		return openFolder(place)
	}
	b, err := blob.OpenBucket(ctx, place)
	if err != nil {
		return nil, fmt.Errorf("evidence: %w", err)
	}
	if u, err := url.Parse(place); err == nil && !u.Query().Has("prefix") {
		b = blob.PrefixedBucket(b, bucketPrefix)
	}
	return &Store{b}, nil
}

func openFolder(dir string) (*Store, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("evidence: %w", err)
	}
	b, err := fileblob.OpenBucket(filepath.Clean(dir), &fileblob.Options{DirFileMode: 0o750, NoTempDir: true, Metadata: fileblob.MetadataDontWrite})
	if err != nil {
		return nil, fmt.Errorf("evidence: %w", err)
	}
	return &Store{b}, nil
}

// Close lets go of the place.
func (s *Store) Close() error { return s.bucket.Close() }

// Put keeps a window; body is its file.
func (s *Store) Put(ctx context.Context, id asset.ID, channel string, start time.Time, body []byte) error {
	key := prefixOf(id) + keyOf(channel, start)
	if err := s.bucket.WriteAll(ctx, key, body, &blob.WriterOptions{ContentType: ContentType}); err != nil {
		return fmt.Errorf("evidence %s: %w", key, err)
	}
	return nil
}

// ContentType is what a window is sent as.
const ContentType = "application/vnd.apache.parquet"

// Read opens a window by its key below the asset, with its size; ErrNotFound where there is none.
func (s *Store) Read(ctx context.Context, id asset.ID, key string) (io.ReadCloser, int64, error) {
	if _, _, ok := parseKey(key); !ok {
		return nil, 0, fmt.Errorf("%w: %q is no key of a window", ErrNotFound, key)
	}
	r, err := s.bucket.NewReader(ctx, prefixOf(id)+key, nil)
	if gcerrors.Code(err) == gcerrors.NotFound {
		return nil, 0, fmt.Errorf("%w: asset %s has no %s", ErrNotFound, id, key)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("evidence %s: %w", key, err)
	}
	return r, r.Size(), nil
}
