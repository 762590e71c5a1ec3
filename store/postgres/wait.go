package postgres

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/telltale-iot/telltale/store"
)

var (
	errStandby = errors.New("the server is a standby")
	errUnclear = errors.New("the server did not confirm the commit")
	errNoWeek  = errors.New("the partition was dropped meanwhile")
)

// away is what is known of a server that does not take what it is given.
type away struct {
	mu      sync.Mutex // guards all of it
	since   time.Time
	why     error
	retries int64
}

// Away says since when and why the store waits for its server; nil while it does not.
func (s *Store) Away() error {
	s.away.mu.Lock()
	defer s.away.mu.Unlock()
	if s.away.why == nil {
		return nil
	}
	return fmt.Errorf("PostgreSQL is away since %s, the flow waits: %w", s.away.since.UTC().Format(time.RFC3339), s.away.why)
}

// Retries counts the attempts that had to be made again.
func (s *Store) Retries() int64 {
	s.away.mu.Lock()
	defer s.away.mu.Unlock()
	return s.away.retries
}

func (s *Store) waits(err error) {
	s.away.mu.Lock()
	defer s.away.mu.Unlock()
	s.away.retries++
	if s.away.why == nil {
		s.away.since = time.Now()
		s.opt.Log.Warn("store: PostgreSQL is away, the flow waits", "error", plainly(err))
	}
	s.away.why = plainly(err)
}

func (s *Store) back() {
	s.away.mu.Lock()
	defer s.away.mu.Unlock()
	if s.away.why != nil {
		s.opt.Log.Info("store: PostgreSQL is back", "after", time.Since(s.away.since).Round(time.Millisecond))
		s.away.why = nil
	}
}

// patient repeats f until it works, fails for good, or ctx ends. An attempt under way
// does not listen to ctx: a cancelled write would only have to be looked up.
func (s *Store) patient(ctx context.Context, f func(context.Context) error) error {
	pause := 20 * time.Millisecond
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		err := s.once(ctx, f)
		if !passing(err) {
			if err == nil {
				s.back()
			}
			return err
		}
		s.forget()
		s.waits(err)
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w while %w", ctx.Err(), err)
		case <-time.After(pause):
		}
		pause = min(2*pause, s.opt.BackoffMax)
	}
}

// once gives f the deadline of a write.
func (s *Store) once(ctx context.Context, f func(context.Context) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.opt.WriteDeadline)
	defer cancel()
	return f(ctx)
}

// passing holds for what another attempt may not meet: a server that is away, starting,
// full, a standby, or was lost; never for what it refuses as such.
func passing(err error) bool {
	if err == nil || errors.Is(err, store.ErrFenced) || errors.Is(err, store.ErrNotFound) || errors.Is(err, pgx.ErrNoRows) {
		return false
	}
	said, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return true // the connection's, or one of this package
	}
	switch said.Code {
	case "25006", // read-only: a standby, or a server told to be
		"25P03",                   // stood still between two statements
		"55P03",                   // lock not available
		"57014",                   // cancelled by somebody
		"57P01", "57P02", "57P03", // ends, ended, starts
		"58030": // input or output failed
		return true
	}
	switch said.Code[:2] {
	case "08", // connection
		"40", // rolled back: deadlock, serialization
		"53": // out of disk, memory, connections
		return true
	}
	return false
}

func code(err error) string {
	if said, ok := errors.AsType[*pgconn.PgError](err); ok {
		return said.Code
	}
	return ""
}
