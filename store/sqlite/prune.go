package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// pruneStep is the span of event time that one transaction of Prune forgets, so
// that the flow never waits long for it.
const pruneStep = time.Hour

// Prune forgets frames, spectra, scores and risks from before an instant of event time,
// but for each component's latest risk, and returns how many. Alerts, orders,
// twin events and carried state stay.
func (s *Store) Prune(ctx context.Context, before time.Time) (int64, error) {
	var total int64
	for _, table := range []struct{ name, spare string }{
		{"frame", ""},
		{"spectrum", ""},
		{"score", ""},
		{"risk", " AND NOT EXISTS (SELECT 1 FROM risk_latest l WHERE l.asset = risk.asset AND l.component = risk.component AND l.time = risk.time)"},
	} {
		n, err := s.prune(ctx, table.name, table.spare, before.UnixNano())
		total += n
		if err != nil {
			return total, fmt.Errorf("prune %s: %w", table.name, err)
		}
	}
	return total, nil
}

func (s *Store) prune(ctx context.Context, table, spare string, before int64) (int64, error) {
	var total int64
	for from := int64(-1 << 63); ; {
		var oldest sql.NullInt64
		if err := s.readers.QueryRowContext(ctx, "SELECT min(time) FROM "+table+" WHERE time >= ?", from).Scan(&oldest); err != nil {
			return total, err
		}
		if !oldest.Valid || oldest.Int64 >= before {
			return total, nil
		}
		from = min(before, oldest.Int64+int64(pruneStep))
		err := s.transact(ctx, func(ctx context.Context) error {
			st, err := s.stmt(ctx, "DELETE FROM "+table+" WHERE time < ?"+spare)
			if err != nil {
				return err
			}
			result, err := st.ExecContext(ctx, from)
			if err != nil {
				return err
			}
			n, err := result.RowsAffected()
			total += n
			return err
		})
		if err != nil {
			return total, err
		}
	}
}
