package models

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

// Stage is what a version is used for. Of each name, one version at most is in
// production, one in shadow and one in canary.
type Stage string

// The stages of a version's life.
const (
	Staging    Stage = "staging"    // pushed, used by nothing
	Shadow     Stage = "shadow"     // scores beside production, is only logged
	Canary     Stage = "canary"     // scores a share of the assets
	Production Stage = "production" // scores
	Archived   Stage = "archived"   // was in production
)

// What a version holds.
const (
	kindModel  = "model"
	kindParams = "params"
)

// Version is one file of the repository and what became of it.
type Version struct {
	Name      string            `json:"name"`    // of a parameter set: NAME/CLASS or NAME/CLASS/ASSET
	Version   string            `json:"version"` // 1, 2, 3, …
	Kind      string            `json:"kind"`    // model or params
	Digest    string            `json:"digest"`  // SHA-256
	Size      int64             `json:"size"`
	Stage     Stage             `json:"stage"`
	Share     float64           `json:"share,omitempty"` // of the assets, in canary
	Class     string            `json:"asset_class,omitempty"`
	Component string            `json:"component,omitempty"`
	Output    string            `json:"output,omitempty"`
	Pushed    time.Time         `json:"pushed"`
	Notes     map[string]string `json:"notes,omitempty"`
	History   []Step            `json:"history"`
}

// Ref is how a person names the version.
func (v Version) Ref() string { return v.Name + ":" + v.Version }

// Serves says whether the version scores an asset: all in production, the same
// share of them for good in canary, none otherwise.
func (v Version) Serves(id asset.ID) bool {
	if v.Stage == Canary {
		sum := sha256.Sum256([]byte(v.Name + "\x00" + string(id)))
		return float64(binary.BigEndian.Uint32(sum[:]))/(1<<32) < v.Share
	}
	return v.Stage == Production
}

// Step is one change of stage.
type Step struct {
	At   time.Time `json:"at"`
	From Stage     `json:"from,omitempty"`
	To   Stage     `json:"to"`
}

// Repository is a folder of model files and parameter sets, each stored under
// its digest, with an index that is replaced whole. It keeps nothing in memory:
// another process may read or write the same folder.
type Repository struct {
	dir string
	now func() time.Time
	mu  sync.Mutex // one writer in this process; index.lock keeps other processes out
}

// OpenRepository uses the folder dir, which is made by the first push.
func OpenRepository(dir string, now func() time.Time) *Repository {
	return &Repository{dir: dir, now: now}
}

var modelName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)

// Push stores a model file under name, or under the name that it gives itself.
// prove may refuse it (the self-test needs a runtime); nil only reads it. The
// same file again is the same version.
func (r *Repository) Push(path, name string, prove func(file []byte) error) (Version, error) {
	file, err := os.ReadFile(path)
	if err != nil {
		return Version{}, fmt.Errorf("push: %w", err)
	}
	c, err := Parse(file)
	if err == nil && prove != nil {
		err = prove(file)
	}
	if err != nil {
		return Version{}, fmt.Errorf("push %s: %w", path, err)
	}
	if name == "" {
		name = c.Name
	}
	if !modelName.MatchString(name) {
		return Version{}, fmt.Errorf("push %s: %w: name %q: letters, digits, dot, dash and underscore, at most 100", path, ErrContract, name)
	}
	return r.add(Version{Name: name, Kind: kindModel, Class: c.Class, Component: c.Component, Output: c.Output}, file, Staging)
}

// PushParams stores a version of a parameter set of a class, or of one asset of
// it that was left out when it was learned. It is in production at once.
func (r *Repository) PushParams(name, class string, of asset.ID, body []byte) (Version, error) {
	if !modelName.MatchString(name) || !modelName.MatchString(class) {
		return Version{}, fmt.Errorf("push parameters: %w: name %q, class %q: letters, digits, dot, dash and underscore, at most 100", ErrContract, name, class)
	}
	return r.add(Version{Name: paramsName(name, class, of), Kind: kindParams, Class: class}, body, Production)
}

// Params is the set in production for the asset, or else that of its class.
func (r *Repository) Params(name, class string, of asset.ID) (Version, []byte, error) {
	v, b, err := r.Get(paramsName(name, class, of))
	if of != "" && errors.Is(err, ErrNotFound) {
		return r.Get(paramsName(name, class, ""))
	}
	return v, b, err
}

func paramsName(name, class string, of asset.ID) string {
	return strings.TrimSuffix(name+"/"+class+"/"+string(of), "/")
}

// List is every version, by name and then by age.
func (r *Repository) List() ([]Version, error) {
	x, err := r.read()
	if err != nil {
		return nil, err
	}
	return x.Versions, nil
}

