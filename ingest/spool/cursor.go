package spool

import (
	"encoding/binary"
	"fmt"
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
//	48  4      CRC-32C of the 48 bytes before
type cursorFile struct {
	f     file
	turns uint64
}

const (
	cursorName  = "cursor"
	cursorMagic = "TTCU"
	cursorBytes = 52
	slotApart   = 4096 // no sector, and no page, is part of both
)

// read returns the newest good slot; ok is false where there is none, fresh when the file
// holds nothing at all.
func (c *cursorFile) read(size int64) (at Position, next uint64, ok, fresh bool, err error) {
	if size == 0 {
		return at, 0, false, true, nil
	}
	var room [slotApart + cursorBytes]byte
	if _, err := c.f.ReadAt(room[:min(size, int64(len(room)))], 0); err != nil {
		return at, 0, false, false, fmt.Errorf("cursor: %w", err)
	}
	for _, b := range [][]byte{room[:cursorBytes], room[slotApart:]} {
		turns := binary.LittleEndian.Uint64(b[8:])
		if string(b[:4]) != cursorMagic || binary.LittleEndian.Uint32(b[48:]) != sum(b[:48]) || ok && turns < c.turns {
			continue
		}
		ok, c.turns = true, turns
		at = Position{seq: binary.LittleEndian.Uint64(b[16:]), base: binary.LittleEndian.Uint64(b[24:]), offset: int64(binary.LittleEndian.Uint64(b[32:]))}
		next = binary.LittleEndian.Uint64(b[40:])
	}
	return at, next, ok, false, nil
}

// write is durable when it returns.
func (c *cursorFile) write(at Position, next uint64) error {
	turns := c.turns + 1 // a slot that failed is written again: the other one is good
	b := append([]byte(cursorMagic), 0, 0, 0, 0)
	for _, n := range []uint64{turns, at.seq, at.base, uint64(at.offset), next} {
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
