package dataset

import (
	"io"
	"slices"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

var eventColumns = []want{
	{name: "time", holds: instant},
	{name: "asset", holds: text},
	{name: "component", holds: text, optional: true},
	{name: "kind", holds: text},
	{name: "code", holds: text, optional: true},
	{name: "text", holds: text, optional: true},
}

// events holds the events of all files in memory: they are few.
type events struct {
	ix   *index
	rows []eventRow
	next int
}

type eventRow struct {
	key   key
	event asset.Event
}

func indexEvents(ix *index, tables []*table) *events {
	e := &events{ix: ix}
	for file, t := range tables {
		before, refused := len(e.rows), len(ix.refused)
		if err := guard(func() error { return e.indexFile(file, t) }); err != nil {
			e.rows, ix.refused = e.rows[:before], ix.refused[:refused]
			ix.damaged = append(ix.damaged, t.refusal(err))
		}
	}
	slices.SortFunc(e.rows, func(a, b eventRow) int { return a.key.compare(b.key) })
	return e
}

func (e *events) indexFile(file int, t *table) error {
	if err := t.open(); err != nil {
		return err
	}
	defer t.close()
	n := e.ix.names
	var cols []*column
	defer func() { closeAll(cols) }()
	for _, w := range eventColumns {
		cols = append(cols, t.column(w.name, w.holds, n))
	}
	last := map[int32]int64{}
	for row := range t.pq.NumRows() {
		var ids [6]int32 // of the texts of the row
		var at int64
		for i, c := range cols {
			if c == nil {
				continue
			}
			if err := c.fill(); err != nil {
				return noEOF(err)
			}
			if i == 0 {
				at = c.times[c.at]
			} else {
				ids[i] = c.texts[c.at]
			}
			c.at++
		}
		if !e.ix.admit(t, row, at, ids[1], last, ids[1]) {
			continue
		}
		s := n.list
		e.rows = append(e.rows, eventRow{
			key:   key{time: at, asset: s[ids[1]], kind: eventKind, file: file, row: row},
			event: asset.Event{Component: s[ids[2]], Kind: s[ids[3]], Code: s[ids[4]], Text: s[ids[5]]},
		})
	}
	return nil
}

func (e *events) peek() (key, error) {
	if e.next >= len(e.rows) {
		return key{}, io.EOF
	}
	return e.rows[e.next].key, nil
}

func (e *events) take(bool) asset.Reading {
	r := &e.rows[e.next]
	e.next++
	return asset.Reading{Asset: asset.ID(r.key.asset), Time: time.UnixMicro(r.key.time).UTC(), Event: &r.event}
}

func (e *events) close() { e.rows, e.next = nil, 0 }
