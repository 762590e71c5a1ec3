// Package oci keeps the model repository as OCI artifacts: in a folder with an
// OCI image layout for each model, or in any OCI registry.
package oci

import (
	"context"
	"crypto"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/telltale-iot/telltale/models"
)

// scheme begins the address of a registry.
const scheme = "oci://"

// Options say how a repository is reached.
type Options struct {
	Now  func() time.Time // default time.Now
	Key  crypto.PublicKey // only what it signed is given out; nil: everything
	Log  *slog.Logger     // says what became of an older form of the folder; default: nothing is said
	User string           // at the registry; default: what the Docker configuration knows

	Password     string
	DockerConfig string // a Docker configuration file; default $DOCKER_CONFIG/config.json or ~/.docker/config.json
	PlainHTTP    bool   // no TLS, also when the registry is not on this machine
}

// Remote says whether where is the address of a registry.
func Remote(where string) bool { return strings.HasPrefix(where, scheme) }

// Open uses the folder or the registry (oci://HOST/PREFIX) where. A folder is
// made by the first push; one of the older form is converted.
func Open(ctx context.Context, where string, o Options) (*models.Repository, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	opt := models.RepositoryOptions{Now: o.Now, Key: o.Key}
	if Remote(where) {
		s, err := newServer(where, o)
		if err != nil {
			return nil, err
		}
		return models.NewRepository(s, opt), nil
	}
	if strings.Contains(where, "://") {
		return nil, fmt.Errorf("model repository %s: a folder or oci://HOST/PREFIX is expected", where)
	}
	if err := convert(ctx, where, o); err != nil {
		return nil, fmt.Errorf("model repository %s: %w", where, err)
	}
	return models.NewRepository(layouts{where}, opt), nil
}
