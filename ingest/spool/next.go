package spool

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Batch is what follows the cursor.
type Batch struct {
	Lost    []Loss   // before the records
	Records []Record // in the order of Append; the caller's
	End     Position // for Done, when all of it was passed on
}

// Limit is how much a batch may hold; one record always fits.
type Limit struct {
	Records int // default 1000
	Bytes   int // of payloads; default 4 MiB
}

// Next waits for a batch, until ctx ends or Close. It is the same one again, or begins in
// the same way, until Done, unless records of it grew too old.
func (s *Spool) Next(ctx context.Context, limit Limit) (Batch, error) {
	if limit.Records <= 0 {
		limit.Records = 1000
	}
	if limit.Bytes <= 0 {
		limit.Bytes = 4 << 20
	}
	for {
		s.mu.Lock()
		arrived, closed := s.arrived, s.closed
		s.mu.Unlock()
		if closed {
			return Batch{}, ErrClosed
		}
		b, err := s.look(limit)
		if err != nil {
			return Batch{}, fmt.Errorf("spool %s: %w", s.opt.Dir, err)
		}
		if len(b.Records)+len(b.Lost) > 0 {
			return b, nil
		}
		select {
		case <-arrived:
		case <-ctx.Done():
			return Batch{}, ctx.Err()
		}
	}
}

// look reads a batch without waiting.
func (s *Spool) look(limit Limit) (Batch, error) {
	s.reader.Lock()
	defer s.reader.Unlock()
	w := walk{s: s}
	if w.begin() {
		return Batch{}, ErrClosed
	}
	found := losses{}
	if s.opt.MaxAge > 0 {
		if err := s.expire(&w, found); err != nil {
			return Batch{}, err
		}
	}
	told := len(s.lost.all) > 0
	for _, x := range s.lost.all {
		found.add(x)
	}
	b := Batch{}
	room := limit.Bytes
	for len(b.Records) < limit.Records && (room > 0 || len(b.Records) == 0) {
		step, err := w.step(true)
		if err != nil {
			return Batch{}, err
		}
		if step.loss != nil {
			if len(b.Records) > 0 {
				break // comes before the next batch
			}
			found.add(*step.loss)
		} else if step.frame == nil {
			break
		}
		if f := step.frame; f != nil {
			if len(b.Records) > 0 && int(f.payload) > room {
				break
			}
			r, err := record(*f)
			if err != nil {
				return Batch{}, err
			}
			b.Records = append(b.Records, r)
			room -= int(f.payload)
		}
		w.take(step)
	}
	b.Lost = found.list()
	b.End = w.at
	b.End.told = told
	s.issued = b.End
	return b, nil
}

func record(f frame) (Record, error) {
	key, headers, ok := readMeta(f.metaBytes)
	if !ok {
		return Record{}, fmt.Errorf("record %d: its key and headers are not in the form that this version writes", f.seq)
	}
	return Record{Key: key, Time: instant(f.time), Headers: headers, Payload: slices.Clone(f.body)}, nil
}

// lostKeys is how many losses are gathered at a time.
const lostKeys = 4096

// expire passes over what is too old. The losses are put on disk, so that the room of the
// records is free before anybody has heard of them; where that fails they go to found.
func (s *Spool) expire(w *walk, found losses) error {
	deadline := s.opt.Now().Add(-s.opt.MaxAge).UnixNano()
	old := losses{}
	for len(old) < lostKeys {
		step, err := w.step(false)
		if err != nil {
			return err
		}
		f := step.frame
		if f == nil && step.loss == nil || f != nil && f.at >= deadline {
			break
		}
		if step.loss != nil {
			if !step.before(deadline) {
				break
			}
			old.add(*step.loss)
		} else {
			key, _, _ := readMeta(f.metaBytes)
			old.add(Loss{Key: key, From: instant(f.time), To: instant(f.time), Records: 1, Why: ErrExpired})
			step.to.expired++
		}
		w.take(step)
	}
	if w.at.expired == 0 {
		w.begin()
		return nil
	}
	all := maps.Clone(s.lost.all)
	for _, x := range old {
		all.add(x)
	}
	if err := s.lost.save(s.disk, all, w.at); err != nil {
		maps.Copy(found, old)
		return nil //nolint:nilerr // a full disk: the room is free after Done
	}
	if err := s.move(w.at); err != nil {
		return err
	}
	w.at.damaged, w.at.expired = 0, 0
	return nil
}

// Done moves the cursor behind the newest batch, for good, and frees what it can.
func (s *Spool) Done(end Position) error {
	s.reader.Lock()
	defer s.reader.Unlock()
	if end != s.issued {
		return errors.New("spool: Done: the position is not allowed: want the End of the newest batch")
	}
	s.mu.Lock()
	closed := s.closed
	s.mu.Unlock()
	if closed {
		return ErrClosed
	}
	if err := s.move(end); err != nil {
		return err
	}
	s.issued = Position{}
	if end.told {
		return s.lost.clear(s.disk)
	}
	return nil
}

// move puts the cursor somewhere and frees the segments before.
func (s *Spool) move(to Position) error {
	s.mu.Lock()
	x := slot{at: to, next: s.next, newest: s.newest}
	s.mu.Unlock()
	if err := s.slots.write(x); err != nil {
		return err
	}
	s.mu.Lock()
	s.damaged, s.expired = s.damaged+to.damaged, s.expired+to.expired
	to.damaged, to.expired, to.told = 0, 0, false
	s.cursor = to
	s.mu.Unlock()
	s.sweep()
	return nil
}

// oldest is when the first record after the cursor was appended.
func (s *Spool) oldest() (time.Time, bool) {
	s.reader.Lock()
	defer s.reader.Unlock()
	w := walk{s: s}
	if w.begin() {
		return time.Time{}, false
	}
	step, err := w.step(false)
	if step.loss != nil {
		w.take(step)
		step, err = w.step(false)
	}
	if err != nil || step.frame == nil {
		return time.Time{}, false
	}
	return time.Unix(0, step.frame.at), true
}
