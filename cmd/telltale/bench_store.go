package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/features"
	"github.com/telltale-iot/telltale/pipeline"
	"github.com/telltale-iot/telltale/store/postgres"
)

// benchRows is a micro-batch of feature rows, as a busy farm makes them: 32 assets with
// 8 channels of 60 features each.
func benchRows(k int, fields [][]features.Field) pipeline.Effects {
	at := time.Date(2026, 3, 1, 0, k, 0, 0, time.UTC)
	fx := pipeline.Effects{Through: at}
	for a := range 32 {
		f := pipeline.Frame{Asset: asset.ID("wt" + strconv.Itoa(a)), Time: at}
		for _, list := range fields {
			v := features.Vector{Channel: list[0].Channel, WindowS: 10, Start: at, Quality: 100, Fields: list}
			for i := range list {
				v.Values = append(v.Values, float64(k)+1/float64(i+1))
			}
			f.Vectors = append(f.Vectors, v)
		}
		fx.Frames = append(fx.Frames, f)
	}
	return fx
}

// featureRows measures how many such rows a second become durable: in the embedded store,
// and, where --postgres names a server, in PostgreSQL beside plain binary COPY.
func (b *benchmark) featureRows(ctx context.Context) error {
	const batches = 60
	fields := make([][]features.Field, 8)
	for c := range fields {
		for i := range 60 {
			fields[c] = append(fields[c], features.Field{Channel: "channel-" + strconv.Itoa(c), Name: "feature_" + strconv.Itoa(i), Unit: "m/s²"})
		}
	}
	var list []pipeline.Effects
	for k := range batches {
		list = append(list, benchRows(k, fields))
	}
	file := b.file("rows")
	m := measured{Stage: "store", Case: "feature rows, embedded", Unit: "rows/s", Better: "higher"}
	if err := b.report(ctx, m, b.runs, func() (float64, error) { return embeddedRows(ctx, file(), list) }); err != nil {
		return err
	}
	if b.postgres == "" {
		fmt.Fprintln(b.stderr, "skipped: feature rows in PostgreSQL: no server named by --postgres")
		return nil
	}
	if err := storeURL(b.postgres); err != nil {
		return fmt.Errorf("%w: --postgres: %w", errUsage, err)
	}
	var keep, raw, share []float64
	for range b.runs {
		k, r, err := postgres.Measure(ctx, b.postgres, list)
		if err != nil {
			return err
		}
		keep, raw, share = append(keep, k), append(raw, r), append(share, k/r)
	}
	for _, c := range []struct {
		name, unit string
		values     []float64
	}{
		{"feature rows, PostgreSQL", "rows/s", keep},
		{"feature rows, binary COPY", "rows/s", raw},
		{"feature rows, PostgreSQL beside COPY", "share", share},
	} {
		next := 0
		m := measured{Stage: "store", Case: c.name, Unit: c.unit, Better: "higher"}
		if err := b.report(ctx, m, b.runs, func() (float64, error) { next++; return c.values[next-1], nil }); err != nil {
			return err
		}
	}
	return nil
}

// embeddedRows keeps the batches in a new file.
func embeddedRows(ctx context.Context, path string, list []pipeline.Effects) (float64, error) {
	db, err := openFile(ctx, path, nil)
	if err != nil {
		return 0, err
	}
	defer db.Close() //nolint:errcheck // nobody reads it again
	at, err := db.Claim(ctx, 0)
	if err != nil {
		return 0, err
	}
	rows, began := 0, time.Now()
	for i, fx := range list {
		fx.Epoch, fx.Next = at.Epoch, int64(i)+1
		if err := db.Keep(ctx, fx); err != nil {
			return 0, err
		}
		for _, f := range fx.Frames {
			rows += len(f.Vectors)
		}
	}
	return float64(rows) / time.Since(began).Seconds(), nil
}
