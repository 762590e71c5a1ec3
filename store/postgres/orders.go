package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/telltale-iot/telltale/store"
	"github.com/telltale-iot/telltale/store/row"
	"github.com/telltale-iot/telltale/workorders"
)

// queueOrder puts an order into the outbox unless its key is there already.
func queueOrder(b *pgx.Batch, o workorders.Order) error {
	body, err := json.Marshal(o)
	if err != nil {
		return fmt.Errorf("order %s: %w", o.Key, err)
	}
	b.Queue(`INSERT INTO work_order (id, key, alert, asset, component, priority, created, status, not_before, body)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING`, clean(o.ID), clean(o.Key), clean(o.Alert), clean(string(o.Asset)), clean(o.Component),
		o.Priority, nanos(o.Created), string(o.Status), wall(o.NotBefore), body)
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
	err := s.once(ctx, func(ctx context.Context) error {
		return each(ctx, s.writes, func(r pgx.Rows) error {
			var token int64
			var body []byte
			if err := r.Scan(&token, &body); err != nil {
				return err
			}
			var o workorders.Order
			err := row.Decode(body, &o)
			o.Lease = token
			due = append(due, o)
			return err
		}, `WITH due AS (SELECT id FROM work_order WHERE status IN ('open', 'sent') AND not_before <= $2 AND leased <= $2
				ORDER BY not_before, priority, id LIMIT $3 FOR UPDATE SKIP LOCKED),
			leased AS (UPDATE work_order w SET lease = w.lease + 1, leased = $1 FROM due WHERE w.id = due.id
				RETURNING w.lease, w.body, w.not_before, w.priority, w.id)
			SELECT lease, body FROM leased ORDER BY not_before, priority, id`, now.Add(lease).UnixNano(), now.UnixNano(), n)
	})
	if err != nil {
		return nil, fmt.Errorf("due orders: %w", err)
	}
	return due, nil
}

// Take leases one open order that nobody has.
func (s *Store) Take(ctx context.Context, id string, now time.Time, lease time.Duration) (o workorders.Order, err error) {
	err = s.once(ctx, func(ctx context.Context) error {
		var token int64
		var body []byte
		err := s.writes.QueryRow(ctx, "UPDATE work_order SET lease = lease + 1, leased = $1 WHERE id = $2 AND status = 'open' AND leased <= $3 RETURNING lease, body",
			now.Add(lease).UnixNano(), clean(id), now.UnixNano()).Scan(&token, &body)
		if errors.Is(err, pgx.ErrNoRows) {
			return workorders.ErrLeaseLost
		}
		if err == nil {
			err = row.Decode(body, &o)
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
	err = s.once(ctx, func(ctx context.Context) error {
		return pgx.BeginFunc(ctx, s.writes, func(tx pgx.Tx) error {
			var lease int64
			err := tx.QueryRow(ctx, "SELECT lease FROM work_order WHERE id = $1 FOR UPDATE", clean(o.ID)).Scan(&lease)
			switch {
			case errors.Is(err, pgx.ErrNoRows):
				return store.ErrNotFound
			case err != nil:
				return err
			case o.Lease == 0:
				lease++
			case o.Lease != lease:
				return workorders.ErrLeaseLost
			}
			_, err = tx.Exec(ctx, "UPDATE work_order SET status = $1, priority = $2, not_before = $3, lease = $4, leased = 0, body = $5 WHERE id = $6",
				string(o.Status), o.Priority, wall(o.NotBefore), lease, body, clean(o.ID))
			return err
		})
	})
	if err != nil {
		return fmt.Errorf("order %s: %w", o.ID, err)
	}
	return nil
}

// Orders lists orders, newest first.
func (s *Store) Orders(ctx context.Context, f store.OrderFilter) ([]workorders.Order, error) {
	var orders []workorders.Order
	err := each(ctx, s.reads, func(r pgx.Rows) error {
		o, err := scanOrder(r)
		orders = append(orders, o)
		return err
	}, `SELECT body FROM work_order WHERE ($1::text = '' OR asset = $1) AND ($2::text = '' OR alert = $2) AND ($3::text = '' OR status = $3)
		ORDER BY created DESC NULLS LAST, id LIMIT $4`, clean(string(f.Asset)), clean(f.Alert), string(f.Status), limit(f.Limit))
	if err != nil {
		return nil, fmt.Errorf("orders: %w", err)
	}
	return orders, nil
}

// Order returns the order with that id; store.ErrNotFound when there is none.
func (s *Store) Order(ctx context.Context, id string) (workorders.Order, error) {
	o, err := scanOrder(s.reads.QueryRow(ctx, "SELECT body FROM work_order WHERE id = $1", clean(id)))
	if errors.Is(err, pgx.ErrNoRows) {
		err = store.ErrNotFound
	}
	if err != nil {
		return workorders.Order{}, fmt.Errorf("order %s: %w", id, err)
	}
	return o, nil
}

func scanOrder(from pgx.Row) (workorders.Order, error) {
	var o workorders.Order
	var body []byte
	if err := from.Scan(&body); err != nil {
		return o, err
	}
	return o, row.Decode(body, &o)
}