// Show is a version with the whole contract of its model.
func (r *Repository) Show(ref string) (Version, Contract, error) {
	v, file, err := r.Get(ref)
	if err != nil || v.Kind != kindModel {
		return v, Contract{}, err
	}
	c, err := Parse(file)
	return v, c, err
}

// Check says whether a stored model is whole and the flow can feed it.
func (r *Repository) Check(ref string, produced []Input, periodS float64) (Version, error) {
	v, c, err := r.Show(ref)
	if err == nil && v.Kind == kindModel {
		err = c.Fits(produced, periodS)
	}
	if err != nil {
		return v, fmt.Errorf("check %s: %w", ref, err)
	}
	return v, nil
}

// Get reads a version: NAME:VERSION, NAME (the one in production), NAME:STAGE,
// or a digest or its first 8 characters and more. A file that no longer has its
// digest is refused.
func (r *Repository) Get(ref string) (Version, []byte, error) {
	x, err := r.read()
	if err != nil {
		return Version{}, nil, err
	}
	i, err := x.find(ref)
	if err != nil {
		return Version{}, nil, err
	}
	v := x.Versions[i]
	file, err := os.ReadFile(r.blob(v.Digest))
	if err != nil {
		return v, nil, fmt.Errorf("model %s: %w", v.Ref(), err)
	}
	if digest(file) != v.Digest {
		return v, nil, fmt.Errorf("model %s: %w: its file was changed, digest %.12s… is expected", v.Ref(), ErrContract, v.Digest)
	}
	return v, file, nil
}

// Promote brings a version to a stage; the version that held a stage of which
// there is one goes back: from production to the archive, else to staging.
// share is of the assets, for Canary only.
func (r *Repository) Promote(ref string, to Stage, share float64) (Version, error) {
	if !slices.Contains([]Stage{Staging, Shadow, Canary, Production, Archived}, to) {
		return Version{}, fmt.Errorf("promote %s: %w: stage %q: staging, shadow, canary, production or archived", ref, ErrContract, to)
	}
	if (to == Canary) != (share > 0 && share < 1) {
		return Version{}, fmt.Errorf("promote %s: %w: a share within 0 and 1 belongs to a canary, got %g", ref, ErrContract, share)
	}
	return r.change(func(x *index) (int, error) {
		i, err := x.find(ref)
		if err != nil {
			return 0, err
		}
		x.move(i, to, r.now())
		x.Versions[i].Share = share
		return i, nil
	})
}

// Rollback brings the version back that was in production before.
func (r *Repository) Rollback(name string) (Version, error) {
	return r.change(func(x *index) (int, error) {
		current, err := x.find(name)
		if err != nil {
			return 0, err
		}
		name := x.Versions[current].Name
		before := x.previous(current)
		if before < 0 {
			return 0, fmt.Errorf("rollback %s: %w: nothing was in production before version %s", name, ErrNotFound, x.Versions[current].Version)
		}
		x.move(before, Production, r.now())
		x.Versions[current].Stage = Staging // it failed: the next rollback must not return to it
		steps := x.Versions[current].History
		steps[len(steps)-1].To = Staging
		return before, nil
	})
}

// Annotate sets a note of a version, or removes it when text is empty.
func (r *Repository) Annotate(ref, key, text string) (Version, error) {
	return r.change(func(x *index) (int, error) {
		i, err := x.find(ref)
		if err != nil {
			return 0, err
		}
		v := &x.Versions[i]
		if v.Notes == nil {
			v.Notes = map[string]string{}
		}
		v.Notes[key] = text
		if text == "" {
			delete(v.Notes, key)
		}
		return i, nil
	})
}

// add stores a file and its version.
func (r *Repository) add(v Version, file []byte, stage Stage) (Version, error) {
	v.Digest, v.Size, v.Pushed = digest(file), int64(len(file)), r.now().UTC()
	if err := r.store(v.Digest, file); err != nil {
		return Version{}, fmt.Errorf("push %s: %w", v.Name, err)
	}
	return r.change(func(x *index) (int, error) {
		last, same := 0, -1
		for i, have := range x.Versions {
			if have.Name != v.Name {
				continue
			}
			n, err := strconv.Atoi(have.Version)
			if err != nil {
				return 0, fmt.Errorf("index: version %s is no number", have.Ref())
			}
			last = max(last, n)
			if have.Digest == v.Digest {
				same = i
			}
		}
		if same < 0 {
			v.Version = strconv.Itoa(last + 1)
			same = x.insert(v)
			x.move(same, Staging, r.now())
		}
		if stage == Production && x.Versions[same].Stage != Production {
			x.move(same, stage, r.now())
		}
		return same, nil
	})
}

func digest(file []byte) string {
	sum := sha256.Sum256(file)
	return hex.EncodeToString(sum[:])
}

func (r *Repository) blob(digest string) string { return filepath.Join(r.dir, "blobs", digest) }
