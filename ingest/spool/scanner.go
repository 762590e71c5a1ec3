package spool

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// scanner reads the records of one segment in order; what it returns is good until the
// next call.
type scanner struct {
	f     file
	salt  uint64
	limit int64 // nothing is read from there on
	room  []byte
	from  int64 // place of room in the file

	badAt int64 // where reading failed the last time
	bad   int   // how often in succession
}

// A place that cannot be read may be a disk that comes back. After so many attempts, on a
// disk that gives other places, it is lost: zeros stand for it then, which are no record.
const (
	readTries = 5
	readPiece = 4096
)

// windowBytes are read at a time; a larger record takes as much as it needs.
const windowBytes = 256 << 10

// frame is a record as it lies in its segment.
type frame struct {
	head
	offset, end int64
	metaBytes   []byte // nil when they are damaged
	body        []byte // the payload; nil when it is damaged or was not asked for
	asked       bool   // for the payload
}

func (f frame) good() bool { return f.metaBytes != nil && (f.body != nil || !f.asked) }

// bytes are n bytes at a place, nil where the file ends before.
func (s *scanner) bytes(at int64, n int) ([]byte, error) {
	if at+int64(n) > s.limit {
		return nil, nil
	}
	if at >= s.from && at+int64(n) <= s.from+int64(len(s.room)) {
		return s.room[at-s.from:][:n], nil
	}
	want := int(min(int64(max(n, windowBytes)), s.limit-at))
	if cap(s.room) < want || cap(s.room) > 8*windowBytes && want <= windowBytes {
		s.room = make([]byte, want)
	}
	got, err := s.f.ReadAt(s.room[:want], at)
	s.room, s.from = s.room[:got], at
	if err != nil && !errors.Is(err, io.EOF) {
		if got, err = s.insist(at, want, err); err != nil {
			s.room = s.room[:0]
			return nil, fmt.Errorf("read: %w", err)
		}
		s.room = s.room[:got]
	}
	if got < n {
		return nil, nil
	}
	return s.room[:n], nil
}

// insist reads piece by piece what could not be read as a whole.
func (s *scanner) insist(at int64, want int, err error) (int, error) {
	if s.bad > 0 && s.badAt != at {
		s.bad = 0
	}
	s.badAt = at
	if s.bad++; s.bad < readTries {
		return 0, err
	}
	var header [segmentStart]byte
	if _, err := s.f.ReadAt(header[:], 0); err != nil {
		return 0, err
	}
	room := s.room[:want]
	for n := 0; n < want; {
		piece := room[n:min(n+readPiece, want)]
		got, err := s.f.ReadAt(piece, at+int64(n))
		if errors.Is(err, io.EOF) {
			return n + got, nil
		}
		if err != nil {
			clear(piece)
		}
		n += len(piece)
	}
	return want, nil
}

// seek begins at another file, or again.
func (s *scanner) seek(limit int64) { s.room, s.limit = s.room[:0], limit }

// next finds the record at a place, or the first one after it; ok is false where there is
// none. A record of which only key and headers, or the payload, are damaged comes as such.
func (s *scanner) next(at int64, payload bool) (f frame, ok bool, err error) {
	for {
		b, err := s.bytes(at, recordHead)
		if b == nil || err != nil {
			return frame{}, false, err
		}
		if h, good := readHead(b, s.salt, at); good && at+h.bytes() <= s.limit {
			return s.fill(frame{head: h, offset: at, end: at + h.bytes(), asked: payload})
		}
		if at, ok, err = s.magic(at + 1); !ok || err != nil {
			return frame{}, false, err
		}
	}
}

// magic is the next place where a record could begin.
func (s *scanner) magic(at int64) (int64, bool, error) {
	for at+recordHead <= s.limit {
		n := int(min(windowBytes, s.limit-at))
		b, err := s.bytes(at, n)
		if b == nil || err != nil {
			return 0, false, err
		}
		if i := bytes.Index(b, []byte(recordMagic)); i >= 0 {
			return at + int64(i), true, nil
		}
		at += int64(n - len(recordMagic) + 1)
	}
	return 0, false, nil
}

func (s *scanner) fill(f frame) (frame, bool, error) {
	n := int(f.meta)
	if f.asked {
		n += int(f.payload)
	}
	b, err := s.bytes(f.offset+recordHead, n)
	if b == nil || err != nil {
		return frame{}, false, err
	}
	if meta := b[:f.meta:f.meta]; sum(meta) == f.metaCRC {
		f.metaBytes = meta
	}
	if f.asked && sum(b[f.meta:]) == f.payloadCRC {
		f.body = b[f.meta:]
	}
	return f, true, nil
}
