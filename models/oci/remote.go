package oci

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/content"
	"oras.land/oras-go/v2/errdef"
	"oras.land/oras-go/v2/registry"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/credentials"
	"oras.land/oras-go/v2/registry/remote/errcode"
	"oras.land/oras-go/v2/registry/remote/retry"

	"github.com/telltale-iot/telltale/models"
)

// server is a registry, or the part of one below a prefix: a repository of it
// for each name. A registry has no locks: of two writers, the last one wins.
type server struct {
	host, prefix string // the prefix ends with a slash, or is empty
	plainHTTP    bool
	client       *auth.Client

	mu    sync.Mutex
	shelf map[string]*repository
}

var _ models.Store = (*server)(nil)

// Limits of what is read: of a file, and of manifests kept in memory.
const (
	maxFile     = 1 << 30
	maxManifest = 4 << 20 // as registries have it
	maxKept     = 512
	headTimeout = 30 * time.Second
)

func newServer(where string, o Options) (*server, error) {
	host, prefix, _ := strings.Cut(strings.TrimSuffix(strings.TrimPrefix(where, scheme), "/"), "/")
	ref := registry.Reference{Registry: host, Repository: cmp.Or(prefix, "any")}
	if err := errors.Join(ref.ValidateRegistry(), ref.ValidateRepository()); err != nil {
		return nil, fmt.Errorf("model repository %s: oci://HOST/PREFIX is expected: %w", where, err)
	}
	if prefix != "" {
		prefix += "/"
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.ResponseHeaderTimeout = headTimeout
	s := &server{host: host, prefix: prefix, plainHTTP: o.PlainHTTP || loopback(host), shelf: map[string]*repository{}}
	s.client = &auth.Client{Client: &http.Client{Transport: retry.NewTransport(transport)}, Cache: auth.NewCache()}
	s.client.SetUserAgent("telltale")
	if o.User != "" {
		s.client.Credential = auth.StaticCredential(host, auth.Credential{Username: o.User, Password: o.Password})
		return s, nil
	}
	store, err := dockerConfig(o.DockerConfig)
	if err != nil {
		return nil, fmt.Errorf("model repository %s: credentials: %w", where, err)
	}
	s.client.Credential = credentials.Credential(store)
	return s, nil
}

func dockerConfig(path string) (credentials.Store, error) {
	if path != "" {
		return credentials.NewStore(path, credentials.StoreOptions{})
	}
	return credentials.NewStoreFromDocker(credentials.StoreOptions{})
}

// loopback says whether a registry runs on this machine.
func loopback(host string) bool {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = host
	}
	ip := net.ParseIP(strings.Trim(name, "[]"))
	return name == "localhost" || ip != nil && ip.IsLoopback()
}

