package models

import (
	"context"
	"crypto"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

// What a version holds.
const (
	KindModel    = "model"    // ONNX
	KindParams   = "params"   // a parameter set, JSON
	KindGeometry = "geometry" // glTF 2.0
)

// Version is one file of the repository and what became of it. The record and
// the number never change.
type Version struct {
	Record
	Version  string            `json:"version"`  // 1, 2, 3, …
	Manifest string            `json:"manifest"` // digest of its manifest, which is what is signed
	Stage    Stage             `json:"stage"`    // for everything, or else where it stands first
	Share    float64           `json:"share,omitempty"`
	Places   []Place           `json:"places,omitempty"`
	Notes    map[string]string `json:"notes,omitempty"`
	History  []Step            `json:"history,omitempty"`
}

// Ref is how a person names the version.
func (v Version) Ref() string { return v.Name + ":" + v.Version }

// Repository keeps versions of models, parameter sets and geometry as OCI
// artifacts. It keeps nothing in memory: another process, or another tool, may
// read and write the same store.
type Repository struct {
	store Store
	opt   RepositoryOptions
}

// RepositoryOptions say how a repository is used.
type RepositoryOptions struct {
	Now func() time.Time // required
	Key crypto.PublicKey // Get gives nothing that this key did not sign; nil: everything
}

// NewRepository uses what a store holds.
func NewRepository(s Store, o RepositoryOptions) *Repository { return &Repository{store: s, opt: o} }

// Push stores a model file under name, or under the name that it gives itself.
// prove may refuse it (the self-test needs a runtime); nil only reads it. The
// same file again is the same version.
func (r *Repository) Push(ctx context.Context, file, name string, by By, prove func(file []byte) error) (Version, error) {
	body, err := os.ReadFile(file)
	if err != nil {
		return Version{}, fmt.Errorf("push: %w", err)
	}
	c, err := Parse(body)
	if err == nil && prove != nil {
		err = prove(body)
	}
	if err != nil {
		return Version{}, fmt.Errorf("push %s: %w", file, err)
	}
	if name == "" {
		name = c.Name
	}
	return r.add(ctx, addition{
		rec:       Record{Name: name, Kind: KindModel, Class: c.Class, Component: c.Component, Output: c.Output, Lineage: lineageOf(c)},
		mediaType: mediaONNX, ending: ".onnx", file: body,
	}, by)
}

// PushParams stores a version of a parameter set of a class, or of one asset of
// it that was left out when it was learned. It is in production at once.
func (r *Repository) PushParams(ctx context.Context, name, class string, of asset.ID, body []byte, by By) (Version, error) {
	place := Place{Stage: Production}
	if of != "" {
		place.Scope = ForAsset(of)
	}
	return r.add(ctx, addition{
		rec:       Record{Name: ParamsName(name, class), Kind: KindParams, Class: class},
		mediaType: mediaParams, ending: ".json", file: body, place: &place,
	}, by)
}

// PushGeometry stores a glTF 2.0 file, binary or JSON, that needs no other file.
func (r *Repository) PushGeometry(ctx context.Context, file, name, class, component string, by By) (Version, error) {
	body, err := os.ReadFile(file)
	if err != nil {
		return Version{}, fmt.Errorf("push: %w", err)
	}
	media, err := checkGeometry(body)
	if err != nil {
		return Version{}, fmt.Errorf("push %s: %w", file, err)
	}
	ending := ".glb"
	if media == mediaGLTF {
		ending = ".gltf"
	}
	return r.add(ctx, addition{
		rec:       Record{Name: name, Kind: KindGeometry, Class: class, Component: component},
		mediaType: media, ending: ending, file: body,
	}, by)
}

// Params is the set in production for the asset, or else that of its class.
func (r *Repository) Params(ctx context.Context, name, class string, of asset.ID) (Version, []byte, error) {
	name = ParamsName(name, class)
	l, err := r.Lineup(ctx, name)
	if err != nil {
		return Version{}, nil, err
	}
	s, ok := l.In(Production, class, of)
	if !ok {
		return Version{}, nil, fmt.Errorf("%w: %s is in production for nothing", ErrNotFound, name)
	}
	return r.Get(ctx, s.Exactly())
}

// List is every version, or every one of the names given, by name and then by age.
func (r *Repository) List(ctx context.Context, names ...string) ([]Version, error) {
	if len(names) == 0 {
		var err error
		if names, err = r.store.Names(ctx); err != nil {
			return nil, fmt.Errorf("model repository: %w", err)
		}
	}
	var out []Version
	for _, name := range names {
		if CheckName(name) != nil {
			continue // of another tool: no name of ours
		}
		err := r.view(ctx, name, nil, func(b *book) error {
			for _, n := range b.numbers() {
				v, err := b.full(ctx, b.tags[n])
				if err != nil {
					return fmt.Errorf("%s:%s: %w", name, n, err)
				}
				out = append(out, v)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Lineup is what stands where under a name. It is cheap, to be asked for often:
// nobody says so when a tag was moved.
func (r *Repository) Lineup(ctx context.Context, name string) (Lineup, error) {
	var out Lineup
	err := r.view(ctx, name, isPlace, func(b *book) (err error) {
		out, err = b.lineup(ctx)
		return err
	})
	return out, err
}

// History is what was done to the versions of a name, oldest first; what another
// tool moved comes last, since nobody knows when.
func (r *Repository) History(ctx context.Context, name string) ([]Step, error) {
	all, err := r.List(ctx, name)
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%w: %s", ErrNotFound, name)
	}
	return historyOf(all), nil
}

// Show is a version with what was done to it and the whole contract of its model.
func (r *Repository) Show(ctx context.Context, ref string) (Version, Contract, error) {
	v, file, err := r.read(ctx, ref, true)
	if err != nil || v.Kind != KindModel {
		return v, Contract{}, err
	}
	c, err := Parse(file)
	return v, c, err
}

// Check says whether a stored model is whole and the flow can feed it.
func (r *Repository) Check(ctx context.Context, ref string, produced []Input, periodS float64) (Version, error) {
	v, c, err := r.Show(ctx, ref)
	if err == nil && v.Kind == KindModel {
		err = c.Fits(produced, periodS)
	}
	if err != nil {
		return v, fmt.Errorf("check %s: %w", ref, err)
	}
	return v, nil
}

// Get reads a version to use it: NAME:VERSION, NAME (the one in production),
// NAME:STAGE, NAME:TAG, NAME@ with the digest of a manifest, or a file's digest or
// its first 8 characters and more. A file that no longer has its digest is refused, and so is a version that is not
// signed where the repository has a key.
func (r *Repository) Get(ctx context.Context, ref string) (Version, []byte, error) {
	return r.read(ctx, ref, false)
}

func (r *Repository) read(ctx context.Context, ref string, story bool) (Version, []byte, error) {
	var v Version
	var file []byte
	err := r.at(ctx, ref, func(b *book, d Descriptor) error {
		var m Manifest
		var err error
		if v, m, err = b.version(ctx, d); err != nil {
			return fmt.Errorf("model %s: %w", ref, err)
		}
		if story || v.Stage == "" {
			err = b.story(ctx, d, &v)
		}
		if err == nil && r.opt.Key != nil {
			err = signed(ctx, b, d, r.opt.Key)
		}
		if err == nil {
			file, err = b.Fetch(ctx, m.Layers[0])
		}
		if err != nil {
			return fmt.Errorf("model %s: %w", v.Ref(), err)
		}
		return nil
	})
	return v, file, err
}

// at finds a version and lends the book it is in.
func (r *Repository) at(ctx context.Context, ref string, f func(*book, Descriptor) error) error {
	name, pick, err := r.locate(ctx, ref)
	if err != nil {
		return err
	}
	want := func(tag string) bool { return tag == pick || isPlace(tag) }
	if strings.HasPrefix(pick, "@") || strings.HasPrefix(pick, "sha256:") {
		want = nil
	}
	return r.view(ctx, name, want, func(b *book) error {
		d, err := b.find(ctx, pick)
		if errors.Is(err, ErrNotFound) && want != nil { // say what there is
			if all, e := openBook(ctx, name, b.Shelf, nil); e == nil {
				_, err = all.find(ctx, pick)
			}
		}
		if err != nil {
			return err
		}
		return f(b, d)
	})
}

// locate divides a reference into the name and what find resolves.
func (r *Repository) locate(ctx context.Context, ref string) (name, pick string, err error) {
	if at, of, ok := strings.Cut(ref, "@"); ok {
		return at, of, nil
	}
	name, pick = ref, string(Production)
	if at := strings.LastIndexByte(ref, ':'); at > strings.LastIndexByte(ref, '/') {
		name, pick = ref[:at], ref[at+1:]
	}
	if st, err := ParseStage(pick); err == nil {
		pick = string(st)
	}
	bad := CheckName(name)
	hash := strings.TrimPrefix(ref, "sha256:")
	if !isDigest(hash) {
		if bad != nil {
			return "", "", fmt.Errorf("%w: %w", ErrNotFound, bad)
		}
		return name, pick, nil
	}
	if bad == nil && name != "sha256" {
		l, err := r.Lineup(ctx, name)
		if err != nil || len(l) > 0 {
			return name, pick, err
		}
	}
	return r.locateDigest(ctx, hash)
}

// isDigest says whether a reference may be the beginning of a digest.
func isDigest(ref string) bool {
	_, err := hex.DecodeString(ref[:len(ref)&^1])
	return len(ref) >= 8 && len(ref) <= 64 && err == nil
}

func (r *Repository) locateDigest(ctx context.Context, hash string) (name, pick string, err error) {
	all, err := r.List(ctx)
	if err != nil {
		return "", "", err
	}
	found := Version{}
	for _, v := range all {
		if !strings.HasPrefix(v.Digest, hash) {
			continue
		}
		if found.Digest != "" && found.Digest != v.Digest {
			return "", "", fmt.Errorf("%w: digest %s… is of more than one: give more of it", ErrNotFound, hash)
		}
		if found.Digest == "" || v.Stage == Production {
			found = v
		}
	}
	if found.Digest == "" {
		return "", "", fmt.Errorf("%w: %s", ErrNotFound, hash)
	}
	return found.Name, "@" + found.Digest, nil
}

func isPlace(tag string) bool {
	_, ok := ParsePlace(tag)
	return ok
}

func (r *Repository) view(ctx context.Context, name string, want func(tag string) bool, f func(*book) error) error {
	if err := CheckName(name); err != nil {
		return fmt.Errorf("%w: %w", ErrNotFound, err)
	}
	return r.store.View(ctx, name, func(s Shelf) error {
		b, err := openBook(ctx, name, s, want)
		if err != nil {
			return fmt.Errorf("model %s: %w", name, err)
		}
		return f(b)
	})
}

// addition is a file that becomes a version.
type addition struct {
	rec               Record
	mediaType, ending string
	file              []byte
	place             *Place // at once; nil: a candidate
}

// add stores a file and its version.
func (r *Repository) add(ctx context.Context, a addition, by By) (Version, error) {
	if err := CheckName(a.rec.Name); err != nil {
		return Version{}, fmt.Errorf("push: %w: %w", ErrContract, err)
	}
	a.rec.Digest, a.rec.Size, a.rec.By = digest(a.file), int64(len(a.file)), by.Who
	return r.change(ctx, a.rec.Name, by, func(e *editor) (Descriptor, error) {
		same, next, err := e.holding(ctx, a.rec.Digest)
		if err != nil {
			return Descriptor{}, err
		}
		if same == nil {
			a.rec.Pushed = e.now
			if p, ok := e.tags[string(Production)]; ok && a.rec.Lineage.Parent == "" && a.place == nil {
				m, err := versionManifest(ctx, e, p)
				if err != nil {
					return Descriptor{}, err
				}
				a.rec.Lineage.Parent = strings.TrimPrefix(m.Layers[0].Digest, "sha256:")
			}
			d, err := e.add(ctx, a, next)
			if err != nil {
				return d, err
			}
			same = &d
		}
		if a.place == nil {
			return *same, nil
		}
		return *same, e.move(ctx, *same, *a.place)
	})
}

// add stores a new version under the next free number.
func (e *editor) add(ctx context.Context, a addition, number int) (Descriptor, error) {
	title := path.Base(a.rec.Name) + a.ending
	for range 10 {
		n := strconv.Itoa(number)
		d, err := putVersion(ctx, e.w, a.rec, n, a.mediaType, title, a.file)
		if err != nil {
			return d, err
		}
		if err := e.tag(ctx, d, n); err != nil {
			return d, err
		}
		now, err := e.Tags(ctx, func(tag string) bool { return tag == n })
		if err != nil {
			return d, err
		}
		if now[n].Digest == d.Digest {
			return d, e.step(ctx, d, Step{To: Candidate})
		}
		number++ // a registry holds nobody off: another took the number
	}
	return Descriptor{}, fmt.Errorf("push %s: others take every number: try again", a.rec.Name)
}
