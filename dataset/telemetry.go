package dataset

import (
	"container/heap"
	"errors"
	"io"
	"slices"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

var telemetryColumns = []want{
	{name: "time", holds: instant},
	{name: "asset", holds: text},
	{name: "metric", holds: text},
	{name: "value", holds: number},
	{name: "unit", holds: text},
	{name: "quality", holds: number},
}

// loadRows is how many rows of files with several lanes are held in memory, at
// 56 bytes each: reading such a file lane by lane would decode it many times.
const loadRows = 6_000_000

// telemetry merges the rows of all telemetry files. Of a file in order of time
// the index keeps no rows, and one instant at a time is in memory.
type telemetry struct {
	ix      *index
	loaded  int64   // rows in memory
	cursors cursors // the earliest on top
	group   []scalar
	at      int // first row of the group that was not delivered
}

// scalar is a row of a telemetry file.
type scalar struct {
	time                int64
	file                int
	row                 int64
	asset, metric, unit int32
	value, quality      float64
}

func indexTelemetry(ix *index, tables []*table) *telemetry {
	t := &telemetry{ix: ix}
	for file, tab := range tables {
		l := &lanes{table: tab}
		refused := len(ix.refused)
		if err := guard(func() error { return indexScalars(ix, tab, l) }); err != nil {
			ix.refused = ix.refused[:refused]
			ix.damaged = append(ix.damaged, tab.refusal(err))
			continue
		}
		rows, err := t.load(tab, file, len(l.all))
		if err != nil {
			ix.damaged = append(ix.damaged, tab.refusal(err))
			continue
		}
		for _, n := range l.all {
			heap.Push(&t.cursors, &cursor{lane: n, file: file, next: n.spans[0].from, head: n.from, rows: rows})
		}
	}
	return t
}

// load reads a file of several lanes whole, when it fits; nil when it does not.
func (t *telemetry) load(tab *table, file, lanes int) (rows []scalar, err error) {
	err = guard(func() error {
		if err := tab.open(); err != nil {
			return err
		}
		defer tab.close()
		n := tab.pq.NumRows()
		if lanes < 3 || t.loaded+n > loadRows {
			return nil
		}
		t.loaded += n
		cols := tab.scalars(t.ix.names)
		defer closeAll(cols)
		rows = make([]scalar, 0, n)
		for row := range n {
			for _, c := range cols {
				if err := c.fill(); err != nil {
					return noEOF(err)
				}
			}
			rows = append(rows, scalarAt(cols, file, row))
		}
		return nil
	})
	return rows, err
}

func (t *table) scalars(n *names) (cols []*column) {
	for _, w := range telemetryColumns {
		cols = append(cols, t.column(w.name, w.holds, n))
	}
	return cols
}

// scalarAt takes the values that the columns stand at.
func scalarAt(cols []*column, file int, row int64) scalar {
	s := scalar{
		time: cols[0].times[cols[0].at], file: file, row: row, asset: cols[1].texts[cols[1].at], metric: cols[2].texts[cols[2].at],
		value: cols[3].nums[cols[3].at], unit: cols[4].texts[cols[4].at], quality: cols[5].nums[cols[5].at],
	}
	for _, c := range cols {
		c.at++
	}
	return s
}

// indexScalars puts the wanted rows of a file into lanes.
func indexScalars(ix *index, t *table, l *lanes) error {
	if err := t.open(); err != nil {
		return err
	}
	defer t.close()
	times, assets := t.column("time", instant, ix.names), t.column("asset", text, ix.names)
	defer closeAll([]*column{times, assets})
	last := map[int32]int64{}
	for row := range t.pq.NumRows() {
		if err := errors.Join(times.fill(), assets.fill()); err != nil {
			return io.ErrUnexpectedEOF
		}
		at, who := times.times[times.at], assets.texts[assets.at]
		times.at++
		assets.at++
		if ix.admit(t, row, at, who, last, who) {
			l.add(row, at)
		}
	}
	return nil
}

func (t *telemetry) peek() (key, error) {
	for t.at >= len(t.group) {
		if err := t.gather(); err != nil {
			return key{}, err
		}
	}
	r := &t.group[t.at]
	return key{time: r.time, asset: t.ix.names.list[r.asset], kind: pointsKind, file: r.file, row: r.row}, nil
}

// gather collects the rows of the earliest instant, sorted by asset.
func (t *telemetry) gather() error {
	t.group, t.at = t.group[:0], 0
	if len(t.cursors) == 0 {
		return io.EOF
	}
	now := t.cursors[0].head
	for len(t.cursors) > 0 && t.cursors[0].head == now {
		c := t.cursors[0]
		err := guard(func() error { return c.read(t.ix.names, now, &t.group) })
		if err == nil {
			heap.Fix(&t.cursors, 0)
			continue
		}
		c.close()
		heap.Pop(&t.cursors)
		if !errors.Is(err, io.EOF) {
			t.ix.damaged = append(t.ix.damaged, c.lane.table.refusal(err))
		}
	}
	n := t.ix.names.list
	slices.SortFunc(t.group, func(a, b scalar) int {
		ka := key{asset: n[a.asset], file: a.file, row: a.row}
		return ka.compare(key{asset: n[b.asset], file: b.file, row: b.row})
	})
	return nil
}

func (t *telemetry) take(keep bool) asset.Reading {
	first := t.group[t.at]
	end := t.at + 1
	for end < len(t.group) && t.group[end].asset == first.asset {
		end++
	}
	rows := t.group[t.at:end]
	t.at = end
	if !keep {
		return asset.Reading{}
	}
	n := t.ix.names.list
	points := make([]asset.Point, len(rows))
	for i, r := range rows {
		points[i] = asset.Point{Metric: n[r.metric], Value: r.value, Unit: n[r.unit], Quality: known(r.quality, 100)}
	}
	return asset.Reading{Asset: asset.ID(n[first.asset]), Time: time.UnixMicro(first.time).UTC(), Points: points}
}

func (t *telemetry) close() {
	for _, c := range t.cursors {
		c.close()
	}
	t.cursors, t.group, t.at, t.loaded = nil, nil, 0, 0
}

// cursor reads the rows of one lane.
type cursor struct {
	lane   *lane
	file   int
	head   int64 // time of the row to read next
	span   int
	next   int64    // row to read next
	at     int64    // row that the columns stand before
	rows   []scalar // of the file, when it was loaded; else columns are read
	opened bool
	cols   []*column
}

// read appends the rows of the instant now; io.EOF when the lane is exhausted.
func (c *cursor) read(n *names, now int64, into *[]scalar) error {
	if !c.opened && c.rows == nil {
		if err := c.lane.table.open(); err != nil {
			return err
		}
		c.opened = true
		c.cols = c.lane.table.scalars(n)
	}
	for {
		row, err := c.row(now)
		if c.head != now || err != nil {
			return err
		}
		*into = append(*into, row)
		if c.next++; c.next < c.lane.spans[c.span].to {
			continue
		}
		if c.span++; c.span >= len(c.lane.spans) {
			return io.EOF
		}
		c.next = c.lane.spans[c.span].from
	}
}

// row looks at the row to read next, and takes it when it is of the instant.
func (c *cursor) row(now int64) (scalar, error) {
	if c.rows != nil {
		c.head = c.rows[c.next].time
		return c.rows[c.next], nil
	}
	for _, col := range c.cols {
		if c.next > c.at {
			if err := col.skip(c.next, c.next-c.at); err != nil {
				return scalar{}, noEOF(err)
			}
		}
		if err := col.fill(); err != nil {
			return scalar{}, noEOF(err)
		}
	}
	c.at = c.next
	if c.head = c.cols[0].times[c.cols[0].at]; c.head != now {
		return scalar{}, nil
	}
	c.at++
	return scalarAt(c.cols, c.file, c.next), nil
}

func (c *cursor) close() {
	if c.opened {
		closeAll(c.cols)
		c.lane.table.close()
	}
	c.opened, c.cols = false, nil
}

// cursors is a heap: the cursor with the earliest row on top, ties by file.
type cursors []*cursor

func (h cursors) Len() int { return len(h) }
func (h cursors) Less(i, j int) bool {
	if h[i].head != h[j].head {
		return h[i].head < h[j].head
	}
	if h[i].file != h[j].file {
		return h[i].file < h[j].file
	}
	return h[i].next < h[j].next
}
func (h cursors) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *cursors) Push(x any)   { *h = append(*h, x.(*cursor)) }
func (h *cursors) Pop() any {
	old := *h
	c := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return c
}
