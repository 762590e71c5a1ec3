// Package spool keeps records on disk, in order, until somebody has passed them on.
//
// A folder holds segments, a cursor and what is known of losses. A record that Append
// accepted survives the process and the power: it was written and synced, with its folder
// when the segment is new. Concurrent Appends share one sync. Next gives what follows the
// cursor, the same until Done moves it; a crash between repeats records, and loses none.
//
// What cannot be kept is said, never hidden. A full spool, or a full disk, refuses before
// it accepts, and accepts again once there is room. Records that outlive MaxAge, and those
// whose bytes changed on the disk, come back from Next as losses that name the key and the
// span of time wherever these can still be read.
//
// A segment opens with its header, twice, then records one after another (frame.go). Each
// has three CRC-32C: of the head, mixed with the segment's random salt and its own place,
// so that nothing inside a payload can pass for a record; of key and headers; of the
// payload. Heads hold a sequence number, which tells how many records are missing, and how
// far a record was into its write: what lies before a write was synced before that began,
// so a hole there is damage, and one in the last write is a write that did not finish. Such
// a write is cut off where it breaks, or what came after the hole would be passed on before
// its sender repeats the whole.
package spool

import (
	"errors"
	"fmt"
	"sync"
	"time"
)

// Options of a spool; zero values mean the defaults given.
type Options struct {
	Dir            string           // made when it is missing
	MaxBytes       int64            // on disk; default 10 GiB
	MaxAge         time.Duration    // since Append; older records are dropped; 0: none is
	SegmentBytes   int64            // a segment that has reached it is not written on; default 64 MiB, at most an eighth of MaxBytes
	MaxRecordBytes int              // with key and headers; default 32 MiB, at most a quarter of MaxBytes
	Now            func() time.Time // default time.Now

	disk *disk // default: Dir
}

func (o Options) withDefaults() Options {
	if o.MaxBytes <= 0 {
		o.MaxBytes = 10 << 30
	}
	if o.SegmentBytes <= 0 {
		o.SegmentBytes = 64 << 20
	}
	o.SegmentBytes = min(o.SegmentBytes, o.MaxBytes/8)
	if o.MaxRecordBytes <= 0 {
		o.MaxRecordBytes = 32 << 20
	}
	o.MaxRecordBytes = int(min(int64(o.MaxRecordBytes), o.MaxBytes/4))
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// leastBytes is the smallest MaxBytes that a spool can work with.
const leastBytes = 64 << 10

var (
	// ErrFull is why Append refuses while there is no room, in the spool or on the disk. It
	// is worth trying again: passing records on makes room.
	ErrFull = errors.New("spool: full")
	// ErrTooLarge is why Append refuses for ever.
	ErrTooLarge = errors.New("spool: too large")
	// ErrClosed is returned after Close.
	ErrClosed = errors.New("spool: closed")
	// ErrDamaged is why records are lost whose bytes are not those that were written.
	ErrDamaged = errors.New("damaged on disk")
	// ErrExpired is why records are lost that were older than MaxAge.
	ErrExpired = errors.New("too old")
)

// Spool is a queue of records on disk. It is safe for concurrent use; one Next at a time
// does anything.
type Spool struct {
	opt  Options
	disk *disk

	writer sync.Mutex // held by the one who writes; guards the fields below
	w      file       // of the newest segment; nil: the next write makes one
	salt   uint64     // of it
	buf    []byte

	reader sync.Mutex // held by the one who reads; guards the fields below
	r      scanner
	rOf    segment  // that r is over
	issued Position // end of the newest batch
	slots  cursorFile
	lost   lostFile // persisted, not yet passed on

	mu       sync.Mutex // guards the fields below; taken last
	waiting  []*commit
	segments []segment
	next     uint64 // sequence number of the next record
	newest   int64  // latest time of a record that was ever accepted, as in its head
	cursor   Position
	arrived  chan struct{} // closed at each change
	full     error         // why the newest Append was refused; nil: it was not
	closed   bool
	expired  uint64
	damaged  uint64
	torn     int64
	repeats  bool
}

// segment is one file. Only the last one is written to.
type segment struct {
	base  uint64 // sequence number of its first record
	size  int64  // bytes that are synced
	salt  uint64
	sound bool // its header could be read
}

// Position is a place between two records.
type Position struct {
	seq     uint64 // of the record after it
	base    uint64 // of the segment
	offset  int64  // in the segment
	damaged uint64 // records passed since the cursor
	expired uint64 // in the same way
	told    bool   // the losses on disk are in the batch
}

// Status is how a spool stands.
type Status struct {
	Records uint64        // not passed on
	Bytes   int64         // on disk, with segments of which a part was passed on
	Oldest  time.Duration // since the oldest record was appended; 0: there is none
	Full    error         // why the newest Append was refused; nil: it was not
	Expired uint64        // records dropped as too old since Open
	Damaged uint64        // records found damaged since Open
	Torn    int64         // bytes of unfinished writes that Open cut off
	Repeats bool          // Open could not read the cursor, so records come again
}

// Open takes a folder over; no other process may have it open.
func Open(opt Options) (s *Spool, err error) {
	if opt.MaxBytes != 0 && opt.MaxBytes < leastBytes {
		return nil, fmt.Errorf("spool: %d bytes is not allowed: want at least %d", opt.MaxBytes, leastBytes)
	}
	opt = opt.withDefaults()
	if opt.disk == nil {
		if opt.disk, err = openFolder(opt.Dir); err != nil {
			return nil, fmt.Errorf("spool: %w", err)
		}
	}
	s = &Spool{opt: opt, disk: opt.disk, arrived: make(chan struct{})}
	if err := s.recover(); err != nil {
		s.close()
		return nil, fmt.Errorf("spool %s: %w", opt.Dir, err)
	}
	return s, nil
}

// Status may be asked at any time.
func (s *Spool) Status() Status {
	s.mu.Lock()
	st := Status{Records: s.next - s.cursor.seq, Full: s.full, Expired: s.expired, Damaged: s.damaged, Torn: s.torn, Repeats: s.repeats}
	for _, g := range s.segments {
		st.Bytes += g.size
	}
	s.mu.Unlock()
	if st.Records > 0 {
		if at, ok := s.oldest(); ok {
			st.Oldest = max(s.opt.Now().Sub(at), 1)
		}
	}
	return st
}

// Newest is the latest time of the records that were ever accepted, zero before the first.
func (s *Spool) Newest() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return instant(s.newest)
}

// Close waits for the Append under way, and ends a Next.
func (s *Spool) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.tell()
	s.mu.Unlock()
	s.writer.Lock()
	defer s.writer.Unlock()
	s.reader.Lock()
	defer s.reader.Unlock()
	err := s.slots.write(slot{at: s.cursor, next: s.next, newest: s.newest})
	s.close()
	return err
}

func (s *Spool) close() {
	for _, f := range []file{s.w, s.r.f, s.slots.f} {
		if f != nil {
			_ = f.Close() // everything accepted is synced
		}
	}
	s.w, s.r.f, s.slots.f = nil, nil, nil
	s.disk.release()
}

// tell wakes those who wait for a change; mu is held.
func (s *Spool) tell() {
	close(s.arrived)
	s.arrived = make(chan struct{})
}
