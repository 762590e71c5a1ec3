package dataset

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

// ReplayOptions says what part of a set is replayed.
type ReplayOptions struct {
	From, To time.Time            // rows and records that begin in [From, To]; zero means no limit
	Refuse   func(*asset.Invalid) // hears of every row and file left out; nil means nobody does
}

// Replay delivers the readings of a set in event time: the time of their newest
// sample. A record is cut into blocks of at most a second; the points of one
// asset and instant, over all files, are one reading. Ties are broken by asset,
// then events before points before channels by name, then file and row, so that
// the order is the same whenever the files are. It is used by one goroutine.
type Replay struct {
	set    *Set
	opt    ReplayOptions
	index  *index
	parts  []part
	offset int64 // of the next reading
}

// key orders readings.
type key struct {
	time    int64 // µs
	asset   string
	kind    int8 // event, points, wave
	channel string
	file    int
	row     int64
}

const (
	eventKind int8 = iota
	pointsKind
	waveKind
)

func (a key) compare(b key) int {
	if c := cmp.Compare(a.time, b.time); c != 0 {
		return c
	}
	if c := strings.Compare(a.asset, b.asset); c != 0 {
		return c
	}
	if c := cmp.Compare(a.kind, b.kind); c != 0 {
		return c
	}
	if c := strings.Compare(a.channel, b.channel); c != 0 {
		return c
	}
	return cmp.Or(cmp.Compare(a.file, b.file), cmp.Compare(a.row, b.row))
}

// part is one of the kinds of rows, merged over its files.
type part interface {
	// peek names the next reading; io.EOF after the last.
	peek() (key, error)
	// take returns the reading that peek named, empty when it is only to be
	// passed over.
	take(keep bool) asset.Reading
	// close lets go of the files.
	close()
}

// Replay indexes the set and stands before its first reading.
func (s *Set) Replay(opt ReplayOptions) (*Replay, error) {
	if !opt.From.IsZero() && !opt.To.IsZero() && opt.To.Before(opt.From) {
		return nil, fmt.Errorf("dataset %s: to %s is before from %s", s.Dir, opt.To.Format(time.RFC3339), opt.From.Format(time.RFC3339))
	}
	r := &Replay{set: s, opt: opt}
	r.start()
	return r, nil
}

// start indexes the files. What the index refuses is reported before the first
// reading, not now: after a SeekTo that was done in an earlier life.
func (r *Replay) start() {
	r.Close()
	ix := &index{from: micros(r.opt.From, noTime), to: micros(r.opt.To, math.MaxInt64), names: newNames()}
	ix.damaged = append(ix.damaged, r.set.Damaged...)
	r.index = ix
	r.parts = []part{indexEvents(ix, r.set.events), indexTelemetry(ix, r.set.telemetry), indexWaves(ix, r.set.waves)}
	r.offset = 0
}

// Next returns the next reading and the position after it; io.EOF after the last.
func (r *Replay) Next(ctx context.Context) (asset.Reading, asset.Position, error) {
	if err := ctx.Err(); err != nil {
		return asset.Reading{}, asset.Position{}, err
	}
	r.index.report(r.opt.Refuse)
	reading, err := r.step(true)
	r.index.report(r.opt.Refuse)
	return reading, asset.Position{Offset: r.offset}, err
}

func (r *Replay) step(keep bool) (asset.Reading, error) {
	var first part
	var least key
	for _, p := range r.parts {
		k, err := p.peek()
		if errors.Is(err, io.EOF) {
			continue
		}
		if first == nil || k.compare(least) < 0 {
			first, least = p, k
		}
	}
	if first == nil {
		return asset.Reading{}, io.EOF
	}
	r.offset++
	return first.take(keep), nil
}

// Ack does nothing: a folder keeps its rows.
func (r *Replay) Ack(asset.Position) {}

// SeekTo makes Next return the reading of that offset: 0 is the first, and one beyond
// the last is after all that the end caused. Refusals
// before it are not reported again. It reads what it passes over, but builds no
// samples of it.
func (r *Replay) SeekTo(offset int64) error {
	if offset < 0 {
		return fmt.Errorf("dataset %s: seek to %d", r.set.Dir, offset)
	}
	if offset == r.offset {
		return nil
	}
	if offset < r.offset {
		r.start()
	}
	for r.offset < offset {
		if _, err := r.step(false); errors.Is(err, io.EOF) {
			if offset == r.offset+1 {
				return nil // beyond the end lies what the end caused
			}
			return fmt.Errorf("dataset %s: seek to reading %d of %d: the folder is not the one that was read before", r.set.Dir, offset, r.offset)
		}
		r.index.report(nil)
	}
	return nil
}

// Close lets go of the files. The replay is at its end after it.
func (r *Replay) Close() {
	for _, p := range r.parts {
		p.close()
	}
	r.parts = nil
}

func micros(t time.Time, zero int64) int64 {
	if t.IsZero() {
		return zero
	}
	return t.UnixMicro()
}

// index is what the passes over the light columns share, and what they refused.
type index struct {
	from, to int64
	names    *names
	damaged  []*asset.Invalid
	refused  []refusal
}

// refusal is a refused row, kept small until it is reported.
type refusal struct {
	table           *table
	row, at, before int64
	what            int32 // name of asset or channel
	reason          asset.Reason
}

// inside reports whether a row that begins at t is wanted.
func (ix *index) inside(t int64) bool { return t >= ix.from && t <= ix.to }

// admit judges a row's time by the newest before it; it keeps the newest in last.
func (ix *index) admit(t *table, row, at int64, what int32, last map[int32]int64, key int32) bool {
	if at == noTime {
		ix.refused = append(ix.refused, refusal{table: t, row: row, what: what, reason: NoTime})
		return false
	}
	before, seen := last[key]
	if seen && at < before {
		if ix.inside(at) {
			ix.refused = append(ix.refused, refusal{table: t, row: row, at: at, before: before, what: what, reason: TimeBackwards})
		}
		return false
	}
	last[key] = at
	return ix.inside(at)
}

// report hands over what was refused since the last report.
func (ix *index) report(refuse func(*asset.Invalid)) {
	if refuse != nil {
		for _, d := range ix.damaged {
			refuse(d)
		}
		for _, f := range ix.refused {
			refuse(ix.invalid(f))
		}
	}
	ix.damaged, ix.refused = nil, nil
}

func (ix *index) invalid(f refusal) *asset.Invalid {
	where := fmt.Sprintf("%s row %d", f.table.name, f.row)
	if f.reason == NoTime {
		return &asset.Invalid{Reason: NoTime, Where: where, Text: "time is null, want a timestamp"}
	}
	return &asset.Invalid{Reason: TimeBackwards, Where: where, Text: fmt.Sprintf(
		"%s at %s is earlier than its row before at %s; rows must be in order of time", ix.names.list[f.what], stamp(f.at), stamp(f.before))}
}

func stamp(us int64) string { return time.UnixMicro(us).UTC().Format(time.RFC3339Nano) }
