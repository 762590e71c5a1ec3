package evidence

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	"github.com/telltale-iot/telltale/asset"
)

// List lists the windows of an asset that begin within [from, to], the newest first, at most
// limit; an empty channel means all.
func (s *Store) List(ctx context.Context, id asset.ID, channel string, from, to time.Time, limit int) ([]Window, error) {
	channels := []string{prefixOf(id) + escape(channel) + "/"}
	if channel == "" {
		all, err := s.children(ctx, prefixOf(id))
		if err != nil {
			return nil, err
		}
		channels = channels[:0]
		for _, c := range all {
			channels = append(channels, c.Key)
		}
	}
	var out []Window
	for _, at := range channels {
		l := lister{Store: s, id: id, root: at, from: timePart(from), to: timePart(to), left: limit}
		if err := l.walk(ctx, at); err != nil {
			return nil, err
		}
		out = append(out, l.found...)
	}
	slices.SortStableFunc(out, func(a, b Window) int { return b.Start.Compare(a.Start) })
	return out[:min(limit, len(out))], nil
}

// lister goes through the years, months and days of one channel from the newest on.
type lister struct {
	*Store
	id             asset.ID
	root, from, to string
	left           int
	found          []Window
}

func (l *lister) walk(ctx context.Context, at string) error {
	children, err := l.children(ctx, at)
	if err != nil {
		return err
	}
	for _, c := range slices.Backward(children) {
		when := strings.TrimPrefix(c.Key, l.root)
		n := min(len(when), len(l.from))
		if l.left == 0 || when[:n] < l.from[:n] {
			return nil // the rest is older
		}
		if when[:n] > l.to[:n] {
			continue
		}
		if c.IsDir {
			if err := l.walk(ctx, c.Key); err != nil {
				return err
			}
			continue
		}
		key := strings.TrimPrefix(c.Key, prefixOf(l.id))
		if channel, start, ok := parseKey(key); ok {
			l.found = append(l.found, Window{l.id, channel, start, key, c.Size})
			l.left--
		}
	}
	return nil
}

// children lists what is right below a prefix, in the order of keys.
func (s *Store) children(ctx context.Context, prefix string) (out []*blob.ListObject, err error) {
	it := s.bucket.List(&blob.ListOptions{Prefix: prefix, Delimiter: "/"})
	for {
		o, err := it.Next(ctx)
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, fmt.Errorf("evidence: list %s: %w", prefix, err)
		}
		out = append(out, o)
	}
}

// Prune forgets windows that began before an instant and says how many.
func (s *Store) Prune(ctx context.Context, before time.Time) (gone int64, err error) {
	assets, err := s.children(ctx, "")
	if err != nil {
		return 0, err
	}
	for _, a := range assets {
		channels, err := s.children(ctx, a.Key)
		if err != nil {
			return gone, err
		}
		for _, c := range channels {
			n, err := s.pruneChannel(ctx, a.Key, c.Key, before)
			gone += n
			if err != nil {
				return gone, err
			}
		}
	}
	return gone, nil
}

// pruneChannel looks at the keys from the oldest on and stops at the first that stays.
func (s *Store) pruneChannel(ctx context.Context, id, channel string, before time.Time) (gone int64, err error) {
	it := s.bucket.List(&blob.ListOptions{Prefix: channel})
	for {
		o, err := it.Next(ctx)
		if errors.Is(err, io.EOF) {
			return gone, nil
		}
		if err != nil {
			return gone, fmt.Errorf("evidence: list %s: %w", channel, err)
		}
		_, start, ok := parseKey(strings.TrimPrefix(o.Key, id))
		switch {
		case !ok:
			continue // not ours
		case !start.Before(before):
			return gone, nil
		}
		err = s.bucket.Delete(ctx, o.Key)
		if gcerrors.Code(err) == gcerrors.NotFound {
			continue // another process was quicker
		}
		if err != nil {
			return gone, fmt.Errorf("evidence: delete %s: %w", o.Key, err)
		}
		gone++
	}
}
