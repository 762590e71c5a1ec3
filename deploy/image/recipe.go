package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// recipe is what an image is made of.
type recipe struct {
	rootfs  string // holds the folders base and app
	base    string // image in the place of the folder base; empty: none
	name    string
	version string
	commit  string
	created v1.Time
	scratch string // folder for what is unpacked meanwhile
}

// user of the image, as a number: a node cannot tell from a name that it is not root.
const user = "65532:65532"

func (r recipe) tag() string {
	if r.version == "" {
		return r.name + ":latest"
	}
	return r.name + ":" + r.version
}

// image puts layers and configuration together.
func (r recipe) image() (v1.Image, error) {
	img, err := r.start()
	if err != nil {
		return nil, err
	}
	folders := []string{"base", "app"}
	if r.base != "" {
		folders = folders[1:]
	}
	for _, name := range folders {
		l, err := layer(filepath.Join(r.rootfs, name), r.created.Time)
		if err != nil {
			return nil, fmt.Errorf("layer %s: %w", name, err)
		}
		img, err = mutate.Append(img, mutate.Addendum{
			Layer: l, MediaType: types.OCILayer,
			History: v1.History{Created: r.created, CreatedBy: "deploy/image: " + name},
		})
		if err != nil {
			return nil, fmt.Errorf("layer %s: %w", name, err)
		}
	}
	file, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	file = file.DeepCopy()
	file.Created, file.OS, file.Architecture = r.created, "linux", runtime.GOARCH
	file.Config.User = user
	file.Config.Entrypoint = []string{"/usr/bin/telltale"}
	file.Config.Cmd = []string{"run", "-c", "/etc/telltale/telltale.yaml"}
	file.Config.WorkingDir = "/var/lib/telltale"
	file.Config.Volumes = map[string]struct{}{"/var/lib/telltale": {}}
	file.Config.ExposedPorts = map[string]struct{}{"8080/tcp": {}}
	file.Config.StopSignal = "SIGTERM"
	file.Config.Env = append(file.Config.Env, "PATH=/usr/bin", "ZONEINFO=/usr/share/zoneinfo.zip")
	if r.base != "" {
		file.Config.Env = file.Config.Env[:len(file.Config.Env)-2] // its own PATH and time zones
	}
	file.Config.Labels = r.labels(file.Config.Labels)
	if img, err = mutate.ConfigFile(img, file); err != nil {
		return nil, err
	}
	return mutate.Annotations(img, r.labels(nil)).(v1.Image), nil
}

// start is the image that layers are put on.
func (r recipe) start() (v1.Image, error) {
	if r.base == "" {
		return mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON), nil
	}
	img, err := open(r.base, r.scratch)
	if err != nil {
		return nil, fmt.Errorf("base %s: %w", r.base, err)
	}
	return img, nil
}

// labels are the pre-defined annotations of the OCI image specification.
func (r recipe) labels(more map[string]string) map[string]string {
	all := map[string]string{
		"org.opencontainers.image.title":       "Telltale",
		"org.opencontainers.image.description": "Predictive maintenance of rotating machines, from readings to work orders",
		"org.opencontainers.image.licenses":    "Apache-2.0",
		"org.opencontainers.image.version":     r.version,
		"org.opencontainers.image.revision":    r.commit,
		"org.opencontainers.image.created":     r.created.UTC().Format("2006-01-02T15:04:05Z"),
	}
	for k, v := range more {
		if _, ok := all[k]; !ok {
			all[k] = v
		}
	}
	return all
}

// exists reports whether a base is a file or folder here rather than a reference.
func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
