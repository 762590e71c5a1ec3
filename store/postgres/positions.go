package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/telltale-iot/telltale/pipeline"
	"github.com/telltale-iot/telltale/store"
)

// Position is where a shard stands.
type Position struct {
	Shard int32
	store.Checkpoint
}

// Positions are those of all shards.
func (s *Store) Positions(ctx context.Context) (all []Position, err error) {
	err = each(ctx, s.reads, func(r pgx.Rows) error {
		var p Position
		var through *int64
		err := r.Scan(&p.Shard, &p.Epoch, &p.Next, &p.Low, &through)
		p.Through = instant(through)
		all = append(all, p)
		return err
	}, "SELECT shard, epoch, next, low, through FROM shard ORDER BY shard")
	if err != nil {
		return nil, fmt.Errorf("positions: %w", err)
	}
	return all, nil
}

// Move has a shard go on at a position, and writes into the history of its assets that it
// did. Who has the shard now is fenced.
func (s *Store) Move(ctx context.Context, shard int32, to int64, events []pipeline.TwinEvent) error {
	return s.patient(ctx, func(ctx context.Context) error {
		return pgx.BeginFunc(ctx, s.writes, func(tx pgx.Tx) error {
			tag, err := tx.Exec(ctx, "UPDATE shard SET epoch = epoch + 1, next = $2, low = $2 WHERE shard = $1", shard, to)
			if err != nil {
				return err
			}
			if tag.RowsAffected() == 0 {
				return fmt.Errorf("shard %d: %w", shard, store.ErrNotFound)
			}
			b := &pgx.Batch{}
			for _, e := range events {
				queueEvent(b, e)
			}
			return tx.SendBatch(ctx, b).Close()
		})
	})
}

func queueEvent(b *pgx.Batch, e pipeline.TwinEvent) {
	b.Queue("INSERT INTO twin_event (asset, time, kind, payload) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
		clean(string(e.Asset)), e.Time.UnixNano(), clean(e.Kind), clean(e.Payload))
}
