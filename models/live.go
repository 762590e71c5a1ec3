package models

import (
	"errors"
	"fmt"
	"sync/atomic"
)

// Model is a runner with what its file says of itself.
type Model struct {
	Contract Contract
	Runner   Runner
}

// Live is the model in use: one atomic pointer, counted references. A batch
// keeps the model it began with; a model that was swapped out is closed when its
// last batch is done. It is safe for concurrent use.
type Live struct{ held atomic.Pointer[held] }

// held is a model with the number of its users; Live itself counts as one.
type held struct {
	Model
	users atomic.Int64
}

var errClosedLive = errors.New("no model in use: closed")

// NewLive puts m in use and owns its runner from now on.
func NewLive(m Model) *Live {
	l := &Live{}
	h := &held{Model: m}
	h.users.Store(1)
	l.held.Store(h)
	return l
}

// Contract is that of the model in use now; the zero Contract after Close.
func (l *Live) Contract() Contract {
	if h := l.held.Load(); h != nil {
		return h.Contract
	}
	return Contract{}
}

// Swap puts m in use for every batch that begins from now on. A model that
// reads other sequences than the one in use is refused with ErrContract, and the
// old one stays; m's runner is then still the caller's.
func (l *Live) Swap(m Model) error {
	next := &held{Model: m}
	next.users.Store(1)
	for {
		old := l.held.Load()
		if old == nil {
			return errClosedLive
		}
		if err := old.Contract.SameInputs(m.Contract); err != nil {
			return fmt.Errorf("swap %s for %s: %w", old.Contract.Name, m.Contract.Name, err)
		}
		if l.held.CompareAndSwap(old, next) {
			return old.release()
		}
	}
}

// Close takes the model out of use; it is closed after its last batch.
func (l *Live) Close() error {
	if old := l.held.Swap(nil); old != nil {
		return old.release()
	}
	return nil
}

// acquire lends the model in use until release; nil after Close.
func (l *Live) acquire() *held {
	for {
		h := l.held.Load()
		if h == nil {
			return nil
		}
		// A count that fell to zero belongs to a model that is being closed:
		// the pointer has moved on, so look again.
		for n := h.users.Load(); n > 0; n = h.users.Load() {
			if h.users.CompareAndSwap(n, n+1) {
				return h
			}
		}
	}
}

func (h *held) release() error {
	if h.users.Add(-1) > 0 {
		return nil
	}
	if err := h.Runner.Close(); err != nil {
		return fmt.Errorf("close model %s: %w", h.Contract.Name, err)
	}
	return nil
}
