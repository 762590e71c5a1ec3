package postgres

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Schema is where the tables are, unless the URL names another by search_path.
const Schema = "telltale"

// connectTime is how long one server may take to answer.
const connectTime = 10 * time.Second

// errAlone is a server that the options do not allow to write to.
var errAlone = errors.New("no synchronous replication")

// connect makes a pool whose connections prepare has seen, and tries it. tried says which
// are asked for a sign of life before they are used; nil: those that were idle for a while.
func (s *Store) connect(ctx context.Context, address string, n int32, prepare func(context.Context, *pgx.Conn) error, tried func(context.Context, pgxpool.ShouldPingParams) bool) (*pgxpool.Pool, error) {
	conf, err := pgxpool.ParseConfig(address)
	if err != nil {
		return nil, errors.New("not an address of a PostgreSQL database: want postgres://USER@HOST/DATABASE")
	}
	c := conf.ConnConfig
	if s.opt.Password != "" {
		c.Password = s.opt.Password
	}
	c.ConnectTimeout = connectTime
	path := c.RuntimeParams["search_path"]
	if path == "" {
		path = Schema
		c.RuntimeParams["search_path"] = path
	}
	if s.schema, _, _ = strings.Cut(path, ","); !plain(s.schema) {
		return nil, fmt.Errorf("search_path %q is not allowed: want one schema of small letters, digits and _", path)
	}
	if c.RuntimeParams["application_name"] == "" {
		c.RuntimeParams["application_name"] = "telltale"
	}
	c.OnNotice = noticed
	// A reader that hangs up ends its query and keeps the connection.
	c.BuildContextWatcherHandler = func(pc *pgconn.PgConn) ctxwatch.Handler {
		return &pgconn.CancelRequestContextWatcherHandler{Conn: pc, DeadlineDelay: time.Second}
	}
	conf.MaxConns, conf.MinConns = n, 0
	conf.AfterConnect, conf.ShouldPing = prepare, tried
	pool, err := pgxpool.NewWithConfig(ctx, conf)
	if err != nil {
		return nil, err
	}
	if err := pool.Ping(ctx); err != nil {
		pool.Close()
		return nil, plainly(err)
	}
	return pool, nil
}

// plainly is the server's own word where it said one.
func plainly(err error) error {
	if said, ok := errors.AsType[*pgconn.PgError](err); ok {
		return fmt.Errorf("%s (%s)", said.Message, said.Code)
	}
	if lost, ok := errors.AsType[*pgconn.ConnectError](err); ok { // it has a line for each address it tried
		return errors.New(strings.Join(strings.Fields(lost.Error()), " "))
	}
	return err
}

// plain holds for names that need no quotes.
func plain(name string) bool {
	return name != "" && name[0] >= 'a' && name[0] <= 'z' && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == "" && len(name) < 40
}

// shown is an address without what is secret.
func shown(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Scheme == "" {
		return "(a connection string)"
	}
	u.RawQuery = ""
	return u.Redacted()
}

// always tries a connection first: a reader asks once, and a server may have come back since.
func always(context.Context, pgxpool.ShouldPingParams) bool { return true }

func prepareReader(ctx context.Context, c *pgx.Conn) error {
	_, err := c.Exec(ctx, "SET default_transaction_read_only = on")
	return err
}

// prepareWriter refuses a server to which nothing can be written, or that keeps less than
// was asked for.
func (s *Store) prepareWriter(ctx context.Context, c *pgx.Conn) error {
	var standby bool
	var commit, names string
	if err := c.QueryRow(ctx, "SELECT pg_is_in_recovery(), current_setting('synchronous_commit'), current_setting('synchronous_standby_names')").
		Scan(&standby, &commit, &names); err != nil {
		return err
	}
	if standby {
		return errStandby
	}
	if commit == "off" || commit == "local" { // durable is what is on disk, here and where a standby is asked for
		if _, err := c.Exec(ctx, "SET synchronous_commit = on"); err != nil {
			return err
		}
		commit = "on"
	}
	if _, err := c.Exec(ctx, "SET idle_in_transaction_session_timeout = '"+haltedIdle+"'"); err != nil {
		return err
	}
	if !s.opt.RequireSynchronous {
		return nil
	}
	if !slices.Contains([]string{"on", "remote_apply"}, commit) {
		return fmt.Errorf("%w: synchronous_commit is %s: want on or remote_apply", errAlone, commit)
	}
	if names == "" {
		return fmt.Errorf("%w: synchronous_standby_names is empty on the server: name its standbys there", errAlone)
	}
	var sure, hidden int
	if err := c.QueryRow(ctx, `SELECT count(*) FILTER (WHERE sync_state IN ('sync', 'quorum')), count(*) FILTER (WHERE sync_state IS NULL)
		FROM pg_stat_replication`).Scan(&sure, &hidden); err != nil {
		return err
	}
	switch {
	case sure > 0:
		return nil
	case hidden > 0:
		return fmt.Errorf("%w: this role does not see the state of the standbys: GRANT pg_read_all_stats to it", errAlone)
	}
	return fmt.Errorf("%w: none of the standbys in synchronous_standby_names (%s) is connected", errAlone, names)
}

// warned is under what a connection remembers that the server warned.
const warned = "telltale/warned"

func noticed(c *pgconn.PgConn, n *pgconn.Notice) {
	if n.SeverityUnlocalized == "WARNING" {
		c.CustomData()[warned] = n.Message
	}
}
