package spool

import (
	"cmp"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// commit is what one Append wants; writer guards it.
type commit struct {
	records []Record
	bytes   int64
	settled bool
	err     error
}

// Append takes all of the records or none. They survive a loss of power when it returns
// nil; with ErrFull it is worth trying again, and what was refused has left no trace.
func (s *Spool) Append(records ...Record) error {
	c := &commit{records: records}
	for i, r := range records {
		n := recordBytes(r)
		if n > int64(s.opt.MaxRecordBytes) {
			return fmt.Errorf("%w: record %d is of %d bytes: want at most %d", ErrTooLarge, i, n, s.opt.MaxRecordBytes)
		}
		c.bytes += n
	}
	if most := s.opt.MaxBytes / 4; c.bytes > most {
		return fmt.Errorf("%w: %d records are of %d bytes: want at most %d at a time", ErrTooLarge, len(records), c.bytes, most)
	}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return ErrClosed
	}
	s.waiting = append(s.waiting, c)
	s.mu.Unlock()

	s.writer.Lock()
	defer s.writer.Unlock()
	if c.settled {
		return c.err // an earlier one took it along
	}
	s.mu.Lock()
	group, closed := s.waiting, s.closed
	s.waiting = nil
	s.mu.Unlock()
	if closed {
		settle(group, ErrClosed)
	} else {
		s.write(group)
	}
	return c.err
}

func settle(group []*commit, err error) {
	for _, c := range group {
		c.settled = true
		if c.err == nil {
			c.err = err
		}
	}
}

// write appends what there is room for in one piece, syncs it and shows it to the reader.
func (s *Spool) write(group []*commit) {
	s.mu.Lock()
	seq, used := s.next, int64(0)
	for _, g := range s.segments {
		used += g.size
	}
	s.mu.Unlock()
	var refused error
	accepted := group[:0:0]
	for _, c := range group {
		if used+c.bytes+segmentStart > s.opt.MaxBytes {
			refused = fmt.Errorf("%w: %d bytes and %d more, at most %d are kept", ErrFull, used, c.bytes, s.opt.MaxBytes)
			c.settled, c.err = true, refused
			continue
		}
		accepted, used = append(accepted, c), used+c.bytes
	}
	if len(accepted) > 0 {
		err := s.put(accepted, seq)
		if noSpace(err) {
			err = fmt.Errorf("%w: the disk has no room: %w", ErrFull, err)
		}
		settle(accepted, err)
		refused = cmp.Or(err, refused)
	}
	s.mu.Lock()
	s.full = refused
	s.tell()
	s.mu.Unlock()
}

func (s *Spool) put(group []*commit, seq uint64) error {
	size, err := s.writable(seq)
	if err != nil {
		return err
	}
	h, newest := head{at: s.opt.Now().UnixNano(), seq: seq}, nanos(time.Time{})
	s.buf = s.buf[:0]
	for _, c := range group {
		for _, r := range c.records {
			s.buf = appendRecord(s.buf, r, h, s.salt, size+int64(len(s.buf)))
			newest = max(newest, nanos(r.Time))
			h.seq++
			h.into++
		}
	}
	if _, err = s.w.WriteAt(s.buf, size); err == nil {
		err = s.w.Sync()
	}
	if err != nil {
		return s.abandon(size, err)
	}
	s.mu.Lock()
	s.segments[len(s.segments)-1].size = size + int64(len(s.buf))
	s.next, s.newest = h.seq, max(s.newest, newest)
	s.mu.Unlock()
	if cap(s.buf) > 8*windowBytes && len(s.buf) < cap(s.buf)/8 {
		s.buf = nil
	}
	return nil
}

// writable is the size of the segment to write to, a new one when there is none or the
// newest is long enough.
func (s *Spool) writable(seq uint64) (int64, error) {
	s.mu.Lock()
	n := len(s.segments)
	var size int64
	if n > 0 {
		size = s.segments[n-1].size
	}
	s.mu.Unlock()
	if s.w != nil && size < s.opt.SegmentBytes {
		return size, nil
	}
	f, _, err := s.disk.open(segmentName(seq))
	if err != nil {
		return 0, err
	}
	var salt [8]byte
	_, _ = rand.Read(salt[:]) // never fails
	header := appendSegmentHeader(nil, seq, binary.LittleEndian.Uint64(salt[:]))
	// What an attempt before left there was never accepted.
	if err = f.Truncate(0); err == nil {
		_, err = f.WriteAt(header, 0)
	}
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = s.disk.sync()
	}
	if err != nil {
		_ = f.Close()
		return 0, errors.Join(err, s.disk.remove(segmentName(seq)))
	}
	if s.w != nil {
		_ = s.w.Close() // synced
	}
	s.w, s.salt = f, binary.LittleEndian.Uint64(salt[:])
	s.mu.Lock()
	if n := len(s.segments); n > 0 && s.segments[n-1].base == seq {
		s.segments = s.segments[:n-1] // it held nothing, and is this file
	}
	s.segments = append(s.segments, segment{base: seq, size: segmentStart, salt: s.salt, sound: true})
	s.mu.Unlock()
	return segmentStart, nil
}

// abandon gives up the segment whose write failed: what a failed sync left in memory is
// not known, so the next write goes to a new one.
func (s *Spool) abandon(size int64, why error) error {
	_ = s.w.Truncate(size) // if that fails too: the next segment begins with the same number, which ends this one
	_ = s.w.Close()
	s.w = nil
	if size > segmentStart {
		return why
	}
	s.mu.Lock()
	g := s.segments[len(s.segments)-1]
	s.segments = s.segments[:len(s.segments)-1]
	s.mu.Unlock()
	return errors.Join(why, s.disk.remove(segmentName(g.base)))
}
