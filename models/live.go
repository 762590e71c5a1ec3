package models

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

// Model is a runner with what its file says of itself.
type Model struct {
	Contract Contract
	Runner   Runner
}

// Placement says that a version scores, and for whom.
type Placement struct {
	Staged        // in production, canary or shadow
	Class  string // of the assets
}

// Live is what is in use for one class and component: versions in production, in
// canary and in shadow, side by side on the same sequences. A batch keeps the
// line-up that it began with; a version that left it is closed when its last batch
// is done. It is safe for concurrent use.
type Live struct {
	mu      sync.Mutex // one Set at a time
	now     atomic.Pointer[lineup]
	edition atomic.Uint64
	held    atomic.Pointer[map[asset.ID]asset.Reason]
	wait    time.Duration
	callers int
}

// lineup is what was set at once. It counts its users; Live itself is one.
type lineup struct {
	entries []*entry
	users   atomic.Int64
}

// entry is one placement with its model.
type entry struct {
	Placement
	*loaded
}

// loaded is an open model, shared by the line-ups and placements that name it.
type loaded struct {
	Model
	gather gather
	users  atomic.Int64 // line-ups
}

// NewLive holds no model yet.
func NewLive() *Live { return &Live{} }

// Gather lets up to callers concurrent calls join in one run of a model; the first
// waits for the others at most wait. It holds for models opened after it.
func (l *Live) Gather(callers int, wait time.Duration) {
	l.callers, l.wait = callers, wait
}

// Set puts the placements in use for every batch that begins from now on. Models
// that are in use already stay as they are; open is asked for the others. When one
// cannot be opened, or does not belong here, nothing changes. Setting what is there
// changes nothing.
func (l *Live) Set(placements []Placement, open func(Placement) (Model, error)) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	old := l.now.Load()
	have := map[string]*loaded{}
	if old != nil {
		if slices.EqualFunc(old.entries, placements, func(e *entry, p Placement) bool { return e.Placement == p }) {
			return nil
		}
		for _, e := range old.entries {
			have[e.Digest] = e.loaded
		}
	}
	next := &lineup{}
	next.users.Store(1)
	var opened []*loaded
	for _, p := range placements {
		m := have[p.Digest]
		if m == nil {
			made, err := open(p)
			if err != nil {
				for _, o := range opened {
					err = errors.Join(err, o.Runner.Close())
				}
				return fmt.Errorf("model %s: %w", p.Ref(), err)
			}
			m = &loaded{Model: made, gather: gather{run: made.Runner, callers: l.callers, wait: l.wait}}
			have[p.Digest] = m
			opened = append(opened, m)
		}
		next.entries = append(next.entries, &entry{Placement: p, loaded: m})
	}
	for _, m := range next.models() {
		m.users.Add(1)
	}
	l.now.Store(next)
	l.edition.Add(1)
	if old == nil {
		return nil
	}
	return old.release()
}

// models are the line-up's models, each once.
func (n *lineup) models() []*loaded {
	var out []*loaded
	for _, e := range n.entries {
		if !slices.Contains(out, e.loaded) {
			out = append(out, e.loaded)
		}
	}
	return out
}

// Hold takes the learned view of these assets out of the fusion, each for its reason,
// until the next Hold: versions go on scoring, nobody hears them. The caller does not
// change the map any more.
func (l *Live) Hold(why map[asset.ID]asset.Reason) { l.held.Store(&why) }

// Placements are those in use now.
func (l *Live) Placements() []Placement {
	var out []Placement
	if n := l.acquire(); n != nil {
		defer n.release() //nolint:errcheck // a model that cannot be closed is gone all the same
		for _, e := range n.entries {
			out = append(out, e.Placement)
		}
	}
	return out
}

// Contract is that of the model in production for all; false when there is none.
func (l *Live) Contract() (Contract, bool) {
	n := l.acquire()
	if n == nil {
		return Contract{}, false
	}
	defer n.release() //nolint:errcheck // a model that cannot be closed is gone all the same
	for _, e := range n.entries {
		if e.Stage == Production && e.Scope == "" {
			return e.Contract, true
		}
	}
	return Contract{}, false
}

// ContractOf is that of a version in use, by its digest.
func (l *Live) ContractOf(digest string) (Contract, bool) {
	n := l.acquire()
	if n == nil {
		return Contract{}, false
	}
	defer n.release() //nolint:errcheck // a model that cannot be closed is gone all the same
	for _, e := range n.entries {
		if e.Digest == digest {
			return e.Contract, true
		}
	}
	return Contract{}, false
}

// Close takes every model out of use; each is closed after its last batch.
func (l *Live) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if old := l.now.Swap(nil); old != nil {
		l.edition.Add(1)
		return old.release()
	}
	return nil
}

// acquire lends the line-up in use until release; nil while there is none.
func (l *Live) acquire() *lineup {
	for {
		n := l.now.Load()
		if n == nil {
			return nil
		}
		// A count that fell to zero belongs to a line-up that is being closed:
		// the pointer has moved on, so look again.
		for u := n.users.Load(); u > 0; u = n.users.Load() {
			if n.users.CompareAndSwap(u, u+1) {
				return n
			}
		}
	}
}

func (n *lineup) release() error {
	if n.users.Add(-1) > 0 {
		return nil
	}
	var bad error
	for _, m := range n.models() {
		if m.users.Add(-1) > 0 {
			continue
		}
		if err := m.Runner.Close(); err != nil {
			bad = errors.Join(bad, fmt.Errorf("close model %s: %w", m.Contract.Name, err))
		}
	}
	return bad
}

// serving is the version whose word counts for an asset, as Lineup.Scores says it; nil
// when none.
func (n *lineup) serving(id asset.ID) *entry {
	var best *entry
	at := -1
	for _, e := range n.entries {
		if r := e.rank(e.Class, id); r > at {
			best, at = e, r
		}
	}
	return best
}

// production is the version in production for an asset, of the narrowest scope.
func (n *lineup) production(id asset.ID) *entry {
	var best *entry
	at := -1
	for _, e := range n.entries {
		if width, ok := e.Scope.of(e.Class, id); ok && e.Stage == Production && width > at {
			best, at = e, width
		}
	}
	return best
}

// scoring are all the versions that score an asset: first the one that serves it,
// then those that run beside it: shadows, and production beside a canary.
func (n *lineup) scoring(id asset.ID) []*entry {
	var out []*entry
	serves := n.serving(id)
	if serves != nil {
		out = append(out, serves)
	}
	var beside *entry // the version in production that the canary stands in for
	if serves != nil && serves.Stage == Canary {
		beside = n.production(id)
	}
	for _, e := range n.entries {
		if _, ok := e.Scope.of(e.Class, id); !ok || e == serves {
			continue
		}
		if e.Stage == Shadow || e == beside {
			if !slices.ContainsFunc(out, func(o *entry) bool { return o.loaded == e.loaded }) {
				out = append(out, e)
			}
		}
	}
	return out
}
