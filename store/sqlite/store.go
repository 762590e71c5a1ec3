// Package sqlite is the embedded store: one SQLite file in write-ahead mode,
// flushed to disk at every commit. One connection writes; readers see the last
// commit and never wait for it.
package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"net/url"
	"sort"
	"strings"
	"sync"
	"time"

	_ "modernc.org/sqlite" // registers the driver "sqlite"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/pipeline"
	"github.com/telltale-iot/telltale/store"
	"github.com/telltale-iot/telltale/store/row"
	"github.com/telltale-iot/telltale/workorders"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Options of a store. Its zero is usable.
type Options struct {
	Plan    store.Planner // which order an alert asks for; nil means none
	Readers int           // connections for reading; default 4
}

// Store is one SQLite file. It is safe for concurrent use.
type Store struct {
	plan    store.Planner
	readers *sql.DB
	writers *sql.DB // one connection, held by write

	mu      sync.Mutex // guards what follows: one writer at a time
	write   *sql.Conn
	stmts   map[string]*sql.Stmt
	schemas *row.Schemas
	buf     []byte
}

var (
	_ pipeline.Keeper   = (*Store)(nil)
	_ workorders.Outbox = (*Store)(nil)
)

// Open opens the store at path and brings it to the current schema; it makes
// the file when there is none.
func Open(ctx context.Context, path string, opt Options) (*Store, error) {
	s := &Store{plan: opt.Plan, stmts: map[string]*sql.Stmt{}, schemas: row.NewSchemas()}
	if err := s.open(ctx, path, opt); err != nil {
		s.Close() //nolint:errcheck,gosec // the first error tells more
		return nil, fmt.Errorf("store %s: %w", path, err)
	}
	return s, nil
}

func (s *Store) open(ctx context.Context, path string, opt Options) error {
	var err error
	if s.writers, err = sql.Open("sqlite", source(path, "_txlock=immediate",
		"page_size(8192)", "journal_mode(WAL)", "synchronous(FULL)", "cache_size(-32768)", "wal_autocheckpoint(4000)")); err != nil {
		return err
	}
	s.writers.SetMaxOpenConns(1)
	if s.write, err = s.writers.Conn(ctx); err != nil {
		return err
	}
	if err := s.migrate(ctx); err != nil {
		return err
	}
	if s.readers, err = sql.Open("sqlite", source(path, "mode=rw", "query_only(1)", "cache_size(-16384)")); err != nil {
		return err
	}
	if opt.Readers <= 0 {
		opt.Readers = 4
	}
	s.readers.SetMaxOpenConns(opt.Readers)
	s.readers.SetMaxIdleConns(opt.Readers)
	return s.readers.PingContext(ctx)
}

// source is the data source name of path with one query parameter and pragmas.
func source(path, parameter string, pragmas ...string) string {
	address := url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath()}
	return address.String() + "?" + parameter + "&_pragma=busy_timeout(15000)&_pragma=" + strings.Join(pragmas, "&_pragma=")
}

// migrate applies the migrations that the file has not seen, each in a transaction.
func (s *Store) migrate(ctx context.Context) error {
	files, err := migrations.ReadDir("migrations")
	if err != nil {
		return err
	}
	var have int
	if err := s.write.QueryRowContext(ctx, "PRAGMA user_version").Scan(&have); err != nil {
		return err
	}
	if have > len(files) {
		return fmt.Errorf("schema version %d is newer than this program's %d", have, len(files))
	}
	sort.Slice(files, func(i, j int) bool { return files[i].Name() < files[j].Name() })
	for i := have; i < len(files); i++ {
		text, err := migrations.ReadFile("migrations/" + files[i].Name())
		if err != nil {
			return err
		}
		script := fmt.Sprintf("BEGIN IMMEDIATE;\n%s\nPRAGMA user_version = %d;\nCOMMIT;", text, i+1)
		if _, err := s.write.ExecContext(ctx, script); err != nil {
			return errors.Join(fmt.Errorf("migration %s: %w", files[i].Name(), err), s.exec(ctx, "ROLLBACK"))
		}
	}
	return nil
}

