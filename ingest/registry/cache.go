package registry

import (
	"container/list"
	"context"
	"errors"
	"sync"
	"time"
)

// cache keeps what was loaded, up to max values; the one longest unused gives way. Who asks
// for what is being loaded waits for it instead of loading it again. It is safe for
// concurrent use.
type cache[K comparable, V any] struct {
	max int
	now func() time.Time

	mu      sync.Mutex          // guards what follows, but not what lies in a kept whose done is closed
	entries map[K]*list.Element // of *kept
	used    *list.List          // the last used in front
}

type kept[K comparable, V any] struct {
	key   K
	done  chan struct{} // closed when the rest is there
	value V
	until time.Time // it counts; zero: for ever
	err   error
}

func newCache[K comparable, V any](limit int, now func() time.Time) *cache[K, V] {
	return &cache[K, V]{max: limit, now: now, entries: map[K]*list.Element{}, used: list.New()}
}

// get returns the value of a key, from load where it is not there. An error of load is not
// kept: the next one who asks tries again.
func (c *cache[K, V]) get(ctx context.Context, key K, load func(context.Context) (V, time.Time, error)) (V, error) {
	for {
		k, mine := c.find(key)
		if mine {
			c.fill(ctx, k, load)
			return k.value, k.err
		}
		select {
		case <-k.done:
		case <-ctx.Done():
			var none V
			return none, ctx.Err()
		}
		gaveUp := errors.Is(k.err, context.Canceled) || errors.Is(k.err, context.DeadlineExceeded)
		if gaveUp && ctx.Err() == nil {
			continue // it was the other one who lost patience
		}
		return k.value, k.err
	}
}

// find returns what is kept of a key, or a new place for it that the caller has to fill.
func (c *cache[K, V]) find(key K) (k *kept[K, V], mine bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.entries[key]; ok {
		k, _ = e.Value.(*kept[K, V])
		if !k.over(c.now()) {
			c.used.MoveToFront(e)
			return k, false
		}
		c.forget(e)
	}
	k = &kept[K, V]{key: key, done: make(chan struct{})}
	c.entries[key] = c.used.PushFront(k)
	if c.used.Len() > c.max {
		c.forget(c.used.Back())
	}
	return k, true
}

func (k *kept[K, V]) over(now time.Time) bool {
	select {
	case <-k.done:
		return !k.until.IsZero() && now.After(k.until)
	default:
		return false
	}
}

func (c *cache[K, V]) fill(ctx context.Context, k *kept[K, V], load func(context.Context) (V, time.Time, error)) {
	k.err = errors.New("schema registry: loading panicked") // what those who wait get then
	defer func() {
		if k.err != nil {
			c.mu.Lock()
			if e, ok := c.entries[k.key]; ok && e.Value == any(k) {
				c.forget(e)
			}
			c.mu.Unlock()
		}
		close(k.done)
	}()
	k.value, k.until, k.err = load(ctx)
}

func (c *cache[K, V]) forget(e *list.Element) {
	k, _ := e.Value.(*kept[K, V])
	delete(c.entries, k.key)
	c.used.Remove(e)
}
