// Package pipeline is the flow: readings in, effects out. Shard.Step is the page
// to read first.
//
// A shard owns every asset that hashes to it and is stepped by one goroutine, so
// nothing in it is locked. It takes its clock from the events alone: the same
// input gives the same bytes, however often it is stopped and started.
package pipeline

import (
	"context"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/features"
	"github.com/telltale-iot/telltale/twin"
)

// Source delivers readings of one or more partitions in order. Next is called by
// one goroutine; Ack comes from others, also while Next blocks.
type Source interface {
	// Next blocks for the next reading. Its position is the one to go on from
	// after that reading. io.EOF means that a bounded source is exhausted.
	Next(ctx context.Context) (asset.Reading, asset.Position, error)
	// Ack says that everything before p is durable.
	Ack(p asset.Position)
}

// Extractor turns a window into its features. It may reuse its memory and share it
// with the others of its shard; the vector it returns is the caller's. Spectra are
// returned when they are asked for. It keeps nothing of the window; what it carries
// to the next survives a restart when it is Carried too.
type Extractor interface {
	Extract(w asset.Window, spectra bool) (features.Vector, []features.Spectrum, error)
}

// Monitor judges the features of one asset against its own past: the rule view.
// It is owned by the asset's shard.
type Monitor interface {
	// Observe adds what it derives (residuals, distances) to the snapshot's
	// vectors and returns what its detectors say.
	Observe(s *features.Snapshot) []asset.Assessment
	Carried
}

// Scorer is the learned view. Rows of a batch do not influence each other. It
// answers with one assessment for each sequence, in order; an error fails the
// learned view of the batch and nothing else.
type Scorer interface {
	Score(ctx context.Context, batch []features.Sequence) ([]asset.Assessment, error)
}

// Deriver is the derived view: the twin of one asset. It is owned by the
// asset's shard.
type Deriver interface {
	// Step moves the twin's laws to the instant and returns what they say.
	Step(s features.Snapshot) []asset.Assessment
	// Judge notes what became of the instant.
	Judge(r asset.Risk)
	Carried
}

// Carried is state that survives a restart. Save returns only the parts that
// changed since the last Save, by name; Load gets all parts back.
type Carried interface {
	Save() map[string][]byte
	Load(parts map[string][]byte) error
}

// Keeper makes effects durable: atomic, fenced by epoch, durable when it returns.
type Keeper interface {
	Keep(ctx context.Context, fx Effects) error
}

// Effects is everything that one micro-batch of a shard caused.
type Effects struct {
	Shard   int32
	Epoch   int64
	Next    int64 // position to go on from
	Low     int64 // position of the oldest reading that an open window still needs
	Frames  []Frame
	Risks   []asset.Risk
	Scores  []asset.Score // of every version that ran, for comparison
	Alerts  []asset.Alert // each as it stands after the batch; those that changed
	Events  []TwinEvent
	Views   []twin.View         // copies for readers, of the assets that moved; not stored
	Counts  map[string]int64    // in, out and refused, by reason; to be added up
	State   map[StateKey][]byte // carried parts that changed
	Through time.Time           // event time reached
}

// Frame is one asset's features at one instant.
type Frame struct {
	Asset   asset.ID
	Time    time.Time
	Vectors []features.Vector
	Spectra []features.Spectrum
}

// TwinEvent is one step in an asset's recorded history.
type TwinEvent struct {
	Asset   asset.ID  `json:"asset"`
	Time    time.Time `json:"time"`
	Kind    string    `json:"kind"` // commissioned, alert-opened, maintenance, gap, …
	Payload string    `json:"payload"`
}

// StateKey names a part of the carried state.
type StateKey struct {
	Asset asset.ID
	Part  string // room/part
}
