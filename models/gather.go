package models

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// fullBatch is the number of rows from which a run is not worth waiting for.
const fullBatch = 32

// gather joins the rows of several callers in one run. The first of them, who leads,
// waits for the others at most wait; rows do not influence each other, so nobody can
// tell. It is safe for concurrent use.
type gather struct {
	run     Runner
	callers int           // that may come; 0 or 1: nobody is waited for
	wait    time.Duration // the latency that is added at most

	mu   sync.Mutex
	open *round
}

// round is one run under way. The leader owns what is in it once it is off the gather.
type round struct {
	rows    []Row
	callers int
	full    chan struct{} // closed when nobody is waited for any more
	done    chan struct{}
	results []Result
	err     error
}

// Run answers with one result for each row. A caller that asks several versions in a
// row waits no longer for all of them than for one: spent is what it has waited yet.
func (g *gather) Run(ctx context.Context, rows []Row, spent *time.Duration) ([]Result, error) {
	if g.callers < 2 || g.wait <= *spent || len(rows) >= fullBatch {
		return check(g.run.Run(ctx, rows))(len(rows))
	}
	g.mu.Lock()
	r := g.open
	leads := r == nil
	if leads {
		r = &round{full: make(chan struct{}), done: make(chan struct{})}
		g.open = r
	}
	from := len(r.rows)
	r.rows = append(r.rows, rows...)
	if r.callers++; r.callers == g.callers || len(r.rows) >= fullBatch {
		close(r.full)
		g.open = nil
	}
	g.mu.Unlock()
	if leads {
		g.lead(ctx, r, spent)
	}
	select {
	case <-r.done:
	case <-ctx.Done():
		return nil, fmt.Errorf("run: %w", ctx.Err())
	}
	if r.err != nil {
		return nil, r.err
	}
	return r.results[from : from+len(rows)], nil
}

// lead waits for the others and runs for all.
func (g *gather) lead(ctx context.Context, r *round, spent *time.Duration) {
	began := time.Now()
	late := time.NewTimer(g.wait - *spent)
	defer late.Stop()
	select {
	case <-r.full:
	case <-late.C:
		g.mu.Lock()
		if g.open == r {
			g.open = nil
		}
		g.mu.Unlock()
	}
	*spent += time.Since(began)
	// The others' answers must not hang on this caller's context.
	r.results, r.err = check(g.run.Run(context.WithoutCancel(ctx), r.rows))(len(r.rows))
	close(r.done)
}

// check holds a runner to one result for each row.
func check(results []Result, err error) func(rows int) ([]Result, error) {
	return func(rows int) ([]Result, error) {
		if err == nil && len(results) != rows {
			return nil, fmt.Errorf("%d answers to %d sequences", len(results), rows)
		}
		return results, err
	}
}
