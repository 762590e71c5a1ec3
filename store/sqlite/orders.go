package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/telltale-iot/telltale/store"
	"github.com/telltale-iot/telltale/workorders"
)

// addOrder puts an order into the outbox unless its key is there already.
func (s *Store) addOrder(ctx context.Context, o workorders.Order) error {
	body, err := json.Marshal(o)
	if err != nil {
		return fmt.Errorf("order %s: %w", o.Key, err)
	}
	if err := s.exec(ctx, `INSERT INTO work_order (id, key, alert, asset, component, priority, created, status, not_before, body)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`, o.ID, o.Key, o.Alert, string(o.Asset), o.Component, o.Priority,
		nanos(o.Created), string(o.Status), wall(o.NotBefore), string(body)); err != nil {
		return fmt.Errorf("order %s: %w", o.Key, err)
	}
	return nil
}

// wall is a wall-clock time in nanoseconds; 0 when it is not set.
func wall(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

// Due leases up to n open or sent orders whose time has come, the most overdue
// first. An order is leased to one caller at a time.
func (s *Store) Due(ctx context.Context, now time.Time, lease time.Duration, n int) ([]workorders.Order, error) {
	var due []workorders.Order
	err := s.transact(ctx, func(ctx context.Context) error {
		st, err := s.stmt(ctx, `UPDATE work_order SET lease = lease + 1, leased = ?1 WHERE id IN (
			SELECT id FROM work_order WHERE status IN ('open', 'sent') AND not_before <= ?2 AND leased <= ?2
			ORDER BY not_before, priority, id LIMIT ?3) RETURNING lease, body`)
		if err != nil {
			return err
		}
		rows, err := st.QueryContext(ctx, now.Add(lease).UnixNano(), now.UnixNano(), n)
		if err != nil {
			return err
		}
		defer rows.Close() //nolint:errcheck // rows.Err has what matters
		for rows.Next() {
			var token int64
			var body string
			if err := rows.Scan(&token, &body); err != nil {
				return err
			}
			o, err := decodeOrder(body)
			if err != nil {
				return err
			}
			o.Lease = token
			due = append(due, o)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("due orders: %w", err)
	}
	return due, nil
}

// Take leases one open order that nobody has.
func (s *Store) Take(ctx context.Context, id string, now time.Time, lease time.Duration) (o workorders.Order, err error) {
	err = s.transact(ctx, func(ctx context.Context) error {
		var token int64
		var body string
		err := s.row(ctx, "UPDATE work_order SET lease = lease + 1, leased = ? WHERE id = ? AND status = 'open' AND leased <= ? RETURNING lease, body",
			[]any{now.Add(lease).UnixNano(), id, now.UnixNano()}, &token, &body)
		if errors.Is(err, sql.ErrNoRows) {
			return workorders.ErrLeaseLost
		}
		if err == nil {
			o, err = decodeOrder(body)
			o.Lease = token
		}
		return err
	})
	if err != nil {
		return workorders.Order{}, fmt.Errorf("order %s: %w", id, err)
	}
	return o, nil
}

// Update writes an order back and ends its lease. An order that was leased to
// somebody else since is left alone: workorders.ErrLeaseLost. An order without
// a lease (an operator's change) is always written, and ends any lease.
func (s *Store) Update(ctx context.Context, o workorders.Order) error {
	body, err := json.Marshal(o)
	if err != nil {
		return fmt.Errorf("order %s: %w", o.ID, err)
	}
	err = s.transact(ctx, func(ctx context.Context) error {
		var lease int64
		err := s.row(ctx, "SELECT lease FROM work_order WHERE id = ?", []any{o.ID}, &lease)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return store.ErrNotFound
		case err != nil:
			return err
		case o.Lease == 0:
			lease++
		case o.Lease != lease:
			return workorders.ErrLeaseLost
		}
		return s.exec(ctx, "UPDATE work_order SET status = ?, priority = ?, not_before = ?, lease = ?, leased = 0, body = ? WHERE id = ?",
			string(o.Status), o.Priority, wall(o.NotBefore), lease, string(body), o.ID)
	})
	if err != nil {
		return fmt.Errorf("order %s: %w", o.ID, err)
	}
	return nil
}

// Orders lists orders, newest first.
func (s *Store) Orders(ctx context.Context, f store.OrderFilter) ([]workorders.Order, error) {
	var orders []workorders.Order
	err := s.query(ctx, func(rows *sql.Rows) error {
		o, err := scanOrder(rows)
		orders = append(orders, o)
		return err
	}, `SELECT body FROM work_order WHERE (?1 = '' OR asset = ?1) AND (?2 = '' OR alert = ?2) AND (?3 = '' OR status = ?3)
		ORDER BY created DESC, id LIMIT ?4`, string(f.Asset), f.Alert, string(f.Status), limit(f.Limit))
	if err != nil {
		return nil, fmt.Errorf("orders: %w", err)
	}
	return orders, nil
}

// Order returns the order with that id; store.ErrNotFound when there is none.
func (s *Store) Order(ctx context.Context, id string) (workorders.Order, error) {
	o, err := scanOrder(s.readers.QueryRowContext(ctx, "SELECT body FROM work_order WHERE id = ?", id))
	if errors.Is(err, sql.ErrNoRows) {
		err = store.ErrNotFound
	}
	if err != nil {
		return workorders.Order{}, fmt.Errorf("order %s: %w", id, err)
	}
	return o, nil
}

// scanner is a row to be read.
type scanner interface{ Scan(into ...any) error }

func scanOrder(from scanner) (workorders.Order, error) {
	var body string
	if err := from.Scan(&body); err != nil {
		return workorders.Order{}, err
	}
	return decodeOrder(body)
}

func decodeOrder(body string) (workorders.Order, error) {
	var o workorders.Order
	err := decode(sql.NullString{String: body, Valid: true}, &o)
	return o, err
}

// limit is n for SQL, where -1 means none.
func limit(n int) int {
	if n <= 0 {
		return -1
	}
	return n
}