// Names lists the repositories below the prefix. Not every registry tells.
func (s *server) Names(ctx context.Context) ([]string, error) {
	all, err := remote.NewRegistry(s.host)
	if err != nil {
		return nil, err
	}
	all.Client, all.PlainHTTP = s.client, s.plainHTTP
	var out []string
	err = all.Repositories(ctx, "", func(names []string) error {
		for _, n := range names {
			if name, ok := strings.CutPrefix(n, s.prefix); ok {
				out = append(out, name)
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("%s does not list its repositories, name the model instead: %w", s.host, err)
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// View lends a repository.
func (s *server) View(_ context.Context, name string, read func(models.Shelf) error) error {
	r, err := s.of(name)
	if err != nil {
		return err
	}
	return read(r)
}

// Change lends a repository. Each step of it is seen at once.
func (s *server) Change(_ context.Context, name string, write func(models.ShelfWriter) error) error {
	r, err := s.of(name)
	if err != nil {
		return err
	}
	return write(r)
}

func (s *server) of(name string) (*repository, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.shelf[name]; r != nil {
		return r, nil
	}
	r, err := remote.NewRepository(s.host + "/" + s.prefix + name)
	if err != nil {
		return nil, fmt.Errorf("model repository: %w", err)
	}
	r.Client, r.PlainHTTP = s.client, s.plainHTTP
	r.SkipReferrersGC = true // nothing is deleted, ever
	s.shelf[name] = &repository{remote: r, kept: map[string][]byte{}}
	return s.shelf[name], nil
}

// repository is one name in a registry. What has a digest never changes, so
// manifests are kept.
type repository struct {
	remote *remote.Repository
	mu     sync.Mutex
	kept   map[string][]byte // manifests by digest
}

// Tags lists the tags and asks where the wanted ones lead.
func (r *repository) Tags(ctx context.Context, want func(tag string) bool) (map[string]models.Descriptor, error) {
	var tags []string
	err := r.remote.Tags(ctx, "", func(page []string) error {
		tags = append(tags, slices.DeleteFunc(page, func(t string) bool { return !want(t) })...)
		return nil
	})
	if err != nil && !missing(err) {
		return nil, err
	}
	vacant, _ := models.Vacant()
	out := map[string]models.Descriptor{}
	for _, tag := range tags {
		d, err := r.remote.Resolve(ctx, tag)
		if missing(err) {
			continue // taken away since
		}
		if err != nil {
			return nil, err
		}
		if string(d.Digest) != vacant.Digest {
			out[tag] = plain(d)
		}
	}
	return out, nil
}

// Fetch reads content and proves its digest.
func (r *repository) Fetch(ctx context.Context, d models.Descriptor) ([]byte, error) {
	most := int64(maxFile)
	if d.MediaType == v1.MediaTypeImageManifest {
		most = maxManifest
	}
	if d.Size > most {
		return nil, fmt.Errorf("%w: %.19s… has %d bytes, at most %d are read", models.ErrContract, d.Digest, d.Size, most)
	}
	r.mu.Lock()
	body, ok := r.kept[d.Digest]
	r.mu.Unlock()
	if ok {
		return body, nil
	}
	body, err := content.FetchAll(ctx, r.remote, descriptor(d))
	switch {
	case missing(err):
		return nil, fmt.Errorf("%w: %.19s… is missing", models.ErrNotFound, d.Digest)
	case errors.Is(err, content.ErrMismatchedDigest), errors.Is(err, content.ErrTrailingData):
		return nil, fmt.Errorf("%w: %.19s… was changed: %w", models.ErrContract, d.Digest, err)
	case err != nil:
		return nil, err
	}
	if d.MediaType == v1.MediaTypeImageManifest {
		r.mu.Lock()
		if len(r.kept) >= maxKept {
			clear(r.kept)
		}
		r.kept[d.Digest] = body
		r.mu.Unlock()
	}
	return body, nil
}

// Attached lists the referrers of a manifest: from the registry, or from the tag
// that stands in for its list where the registry has none.
func (r *repository) Attached(ctx context.Context, d models.Descriptor) ([]models.Descriptor, error) {
	var out []models.Descriptor
	err := r.remote.Referrers(ctx, descriptor(d), "", func(page []v1.Descriptor) error {
		for _, p := range page {
			out = append(out, plain(p))
		}
		return nil
	})
	if missing(err) {
		return nil, nil
	}
	return out, err
}

func missing(err error) bool {
	var said *errcode.ErrorResponse
	return errors.Is(err, errdef.ErrNotFound) || errors.As(err, &said) && said.StatusCode == http.StatusNotFound
}

// Put stores content that the registry does not have yet.
func (r *repository) Put(ctx context.Context, d models.Descriptor, body []byte) error {
	if digest.FromBytes(body) != digest.Digest(d.Digest) {
		return fmt.Errorf("%w: content does not have the digest %.19s…", models.ErrContract, d.Digest)
	}
	there, err := r.remote.Exists(ctx, descriptor(d))
	if err != nil || there {
		return err
	}
	if err := r.remote.Push(ctx, descriptor(d), bytes.NewReader(body)); err != nil && !errors.Is(err, errdef.ErrAlreadyExists) {
		return err
	}
	return nil
}

// Tag moves a tag. One that is taken away is moved to the manifest of nothing:
// few registries take a tag away without what it names, and fewer accounts may.
func (r *repository) Tag(ctx context.Context, d models.Descriptor, tag string) error {
	if d.Digest != "" {
		return r.remote.Tag(ctx, descriptor(d), tag)
	}
	empty := []byte("{}")
	if err := r.Put(ctx, plain(content.NewDescriptorFromBytes(v1.MediaTypeEmptyJSON, empty)), empty); err != nil {
		return err
	}
	vacant, body := models.Vacant()
	return r.remote.PushReference(ctx, descriptor(vacant), bytes.NewReader(body), tag)
}
