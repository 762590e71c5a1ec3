package twin

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// Life is where an asset stands in its life cycle.
type Life string

// The states of life.
const (
	Provisioning Life = "provisioning"
	Active       Life = "active"
	Maintenance  Life = "maintenance"
	Retired      Life = "retired" // the end
	Faulted      Life = "error"
)

// What a caller decides on.
var (
	ErrTransition = errors.New("twin: no such transition")
	ErrRetired    = errors.New("twin: retired assets take no telemetry")
)

// allowed lists where each state may go: nine of the twenty-five pairs.
func (l Life) allowed() []Life {
	switch l {
	case Provisioning:
		return []Life{Active, Faulted}
	case Active:
		return []Life{Maintenance, Retired, Faulted}
	case Maintenance:
		return []Life{Active, Retired}
	case Faulted:
		return []Life{Maintenance, Retired}
	}
	return nil
}

// May reports whether l may become to. No state may become itself.
func (l Life) May(to Life) bool { return slices.Contains(l.allowed(), to) }

// Entry is one step in the life of an asset.
type Entry struct {
	Time   time.Time `json:"time"`
	From   Life      `json:"from"`
	To     Life      `json:"to"`
	Reason string    `json:"reason"`
	Actor  string    `json:"actor"`
}

// maxHistory is how many entries a twin keeps; the store keeps them all.
const maxHistory = 256

// career is the part of a twin that remembers its life.
type career struct {
	State   Life    `json:"state"`
	History []Entry `json:"history,omitempty"`
}

// move makes the step e.From → e.To; a step that is not allowed changes nothing.
func (c *career) move(e Entry) error {
	if e.From = c.State; !c.State.May(e.To) {
		return fmt.Errorf("%s to %s: %w", c.State, e.To, ErrTransition)
	}
	e.Time = e.Time.UTC()
	c.State = e.To
	if len(c.History) >= maxHistory {
		c.History = slices.Delete(c.History, 0, len(c.History)-maxHistory+1)
	}
	c.History = append(c.History, e)
	return nil
}
