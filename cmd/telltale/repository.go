package main

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/user"
	"time"

	"github.com/telltale-iot/telltale/models"
	"github.com/telltale-iot/telltale/models/oci"
)

// modelsConfig says where the models lie and who signs them.
type modelsConfig struct {
	Repository   string  `yaml:"repository,omitempty"` // folder, or oci://HOST/PREFIX; default DATA/models
	ONNXRuntime  string  `yaml:"onnxruntime,omitempty"`
	Key          string  `yaml:"key,omitempty"`  // file with a public key: only what it signed is used
	User         string  `yaml:"user,omitempty"` // at the registry; default: what the Docker configuration knows
	PasswordFile string  `yaml:"password_file,omitempty"`
	DockerConfig string  `yaml:"docker_config,omitempty"` // file; default ~/.docker/config.json
	PlainHTTP    bool    `yaml:"plain_http,omitempty"`    // no TLS, also when the registry is on another machine
	PollS        float64 `yaml:"poll_s,omitempty"`        // seconds between two looks at the stages; default 5, of a registry 30
}

// poll is how often the stages are looked at.
func (c modelsConfig) poll() time.Duration {
	usual := 5.0
	if oci.Remote(c.Repository) {
		usual = 30
	}
	return time.Duration(cmp.Or(c.PollS, usual) * float64(time.Second))
}

// there refuses a folder that does not exist: a slip in its name would be an empty repository.
func (c modelsConfig) there() error {
	if c.Repository == "" || oci.Remote(c.Repository) {
		return nil
	}
	if _, err := os.Stat(c.Repository); err != nil {
		return fmt.Errorf("--repo: %w", err)
	}
	return nil
}

// Environment variables of the registry's account, where the configuration names none.
const (
	envRegistryUser     = "TELLTALE_REGISTRY_USER"
	envRegistryPassword = "TELLTALE_REGISTRY_PASSWORD"      //nolint:gosec // its name
	envRegistryFile     = "TELLTALE_REGISTRY_PASSWORD_FILE" //nolint:gosec // its name
)

// openRepository returns nil when no repository was named.
func openRepository(ctx context.Context, c modelsConfig, log *slog.Logger) (*models.Repository, error) {
	if c.Repository == "" {
		return nil, nil //nolint:nilnil // nothing is kept: the callers ask
	}
	opt := oci.Options{Log: log, DockerConfig: c.DockerConfig, PlainHTTP: c.PlainHTTP}
	if c.Key != "" {
		text, err := os.ReadFile(c.Key)
		if err != nil {
			return nil, fmt.Errorf("models.key: %w", err)
		}
		if opt.Key, err = models.ParsePublicKey(text); err != nil {
			return nil, fmt.Errorf("models.key: %s: %w", c.Key, err)
		}
	}
	opt.User = cmp.Or(c.User, os.Getenv(envRegistryUser))
	var err error
	if opt.Password, err = secret(cmp.Or(c.PasswordFile, os.Getenv(envRegistryFile))); err != nil {
		return nil, fmt.Errorf("registry: %w", err)
	}
	opt.Password = cmp.Or(opt.Password, os.Getenv(envRegistryPassword))
	return oci.Open(ctx, c.Repository, opt)
}

// doer is who works on the repository where --as says nothing: TELLTALE_USER, or
// the account and the machine.
func doer() string {
	if who := os.Getenv("TELLTALE_USER"); who != "" {
		return who
	}
	name := os.Getenv("USER")
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	host, err := os.Hostname()
	if err != nil {
		return cmp.Or(name, "unknown")
	}
	return cmp.Or(name, "unknown") + "@" + host
}
