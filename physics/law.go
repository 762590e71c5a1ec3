// Package physics holds laws that say how a machine wears, each a pure function
// of a state that the twin keeps and of what was measured.
package physics

import (
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/features"
)

// State is what a law carries from one instant to the next. Its meaning is the
// law's own; the zero State is "nothing seen yet".
type State struct {
	Law string    `json:"law"` // name and version; a state of another law is reset
	At  time.Time `json:"at"`
	X   []float64 `json:"x"`
}

// Law steps a state with what was seen at an instant. It is pure and safe for
// concurrent use: same arguments, same answer. When it cannot go on it returns
// the last good state and an assessment with Trust 0 and a Reason.
type Law interface {
	Name() string
	Step(s State, in features.Snapshot) (State, asset.Assessment)
}
