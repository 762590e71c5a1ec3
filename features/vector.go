// Package features turns windows into numbers that can be checked against a
// book, and judges them against what the asset was like when it was healthy.
//
// Everything here is a pure function of its arguments or a value that one
// goroutine owns. A feature that cannot be computed is missing, with a reason:
// never zero, never NaN outside this process.
package features

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

// Version of the feature definitions. It is part of a vector's identity, so it
// changes whenever the meaning of any feature does.
const Version = "2"

// Field names one feature.
type Field struct {
	Channel string // channel, or metric for telemetry
	Name    string // "rms", "defect_bpfo", "value", "residual"
	Unit    string
}

// Key is how models, configuration and evidence refer to a field.
func (f Field) Key() string { return f.Channel + "/" + f.Name }

// Vector is what one window gave. Values is parallel to Fields; NaN means
// missing and then Reasons says why.
type Vector struct {
	Channel string // empty for the vector of a telemetry instant
	Fields  []Field
	Values  []float64
	Reasons []asset.Reason // nil when nothing is missing
	Quality float64        // 0–100
	WindowS float64        // length of the window; 0 for an instant
	Start   time.Time
}

// Spectrum is a one-sided amplitude spectrum kept as evidence.
type Spectrum struct {
	Channel string    `json:"channel"`
	Kind    string    `json:"kind"` // acceleration, envelope
	Unit    string    `json:"unit"`
	StepHz  float64   `json:"step_hz"`
	Bins    []float32 `json:"bins"`
	Marks   []Mark    `json:"marks,omitempty"`
}

// Mark is a frequency that means something in a spectrum.
type Mark struct {
	Name string  `json:"name"` // BPFO 1×
	Hz   float64 `json:"hz"`
}

// Snapshot is all that is known of one asset at one instant: the vectors of the
// windows that ended there.
type Snapshot struct {
	Asset    asset.ID
	Time     time.Time // of the newest sample in it
	Vectors  []Vector
	SpeedRpm asset.Number // latest known
	LoadN    asset.Number
	Events   []asset.Event
	Spectra  []Spectrum // the newest of each channel; may be nil
	Learning bool       // inside the commissioning span
	Faulty   []string   // channels and metrics whose sensor is not believed now
	Renewed  []string   // components whose parts are new and whose baselines are being learned again
	Regime   string     // operating regime, as "speed/power" or "wind" bin; empty where the class has none or it is not known
}

// Believed is the snapshot without what faulty sensors brought.
func (s Snapshot) Believed() Snapshot {
	if len(s.Faulty) == 0 {
		return s
	}
	whole := s.Vectors
	s.Vectors = make([]Vector, 0, len(whole))
	for _, v := range whole {
		kept := v
		kept.Fields, kept.Values, kept.Reasons = nil, nil, nil
		for i, f := range v.Fields {
			if slices.Contains(s.Faulty, f.Channel) {
				continue
			}
			kept.Fields, kept.Values = append(kept.Fields, f), append(kept.Values, v.Values[i])
			if v.Reasons != nil {
				kept.Reasons = append(kept.Reasons, v.Reasons[i])
			}
		}
		if len(kept.Fields) > 0 {
			s.Vectors = append(s.Vectors, kept)
		}
	}
	return s
}

// Value looks a feature up by channel (or metric) and name; NaN when missing.
func (s *Snapshot) Value(channel, name string) float64 {
	for i := range s.Vectors {
		v := &s.Vectors[i]
		for j, f := range v.Fields {
			if f.Channel == channel && f.Name == name {
				return v.Values[j]
			}
		}
	}
	return math.NaN()
}

// Reads is what a learned model reads of one component: which features, how many
// rows of them, how far apart.
type Reads struct {
	Component string
	Inputs    []Input
	Steps     int     // rows of a sequence
	Stride    int     // rows from one score to the next; default 1
	PeriodS   float64 // spacing of rows; a gap of over three periods starts afresh
	Carries   bool    // a stateful model: each row is read once, what it remembers travels with the asset
}

// Input is one feature that a model reads.
type Input struct {
	Name string `json:"name"` // channel/feature
	Unit string `json:"unit"`
	Agg  string `json:"agg"` // of the values within a period: last (default), mean, min, max
}

// Key tells sequences of different shape or content apart.
func (r Reads) Key() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %d %d %g %t", r.Component, r.Steps, max(r.Stride, 1), r.PeriodS, r.Carries)
	for _, in := range r.Inputs {
		agg := in.Agg
		if agg == "" {
			agg = "last"
		}
		b.WriteString(" " + in.Name + ":" + agg)
	}
	return b.String()
}

// Sequence is what a learned model reads: Steps rows of Width values, oldest
// first, of the features that the model's contract names in that order.
type Sequence struct {
	Asset     asset.ID
	Component string
	Reads     string    // Key of what it was cut for
	Time      time.Time // of the newest row
	Steps     int
	Width     int
	Values    []float32 // row-major; NaN where a value is missing
	Regime    string    // operating regime of the newest row; empty where the class knows none
	Memory    *Memory   // of a stateful model; nil otherwise
	Fresh     bool      // these rows do not follow on the last ones: what was remembered is void
}

// Memory is what stateful models remember of one asset, by the digest of the model.
// The asset's line owns it; a scorer reads and replaces what is in it while it
// scores a sequence that points to it.
type Memory struct{ States map[string]Recurrent } // nil: nothing

// Recurrent is what one version remembers.
type Recurrent struct {
	At     time.Time // of the newest row that it has read
	Rows   int       // read since it was reset
	Values []float32 // hidden and cell states
	Last   []float32 // the newest row, with nothing missing: what a hole is filled from
	Regime string    // of that row
}

// Answer is what the learned view says of one sequence.
type Answer struct {
	asset.Assessment               // of the version that serves the asset; Component is empty where none read this sequence
	Scores           []asset.Score // of every version that read it
}
