package dataset

import (
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/parquet-go/parquet-go"
)

// noTime stands for a null timestamp.
const noTime = math.MinInt64

// names gives every distinct string of a set a small number, so that an index
// of millions of rows stays small.
type names struct {
	ids  map[string]int32
	list []string
}

func newNames() *names { return &names{ids: map[string]int32{"": 0}, list: []string{""}} }

func (n *names) id(b []byte) int32 {
	if id, ok := n.ids[string(b)]; ok {
		return id
	}
	id := int32(len(n.list))
	s := string(b)
	n.ids[s] = id
	n.list = append(n.list, s)
	return id
}

// pager walks the pages of one leaf column from row group to row group.
type pager struct {
	table *table
	leaf  int
	group int // of pages; -1 before the first
	pages parquet.Pages
}

// next returns the next page that holds a value; io.EOF after the last. The
// caller releases it.
func (p *pager) next() (page parquet.Page, newGroup bool, err error) {
	groups := p.table.pq.RowGroups()
	for {
		if p.pages == nil {
			if p.group+1 >= len(groups) {
				return nil, false, io.EOF
			}
			p.group++
			p.pages = groups[p.group].ColumnChunks()[p.leaf].Pages()
			newGroup = true
		}
		page, err = p.pages.ReadPage()
		if errors.Is(err, io.EOF) {
			p.close()
			continue
		}
		if err != nil || page.NumValues() > 0 {
			return page, newGroup, err
		}
		parquet.Release(page)
	}
}

// seek makes the next page begin at a row of the file.
func (p *pager) seek(row int64) error {
	p.close()
	for i, g := range p.table.pq.RowGroups() {
		if row >= g.NumRows() {
			row -= g.NumRows()
			continue
		}
		p.group = i
		p.pages = g.ColumnChunks()[p.leaf].Pages()
		return p.pages.SeekToRow(row)
	}
	return io.EOF
}

func (p *pager) close() {
	if p.pages != nil {
		_ = p.pages.Close() // read only
	}
	p.pages = nil
}

// column reads one flat column, a page at a time.
type column struct {
	pager
	name   string
	kind   columnType
	max    byte  // definition level of a value
	perSec int64 // ticks of a timestamp
	names  *names

	times []int64
	texts []int32
	nums  []float64
	at, n int // next value of the page, and their number
}

// column opens a column of the table; nil when an optional one is not there.
func (t *table) column(name string, kind columnType, n *names) *column {
	leaf, ok := t.leaf(name)
	if !ok {
		return nil
	}
	return &column{
		pager: pager{table: t, leaf: leaf.ColumnIndex, group: -1},
		name:  name, kind: kind, max: byte(leaf.MaxDefinitionLevel), perSec: ticks(leaf), names: n,
	}
}

// fill makes sure that a value is at hand.
func (c *column) fill() error {
	for c.at >= c.n {
		page, _, err := c.next()
		if err != nil {
			return err
		}
		err = c.decode(page)
		parquet.Release(page)
		if err != nil {
			return fmt.Errorf("column %s: %w", c.name, err)
		}
	}
	return nil
}

// skip passes over n rows.
func (c *column) skip(to, n int64) error {
	if left := int64(c.n - c.at); n <= left {
		c.at += int(n)
		return nil
	}
	c.at, c.n = 0, 0
	return c.seek(to)
}

func (c *column) decode(page parquet.Page) error {
	def := page.DefinitionLevels()
	c.at, c.n = 0, int(page.NumValues())
	switch c.kind {
	case instant:
		c.times = c.times[:0]
		times, err := instants(page)
		if err != nil {
			return err
		}
		return spread(c, def, times, noTime, func(v int64) int64 {
			switch c.perSec {
			case 1e3:
				return v * 1000
			case 1e9:
				return v / 1000
			}
			return v
		}, &c.times)
	case text:
		c.texts = c.texts[:0]
		ids, err := textIDs(page, c.names)
		if err != nil {
			return err
		}
		return spread(c, def, ids, 0, func(v int32) int32 { return v }, &c.texts)
	default:
		c.nums = c.nums[:0]
		nums, err := floats(page, nil)
		if err != nil {
			return err
		}
		return spread(c, def, nums, math.NaN(), func(v float64) float64 { return v }, &c.nums)
	}
}

