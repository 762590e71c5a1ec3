package pipeline

import (
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/twin"
)

// Line is everything the flow needs to follow one asset. cmd builds it from the
// asset's class and nameplate; the shard that owns the asset owns it.
type Line struct {
	Plate     asset.Nameplate
	Window    WindowOptions
	Checker   Checker
	Extractor Extractor
	Monitor   Monitor
	Twin      Deriver
	View      func() twin.View // of the twin; nil when nobody reads
	Fusion    FusionOptions
	Alarm     AlarmOptions
}

// Checker refuses what cannot be true and brings the rest to canonical units.
type Checker interface {
	// Check returns what is left of r, and each part that it refused.
	Check(r asset.Reading) (asset.Reading, []*asset.Invalid)
	Memory
}

// Memory is what a Checker remembers of the readings that it has seen.
type Memory interface {
	Save() []byte
	Load(b []byte) error
	// Rewind forgets everything at t and later.
	Rewind(t time.Time)
}

// Plant knows the line of every asset. ok is false for an asset that nobody declared.
type Plant func(id asset.ID) (line *Line, ok bool)

// WindowOptions says how waveforms are cut.
type WindowOptions struct {
	Seconds  float64            // length of a window; 0 means the record as it was taken
	Longer   map[string]float64 // the same of channels whose lines need more
	Hop      float64            // share of a window between starts, in (0, 1]; default 1
	MinShare float64            // a record's remainder of at least this share of a window is one too; default 0.5
	Lateness float64            // seconds that an asset's readings may arrive out of order; default 0
	Speed    string             // metric that gives the shaft speed, in rpm; empty: the nameplate's
	Load     string             // metric that stands for the load
}

func (o WindowOptions) withDefaults() WindowOptions {
	if o.Hop <= 0 || o.Hop > 1 {
		o.Hop = 1
	}
	if o.MinShare <= 0 {
		o.MinShare = 0.5
	}
	return o
}
