package twin

import (
	"cmp"
	"slices"
	"sync"

	"github.com/telltale-iot/telltale/asset"
)

// Board holds the newest view of every twin for readers. It is safe for
// concurrent use; nobody who publishes ever waits for a reader.
type Board struct {
	mu    sync.RWMutex // guards what follows
	views map[asset.ID]View
	subs  map[*Subscription]struct{}
}

// NewBoard returns an empty board.
func NewBoard() *Board {
	return &Board{views: map[asset.ID]View{}, subs: map[*Subscription]struct{}{}}
}

// Update is what a subscriber gets: one view, or word that it fell behind and
// has to read the board with List.
type Update struct {
	View   View `json:"view"`
	Resync bool `json:"resync"`
}

// Subscription is one reader's queue.
type Subscription struct {
	C     <-chan Update // closed by Close
	queue chan Update
	board *Board
}

// Publish puts v on the board, unless a newer version of it is there, and
// reports whether it did.
func (b *Board) Publish(v View) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if old, ok := b.views[v.Asset]; ok && old.Version > v.Version {
		return false
	}
	b.views[v.Asset] = v
	for s := range b.subs {
		s.offer(Update{View: v})
	}
	return true
}

// offer never blocks: a full queue is emptied and holds only the word to resync.
// The board's lock is held, so nobody else sends.
func (s *Subscription) offer(u Update) {
	select {
	case s.queue <- u:
		return
	default:
	}
	for {
		select {
		case <-s.queue:
			continue
		default:
		}
		break
	}
	s.queue <- Update{Resync: true}
}

// Get returns an asset's newest view.
func (b *Board) Get(id asset.ID) (View, bool) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	v, ok := b.views[id]
	return v, ok
}

// List returns the newest views, by asset.
func (b *Board) List() []View {
	b.mu.RLock()
	all := make([]View, 0, len(b.views))
	for _, v := range b.views {
		all = append(all, v)
	}
	b.mu.RUnlock()
	slices.SortFunc(all, func(p, q View) int { return cmp.Compare(p.Asset, q.Asset) })
	return all
}

// Subscribe starts a queue of up to n updates (at least 1). Whoever subscribes
// first and lists then misses nothing. Close ends it.
func (b *Board) Subscribe(n int) *Subscription {
	queue := make(chan Update, max(n, 1))
	s := &Subscription{C: queue, queue: queue, board: b}
	b.mu.Lock()
	b.subs[s] = struct{}{}
	b.mu.Unlock()
	return s
}

// Close ends the subscription and closes its channel. It may be called twice.
func (s *Subscription) Close() {
	s.board.mu.Lock()
	defer s.board.mu.Unlock()
	if _, ok := s.board.subs[s]; ok {
		delete(s.board.subs, s)
		close(s.queue)
	}
}
