package models

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"
)

// Store keeps content by name, each name an OCI repository of its own. It is
// safe for concurrent use, also beside other processes.
type Store interface {
	// Names lists the names that hold anything, sorted.
	Names(ctx context.Context) ([]string, error)
	// View lends a name for reading, as it stood at one instant where the store
	// can tell. A name that holds nothing is empty, which is no error.
	View(ctx context.Context, name string, read func(Shelf) error) error
	// Change lends it for writing: to one writer at a time, and all of it or
	// nothing when write fails, where the store can.
	Change(ctx context.Context, name string, write func(ShelfWriter) error) error
}

// Shelf is what lies under one name.
type Shelf interface {
	// Tags resolves the tags that are wanted; of one that says nothing about an
	// artifact (it was taken away) there is none.
	Tags(ctx context.Context, want func(tag string) bool) (map[string]Descriptor, error)
	// Fetch reads content and proves its digest: ErrContract when it was
	// changed, ErrNotFound when it is not there.
	Fetch(ctx context.Context, d Descriptor) ([]byte, error)
	// Attached lists the manifests whose subject is d.
	Attached(ctx context.Context, d Descriptor) ([]Descriptor, error)
}

// ShelfWriter adds to a shelf. Content is never replaced, tags are moved.
type ShelfWriter interface {
	Shelf
	Put(ctx context.Context, d Descriptor, body []byte) error // a manifest after what it names
	Tag(ctx context.Context, d Descriptor, tag string) error  // no digest: the tag is taken away
}

// Descriptor names content, as the OCI image specification 1.1 does.
type Descriptor struct {
	MediaType    string            `json:"mediaType"`
	Digest       string            `json:"digest"` // sha256:…
	Size         int64             `json:"size"`
	ArtifactType string            `json:"artifactType,omitempty"`
	Annotations  map[string]string `json:"annotations,omitempty"`
	Data         []byte            `json:"data,omitempty"` // the content itself, when it is short
}

// Manifest is an OCI image manifest: of a version, of a step, of a signature.
type Manifest struct {
	SchemaVersion int               `json:"schemaVersion"` // 2
	MediaType     string            `json:"mediaType"`
	ArtifactType  string            `json:"artifactType,omitempty"`
	Config        Descriptor        `json:"config"`
	Layers        []Descriptor      `json:"layers"`
	Subject       *Descriptor       `json:"subject,omitempty"`
	Annotations   map[string]string `json:"annotations,omitempty"`
}

// Media and artifact types.
const (
	MediaManifest = "application/vnd.oci.image.manifest.v1+json"
	mediaEmpty    = "application/vnd.oci.empty.v1+json"
	mediaConfig   = "application/vnd.oci.image.config.v1+json"
	mediaRecord   = "application/vnd.telltale.version.v1+json"
	mediaStep     = "application/vnd.telltale.step.v1+json"
	mediaONNX     = "application/vnd.telltale.onnx"
	mediaParams   = "application/vnd.telltale.params.v1+json"
	mediaGLB      = "model/gltf-binary"
	mediaGLTF     = "model/gltf+json"
	artifactKind  = "application/vnd.telltale." // followed by the kind and ".v1"

	annotationTitle   = "org.opencontainers.image.title"
	annotationCreated = "org.opencontainers.image.created"
	annotationVersion = "org.opencontainers.image.version"
	annotationLicence = "org.opencontainers.image.licenses"
	annotationCode    = "org.opencontainers.image.revision"
)

// Vacant is the manifest of nothing: a registry that does not take tags away has
// them moved to it.
func Vacant() (Descriptor, []byte) {
	empty := describe(mediaEmpty, []byte("{}"))
	body, _ := json.Marshal(Manifest{ //nolint:errchkjson // no value in it can fail
		SchemaVersion: 2, MediaType: MediaManifest, ArtifactType: artifactKind + "vacant.v1", Config: empty, Layers: []Descriptor{empty},
	})
	return describe(MediaManifest, body), body
}

func describe(mediaType string, body []byte) Descriptor {
	return Descriptor{MediaType: mediaType, Digest: "sha256:" + digest(body), Size: int64(len(body))}
}

func digest(file []byte) string {
	sum := sha256.Sum256(file)
	return hex.EncodeToString(sum[:])
}

// put stores content that is not there yet and says what to call it.
func put(ctx context.Context, w ShelfWriter, mediaType string, body []byte) (Descriptor, error) {
	d := describe(mediaType, body)
	return d, w.Put(ctx, d, body)
}

// putManifest stores a manifest, its subject and layers being there already.
func putManifest(ctx context.Context, w ShelfWriter, m Manifest) (Descriptor, error) {
	m.SchemaVersion, m.MediaType = 2, MediaManifest
	body, err := json.Marshal(m)
	if err != nil {
		return Descriptor{}, err
	}
	d := describe(MediaManifest, body)
	d.ArtifactType = m.ArtifactType
	return d, w.Put(ctx, d, body)
}

