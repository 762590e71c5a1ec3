package postgres

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/jackc/pgx/v5"
)

//go:embed migrations/*.sql
var migrations embed.FS

//go:embed timescale/hypertables.sql
var hypertables string

//go:embed roles.sql
var roles string

// Roles is the SQL by which an administrator makes the roles and the schema.
func Roles() string { return roles }

// migrationFiles are in the order of their names, which have numbers.
func migrationFiles() []string {
	files, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		panic("postgres: " + err.Error()) // the pattern is wrong
	}
	return files
}

// Version is the number of migrations that the database has seen.
func (s *Store) Version(ctx context.Context) (int, error) {
	var there bool
	if err := s.reads.QueryRow(ctx, "SELECT to_regclass('schema_version') IS NOT NULL").Scan(&there); err != nil || !there {
		return 0, err
	}
	var have int
	err := s.reads.QueryRow(ctx, "SELECT version FROM schema_version").Scan(&have)
	return have, err
}

// migrate applies the migrations that the database has not seen, in one transaction.
// Whoever starts beside it waits, and finds them done.
func (s *Store) migrate(ctx context.Context) error {
	err := pgx.BeginFunc(ctx, s.writes, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock(hashtext('telltale schema'), hashtext($1))", s.schema); err != nil {
			return err
		}
		if err := s.begin(ctx, tx); err != nil {
			return err
		}
		var have int
		if err := tx.QueryRow(ctx, "SELECT version FROM schema_version").Scan(&have); err != nil {
			return err
		}
		files := migrationFiles()
		for i := have; i < len(files); i++ {
			if err := s.apply(ctx, tx, files[i]); err != nil {
				return fmt.Errorf("migration %s: %w", files[i], plainly(err))
			}
		}
		if _, err := tx.Exec(ctx, "UPDATE schema_version SET version = $1 WHERE version < $1", len(files)); err != nil {
			return err
		}
		return s.grant(ctx, tx)
	})
	if code(err) == "42501" {
		return fmt.Errorf("%w: this role may not define tables: run telltale store migrate as the owner of schema %s", plainly(err), s.schema)
	}
	return err
}

// begin makes the schema and the table of its version where there are none. What follows
// is the schema owner's, whoever of its members migrates.
func (s *Store) begin(ctx context.Context, tx pgx.Tx) error {
	var there bool
	if err := tx.QueryRow(ctx, "SELECT to_regnamespace($1) IS NOT NULL", s.schema).Scan(&there); err != nil {
		return err
	}
	if !there { // asked first: IF NOT EXISTS wants the right to make one even where there is one
		if _, err := tx.Exec(ctx, "CREATE SCHEMA "+s.schema); err != nil {
			return err
		}
	}
	var owner string
	err := tx.QueryRow(ctx, `SELECT quote_ident(r.rolname) FROM pg_namespace n JOIN pg_roles r ON r.oid = n.nspowner
		WHERE n.nspname = $1 AND r.rolname <> current_user AND pg_has_role(current_user, r.oid, 'MEMBER')`, s.schema).Scan(&owner)
	if err == nil {
		_, err = tx.Exec(ctx, "SET LOCAL ROLE "+owner)
	}
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return err
	}
	_, err = tx.Exec(ctx, `CREATE TABLE IF NOT EXISTS schema_version (version integer NOT NULL);
		INSERT INTO schema_version SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM schema_version)`)
	return err
}

func (s *Store) apply(ctx context.Context, tx pgx.Tx, file string) error {
	text, err := fs.ReadFile(migrations, file)
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, strings.ReplaceAll(string(text), "{schema}", s.schema)); err != nil {
		return err
	}
	if !strings.HasSuffix(file, "_partitions.sql") {
		return nil
	}
	var extension *string
	if err := tx.QueryRow(ctx, "SELECT max(extnamespace::regnamespace::text) FROM pg_extension WHERE extname = 'timescaledb'").Scan(&extension); err != nil || extension == nil {
		return err
	}
	_, err = tx.Exec(ctx, strings.NewReplacer("{schema}", s.schema, "{timescale}", *extension).Replace(hypertables))
	return err
}

// grant gives the roles of roles.sql, where they are, what they may: the writer rows and
// partitions, the reader nothing but to read.
func (s *Store) grant(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, strings.ReplaceAll(`DO $$
BEGIN
  IF EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'telltale_writer') THEN
    GRANT USAGE ON SCHEMA {schema} TO telltale_writer;
    GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO telltale_writer;
    REVOKE INSERT, UPDATE, DELETE ON schema_version FROM telltale_writer;
    GRANT EXECUTE ON FUNCTION make_partitions(bigint), drop_partition(bigint) TO telltale_writer;
  END IF;
  IF EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'telltale_reader') THEN
    GRANT USAGE ON SCHEMA {schema} TO telltale_reader;
    GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO telltale_reader;
  END IF;
END $$`, "{schema}", s.schema))
	return err
}
