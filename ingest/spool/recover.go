package spool

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
)

const segmentSuffix = ".segment"

func segmentName(base uint64) string { return fmt.Sprintf("%020d%s", base, segmentSuffix) }

// recover finds out where a former life stopped.
func (s *Spool) recover() error {
	if err := s.findSegments(); err != nil {
		return err
	}
	f, size, err := s.disk.open(cursorName)
	if err != nil {
		return err
	}
	s.slots.f = f
	was, err := s.slots.read(size)
	if err != nil {
		return err
	}
	s.next, s.newest = 1, was.newest
	cursor := was.at
	if len(s.segments) > 0 {
		first := s.segments[0]
		if !was.known {
			// Passing records on once more is better than passing over any.
			cursor, s.repeats = Position{seq: first.base, base: first.base, offset: segmentStart}, !was.fresh
		}
		if s.next, err = s.end(was.next); err != nil {
			return err
		}
	} else if !was.known {
		cursor = Position{seq: 1, base: 1, offset: segmentStart}
	}
	s.next = max(s.next, was.next, cursor.seq)
	s.cursor = cursor
	if err := s.lost.load(s.disk); err != nil {
		return err
	}
	if at := s.lost.through(); at.seq > s.cursor.seq {
		s.cursor = at // it was the next thing to be done
		s.next = max(s.next, at.seq)
	}
	if err := s.slots.write(slot{at: s.cursor, next: s.next, newest: s.newest}); err != nil {
		return err
	}
	s.sweep()
	return s.disk.sync()
}

// findSegments lists the segments and reads their headers.
func (s *Spool) findSegments() error {
	names, err := s.disk.list()
	if err != nil {
		return err
	}
	for _, name := range names {
		number, ok := strings.CutSuffix(name, segmentSuffix)
		base, err := strconv.ParseUint(number, 10, 64)
		if !ok || err != nil {
			continue
		}
		f, size, err := s.disk.open(name)
		if err != nil {
			return err
		}
		g := segment{base: base, size: size}
		b := make([]byte, min(size, segmentStart))
		if _, err = f.ReadAt(b, 0); err == nil || len(b) == 0 {
			err = nil
			g.salt, g.sound = segmentSalt(b, base)
			if v := segmentVersionOf(b); !g.sound && v > segmentVersion {
				err = fmt.Errorf("%s is of version %d, known is %d", name, v, segmentVersion)
			}
		}
		_ = f.Close() // only read
		if err != nil {
			return err
		}
		s.segments = append(s.segments, g)
	}
	slices.SortFunc(s.segments, func(a, b segment) int { return cmp.Compare(a.base, b.base) })
	return nil
}

// end cuts the last segment off behind what is certain to have been written whole, and
// returns the number of the next record; those below synced are known to have been.
func (s *Spool) end(synced uint64) (uint64, error) {
	last := &s.segments[len(s.segments)-1]
	if !last.sound {
		if last.size <= segmentStart && last.base >= synced {
			// It was not finished, so nothing in it was accepted.
			base := last.base
			s.segments = s.segments[:len(s.segments)-1]
			return base, s.disk.remove(segmentName(base))
		}
		return max(last.base+1, synced), nil // how many are lost in it nobody knows
	}
	f, size, err := s.disk.open(segmentName(last.base))
	if err != nil {
		return 0, err
	}
	defer f.Close() //nolint:errcheck // synced below
	t := tail{cut: segmentStart, next: last.base, behind: segmentStart, write: last.base}
	scan := scanner{f: f, salt: last.salt, limit: size}
	for at := int64(segmentStart); ; {
		r, ok, err := scan.next(at, true)
		for try := 1; err != nil && try < readTries; try++ {
			r, ok, err = scan.next(at, true)
		}
		if err != nil {
			return 0, err
		}
		if !ok {
			break
		}
		at = r.end
		if r.good() {
			t.saw(r, synced)
			s.newest = max(s.newest, r.time)
		}
	}
	if t.next < synced {
		return synced, nil // damage in what was synced: the reader says what it finds
	}
	if t.cut < size {
		s.torn = size - t.cut
		last.size = t.cut
		if err := f.Truncate(t.cut); err != nil {
			return 0, err
		}
		if err := f.Sync(); err != nil {
			return 0, err
		}
	}
	return t.next, nil
}

// tail follows the good records of the last segment.
type tail struct {
	cut    int64  // end of what is kept
	next   uint64 // number of the record after it
	behind int64  // end of the newest record
	write  uint64 // number of the first record of its write
	broken bool   // a record of that write is missing
}

func (t *tail) saw(r frame, synced uint64) {
	write := r.seq - uint64(r.into)
	whole := r.offset == t.cut && r.seq == t.next // nothing is missing before it
	switch {
	case r.seq < synced, r.into == 0, whole && !t.broken:
		// A write begins only when all before it is synced.
		t.cut, t.next, t.broken = r.end, r.seq+1, false
	case write != t.write:
		// So was the write before this one, of which the beginning is missing.
		t.cut, t.next, t.broken = t.behind, max(t.next, write), true
	default:
		t.broken = true
	}
	t.behind, t.write = r.end, write
}

// sweep removes the segments before the cursor's; the last one stays.
func (s *Spool) sweep() {
	for {
		s.mu.Lock()
		done := len(s.segments) < 2 || s.segments[1].base > s.cursor.seq
		var first segment
		if !done {
			first = s.segments[0]
		}
		s.mu.Unlock()
		if done {
			return
		}
		if err := s.disk.remove(segmentName(first.base)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return // the next time
		}
		s.mu.Lock()
		s.segments = s.segments[1:] // the writer changes the other end
		s.mu.Unlock()
	}
}