func readManifest(ctx context.Context, s Shelf, d Descriptor) (Manifest, error) {
	var m Manifest
	body, err := s.Fetch(ctx, d)
	if err != nil {
		return m, err
	}
	if err := json.Unmarshal(body, &m); err != nil {
		return m, fmt.Errorf("manifest %.19s…: %w", d.Digest, err)
	}
	return m, nil
}

// content reads what a descriptor names, from the descriptor itself if it is in there.
func content(ctx context.Context, s Shelf, d Descriptor) ([]byte, error) {
	if len(d.Data) > 0 && "sha256:"+digest(d.Data) == d.Digest {
		return d.Data, nil
	}
	return s.Fetch(ctx, d)
}

// attach stores a short document as an artifact whose subject is d.
func attach(ctx context.Context, w ShelfWriter, d Descriptor, mediaType string, document any, at time.Time) error {
	body, err := json.Marshal(document)
	if err != nil {
		return err
	}
	empty, err := put(ctx, w, mediaEmpty, []byte("{}"))
	if err != nil {
		return err
	}
	layer, err := put(ctx, w, mediaType, body)
	if err != nil {
		return err
	}
	layer.Data = body
	_, err = putManifest(ctx, w, Manifest{
		ArtifactType: mediaType, Config: empty, Layers: []Descriptor{layer},
		Subject:     &Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size},
		Annotations: map[string]string{annotationCreated: at.UTC().Format(time.RFC3339Nano)},
	})
	return err
}

// Record is what a version says of itself for good: the configuration of its
// manifest.
type Record struct {
	Name      string    `json:"name"`
	Kind      string    `json:"kind"`   // KindModel, KindParams or KindGeometry
	Digest    string    `json:"digest"` // SHA-256 of the file
	Size      int64     `json:"size"`
	Class     string    `json:"asset_class,omitempty"`
	Component string    `json:"component,omitempty"`
	Output    string    `json:"output,omitempty"`
	Pushed    time.Time `json:"pushed"`
	By        string    `json:"by,omitempty"`
	Lineage   Lineage   `json:"lineage,omitzero"`
}

// Lineage is where a version comes from.
type Lineage struct {
	Training  string `json:"training_sha256,omitempty"` // digest of the training data
	Code      string `json:"git,omitempty"`             // commit of the code that trained it
	Parent    string `json:"parent,omitempty"`          // digest of the version that it continues
	Framework string `json:"framework,omitempty"`
	Licence   string `json:"license,omitempty"`
}

func lineageOf(c Contract) Lineage {
	return Lineage{
		Training: c.About["training_sha256"], Code: c.About["git"], Parent: c.About["parent"],
		Framework: c.About["framework"], Licence: c.About["license"],
	}
}

// putVersion stores file, record and manifest of a version.
func putVersion(ctx context.Context, w ShelfWriter, rec Record, number, mediaType, title string, file []byte) (Descriptor, error) {
	layer, err := put(ctx, w, mediaType, file)
	if err != nil {
		return Descriptor{}, err
	}
	layer.Annotations = map[string]string{annotationTitle: title}
	body, err := json.Marshal(rec)
	if err != nil {
		return Descriptor{}, err
	}
	config, err := put(ctx, w, mediaRecord, body)
	if err != nil {
		return Descriptor{}, err
	}
	notes := map[string]string{
		annotationVersion: number, annotationTitle: rec.Name, annotationCreated: rec.Pushed.UTC().Format(time.RFC3339Nano),
	}
	for key, text := range map[string]string{annotationLicence: rec.Lineage.Licence, annotationCode: rec.Lineage.Code} {
		if text != "" {
			notes[key] = text
		}
	}
	return putManifest(ctx, w, Manifest{ArtifactType: artifactKind + rec.Kind + ".v1", Config: config, Layers: []Descriptor{layer}, Annotations: notes})
}

// versionManifest reads the manifest of a version; any other artifact is refused.
func versionManifest(ctx context.Context, s Shelf, d Descriptor) (Manifest, error) {
	m, err := readManifest(ctx, s, d)
	if err != nil {
		return m, err
	}
	kind := kindOf(m)
	if kind == "" || len(m.Layers) != 1 || m.Annotations[annotationVersion] == "" {
		return m, fmt.Errorf("%w: %.19s… is an artifact of type %q: a version pushed by telltale is expected", ErrContract, d.Digest, m.ArtifactType)
	}
	return m, nil
}

func kindOf(m Manifest) string {
	for _, k := range []string{KindModel, KindParams, KindGeometry} {
		if m.ArtifactType == artifactKind+k+".v1" {
			return k
		}
	}
	return ""
}
