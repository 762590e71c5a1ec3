package spool

import (
	"fmt"
	"time"
)

// walk goes through the records from the cursor on; it belongs to the reader.
type walk struct {
	s        *Spool
	at       Position
	segments []segment
	next     uint64    // of the spool
	last     time.Time // of the newest good record
}

// step is what a walk finds next: a record, or a loss before it, or nothing.
type step struct {
	frame *frame
	loss  *Loss
	to    Position // behind it
	at    int64    // when the record after a loss was appended; 0: there is none
}

// before reports whether a loss is older than a record of that age would be.
func (x step) before(deadline int64) bool { return x.at < deadline }

// begin goes to the cursor and looks at what there is; closed: there is nothing any more.
func (w *walk) begin() (closed bool) {
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	w.at, w.next = w.s.cursor, w.s.next
	w.segments = append(w.segments[:0], w.s.segments...)
	return w.s.closed
}

// take goes behind a step.
func (w *walk) take(x step) {
	w.at = x.to
	if x.frame != nil {
		w.last = instant(x.frame.time)
	}
}

// step looks without moving.
func (w *walk) step(payload bool) (step, error) {
	to := w.at
	for {
		i := w.segmentOf(to)
		if i < 0 {
			return step{}, nil
		}
		g, end := w.segments[i], w.next
		if i+1 < len(w.segments) {
			end = w.segments[i+1].base
		}
		if g.base > to.seq {
			return w.gap(to, Position{seq: g.base, base: g.base, offset: segmentStart}, g.base-to.seq, nil), nil
		}
		if to.base != g.base {
			to.base, to.offset = g.base, segmentStart
		}
		if g.sound {
			f, ok, err := w.find(g, &to, end, payload)
			if err != nil {
				return step{}, err
			}
			if ok {
				return w.found(f, to), nil
			}
		}
		if to.seq < end {
			return w.gap(to, Position{seq: end, base: g.base, offset: max(g.size, segmentStart)}, end-to.seq, nil), nil
		}
		if i+1 == len(w.segments) {
			return step{}, nil
		}
		to.base, to.offset = w.segments[i+1].base, segmentStart
	}
}

// segmentOf is the one that holds a position, or the first after it.
func (w *walk) segmentOf(at Position) int {
	best := -1
	for i, g := range w.segments {
		if best < 0 || g.base <= at.seq {
			best = i
		}
	}
	return best
}

// find is the next record of a segment, below end, that was not seen.
func (w *walk) find(g segment, to *Position, end uint64, payload bool) (frame, bool, error) {
	if err := w.s.over(g); err != nil {
		return frame{}, false, err
	}
	for {
		f, ok, err := w.s.r.next(to.offset, payload)
		if err != nil {
			return f, false, fmt.Errorf("%s: %w", segmentName(g.base), err)
		}
		if !ok || f.seq >= end {
			return f, false, nil
		}
		if f.seq >= to.seq {
			return f, true, nil
		}
		to.offset = f.end
	}
}

// found is the step to a record: what is missing before it, itself damaged, or itself.
func (w *walk) found(f frame, to Position) step {
	after := to
	after.seq, after.offset = f.seq+1, f.end
	switch {
	case f.seq > to.seq:
		return w.gap(to, Position{seq: f.seq, base: to.base, offset: f.offset}, f.seq-to.seq, &f)
	case !f.good():
		x := w.gap(to, after, 1, &f)
		if f.metaBytes != nil {
			x.loss.Key, _, _ = readMeta(f.metaBytes)
		}
		x.loss.From, x.loss.To = instant(f.time), instant(f.time)
		return x
	}
	return step{frame: &f, to: after}
}

func (w *walk) gap(from, to Position, n uint64, next *frame) step {
	to.damaged, to.expired = from.damaged+n, from.expired
	x := step{loss: &Loss{From: w.last, Records: n, Why: ErrDamaged}, to: to}
	if next != nil {
		x.at, x.loss.To = next.at, instant(next.time)
	}
	return x
}

// over makes the scanner read a segment as far as it is synced.
func (s *Spool) over(g segment) error {
	if s.r.f != nil && s.rOf.base == g.base && s.rOf.salt == g.salt {
		if s.rOf.size != g.size {
			s.rOf = g
			s.r.seek(g.size)
		}
		return nil
	}
	if s.r.f != nil {
		_ = s.r.f.Close() // only read
		s.r.f = nil
	}
	f, _, err := s.disk.open(segmentName(g.base))
	if err != nil {
		return err
	}
	s.r.f, s.r.salt, s.rOf = f, g.salt, g
	s.r.seek(g.size)
	return nil
}
