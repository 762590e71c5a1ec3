package postgres

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/features"
	"github.com/telltale-iot/telltale/pipeline"
	"github.com/telltale-iot/telltale/store"
	"github.com/telltale-iot/telltale/store/row"
)

// Keep makes a micro-batch durable: all of it or nothing. A batch of an older epoch is
// refused with store.ErrFenced; one that is stored already is confirmed and changes
// nothing. While the server is away Keep waits.
func (s *Store) Keep(ctx context.Context, fx pipeline.Effects) error {
	l, err := load(&fx, s.knownSchema)
	if err == nil {
		retried := false
		err = s.patient(ctx, func(ctx context.Context) (err error) {
			if retried { // what the database holds is no longer known
				if l, err = load(&fx, s.knownSchema); err != nil {
					return err
				}
			}
			retried = true
			err = s.keep(ctx, &fx, l, false)
			if code(err) == uniqueViolation { // a row is there already, or twice: written over, the slow way
				err = s.keep(ctx, &fx, l, true)
			}
			return err
		})
	}
	if err != nil {
		return fmt.Errorf("keep shard %d up to %d: %w", fx.Shard, fx.Next, err)
	}
	return nil
}

const (
	uniqueViolation = "23505"
	checkViolation  = "23514" // also: no partition for a row
)

func (s *Store) keep(ctx context.Context, fx *pipeline.Effects, l *loads, merge bool) error {
	if err := s.prepare(ctx, l); err != nil {
		return err
	}
	conn, err := s.writes.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	tx := conn.Conn()
	next, err := begin(ctx, tx, fx)
	if err == nil {
		b := &pgx.Batch{}
		if next < fx.Next {
			err = s.keepAll(ctx, tx, b, fx, l, merge)
		}
		// What is there already is committed once more: whether it is on the standby, too, only
		// a commit after it tells, and the lock has written enough to make this one wait for it.
		if err == nil {
			err = commit(ctx, tx, b)
		}
	}
	if err != nil && !tx.IsClosed() {
		if _, undo := tx.Exec(ctx, "ROLLBACK"); undo != nil {
			tx.Close(ctx) //nolint:errcheck,gosec // the pool makes another
		}
	}
	return err
}

// A process that stands still in the middle of a write keeps locks that who has its shard
// now waits for. The server ends it, between two statements or in one.
const (
	haltedIdle  = "10s"
	haltedWrite = "30s"
)

// begin opens a transaction that holds the batch's shard, and says how far it is. It also
// waits for the end of an earlier attempt whose answer was lost.
func begin(ctx context.Context, tx *pgx.Conn, fx *pipeline.Effects) (next int64, err error) {
	delete(tx.PgConn().CustomData(), warned)
	b := &pgx.Batch{}
	b.Queue("BEGIN")
	b.Queue("SET LOCAL statement_timeout = '" + haltedWrite + "'")
	var epoch int64
	b.Queue("SELECT epoch, next FROM shard WHERE shard = $1 FOR UPDATE", fx.Shard).QueryRow(func(r pgx.Row) error { return r.Scan(&epoch, &next) })
	err = tx.SendBatch(ctx, b).Close()
	if errors.Is(err, pgx.ErrNoRows) || (err == nil && epoch != fx.Epoch) {
		return 0, fmt.Errorf("epoch %d, now %d: %w", fx.Epoch, epoch, store.ErrFenced)
	}
	return next, err
}

// commit runs what is queued and commits. It fails with errUnclear unless the server said
// that what it was asked for is durable: one whose wait for a standby was cancelled
// commits and warns.
func commit(ctx context.Context, tx *pgx.Conn, b *pgx.Batch) error {
	b.Queue("COMMIT").Exec(func(done pgconn.CommandTag) error {
		if done.String() != "COMMIT" {
			return fmt.Errorf("%w: it answered %s", errUnclear, done)
		}
		return nil
	})
	if err := tx.SendBatch(ctx, b).Close(); err != nil {
		return err
	}
	if why, ok := tx.PgConn().CustomData()[warned]; ok {
		return fmt.Errorf("%w: %v", errUnclear, why)
	}
	return nil
}

// keepAll loads the rows of a batch, and queues the rest.
func (s *Store) keepAll(ctx context.Context, tx *pgx.Conn, b *pgx.Batch, fx *pipeline.Effects, l *loads, merge bool) error {
	for _, c := range l.tables {
		if err := copyRows(ctx, tx, c, merge); err != nil {
			if code(err) == checkViolation {
				return errNoWeek
			}
			return fmt.Errorf("%s: %w", c.t.name, err)
		}
	}
	if err := queueLatest(b, fx.Risks); err != nil {
		return err
	}
	for _, a := range fx.Alerts {
		if err := s.queueAlert(b, a); err != nil {
			return fmt.Errorf("alert %s: %w", a.ID, err)
		}
	}
	for _, e := range fx.Events {
		queueEvent(b, e)
	}
	for _, name := range slices.Sorted(maps.Keys(fx.Counts)) {
		b.Queue("INSERT INTO counter AS c (shard, name, n) VALUES ($1, $2, $3) ON CONFLICT (shard, name) DO UPDATE SET n = c.n + excluded.n",
			fx.Shard, clean(name), fx.Counts[name])
	}
	queueState(b, fx.State)
	b.Queue("UPDATE shard SET next = $1, low = $2, through = coalesce($3, through) WHERE shard = $4", fx.Next, fx.Low, nanos(fx.Through), fx.Shard)
	return nil
}

