package spool

import (
	"encoding/binary"
	"fmt"
	"time"
)

// cursorFile holds the newest of two slots, which are written in turn and in place, so
// that one is always whole and a full disk does not matter. A slot is
//
//	 0  4      "TTCU"
//	 4  4      0
//	 8  8      how often it was written
//	16  8      sequence number to read next
//	24  8      segment of it
//	32  8      offset of it
//	40  8      sequence number to be appended next, at that time: all before it was synced
//	48  8      latest time of those, ns since 1970 UTC; the smallest integer: none
//	56  4      CRC-32C of the 56 bytes before
type cursorFile struct {
	f     file
	turns uint64
}

const (
	cursorName  = "cursor"
	cursorMagic = "TTCU"
	cursorBytes = 60
	slotApart   = 4096 // no sector, and no page, is part of both
)

// slot is what one of them says.
type slot struct {
	at     Position
	next   uint64
	newest int64
	known  bool
	fresh  bool // the file holds nothing at all
}

// read returns the newest good slot, one that is not known where there is none.
func (c *cursorFile) read(size int64) (x slot, err error) {
	if size == 0 {
		return slot{fresh: true, newest: nanos(time.Time{})}, nil
	}
	x.newest = nanos(time.Time{})
	var room [slotApart + cursorBytes]byte
	if _, err := c.f.ReadAt(room[:min(size, int64(len(room)))], 0); err != nil {
		return x, fmt.Errorf("cursor: %w", err)
	}
	for _, b := range [][]byte{room[:cursorBytes], room[slotApart:]} {
		turns := binary.LittleEndian.Uint64(b[8:])
		if string(b[:4]) != cursorMagic || binary.LittleEndian.Uint32(b[cursorBytes-4:]) != sum(b[:cursorBytes-4]) || x.known && turns < c.turns {
			continue
		}
		x.known, c.turns = true, turns
		x.at = Position{seq: binary.LittleEndian.Uint64(b[16:]), base: binary.LittleEndian.Uint64(b[24:]), offset: int64(binary.LittleEndian.Uint64(b[32:]))}
		x.next, x.newest = binary.LittleEndian.Uint64(b[40:]), int64(binary.LittleEndian.Uint64(b[48:]))
	}
	return x, nil
}

// write is durable when it returns.
func (c *cursorFile) write(x slot) error {
	turns := c.turns + 1 // a slot that failed is written again: the other one is good
	b := append([]byte(cursorMagic), 0, 0, 0, 0)
	for _, n := range []uint64{turns, x.at.seq, x.at.base, uint64(x.at.offset), x.next, uint64(x.newest)} {
		b = binary.LittleEndian.AppendUint64(b, n)
	}
	b = binary.LittleEndian.AppendUint32(b, sum(b))
	if _, err := c.f.WriteAt(b, int64(turns%2)*slotApart); err != nil {
		return fmt.Errorf("cursor: %w", err)
	}
	if err := c.f.Sync(); err != nil {
		return fmt.Errorf("cursor: %w", err)
	}
	c.turns = turns
	return nil
}
