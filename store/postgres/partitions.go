package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/telltale-iot/telltale/features"
	"github.com/telltale-iot/telltale/store/row"
)

// prepare makes what the rows of a batch refer to, each by itself: partitions, lists of
// fields, versions of models. They say nothing of the batch, and stay when it fails.
func (s *Store) prepare(ctx context.Context, l *loads) error {
	s.mu.Lock()
	var weeks, models []int64
	for _, w := range l.weeks {
		if !s.weeks[w] {
			weeks = append(weeks, w)
		}
	}
	for id := range l.models {
		if !s.models[id] {
			models = append(models, id)
		}
	}
	s.mu.Unlock()
	for _, w := range weeks {
		if _, err := s.writes.Exec(ctx, "SELECT make_partitions($1)", w); err != nil {
			return fmt.Errorf("partitions of the week of %s: %w", time.Unix(0, w).UTC().Format(time.DateOnly), err)
		}
	}
	for id, v := range l.schemas {
		if err := s.addSchema(ctx, id, v); err != nil {
			return fmt.Errorf("fields of channel %s: %w", v.Channel, err)
		}
	}
	for _, id := range models {
		r := l.models[id]
		if _, err := s.writes.Exec(ctx, "INSERT INTO model (id, digest, name) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING", id, clean(r.Digest), clean(r.Model)); err != nil {
			return fmt.Errorf("model %s: %w", r.Model, err)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range weeks {
		s.weeks[w] = true
	}
	for _, id := range models {
		s.models[id] = true
	}
	return nil
}

func (s *Store) addSchema(ctx context.Context, id int64, v *features.Vector) error {
	fields, err := row.FieldsJSON(v.Fields)
	if err != nil {
		return err
	}
	if _, err := s.writes.Exec(ctx, "INSERT INTO schema (id, channel, version, fields) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
		id, clean(v.Channel), features.Version, fields); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.schemas.Find(v.Channel, v.Fields); !ok {
		s.schemas.Add(v.Channel, id, v.Fields)
	}
	return nil
}

// Prune forgets frames, spectra, scores and risks from before an instant of event time,
// but for each component's latest risk, and returns how many. Whole weeks are dropped as
// partitions, the rest is deleted. Alerts, orders, twin events and carried state stay.
func (s *Store) Prune(ctx context.Context, before time.Time) (int64, error) {
	var total int64
	for {
		var n *int64
		err := s.once(ctx, func(ctx context.Context) error {
			return s.writes.QueryRow(ctx, "SELECT drop_partition($1)", before.UnixNano()).Scan(&n)
		})
		if err != nil {
			return total, fmt.Errorf("prune: %w", plainly(err))
		}
		if n == nil {
			break
		}
		total += *n
	}
	s.mu.Lock()
	clear(s.weeks) // those dropped are made again for what comes late
	s.mu.Unlock()
	for _, t := range []struct{ name, spare string }{
		{"frame", ""},
		{"spectrum", ""},
		{"score", ""},
		{"risk", " AND NOT EXISTS (SELECT 1 FROM risk_latest l WHERE l.asset = r.asset AND l.component = r.component AND l.time = r.time)"},
	} {
		err := s.once(ctx, func(ctx context.Context) error {
			done, err := s.writes.Exec(ctx, "DELETE FROM "+t.name+" r WHERE r.time < $1"+t.spare, before.UnixNano())
			total += done.RowsAffected()
			return err
		})
		if err != nil {
			return total, fmt.Errorf("prune %s: %w", t.name, err)
		}
	}
	return total, nil
}
