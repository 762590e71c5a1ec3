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
	{name: "time", type_: instant},
	{name: "asset", type_: text},
	{name: "metric", type_: text},
	{name: "value", type_: number},
	{name: "unit", type_: text},
	{name: "quality", type_: number},
}

// telemetry merges the rows of all telemetry files. The index keeps no rows,
// only where the lanes are; one instant at a time is in memory.
type telemetry struct {
	ix      *index
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
		for _, n := range l.all {
			heap.Push(&t.cursors, &cursor{lane: n, file: file, next: n.spans[0].from, head: n.from})
		}
	}
	return t
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
	t.cursors, t.group, t.at = nil, nil, 0
}

// cursor reads the rows of one lane.
type cursor struct {
	lane   *lane
	file   int
	head   int64 // time of the row to read next
	span   int
	next   int64 // row to read next
	at     int64 // row that the columns stand before
	opened bool
	cols   []*column
}

// read appends the rows of the instant now; io.EOF when the lane is exhausted.
func (c *cursor) read(n *names, now int64, into *[]scalar) error {
	if !c.opened {
		if err := c.lane.table.open(); err != nil {
			return err
		}
		c.opened = true
		for _, w := range telemetryColumns {
			c.cols = append(c.cols, c.lane.table.column(w.name, w.type_, n))
		}
	}
	for {
		if err := c.ready(); err != nil {
			return noEOF(err)
		}
		tc := c.cols[0]
		if c.head = tc.times[tc.at]; c.head != now {
			return nil
		}
		*into = append(*into, scalar{
			time: c.head, file: c.file, row: c.next, asset: c.cols[1].texts[c.cols[1].at], metric: c.cols[2].texts[c.cols[2].at],
			value: c.cols[3].nums[c.cols[3].at], unit: c.cols[4].texts[c.cols[4].at], quality: c.cols[5].nums[c.cols[5].at],
		})
		for _, col := range c.cols {
			col.at++
		}
		c.next, c.at = c.next+1, c.next+1
		if c.next >= c.lane.spans[c.span].to {
			if c.span++; c.span >= len(c.lane.spans) {
				return io.EOF
			}
			c.next = c.lane.spans[c.span].from
		}
	}
}

// ready brings all columns to the row to read next.
func (c *cursor) ready() error {
	for _, col := range c.cols {
		if c.next > c.at {
			if err := col.skip(c.next, c.next-c.at); err != nil {
				return err
			}
		}
		if err := col.fill(); err != nil {
			return err
		}
	}
	c.at = c.next
	return nil
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
