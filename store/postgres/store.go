// Package postgres is the store of a site or a fleet: one PostgreSQL database, from
// version 14 on, with rows of time in weekly partitions.
//
// While the server is away, what the flow asks of it waits and goes on by itself. What
// is told to be durable has been committed; whether a commit whose answer was lost took
// place is read again and not guessed.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/store"
	"github.com/telltale-iot/telltale/store/row"
)

// Options of a store. Its zero is usable.
type Options struct {
	Plan     store.Planner // which order an alert asks for; nil means none
	Password string        // in place of what the environment or a password file says
	Readers  int           // connections for reading; default 4
	Writers  int           // connections for writing: one for each shard and one; default 4

	Migrate            bool          // bring an older schema up to date, which needs its owner
	RequireSynchronous bool          // refuse a server whose commits do not wait for a standby
	WriteDeadline      time.Duration // of one attempt; default 2 min
	BackoffMax         time.Duration // between two attempts; default 5 s
	Log                *slog.Logger  // default none
}

func (o Options) withDefaults() Options {
	if o.Readers <= 0 {
		o.Readers = 4
	}
	if o.Writers <= 0 {
		o.Writers = 4
	}
	if o.WriteDeadline <= 0 {
		o.WriteDeadline = 2 * time.Minute
	}
	if o.BackoffMax <= 0 {
		o.BackoffMax = 5 * time.Second
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// Store is one database. It is safe for concurrent use.
type Store struct {
	opt    Options
	schema string
	reads  *pgxpool.Pool
	writes *pgxpool.Pool
	away   away

	mu      sync.Mutex // guards what the database is known to hold
	schemas *row.Schemas
	models  map[int64]bool
	weeks   map[int64]bool
}

var (
	_ store.Store  = (*Store)(nil)
	_ store.Remote = (*Store)(nil)
)

// Open connects to the database at url and looks whether its schema is this program's.
func Open(ctx context.Context, url string, opt Options) (*Store, error) {
	s := &Store{opt: opt.withDefaults(), schemas: row.NewSchemas(), models: map[int64]bool{}, weeks: map[int64]bool{}}
	if err := s.open(ctx, url); err != nil {
		s.Close() //nolint:errcheck,gosec // it returns nil
		return nil, fmt.Errorf("store %s: %w", shown(url), err)
	}
	return s, nil
}

func (s *Store) open(ctx context.Context, url string) error {
	var err error
	if s.writes, err = s.connect(ctx, url, int32(s.opt.Writers), s.prepareWriter, nil); err != nil { //nolint:gosec // a few
		return err
	}
	if s.reads, err = s.connect(ctx, url, int32(s.opt.Readers), prepareReader, always); err != nil { //nolint:gosec // a few
		return err
	}
	have, err := s.Version(ctx)
	if err != nil {
		return err
	}
	switch want := len(migrationFiles()); {
	case have > want:
		return fmt.Errorf("schema version %d is newer than this program's %d", have, want)
	case have < want && s.opt.Migrate:
		return s.migrate(ctx)
	case have < want:
		return fmt.Errorf("schema version %d is older than this program's %d: run telltale store migrate as its owner", have, want)
	}
	return nil
}

// Close ends the store. Everything committed is on disk already.
func (s *Store) Close() error {
	for _, p := range []*pgxpool.Pool{s.reads, s.writes} {
		if p != nil {
			p.Close()
		}
	}
	return nil
}

// Claim takes a shard over: it raises the shard's epoch, so that an instance
// that held it before writes nothing more, and says where to go on.
func (s *Store) Claim(ctx context.Context, shard int32) (store.Checkpoint, error) {
	var c store.Checkpoint
	err := s.patient(ctx, func(ctx context.Context) error {
		var through *int64
		err := s.writes.QueryRow(ctx, `INSERT INTO shard AS s (shard, epoch, next, low) VALUES ($1, 1, 0, 0)
			ON CONFLICT (shard) DO UPDATE SET epoch = s.epoch + 1 RETURNING epoch, next, low, through`, shard).Scan(&c.Epoch, &c.Next, &c.Low, &through)
		c.Through = instant(through)
		return err
	})
	if err != nil {
		return store.Checkpoint{}, fmt.Errorf("claim shard %d: %w", shard, err)
	}
	return c, nil
}

// Parts loads the carried state of an asset, by part.
func (s *Store) Parts(ctx context.Context, id asset.ID) (map[string][]byte, error) {
	var parts map[string][]byte
	err := s.patient(ctx, func(ctx context.Context) error {
		parts = map[string][]byte{}
		// Asked of a connection that writes: it never is one to a standby.
		return each(ctx, s.writes, func(r pgx.Rows) error {
			var part string
			var value []byte
			err := r.Scan(&part, &value)
			parts[part] = value
			return err
		}, "SELECT part, value FROM carried WHERE asset = $1", clean(string(id)))
	})
	if err != nil {
		return nil, fmt.Errorf("carried state of asset %s: %w", id, err)
	}
	return parts, nil
}

// Meta reads a fact about the run that the store belongs to; "" when there is none.
func (s *Store) Meta(ctx context.Context, key string) (string, error) {
	var value string
	err := s.reads.QueryRow(ctx, "SELECT value FROM meta WHERE key = $1", key).Scan(&value)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return "", fmt.Errorf("meta %s: %w", key, err)
	}
	return value, nil
}

// SetMeta writes a fact about the run that the store belongs to.
func (s *Store) SetMeta(ctx context.Context, key, value string) error {
	err := s.once(ctx, func(ctx context.Context) error {
		_, err := s.writes.Exec(ctx, "INSERT INTO meta (key, value) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value", key, clean(value))
		return err
	})
	if err != nil {
		return fmt.Errorf("meta %s: %w", key, err)
	}
	return nil
}

// forget no longer believes that the database holds what it was told: after a failover
// it may be another one.
func (s *Store) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.schemas.Forget()
	clear(s.models)
	clear(s.weeks)
}
