package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/telltale-iot/telltale/store"
	"github.com/telltale-iot/telltale/store/evidence"
	"github.com/telltale-iot/telltale/store/postgres"
	"github.com/telltale-iot/telltale/store/sqlite"
)

// storeConfig says where the service keeps everything; its zero is a file in the data folder.
type storeConfig struct {
	URL                string        `yaml:"url,omitempty"`                 // postgres://USER@HOST/DATABASE
	PasswordFile       string        `yaml:"password_file,omitempty"`       // default: PGPASSWORD, PGPASSFILE
	RequireSynchronous bool          `yaml:"require_synchronous,omitempty"` // refuse a server without a synchronous standby
	Retention          time.Duration `yaml:"retention,omitempty"`           // of event time, in whole weeks; default 8760h
	Evidence           string        `yaml:"evidence,omitempty"`            // folder or s3:// address of windows that are kept, or none; default DATA/evidence
}

// defaultRetention is 365 days.
const defaultRetention = 365 * 24 * time.Hour

// Validate names every value that is not allowed.
func (c storeConfig) Validate() error {
	var bad []error
	if c.URL != "" {
		if err := storeURL(c.URL); err != nil {
			bad = append(bad, fmt.Errorf("url: %w", err))
		}
	}
	if c.URL == "" && c.RequireSynchronous {
		bad = append(bad, errors.New("require_synchronous: true is not allowed without url: the file in the data folder has no standby"))
	}
	if c.Retention != 0 && c.Retention < 7*24*time.Hour {
		bad = append(bad, fmt.Errorf("retention: %s is not allowed: want at least 168h, a week", c.Retention))
	}
	if err := evidence.Check(c.Evidence); err != nil {
		bad = append(bad, fmt.Errorf("evidence: %q is %w", c.Evidence, err))
	}
	return errors.Join(bad...)
}

// isURL tells an address of a database from a folder.
func isURL(place string) bool {
	return strings.HasPrefix(place, "postgres://") || strings.HasPrefix(place, "postgresql://")
}

// storeURL refuses what is no address of a store, and passwords in it.
func storeURL(address string) error {
	u, err := url.Parse(address)
	if err != nil || !isURL(address) {
		return errors.New("not an address: want one such as postgres://telltale@db.example.org/telltale")
	}
	if _, has := u.User.Password(); has || u.Query().Has("password") {
		return errors.New("a password in an address is not allowed: put it into a file named by store.password_file, or into PGPASSWORD")
	}
	return nil
}

// storePath is the file in which a service keeps everything.
func storePath(data string) string { return filepath.Join(data, "telltale.db") }

// runPath is the file in which a backtest keeps everything.
func runPath(out string) string { return filepath.Join(out, "run.db") }

// openFile opens the embedded store at path, making it where there is none.
func openFile(ctx context.Context, path string, plan store.Planner) (store.Store, error) {
	db, err := sqlite.Open(ctx, path, sqlite.Options{Plan: plan})
	if err != nil {
		return nil, err
	}
	return db, nil
}

// openStore opens the store that the configuration names.
func openStore(ctx context.Context, conf *config, shards int, plan store.Planner, log *slog.Logger) (store.Store, error) {
	c := conf.Store
	if c.URL == "" {
		return openFile(ctx, storePath(conf.Data), plan)
	}
	password, err := secret(c.PasswordFile)
	if err != nil {
		return nil, fmt.Errorf("store.password_file: %w", err)
	}
	db, err := postgres.Open(ctx, c.URL, postgres.Options{
		Plan: plan, Password: password, Writers: shards + 2, Migrate: true, RequireSynchronous: c.RequireSynchronous, Log: log,
	})
	if err != nil {
		return nil, err
	}
	return db, nil
}

// servicePlace says what openService takes.
const servicePlace = "data folder of the service, or the postgres:// address of its store"

// openService opens the store of a service, named by its data folder or its address, to
// read it or to work on its orders.
func openService(ctx context.Context, place string) (store.Store, error) {
	if isURL(place) {
		if err := storeURL(place); err != nil {
			return nil, fmt.Errorf("%w: %w", errUsage, err)
		}
		db, err := postgres.Open(ctx, place, postgres.Options{})
		if err != nil {
			return nil, err
		}
		return db, nil
	}
	path := storePath(place)
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("no service has written to %s: name its data folder, or the address of its store, with --data: %w", place, err)
	}
	return openFile(ctx, path, nil)
}