// Close ends the store. Everything committed is on disk already.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, st := range s.stmts {
		errs = append(errs, st.Close())
	}
	s.stmts = map[string]*sql.Stmt{}
	if s.write != nil {
		errs = append(errs, s.write.Close())
		s.write = nil
	}
	for _, db := range []*sql.DB{s.readers, s.writers} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	return errors.Join(errs...)
}

// exec runs a statement on the writing connection, prepared once.
func (s *Store) exec(ctx context.Context, query string, args ...any) error {
	st, err := s.stmt(ctx, query)
	if err != nil {
		return err
	}
	_, err = st.ExecContext(ctx, args...)
	return err
}

// row runs a query of one row on the writing connection, prepared once.
func (s *Store) row(ctx context.Context, query string, args []any, into ...any) error {
	st, err := s.stmt(ctx, query)
	if err != nil {
		return err
	}
	return st.QueryRowContext(ctx, args...).Scan(into...)
}

func (s *Store) stmt(ctx context.Context, query string) (*sql.Stmt, error) {
	if st, ok := s.stmts[query]; ok {
		return st, nil
	}
	if s.write == nil {
		return nil, sql.ErrConnDone
	}
	st, err := s.write.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	s.stmts[query] = st
	return st, nil
}

// transact runs f in one transaction on the writing connection. Once begun it
// does not listen to ctx: a cancelled write would only have to be repeated.
func (s *Store) transact(ctx context.Context, f func(ctx context.Context) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.exec(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	err := f(ctx)
	if err == nil {
		err = s.exec(ctx, "COMMIT")
	}
	if err != nil {
		s.schemas.Forget() // those written by the transaction are gone with it
		if undo := s.exec(ctx, "ROLLBACK"); undo != nil {
			return errors.Join(err, undo)
		}
	}
	return err
}

// Claim takes a shard over: it raises the shard's epoch, so that an instance
// that held it before writes nothing more, and says where to go on.
func (s *Store) Claim(ctx context.Context, shard int32) (store.Checkpoint, error) {
	var c store.Checkpoint
	err := s.transact(ctx, func(ctx context.Context) error {
		var through sql.NullInt64
		err := s.row(ctx, `INSERT INTO shard (shard, epoch, next, low) VALUES (?, 1, 0, 0)
			ON CONFLICT (shard) DO UPDATE SET epoch = epoch + 1 RETURNING epoch, next, low, through`,
			[]any{shard}, &c.Epoch, &c.Next, &c.Low, &through)
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
	parts := map[string][]byte{}
	err := s.query(ctx, func(rows *sql.Rows) error {
		var part string
		var value []byte
		err := rows.Scan(&part, &value)
		parts[part] = value
		return err
	}, "SELECT part, value FROM carried WHERE asset = ?", string(id))
	if err != nil {
		return nil, fmt.Errorf("carried state of asset %s: %w", id, err)
	}
	return parts, nil
}

// Meta reads a fact about the run that the store belongs to; "" when there is none.
func (s *Store) Meta(ctx context.Context, key string) (string, error) {
	var value string
	err := s.readers.QueryRowContext(ctx, "SELECT value FROM meta WHERE key = ?", key).Scan(&value)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", fmt.Errorf("meta %s: %w", key, err)
	}
	return value, nil
}

// SetMeta writes a fact about the run that the store belongs to.
func (s *Store) SetMeta(ctx context.Context, key, value string) error {
	err := s.transact(ctx, func(ctx context.Context) error {
		return s.exec(ctx, "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value", key, value)
	})
	if err != nil {
		return fmt.Errorf("meta %s: %w", key, err)
	}
	return nil
}

// query calls f for each row that a reading connection answers with.
func (s *Store) query(ctx context.Context, f func(*sql.Rows) error, query string, args ...any) error {
	rows, err := s.readers.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close() //nolint:errcheck // rows.Err has what matters
	for rows.Next() {
		if err := f(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// nanos stores an instant; the zero time is NULL.
func nanos(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixNano()
}

func instant(n sql.NullInt64) time.Time {
	if !n.Valid {
		return time.Time{}
	}
	return time.Unix(0, n.Int64).UTC()
}