// spread lays the values of a page out over its rows, with null where the
// definition level says so.
func spread[T any](c *column, def []byte, vals []T, null T, conv func(T) T, dst *[]T) error {
	if len(def) == 0 {
		if len(vals) < c.n {
			return fmt.Errorf("page of %d rows holds %d values: %w", c.n, len(vals), io.ErrUnexpectedEOF)
		}
		for _, v := range vals[:c.n] {
			*dst = append(*dst, conv(v))
		}
		return nil
	}
	k := 0
	for _, d := range def[:c.n] {
		if d != c.max {
			*dst = append(*dst, null)
			continue
		}
		if k >= len(vals) {
			return fmt.Errorf("page of %d rows holds %d values: %w", c.n, len(vals), io.ErrUnexpectedEOF)
		}
		*dst = append(*dst, conv(vals[k]))
		k++
	}
	return nil
}

// instants are the timestamps of a page; one of a dictionary holds indices.
func instants(page parquet.Page) ([]int64, error) {
	data := page.Data()
	dict := page.Dictionary()
	if dict == nil {
		return data.Int64(), nil
	}
	table := make([]int64, dict.Len())
	for i := range table {
		table[i] = dict.Index(int32(i)).Int64()
	}
	return lookUp(data.Int32(), table)
}

// textIDs numbers the strings of a page; of a dictionary each string once.
func textIDs(page parquet.Page, n *names) ([]int32, error) {
	values := page.Data()
	if dict := page.Dictionary(); dict != nil {
		table := make([]int32, dict.Len())
		for i := range table {
			table[i] = n.id(dict.Index(int32(i)).ByteArray())
		}
		return lookUp(values.Int32(), table)
	}
	data, offsets := values.ByteArray()
	if len(offsets) == 0 {
		return nil, nil
	}
	ids := make([]int32, len(offsets)-1)
	for i := range ids {
		ids[i] = n.id(data[offsets[i]:offsets[i+1]])
	}
	return ids, nil
}

func lookUp[T any](index []int32, table []T) ([]T, error) {
	out := make([]T, len(index))
	for i, k := range index {
		if k < 0 || int(k) >= len(table) {
			return nil, fmt.Errorf("dictionary index %d of %d: %w", k, len(table), io.ErrUnexpectedEOF)
		}
		out[i] = table[k]
	}
	return out, nil
}

// floats widens the values of a numeric page; dst is reused when long enough.
func floats(page parquet.Page, dst []float64) ([]float64, error) {
	data := page.Data()
	if dict := page.Dictionary(); dict != nil {
		table := make([]float64, dict.Len())
		for i := range table {
			table[i] = asFloat(dict.Index(int32(i)))
		}
		return lookUp(data.Int32(), table)
	}
	dst = dst[:0]
	switch page.Type().Kind() {
	case parquet.Int32:
		dst = widen(dst, data.Int32())
	case parquet.Int64:
		dst = widen(dst, data.Int64())
	case parquet.Float:
		dst = widen(dst, data.Float())
	case parquet.Double:
		dst = append(dst, data.Double()...)
	default:
		return nil, fmt.Errorf("values of type %s are no numbers", page.Type())
	}
	return dst, nil
}

func widen[T int32 | int64 | float32](dst []float64, src []T) []float64 {
	for _, v := range src {
		dst = append(dst, float64(v))
	}
	return dst
}

func asFloat(v parquet.Value) float64 {
	switch v.Kind() {
	case parquet.Int32:
		return float64(v.Int32())
	case parquet.Int64:
		return float64(v.Int64())
	case parquet.Float:
		return float64(v.Float())
	case parquet.Double:
		return v.Double()
	}
	return math.NaN()
}
