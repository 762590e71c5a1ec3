package spool

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"
)

// Loss is records that cannot be passed on any more.
type Loss struct {
	Key     string    // empty: it could not be read
	From    time.Time // of the earliest of them; where that could not be read, of the record before, zero without one
	To      time.Time // of the latest, or of the record after, in the same way
	Records uint64    // at least
	Why     error     // ErrExpired or ErrDamaged
}

// losses are gathered by key and reason.
type losses map[lossKey]Loss

type lossKey struct {
	key string
	why error
}

func (l losses) add(x Loss) {
	k := lossKey{x.Key, x.Why}
	if old, ok := l[k]; ok {
		x.From, x.To, x.Records = earlier(old.From, x.From), later(old.To, x.To), old.Records+x.Records
	}
	l[k] = x
}

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// list is in the order of keys.
func (l losses) list() []Loss {
	return slices.SortedFunc(maps.Values(l), func(a, b Loss) int {
		if c := strings.Compare(a.Key, b.Key); c != 0 {
			return c
		}
		return strings.Compare(a.Why.Error(), b.Why.Error())
	})
}

// lostFile is what was dropped as too old and not yet passed on as lost, so that its room
// can be used while nobody takes anything.
type lostFile struct {
	all losses
	at  Position // the cursor is there
}

const (
	lostName = "lost"
	lostTemp = "lost.new"
)

// lostSaved is the file: one line with the CRC-32C of the rest, which is this as JSON.
type lostSaved struct {
	Seq    uint64     `json:"seq"`
	Base   uint64     `json:"base"`
	Offset int64      `json:"offset"`
	Lost   []lossSpan `json:"lost"`
}

type lossSpan struct {
	Key     string    `json:"key"`
	From    time.Time `json:"from,omitzero"`
	To      time.Time `json:"to,omitzero"`
	Records uint64    `json:"records"`
	Expired bool      `json:"expired"`
}

func (l *lostFile) through() Position { return l.at }

func (l *lostFile) load(d *disk) error {
	l.all = losses{}
	f, size, err := d.open(lostName)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // only read
	if size == 0 {
		return nil
	}
	b := make([]byte, size)
	if _, err := f.ReadAt(b, 0); err != nil {
		return fmt.Errorf("%s: %w", lostName, err)
	}
	crc, body, _ := bytes.Cut(b, []byte("\n"))
	var saved lostSaved
	if string(crc) != fmt.Sprintf("%08x", sum(body)) || json.Unmarshal(body, &saved) != nil {
		l.all.add(Loss{Records: 1, Why: ErrDamaged}) // at least one, of somebody
		return nil
	}
	l.at = Position{seq: saved.Seq, base: saved.Base, offset: saved.Offset}
	for _, x := range saved.Lost {
		why := ErrDamaged
		if x.Expired {
			why = ErrExpired
		}
		l.all.add(Loss{x.Key, x.From, x.To, x.Records, why})
	}
	return nil
}

// save makes the losses durable; the cursor may move to at afterwards.
func (l *lostFile) save(d *disk, all losses, at Position) error {
	saved := lostSaved{Seq: at.seq, Base: at.base, Offset: at.offset}
	for _, x := range all.list() {
		saved.Lost = append(saved.Lost, lossSpan{x.Key, x.From, x.To, x.Records, x.Why == ErrExpired}) //nolint:errorlint // one of two values
	}
	body, err := json.Marshal(saved)
	if err != nil {
		return err
	}
	f, _, err := d.open(lostTemp)
	if err != nil {
		return err
	}
	if err = f.Truncate(0); err == nil {
		_, err = f.WriteAt(fmt.Appendf(nil, "%08x\n%s", sum(body), body), 0)
	}
	if err == nil {
		err = f.Sync()
	}
	_ = f.Close() // synced
	if err == nil {
		err = d.rename(lostTemp, lostName)
	}
	if err == nil {
		err = d.sync()
	}
	if err != nil {
		return err
	}
	l.all, l.at = all, at
	return nil
}

// clear forgets what was passed on.
func (l *lostFile) clear(d *disk) error {
	l.all = losses{}
	if err := d.remove(lostName); err != nil && !os.IsNotExist(err) {
		return err
	}
	return nil
}
