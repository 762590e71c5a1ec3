package store

import (
	"context"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/features"
	"github.com/telltale-iot/telltale/pipeline"
	"github.com/telltale-iot/telltale/workorders"
)

// Committer is the side of a store that the flow uses.
type Committer interface {
	pipeline.Keeper
	Claim(ctx context.Context, shard int32) (Checkpoint, error)
	Parts(ctx context.Context, id asset.ID) (map[string][]byte, error)
}

// Exporter is the side of a store that the report uses.
type Exporter interface {
	EachRisk(ctx context.Context, f func(asset.Risk) error) error
	EachFrame(ctx context.Context, f func(pipeline.Frame) error) error
	Counts(ctx context.Context) (map[string]int64, error)
}

// Spans is the side of a store that exports use. Both bounds are included and fit in
// nanoseconds since 1970; the order is that of EachRisk and EachFrame.
type Spans interface {
	RisksWithin(ctx context.Context, from, to time.Time, f func(asset.Risk) error) error
	FramesWithin(ctx context.Context, from, to time.Time, f func(pipeline.Frame) error) error
}

// Keeping is what a store remembers of a run, and how long.
type Keeping interface {
	Facts
	Answers
	Prune(ctx context.Context, before time.Time) (int64, error)
}

// History is the side of a store that the page uses.
type History interface {
	LatestRisks(ctx context.Context) ([]asset.Risk, error)
	Risks(ctx context.Context, id asset.ID, component string, from, to time.Time, limit int) ([]asset.Risk, error)
	Trend(ctx context.Context, id asset.ID, keys []string, from, to time.Time, limit int) ([]Series, error)
}

// Evidence is the side of a store that the page's details use.
type Evidence interface {
	Spectra(ctx context.Context, id asset.ID, channel string, at time.Time) ([]features.Spectrum, time.Time, error)
	TwinEvents(ctx context.Context, id asset.ID, limit int) ([]pipeline.TwinEvent, error)
}

// Cases is the side of a store that people work with.
type Cases interface {
	Taker
	Alerts(ctx context.Context, f AlertFilter) ([]asset.Alert, error)
	Alert(ctx context.Context, id string) (asset.Alert, error)
}

// Desk is the outbox and its reader.
type Desk interface {
	workorders.Outbox
	Orders(ctx context.Context, f OrderFilter) ([]workorders.Order, error)
	Order(ctx context.Context, id string) (workorders.Order, error)
}

// Taker hands out one order.
type Taker interface {
	// Take leases an open order, as Due does; workorders.ErrLeaseLost when it is not open,
	// or somebody has it.
	Take(ctx context.Context, id string, now time.Time, lease time.Duration) (workorders.Order, error)
}

// Facts are what is known of the run, and its end.
type Facts interface {
	Meta(ctx context.Context, key string) (string, error)
	SetMeta(ctx context.Context, key, value string) error
	Close() error
}

// Flow is what a run needs.
type Flow interface {
	Committer
	Exporter
	Keeping
}

// Page is what people see.
type Page interface {
	History
	Evidence
	Cases
}

// Answers is the side of a store that compares versions of models.
type Answers interface {
	EachScore(ctx context.Context, filter ScoreFilter, f func(asset.Score) error) error
	NewestScore(ctx context.Context, digest string) (time.Time, error)
	ScoreCounts(ctx context.Context, from, to time.Time) ([]ScoreCount, error)
}

// Store is all of it.
type Store interface {
	Flow
	Page
	Desk
}

// Remote is a store whose server may be away. What the flow asks of it waits meanwhile.
type Remote interface {
	// Away says since when and why the store waits; nil while it does not.
	Away() error
	// Retries counts the attempts that had to be made again.
	Retries() int64
}
