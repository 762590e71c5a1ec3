package postgres

import (
	"bytes"
	"context"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/telltale-iot/telltale/features"
	"github.com/telltale-iot/telltale/pipeline"
)

// Measure says how many feature rows a second Keep makes durable, and how many the same
// rows in binary COPY, encoded before and committed alike, on the same table; batch by
// batch in turn, so that both meet the same machine, each the median of all batches but the
// first. These hold frames alone. Both tables are made anew, in schemas that are dropped
// afterwards.
func Measure(ctx context.Context, address string, batches []pipeline.Effects) (keep, raw float64, err error) {
	err = Scratch(ctx, address, "telltale_measure_keep", func(kept *Store) error {
		return Scratch(ctx, address, "telltale_measure_copy", func(copied *Store) error {
			keep, raw, err = inTurn(ctx, kept, copied, batches)
			return err
		})
	})
	return keep, raw, err
}

func inTurn(ctx context.Context, kept, copied *Store, batches []pipeline.Effects) (keep, raw float64, err error) {
	c, err := kept.Claim(ctx, 0)
	if err != nil {
		return 0, 0, err
	}
	conn, err := copied.writes.Acquire(ctx)
	if err != nil {
		return 0, 0, err
	}
	defer conn.Release()
	var keeping, copying []float64 // rows a second
	for i, fx := range batches {
		fx.Epoch, fx.Next = c.Epoch, int64(i)+1
		began := time.Now()
		if err := kept.Keep(ctx, fx); err != nil {
			return 0, 0, err
		}
		took := time.Since(began)
		l, err := load(&fx, func(*features.Vector) (int64, bool) { return 0, false })
		if err == nil && i == 0 {
			err = copied.prepare(ctx, l)
		}
		if err != nil {
			return 0, 0, err
		}
		body := l.tables[0].end()
		began = time.Now()
		if _, err := conn.Conn().PgConn().CopyFrom(ctx, bytes.NewReader(body), frameTable.copySQL(frameTable.name)); err != nil {
			return 0, 0, err
		}
		if i > 0 { // the first makes partitions and lists of fields
			keeping = append(keeping, float64(l.tables[0].rows)/took.Seconds())
			copying = append(copying, float64(l.tables[0].rows)/time.Since(began).Seconds())
		}
	}
	return median(keeping), median(copying), nil
}

func median(list []float64) float64 {
	slices.Sort(list)
	return list[len(list)/2]
}

// Scratch calls f with an empty store in a schema that is dropped before and after.
func Scratch(ctx context.Context, address, schema string, f func(*Store) error) error {
	u, err := url.Parse(address)
	if err != nil {
		return fmt.Errorf("not an address of a PostgreSQL database: %w", err)
	}
	q := u.Query()
	q.Set("search_path", schema)
	u.RawQuery = q.Encode()
	drop := func() error {
		c, err := pgx.Connect(ctx, u.String())
		if err != nil {
			return plainly(err)
		}
		defer c.Close(ctx) //nolint:errcheck // it was for one statement
		_, err = c.Exec(ctx, "DROP SCHEMA IF EXISTS "+schema+" CASCADE")
		return err
	}
	if err := drop(); err != nil {
		return err
	}
	s, err := Open(ctx, u.String(), Options{Migrate: true})
	if err != nil {
		return err
	}
	err = f(s)
	s.Close() //nolint:errcheck,gosec // it returns nil
	if undo := drop(); err == nil {
		err = undo
	}
	return err
}
