package ingest

import (
	"encoding/binary"
	"sync/atomic"
)

// names keeps one copy of each name that comes again and again: metrics, units, assets.
// It never grows; where too many meet, a name is copied again. A nil one copies always.
// It is safe for concurrent use.
type names struct {
	slots [4096]atomic.Pointer[string]
}

// longestName that is kept; a longer one is hardly a name.
const longestName = 128

// of returns b as a string.
func (n *names) of(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	if n == nil || len(b) > longestName {
		return string(b)
	}
	h := hash(b)
	first, second := &n.slots[h%4096], &n.slots[(h>>12)%4096]
	p := first.Load()
	if p != nil && *p == string(b) {
		return *p
	}
	if p != nil {
		if q := second.Load(); q != nil && *q == string(b) {
			return *q
		}
	}
	s := string(b)
	switch {
	case p == nil, h>>63 == 0 && second.Load() != nil:
		first.Store(&s)
	default:
		second.Store(&s)
	}
	return s
}

// hash mixes eight bytes at a time (FNV-1a over words); who makes names collide only makes
// them be copied.
func hash(b []byte) uint64 {
	const prime = 0x9E3779B97F4A7C15
	h := uint64(len(b))
	for ; len(b) >= 8; b = b[8:] {
		h = (h ^ binary.LittleEndian.Uint64(b)) * prime
		h ^= h >> 29
	}
	var rest uint64
	for _, c := range b {
		rest = rest<<8 | uint64(c)
	}
	h = (h ^ rest) * prime
	return h ^ h>>32
}