// copyRows loads the rows of a table: straight, or by way of a temporary table over those
// that are there.
func copyRows(ctx context.Context, tx *pgx.Conn, c *copier, merge bool) error {
	into, temporary := c.t.name, "pg_temp.new_"+c.t.name
	if merge {
		into = temporary
		if _, err := tx.Exec(ctx, "CREATE TEMPORARY TABLE new_"+c.t.name+" (LIKE "+c.t.name+", nr bigserial) ON COMMIT DROP"); err != nil {
			return err
		}
	}
	if _, err := tx.PgConn().CopyFrom(ctx, bytes.NewReader(c.end()), c.t.copySQL(into)); err != nil || !merge {
		return err
	}
	_, err := tx.Exec(ctx, c.t.mergeSQL(temporary))
	return err
}

var latestSQL = func() string {
	var numbered []string
	for i := range len(riskColumns) + 1 {
		numbered = append(numbered, fmt.Sprintf("$%d", i+1))
	}
	return "INSERT INTO risk_latest AS l (" + strings.Join(riskColumns, ", ") + ", sources) VALUES (" + strings.Join(numbered, ", ") +
		") ON CONFLICT (asset, component) DO UPDATE SET time = excluded.time, " + riskTable.replaced() + ", sources = excluded.sources WHERE excluded.time >= l.time"
}()

// queueLatest keeps the newest risk of every component.
func queueLatest(b *pgx.Batch, risks []asset.Risk) error {
	type part struct {
		asset     asset.ID
		component string
	}
	newest := map[part]*asset.Risk{}
	var order []part
	for i := range risks {
		r := &risks[i]
		p := part{r.Asset, r.Component}
		if last, ok := newest[p]; !ok {
			order = append(order, p)
			newest[p] = r
		} else if r.Time.After(last.Time) {
			newest[p] = r
		}
	}
	for _, p := range order {
		args, err := latestRow(newest[p])
		if err != nil {
			return fmt.Errorf("latest risk of asset %s, %s: %w", p.asset, p.component, err)
		}
		b.Queue(latestSQL, args...)
	}
	return nil
}

// latestRow has riskColumns and the sources.
func latestRow(r *asset.Risk) ([]any, error) {
	modes, err1 := row.Modes(r.Modes)
	evidence, err2 := row.List(r.Evidence)
	sources, err3 := row.List(r.Sources)
	args := []any{clean(string(r.Asset)), clean(r.Component), r.Time.UnixNano()}
	add := func(list ...asset.Number) {
		for _, n := range list {
			args = append(args, number(float64(n)))
		}
	}
	add(r.Risk, asset.Number(r.HorizonH))
	args = append(args, r.Anomaly)
	add(r.MLScore, r.MLP, r.PhysicsScore, r.RuleScore, r.RUL.P10, r.RUL.P50, r.RUL.P90, r.RUL.Soon)
	args = append(args, clean(string(r.Mode)), modes, evidence)
	add(r.Certainty.Low, r.Certainty.High, r.Certainty.Confidence, r.Certainty.Conflict, r.LLR.ML, r.LLR.Physics, r.LLR.Rule)
	return append(args, sources), errors.Join(err1, err2, err3)
}

func (s *Store) queueAlert(b *pgx.Batch, a asset.Alert) error {
	body, err := row.Alert(a)
	if err != nil {
		return err
	}
	var cleared *int64
	if a.Cleared != nil {
		cleared = nanos(*a.Cleared)
	}
	mode, severity := a.Current()
	b.Queue(`INSERT INTO alert (id, asset, component, mode, severity, opened, changed, cleared, body) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
		ON CONFLICT (id) DO UPDATE SET mode = excluded.mode, severity = excluded.severity, changed = excluded.changed,
		cleared = excluded.cleared, body = excluded.body`, clean(a.ID), clean(string(a.Asset)), clean(a.Component), clean(string(mode)), severity,
		a.Opened.UnixNano(), nanos(a.Changed), cleared, body)
	if s.opt.Plan == nil {
		return nil
	}
	o, ok := s.opt.Plan(a)
	if !ok {
		return nil
	}
	return queueOrder(b, o)
}

// queueState writes the parts in one order, so that no two batches wait for each other.
func queueState(b *pgx.Batch, state map[pipeline.StateKey][]byte) {
	keys := slices.SortedFunc(maps.Keys(state), func(a, b pipeline.StateKey) int {
		return cmp.Or(cmp.Compare(a.Asset, b.Asset), cmp.Compare(a.Part, b.Part))
	})
	for _, k := range keys {
		if id, part := clean(string(k.Asset)), clean(k.Part); len(state[k]) == 0 {
			b.Queue("DELETE FROM carried WHERE asset = $1 AND part = $2", id, part)
		} else {
			b.Queue("INSERT INTO carried (asset, part, value) VALUES ($1, $2, $3) ON CONFLICT (asset, part) DO UPDATE SET value = excluded.value", id, part, state[k])
		}
	}
}

// knownSchema finds the number of a vector's fields when the database holds them.
func (s *Store) knownSchema(v *features.Vector) (int64, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.schemas.Find(v.Channel, v.Fields)
}
